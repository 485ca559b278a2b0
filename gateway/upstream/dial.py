"""Opens a connection: name, address check, TCP, TLS, each with its own word for what can go wrong.

Rules
- The address that was checked is the address the socket is given: names are resolved here, once, and sockets are
  connected to numbers only. So a name that resolves differently a moment later gains nothing.
- The TLS name is always the origin's, wherever the TCP connection goes. Verification is never off.
- All of it within `Timeouts.connect`. Several addresses are tried a quarter of a second apart (RFC 8305).
- Nothing has been sent when this fails: every OSError, SSLError and time-out becomes UpstreamUnreachable, with a
  Proxy-Status word of RFC 9209 section 2.3; no address that may be used is AddressRefused.

It must not decide which addresses may be used: it is given a policy.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import AddressRefused, UpstreamUnreachable
from gateway.tasks import Tasks
from gateway.upstream.addresses import Address, AddressPolicy, as_address, interleaved
from gateway.upstream.connection import Connection, Keeper, Timeouts
from gateway.upstream.wire import Origin

HEAD_START = 0.25
"""Seconds that one address has for itself before the next one is tried beside it."""

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses as text. Raises OSError (or UnicodeError, as the system's does) where there are none."""


async def system_resolver(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def client_tls(ca_file: Path | None) -> ssl.SSLContext:
    """What we demand of the other side. `ca_file` adds to the system's authorities; OSError if it cannot be used."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to an origin. `host` and `port` are where TCP goes; `policy` None takes every address as it comes."""

    origin: Origin
    host: str
    port: int
    tls: ssl.SSLContext | None
    policy: AddressPolicy | None


@dataclass(frozen=True, slots=True)
class Dialler:
    """Opens connections for one world."""

    timeouts: Timeouts
    tasks: Tasks
    resolve: Resolver = system_resolver

    def patient(self, idle: float) -> "Dialler":
        """The same with another `Timeouts.idle`."""
        return replace(self, timeouts=replace(self.timeouts, idle=idle))

    async def dial(self, way: Way, keeper: Keeper) -> Connection:
        """A connection that is up; raises UpstreamUnreachable, AddressRefused among them."""
        step = "dns"
        try:
            async with asyncio.timeout(self.timeouts.connect):
                addresses = await self._addresses(way)
                step = "connect"
                sock = await self._connect(addresses, way.port)
                step = "tls"
                return await self._greet(way, keeper, sock)
        except UpstreamUnreachable:
            raise
        except (OSError, UnicodeError) as error:
            raise _unreachable(step, error) from None

    async def _addresses(self, way: Way) -> list[Address]:
        literal = as_address(way.host)
        if literal is not None:
            found: list[Address | None] = [literal]
        else:
            found = [as_address(text) for text in await self.resolve(way.host, way.port)]
        addresses = interleaved(address for address in found if address is not None)
        if not addresses:
            raise UpstreamUnreachable("dns", proxy_error="dns_error")
        if way.policy is not None:
            addresses = [address for address in addresses if way.policy.permits(way.host, address)]
            if not addresses:
                raise AddressRefused("address")
        return addresses

    async def _connect(self, addresses: Sequence[Address], port: int) -> socket.socket:
        """The first socket that connects. Those that lose are closed."""
        if len(addresses) == 1:
            return await _connected(addresses[0], port)
        waiting = list(addresses)
        racing: set[asyncio.Task[socket.socket | OSError]] = set()
        failure: OSError | None = None
        try:
            while waiting or racing:
                if waiting:
                    address = waiting.pop(0)
                    racing.add(self.tasks.start("upstream connect", _attempt(address, port)))
                done, racing = await asyncio.wait(
                    racing, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    result = task.result()
                    if isinstance(result, OSError):
                        failure = failure or result
                        continue
                    racing |= done - {task}
                    return result
            raise failure or OSError
        finally:
            for task in racing:
                task.cancel()
                task.add_done_callback(_close_loser)

    async def _greet(self, way: Way, keeper: Keeper, sock: socket.socket) -> Connection:
        """Hand the socket over to a transport, which owns it from here on, and shake hands where there is TLS."""
        loop = asyncio.get_running_loop()
        if way.tls is None:
            _, connection = await loop.create_connection(
                lambda: Connection(way.origin, keeper, self.timeouts), sock=sock
            )
        else:
            _, connection = await loop.create_connection(
                lambda: Connection(way.origin, keeper, self.timeouts),
                sock=sock,
                ssl=way.tls,
                server_hostname=way.origin.host,
                ssl_handshake_timeout=self.timeouts.connect + 1,  # ours comes first
            )
        return connection


async def _attempt(address: Address, port: int) -> socket.socket | OSError:
    try:
        return await _connected(address, port)
    except OSError as error:
        return error


def _close_loser(task: "asyncio.Task[socket.socket | OSError]") -> None:
    if not task.cancelled():
        result = task.result()
        if isinstance(result, socket.socket):
            result.close()


async def _connected(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


def _unreachable(step: str, error: Exception) -> UpstreamUnreachable:
    """The one place where the errors of sockets and TLS become ours."""
    if isinstance(error, TimeoutError):
        word = "dns_timeout" if step == "dns" else "connection_timeout"
    elif step == "dns":
        word = "dns_error"
    elif isinstance(error, ssl.SSLCertVerificationError):
        word = "tls_certificate_error"
    elif step == "tls":
        word = "tls_protocol_error"
    elif isinstance(error, ConnectionRefusedError):
        word = "connection_refused"
    else:
        word = "destination_unavailable"
    return UpstreamUnreachable(word, proxy_error=word)
