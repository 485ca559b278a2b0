"""A Graph for measuring: answers as quickly as Python can, and keeps book of what it was asked.

    POST {any item}/copy      202, Location at the other port: the monitor
    GET  /monitor/{job}       202 and a percentage until the job's end; then 303, `completed` and a resourceId
    GET  {items}/{that id}    200, the item
    GET  anything else        200, 1 KiB of JSON

A job's end is a moment on this process's clock, so that what a caller sees of it can be told to the millisecond. Poll
gaps are taken from the answer of one poll to the arrival of the next.

Rules: no check of anything it is sent, but it counts credentials that reach a monitor and POSTs that come twice.
What it must not do: be a simulator of Graph's behaviour; `gateway.simulator` is that.
"""

import asyncio
import random
import ssl
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

import httptools

from bench.certificates import Papers
from bench.machine import HOST

Shape = Callable[[float], float]
"""Percentage at a share of the duration."""


def linear(share: float) -> float:
    return 100 * share


@dataclass(slots=True)
class Job:
    """One copy; all moments in monotonic seconds."""

    number: int
    began: float
    ends: float
    shape: Shape
    polls: int = 0
    answered: float = 0.0
    """When the last poll, or the POST, was answered."""
    seen_after: float = 0.0
    """When the answer before the one that told of the end was given."""
    seen: float = 0.0
    """When that poll came that was told of the end."""


@dataclass(slots=True)
class Book:
    """What was asked, in all."""

    posts: int = 0
    twice: int = 0
    polls: int = 0
    credentials: int = 0
    """Polls that brought an Authorization."""
    items: int = 0
    others: int = 0
    open: int = 0
    most_open: int = 0
    connections: int = 0
    """Ever opened, of both ports."""
    gaps: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds between a poll's answer and the next poll of the same job, while `noting`."""
    noting: bool = False


def copy_target(number: int) -> str:
    return f"/v1.0/me/drive/items/01SOURCE{number:012d}/copy"


def item_id(number: int) -> str:
    return f"01COPY{number:012d}"


def _item(number: int) -> bytes:
    padding = "x" * 560
    return (
        f'{{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#items/$entity","id":"{item_id(number)}",'
        f'"name":"copy {number}.docx","size":48213,"eTag":"\\"{{{number}}},1\\"","file":{{"mimeType":"text/plain"}},'
        f'"parentReference":{{"driveId":"b!{number}","path":"/drive/root:"}},"webUrl":"https://contoso.example/{padding}"}}'
    ).encode()


def _answer(status: bytes, body: bytes, *lines: bytes) -> bytes:
    head = [
        b"HTTP/1.1 " + status,
        b"Content-Type: application/json; odata.metadata=minimal; charset=utf-8",
        b"Cache-Control: no-cache",
        b"Strict-Transport-Security: max-age=31536000",
        b"request-id: 5f6c0a3e-7b1c-4a54-9d0e-0f6b2e6d7c11",
        b"client-request-id: 5f6c0a3e-7b1c-4a54-9d0e-0f6b2e6d7c11",
        b'x-ms-ags-diagnostic: {"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5"}}',
        b"OData-Version: 4.0",
        b"Date: Sat, 21 Nov 2026 10:00:00 GMT",
        *lines,
        b"Content-Length: %d" % len(body),
        b"",
        body,
    ]
    return b"\r\n".join(head)


PASSED = _answer(b"200 OK", b'{"value":"' + b"x" * 1000 + b'"}')


class Connection(asyncio.Protocol):
    """One connection of a holder. httptools calls the methods that begin with `on_`."""

    def __init__(self, graph: "Graph", *, monitors: bool) -> None:
        self._graph = graph
        self._monitors = monitors
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without being of the class
        book = self._graph.book
        book.open += 1
        book.connections += 1
        book.most_open = max(book.most_open, book.open)

    def connection_lost(self, _: Exception | None) -> None:
        self._graph.book.open -= 1

    def data_received(self, data: bytes) -> None:
        if self._monitors and b"uthorization:" in data:
            self._graph.book.credentials += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        url, self._url = self._url.decode("latin-1"), b""
        self._transport.write(
            self._graph.answer(self._parser.get_method(), url, time.monotonic(), monitors=self._monitors)
        )


class Graph:
    """Both listeners. `plan` says of a job how long it takes and how it shows its progress."""

    def __init__(self, plan: Callable[[int], tuple[float, Shape]], *, papers: Papers | None = None) -> None:
        """With papers, the monitors are behind TLS."""
        self._plan = plan
        self.papers = papers
        self._servers: list[asyncio.Server] = []
        self.book = Book()
        self.jobs: dict[int, Job] = {}
        self._ending = False
        self._awaited = 0
        self._come = asyncio.Event()
        self.port = 0
        self.monitor_port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for monitors in (False, True):

            def connection(*, monitors: bool = monitors) -> Connection:
                return Connection(self, monitors=monitors)

            context = None
            if monitors and self.papers is not None:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(self.papers.certificate, self.papers.key)
            server = await loop.create_server(connection, HOST, 0, ssl=context, backlog=4096)
            self._servers.append(server)
        self.port, self.monitor_port = (server.sockets[0].getsockname()[1] for server in self._servers)
        return self

    async def begun(self, count: int, patience: float) -> bool:
        """Whether so many jobs have begun, in all, within so many seconds."""
        self._awaited = count
        self._come.clear()
        if len(self.jobs) < count:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._come.wait(), patience)
        return len(self.jobs) >= count

    def end_all(self, seconds: float) -> None:
        """Let every job end from now on, evenly over so many seconds; one that comes later is at its end at once.

        In no order: one like that in which they came would meet all polls in the same phase.
        """
        self._ending = True
        now = time.monotonic()
        numbers = sorted(self.jobs)
        random.Random(1).shuffle(numbers)
        for place, number in enumerate(numbers):
            job = self.jobs[number]
            job.ends = min(job.ends, now + seconds * (place + 1) / len(numbers))

    def go_on(self) -> None:
        """Jobs that come from now on last as long as they are planned to."""
        self._ending = False

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()

    def answer(self, method: bytes, target: str, now: float, *, monitors: bool) -> bytes:
        if monitors:
            return self._poll(int(target.rpartition("/")[2]), now)
        if method == b"POST":
            return self._begin(int(target[-17:-5]), now)
        if "/items/01COPY" in target:
            self.book.items += 1
            return _answer(b"200 OK", _item(int(target[-12:])))
        self.book.others += 1
        return PASSED

    def _begin(self, number: int, now: float) -> bytes:
        self.book.posts += 1
        if number in self.jobs:
            self.book.twice += 1
        duration, shape = self._plan(number)
        if self._ending:
            duration = 0.0
        self.jobs[number] = Job(number, now, now + duration, shape, answered=now)
        if len(self.jobs) == self._awaited:
            self._come.set()
        where = f"Location: {'https' if self.papers else 'http'}://{HOST}:{self.monitor_port}/_api/v2.0/monitor/{number}"
        return _answer(b"202 Accepted", b"", where.encode())

    def _poll(self, number: int, now: float) -> bytes:
        job, book = self.jobs[number], self.book
        book.polls += 1
        job.polls += 1
        if book.noting:
            book.gaps.append(now - job.answered)
        if now >= job.ends:
            if not job.seen:
                job.seen, job.seen_after = now, job.answered
            body = f'{{"operation":"itemCopy","percentageComplete":100.0,"resourceId":"{item_id(number)}","status":"completed"}}'
            return _answer(b"303 See Other", body.encode())
        job.answered = now
        percent = job.shape((now - job.began) / (job.ends - job.began))
        body = f'{{"operation":"itemCopy","percentageComplete":{percent:.1f},"status":"inProgress"}}'
        return _answer(b"202 Accepted", body.encode())
