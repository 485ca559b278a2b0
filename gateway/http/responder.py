"""Writes one answer onto the caller's connection, byte for byte.

Rules: header lines go out as given, in their order and case; nothing is added but the framing. aiohttp's own
response classes would add Content-Type, Date and Server and sort out headers, which a transparent proxy must not.
Once the head is out, an answer is either finished or the connection is cut: a short answer never looks whole.

What it must not do: decide what to answer.
"""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Protocol, cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, StreamResponse

from gateway.clock import Clock
from gateway.model import Headers

_END = (b"", b"")

ACK_CHECKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0)
"""Pauses, in seconds, between looks at whether the peer's kernel has acknowledged the answer."""


class CallerLeft(Exception):
    """The caller's connection is gone; there is nobody to answer."""


class CallerCut(CallerLeft):
    """It is gone because we cut it: what had been written was not read in time."""


CHUNKED = (b"Transfer-Encoding", b"chunked")
CLOSE = (b"Connection", b"close")
LAST_CHUNK = b"0\r\n\r\n"

RST_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger."""


class Line(Protocol):
    """What an answer needs to know of its connection."""

    @property
    def closing(self) -> bool:
        """Whether no request comes after the one that is being answered."""
        ...

    @property
    def looks(self) -> int:
        """How many looks in a row it takes to know that the peer has everything."""
        ...

    took_all: bool
    """Whether the peer ended its side with everything acknowledged that had been written to it."""

    @property
    def writing_paused(self) -> bool: ...


class Written(StreamResponse):
    """Tells aiohttp that the answer was written already, and whether the connection may be used again."""

    def __init__(self, status: int, *, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep_alive = keep_alive

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def phrase(status: int) -> bytes:
    """The standard reason phrase, for answers that are the gateway's own."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


class Writer(Protocol):
    """What an answer is written with; see `Responder`."""

    status: int
    sent: int

    @property
    def started(self) -> bool: ...

    def interim(self, status: int, headers: Headers = ()) -> None: ...

    def head(
        self,
        status: int,
        reason: bytes,
        headers: Headers,
        *,
        body: bool,
        length: int | None = None,
        close: bool = False,
    ) -> None: ...

    async def write(self, chunk: bytes) -> None: ...

    async def end(self) -> Written: ...

    async def whole(
        self, status: int, headers: Headers, body: bytes = b"", *, close: bool = False
    ) -> Written: ...

    async def stream(self, chunks: AsyncGenerator[bytes, None]) -> None: ...

    def abort(self) -> Written: ...

    async def taken(self) -> bool: ...

    def flush(self) -> None: ...


class Responder:
    """The caller's side of one call."""

    def __init__(self, request: BaseRequest, clock: Clock, write_timeout: float) -> None:
        """`write_timeout`: seconds the caller may take to accept what is in the way of the next bytes."""
        self._request = request
        self._line = cast("Line", request.protocol)
        self._clock = clock
        self._write_timeout = write_timeout
        self._keep_alive = request.keep_alive and request.version >= (1, 1)
        self._http_1_1 = request.version >= (1, 1)
        self._chunked = False
        self._continued = False
        self._held_back = b""
        """The head, until the next turn of the event loop or the first bytes of the body: one packet for both."""
        self.status = 0
        self.sent = 0
        """Body bytes written."""

    @property
    def _body_is_whole(self) -> bool:
        """Whether all of the call has come, and it was well-formed. What is still to come of it would be read as
        the next request, or the next request as a body.
        """
        body = self._request.content
        return body.is_eof() and body.exception() is None

    @property
    def started(self) -> bool:
        """Whether a final status line was written."""
        return self.status != 0

    def interim(self, status: int, headers: Headers = ()) -> None:
        """Write a 1xx; never to HTTP/1.0 (RFC 9110 section 15.2), never twice for 100."""
        if not self._http_1_1 or self.started or (status == 100 and self._continued):
            return
        self._continued = self._continued or status == 100
        self._write(head_of(status, phrase(status), headers))

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
        """Write the final status line and headers.

        `body`: whether one follows. Its framing is the Content-Length among `headers` (then `length` says how
        long), or chunked, or to an HTTP/1.0 caller the end of the connection.
        """
        if close or self._line.closing or not self._body_is_whole:
            self._keep_alive = False
        lines = list(headers)
        if body and length is None:
            if self._http_1_1:
                self._chunked = True
                lines.append(CHUNKED)
            else:
                self._keep_alive = False
        if not self._keep_alive:
            lines.append(CLOSE)
        self.status = status
        self._held_back = head_of(status, reason, lines)
        asyncio.get_running_loop().call_soon(self.flush)

    async def write(self, chunk: bytes) -> None:
        if not chunk:
            return
        self.sent += len(chunk)
        self._write(as_chunk(chunk) if self._chunked else chunk)
        await self._drain()

    async def end(self) -> Written:
        """Write what the framing needs at the end."""
        self._write(LAST_CHUNK if self._chunked else b"")
        await self._drain()
        if not self._body_is_whole:
            self._close_our_half()
        return Written(self.status, keep_alive=self._keep_alive)

    async def whole(
        self, status: int, headers: Headers, body: bytes = b"", *, close: bool = False
    ) -> Written:
        """Write a complete answer of the gateway's own; Content-Length is added, a HEAD's body is left out."""
        head_only = self._request.method == "HEAD"
        empty = status in (204, 304)
        lines = headers if empty else (*headers, (b"Content-Length", b"%d" % len(body)))
        self.head(status, phrase(status), lines, body=False, length=len(body), close=close)
        if not head_only and not empty:
            await self.write(body)
        return await self.end()

    async def stream(self, chunks: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                await self.write(chunk)

    def abort(self) -> Written:
        """Cut the connection, so that nobody takes what was written for the whole."""
        if self._request.transport is not None:
            reset(self._request.transport)
        return Written(self.status, keep_alive=False)

    async def taken(self) -> bool:
        """Whether the peer has the whole answer: written to a connection that is not closing and, where the
        kernel can tell (Linux, SIOCOUTQ), acknowledged by the peer's.

        A peer that hangs up after its last byte has it too; then this call is cancelled, but it had ended.
        """
        try:
            seen = 0
            for pause in ACK_CHECKS:
                transport = self._request.transport
                if transport is None or transport.is_closing():
                    return self._line.took_all
                seen = seen + 1 if is_acknowledged(transport) else 0
                if seen >= self._line.looks:
                    return True
                await self._clock.sleep(pause)
        except asyncio.CancelledError:
            if not self._line.took_all:
                raise
            return True
        return False

    def _write(self, data: bytes) -> None:
        """Raises `CallerLeft`."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise CallerLeft
        if self._held_back:
            data, self._held_back = self._held_back + data, b""
        if data:
            transport.write(data)

    def _close_our_half(self) -> None:
        """Say that this was all, while what the caller still sends is read and thrown away (RFC 9112 section 9.6)."""
        transport = self._request.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def flush(self) -> None:
        """Write the head, if it is still held back."""
        transport = self._request.transport
        if self._held_back and transport is not None and not transport.is_closing():
            transport.write(self._held_back)
            self._held_back = b""

    async def _drain(self) -> None:
        if not self._line.writing_paused:
            return
        try:
            async with asyncio.timeout(self._write_timeout):
                await self._request.writer.drain()
        except TimeoutError:
            self.abort()
            raise CallerCut from None
        except ConnectionError:
            raise CallerLeft from None


def reset(transport: asyncio.Transport) -> None:
    """End a connection at once and with a reset: an orderly end is what a body without a length ends with."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
    transport.abort()


def is_acknowledged(transport: asyncio.Transport) -> bool:
    """Whether nothing is left that the peer's kernel has not acknowledged; True where the platform cannot tell."""
    if transport.get_write_buffer_size() > 0:
        return False
    sock = transport.get_extra_info("socket")
    if sock is None:
        return True
    try:
        raw = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except OSError:
        return True
    return int(struct.unpack("i", raw)[0]) == 0


def head_of(status: int, reason: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A status line and header lines as bytes."""
    lines = [b"HTTP/1.1 %d %b" % (status, reason)]
    lines += [name + b": " + value for name, value in headers]
    lines += _END
    return b"\r\n".join(lines)


def as_chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
