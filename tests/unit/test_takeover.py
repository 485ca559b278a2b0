"""Takeover: what becomes of what an earlier owner left, by its state."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from fakes.clock import FakeClock, settle
from fakes.records import START, Remembering, operation, running

from gateway.follower import Follower
from gateway.model import Operation, State
from gateway.pacing import Polling
from gateway.records import Records
from gateway.store import StoreDown
from gateway.store.memory import MemoryStore
from gateway.takeover import EVERY, Takeover
from gateway.tasks import Tasks


class Left(MemoryStore):
    """A store in which operations are left behind, now or later."""

    shared = True
    down = False

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now=now, max_active=99, keep_finished=900, keep_keyed=86_400)
        self.behind: list[Operation] = []

    async def left_behind(self) -> Sequence[Operation]:
        if self.down:
            raise StoreDown("gone")
        return self.behind


class Recording(Follower):
    """Remembers what it was told to follow."""

    def __init__(self) -> None:
        self.followed: list[Operation] = []

    def follow(self, operation: Operation) -> None:
        self.followed.append(operation)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.observer = Remembering()
        self.tasks = Tasks(self.observer.crashed)
        self.store = Left(self.clock.now)
        self.records = Records(self.store, self.clock, self.observer, Polling(), self.tasks)
        self.follower = Recording()
        self.takeover = Takeover(
            records=self.records,
            follower=self.follower,
            clock=self.clock,
            tasks=self.tasks,
            observer=self.observer,
        )

    async def leave(self, *left: Operation) -> None:
        for one in left:
            assert await self.store.claim(one, replaces=None)
        self.store.behind = list(left)


def test_each_state_is_gone_on_with_as_it_must_be() -> None:
    async def story() -> None:
        world = World()
        reserved, submitting = operation(1), operation(2, state=State.SUBMITTING, submitted_at=START)
        await world.leave(reserved, submitting, running(3))
        await world.takeover.look()
        assert await world.store.get(reserved.id) is None, "nothing was sent"
        unknown = await world.store.get(submitting.id)
        assert unknown is not None
        assert (unknown.state, unknown.epoch) == (State.UNKNOWN, 2)
        goes_on = await world.store.get(running(3).id)
        assert goes_on is not None
        assert (goes_on.state, goes_on.epoch) == (State.RUNNING, 2)
        assert goes_on in world.follower.followed

    asyncio.run(story())


def test_what_somebody_else_took_first_is_theirs() -> None:
    async def story() -> None:
        world = World()
        await world.leave(running(1), running(2))
        await world.store.save(replace(running(1), epoch=2, revision=1), previous=running(1))
        await world.takeover.look()
        assert [one.id for one in world.follower.followed] == [running(2).id]

    asyncio.run(story())


def test_in_a_shared_store_it_goes_on_looking_also_after_the_store_was_down() -> None:
    async def story() -> None:
        world = World()
        await world.takeover.begin()
        await world.clock.advance(3 * EVERY)
        assert world.follower.followed == []
        world.store.down = True
        await world.clock.advance(EVERY)
        assert world.observer.events == ["store_down"]
        world.store.down = False
        await world.leave(running(1))
        await world.clock.advance(EVERY)
        assert [one.epoch for one in world.follower.followed] == [2]
        await world.tasks.cancel()

    asyncio.run(story())


def test_in_a_store_of_its_own_it_looks_once() -> None:
    async def story() -> None:
        world = World()
        world.store.shared = False
        await world.leave(running(1))
        await world.takeover.begin()
        await settle()
        assert len(world.follower.followed) == 1
        assert len(world.tasks) == 0

    asyncio.run(story())
