"""One contract for every store; a store is added to `STORES` and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from fakes.records import START, operation, running
from fakes.redis import RedisProcess, SharedClock, made, serving

from gateway.model import ACTIVE, FINISHED, Operation, State
from gateway.store import Conflict, Store, StoreFull
from gateway.store.memory import KEEP_UNCLEAR, MemoryStore
from gateway.store.sqlite import SqliteStore

KEEP_FINISHED, KEEP_KEYED, MAX_ACTIVE = 900.0, 86_400.0, 5

Check = Callable[[Store, FakeClock], Awaitable[None]]


def memory(clock: FakeClock, _: Path) -> Store:
    return MemoryStore(
        now=clock.now, max_active=MAX_ACTIVE, keep_finished=KEEP_FINISHED, keep_keyed=KEEP_KEYED, max_ended=50
    )


def sqlite(clock: FakeClock, folder: Path, *, keys: tuple[bytes, ...]) -> Store:
    return SqliteStore(
        path=folder / "operations.db",
        now=clock.now,
        max_active=MAX_ACTIVE,
        keep_finished=KEEP_FINISHED,
        keep_keyed=KEEP_KEYED,
        keys=keys,
    )


def redis(clock: FakeClock, folder: Path, *, keys: tuple[bytes, ...]) -> Store:
    return made(
        f"unix://{folder}/redis.sock",
        clock,
        max_active=MAX_ACTIVE,
        keep_finished=KEEP_FINISHED,
        keep_keyed=KEEP_KEYED,
        keys=keys,
        lease=10 * KEEP_UNCLEAR,  # the days that pass in these tests are no reason to renew it all the time
    )


STORES: dict[str, Callable[[FakeClock, Path], Store]] = {
    "memory": memory,
    "sqlite": partial(sqlite, keys=()),
    "sqlite, sealed": partial(sqlite, keys=(b"k" * 32,)),
    "redis": partial(redis, keys=()),
    "redis, sealed": partial(redis, keys=(b"k" * 32,)),
}
"""By name, what makes a store; the path is of a directory of its own, or of a server's."""


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[RedisProcess]:
    with serving() as server:
        yield server


@pytest.fixture(params=STORES, name="check")
def _check(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Check], None]:
    """Runs a check against a fresh store of each kind."""
    clock, folder = FakeClock(START), tmp_path
    if request.param.startswith("redis"):
        server: RedisProcess = request.getfixturevalue("server")
        server.ask("FLUSHALL")
        clock, folder = SharedClock(server), server.folder

    def run(body: Check) -> None:
        async def story() -> None:
            store = STORES[request.param](clock, folder)
            await store.open()
            try:
                await body(store, clock)
            finally:
                await store.close()

        asyncio.run(story())

    return run


def ended(record: Operation, state: State = State.SUCCEEDED, **changes: object) -> Operation:
    return replace(record, state=state, ended_at=START, revision=record.revision + 1, **changes)  # type: ignore[arg-type] # fields


async def insert(store: Store, record: Operation) -> Operation:
    assert await store.claim(record, replaces=None)
    return record


Runner = Callable[[Check], None]


def test_what_was_claimed_is_found_by_key_and_by_id(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        record = await insert(store, operation())
        assert await store.find(record.key) == record
        assert await store.get(record.id) == record
        assert await store.find("another key") is None
        assert await store.get("f" * 32) is None

    check(body)


def test_one_of_many_claims_of_a_key_wins(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        rivals = [replace(operation(number), key="same") for number in range(1, 6)]
        won = await asyncio.gather(*(store.claim(rival, replaces=None) for rival in rivals))
        assert sum(won) == 1
        assert await store.find("same") == rivals[won.index(True)]

    check(body)


def test_a_claim_replaces_exactly_what_was_read(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        first = await insert(store, operation(1))
        done = ended(first)
        await store.save(done, previous=first)
        second = replace(operation(2), key=first.key)
        assert not await store.claim(second, replaces=first)
        assert not await store.claim(second, replaces=None)
        assert await store.claim(second, replaces=done)
        assert await store.find(first.key) == second
        assert await store.get(first.id) == done, "its id still answers"

    check(body)


def test_a_save_over_something_else_than_was_read_is_refused(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        record = await insert(store, running())
        moved = replace(record, revision=1, percent=10.0)
        await store.save(moved, previous=record)
        with pytest.raises(Conflict):
            await store.save(replace(record, revision=1, percent=20.0), previous=record)
        with pytest.raises(Conflict):
            await store.save(replace(moved, epoch=2, revision=2), previous=replace(moved, epoch=2))
        assert await store.get(record.id) == moved

    check(body)


def test_a_save_of_what_is_not_there_is_refused(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        with pytest.raises(Conflict):
            await store.save(replace(running(), revision=1), previous=running())

    check(body)


def test_discarding_frees_the_key_but_not_a_successors(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        first = await insert(store, operation(1))
        await store.discard(first)
        assert (await store.find(first.key), await store.get(first.id)) == (None, None)
        second = await insert(store, replace(operation(2), key=first.key))
        with pytest.raises(Conflict):
            await store.discard(first)
        done = ended(second)
        await store.save(done, previous=second)
        third = replace(operation(3), key=first.key)
        assert await store.claim(third, replaces=done)
        await store.discard(done)
        assert await store.get(second.id) is None
        assert await store.find(first.key) == third

    check(body)


def test_only_what_was_read_is_discarded(check: Runner) -> None:
    async def body(store: Store, clock: FakeClock) -> None:
        record = await insert(store, operation())
        moved = replace(record, state=State.SUBMITTING, revision=1)
        await store.save(moved, previous=record)
        for other in (record, replace(moved, epoch=2), operation(2)):
            with pytest.raises(Conflict):
                await store.discard(other)
        assert await store.find(record.key) == moved
        done = ended(moved)
        await store.save(done, previous=moved)
        await clock.advance(KEEP_FINISHED + 1)
        with pytest.raises(Conflict):
            await store.discard(done)

    check(body)


def test_what_was_sent_again_in_vain_gives_the_key_back(check: Runner) -> None:
    async def body(store: Store, clock: FakeClock) -> None:
        first = await insert(store, operation(1))
        unclear = ended(first, State.UNKNOWN)
        await store.save(unclear, previous=first)
        for number in (2, 3):
            again = replace(operation(number), key=first.key, supersedes=first.id)
            assert await store.claim(again, replaces=unclear)
            moved = replace(again, state=State.SUBMITTING, revision=1)
            await store.save(moved, previous=again)
            await store.discard(moved)
            assert await store.get(again.id) is None
            assert await store.find(first.key) == unclear
        again = replace(operation(4), key=first.key, supersedes=first.id)
        assert await store.claim(again, replaces=unclear)
        await clock.advance(KEEP_UNCLEAR + 1)
        await store.discard(again)
        assert await store.find(first.key) is None, "that one has expired meanwhile"
        assert await store.claim(replace(operation(5), key=first.key), replaces=None)

    check(body)


def test_a_key_that_has_a_successor_is_not_given_back(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        first = await insert(store, operation(1))
        unclear = ended(first, State.UNKNOWN)
        await store.save(unclear, previous=first)
        again = replace(operation(2), key=first.key, supersedes=first.id)
        assert await store.claim(again, replaces=unclear)
        lost = ended(again, State.LOST)
        await store.save(lost, previous=again)
        last = replace(operation(3), key=first.key, supersedes=again.id)
        assert await store.claim(last, replaces=lost)
        await store.discard(lost)
        assert await store.find(first.key) == last
        await store.discard(last)
        assert await store.find(first.key) is None, "what it was sent again for is gone"

    check(body)


def test_there_is_no_room_for_more_active_operations_than_the_bound(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        records = [await insert(store, running(number)) for number in range(1, MAX_ACTIVE + 1)]
        with pytest.raises(StoreFull):
            await store.claim(running(99), replaces=None)
        assert await store.get(running(99).id) is None
        await store.save(ended(records[0]), previous=records[0])
        await insert(store, running(99))

    check(body)


@pytest.mark.parametrize("state", sorted(FINISHED))
@pytest.mark.parametrize(("keyed", "kept"), [(False, KEEP_FINISHED), (True, KEEP_KEYED)])
def test_the_finished_are_kept_for_as_long_as_they_can_answer(
    check: Runner,
    state: State,
    keyed: bool,  # noqa: FBT001 - a parameter of the test's table
    kept: float,
) -> None:
    async def body(store: Store, clock: FakeClock) -> None:
        record = await insert(store, running(keyed=keyed))
        done = ended(record, state)
        await store.save(done, previous=record)
        await clock.advance(kept - 1)
        assert await store.find(record.key) == done
        await clock.advance(2)
        assert (await store.find(record.key), await store.get(record.id)) == (None, None)
        assert await store.claim(replace(operation(2), key=record.key), replaces=None)

    check(body)


@pytest.mark.parametrize("state", [State.UNKNOWN, State.LOST])
def test_the_unclear_are_kept_far_longer(check: Runner, state: State) -> None:
    async def body(store: Store, clock: FakeClock) -> None:
        record = await insert(store, running())
        await store.save(ended(record, state), previous=record)
        await clock.advance(KEEP_UNCLEAR - 1)
        found = await store.find(record.key)
        assert found is not None
        assert found.state is state

    check(body)


def test_the_active_are_never_forgotten(check: Runner) -> None:
    async def body(store: Store, clock: FakeClock) -> None:
        record = await insert(store, running())
        await clock.advance(10 * KEEP_KEYED)
        assert await store.find(record.key) == record

    check(body)


def test_the_active_are_listed_for_a_new_owner(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        records = [await insert(store, operation(1)), await insert(store, running(2))]
        records.append(await insert(store, operation(3, state=State.SUBMITTING)))
        gone = await insert(store, running(4))
        await store.save(ended(gone, State.LOST), previous=gone)
        listed = await store.left_behind()
        if store.shared:
            assert listed == [], "their owner is still there"
            listed = [each for each in await store.all() if each.state in ACTIVE]
        assert sorted(listed, key=lambda each: each.id) == records
        assert {each.state for each in listed} == ACTIVE

    check(body)


def test_the_secret_stays_the_same(check: Runner) -> None:
    async def body(store: Store, _: FakeClock) -> None:
        secret = await store.secret()
        assert len(secret) == 32
        await insert(store, running())
        assert await store.secret() == secret

    check(body)


def test_all_lists_the_newest_first_and_nothing_expired(check: Runner) -> None:
    async def body(store: Store, clock: FakeClock) -> None:
        old = await insert(store, running(1))
        new = await insert(store, replace(running(2), created_at=START + 5))
        assert list(await store.all()) == [new, old]
        await store.save(ended(old), previous=old)
        await clock.advance(KEEP_FINISHED + 1)
        assert list(await store.all()) == [new]

    check(body)


def test_memory_is_bounded_however_many_operations_come_and_go() -> None:
    """The ended ones by `max_ended`, and the keys by what they lead to."""

    async def body() -> None:
        clock = FakeClock(START)
        store = MemoryStore(
            now=clock.now, max_active=10, keep_finished=KEEP_FINISHED, keep_keyed=KEEP_KEYED, max_ended=50
        )
        for number in range(1, 1000):
            record = await insert(store, running(number))
            await store.save(replace(ended(record), delivered_at=START), previous=record)
        assert len(await store.all()) == 50
        assert len(store._holder) <= 50
        assert await store.get(running(1).id) is None

    asyncio.run(body())


@pytest.mark.parametrize("state", [State.RESULT, State.FAILED, State.UNKNOWN, State.LOST])
def test_memory_begins_nothing_rather_than_forget_what_somebody_may_come_back_for(state: State) -> None:
    async def body() -> None:
        clock = FakeClock(START)
        store = MemoryStore(
            now=clock.now, max_active=10, keep_finished=KEEP_FINISHED, keep_keyed=KEEP_KEYED, max_ended=50
        )
        for number in range(1, 51):
            record = await insert(store, running(number))
            await store.save(ended(record, state), previous=record)
        with pytest.raises(StoreFull):
            await store.claim(running(51), replaces=None)
        assert len(await store.all()) == 50
        await clock.advance(KEEP_UNCLEAR + 1)
        await insert(store, running(51))
        assert len(await store.all()) == 1

    asyncio.run(body())
