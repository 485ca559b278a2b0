"""Patience: admission, waits, deliveries and strangers, without HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from fakes.clock import FakeClock, settle
from fakes.records import START, Remembering, operation, running

from gateway import events
from gateway.auth import Caller
from gateway.model import Operation, Progress, Report, State
from gateway.pacing import Polling
from gateway.records import Records
from gateway.sameness import Ask, Decision, ReplayRules
from gateway.store.memory import MemoryStore
from gateway.tasks import Tasks
from gateway.waiting import ACCEPTANCE, Waiting

ASK = Ask(fingerprint="fingerprint 1")
DONE = events.Completed(Report(Progress.SUCCEEDED, "completed", resource="/v1.0/me/drive/items/B"))
FAR = START + 1e6


class World:
    """The parts that a wait needs."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.observer = Remembering()
        store = MemoryStore(now=self.clock.now, max_active=10, keep_finished=900, keep_keyed=86_400)
        self.records = Records(store, self.clock, self.observer, Polling(), Tasks(self.observer.crashed))
        rules = ReplayRules(keep_finished=900, keep_keyed=86_400, replay_grace=0)
        self.waiting = Waiting(records=self.records, clock=self.clock, replay=rules, size=100)

    async def put(self, record: Operation) -> Operation:
        assert await self.records.claim(record, replaces=None)
        return record

    async def finished(self) -> Operation:
        record = await self.put(running())
        return await self.records.apply(record, DONE)


def play(story: Callable[[World], Awaitable[None]]) -> None:
    async def body() -> None:
        await story(World())

    asyncio.run(body())


class TestAdmission:
    def test_the_first_call_starts_and_the_second_joins(self) -> None:
        async def story(world: World) -> None:
            first = await world.waiting.admit("k", ASK, lambda: replace(operation(1), key="k"))
            second = await world.waiting.admit("k", ASK, lambda: replace(operation(2), key="k"))
            assert (first.decision, second.decision) == (Decision.START, Decision.JOIN)
            assert second.operation.id == first.operation.id

        play(story)

    def test_of_many_at_once_one_starts(self) -> None:
        async def story(world: World) -> None:
            def draft(number: int) -> Callable[[], Operation]:
                return lambda: replace(operation(number), key="k")

            admissions = await asyncio.gather(*(world.waiting.admit("k", ASK, draft(n)) for n in range(1, 9)))
            assert sorted(a.decision for a in admissions) == [Decision.JOIN] * 7 + [Decision.START]

        play(story)

    def test_an_undelivered_end_is_replayed_and_a_delivered_one_is_not(self) -> None:
        async def story(world: World) -> None:
            done = await world.finished()
            assert (await world.waiting.admit(done.key, ASK, operation)).decision is Decision.REPLAY
            async with world.waiting.delivering(done) as delivery:
                delivery.arrived = True
            admission = await world.waiting.admit(done.key, ASK, lambda: replace(operation(2), key=done.key))
            assert admission.decision is Decision.START

        play(story)

    def test_an_answer_that_did_not_arrive_leaves_the_end_to_be_replayed(self) -> None:
        async def story(world: World) -> None:
            done = await world.finished()
            async with world.waiting.delivering(done):
                pass
            assert (await world.waiting.admit(done.key, ASK, operation)).decision is Decision.REPLAY

        play(story)

    def test_a_call_that_comes_while_an_answer_settles_waits_for_the_verdict(self) -> None:
        """Its sender has read the answer before we could know: it wants a second copy."""

        async def story(world: World) -> None:
            done = await world.finished()
            arrived = asyncio.Event()

            async def deliver() -> None:
                async with world.waiting.delivering(done) as delivery:
                    await arrived.wait()
                    delivery.arrived = True

            delivering = asyncio.gather(deliver())
            await settle()
            call = asyncio.gather(
                world.waiting.admit(done.key, ASK, lambda: replace(operation(2), key=done.key))
            )
            await settle()
            assert not call.done()
            arrived.set()
            (admission,) = await call
            assert admission.decision is Decision.START
            await delivering

        play(story)

    def test_an_unclear_operation_is_claimed_anew_by_one_of_two(self) -> None:
        async def story(world: World) -> None:
            sent = await world.put(replace(operation(), state=State.SUBMITTING))
            unknown = await world.records.apply(sent, events.Unclear())
            assert (await world.waiting.admit(sent.key, ASK, operation)).decision is Decision.RECONCILE
            claims = [
                await world.waiting.resend(unknown, lambda: replace(operation(2), key=sent.key)),
                await world.waiting.resend(unknown, lambda: replace(operation(3), key=sent.key)),
            ]
            assert [claim is None for claim in claims] == [False, True]

        play(story)


class TestWaits:
    def test_everybody_is_woken_by_the_end(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(running())
            waits = asyncio.gather(*(world.waiting.wait(record, FAR) for _ in range(5)))
            await settle()
            assert world.waiting.waiting_for(record.id) == 5
            await world.records.apply(record, DONE)
            assert [found.state for found in await waits] == [State.RESULT] * 5
            assert world.waiting.waiting_for(record.id) == 0

        play(story)

    def test_progress_wakes_nobody(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(running())
            wait = asyncio.gather(world.waiting.wait(record, FAR))
            await settle()
            busy = events.Progressed(Report(Progress.RUNNING, "inProgress", 10.0), 0.5)
            record = await world.records.apply(record, busy)
            await settle()
            assert not wait.done()
            await world.records.apply(record, DONE)
            await wait

        play(story)

    def test_what_has_ended_before_is_not_waited_for(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(running())
            await world.records.apply(record, DONE)
            assert (await world.waiting.wait(record, FAR)).state is State.RESULT

        play(story)

    def test_a_spent_budget_gives_the_record_as_it_is(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(running())
            assert await world.waiting.wait(record, START) == record
            assert await world.waiting.wait(record, START + 0.01) == record

        play(story)

    def test_an_operation_that_was_turned_down_comes_back_rejected(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(replace(operation(), state=State.SUBMITTING))
            wait = asyncio.gather(world.waiting.wait(record, FAR))
            await settle()
            await world.records.apply(record, events.Declined())
            assert (await wait)[0].state is State.REJECTED
            assert (await world.waiting.wait(record, FAR)).state is State.REJECTED

        play(story)

    def test_a_caller_that_leaves_ends_its_own_wait_only(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(running())
            stays = asyncio.gather(world.waiting.wait(record, FAR))
            leaves = asyncio.gather(world.waiting.wait(record, FAR))
            await settle()
            leaves.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaves
            assert world.waiting.waiting_for(record.id) == 1
            await world.records.apply(record, DONE)
            assert (await stays)[0].state is State.RESULT

        play(story)

    def test_draining_ends_every_wait_and_lets_no_new_one_begin(self) -> None:
        async def story(world: World) -> None:
            record = await world.put(running())
            waits = asyncio.gather(*(world.waiting.wait(record, FAR) for _ in range(3)))
            forever = asyncio.gather(asyncio.Event().wait())
            await settle()
            world.waiting.drain()
            assert [found.state for found in await waits] == [State.RUNNING] * 3
            assert (await world.waiting.wait(record, FAR)).state is State.RUNNING
            forever.cancel()

        play(story)


class Shared(MemoryStore):
    """A store that another process writes to as well."""

    shared = True

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(now=clock.now, max_active=10, keep_finished=900, keep_keyed=86_400)
        self.heard: list[Callable[[str | None], None]] = []
        self.looked = 0
        self.slow: asyncio.Event | None = None

    def watch(self, heard: Callable[[str | None], None]) -> None:
        self.heard.append(heard)

    async def get(self, operation_id: str) -> Operation | None:
        self.looked += 1
        return await super().get(operation_id)

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        if self.slow is not None:
            await self.slow.wait()
        await super().save(operation, previous=previous)

    def tell(self, operation_id: str | None) -> None:
        for heard in self.heard:
            heard(operation_id)


class Pair(World):
    """Two processes on one store: `waiting` here, and what `other` writes there."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Shared(self.clock)
        self.records = Records(self.store, self.clock, self.observer, Polling(), Tasks(self.observer.crashed))
        self.other = Records(self.store, self.clock, self.observer, Polling(), Tasks(self.observer.crashed))
        rules = ReplayRules(keep_finished=900, keep_keyed=86_400, replay_grace=0)
        self.waiting = Waiting(records=self.records, clock=self.clock, replay=rules, size=100)


def play_pair(story: Callable[[Pair], Awaitable[None]]) -> None:
    async def body() -> None:
        await story(Pair())

    asyncio.run(body())


class TestOtherProcesses:
    def test_an_end_elsewhere_wakes_who_waits_here(self) -> None:
        async def story(pair: Pair) -> None:
            record = await pair.put(running())
            waits = asyncio.gather(*(pair.waiting.wait(record, FAR) for _ in range(3)))
            await settle()
            await pair.other.apply(record, DONE)
            await settle()
            assert not waits.done()
            pair.store.tell(record.id)
            assert [found.state for found in await waits] == [State.RESULT] * 3

        play_pair(story)

    def test_where_something_may_have_been_missed_each_operation_is_looked_at_once(self) -> None:
        async def story(pair: Pair) -> None:
            one, two = await pair.put(running(1)), await pair.put(running(2))
            first = asyncio.gather(*(pair.waiting.wait(one, FAR) for _ in range(20)))
            second = asyncio.gather(*(pair.waiting.wait(two, FAR) for _ in range(20)))
            await settle()
            await pair.other.apply(one, DONE)
            before = pair.store.looked
            pair.store.tell(None)
            await settle()
            assert {found.state for found in await first} == {State.RESULT}
            assert pair.store.looked == before + 2 + 20, "one look each, and the woken ones their own"
            assert not second.done()
            pair.waiting.drain()
            await second

        play_pair(story)

    def test_news_of_an_operation_that_goes_on_ends_no_wait(self) -> None:
        async def story(pair: Pair) -> None:
            record = await pair.put(running())
            wait = asyncio.gather(pair.waiting.wait(record, FAR))
            for told in (record.id, None, "0" * 32, record.id):
                await settle()
                pair.store.tell(told)
            await settle()
            assert not wait.done()
            await pair.records.apply(record, DONE)
            await wait

        play_pair(story)

    def test_an_answer_that_another_process_is_just_giving_is_waited_for(self) -> None:
        async def story(pair: Pair) -> None:
            record = await pair.put(running())
            done = await pair.other.apply(await pair.other.apply(record, DONE), events.Fetched())
            call = asyncio.gather(
                pair.waiting.admit(done.key, ASK, lambda: replace(operation(2), key=done.key))
            )
            await settle()
            assert not call.done()
            await pair.other.apply(done, events.Delivered())
            pair.store.tell(done.id)
            assert (await call)[0].decision is Decision.START

        play_pair(story)

    def test_an_answer_that_was_given_a_while_ago_and_never_arrived_is_replayed_at_once(self) -> None:
        async def story(pair: Pair) -> None:
            record = await pair.put(running())
            done = await pair.other.apply(await pair.other.apply(record, DONE), events.Fetched())
            await pair.clock.advance(5)
            call = asyncio.gather(pair.waiting.admit(done.key, ASK, operation))
            await settle()
            assert call.done()
            assert (await call)[0].decision is Decision.REPLAY

        play_pair(story)


class TestSlowStores:
    """Between the arrival of an answer and its being on record, anything may happen."""

    def test_a_caller_that_leaves_meanwhile_changes_nothing(self) -> None:
        async def story(pair: Pair) -> None:
            done = await pair.records.apply(await pair.put(running()), DONE)
            pair.store.slow = asyncio.Event()

            async def deliver() -> None:
                async with pair.waiting.delivering(done) as delivery:
                    delivery.arrived = True

            delivering = asyncio.gather(deliver())
            await settle()
            delivering.cancel()
            await settle()
            call = asyncio.gather(
                pair.waiting.admit(done.key, ASK, lambda: replace(operation(2), key=done.key))
            )
            await settle()
            assert not call.done(), "it waits for the record, however long that takes"
            pair.store.slow.set()
            assert (await call)[0].decision is Decision.START
            await asyncio.gather(delivering, return_exceptions=True)

        play_pair(story)

    def test_what_a_caller_began_to_store_is_stored_and_told(self) -> None:
        async def story(pair: Pair) -> None:
            record = await pair.put(running())
            pair.store.slow = asyncio.Event()
            leaving = asyncio.gather(pair.records.settle(record, DONE))
            wait = asyncio.gather(pair.waiting.wait(record, FAR))
            await settle()
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            pair.store.slow.set()
            assert (await wait)[0].state is State.RESULT

        play_pair(story)


class TestStrangers:
    STARTER = Caller("11" * 32, "22" * 32)
    STRANGER = Caller("11" * 32, "33" * 32)

    def test_the_starter_is_known_and_a_new_token_of_the_same_claims_is_not(self) -> None:
        async def story(world: World) -> None:
            assert world.waiting.knows(self.STARTER, running())
            assert not world.waiting.knows(self.STRANGER, running())

        play(story)

    def test_acceptance_is_for_one_operation_and_some_minutes(self) -> None:
        async def story(world: World) -> None:
            world.waiting.accept(self.STRANGER, running(1))
            assert world.waiting.knows(self.STRANGER, running(1))
            assert not world.waiting.knows(self.STRANGER, running(2))
            await world.clock.advance(ACCEPTANCE + 1)
            assert not world.waiting.knows(self.STRANGER, running(1))

        play(story)
