"""Traces: OpenTelemetry spans of calls and of operations, to a collector by OTLP over HTTP.

    POST hold                        the call, from its head to the end of its answer
      ├── submit                     the operation's POST, its queue and its record included
      │     └── polls                the operation, from its 202 to its end, an event for each poll; outlives the call
      ├── hold                       waiting
      └── result                     the GET of the item
    GET forward                      a call that passes through

Rules:
1. W3C trace context: a call's span is a child of the caller's, and what goes upstream says that it is a child of ours.
   A `traceparent` that is none begins a trace of its own, and its `tracestate` stays behind. Whether a trace is
   recorded is the caller's choice (its sampled flag); a call without one is recorded.
2. A call that comes to another one's operation has a link to the span that started it, where that was in this process.
3. The event loop only makes spans. A thread of the library sends them; past `QUEUED` they are dropped.
4. No span holds a header, a query, a body or a monitor's address.

What this module must not do: be imported where nothing is traced.
"""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from cachetools import LRUCache
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__, headers
from gateway.model import Headers, Operation, State
from gateway.telemetry import CallRecord, Indifferent, Observer, Poll

QUEUED = 4096
"""Spans that wait to be sent; one takes about 2 KiB."""

AT_ONCE = 512
"""Spans in one request to the collector."""

SOON = 2.0
"""Seconds after which spans are sent at the latest."""

SENDING = 5.0
"""Seconds that a request to the collector may take, its retries included."""

STARTERS = 10_000
"""Operations whose starting span is remembered."""

PATH = "/v1/traces"
"""Of a collector, where the endpoint names none (https://opentelemetry.io/docs/specs/otlp/#otlphttp-request)."""

_CONTEXT = TraceContextTextMapPropagator()
_PARENT, _STATE = b"traceparent", b"tracestate"


def exporter(endpoint: str) -> SpanExporter:
    """To a collector; `endpoint` with a path is taken as it is."""
    whole = endpoint if endpoint.count("/") > 2 else endpoint + PATH
    return OTLPSpanExporter(endpoint=whole, timeout=SENDING)


class OtlpTraces(Indifferent):
    """Makes spans, and hands them to an exporter in a thread."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._processor = BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUED,
            schedule_delay_millis=SOON * 1000,
            max_export_batch_size=AT_ONCE,
        )
        resource = Resource.create({SERVICE_NAME: "lro-gateway", SERVICE_VERSION: __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(self._processor)
        self.tracer = self._provider.get_tracer("lro-gateway", __version__)
        self.starters: LRUCache[str, SpanContext] = LRUCache(STARTERS)
        """By operation id, the span of its POST."""
        self._polls: dict[str, Span] = {}
        self.observers: Sequence[Observer] = (self,)

    def begin(self, lines: Headers) -> "CallTrace":
        return CallTrace(self, lines)

    def stopped(self, operation_id: str) -> None:
        self._end_polls(operation_id)

    async def close(self, grace: float) -> None:
        """A thread of its own, which nobody waits for past the grace: a collector that hangs holds nothing up."""
        for operation_id in list(self._polls):
            self._end_polls(operation_id)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_finish, done)

        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        await asyncio.wait((done,), timeout=grace)

    # --- what it is told as an observer ----------------------------------------------------------------------

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        if after.state is State.RUNNING:
            if after.id not in self._polls:
                self._polls[after.id] = self._follow(after)
        elif after.id in self._polls:
            span = self._polls[after.id]
            span.set_attributes({"gateway.state": after.state.value, "gateway.polls": after.polls})
            if after.problem is not None:
                span.set_attribute("gateway.code", after.problem.code)
                span.set_status(Status(StatusCode.ERROR))
            self._end_polls(after.id)

    def polled(self, poll: Poll) -> None:
        span = self._polls.get(poll.operation.id)
        if span is not None:
            span.add_event(
                "poll",
                {
                    "gateway.reading": str(poll.reading),
                    "gateway.late_ms": round(poll.late * 1000, 1),
                    "gateway.took_ms": round(poll.seconds * 1000, 1),
                },
            )

    def _follow(self, operation: Operation) -> Span:
        starter = self.starters.get(operation.id)
        parent = (
            trace.set_span_in_context(trace.NonRecordingSpan(starter), Context()) if starter else Context()
        )
        attributes = {
            "gateway.operation": operation.id,
            "gateway.dialect": operation.plan.dialect,
            "gateway.kind": operation.plan.kind,
        }
        return self.tracer.start_span("polls", parent, attributes=attributes)

    def _end_polls(self, operation_id: str) -> None:
        span = self._polls.pop(operation_id, None)
        if span is not None:
            span.end()


def _finish(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


class CallTrace:
    """One call."""

    def __init__(self, traces: OtlpTraces, lines: Headers) -> None:
        self._traces = traces
        carried = {
            name.decode(): (headers.get(lines, name) or b"").decode("latin-1")
            for name in (_PARENT, _STATE)
            if headers.has(lines, name)
        }
        parent = _CONTEXT.extract(carried, Context())
        self._continued = trace.get_current_span(parent).get_span_context().is_valid
        self._span = traces.tracer.start_span("call", parent, kind=SpanKind.SERVER)
        self._open = [self._span]

    def part(self, name: str, *, starts: str | None = None) -> "CallPart":
        kind = SpanKind.INTERNAL if name == "hold" else SpanKind.CLIENT
        span = self._traces.tracer.start_span(
            name, trace.set_span_in_context(self._span, Context()), kind=kind
        )
        if starts is not None:
            span.set_attribute("gateway.operation", starts)
            self._traces.starters[starts] = span.get_span_context()
        return CallPart(self, span, self._open if starts is None else [])

    def signed(self, lines: Headers) -> Headers:
        return self.signed_by(self._open[-1], lines)

    def signed_by(self, span: Span, lines: Headers) -> Headers:
        if not self._continued:
            lines = headers.without(lines, {_STATE})
        carried: dict[str, str] = {}
        _CONTEXT.inject(carried, trace.set_span_in_context(span, Context()))
        return headers.replaced(lines, _PARENT, carried[_PARENT.decode()].encode())

    def end(self, record: CallRecord) -> None:
        span = self._span
        span.update_name(f"{record.method or 'call'} {record.route}")
        span.set_attributes(
            {
                "http.request.method": record.method,
                "url.path": record.path,
                "http.response.status_code": record.status,
                "gateway.route": record.route,
                "gateway.outcome": record.outcome,
                "gateway.request_id": record.request_id,
            }
        )
        if record.operation is not None:
            span.set_attributes(
                {"gateway.operation": record.operation, "gateway.relation": record.relation or ""}
            )
            starter = self._traces.starters.get(record.operation)
            if starter is not None and record.relation != "start":
                span.add_link(starter)
        if record.status >= 500 or record.outcome == "aborted":
            span.set_status(Status(StatusCode.ERROR))
        span.end()


class CallPart:
    """One part of a call."""

    def __init__(self, call: CallTrace, span: Span, stack: list[Span]) -> None:
        """`stack`: the open parts of the call, this one not yet among them."""
        self._call = call
        self._span = span
        self._stack = stack

    def __enter__(self) -> Self:
        self._stack.append(self._span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.remove(self._span)
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
        self._span.end()

    def signed(self, lines: Headers) -> Headers:
        return self._call.signed_by(self._span, lines)
