"""Tracing: what the rest of the gateway knows of traces. This much is all there is where nothing is traced.

    Traces    begins the trace of a call            Trace    one call     Part    one part of it: submit, hold, result

Rules: a gateway that traces nothing passes `traceparent` on as it came; one that does, passes its own on, as a child
of the caller's (https://www.w3.org/TR/trace-context/). What a monitor is asked with never comes through here.

What this module must not do: import OpenTelemetry (`traces` does, where it is asked for).
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from gateway.model import Headers
from gateway.telemetry import CallRecord, Observer


class TracesUnavailable(Exception):
    """Traces were asked for, and their library is missing; the message says what to install."""


class Part(Protocol):
    """A part of a call; a context manager around it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def signed(self, lines: Headers) -> Headers:
        """The lines of a request to the upstream that is made in this part."""


class Trace(Protocol):
    """A call."""

    def part(self, name: str, *, starts: str | None = None) -> Part:
        """`starts`: the id of the operation that this part starts, for those that come to it later."""

    def signed(self, lines: Headers) -> Headers:
        """The lines of a request to the upstream that is made now: in the part that is open, or in the call itself."""

    def end(self, record: CallRecord) -> None:
        """The call has ended."""


class Traces(Protocol):
    """All calls."""

    @property
    def observers(self) -> Sequence[Observer]:
        """Who wants to be told what happens."""

    def begin(self, lines: Headers) -> Trace:
        """A call with these lines has come."""

    def stopped(self, operation_id: str) -> None:
        """The operation is not followed here any more."""

    async def close(self, grace: float) -> None:
        """Hand over what there is, within `grace` seconds."""


class NoPart:
    """Nothing is traced."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def signed(self, lines: Headers) -> Headers:
        return lines


class NoTrace:
    """Nothing is traced."""

    def part(self, name: str, *, starts: str | None = None) -> Part:
        return _NO_PART

    def signed(self, lines: Headers) -> Headers:
        return lines

    def end(self, record: CallRecord) -> None:
        pass


class NoTraces:
    """Nothing is traced."""

    observers: Sequence[Observer] = ()

    def begin(self, lines: Headers) -> Trace:
        return _NO_TRACE

    def stopped(self, operation_id: str) -> None:
        pass

    async def close(self, grace: float) -> None:
        pass


_NO_PART = NoPart()
_NO_TRACE = NoTrace()


def chosen(endpoint: str | None) -> Traces:
    """What `tracing.otlp_endpoint` says. Raises `TracesUnavailable`."""
    if endpoint is None:
        return NoTraces()
    try:
        from gateway.telemetry.traces import OtlpTraces, exporter  # noqa: PLC0415 - an extra; only where asked for
    except ImportError as error:
        told = f"tracing.otlp_endpoint is set, which needs a library ({error}): pip install lro-gateway[otlp]"
        raise TracesUnavailable(told) from error
    return OtlpTraces(exporter(endpoint))
