"""A crowd of callers: each a user of its own with one copy, on a connection of its own, all waiting at once.

Rules: raw protocol objects, so that ten thousand cost their own process little; each answer is read to its end and
must be a 200 with the very item that the caller asked for.
"""

import asyncio
import base64
import json
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import httptools

from bench.graph import copy_target, item_id

TOKEN_LENGTH = 1500
"""Characters; about what Entra gives for Graph."""

BODY = b'{"parentReference":{"driveId":"b!aXk2","id":"01PARENT"},"name":"Contoso Q3 report (copy).docx"}'


def bearer(number: int) -> str:
    """A token as Entra's look, of one user; its signature signs nothing."""
    claims = {
        "aud": "https://graph.microsoft.com",
        "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "oid": f"00000000-0000-4000-8000-{number:012d}",
        "appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "scp": "Files.ReadWrite.All Sites.ReadWrite.All User.Read",
    }
    parts = [json.dumps({"typ": "JWT", "alg": "RS256"}), json.dumps(claims)]
    text = ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)
    return f"{text}.{'s' * (TOKEN_LENGTH - len(text) - 1)}"


def request(number: int, port: int) -> bytes:
    return (
        f"POST {copy_target(number)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {bearer(number)}\r\n"
        f"User-Agent: bench/1\r\nAccept: application/json\r\nclient-request-id: 00000000-0000-4000-9000-{number:012d}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY


@dataclass(slots=True)
class Told:
    """What one caller got."""

    number: int
    sent: float = 0.0
    answered: float = 0.0
    status: int = 0
    right: bool = False


class Caller(asyncio.Protocol):
    """One connection and its one call. httptools calls the methods that begin with `on_`."""

    def __init__(self, crowd: "Crowd", told: Told) -> None:
        self._crowd = crowd
        self._told = told
        self._parser: httptools.HttpResponseParser | None = None
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one without being of the class
        self._told.sent = time.monotonic()
        self.transport.write(request(self._told.number, self._crowd.port))

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self._parser is not None
        told = self._told
        told.answered = time.monotonic()
        told.status = self._parser.get_status_code()
        told.right = told.status == 200 and f'"id":"{item_id(told.number)}"'.encode() in self._body
        self._crowd.one_less()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._told.answered:
            self._told.answered = time.monotonic()
            self._crowd.one_less()


@dataclass
class Crowd:
    """`count` callers of the listener at `port`; numbered from `first` on."""

    port: int
    count: int
    first: int = 0
    told: list[Told] = field(default_factory=list)
    _callers: list[Caller] = field(default_factory=list)
    _waiting: int = 0
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    async def arrive(self, seconds: float, patience: float) -> None:
        """All of them, spread evenly over so many seconds. Who is not let in `patience` beyond that goes without."""
        self._waiting = self.count  # more than will be, until all have come
        began = time.monotonic()
        self.told = [Told(self.first + place) for place in range(self.count)]
        arrivals = (
            self._arrive(told, began + seconds * place / self.count) for place, told in enumerate(self.told)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + patience):
                await asyncio.gather(*arrivals)
        self._waiting = sum(1 for told in self.told if told.sent and not told.answered)
        if not self._waiting:
            self._done.set()

    async def _arrive(self, told: Told, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        loop = asyncio.get_running_loop()
        try:
            _, caller = await loop.create_connection(lambda: Caller(self, told), "127.0.0.1", self.port)
        except OSError:
            return
        self._callers.append(caller)

    async def all_answered(self, patience: float) -> bool:
        """Whether every caller has its answer within so many seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._done.wait()
        except TimeoutError:
            return False
        return True

    def one_less(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._done.set()

    def leave(self) -> None:
        """Close every connection by a reset, so that none of them keeps its port for a minute."""
        for caller in self._callers:
            sock: socket.socket = caller.transport.get_extra_info("socket")
            if not caller.transport.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                caller.transport.abort()
