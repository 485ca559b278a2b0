"""Somebody between a client and the gateway who sees what the client sends, and changes nothing of it.

    with Watch(gateway, server=house.issue("gateway", addresses=["127.0.0.1"]), trust=house.client()) as watch:
        ...  # clients talk to watch.url
    watch.lines  # the requests of each connection, in their order

Rules: both its sides are TLS; a connection of a client is one connection to the gateway.
"""

import asyncio
import re
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from fakes.papers import Paper

HEAD = re.compile(rb"(?P<method>GET|POST) (?P<target>\S+) HTTP/1\.1\r\n(?P<fields>(?:[^\r\n]+\r\n)*)\r\n")


@dataclass(frozen=True)
class Request:
    """What a client sent, without its body."""

    method: str
    path: str
    fields: dict[str, str]
    """By their names in lower case."""


@dataclass
class Line:
    """One connection of a client."""

    sent: bytearray = field(default_factory=bytearray)

    @property
    def requests(self) -> list[Request]:
        found = []
        for head in HEAD.finditer(bytes(self.sent)):
            pairs = (one.partition(":") for one in head["fields"].decode().splitlines())
            fields = {name.lower(): value.strip() for name, _, value in pairs}
            found.append(Request(head["method"].decode(), head["target"].decode().partition("?")[0], fields))
        return found


class Watch:
    """It works in a thread of its own. A context manager, which ends it."""

    def __init__(self, port: int, *, server: Paper, trust: ssl.SSLContext) -> None:
        """`port`: the gateway's; `trust`: knows its authority."""
        self.lines: list[Line] = []
        self._port = port
        self._trust = trust
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(server.certificate, server.key)
        self._context.set_alpn_protocols(["http/1.1"])
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._between, "127.0.0.1", 0, ssl=self._context)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        async with server:
            await self._end.wait()

    async def _between(self, caller: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        line = Line()
        self.lines.append(line)
        gateway, call = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._trust)

        async def pass_on(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray
        ) -> None:
            with suppress(ConnectionError, ssl.SSLError):
                while data := await reader.read(65_536):
                    copy += data
                    writer.write(data)
                    await writer.drain()
            writer.close()

        await asyncio.gather(pass_on(caller, call, line.sent), pass_on(gateway, answer, bytearray()))
