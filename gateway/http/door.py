"""The way in over TLS: accepts connections, shakes hands with them, and hands them over to HTTP.

Rules:
1. A connection over the cap is closed before a handshake is made: that is the work it would cost. Connections that
   are still shaking hands count.
2. A handshake has `limits.header_read` seconds. Whatever ends it, nobody is told but the observer, by a fixed word.
3. Each handshake uses the context of its moment, so that a reload is good for all that come after it.

What this module must not do: know what is in the context, or what is spoken once hands are shaken.

The event loop's own TLS server tells nobody of a handshake that fails, and counts none that has not ended.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from gateway.clock import Clock
from gateway.http.listener import GatewayServer
from gateway.tasks import Tasks

BACKLOG = 1024

PAUSE = 1.0
"""Seconds until the next try where there is no descriptor left for one connection more."""


class Door:
    """Listening sockets, and the handshakes behind them."""

    def __init__(
        self,
        server: GatewayServer,
        context: Callable[[], ssl.SSLContext],
        *,
        clock: Clock,
        on_crash: Callable[[str, BaseException], None],
    ) -> None:
        self._server = server
        self._context = context
        self._clock = clock
        self._accepting = Tasks(on_crash)
        self._shaking = Tasks(on_crash)
        self._sockets: list[socket.socket] = []

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Start to accept; returns where. Raises `OSError`."""
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, kind, protocol, address))
        except OSError:
            self._release()
            raise
        for number, listening in enumerate(self._sockets):
            self._accepting.start(f"accept {number}", self._accept(listening))
        name, number = self._sockets[0].getsockname()[:2]
        return str(name), int(number)

    async def close(self) -> None:
        """Accept no more, and end what is not a connection yet."""
        await self._accepting.cancel()
        self._release()
        await self._shaking.cancel()

    def _release(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno != errno.ECONNABORTED:  # it left before it was its turn
                    self._server.turned_away("no_descriptor")
                    await self._clock.sleep(PAUSE)
                continue
            if len(self._server.live) + len(self._shaking) >= self._server.max_connections:
                self._server.turned_away("connections")
                accepted.close()
            else:
                self._shaking.start("tls handshake", self._shake(accepted))

    async def _shake(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._server,
                accepted,
                ssl=self._context(),
                ssl_handshake_timeout=self._server.header_read,
                # It covers what is still unsent as well.
                ssl_shutdown_timeout=self._server.response_write,
            )
        except ssl.SSLError as error:
            self._server.turned_away(f"tls_{(error.reason or 'error').lower()}")
        except ConnectionAbortedError:
            self._server.turned_away("tls_late")
        except OSError:
            self._server.turned_away("tls_left")


def _listening(family: int, kind: int, protocol: int, address: object) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)  # type: ignore[arg-type] # as getaddrinfo gave it
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
