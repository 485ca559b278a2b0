"""Whoever waits for the upstream may be cancelled, anywhere: no connection, task or slot is left behind."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import pytest
from errand import CHUNKED, RELAXED, Errand, playing, running, turn
from fakes.clock import FakeClock
from fakes.origin import Line, Origin

from gateway.errors import UpstreamBroken
from gateway.tasks import Tasks
from gateway.upstream import Graph

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"


async def stuck(line: Line) -> None:
    """Begins an answer to /body, answers nothing else."""
    head = await line.head()
    if head.target == b"/body":
        await line.send(BEGUN)
    await line.ended()


async def slowly() -> AsyncIterator[bytes]:
    yield b"hello"
    await asyncio.get_running_loop().create_future()


async def cancelled(errand: Errand, work: Coroutine[Any, Any, object], turns: int = 20) -> None:
    """Cancel after so many turns of the loop."""
    task = errand.tasks.start("work", work)
    for _ in range(turns):
        await turn()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await errand.until_connections(0, 0)
    assert errand.tasks.names() == []
    assert errand.clock.sleepers == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
def test_waiting_for_a_head(turns: int) -> None:
    async def story(errand: Errand) -> None:
        await cancelled(errand, errand.ask(), turns)
        await cancelled(errand, errand.ask("POST", body=b"x"), turns)
        await cancelled(errand, errand.ask("POST", "/", CHUNKED, body=slowly()), turns)
        await cancelled(
            errand, errand.ask("POST", "/", CHUNKED, (b"Expect", b"100-continue"), body=slowly()), turns
        )

    running(story, stuck)


def test_reading_a_body() -> None:
    async def chunks(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request("GET", "/body"))
        async for _ in exchange.chunks():
            pass

    async def story(errand: Errand) -> None:
        await cancelled(errand, errand.ask("GET", "/body"))
        await cancelled(errand, chunks(errand))

    running(story, stuck)


def test_leaving_the_chunks_closes() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request("GET", "/body"))
        pieces = exchange.chunks()
        assert await anext(pieces) == b"x"
        await pieces.aclose()
        await errand.until_connections(0, 0)

    running(story, stuck)


def test_closing_twice_and_before_the_end() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request("GET", "/body"))
        await exchange.close()
        await exchange.close()
        await errand.until_connections(0, 0)
        assert (await anext(exchange.chunks())) == b"x", "what had come is still there"
        with pytest.raises(UpstreamBroken):
            await exchange.read(1000)

    running(story, stuck)


def test_closing_while_somebody_reads() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request("GET", "/body"))
        reading = asyncio.gather(exchange.read(1000), return_exceptions=True)
        await turn()
        await exchange.close()
        assert isinstance((await reading)[0], UpstreamBroken)

    running(story, stuck)


def test_waiting_for_a_name_or_an_address() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        return []

    async def black_hole(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1", "127.0.0.2"]

    async def work() -> None:
        tasks, clock = Tasks(), FakeClock()
        async with Origin(stuck) as origin:
            for resolve in (never, black_hole):
                graph = Graph(
                    base_url=f"http://name.example:{origin.port}",
                    timeouts=RELAXED,
                    clock=clock,
                    tasks=tasks,
                    max_header=4096,
                    resolve=resolve,
                )
                errand = Errand(origin, graph, clock, tasks)
                await cancelled(errand, graph.open(errand.request()))
                if resolve is never:
                    await cancelled(errand, graph.reach())
                await graph.close()

    playing(work)


def test_a_thousand_that_leave() -> None:
    async def story(errand: Errand) -> None:
        for round_ in range(5):
            tasks = [errand.tasks.start("work", errand.ask("GET", "/body")) for _ in range(100)]
            for _ in range(round_):
                await turn()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)
            await errand.until_connections(0, 0)

    running(story, stuck)
