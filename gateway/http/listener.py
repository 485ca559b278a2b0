"""aiohttp's low-level server with connections of ours, and how it comes to rest.

Rules: every call that is under way when the gateway is told to stop has the grace to end in. Nothing is read on
purpose from a connection over the cap.

What this module must not do: know what a request asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp.web import BaseRequest, Server, StreamResponse

from gateway.errors import GatewayError
from gateway.http.answers import Answer
from gateway.http.connection import LINGER, Connection
from gateway.http.express import Express
from gateway.upstream import Outbox

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
        response_write: float,
        keepalive_timeout: float,
        turned_away: Callable[[str], None],
        max_target: int,
        max_header: int,
        express: Express | None = None,
        outbox: Outbox | None = None,
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
        self.lingering: set[Connection] = set()
        self.cutting = False
        self.keepalive_timeout = keepalive_timeout
        self.max_header = max_header
        self.express = express
        self.outbox = outbox or Outbox()
        self._emptied: asyncio.Future[None] | None = None

    def __call__(self) -> Connection:
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

    def left(self, connection: Connection) -> None:
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
