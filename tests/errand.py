r"""One Graph, as the gateway holds it, and an origin that speaks in exact bytes.

    def test_something(loop: str) -> None:
        async def story(errand: Errand) -> None:
            exchange = await errand.graph.open(errand.request("GET", "/"))
            ...

        running(story, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))

A story is played on asyncio's own event loop and on uvloop. Afterwards nothing may be left of it: no connection, no
task, no socket. Nothing here sleeps; what tests a time-out waits for that time-out.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from fakes.clock import FakeClock
from fakes.origin import Origin, Script

from gateway.model import Headers
from gateway.tasks import Tasks
from gateway.upstream import Graph, Outgoing, Timeouts

LOOPS: tuple[Callable[[], asyncio.AbstractEventLoop], ...] = (asyncio.new_event_loop, uvloop.new_event_loop)
PATIENCE = 20.0
"""Seconds after which a story is stuck, and not slow."""
RELAXED = Timeouts(connect=60, reply=60, idle=60)
"""Longer than PATIENCE: what only a time-out would clear up is stuck."""
CHUNKED = (b"Transfer-Encoding", b"chunked")


@dataclass
class Errand:
    """The cast."""

    origin: Origin
    graph: Graph
    clock: FakeClock
    tasks: Tasks

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        *lines: tuple[bytes, bytes],
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> Outgoing:
        headers: Headers = ((b"Host", self.graph.host_header), *lines)
        if isinstance(body, bytes):
            headers = (*headers, (b"Content-Length", b"%d" % len(body)))
        return Outgoing(method, target, headers, body)

    async def ask(
        self,
        method: str = "GET",
        target: str = "/",
        *lines: tuple[bytes, bytes],
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the whole answer."""
        exchange = await self.graph.open(self.request(method, target, *lines, body=body))
        got, oversized = await exchange.read(1 << 30)
        assert not oversized
        return exchange.status, got

    async def until_connections(self, live: int, idle: int) -> None:
        while self.graph.connections != (live, idle):
            await turn()


async def turn() -> None:
    """Let the event loop look at its sockets once."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, future.set_result, None)
    await future


async def passed(seconds: float) -> None:
    """For what has to outlast a time-out of the event loop's."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, future.set_result, None)
    await future


def sockets() -> int:
    """How many this process has open."""
    return sum(
        1
        for entry in Path("/proc/self/fd").iterdir()
        if os.path.realpath(entry).rpartition("/")[2].startswith("socket:")
    )


def playing(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on each event loop, and see that no socket is left."""
    for loop in LOOPS:
        before = sockets()
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(asyncio.wait_for(work(), PATIENCE))
        if sockets() != before:
            gc.collect()
        assert sockets() == before, "a socket leaked"


def running(
    story: Callable[[Errand], Awaitable[None]],
    script: Script,
    *,
    timeouts: Timeouts = RELAXED,
    max_header: int = 4096,
    keep: int = 8,
) -> None:
    async def work() -> None:
        crashes: list[BaseException] = []
        tasks = Tasks(on_crash=lambda _, error: crashes.append(error))
        clock = FakeClock()
        async with Origin(script) as origin:
            graph = Graph(
                base_url=origin.url,
                timeouts=timeouts,
                clock=clock,
                tasks=tasks,
                max_header=max_header,
                keep=keep,
            )
            try:
                await story(Errand(origin, graph, clock, tasks))
            finally:
                await graph.close()
                while tasks.names():
                    await turn()
            assert graph.connections == (0, 0)
        assert origin.crashes == []
        assert crashes == []

    playing(work)
