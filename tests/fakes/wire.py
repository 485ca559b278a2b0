"""HTTP/1.1 messages as exact bytes: reads one off a stream and understands nothing of it but its framing."""

import asyncio
from dataclasses import dataclass, field

LIMIT = 4 * 1024 * 1024
"""For streams that `read_head` reads from: longer heads than anybody accepts."""


@dataclass(frozen=True)
class Message:
    """One request or response. `head` and `raw` are the bytes as they came, `body` is without its chunks."""

    head: bytes
    start: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    raw: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start.split(b" ", 2)[1])

    @property
    def reason(self) -> bytes:
        return self.start.split(b" ", 2)[2]

    @property
    def method(self) -> bytes:
        return self.start.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        return self.start.split(b" ", 1)[1].rsplit(b" ", 1)[0]

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def chunked(self) -> bool:
        return (self.get(b"transfer-encoding") or b"").lower() == b"chunked"


def parse_head(head: bytes) -> Message:
    """A head with its empty line; lines are split at the first `: ` and nothing is stripped."""
    start, *lines = head[:-4].split(b"\r\n")
    pairs = [line.split(b": ", 1) if b": " in line else line.split(b":", 1) for line in lines]
    return Message(head, start, [(name, value) for name, value in pairs])


async def read_head(reader: asyncio.StreamReader) -> Message:
    """Raises `IncompleteReadError` at an end, `ConnectionError` at a reset."""
    return parse_head(await reader.readuntil(b"\r\n\r\n"))


async def read_body(reader: asyncio.StreamReader, head: Message, *, bodiless: bool, to_end: bool) -> Message:
    """`bodiless`: the head has none, whatever it says. `to_end`: without framing it goes on to the end."""
    if bodiless:
        return Message(head.head, head.start, head.headers, b"", head.head)
    if head.chunked:
        return await _read_chunks(reader, head)
    length = head.get(b"content-length")
    if length is not None:
        body = await reader.readexactly(int(length))
    else:
        body = await reader.read() if to_end else b""
    return Message(head.head, head.start, head.headers, body, head.head + body)


async def _read_chunks(reader: asyncio.StreamReader, head: Message) -> Message:
    body, raw = bytearray(), bytearray(head.head)
    while True:
        line = await reader.readuntil(b"\r\n")
        raw += line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        chunk = await reader.readexactly(size + 2)
        assert chunk.endswith(b"\r\n"), "a chunk ends with its line"
        raw += chunk
        body += chunk[:-2]
    trailers = []
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        raw += line
        name, value = line[:-2].split(b": ", 1)
        trailers.append((name, value))
    return Message(head.head, head.start, head.headers, bytes(body), bytes(raw + line), trailers)


async def read_request(reader: asyncio.StreamReader) -> Message:
    return await read_body(reader, await read_head(reader), bodiless=False, to_end=False)


async def read_answer(reader: asyncio.StreamReader, method: bytes = b"GET") -> Message:
    """One response, be it interim or final."""
    head = await read_head(reader)
    bodiless = method == b"HEAD" or head.status < 200 or head.status in (204, 304)
    return await read_body(reader, head, bodiless=bodiless, to_end=True)
