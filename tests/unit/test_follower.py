"""The follower alone, in virtual time: when it asks, whom, and when it stops."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
from fakes.clock import FakeClock, settle
from fakes.records import START, Remembering, running

from gateway import dialects, events
from gateway.asking import Asking, CredentialGone
from gateway.auth import Caller
from gateway.errors import AddressRefused, UpstreamBroken, UpstreamSilent, UpstreamUnreachable
from gateway.follower import LOOK_AGAIN, Follower, FollowRules
from gateway.model import Operation, Reply, State
from gateway.pacing import Polling
from gateway.records import Records
from gateway.store import StoreDown
from gateway.store.memory import MemoryStore
from gateway.tasks import Tasks
from gateway.upstream import Asked, Told

BUSY = Reply(202, (), b'{"operation":"ItemCopy","percentageComplete":27.8,"status":"inProgress"}')
DONE = Reply(202, (), b'{"percentageComplete":100.0,"resourceId":"B","status":"completed"}')
GONE = Reply(404)


@dataclass
class ScriptedAsking(Asking):
    """Answers polls from a script, the last line of it for ever; remembers when it was asked what."""

    clock: FakeClock
    script: list[Reply | Exception]
    asked: list[tuple[float, str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    way: ClassVar[str] = ""
    """How it answers; see `way_of_asking`."""

    meanwhile: Callable[[Operation], None] = lambda _: None
    """What happens while it asks."""

    lent: list[Caller] = field(default_factory=list)
    """The credentials that it may use."""

    def lend(self, operation: Operation, caller: Caller) -> None:
        self.lent[:] = [caller]

    def give_back(self, operation: Operation) -> None:
        self.lent.clear()

    def may_ask(self, operation: Operation) -> bool:
        return not operation.monitor_credential or bool(self.lent)

    def begin(self, operation: Operation, url: str, told: Told) -> Asked | None:
        if self.way == "waited for" or operation.monitor_credential:
            return None
        self._note(operation, url)
        asyncio.get_running_loop().call_soon(self._tell, told)
        return Abandonable()  # type: ignore[return-value] # as much of one as is needed

    def _tell(self, told: Told) -> None:
        told(None if self.way == "begun, and the rest waited for" else self._answer())

    async def rest(self, operation: Operation, url: str, asked: Asked) -> Reply:
        await settle(3)
        return self._raised(self._answer())

    async def ask(self, operation: Operation, url: str) -> Reply:
        if not self.may_ask(operation):
            raise CredentialGone
        self._note(operation, url)
        await settle(3)
        return self._raised(self._answer())

    def _note(self, operation: Operation, url: str) -> None:
        self.asked.append((self.clock.now() - START, url))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.meanwhile(operation)

    def _answer(self) -> Reply | Exception:
        self.under_way -= 1
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _raised(self, said: Reply | Exception) -> Reply:
        if isinstance(said, Exception):
            raise said
        return said


class Abandonable:
    """A poll that was begun."""

    def abandon(self) -> None:
        pass


@pytest.fixture(autouse=True, params=["waited for", "begun", "begun, and the rest waited for"])
def way_of_asking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds whether a poll has a task, has none, or has one for its end."""
    monkeypatch.setattr(ScriptedAsking, "way", request.param)


class World:
    def __init__(self, *script: Reply | Exception, deadline: float = 1000.0, at_once: int = 64) -> None:
        self.clock = FakeClock(START)
        self.observer = Remembering()
        store = MemoryStore(now=self.clock.now, max_active=1000, keep_finished=900, keep_keyed=86_400)
        self.records = Records(store, self.clock, self.observer, Polling(), Tasks(self.observer.crashed))
        self.asking = ScriptedAsking(self.clock, list(script))
        self.tasks = Tasks(on_crash=self.observer.crashed)
        self.follower = Follower(
            records=self.records,
            asking=self.asking,
            dialects=dialects.enabled(["drive"]),
            clock=self.clock,
            tasks=self.tasks,
            observer=self.observer,
            chance=lambda: 0.5,
            rules=FollowRules(deadline=deadline, stalled_after=60.0, at_once=at_once),
        )

    async def follow(self, record: Operation) -> None:
        assert await self.records.claim(record, replaces=None)
        self.follower.follow(record)
        await settle()

    async def ended(self, number: int = 1) -> Operation:
        found = await self.records.store.get(running(number).id)
        assert found is not None
        return found


def play(story: Callable[[], Awaitable[World]]) -> None:
    async def body() -> None:
        world = await story()
        await world.tasks.cancel()
        assert world.observer.crashes == []

    asyncio.run(body())


def test_it_asks_when_it_is_due_and_stops_at_the_end() -> None:
    async def story() -> World:
        world = World(BUSY, BUSY, DONE)
        await world.follow(running())
        assert world.asking.asked == []
        await world.clock.advance(60)
        record = await world.ended()
        assert (record.state, record.polls, record.resource) == (State.RESULT, 3, "/v1.0/me/drive/items/B")
        assert world.asking.asked[0][0] == 0.5
        assert len(world.follower) == 0
        assert len(world.tasks) == 0
        return world

    play(story)


def test_there_is_one_poller_however_often_it_is_told_to_follow() -> None:
    async def story() -> World:
        world = World(BUSY)
        await world.follow(running())
        for _ in range(5):
            world.follower.follow(running())
        await world.clock.advance(100)
        assert world.asking.most_under_way == 1
        assert len(world.follower) == 1
        return world

    play(story)


def test_trouble_of_every_kind_is_asked_again() -> None:
    async def story() -> World:
        troubles: list[Reply | Exception] = [
            UpstreamSilent(),
            UpstreamBroken(),
            UpstreamUnreachable(),
            AddressRefused(),
            Reply(200, (), b"<html>"),
            Reply(401),
            Reply(503),
        ]
        world = World(*troubles, DONE)
        await world.follow(running())
        await world.clock.advance(300)
        assert (await world.ended()).state is State.RESULT
        assert [str(trouble.ailment) for trouble in world.observer.troubles] == [
            "timeout",
            "broken",
            "unreachable",
            "refused",
            "garbage",
            "unauthorised",
            "server_error",
        ]
        return world

    play(story)


def test_a_429_slows_every_poll_to_that_host() -> None:
    async def story() -> World:
        world = World(Reply(429, ((b"Retry-After", b"30"),)), BUSY)
        other = "https://fabrikam.sharepoint.com/_api/v2.0/monitor/3"
        await world.follow(running(1))
        await world.follow(running(2, next_poll_at=START + 1))
        await world.follow(running(3, next_poll_at=START + 1, monitor=other))
        await world.clock.advance(29)
        same = [moment for moment, url in world.asking.asked if url != other]
        assert same == [0.5], "the second operation waits too"
        assert [moment for moment, url in world.asking.asked if url == other], "another host does not"
        await world.clock.advance(10)
        assert min(moment for moment, url in world.asking.asked[1:] if url != other) >= 30.5
        return world

    play(story)


def test_a_monitor_that_stays_gone_ends_as_lost() -> None:
    async def story() -> World:
        world = World(GONE)
        await world.follow(running())
        await world.clock.advance(59)
        assert (await world.ended()).state is State.RUNNING
        await world.clock.advance(30)
        record = await world.ended()
        assert record.state is State.LOST
        assert record.polls >= 3
        return world

    play(story)


def test_at_the_deadline_it_gives_up_even_while_it_is_told_to_stay_away() -> None:
    async def story() -> World:
        world = World(Reply(429, ((b"Retry-After", b"3000"),)), deadline=100.0)
        await world.follow(running())
        await world.clock.advance(101)
        record = await world.ended()
        assert record.problem is not None
        assert (record.state, record.problem.code) == (State.LOST, "operationDeadlineExceeded")
        return world

    play(story)


def test_a_stall_is_mentioned_once_and_again_after_progress() -> None:
    async def story() -> World:
        moved = Reply(202, (), BUSY.body.replace(b"27.8", b"50.0"))
        world = World(*[BUSY] * 28, moved, BUSY)
        await world.follow(running())
        await world.clock.advance(100)
        assert world.observer.events == ["operation_stalled"]
        await world.clock.advance(200)
        assert world.observer.events == ["operation_stalled", "operation_stalled"]
        return world

    play(story)


def test_a_bug_is_told_and_does_not_leave_the_operation_alone() -> None:
    async def story() -> World:
        world = World(ZeroDivisionError("a bug"), DONE)
        await world.follow(running())
        await world.clock.advance(20)
        assert (await world.ended()).state is State.RESULT
        assert [str(error) for _, error in world.observer.crashes] == ["a bug"]
        world.observer.crashes.clear()
        return world

    play(story)


def test_an_end_that_could_not_be_stored_is_stored_later_and_not_asked_for_again() -> None:
    """Some monitors tell an end once and are gone after that."""

    async def story() -> World:
        world = World(BUSY, DONE, GONE)
        save = world.records.store.save
        failures = [StoreDown("away"), StoreDown("away"), None]

        async def fails(operation: Operation, *, previous: Operation) -> None:
            if operation.state is State.RESULT and (failure := failures.pop(0)) is not None:
                raise failure
            await save(operation, previous=previous)

        world.records.store.save = fails  # type: ignore[method-assign] # this one store
        world.records.apply_at_once = lambda *_: None  # type: ignore[method-assign] # so that it is waited for
        await world.follow(running())
        await world.clock.advance(60)
        record = await world.ended()
        assert (record.state, record.polls, record.resource) == (State.RESULT, 2, "/v1.0/me/drive/items/B")
        assert len(world.asking.asked) == 2
        assert failures == []
        assert [name for name in world.observer.events if name == "store_down"] == ["store_down"] * 2
        assert len(world.follower) == 0
        return world

    play(story)


def test_when_somebody_else_took_it_over_it_steps_back() -> None:
    async def story() -> World:
        world = World(BUSY)
        await world.follow(running())
        theirs = replace(running(), epoch=2, revision=7)
        await world.records.store.save(theirs, previous=running())
        await world.clock.advance(5)
        assert len(world.asking.asked) == 1
        assert len(world.follower) == 0
        assert await world.ended() == theirs
        return world

    play(story)


def test_an_operation_that_is_over_is_not_asked_about() -> None:
    async def story() -> World:
        world = World(BUSY)
        await world.follow(replace(running(), state=State.RESULT, ended_at=START))
        await world.clock.advance(5)
        assert world.asking.asked == []
        return world

    play(story)


def test_what_listeners_hear_is_stored_already() -> None:
    async def story() -> World:
        world = World(DONE)
        heard: list[tuple[State, bool]] = []
        store = world.records.store

        def listen(record: Operation) -> None:
            stored = store._look(record.id)  # type: ignore[attr-defined] # the memory store's, without awaiting
            heard.append((record.state, stored == record))

        world.records.listen(listen)
        await world.follow(running())
        await world.clock.advance(1)
        assert heard == [(State.RUNNING, True), (State.RESULT, True)]
        await world.records.apply(await world.ended(), events.Delivered())
        return world

    play(story)


CALLER = Caller("11" * 32, "22" * 32, b"Bearer t")


class TestCredential:
    """A monitor on the upstream itself wants one, and after a restart there is none."""

    GUARDED = running(monitor="https://graph.microsoft.com/v1.0/operations/1", monitor_credential=True)

    def test_without_one_it_says_so_once_and_rests_until_one_is_lent(self) -> None:
        async def story() -> World:
            world = World(BUSY, DONE)
            await world.follow(self.GUARDED)
            await world.clock.advance(500)
            record = await world.ended()
            assert (record.state, record.last_trouble, record.polls) == (State.RUNNING, "no_credential", 1)
            assert world.asking.asked == []
            await world.follower.lend(record, CALLER)
            await world.clock.advance(60)
            record = await world.ended()
            assert (record.state, len(world.asking.asked)) == (State.RESULT, 2)
            return world

        play(story)

    def test_at_the_deadline_it_gives_up(self) -> None:
        async def story() -> World:
            world = World(DONE, deadline=500.0)
            await world.follow(self.GUARDED)
            await world.clock.advance(500 + LOOK_AGAIN)
            assert (await world.ended()).state is State.LOST
            return world

        play(story)

    def test_one_that_is_refused_twice_is_not_used_again(self) -> None:
        async def story() -> World:
            world = World(Reply(401), Reply(401), BUSY, DONE)
            world.asking.lend(self.GUARDED, CALLER)
            await world.follow(self.GUARDED)
            await world.clock.advance(500)
            assert len(world.asking.asked) == 2
            assert (await world.ended()).last_trouble == "no_credential"
            await world.follower.lend(await world.ended(), CALLER)
            await world.clock.advance(60)
            assert (await world.ended()).state is State.RESULT
            return world

        play(story)

    def test_whoever_is_lent_one_takes_the_operation_over(self) -> None:
        """Another process drives it and has none; the caller came here."""

        async def story() -> World:
            world = World(DONE)
            theirs = replace(self.GUARDED, last_trouble="no_credential", epoch=3)
            assert await world.records.claim(theirs, replaces=None)
            await world.follower.lend(theirs, CALLER)
            await world.clock.advance(5)
            record = await world.ended()
            assert (record.state, record.epoch) == (State.RESULT, 4)
            return world

        play(story)

    def test_who_drives_it_with_one_of_its_own_is_left_alone(self) -> None:
        async def story() -> World:
            world = World(DONE)
            assert await world.records.claim(self.GUARDED, replaces=None)
            await world.follower.lend(self.GUARDED, CALLER)
            assert (await world.ended(), len(world.follower)) == (self.GUARDED, 0)
            return world

        play(story)

    def test_one_that_rests_notices_that_it_was_taken_over(self) -> None:
        async def story() -> World:
            world = World(BUSY)
            await world.follow(self.GUARDED)
            await world.clock.advance(5)
            record = await world.ended()
            await world.records.store.save(replace(record, epoch=2, revision=9), previous=record)
            await world.clock.advance(2 * LOOK_AGAIN)
            assert len(world.follower) == 0
            return world

        play(story)


def test_an_operation_that_came_back_is_followed_anew() -> None:
    """It was taken over from here while this process was thought dead, and now from there."""

    async def story() -> World:
        world = World(BUSY, BUSY, DONE)
        await world.follow(running())
        await world.clock.advance(0.1)
        back = replace(running(), epoch=3, revision=5)
        await world.records.store.save(back, previous=running())
        world.follower.follow(back)
        await world.clock.advance(60)
        record = await world.ended()
        assert (record.state, record.epoch) == (State.RESULT, 3)
        assert (len(world.follower), len(world.tasks)) == (0, 0)
        return world

    play(story)


def test_an_operation_of_a_dialect_that_nobody_knows_any_more_is_kept_until_its_deadline() -> None:
    async def story() -> World:
        world = World(DONE, deadline=100.0)
        await world.follow(running(plan=replace(running().plan, dialect="custom")))
        await world.clock.advance(50)
        assert ((await world.ended()).state, world.asking.asked) == (State.RUNNING, [])
        await world.clock.advance(60)
        assert (await world.ended()).state is State.LOST
        return world

    play(story)


def test_what_is_followed_costs_no_task_until_it_is_polled_and_then_no_more_than_so_many() -> None:
    async def story() -> World:
        world = World(BUSY, at_once=7)
        for number in range(1, 301):
            await world.records.claim(running(number), replaces=None)
            world.follower.follow(running(number))
        await settle()
        assert len(world.tasks) == 1
        await world.clock.advance(0.5)
        await settle(2000)
        assert world.asking.most_under_way == 7
        assert len({poll.operation.id for poll in world.observer.polls}) == 300, "each had its turn"
        return world

    play(story)


def test_an_operation_that_comes_back_while_it_is_polled_has_one_poller_all_the_same() -> None:
    async def story() -> World:
        world = World(BUSY, DONE)
        await world.follow(running())
        back = replace(running(), epoch=3, revision=5)

        def overtake(operation: Operation) -> None:
            if operation.epoch < 3:
                assert world.records.store.save_at_once(back, previous=operation)
                world.follower.follow(back)

        world.asking.meanwhile = overtake
        await world.clock.advance(60)
        record = await world.ended()
        assert (record.state, record.epoch) == (State.RESULT, 3)
        assert world.asking.most_under_way == 1
        assert (len(world.follower), len(world.tasks)) == (0, 0)
        return world

    play(story)


def test_a_record_that_lacks_what_its_state_promises_is_told_of_and_stops_nobody() -> None:
    async def story() -> World:
        world = World(DONE)
        await world.follow(running(1, next_poll_at=None))
        await world.follow(running(2))
        await world.clock.advance(5)
        assert (await world.ended(2)).state is State.RESULT
        assert {where for where, _ in world.observer.crashes} == {f"follow {running(1).id}"}
        world.observer.crashes.clear()
        return world

    play(story)
