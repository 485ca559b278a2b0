"""One caller's connection: aiohttp's protocol with what a gateway in front of credentials needs.

Rules:
1. A connection over the cap is answered 503 and closed before a byte of it is read.
2. The head of a request has `limits.header_read` seconds in all, counted from its first byte (or from the
   connection's, for the first one): aiohttp knows only the idle time-out between requests.
3. What the parser refuses is answered with a fixed body and never echoed: aiohttp's own answer and log line quote
   the offending bytes, which may be a token.

What this module must not do: know what a request asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web import BaseRequest, Server, StreamResponse
from aiohttp.web_protocol import RequestHandler

from gateway.errors import BodyTimeout, GatewayError, HeadersTooLarge, MalformedRequest, Overloaded
from gateway.http.answers import Answer
from gateway.http.responder import Written, phrase

LINGER = 2.0
"""Seconds that the rest of a refused body is read and thrown away, so that the caller can read our answer."""

MAX_HEADER_LINES = 128


class GatewayServer(Server):
    """aiohttp's low-level server with connections of ours."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        refuse: Callable[[GatewayError], Answer],
        *,
        max_connections: int,
        header_read: float,
        keepalive_timeout: float,
        max_line_size: int,
        max_field_size: int,
    ) -> None:
        """`refuse` makes the answer to what never became a request; times in seconds, sizes in bytes."""
        super().__init__(handler, handler_cancellation=True)
        self.refuse = refuse
        self.max_connections = max_connections
        self.header_read = header_read
        self._keepalive_timeout = keepalive_timeout
        self._max_line_size = max_line_size
        self._max_field_size = max_field_size

    def __call__(self) -> RequestHandler:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._keepalive_timeout,
            max_line_size=self._max_line_size,
            max_field_size=self._max_field_size,
            max_headers=MAX_HEADER_LINES,
            auto_decompress=False,  # a body that was decompressed no longer has the length that was announced
            access_log=None,
            lingering_time=LINGER,
        )


class Connection(RequestHandler):
    """One connection. Uses `_request_count` and `_current_request` of aiohttp's protocol, which have no public
    twin; `tests/integration/test_connection.py` fails where a release of aiohttp changes them.
    """

    __slots__ = ("_head_timer", "_server")

    def __init__(self, server: GatewayServer, **options: object) -> None:
        super().__init__(server, **options)  # type: ignore[arg-type] # aiohttp's keyword arguments, see above
        self._server = server
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) > self._server.max_connections:
            self._dismiss(Overloaded("connections"))
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._stop_timer()
        elif self._head_timer is None and self._current_request is None and data:
            self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._server.header_read, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._dismiss(BodyTimeout("header"))

    def _dismiss(self, failure: GatewayError) -> None:
        """Answer without a request, and close."""
        if self.transport is not None:
            self.transport.write(wire(self._server.refuse(failure)))
        self.force_close()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """The parser refused what came; `message` and `exc` quote it and are dropped."""
        too_large = isinstance(exc, LineTooLong)
        failure: GatewayError = HeadersTooLarge("line") if too_large else MalformedRequest("parser")
        return _Dismissal(wire(self._server.refuse(failure)), failure.status)


class _Dismissal(Written):
    """An answer that is written as it is, after which the connection is closed."""

    def __init__(self, raw: bytes, status: int) -> None:
        super().__init__(status, keep_alive=False)
        self._raw = raw

    async def prepare(self, request: BaseRequest) -> None:
        if request.transport is not None:
            request.transport.write(self._raw)


def wire(answer: Answer) -> bytes:
    """A complete answer as bytes, the connection to be closed after it."""
    lines = [b"HTTP/1.1 %d %b" % (answer.status, phrase(answer.status))]
    lines += [b"%b: %b" % line for line in answer.headers]
    lines += [b"Content-Length: %d" % len(answer.body), b"Connection: close", b"", answer.body]
    return b"\r\n".join(lines)
