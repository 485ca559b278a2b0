"""The express lane: a plain call passes through without a task, a future or a second look.

Most calls have no body or a small one, which is here with the head, a connection to the upstream is idle for them, and
their answers are small. All of that happens in the event loop's own callbacks here: the request goes out as soon as it is
parsed, and the answer as soon as it is there. Everything else goes the ordinary way (`server`, `forward`).

    board -> the request is written upstream -+-> the whole answer is here -> written to the caller: the ride is over
                                              |
                                              +-> a body still to come, no answer, an error: the ordinary way goes on
                                                  from there, with the exchange or the failure in its hands

Rules:
1. What boards is what the ordinary way would forward as it is. Whoever may not call, whatever the guard objects to,
   and whatever is or may be about an operation does not board; why is found out, and said, on the ordinary way.
2. The bytes on both sides are those of the ordinary way. `tests/integration/test_express.py` compares the two.
3. A call is written once. A read that found its connection dead goes the ordinary way, which may ask again; anything
   else fails there.

What this module must not do: wait.
"""

import re
from collections.abc import Callable
from typing import Protocol

from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import StreamReader

from gateway import guard, headers
from gateway.dialects import Dialect, find
from gateway.errors import GatewayError, UpstreamBroken
from gateway.http import operations
from gateway.http.batch import is_batch
from gateway.http.ids import new_id
from gateway.http.responder import CHUNKED, CLOSE, LAST_CHUNK, as_chunk, head_of, phrase
from gateway.http.ticket import Ticket
from gateway.http.visit import AT_HAND, Direct, Parts, loggable
from gateway.model import Call, Headers
from gateway.telemetry import CallRecord
from gateway.upstream import Begun, Exchange, Outgoing, Request, compose

READS = frozenset({"GET", "HEAD"})
METHODS = READS | {"POST", "PUT", "PATCH", "DELETE"}

_START = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.1\r\n")


class Line(Protocol):
    """What a ride needs to know of the caller's connection."""

    ticket: Ticket | None
    """That of the call before, on the same connection."""

    @property
    def closing(self) -> bool:
        """Whether no request comes after this one."""
        ...

    @property
    def cutting(self) -> bool:
        """Whether it is us who cut the connection."""
        ...

    def proves(self, parts: Parts, lines: Headers) -> bool:
        """Whether the caller may call, by its key or where it calls from."""
        ...

    def put(self, data: bytes) -> bool:
        """Write to the caller; whether it keeps up with reading. Where it does not, `Ride.read` is called once it has
        caught up, and the connection is cut where it takes longer than `limits.response_write`.
        """
        ...

    def alight(self) -> None:
        """The answer is with the caller: the ride is over."""

    def cut(self) -> None:
        """End it now."""

    def change(self, target: str, opened: Exchange | Exception | None) -> None:
        """The ordinary way goes on: with what was opened, with why it failed, or (None) from the start."""


class Express:
    """Takes on what may go the short way."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        """`parts`: those of the moment."""
        self._parts = parts
        self._seen: Parts | None = None
        self._dialects: dict[str, tuple[Dialect, ...]] = {}
        """Those that a call of this method may be for."""

    def crashed(self, error: Exception) -> None:
        """A bug, while a call was boarding."""
        self._parts().observer.crashed("express", error)

    def board(self, line: Line, message: RawRequestMessage, body: StreamReader, head: bytes) -> "Ride | None":
        """Send a request upstream, if it may go this way and a connection is idle. All of `body` is here; `head` is all
        of the head as it came, or nothing.
        """
        method, target, lines = message.method, message.path, message.raw_headers
        if (
            method not in METHODS
            or message.should_close
            or message.upgrade
            or message.chunked
            or message.version != HttpVersion11
            or body.total_bytes > AT_HAND
        ):
            return None
        parts = self._parts()
        direct = parts.direct
        if direct is None or not self._passes(parts, method, target, lines):
            return None
        request_head = guard.RequestHead(method, target, HttpVersion11, lines)
        if guard.check(request_head, header_limit=parts.config.limits.header) is not None:
            return None
        if headers.passed_here(lines) or headers.has(lines, b"expect") or not line.proves(parts, lines):
            return None
        with_body = headers.has(lines, b"content-length")
        ride = Ride(line, parts, direct, (method, target), body.total_bytes)

        def request() -> Request:
            upstream = headers.for_upstream(lines, host=direct.host_header, chunked=False)
            read = body.read_nowait() if with_body else None
            composed = compose(Outgoing(method, target, upstream, read))
            if head and not with_body and method in READS:
                line.ticket = Ticket.made(head[head.index(b"\n") + 1 :], lines, parts, composed)
            return composed

        return ride if ride.begin(request, repeatable=method in READS and not with_body) else None

    def board_again(self, line: Line, ticket: Ticket, head: bytes) -> "Ride | None":
        """As `board`, for what may be the head of a request with the header lines of the last one."""
        start = _START.match(head)
        parts = self._parts()
        if start is None or parts is not ticket.parts or parts.direct is None:
            return None
        upstream = ticket.again(head, start.end())
        if upstream is None:
            return None
        method, target = start[1].decode(), start[2].decode()
        if not (self._passes(parts, method, target, ticket.lines) and line.proves(parts, ticket.lines)):
            return None
        if guard.check_target(guard.RequestHead(method, target, HttpVersion11, ())) is not None:
            return None
        ride = Ride(line, parts, parts.direct, (method, target))
        request = ticket.request
        return (
            ride if ride.begin(lambda: request.towards(method, target, upstream), repeatable=True) else None
        )

    def _passes(self, parts: Parts, method: str, target: str, lines: Headers) -> bool:
        """Whether the call is forwarded, whatever its header lines are otherwise."""
        if parts is not self._seen:
            self._seen = parts
            self._dialects = {
                asked: tuple(one for one in parts.dialects if asked in one.methods) for asked in METHODS
            }
        if target[:1] != "/" or target.startswith(operations.PREFIX) or parts.memory.full():
            return False
        if not parts.allowed.covers(method, target.partition("?")[0], lines):
            return False
        dialects = self._dialects[method]
        if not dialects and method != "POST":
            return True
        call = Call(method, target, lines)
        return find(dialects, call) is None and not is_batch(call)


class Ride:
    """One call on the express lane."""

    __slots__ = (
        "_begun",
        "_continued",
        "_direct",
        "_line",
        "_method",
        "_parts",
        "_repeatable",
        "_size",
        "_started",
        "_target",
        "_written",
    )

    def __init__(
        self, line: Line, parts: Parts, direct: Direct, call: tuple[str, str], size: int = 0
    ) -> None:
        """`call`: method and target; `size`: bytes of its body."""
        self._line = line
        self._parts = parts
        self._direct = direct
        self._method, self._target = call
        self._size = size
        self._repeatable = False
        self._started = parts.clock.monotonic()
        self._begun: Begun | None = None
        self._continued = False
        self._written: tuple[int, int] | None = None
        """Status and size of the body, once the answer is written."""

    def begin(self, request: Callable[[], Request], *, repeatable: bool) -> bool:
        """Send the request, if a connection is idle."""
        self._repeatable = repeatable
        self._begun = self._direct.begin(
            request, self._heard, on_interim=self._interim, repeatable=repeatable
        )
        return self._begun is not None

    # What the upstream's connection calls.

    def _heard(self) -> None:
        """Something has come of the answer."""
        begun = self._begun
        if begun is None:
            return
        try:
            self._take_in(begun)
        except Exception as error:  # noqa: BLE001 - a bug must end in an answer and a log line, not in silence
            self._parts.observer.crashed("express", error)
            self._begun = None
            begun.abandon()
            if self._written is None:
                self._line.change(self._target, GatewayError())
            else:
                self._line.cut()

    def _take_in(self, begun: Begun) -> None:
        answer = begun.answer
        if answer.complete:
            self._began_to_answer(answer.status)
            self._begun = None
            begun.over()
            self._answer(begun)
        elif answer.headed:
            self._began_to_answer(answer.status)
            self._begun = None
            self._line.change(self._target, begun.exchange())
        elif answer.failure is not None:
            self._began_to_answer(0)
            self._begun = None
            begun.over()
            stale = self._repeatable and isinstance(answer.failure, UpstreamBroken) and not answer.begun
            self._line.change(self._target, None if stale else answer.failure)

    def _interim(self, status: int, lines: Headers) -> None:
        if status != 100 or not self._continued:
            self._continued = self._continued or status == 100
            self._line.put(head_of(status, phrase(status), headers.end_to_end(lines)))

    # What the caller's connection calls.

    def read(self) -> None:
        """The caller has read what was in the way of more."""
        if self._written is not None:
            self._end("answered")
            self._line.alight()

    def left(self) -> None:
        """The caller's connection is gone."""
        if self._begun is not None:
            begun, self._begun = self._begun, None
            begun.abandon()
        self._end("aborted" if self._line.cutting else "left")

    # The rest.

    def _began_to_answer(self, status: int) -> None:
        self._direct.answered(status, self._parts.clock.monotonic() - self._started)

    def _answer(self, begun: Begun) -> None:
        """Write the whole answer."""
        answer = begun.answer
        lines = headers.spelled_for_caller(answer.headers, answer.connection)
        body = answer.take() if answer.pieces else b""
        size = len(body)
        if answer.has_body and answer.content_length is None:
            lines.append(b": ".join(CHUNKED))
            body = (as_chunk(body) if body else b"") + LAST_CHUNK
        if self._line.closing:
            lines.append(b": ".join(CLOSE))
        whole = b"HTTP/1.1 %d %b\r\n%b\r\n\r\n%b" % (answer.status, answer.reason, b"\r\n".join(lines), body)
        self._written = answer.status, size
        if self._line.put(whole):
            self.read()

    def _end(self, outcome: str) -> None:
        """The call has ended."""
        status, size = self._written or (0, 0)
        parts = self._parts
        record = CallRecord(
            method=self._method,
            path=loggable(self._target.partition("?")[0]),
            started=self._started,
            request_id=new_id(),
            status=status,
            outcome=outcome,
            upstream_status=status or None,
            bytes_in=self._size,
            bytes_out=size,
        )
        parts.observer.call_ended(record, parts.clock.monotonic() - self._started)
