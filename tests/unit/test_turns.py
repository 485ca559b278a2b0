"""Turns: who is done when, how many at once, and that waiting costs no task."""

import asyncio
from collections.abc import Awaitable, Callable

from fakes.clock import FakeClock, settle
from fakes.records import START

from gateway.tasks import Tasks
from gateway.turns import PULSE, Turn, Turns


class Thing(Turn):
    """Something that has turns."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class World:
    """Things are done by waiting for `may_end`; what was begun when is on the list."""

    def __init__(self, at_once: int = 10) -> None:
        self.clock = FakeClock(START)
        self.crashes: list[BaseException] = []
        self.tasks = Tasks(on_crash=lambda _, error: self.crashes.append(error))
        self.turns: Turns[Thing] = Turns(
            name="turn", clock=self.clock, tasks=self.tasks, at_once=at_once, do=self.do
        )
        self.begun: list[tuple[float, str]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.under_way = 0

    async def do(self, thing: Thing) -> None:
        self.begun.append((round(self.clock.now() - START, 3), thing.name))
        self.under_way += 1
        await self.may_end.wait()
        self.under_way -= 1

    def put(self, thing: Thing, after: float) -> None:
        self.turns.put(thing, START + after)
        self.turns.see_to_it()

    async def advance(self, seconds: float) -> None:
        await settle()
        await self.clock.advance(seconds)

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.begun]


def play(story: Callable[[], Awaitable[World]]) -> None:
    async def body() -> None:
        world = await story()
        assert world.crashes == []
        assert len(world.tasks) == 0, world.tasks.names()

    asyncio.run(body())


def test_each_has_its_turn_when_it_is_due_and_not_before() -> None:
    async def story() -> World:
        world = World()
        for name, after in (("late", 3.0), ("soon", 1.0), ("next", 2.0)):
            world.put(Thing(name), after)
        await world.advance(0.999)
        assert world.begun == []
        await world.advance(9)
        assert world.begun == [(1.0, "soon"), (2.0, "next"), (3.0, "late")]
        return world

    play(story)


def test_thousands_that_wait_cost_one_task() -> None:
    async def story() -> World:
        world = World(at_once=10_000)
        for number in range(1000):
            world.put(Thing(str(number)), 5.0 + number)
        await settle()
        assert len(world.tasks) == 1
        assert world.clock.sleepers == 1
        await world.advance(1005)
        assert len(world.begun) == 1000
        return world

    play(story)


def test_who_is_put_again_gives_up_the_place_before() -> None:
    async def story() -> World:
        world = World()
        one = Thing("one")
        world.put(one, 5.0)
        world.put(one, 1.0)
        await world.advance(10)
        assert world.begun == [(1.0, "one")]
        world.put(one, 11.0)
        world.put(one, 20.0)
        await world.advance(20)
        assert world.begun == [(1.0, "one"), (20.0, "one")]
        return world

    play(story)


def test_no_more_than_so_many_at_once_in_the_order_in_which_they_came_due() -> None:
    async def story() -> World:
        world = World(at_once=3)
        world.may_end.clear()
        for number in range(8):
            world.put(Thing(str(number)), 1.0 + number / 10)
        await world.advance(5)
        assert (world.names, world.under_way) == (["0", "1", "2"], 3)
        world.may_end.set()
        await settle(40)
        assert world.names == [str(number) for number in range(8)]
        return world

    play(story)


def test_where_more_may_be_done_at_once_those_that_wait_begin_with_the_next_turn() -> None:
    async def story() -> World:
        world = World(at_once=1)
        world.may_end.clear()
        for number in range(5):
            world.put(Thing(str(number)), 1.0)
        await world.advance(2)
        assert world.under_way == 1
        world.turns.at_once = 3
        world.put(Thing("5"), 1.0)
        await world.advance(1)
        assert world.under_way == 3
        world.may_end.set()
        await settle(40)
        assert len(world.begun) == 6
        return world

    play(story)


def test_what_comes_due_within_a_moment_is_done_together() -> None:
    async def story() -> World:
        world = World()
        for number in range(100):
            world.put(Thing(str(number)), 1.0 + number * PULSE / 100)
        await world.advance(2)
        assert len(world.begun) == 100
        assert len({at for at, _ in world.begun}) <= 3
        return world

    play(story)


def test_while_all_are_busy_nobody_looks_and_afterwards_somebody_does() -> None:
    async def story() -> World:
        world = World(at_once=1)
        world.may_end.clear()
        world.put(Thing("long"), 1.0)
        world.put(Thing("later"), 50.0)
        await world.advance(10)
        assert world.clock.sleepers == 0
        world.may_end.set()
        await settle()
        await world.advance(40)
        assert world.begun == [(1.0, "long"), (50.0, "later")]
        return world

    play(story)
