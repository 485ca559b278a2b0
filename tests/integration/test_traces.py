"""Traces: the spans of a call and of its operation, what is passed on to Graph, and the way to a collector."""

import asyncio
import sys
import threading
from collections.abc import Sequence

import pytest
import stage as stages
from fakes.collector import Collector
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from stage import Stage, in_thread, passed, play

from gateway.errors import OutcomeUnknown
from gateway.simulator import SimulatorSettings
from gateway.simulator.wire import Asked
from gateway.telemetry import tracing
from gateway.telemetry.traces import OtlpTraces

COPY = "/v1.0/me/drive/root:/hello.txt:/copy"
NEW = {"name": "new.txt"}
SLOW = SimulatorSettings(base_duration=0.6, bytes_per_second=0)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"


class Spans:
    """What was exported, once the gateway has stopped."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.traces = OtlpTraces(self.exporter)

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def one(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.all if span.name == name]
        return found

    def tree(self) -> set[tuple[str | None, str]]:
        """The names of parent and child."""
        names = {ident(span): span.name for span in self.all}
        return {
            (names.get(span.parent.span_id) if span.parent is not None else None, span.name)
            for span in self.all
        }


def ident(span: ReadableSpan) -> int:
    return span.get_span_context().span_id  # type: ignore[union-attr] # an exported span has one


def trace_of(span: ReadableSpan) -> str:
    return f"{span.get_span_context().trace_id:032x}"  # type: ignore[union-attr] # the same


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    here = Spans()
    monkeypatch.setattr(stages, "TRACES", here.traces)
    return here


def sent(stage: Stage, method: str, path: str) -> Asked:
    """The last request of this kind that reached the simulator."""
    return [asked for asked in stage.simulator.requests() if asked.method == method and path in asked.target][
        -1
    ]


def line(asked: Asked, name: str) -> list[str]:
    return [value for key, value in asked.headers if key.lower() == name]


# --- spans -----------------------------------------------------------------------------------------------


def test_a_copy_is_one_trace_with_its_parts(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.copy(COPY, body={"name": "one"}, headers={"traceparent": PARENT})
        assert answer.status == 200
        for asked in stage.simulator.requests():
            if asked.origin == "monitor":
                assert line(asked, "traceparent") == []
        post, get = sent(stage, "POST", "/copy"), sent(stage, "GET", "/v1.0/me/drive/items/")
        heads.extend(line(post, "traceparent") + line(get, "traceparent"))

    heads: list[str] = []
    observer = play(story)
    assert spans.tree() == {
        (None, "POST hold"),
        ("POST hold", "submit"),
        ("POST hold", "hold"),
        ("POST hold", "result"),
        ("submit", "polls"),
    }
    assert {trace_of(span) for span in spans.all} == {TRACE}
    root = spans.one("POST hold")
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == CALLER
    submit, result = spans.one("submit"), spans.one("result")
    assert heads == [f"00-{TRACE}-{ident(submit):016x}-01", f"00-{TRACE}-{ident(result):016x}-01"]
    polls = spans.one("polls")
    assert len(polls.events) == len(observer.polls) > 0
    assert polls.attributes is not None
    assert polls.attributes["gateway.state"] == "result"
    assert root.attributes is not None
    assert root.attributes["gateway.relation"] == "start"


def test_a_call_that_passes_through_is_one_span_and_says_so_upstream(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        await stage.call("GET", "/v1.0/me", headers={"tracestate": "vendor=1", "TraceParent": PARENT})
        me = sent(stage, "GET", "/v1.0/me")
        heads.extend(line(me, "traceparent") + line(me, "tracestate"))

    heads: list[str] = []
    play(story)
    assert spans.tree() == {(None, "GET forward")}
    assert heads == [f"00-{TRACE}-{ident(spans.one('GET forward')):016x}-01", "vendor=1"]


@pytest.mark.parametrize("junk", ["00-0-0-01", f"00-{TRACE}-{'0' * 16}-01", "ff" + PARENT[2:], ""])
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(spans: Spans, junk: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.call("GET", "/v1.0/me", headers={"traceparent": junk, "tracestate": "vendor=1"})
        me = sent(stage, "GET", "/v1.0/me")
        heads.extend(line(me, "traceparent"))
        assert line(me, "tracestate") == []

    heads: list[str] = []
    play(story)
    span = spans.one("GET forward")
    assert span.parent is None
    assert trace_of(span) != TRACE
    (head,) = heads
    assert head[:-2] == f"00-{trace_of(span)}-{ident(span):016x}-"
    assert int(head[-2:], 16) & 1, "sampled; the library also says that the id is a random one"


def test_what_the_caller_does_not_sample_is_passed_on_and_not_recorded(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW, headers={"traceparent": PARENT[:-1] + "0"})).status == 200
        (head,) = line(sent(stage, "POST", "/copy"), "traceparent")
        assert head.startswith(f"00-{TRACE}-")
        assert head.endswith("-00")

    play(story)
    assert spans.all == ()


def test_a_call_that_joins_is_linked_to_the_span_that_started(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        first = asyncio.gather(stage.copy(COPY, body=NEW, headers={"traceparent": PARENT}))
        await passed(lambda: len(stage.gateway.follower) == 1)
        joined = await stage.copy(COPY, body=NEW)
        assert (joined.status, (await first)[0].status, stage.copies_sent) == (200, 200, 1)

    play(story, settings=SLOW)
    starter, joiner = sorted(
        (span for span in spans.all if span.name == "POST hold"), key=lambda span: trace_of(span) != TRACE
    )
    assert starter.links == ()
    assert [link.context.span_id for link in joiner.links] == [ident(spans.one("submit"))]
    assert trace_of(joiner) != TRACE
    assert len([span for span in spans.all if span.name == "polls"]) == 1


def test_the_polls_go_on_when_the_caller_has_its_redirect(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW, headers={"traceparent": PARENT})).status == 303
        await passed(lambda: len(stage.gateway.follower) == 0)

    play(story, settings=SLOW, wait={"max": 0.05})
    polls, root = spans.one("polls"), spans.one("POST hold")
    assert (polls.end_time or 0) > (root.end_time or 0)
    assert trace_of(polls) == TRACE


def test_what_still_runs_at_the_end_is_handed_over_too(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW)).status == 303

    settings = SimulatorSettings(base_duration=600.0, bytes_per_second=0)
    play(story, settings=settings, wait={"max": 0.05})
    assert ("submit", "polls") in spans.tree()


def test_no_span_holds_a_secret(spans: Spans) -> None:
    async def story(stage: Stage) -> None:
        secrets.append(stage.default_token.split()[1])
        answer = await stage.copy(COPY + "?$select=id", body={"name": "body-secret"})
        assert answer.status == 200
        secrets.extend(asked.target for asked in stage.simulator.requests() if asked.origin == "monitor")

    secrets: list[str] = ["body-secret", "$select"]
    play(story)
    told = "".join(span.to_json() for span in spans.all)
    assert len(secrets) > 3
    for secret in secrets:
        assert secret not in told


def test_a_failed_part_is_marked(spans: Spans) -> None:
    call = spans.traces.begin(())
    with pytest.raises(OutcomeUnknown), call.part("result"):
        raise OutcomeUnknown("secret reason")
    asyncio.run(spans.traces.close(5.0))
    span = spans.one("result")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "OutcomeUnknown"
    assert "secret reason" not in span.to_json()


# --- without traces --------------------------------------------------------------------------------------


def test_without_traces_the_callers_context_passes_through_untouched() -> None:
    async def story(stage: Stage) -> None:
        given = {"traceparent": PARENT, "tracestate": "vendor=1"}
        assert (await stage.copy(COPY, body=NEW, headers=given)).status == 200
        for asked in (sent(stage, "POST", "/copy"), sent(stage, "GET", "/v1.0/me/drive/items/")):
            assert (line(asked, "traceparent"), line(asked, "tracestate")) == ([PARENT], ["vendor=1"])
        await stage.call("GET", "/v1.0/me")
        assert line(sent(stage, "GET", "/v1.0/me"), "traceparent") == []

    play(story)


def test_a_missing_library_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gateway.telemetry.traces")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(tracing.TracesUnavailable, match=r"pip install lro-gateway\[otlp\]"):
        tracing.chosen("http://127.0.0.1:4318")


# --- the collector ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "asked"), [("", "/v1/traces"), ("/otlp/v1/traces", "/otlp/v1/traces")])
def test_spans_reach_a_collector(path: str, asked: str) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW)).status == 200

    with Collector() as collector:
        play(story, tracing={"otlp_endpoint": collector.url + path})
        assert collector.asked.get(timeout=10) == (asked, "application/x-protobuf")
    assert sorted(collector.names) == ["POST hold", "hold", "polls", "result", "submit"]
    assert collector.resource["service.name"] == "lro-gateway"


def test_a_collector_that_hangs_holds_up_neither_calls_nor_the_end() -> None:
    """It never answers: should anybody wait for it, this would not end."""

    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW)).status == 200
        await in_thread(lambda: collector.asked.get(timeout=10))
        assert (await stage.call("GET", "/v1.0/me")).status == 200

    with Collector(silent=True) as collector:
        observer = play(story, tracing={"otlp_endpoint": collector.url}, shutdown={"grace": 0.1})
    assert observer.events[-1] == "stopped"


class Stuck(SpanExporter):
    """Does not come back before it is told to."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.go_on.wait()
        return SpanExportResult.SUCCESS


def test_the_end_waits_for_an_exporter_no_longer_than_the_grace() -> None:
    async def story() -> None:
        traces = OtlpTraces(exporter)
        with traces.begin(()).part("result"):
            pass
        async with asyncio.timeout(10):
            await traces.close(0.05)
        await in_thread(exporter.asked.wait)
        assert not exporter.go_on.is_set()

    exporter = Stuck()
    try:
        asyncio.run(story())
    finally:
        exporter.go_on.set()


def test_a_collector_that_is_not_there_holds_up_nothing() -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body=NEW)).status == 200

    with Collector() as gone:
        url = gone.url
    observer = play(story, tracing={"otlp_endpoint": url}, shutdown={"grace": 0.1})
    assert observer.events[-1] == "stopped"
