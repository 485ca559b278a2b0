"""A caller that sends exactly the bytes it is told to, and shows exactly those it got."""

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Self

from fakes.origin import RST_ON_CLOSE
from fakes.wire import LIMIT, Message, read_answer, read_head


class Caller:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        limit: int = LIMIT,
        receive: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """`limit`: bytes that are read ahead; `receive`: the size of the kernel's buffer before that."""
        sock = socket.socket()
        if receive is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except BaseException:
            sock.close()
            raise
        secure = {"ssl": tls, "server_hostname": host} if tls is not None else {}
        return cls(*await asyncio.open_connection(sock=sock, limit=limit, **secure))  # type: ignore[arg-type] # a dict

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, method: bytes = b"GET") -> Message:
        """The next response, be it interim or final."""
        return await read_answer(self.reader, method)

    async def head(self) -> Message:
        return await read_head(self.reader)

    async def ask(self, raw: bytes) -> Message:
        """Send one request and return the next response."""
        await self.send(raw)
        return await self.answer(raw.split(b" ", 1)[0])

    async def rest(self) -> bytes:
        """What is left to read, up to an orderly end. Raises `ConnectionResetError` where there is none."""
        return await self.reader.read()

    async def ended(self) -> bytes:
        """What is left to read, up to whichever end."""
        got = bytearray()
        with suppress(ConnectionError):
            while piece := await self.reader.read(65536):
                got += piece
        return bytes(got)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):  # what was still on its way to us
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Leave with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.writer.transport.abort()
