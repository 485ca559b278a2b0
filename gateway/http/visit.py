"""One call while it is here: its words, its caller, its record, its connection, and the parts that serve it.

Rules: a visit answers once. Everything that is to be logged about a call is noted here as it becomes known.

What this module must not do: decide which answer a call gets.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from aiohttp.web import BaseRequest

from gateway import crashpoints, headers
from gateway.auth import Caller, Vault, caller_of
from gateway.auth.allowed import Allowed
from gateway.auth.callers import KnownCallers
from gateway.auth.cookies import Cookies
from gateway.auth.credentials import Credentials
from gateway.clock import Clock
from gateway.config import Config
from gateway.dialects import Dialect
from gateway.errors import BodyTimeout, BodyTooLarge, CallerRefused, GatewayError
from gateway.follower import Follower
from gateway.http import answers
from gateway.http.answers import Answer
from gateway.http.ids import new_id
from gateway.http.memory import Memory
from gateway.http.pace import Pace
from gateway.http.responder import CallerLeft, Responder, Writer, Written
from gateway.http.tickets import Tickets
from gateway.lanes import Lanes
from gateway.model import Call, Headers, Operation
from gateway.records import Records
from gateway.submission import GraphClient as Sender
from gateway.submission import Submission
from gateway.tasks import Tasks
from gateway.telemetry import CallRecord, Observer
from gateway.telemetry.tracing import Traces
from gateway.upstream import Begun, Exchange, Outbox, Outgoing, Request
from gateway.waiting import Waiting


class GraphClient(Protocol):
    """What the callers' side needs of the upstream side."""

    host_header: bytes

    async def open(
        self,
        outgoing: Outgoing,
        *,
        on_interim: Callable[[int, Headers], None] | None = None,
        max_idle: float | None = None,
    ) -> Exchange: ...

    async def reach(self) -> None: ...


class Direct(Protocol):
    """What the express lane needs of it."""

    host_header: bytes

    def begin(
        self,
        prepare: Callable[[], Request],
        hear: Callable[[], None],
        *,
        repeatable: bool,
        on_interim: Callable[[int, Headers], None] | None = None,
    ) -> Begun | None: ...

    def answered(self, status: int, seconds: float) -> None: ...

    @property
    def outbox(self) -> Outbox: ...


class Opener(Protocol):
    """What a call needs to know of its connection."""

    def take_opened(self, target: str) -> Exchange | Exception | None:
        """What was opened upstream already for the call with this target."""
        ...

    def doze(self) -> None:
        """The call will be held."""


AT_HAND = 65_536
"""Bytes of a body that may be passed on in one piece."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What `app` built, for the handlers of the callers' side."""

    config: Config
    clock: Clock
    graph: GraphClient
    dialects: Sequence[Dialect]
    records: Records
    waiting: Waiting
    submission: Submission
    vault: Vault
    cookies: Cookies
    follower: Follower
    lanes: Lanes
    tickets: Tickets
    tasks: Tasks
    observer: Observer
    secret: bytes
    """For dedupe keys; lives as long as the store's records do."""
    chance: Callable[[], float]
    known: KnownCallers
    allowed: Allowed
    memory: Memory
    traces: Traces
    credentials: Credentials | None = None
    """The gateway's own; None where callers' go upstream as they come."""
    direct: Direct | None = None
    """The upstream, where calls reach it as they come: nothing is added to them, not even a trace."""

    def link(self, path: str) -> str:
        """A reference to one of our own paths: absolute where `listen.public_url` says how we are reached,
        otherwise relative, which is right behind whatever stands between (RFC 9110 section 10.2.2).
        """
        return (self.config.listen.public_url or "") + path


def loggable(path: str) -> str:
    """A path without the bytes that no output can be written in: those that are not UTF-8, escaped."""
    return (
        path
        if path.isascii()
        else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


class Visit:
    """One call."""

    __slots__ = (
        *("_caller", "_opened", "_recognised", "_repeatable"),
        *("call", "parts", "record", "request", "responder", "trace"),
    )

    carrier: Sender | None = None
    """Where an operation's POST does not go upstream by itself: what takes it there."""

    def __init__(self, parts: Parts, request: BaseRequest) -> None:
        self.parts = parts
        self.request = request
        self.call = Call(request.method, request.raw_path, request.raw_headers)
        self.responder: Writer = Responder(request, parts.clock, parts.config.limits.response_write)
        self.record = CallRecord(
            method=request.method,
            path=loggable(self.call.path),
            started=parts.clock.monotonic(),
            request_id=new_id(),
        )
        self.trace = parts.traces.begin(self.call.headers)
        self._caller: Caller | None = None
        self._recognised = False
        self._repeatable = True
        self._opened = cast("Opener", request.protocol).take_opened(request.raw_path)
        if self._opened is not None:
            self.record.bytes_in = request.content.total_bytes

    def take_opened(self) -> Exchange | None:
        """What has been begun upstream for this call, if it comes from the express lane. Raises why that failed."""
        opened, self._opened = self._opened, None
        if isinstance(opened, Exception):
            raise opened
        return opened

    def drop_opened(self) -> None:
        """Give up on it, if nobody took it."""
        if isinstance(self._opened, Exchange):
            self._opened.drop()

    def disown(self) -> None:
        """Repeat nothing of the call, in the answer or in the log: it is malformed, and may be anything."""
        self._repeatable = False
        self.record.method = self.record.path = ""
        self.record.route = "refused"

    def settle_target(self, target: str) -> None:
        """Take the target's origin form for the target (an absolute form names ourselves as well)."""
        if target != self.call.target:
            self.call = replace(self.call, target=target)
            self.record.path = loggable(self.call.path)

    @property
    def caller(self) -> Caller:
        """Without an Authorization it is nobody in particular, and no other call's: whatever else may tell callers
        apart, such as a key in a header of the upstream's own, only the upstream can judge.
        """
        if self._caller is None:
            caller = caller_of(self.call.headers)
            if caller.authorization is None:
                caller = replace(caller, credential=secrets.token_hex(32))
            self._caller = caller
        return self._caller

    @property
    def presented(self) -> bool:
        """Whether the call says whose it is, and need not show a ticket."""
        return self._recognised or headers.has(self.call.headers, b"authorization")

    async def recognise(self, *, own_path: bool) -> None:
        """Find out who calls, where that takes more than reading the call. Raises `GatewayError`."""
        credentials = self.parts.credentials
        if credentials is None:
            return
        self._caller = await credentials.recognise(self.call.headers, self.request.transport)
        self._recognised = self._caller is not None
        if not (self._recognised or own_path):  # our own paths take tickets
            raise CallerRefused("no token")

    @property
    def origin(self) -> answers.Origin:
        given = headers.get(self.call.headers, b"client-request-id") if self._repeatable else None
        return answers.Origin(self.record.request_id, given, self.parts.clock.now())

    # --- what the caller sent ----------------------------------------------------------------------------

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head, be it of length 0 (RFC 9112 section 6.3)."""
        call_headers = self.call.headers
        return headers.has(call_headers, b"content-length") or headers.has(call_headers, b"transfer-encoding")

    @property
    def expects_continue(self) -> bool:
        return headers.has(self.call.headers, b"expect")

    @property
    def announced_length(self) -> int | None:
        value = headers.get(self.call.headers, b"content-length")
        return int(value) if value is not None and value.isdigit() else None

    async def body(self) -> AsyncIterator[bytes]:
        """The call's body as it arrives; the caller is told to go on only once somebody wants it.

        Raises `BodyTimeout` where nothing comes for `limits.body_read`, or less than `limits.min_upload_rate`;
        `CallerLeft` where it breaks off.
        """
        if self.expects_continue:
            self.responder.interim(100)
        content, clock = self.request.content, self.parts.clock
        pace = Pace(self.parts.config.limits)
        while True:
            asked_at = clock.monotonic()
            try:
                async with asyncio.timeout(pace.patience):
                    chunk = await content.readany()
            except TimeoutError:
                raise BodyTimeout(pace.lateness) from None
            except GatewayError:
                raise  # the connection's: what came is no body
            except Exception as error:  # aiohttp's payload errors have no common name but this one
                raise CallerLeft from error
            if not chunk:
                return
            self.record.bytes_in += len(chunk)
            pace.came(len(chunk), clock.monotonic() - asked_at)
            yield chunk

    def body_at_hand(self) -> bytes | None:
        """The whole body, where it has all come already and is not large: it can leave in one go with the head."""
        content = self.request.content
        if not content.is_eof() or content.exception() is not None or content.total_bytes > AT_HAND:
            return None
        body = content.read_nowait()
        self.record.bytes_in += len(body)
        return body

    async def captured(self, limit: int) -> bytes:
        """The whole body, of at most `limit` bytes, within `limits.body_read` in all.

        Raises `BodyTooLarge`, `BodyTimeout`, `CallerLeft`.
        """
        if (self.announced_length or 0) > limit:
            raise BodyTooLarge
        whole = self._all_of_it(limit)
        if whole is not None:
            return whole
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.parts.config.limits.body_read):
                async for chunk in self.body():
                    parts.append(chunk)
                    if self.record.bytes_in > limit:
                        raise BodyTooLarge
        except TimeoutError:
            raise BodyTimeout from None
        return b"".join(parts)

    async def beginning(self, limit: int) -> tuple[bytes, AsyncIterator[bytes] | None]:
        """The whole body and None, or where it is longer than `limit` bytes its beginning and the rest.

        Raises `BodyTimeout`, `CallerLeft`.
        """
        whole = self._all_of_it(limit)
        if whole is not None:
            return whole, None
        parts: list[bytes] = []
        rest = self.body()
        async for chunk in rest:
            parts.append(chunk)
            if self.record.bytes_in > limit:
                return b"".join(parts), rest
        return b"".join(parts), None

    def _all_of_it(self, limit: int) -> bytes | None:
        """The whole body, where it has all come already, unasked, and is no longer than `limit`."""
        if self.expects_continue or self.request.content.total_bytes > limit:
            return None
        return self.body_at_hand()

    # --- on the way to its operation ----------------------------------------------------------------------

    def came_to(self, operation: Operation, relation: str) -> None:
        """It is known what the call is to its operation."""
        self.record.operation, self.record.relation = operation.id, relation

    def stays_behind(self) -> None:
        """The operation's POST does not go now, or is not to go any more."""

    # --- waiting ------------------------------------------------------------------------------------------

    @property
    def on_timeout(self) -> str:
        """What the caller gets at the bound, as in `wait.on_timeout`."""
        return self.parts.config.wait.on_timeout

    async def wait(self, operation: Operation, until: float) -> Operation:
        """As `Waiting.wait`, for this call."""
        began = self.parts.clock.monotonic()
        cast("Opener", self.request.protocol).doze()
        with self.trace.part("hold"):
            operation = await self.parts.waiting.wait(operation, until)
        self.record.took("held_ms", self.parts.clock.monotonic() - began)
        return operation

    # --- what the caller gets ----------------------------------------------------------------------------

    async def reply(self, answer: Answer) -> Written:
        return await self.responder.whole(answer.status, answer.headers, answer.body, close=answer.close)

    async def fail(self, failure: GatewayError, operation: Operation | None = None) -> Written:
        """Answer with an error of ours; where an answer is under way already, cut it off."""
        self.record.outcome = failure.reason
        if self.responder.started:
            return self.responder.abort()
        extra = operation_header(operation) if operation is not None else ()
        return await self.reply(answers.error(failure, self.origin, extra))

    async def relay(self, exchange: Exchange, extra: Headers = ()) -> Written:
        """Pass an upstream's reply on untouched, `extra` lines added; closes the exchange."""
        lines = (*headers.for_caller(exchange.headers, chunked=False), *extra)
        return await self.pass_on(exchange, exchange.status, exchange.reason, lines)

    async def repeat(self, exchange: Exchange, body: bytes) -> Written:
        """Pass a reply on whose body was read."""
        lines = headers.without(headers.for_caller(exchange.headers, chunked=False), {b"content-length"})
        return await self.reply(Answer(exchange.status, lines, body))

    async def pass_on(self, exchange: Exchange, status: int, reason: bytes, lines: Headers) -> Written:
        """Stream an upstream's body under the given head; closes the exchange."""
        self.record.upstream_status = exchange.status
        try:
            self.responder.head(status, reason, lines, body=exchange.has_body, length=exchange.content_length)
            if self.record.operation is not None and crashpoints.armed("mid_response"):
                self.responder.flush()
                crashpoints.reach("mid_response")
            await self.responder.stream(exchange.chunks())
            return await self.responder.end()
        finally:
            await exchange.close()


def operation_header(operation: Operation) -> Headers:
    return ((b"Gateway-Operation", operation.id.encode()),)
