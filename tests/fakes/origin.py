r"""An upstream that records the exact bytes it got and answers with exactly the bytes it was told to.

    async with Origin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as origin:
        ...
        assert origin.requests[0].head == b"GET / HTTP/1.1\r\n..."

A script gets a `Line` for each connection and does what it likes with it. What a script raises is kept in `crashes`;
the other side's leaving, wherever the script is, ends it quietly.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from fakes.wire import LIMIT, Message, read_body, read_head
from gateway.tasks import Tasks

RST_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST."""


class Line:
    """One connection, as the origin sees it."""

    def __init__(
        self, origin: "Origin", number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.origin = origin
        self.number = number
        self.reader = reader
        self.writer = writer

    async def head(self) -> Message:
        """The head of the next request."""
        head = await read_head(self.reader)
        self.origin.heads.append(head)
        self.origin.stir()
        return head

    async def request(self) -> Message:
        """The next request, whole."""
        head = await self.head()
        whole = await read_body(self.reader, head, bodiless=False, to_end=False)
        self.origin.requests.append(whole)
        self.origin.stir()
        return whole

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ended(self) -> bytes:
        """Wait until the other side is gone; what it sent meanwhile."""
        got = bytearray()
        with suppress(ConnectionError):
            while piece := await self.reader.read(65536):
                got += piece
        return bytes(got)

    def finish(self) -> None:
        """Close in order, with FIN."""
        self.writer.close()

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.writer.transport.abort()


Script = Callable[[Line], Awaitable[None]]


def answering(*answers: bytes) -> Script:
    """Answers the n-th request, on whichever connection it comes, with the n-th answer; the last one goes on."""

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.send(answers[min(len(line.origin.requests), len(answers)) - 1])

    return script


def closing(answer: bytes) -> Script:
    """Answers one request on each connection, and closes."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(answer)
        line.finish()

    return script


class Origin:
    """A server on a free loopback port."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heads: list[Message] = []
        """Every request's head."""
        self.requests: list[Message] = []
        """Every request that arrived whole."""
        self.lines: list[Line] = []
        """Every connection there was."""
        self.crashes: list[BaseException] = []
        self.port = 0
        self._tasks = Tasks(on_crash=lambda _, error: self.crashes.append(error))
        self._server: asyncio.Server | None = None
        self._stirred = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authority(self) -> bytes:
        return b"127.0.0.1:%d" % self.port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=LIMIT, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._tasks.cancel()
        for line in self.lines:
            with suppress(AttributeError):  # asyncio's transport has let go of its loop once it is closed
                line.writer.transport.abort()
        await self._server.wait_closed()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that happens here makes `condition` true."""
        while not condition():
            self._stirred.clear()
            await self._stirred.wait()

    def stir(self) -> None:
        self._stirred.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(self, len(self.lines), reader, writer)
        self.lines.append(line)
        self.stir()
        self._tasks.start(f"line {line.number}", self._serve(line))

    async def _serve(self, line: Line) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self.script(line)
        finally:
            line.writer.close()
            self.stir()
