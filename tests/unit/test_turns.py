"""Turns: who is done when, how many at once, and that waiting costs no task."""

import asyncio
from collections.abc import Awaitable, Callable

from fakes.clock import FakeClock, settle
from fakes.records import START

from gateway.tasks import Tasks
from gateway.turns import IN_A_ROW, LONGEST_PULSE, PULSE, TOGETHER, Turn, Turns, by_task


class Thing(Turn):
    """Something that has turns."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.due = 0.0


class World:
    """Things are done by waiting for `may_end`; what was begun when is on the list."""

    def __init__(self, at_once: int = 10, begin: Callable[[Thing], bool] = by_task) -> None:
        self.clock = FakeClock(START)
        self.crashes: list[BaseException] = []
        self.tasks = Tasks(on_crash=lambda _, error: self.crashes.append(error))
        self.turns: Turns[Thing] = Turns(
            name="turn", clock=self.clock, tasks=self.tasks, at_once=at_once, do=self.do, begin=begin
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


# --- turns without a task ------------------------------------------------------------------------------------


def test_a_turn_that_was_begun_has_no_task_and_takes_a_place_until_it_is_ended() -> None:
    async def story() -> World:
        begun: list[str] = []

        def begin(thing: Thing) -> bool:
            begun.append(thing.name)
            return True

        world = World(at_once=2, begin=begin)
        for number in range(5):
            world.put(Thing(str(number)), 1.0 + number / 10)
        await world.advance(5)
        assert begun == ["0", "1"]
        assert len(world.tasks) == 0, "there is no room: whoever ends will look"
        world.turns.ended()
        assert begun == ["0", "1", "2"]
        for _ in range(4):
            world.turns.ended()
        assert begun == ["0", "1", "2", "3", "4"]
        assert world.begun == [], "none of them by a task"
        return world

    play(story)


def test_what_cannot_be_begun_is_done_by_a_task() -> None:
    async def story() -> World:
        world = World(begin=lambda thing: thing.name == "quick")
        world.put(Thing("slow"), 1.0)
        world.put(Thing("quick"), 1.0)
        await world.advance(2)
        assert world.names == ["slow"]
        world.turns.ended()
        return world

    play(story)


def test_a_turn_that_ends_as_soon_as_it_is_begun_is_had_like_any_other() -> None:
    async def story() -> World:
        begun: list[tuple[float, str]] = []

        def begin(thing: Thing) -> bool:
            begun.append((round(world.clock.now() - START, 3), thing.name))
            if len(begun) < 999:
                world.turns.put(thing, world.clock.now() + 1.0)
            world.turns.ended()
            return True

        world = World(at_once=1, begin=begin)
        for number in range(2):
            world.put(Thing(str(number)), 1.0)
        await world.advance(500)
        assert len(begun) == 1000
        assert begun[:4] == [(1.0, "0"), (1.0, "1"), (2.0, "0"), (2.0, "1")]
        return world

    play(story)


def test_what_else_there_is_to_do_comes_in_between() -> None:
    async def story() -> World:
        order: list[str] = []

        def begin(thing: Thing) -> bool:
            order.append("turn")
            asyncio.get_running_loop().call_soon(order.append, "else")
            world.turns.ended()
            return True

        world = World(at_once=1000, begin=begin)
        for number in range(5 * IN_A_ROW):
            world.put(Thing(str(number)), 1.0)
        await world.advance(2)
        await settle(100)
        assert order.count("turn") == 5 * IN_A_ROW
        assert order[: 2 * IN_A_ROW] == ["turn"] * IN_A_ROW + ["else"] * IN_A_ROW
        return world

    play(story)


def test_where_many_have_turns_looks_are_further_apart_and_nobody_is_late_by_more() -> None:
    """One that comes alone is begun to the moment."""

    async def story() -> World:
        looks: list[float] = []
        late: list[float] = []

        def begin(thing: Thing) -> bool:
            now = world.clock.now()
            if not looks or looks[-1] != now:
                looks.append(now)
            late.append(now - thing.due)
            world.turns.ended()
            return True

        world = World(at_once=1000, begin=begin)
        for number in range(4000):  # a thousand a second
            thing = Thing(str(number))
            thing.due = START + 1.0 + number / 1000
            world.turns.put(thing, thing.due)
        world.turns.see_to_it()
        await world.advance(10)
        assert len(late) == 4000
        assert 0 <= min(late) <= max(late) <= LONGEST_PULSE + 0.002
        later = [moment for moment in looks if moment > START + 3]
        assert 0.5 * TOGETHER <= 2000 / len(later) <= 2 * TOGETHER
        looks.clear()
        alone = Thing("alone")
        alone.due = START + 20.0
        world.put(alone, 20.0)
        await world.advance(20)
        assert looks == [START + 20.0]
        return world

    play(story)


def test_nothing_is_begun_when_a_turn_is_cancelled() -> None:
    async def story() -> World:
        world = World(at_once=1)
        world.may_end.clear()
        for number in range(3):
            world.put(Thing(str(number)), 1.0)
        await world.advance(2)
        assert world.names == ["0"]
        await world.tasks.cancel()
        assert world.names == ["0"]
        return world

    play(story)
