"""The line of a call that is spelled by hand is the one that structlog would have written."""

import asyncio
import io
import json
from dataclasses import replace
from typing import Any

import pytest
import structlog
from fakes.records import START, running
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import State
from gateway.telemetry import NOTES, CallRecord
from gateway.telemetry.lines import Turn, call_line, event_line
from gateway.telemetry.logs import LogObserver, configure
from gateway.telemetry.redaction import redact

WORDS = st.sampled_from(["forward", "hold", "answered", "left", "upstream_silent"])
COUNTS = st.integers(0, 10**12)
NOTED = st.dictionaries(
    st.sampled_from(sorted(NOTES)),
    st.one_of(COUNTS, st.floats(0, 1e6), st.booleans(), st.text(max_size=20)),
    max_size=3,
)
RECORDS = st.builds(
    CallRecord,
    method=st.sampled_from(["GET", "POST", ""]),
    path=st.one_of(st.text(max_size=60), st.sampled_from(["/v1.0/me/drive/root:/a b.txt:/copy", '/"\\\x00é', "/x=y!z"])),
    started=st.just(0.0),
    request_id=st.just("0123456789abcdef"),
    route=WORDS,
    status=st.integers(0, 599),
    outcome=WORDS,
    operation=st.none() | st.just("op-1"),
    relation=st.none() | st.just("join"),
    upstream_status=st.none() | st.integers(100, 599),
    bytes_in=COUNTS,
    bytes_out=COUNTS,
    notes=NOTED,
)  # fmt: skip


def by_structlog(record: CallRecord, seconds: float) -> str:
    """As every other line is written, but for its time."""
    facts: dict[str, Any] = {
        name: getattr(record, name) for name in ("method", "path", "route", "status", "outcome")
    }
    facts |= {"seconds": round(seconds, 4), "bytes_in": record.bytes_in, "bytes_out": record.bytes_out}
    facts |= {"request_id": record.request_id}
    for name in ("operation", "relation", "upstream_status"):
        if getattr(record, name) is not None:
            facts[name] = getattr(record, name)
    facts |= record.notes
    event = redact(None, "info", {**facts, "event": "call", "level": "info", "timestamp": "T"})
    return str(structlog.processors.JSONRenderer()(None, "info", dict(event)))


@given(RECORDS, st.floats(0, 1e5))
def test_it_is_structlogs_line(record: CallRecord, seconds: float) -> None:
    line = call_line(record, seconds)
    stamp = json.loads(line)["timestamp"]
    assert line == by_structlog(record, seconds).replace('"T"', f'"{stamp}"') + "\n"


@given(
    st.dictionaries(
        st.sampled_from(["operation", "kind", "state", "code", "authorization"]),
        st.one_of(COUNTS, st.floats(0, 1e6), st.none(), st.text(max_size=40), st.just("Bearer abcdefghij")),
    )
)
def test_so_is_that_of_any_other_event(facts: dict[str, Any]) -> None:
    out = io.StringIO()
    log = configure(level="info", fmt="json", stream=out)
    log.info("operation_ended", **facts)
    stamp = json.loads(out.getvalue())["timestamp"]
    line = event_line("operation_ended", facts)
    assert line.replace(json.loads(line)["timestamp"], stamp) == out.getvalue()


def test_the_lines_of_operations_are_written_at_once_at_every_level_that_shows_them() -> None:
    told = {}
    for level, fmt in (("info", "json"), ("info", "console"), ("warning", "json")):
        out = io.StringIO()
        observer = LogObserver(configure(level=level, fmt=fmt, stream=out))
        started = replace(running(), state=State.SUBMITTING)
        observer.operation_changed(started, running())
        observer.operation_changed(running(), replace(running(), state=State.RESULT, ended_at=START + 2))
        told[level, fmt] = out.getvalue()
    accepted, ended = (json.loads(line) for line in told["info", "json"].splitlines())
    assert (accepted["event"], accepted["state"]) == ("operation_accepted", "running")
    assert (ended["event"], ended["state"], ended["polls"]) == ("operation_ended", "result", 0)
    assert "operation_accepted" in told["info", "console"]
    assert told["warning", "json"] == ""


def test_its_time_is_spelled_as_in_every_other_line() -> None:
    out = io.StringIO()
    observer = LogObserver(configure(level="info", fmt="json", stream=out))
    observer.event("stopped")
    observer.call_ended(CallRecord("GET", "/", 0.0, "x"), 0.1)
    first, second = (json.loads(line)["timestamp"] for line in out.getvalue().splitlines())
    assert len(first) == len(second) == len("2026-11-21T10:03:23.762081Z")
    assert first <= second


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_level_above_it_keeps_it_out(level: str) -> None:
    out = io.StringIO()
    LogObserver(configure(level=level, fmt="json", stream=out)).call_ended(
        CallRecord("GET", "/", 0.0, "x"), 0.1
    )
    assert out.getvalue() == ""


class Counted(io.StringIO):
    """Counts what would be system calls."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_the_lines_of_one_turn_are_written_at_once_and_in_order() -> None:
    out = Counted()
    observer = LogObserver(configure(level="info", fmt="json", stream=out))

    async def story() -> None:
        for number in range(5):
            observer.call_ended(CallRecord("GET", f"/{number}", 0.0, "x"), 0.1)
        assert out.writes == 0
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
        assert out.writes == 1
        observer.call_ended(CallRecord("GET", "/5", 0.0, "x"), 0.1)
        observer.event("stopping")
        assert out.writes == 2  # a line that is no call's is not kept waiting, nor are those before it
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop

    asyncio.run(story())
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line.get("path", line["event"]) for line in lines] == [
        "/0", "/1", "/2", "/3", "/4", "/5", "stopping",
    ]  # fmt: skip


def test_without_a_loop_a_line_is_written_at_once() -> None:
    out = Counted()
    turn = Turn(out)
    turn.later("a\n")
    assert out.getvalue() == "a\n"
