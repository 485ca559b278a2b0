"""A part of a batch as a call of its own: it is held like any other, and its answer is written on a sheet.

Rules
1. To whoever holds it a part is a visit: with a method, a target, lines, a caller, a record and an answer. Its lines
   are its own, and those of the batch that say who calls and whether this is a retry.
2. Its POST goes with the batch (`carrier`).
3. Its answer has arrived when the batch's has. At the bound it is a 202, whatever `wait.on_timeout` says: there is no
   redirect inside a batch.
4. What the upstream said and is passed on as it is, is kept as the text that it came as.

What this module must not do: compose the batch's answer; decide anything about an operation.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from gateway import guard, headers, prefer
from gateway.auth import Caller, caller_of
from gateway.errors import GatewayError, UpstreamMalformed
from gateway.http.batch_text import Content, Request
from gateway.http.carrier import Carrier
from gateway.http.failing import answered
from gateway.http.responder import Written
from gateway.http.visit import Visit, loggable
from gateway.model import Call, Headers, Operation
from gateway.sameness import Decision
from gateway.telemetry import CallRecord
from gateway.upstream import Enclosed, Exchange, Outgoing

INHERITED = frozenset(
    {b"authorization", b"client-request-id", b"retry-attempt", b"traceparent", b"tracestate", b"user-agent"}
)
"""Lines of the batch that a part has where it brings none of that name."""

_NOT_A_PART_S = headers.HOP_BY_HOP | {b"content-length", b"expect", b"host", headers.GATEWAY_KEY}

_NOT_IN_A_RESPONSE = headers.HOP_BY_HOP | {b"content-length", b"via"}


def call_of(batch: Visit, version: str, request: Request) -> Call | None:
    """A part as a call; None for one that could not have come alone, which is the upstream's to judge."""
    own = headers.without(request.headers, _NOT_A_PART_S)
    if batch.parts.credentials is not None and headers.has(own, b"authorization"):
        return None
    names = {name.lower() for name, _ in own}
    lines = (*headers.only(batch.call.headers, INHERITED - names), *_preferences(batch.call.headers), *own)
    target = f"/{version}/{request.url.removeprefix('/')}"
    head = guard.RequestHead(
        request.method, target, (1, 1), (*lines, (b"Host", batch.parts.graph.host_header))
    )
    if guard.check(head, header_limit=batch.parts.config.limits.header) is not None:
        return None
    try:
        target.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    lines = headers.replaced(lines, b"Accept-Encoding", b"identity")  # what comes must fit into JSON
    return Call(request.method, target, lines, request.body)


def _preferences(batch: Headers) -> Headers:
    """How long the batch's caller would rather wait."""
    said = prefer.preferences(batch)
    words = [b"respond-async"] * said.respond_async
    if said.wait is not None:
        words.append(b"wait=%f" % said.wait)
    return ((b"Prefer", b", ".join(words)),) if words else ()


class Handover:
    """How the answer to the whole batch fares, and how much may still be written into it."""

    def __init__(self, room: int) -> None:
        self.room = room
        """Bytes."""
        self.arrived = False
        self._settled = asyncio.Event()

    def settle(self, *, arrived: bool) -> None:
        if not self._settled.is_set():
            self.arrived = arrived
            self._settled.set()

    async def taken(self) -> bool:
        await self._settled.wait()
        return self.arrived


class Sheet:
    """What a part's answer is written on; see `responder.Writer`."""

    def __init__(self, handover: Handover, written: Callable[[], None]) -> None:
        """`written` is called when there is an answer on it."""
        self._handover = handover
        self._written = written
        self._headers: Headers = ()
        self._body: list[bytes] = []
        self.text: str | None = None
        """The answer, where it is one of the upstream's as it came."""
        self.status = 0
        self.sent = 0
        self.ready = asyncio.Event()

    @property
    def started(self) -> bool:
        return self.status != 0

    @property
    def content(self) -> Content:
        lines = headers.without(self._headers, _NOT_IN_A_RESPONSE)
        return Content(self.status or 500, lines, b"".join(self._body))

    def interim(self, status: int, headers: Headers = ()) -> None:
        """The batch has interim replies of its own."""

    def head(
        self,
        status: int,
        reason: bytes,
        headers: Headers,
        *,
        body: bool,
        length: int | None = None,
        close: bool = False,
    ) -> None:
        self.status, self._headers = status, headers

    async def write(self, chunk: bytes) -> None:
        """Raises `UpstreamMalformed` where it is too much."""
        if len(chunk) > self._handover.room:
            raise UpstreamMalformed("result_too_large_for_batch")
        self._handover.room -= len(chunk)
        self._body.append(chunk)
        self.sent += len(chunk)

    async def stream(self, chunks: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                await self.write(chunk)

    async def end(self) -> Written:
        return self._finish()

    async def whole(
        self, status: int, headers: Headers, body: bytes = b"", *, close: bool = False
    ) -> Written:
        self.head(status, b"", headers, body=bool(body))
        if status not in (204, 304):
            self._body = [body]  # of our own making, and short
            self.sent = len(body)
        return self._finish()

    def keep(self, reply: Enclosed) -> Written:
        """The upstream's answer to the part, as it is."""
        self.status, self.text = reply.status, reply.text
        return self._finish()

    def erase(self) -> None:
        """Something went wrong half-way."""
        self._handover.room += sum(map(len, self._body))
        self.status = self.sent = 0
        self._headers, self._body, self.text = (), [], None

    def abort(self) -> Written:
        self.erase()
        return self._finish()

    async def taken(self) -> bool:
        return await self._handover.taken()

    def flush(self) -> None:
        """There is nothing to be early for."""

    def _finish(self) -> Written:
        self.ready.set()
        self._written()
        return Written(self.status, keep_alive=True)


class Berth:
    """A part's place on the carrier; what its submission takes for the upstream."""

    def __init__(self, carrier: Carrier, request: Request) -> None:
        self._carrier = carrier
        self._request = request

    async def open(self, outgoing: Outgoing, *, max_idle: float | None = None) -> Enclosed:
        return await self._carrier.carry(self._request, outgoing.permit)


class PartVisit(Visit):
    """One part of a batch."""

    def __init__(  # without its parent's: there is no connection of its own
        self, batch: Visit, request: Request, call: Call, carrier: Carrier, handover: Handover
    ) -> None:
        self.parts = batch.parts
        self.request = batch.request
        self.call = call
        self.sheet = self.responder = Sheet(handover, self._answered)
        self.record = CallRecord(
            method=call.method,
            path=loggable(call.path),
            started=batch.record.started,
            request_id=batch.record.request_id,
            bytes_in=len(call.body),
        )
        self.trace = batch.parts.traces.begin(call.headers)
        self._caller: Caller | None = batch.caller
        if headers.has(request.headers, b"authorization"):
            self._caller = caller_of(call.headers)
        self._recognised = True
        self._repeatable = True
        self.part = request
        self.failure: GatewayError | None = None
        """The error of ours that it is answered with."""
        self._carrier = carrier
        self._sending = False
        self.carrier = Berth(carrier, request)

    @property
    def on_timeout(self) -> str:
        return "accepted"

    async def serve(self, work: Callable[[], Awaitable[Written]]) -> None:
        """Let `work` answer the part."""
        try:
            await answered(self, work())
        except asyncio.CancelledError:
            self.record.outcome = "left"
            raise
        finally:
            self.sheet.ready.set()
            self._answered()
            self.record.status, self.record.bytes_out = self.sheet.status, self.sheet.sent
            self.parts.observer.call_ended(self.record, self.parts.clock.monotonic() - self.record.started)
            self.trace.end(self.record)

    # --- on the way to its operation ----------------------------------------------------------------------

    def came_to(self, operation: Operation, relation: str) -> None:
        super().came_to(operation, relation)
        self._sending = relation == Decision.START
        if relation in (Decision.START, Decision.RECONCILE):
            self._carrier.expect(self.part)
        else:
            self._carrier.excuse(self.part)

    def stays_behind(self) -> None:
        self._sending = False
        self._carrier.excuse(self.part)

    def _answered(self) -> None:
        if not self._sending:
            self._carrier.excuse(self.part)

    # --- what the caller gets ----------------------------------------------------------------------------

    async def fail(self, failure: GatewayError, operation: Operation | None = None) -> Written:
        self.failure = failure
        self.sheet.erase()
        return await super().fail(failure, operation)

    async def relay(self, exchange: Exchange, extra: Headers = ()) -> Written:
        if isinstance(exchange, Enclosed) and exchange.text is not None:
            self.record.upstream_status = exchange.status
            return self.sheet.keep(exchange)
        return await super().relay(exchange, extra)

    async def repeat(self, exchange: Exchange, body: bytes) -> Written:
        if isinstance(exchange, Enclosed):
            return await self.relay(exchange)
        return await super().repeat(exchange, body)
