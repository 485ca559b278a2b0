r"""One caller's connection: aiohttp's protocol with what a gateway in front of credentials needs.

Rules:
1. A connection over the cap is answered 503 and closed before a byte of it is read.
2. The head of a request has `limits.header_read` seconds in all, counted from its first byte (or from the
   connection's, for the first one): aiohttp knows only the idle time-out between requests. A head that stays
   unfinished is answered 408; where none was begun the connection is closed without a word, for a caller that had
   connected ahead of its need would take the 408 for the answer to its next request.
3. What the parser refuses is answered with a fixed body and never echoed: aiohttp's own answer and log line quote
   the offending bytes, which may be a token.
4. The parser gets what came in the pieces that `intake` cuts; see there for why.
5. Whoever is dismissed gets to read why: our half is closed, and the other one is read for a moment (RFC 9112
   section 9.6). Whoever does not read at all is cut off.

What this module must not do: know what a request asks for.

It uses names of aiohttp's protocol that have no public twin; `tests/integration/test_connection.py` fails where a
release of aiohttp changes them.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, HttpProcessingError, LineTooLong
from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest, Server, StreamResponse
from aiohttp.web_protocol import RequestHandler

from gateway.errors import (
    BodyTimeout,
    GatewayError,
    HeadersTooLarge,
    MalformedRequest,
    MethodUnknown,
    Overloaded,
    Refusal,
    TargetTooLong,
    VersionUnsupported,
)
from gateway.http.answers import Answer
from gateway.http.intake import Intake, Piece
from gateway.http.responder import Written, is_acknowledged, phrase, reset

LINGER = 2.0
"""Seconds that what a caller still sends is read and thrown away, so that it can read our answer."""

MAX_LINGERING = 256
"""Dismissed connections that are read on at once; more are closed at once."""

MAX_HEADER_LINES = 128

TLS_BUFFER = 65_536
"""Bytes that may be unsent before an answer waits for its reader: as without TLS, which by default has half a MiB."""

_UNKNOWN_METHOD = re.compile(r"""b['"][!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/""")
"""In the parser's message, where it quotes a line that would be a request's but for its method."""


class GatewayServer(Server):
    """aiohttp's low-level server with connections of ours."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        refuse: Callable[[GatewayError], Answer],
        *,
        max_connections: int,
        header_read: float,
        response_write: float,
        keepalive_timeout: float,
        turned_away: Callable[[str], None],
        max_target: int,
        max_header: int,
    ) -> None:
        """`refuse` makes the answer to what never became a request, `turned_away` is told why a connection that asked
        for nothing was ended; times in seconds, sizes in bytes.
        """
        super().__init__(handler, handler_cancellation=True)
        self.refuse = refuse
        self.max_connections = max_connections
        self.header_read = header_read
        self.response_write = response_write
        self.turned_away = turned_away
        self.max_target = max_target
        self.live: set[Connection] = set()
        """Every connection that is open."""
        self.lingering: set[Connection] = set()
        """Those that have been dismissed and are read on."""
        self.cutting = False
        """Whether those that are still being served are cut off, because the grace is over."""
        self.keepalive_timeout = keepalive_timeout
        self.max_header = max_header
        self._emptied: asyncio.Future[None] | None = None

    def __call__(self) -> "Connection":
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self.keepalive_timeout,
            max_line_size=self.max_target,
            # The parser names the limit that was passed, and nothing else tells a target from a header line.
            max_field_size=self.max_header + (self.max_header == self.max_target),
            max_headers=MAX_HEADER_LINES,
            auto_decompress=False,  # a body that was decompressed no longer has the length that was announced
            access_log=None,
            lingering_time=LINGER,
        )

    def left(self, connection: "Connection") -> None:
        self.live.discard(connection)
        self.lingering.discard(connection)
        if not self.live and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def drain(self, grace: float) -> None:
        """Let every call that is under way end, for at most `grace` seconds, and close all connections.

        aiohttp's own `shutdown` stops reading at once, which ends the uploads it is waiting for.
        """
        for connection in tuple(self.live):
            connection.retire()
        if not await self._empty(grace):
            self.cutting = True
            serving = [connection.serving for connection in self.live if connection.serving is not None]
            for connection in tuple(self.live):
                connection.cut()
            await self._empty(LINGER)
            if serving:
                await asyncio.wait(serving, timeout=LINGER)

    async def _empty(self, within: float) -> bool:
        if self.live:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._emptied,), timeout=within)
        return not self.live


class Connection(RequestHandler):
    """One connection."""

    __slots__ = (
        "_body",
        "_end_timer",
        "_head_timer",
        "_intake",
        "_left",
        "_over_tls",
        "_raw",
        "_retired",
        "_server",
        "serving",
        "took_all",
    )

    def __init__(self, server: GatewayServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._raw: asyncio.Transport | None = None
        """The transport, until it is closed; aiohttp forgets it sooner."""
        self._over_tls = False
        self._left = b""
        """What was received and not parsed yet."""
        self._intake = Intake()
        self._body: StreamReader | None = None
        """Of the newest request."""
        self._retired = False
        self.serving: asyncio.Task[None] | None = None
        """What answers the requests, one after the other."""
        self.took_all = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    @property
    def closing(self) -> bool:
        """Whether no request comes after the one that is being served."""
        return self._retired or self._over

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)
        self._over_tls = transport.get_extra_info("ssl_object") is not None
        if self._over_tls:
            self._raw.set_write_buffer_limits(TLS_BUFFER)
        super().connection_made(transport)
        self.serving = self._task_handler
        if self.serving is not None:
            self.serving.add_done_callback(self._served)
        self._server.live.add(self)
        if len(self._server.live) > self._server.max_connections:
            self._dismiss(Overloaded("connections"))
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Hand the parser what came, piece by piece; with no data, go on with what was left."""
        left, self._left = self._left + data, b""
        if not data:
            self._feed(Piece(b"", exact=False))
        while left and not self._close and not self._force_close:
            # Behind an Upgrade aiohttp waits for the handler's word, which is always to ignore it.
            if self._upgraded or self._reading_paused or len(self._messages) >= self._max_msg_queue_size:
                self._left = left
                if not self._buffer_paused and len(left) >= self._read_bufsize:
                    self._pause_reading_for_buffer()
                break
            piece, left = self._intake.cut(left)
            self._feed(piece)
        if self._head_timer is None and self._intake.head_begun and not self._over:
            self._expect_head()

    def eof_received(self) -> None:
        """The caller has said its last byte, and may be gone: what it has of ours can be seen now and never again."""
        self.took_all = self._has_all
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._raw = None
        self._stop_timer()
        if self._end_timer is not None:
            self._end_timer.cancel()
        super().connection_lost(exc)
        self._server.left(self)

    # Parsing.

    @property
    def _over(self) -> bool:
        """Whether aiohttp does not listen any more."""
        return bool(self._close or self._force_close)

    def _feed(self, piece: Piece) -> None:
        before = self._request_count
        super().data_received(piece.data)
        if self._request_count > before:
            self._stop_timer()
            self._begun(piece)

    def _begun(self, piece: Piece) -> None:
        """A request has come, the newest in the queue; or the parser's last word."""
        message, payload = cast("tuple[object, StreamReader]", self._messages[-1])
        if not isinstance(message, RawRequestMessage):
            self._malformed()
            return
        target = self._intake.target if piece.exact else None
        if target is not None:
            message = message._replace(path=target.decode("utf-8", "surrogateescape"))
            self._messages[-1] = (message, payload)
        if message.upgrade and (message.chunked or not piece.exact):
            # What came behind it in this piece is lost. It is the only kind of which the end is not known.
            self._messages[-1] = (message._replace(should_close=True), payload)
        self._body = payload
        length = "" if message.chunked or payload.is_eof() else message.headers.get("Content-Length", "")
        self._intake.begun(payload, int(length) if length.isdecimal() else None)

    def _malformed(self) -> None:
        """End a body in which something else than a body came; aiohttp would let its reader wait."""
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(MalformedRequest("body"))
            self._body.feed_eof()

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Called when an answer is written; an Upgrade that was ignored no longer holds up what came behind."""
        finished = await super().finish_response(request, resp, start_time)
        if self._retired and not self._messages:
            self.close()
        if self._left and not self._upgraded:
            self._resume_reading_if_drained()
        return finished

    # The deadline of a head.

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._server.header_read, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._waiter is None or self._waiter.done():
            self._expect_head()  # an earlier request is being served
        elif self._intake.head_begun:
            self._dismiss(BodyTimeout("header"))
        else:
            self._server.turned_away("no_request")
            self.force_close()

    # The end.

    @property
    def looks(self) -> int:
        """How many looks in a row it takes to know that the peer's kernel has everything: TLS does not say what the
        transport below it still holds, but one turn of the event loop later the kernel does.
        """
        return 2 if self._over_tls else 1

    @property
    def _has_all(self) -> bool:
        return self._raw is not None and is_acknowledged(self._raw)

    def retire(self) -> None:
        """Serve no more requests but those that have come."""
        self._retired = True
        if self._waiter is None and not self._messages and not self._request_in_progress:
            self.close()  # it is between an answer and the next wait,
            self._loop.call_soon(self._end_if_idle)  # or has yet to begin
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def cut(self) -> None:
        """End it now, whatever is being served."""
        if self._raw is not None:
            reset(self._raw)

    def _served(self, _: object) -> None:
        """No more is going to be written: what is still unsent has as long as any part of an answer."""
        if self._raw is not None and self._end_timer is None:
            late = self._end_of_tls if self._over_tls else self.cut
            patience = LINGER if self._over_tls else self._server.response_write
            self._end_timer = self._loop.call_later(patience, late)

    def _end_of_tls(self) -> None:
        """The peer has not said that it is leaving too. If it has read everything, nobody has to wait for that."""
        if self._has_all:
            self.cut_off()
        else:
            self._end_timer = self._loop.call_later(self._server.response_write, self.cut)

    def cut_off(self) -> None:
        """End it now, with what was written on its way already."""
        if self._raw is not None:
            self._raw.abort()

    def _dismiss(self, failure: GatewayError) -> None:
        """Answer without a request, and close."""
        transport, self.transport = self.transport, None  # or aiohttp would close it, unread bytes and all
        self.force_close()
        if transport is None:
            return
        transport.write(wire(self._server.refuse(failure)))
        if len(self._server.lingering) >= MAX_LINGERING:
            transport.close()
            return
        self._server.lingering.add(self)
        if transport.can_write_eof():
            transport.write_eof()
        self._end_timer = self._loop.call_later(LINGER, self._end_of_lingering, transport)

    def _end_of_lingering(self, transport: asyncio.Transport) -> None:
        if self._over_tls:
            transport.close()  # TLS has no half of its own to close: this is the first it hears of the end
        transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """The parser refused what came; `message` and `exc` quote it and are dropped."""
        failure = self._refusal(exc)
        self._dismiss(failure)
        return Written(failure.status, keep_alive=False)

    def _refusal(self, error: BaseException | None) -> Refusal:
        """What the parser objected to, in our words."""
        if isinstance(error, LineTooLong):
            if error.args[1] == self._server.max_target:
                return TargetTooLong("parser")
            return HeadersTooLarge("parser")
        said = error.message if isinstance(error, HttpProcessingError) else ""
        if said.startswith("Too many headers"):
            return HeadersTooLarge("parser")
        if isinstance(error, BadHttpMethod) and _UNKNOWN_METHOD.search(said):
            return MethodUnknown("parser")
        if isinstance(error, BadStatusLine) and "\n  Invalid HTTP version" in said:
            return VersionUnsupported("parser")
        return MalformedRequest("parser")


def wire(answer: Answer) -> bytes:
    """A complete answer as bytes, the connection to be closed after it."""
    lines = [b"HTTP/1.1 %d %b" % (answer.status, phrase(answer.status))]
    lines += [b"%b: %b" % line for line in answer.headers]
    lines += [b"Content-Length: %d" % len(answer.body), b"Connection: close", b"", answer.body]
    return b"\r\n".join(lines)
