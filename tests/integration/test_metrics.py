"""Metrics and the line of a call, as they come of real calls."""

import asyncio
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families
from stage import Stage, passed, play

from gateway.clock import SystemClock
from gateway.model import Operation
from gateway.simulator import SimulatorSettings
from gateway.store import StoreDown
from gateway.store.memory import MemoryStore
from gateway.store.timed import TimedStore
from gateway.telemetry import NOTES
from gateway.telemetry.metrics import READINGS

COPY = "/v1.0/me/drive/root:/hello.txt:/copy"
NEW = {"name": "new.txt"}
SLOW = SimulatorSettings(base_duration=0.4, bytes_per_second=0)


async def samples(stage: Stage) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = await stage.admin("/metrics")
    assert answer.status == 200
    assert (answer.header("Content-Type") or "").startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def labelled(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"lro_gateway_{name}", frozenset(labels.items())


def test_a_copy_and_one_that_joins_it_are_counted() -> None:
    async def story(stage: Stage) -> None:
        first = asyncio.gather(stage.copy(COPY, body=NEW))
        await passed(lambda: len(stage.gateway.follower) == 1)
        while_it_runs = await samples(stage)
        assert while_it_runs[labelled("held_calls")] == 1
        assert while_it_runs[labelled("following")] == 1
        assert (await stage.copy(COPY, body=NEW)).status == (await first)[0].status == 200
        refused = await stage.call("GET", "/v1.0/me/../users")
        assert refused.status == 400
        found = await samples(stage)
        assert found[labelled("calls_total", route="hold", status="2xx", outcome="answered")] == 2
        assert found[labelled("admissions_total", relation="start")] == 1
        assert found[labelled("admissions_total", relation="join")] == 1
        assert found[labelled("refusals_total", reason="path_dot_segment")] == 1
        for state in ("reserved", "submitting", "running", "result", "succeeded"):
            assert found[labelled("operations_total", dialect="drive", state=state, store="memory")] == 1
        polls = sum(value for (name, _), value in found.items() if name == "lro_gateway_polls_total")
        assert polls == found[labelled("poll_late_seconds_count")] == len(stage.observer.polls) > 0
        assert found[labelled("operation_seconds_count", dialect="drive", state="result")] == 1
        assert found[labelled("answer_lag_seconds_count")] == 2
        assert found[labelled("head_seconds_count", side="upstream", status="2xx")] >= 3
        assert found[labelled("head_seconds_count", side="monitor", status="2xx")] >= 1
        assert found[labelled("store_seconds_count", store="memory", method="claim")] == 1
        assert found[labelled("held_calls")] == 0
        assert found[labelled("ready")] == 1
        assert found[labelled("upstream_connections", side="upstream", use="idle")] >= 1

    play(story, settings=SLOW)


def test_every_reading_is_there_while_the_gateway_runs() -> None:
    async def story(stage: Stage) -> None:
        names = {name.removeprefix("lro_gateway_").removesuffix("_total") for name, _ in await samples(stage)}
        missing = {reading.name for reading in READINGS} - names
        assert missing == {"certificate_expires_timestamp_seconds"}, "it speaks no TLS"

    play(story)


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    async def story(stage: Stage) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.admin_port)
        writer.write(
            b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/openmetrics-text;version=1.0.0\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
        assert b"Content-Type: application/openmetrics-text; version=1.0.0" in answer
        assert answer.endswith(b"# EOF\n")

    play(story)


def test_the_line_of_a_call_says_where_its_time_went() -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW)).status == 200
        assert (await stage.call("GET", "/v1.0/me")).status == 200

    copied, forwarded = play(story, settings=SLOW, limits={"running_per_drive": 5}).calls
    assert set(copied.notes) == set(NOTES)
    times = {name: value for name, value in copied.notes.items() if name.endswith("_ms")}
    assert all(isinstance(value, float) and value >= 0 for value in times.values())
    assert float(copied.notes["operation_ms"]) >= 400
    assert copied.notes["polls"] == 1 or int(copied.notes["polls"]) > 1
    assert forwarded.notes == {}


def test_a_caller_that_comes_after_the_end_has_no_lag() -> None:
    async def story(stage: Stage) -> None:
        redirect = await stage.copy(COPY, body=NEW)
        assert redirect.status == 303
        await passed(lambda: len(stage.gateway.follower) == 0)
        answer = await stage.call("GET", redirect.header("Location") or "")
        assert answer.status == 200

    _, late = play(story, settings=SLOW, wait={"max": 0.05}).calls
    assert "answer_lag_ms" not in late.notes
    assert "held_ms" not in late.notes
    assert "result_ms" in late.notes


def test_a_timed_store_says_what_failed_and_passes_it_on() -> None:
    used: list[tuple[str, bool]] = []

    class Down(MemoryStore):
        async def all(self) -> Sequence[Operation]:
            raise StoreDown("gone")

    def note(method: str, seconds: float, *, failed: bool) -> None:
        used.append((method, failed))

    async def story() -> None:
        clock = SystemClock()
        store = TimedStore(Down(now=clock.now, max_active=1, keep_finished=1, keep_keyed=1), clock, note)
        assert await store.get("0" * 32) is None
        try:
            await store.all()
        except StoreDown:
            used.append(("raised", True))

    asyncio.run(story())
    assert used == [("get", False), ("all", True), ("raised", True)]
