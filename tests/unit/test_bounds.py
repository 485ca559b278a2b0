"""Bounds: one timer for all waits, and nothing left of those that have ended."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.bounds import FEW, Bounds, ring

FAR = 1e6


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await story()

    asyncio.run(body())


def waits(number: int) -> list["asyncio.Future[bool]"]:
    return [asyncio.get_running_loop().create_future() for _ in range(number)]


def test_each_ends_at_its_bound_the_earliest_first_and_without_news() -> None:
    async def story() -> None:
        bounds = Bounds()
        ended: list[str] = []

        def note(name: str, _: "asyncio.Future[bool]") -> None:
            ended.append(name)

        late, soon, far = waits(3)
        for name, wait, seconds in (("late", late, 0.02), ("far", far, FAR), ("soon", soon, 0.01)):
            wait.add_done_callback(partial(note, name))
            bounds.add(wait, seconds)
        assert await late is False
        assert await soon is False
        assert ended == ["soon", "late"]
        assert not far.done()
        assert len(bounds) == 1

    play(story)


def test_one_that_has_had_news_keeps_it() -> None:
    async def story() -> None:
        bounds = Bounds()
        early, last = waits(2)
        bounds.add(early, 0.005)
        bounds.add(last, 0.01)
        ring(early, news=True)
        assert await last is False
        assert early.result() is True
        assert len(bounds) == 0

    play(story)


def test_of_those_that_have_ended_few_are_kept() -> None:
    async def story() -> None:
        bounds = Bounds()
        for _ in range(5_000):
            (wait,) = waits(1)
            bounds.add(wait, FAR)
            ring(wait, news=True)
            bounds.end()
            assert len(bounds) <= 2 * FEW + 2
        stays = waits(1000)
        for wait in stays:
            bounds.add(wait, FAR)
        for wait in stays[:990]:
            wait.cancel()
            bounds.end()
        assert 10 <= len(bounds) <= 300

    play(story)
