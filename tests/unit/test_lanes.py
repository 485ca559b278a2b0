"""Lanes: who may run into a drive, and who is next."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from fakes.clock import FakeClock, settle
from fakes.records import PLAN, START, Remembering, operation, running

from gateway import events
from gateway.lanes import Closed, Lanes, drive_of
from gateway.model import Operation
from gateway.pacing import Polling
from gateway.records import Records
from gateway.store.memory import MemoryStore
from gateway.tasks import Tasks

SHARED = replace(PLAN, items="/v1.0/drives/b!shared/items/")


class World:
    def __init__(self, width: int | None = 2) -> None:
        clock = FakeClock(START)
        observer = Remembering()
        self.store = MemoryStore(now=clock.now, max_active=99, keep_finished=900, keep_keyed=86_400)
        self.records = Records(self.store, clock, observer, Polling(), Tasks(observer.crashed))
        self.lanes = Lanes(width=width, records=self.records)
        self.entered: list[str] = []

    def enter(self, one: Operation) -> "asyncio.Future[tuple[None]]":
        async def enter() -> None:
            await self.lanes.enter(one)
            self.entered.append(one.id)

        return asyncio.gather(enter())


def play(story: Callable[[World], Awaitable[None]], width: int | None = 2) -> None:
    async def body() -> None:
        await story(World(width))

    asyncio.run(body())


def into_shared(number: int) -> Operation:
    return operation(number, plan=SHARED)


def test_those_past_the_bound_queue_and_go_in_their_order() -> None:
    async def story(world: World) -> None:
        entering = [world.enter(into_shared(number)) for number in range(1, 6)]
        await settle()
        assert world.entered == [into_shared(1).id, into_shared(2).id]
        assert world.lanes.queued == 3
        for ended in (2, 1, 3):
            world.lanes.leave(into_shared(ended).id)
            await settle()
        assert world.entered == [into_shared(number).id for number in range(1, 6)]
        await asyncio.gather(*entering)

    play(story)


def test_an_operation_that_ends_makes_room() -> None:
    async def story(world: World) -> None:
        first = replace(running(1), plan=SHARED)
        assert await world.records.claim(first, replaces=None)
        entering = [world.enter(one) for one in (first, into_shared(2), into_shared(3))]
        await settle()
        assert len(world.entered) == 2
        await world.records.apply(first, events.Expired())
        await asyncio.gather(*entering)

    play(story)


def test_drives_do_not_wait_for_each_other_and_me_is_another_drive_for_each_caller() -> None:
    async def story(world: World) -> None:
        ones = [into_shared(1), operation(2), replace(operation(3), principal="99" * 32)]
        await asyncio.gather(*(world.enter(one) for one in ones))
        assert len(world.entered) == 3

    play(story, width=1)


def test_one_that_is_cancelled_in_the_queue_takes_no_place() -> None:
    async def story(world: World) -> None:
        world.enter(into_shared(1))
        leaving, last = world.enter(into_shared(2)), world.enter(into_shared(3))
        await settle()
        leaving.cancel()
        await settle()
        world.lanes.leave(into_shared(1).id)
        await last
        assert world.entered == [into_shared(1).id, into_shared(3).id]
        world.lanes.leave(into_shared(3).id)
        assert world.lanes._lanes == {}

    play(story, width=1)


def test_what_is_taken_over_counts() -> None:
    async def story(world: World) -> None:
        left = replace(running(1), plan=SHARED)
        assert await world.store.claim(left, replaces=None)
        taken = await world.records.apply(left, events.TakenOver())
        entering = world.enter(into_shared(2))
        await settle()
        assert world.entered == []
        await world.records.apply(taken, events.Expired())
        await entering

    play(story, width=1)


def test_stopping_turns_the_queue_away() -> None:
    async def story(world: World) -> None:
        await world.enter(into_shared(1))
        queued = world.enter(into_shared(2))
        await settle()
        world.lanes.close()
        with pytest.raises(Closed):
            await queued
        with pytest.raises(Closed):
            await world.lanes.enter(into_shared(3))

    play(story, width=1)


def test_without_a_bound_nobody_queues_and_nothing_is_kept() -> None:
    async def story(world: World) -> None:
        await asyncio.gather(*(world.enter(into_shared(number)) for number in range(1, 50)))
        assert world.lanes._of == {}

    play(story, width=None)


def test_where_the_drive_is_not_known_nothing_is_counted() -> None:
    assert drive_of(replace(PLAN, items=None), "p") is None
    assert drive_of(replace(SHARED, dialect="workbook"), "p") is None
    assert drive_of(SHARED, "p") == drive_of(replace(SHARED, items="/beta/drives/b!shared/items/"), "q")


@pytest.mark.parametrize(("width", "entered"), [(1, 1), (2, 2), (5, 3), (None, 3)])
def test_a_new_width_lets_in_who_waits(width: int | None, entered: int) -> None:
    async def story(world: World) -> None:
        entering = [world.enter(into_shared(number)) for number in range(1, 4)]
        await settle()
        assert len(world.entered) == 1
        world.lanes.resize(width)
        await settle()
        assert world.entered == [into_shared(number).id for number in range(1, entered + 1)]
        for number in range(1, 4):
            world.lanes.leave(into_shared(number).id)
            await settle()
        await asyncio.gather(*entering)

    play(story, width=1)


def test_a_smaller_width_holds_for_those_to_come() -> None:
    async def story(world: World) -> None:
        entering = [world.enter(into_shared(number)) for number in range(1, 5)]
        await settle()
        world.lanes.resize(1)
        world.lanes.leave(into_shared(1).id)
        await settle()
        assert len(world.entered) == 2, "one still runs: that is as many as there may be"
        for number in range(2, 5):
            world.lanes.leave(into_shared(number).id)
            await settle()
        await asyncio.gather(*entering)

    play(story, width=2)
