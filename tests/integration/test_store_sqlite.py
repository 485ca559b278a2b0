"""The SQLite store at work: what it promises about the disk, many callers at once, and a disk that fails."""

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from fakes.clock import FakeClock, settle
from fakes.records import START, operation, running
from fakes.stores import KEEP_FINISHED, KEEP_KEYED, on_disk, opened, sql

from gateway.model import Operation, State
from gateway.store import Conflict, StoreDown, StoreFull, database, table, writer
from gateway.store.memory import KEEP_UNCLEAR
from gateway.store.sqlite import SqliteStore
from gateway.store.writer import Weight
from gateway.tasks import Tasks

T = TypeVar("T")
Connection = sqlite3.Connection


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "operations.db"


async def inside(store: SqliteStore, work: Callable[[Connection], object]) -> None:
    """Do something in the store's own thread, with its connection."""
    await store._writer.do(Weight.READ, work)


def ended(record: Operation, state: State = State.SUCCEEDED, at: float = START) -> Operation:
    return replace(record, state=state, ended_at=at, revision=record.revision + 1)


async def insert(store: SqliteStore, record: Operation, *, replaces: Operation | None = None) -> Operation:
    assert await store.claim(record, replaces=replaces)
    return record


# --- across restarts ---------------------------------------------------------------------------------------


def test_everything_is_there_again(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            secret = await store.secret()
            first = await insert(store, operation(1, keyed=True))
            done = ended(first)
            await store.save(done, previous=first)
            second = await insert(store, replace(running(2), key=first.key), replaces=done)
            third = await insert(store, running(3))
        async with opened(path) as store:
            assert await store.secret() == secret
            assert await store.find(first.key) == second
            assert await store.get(first.id) == done, "replaced, but not forgotten"
            assert sorted(await store.left_behind(), key=lambda each: each.id) == [second, third]
            assert len(await store.all()) == 3
            assert not await store.claim(replace(operation(4), key=third.key), replaces=None)

    asyncio.run(story())


WORKER = """
import asyncio, sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from fakes.records import START, operation
from fakes.stores import opened
from gateway.model import State

async def worker(store, first):
    for number in count(first, 4):
        record = operation(number)
        assert await store.claim(record, replaces=None)
        for state in (State.RESERVED, State.SUBMITTING, State.RUNNING, State.RUNNING, State.RUNNING):
            if state is not State.RESERVED:
                previous, record = record, replace(record, state=state, revision=record.revision + 1)
                await store.save(record, previous=previous)
            print("saved", number, record.revision, flush=True)

async def main():
    async with opened(Path(sys.argv[1]), max_active=10**6, keys=(b"k" * 32,)) as store:
        await asyncio.gather(*(worker(store, first) for first in range(1, 5)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 50, 400])
def test_what_was_acknowledged_survives_kill_9(path: Path, acknowledged: int) -> None:
    tests = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tests)!r})\n{WORKER}", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    promised: dict[int, int] = {}
    for line in lines:
        if line.endswith("\n"):
            _, number, revision = line.split()
            promised[int(number)] = int(revision)
    assert len(lines) >= acknowledged

    async def story() -> None:
        async with opened(path, keys=(b"k" * 32,)) as store:
            for number, revision in promised.items():
                found = await store.find(operation(number).key)
                assert found is not None
                assert found.revision >= revision, "newer is what was written and not yet told"
            assert len(await store.left_behind()) >= len(promised)

    asyncio.run(story())


def test_the_disk_has_it_first_except_for_mere_progress(path: Path) -> None:
    """Pins the order of statements: a power failure cannot be tried here."""

    async def story() -> None:
        async with opened(path) as store:
            said: list[str] = []
            await inside(store, lambda connection: connection.set_trace_callback(said.append))

            def levels() -> list[str]:
                told = [
                    text for text in said if "synchronous" in text or text in {"BEGIN IMMEDIATE", "COMMIT"}
                ]
                said.clear()
                return told

            transaction = ["BEGIN IMMEDIATE", "COMMIT"]
            record = await insert(store, operation())
            assert levels() == transaction, "at the level that opening left: FULL"
            record = await saved(store, record, {"state": State.SUBMITTING})
            assert levels() == transaction
            record = await saved(store, record, {"state": State.RUNNING, "monitor": "https://h/m"})
            assert levels() == transaction
            record = await saved(store, record, {"percent": 1.0})
            assert levels() == ["PRAGMA synchronous = NORMAL", *transaction]
            record = await saved(store, record, {"percent": 2.0})
            assert levels() == transaction
            record = await saved(store, record, {"epoch": 2})
            assert levels() == ["PRAGMA synchronous = FULL", *transaction], "a new owner"
            record = await saved(store, record, {"percent": 3.0})
            levels()
            record = await saved(store, record, {"state": State.RESULT, "ended_at": START})
            assert levels() == ["PRAGMA synchronous = FULL", *transaction]
            record = await saved(store, record, {"state": State.SUCCEEDED, "delivered_at": START})
            assert levels() == transaction
            await store.discard(record)
            assert levels() == transaction

    asyncio.run(story())


async def saved(store: SqliteStore, record: Operation, changes: dict[str, object]) -> Operation:
    moved = replace(record, revision=record.revision + 1, **changes)  # type: ignore[arg-type] # fields
    await store.save(moved, previous=record)
    return moved


# --- many at once ------------------------------------------------------------------------------------------


def test_one_of_very_many_claims_wins(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            for key in ("a", "b", "c"):
                rivals = [replace(operation(), id=f"{key}{number}", key=key) for number in range(200)]
                won = await asyncio.gather(*(store.claim(rival, replaces=None) for rival in rivals))
                assert sum(won) == 1
                assert await store.find(key) == rivals[won.index(True)]
            assert len(await store.all()) == 3

    asyncio.run(story())


def test_one_of_very_many_saves_wins(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, running())
            rivals = [replace(record, revision=1, percent=float(number)) for number in range(100)]
            told = await asyncio.gather(
                *(store.save(rival, previous=record) for rival in rivals), return_exceptions=True
            )
            assert sum(isinstance(each, Conflict) for each in told) == 99
            assert await store.get(record.id) == rivals[told.index(None)]

    asyncio.run(story())


def test_many_callers_share_a_commit(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            said: list[str] = []
            await inside(store, lambda connection: connection.set_trace_callback(said.append))
            tasks = Tasks()
            async with stuck(store):
                claims = [
                    tasks.start(f"{n}", store.claim(operation(n), replaces=None)) for n in range(1, 101)
                ]
                await settle()
            assert all(await asyncio.gather(*claims))
            assert said.count("COMMIT") == 1

    asyncio.run(story())


def test_the_trouble_of_one_is_not_that_of_the_others(path: Path) -> None:
    def fail(connection: Connection) -> None:
        connection.execute("DELETE FROM operations")
        raise ZeroDivisionError

    async def story() -> None:
        async with opened(path, max_active=3) as store:
            first = await insert(store, running(1))
            tasks = Tasks()
            async with stuck(store):
                good = tasks.start("good", store.claim(operation(2), replaces=None))
                bad = tasks.start("bad", store._writer.do(Weight.DURABLE, fail))
                stale = tasks.start("stale", store.save(running(3), previous=running(3)))
                last = tasks.start("last", store.claim(operation(4), replaces=None))
                full = tasks.start("full", store.claim(operation(5), replaces=None))
                await settle()
            with pytest.raises(ZeroDivisionError):
                await bad
            with pytest.raises(Conflict):
                await stale
            with pytest.raises(StoreFull):
                await full
            assert (await good, await last) == (True, True)
            assert await store.get(first.id) == first, "what it had written is undone"

    asyncio.run(story())


def test_room_is_counted_right_whatever_happened(path: Path) -> None:
    async def story() -> None:
        async with opened(path, max_active=2) as store:
            one, two = await insert(store, operation(1)), await insert(store, operation(2))
            for _ in range(2):
                with pytest.raises(StoreFull):
                    await store.claim(operation(3), replaces=None)
                with pytest.raises(ZeroDivisionError):
                    await store._writer.do(Weight.DURABLE, lambda _: 1 // 0)
            await store.discard(one)
            with pytest.raises(Conflict):
                await store.discard(one)
            lost = ended(await insert(store, operation(3)), State.UNKNOWN)
            await store.save(lost, previous=operation(3))
            four = await insert(store, operation(4))
            late = replace(lost, state=State.RUNNING, ended_at=None, revision=2)
            await store.save(late, previous=lost)
            assert {each.id for each in await store.left_behind()} == {two.id, late.id, four.id}, (
                "evidence needs no room"
            )
            with pytest.raises(StoreFull):
                await store.claim(operation(5), replaces=None)
        async with opened(path, max_active=3) as store:
            with pytest.raises(StoreFull):
                await store.claim(operation(5), replaces=None)
            await store.discard(four)
            await insert(store, operation(5))

    asyncio.run(story())


# --- callers that leave, and what is not known for certain -------------------------------------------------


@asynccontextmanager
async def stuck(store: SqliteStore) -> AsyncIterator[None]:
    """Meanwhile the store's thread is busy, as with a disk that hangs."""
    entered, released = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        entered.set()
        released.wait()

    waiting = store._writer.put(Weight.READ, wait)
    await asyncio.to_thread(entered.wait)
    try:
        yield
    finally:
        released.set()
        await waiting


def test_a_claim_whose_caller_left_holds_nothing(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            first = await insert(store, operation(1))
            unclear = ended(first, State.UNKNOWN)
            await store.save(unclear, previous=first)
            second = replace(operation(2), key=first.key)
            async with stuck(store):
                claim = Tasks().start("claim", store.claim(second, replaces=unclear))
                await settle()
                claim.cancel()
            with pytest.raises(asyncio.CancelledError):
                await claim
            assert await store.find(first.key) == unclear, "what it would have replaced answers again"
            assert await store.get(second.id) is None
            await insert(store, second, replaces=unclear)

    asyncio.run(story())


def test_a_claim_that_was_taken_back_leaves_its_successor_alone(path: Path) -> None:
    async def story() -> None:
        async with opened(path, max_active=1) as store:
            first = await insert(store, operation(1))
            done = ended(first)
            await store.save(done, previous=first)
            quick = replace(operation(2), key=first.key)
            await insert(store, quick, replaces=done)
            over = ended(quick)
            await store.save(over, previous=quick)
            late = replace(operation(3), key=first.key)
            await insert(store, late, replaces=over)
            await store._writer.put(Weight.DURABLE, lambda c: store._table.unclaim(c, quick, done))
            assert await store.get(quick.id) == over, "it has gone on since"
            await store._writer.put(Weight.DURABLE, lambda c: store._table.unclaim(c, over, done))
            assert await store.find(first.key) == late

    asyncio.run(story())


def test_what_was_to_be_saved_is_saved_though_its_caller_left(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, operation())
            moved = replace(record, state=State.SUBMITTING, revision=1)
            async with stuck(store):
                save = Tasks().start("save", store.save(moved, previous=record))
                look = Tasks().start("look", store.get(record.id))
                await settle()
                save.cancel()
                look.cancel()
            assert await store.get(record.id) == moved

    asyncio.run(story())


def test_a_disk_that_hangs_counts_as_down_and_holds_up_nothing_else(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, operation(1))
            moved = replace(record, state=State.SUBMITTING, revision=1)
            async with stuck(store):
                store._writer.patience = 0.01
                save = Tasks().start("save", store.save(moved, previous=record))
                for work in (store.find(record.key), store.claim(operation(2), replaces=None), store.all()):
                    with pytest.raises(StoreDown, match="no answer within"):
                        await work
                assert not save.done(), "who saves has evidence, and all the time it takes"
                store._writer.patience = 60.0
            assert await store.get(operation(2).id) is None, "nobody knows of that claim"
            await save
            assert await store.get(record.id) == moved

    asyncio.run(story())


def test_doing_again_what_is_done_already_succeeds(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, operation())
            assert await store.claim(record, replaces=None)
            moved = replace(record, state=State.SUBMITTING, revision=1)
            for _ in range(2):
                await store.save(moved, previous=record)
            with pytest.raises(Conflict):
                await store.save(replace(moved, submitted_at=5.0), previous=record)
            assert not await store.claim(record, replaces=None), "it has gone on since"

    asyncio.run(story())


def test_closing_does_what_is_still_to_be_done(path: Path) -> None:
    async def story() -> None:
        tasks = Tasks()
        async with opened(path) as store:
            claims = [tasks.start(f"{n}", store.claim(operation(n), replaces=None)) for n in range(1, 600)]
            await settle()
        assert all(await asyncio.gather(*claims))
        assert not [each for each in threading.enumerate() if each.name == "lro-gateway store"]
        await store.close()
        with pytest.raises(StoreDown, match="not open"):
            await store.find("key")
        never = SqliteStore(
            path=path, now=lambda: START, max_active=1, keep_finished=KEEP_FINISHED, keep_keyed=KEEP_KEYED
        )
        await never.close()
        assert sql(path, "SELECT count(*) FROM operations") == [(599,)]

    asyncio.run(story())


async def outcome(work: Awaitable[T]) -> T | Exception:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - that is what was asked for
        return error


# --- a disk that fails -------------------------------------------------------------------------------------


def test_a_full_disk_is_down_until_there_is_room(path: Path) -> None:
    def limit(connection: Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async def story() -> None:
        async with opened(path) as store:
            first = await insert(store, running(1))
            await inside(store, limit)
            told = [await outcome(store.claim(operation(number), replaces=None)) for number in range(2, 50)]
            failed = [each for each in told if each is not True]
            assert {type(each) for each in failed} == {StoreDown}
            assert "the disk is full; free some space" in str(failed[0])
            moved = await saved(store, first, {"percent": 5.0})
            assert await store.get(first.id) == moved, "what needs no room goes on"
            assert len(await store.all()) == 1 + told.count(True), "of the others, nothing was written"
            await inside(store, lambda connection: connection.execute("PRAGMA max_page_count = 100000"))
            await insert(store, operation(100))

    asyncio.run(story())


def test_a_disk_that_fails_in_earnest_is_down_until_it_does_not(path: Path) -> None:
    """By a limit on the size of files, which makes the kernel refuse to write."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def story() -> None:
        async with opened(path) as store:
            first = await insert(store, running(1))
            connection = store._writer._connection
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
            try:
                for number in (2, 3):
                    with pytest.raises(StoreDown, match="the disk failed"):
                        await store.claim(operation(number), replaces=None)
                with pytest.raises(StoreDown):
                    await store.save(ended(first), previous=first)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await insert(store, operation(2))
            assert await store.find(first.key) == first
            assert store._writer._connection is not connection, "a new one, in case the old one was stale"
        assert len(sql(path, "SELECT id FROM operations")) == 2

    asyncio.run(story())


def test_a_file_that_somebody_locks_can_be_read_and_is_down_for_the_rest(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCKED_FOR", 0.01)

    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, running())
            tasks = Tasks()
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                async with stuck(store):
                    claims = [
                        tasks.start(f"{n}", store.claim(operation(n), replaces=None)) for n in range(2, 9)
                    ]
                    found = tasks.start("find", store.find(record.key))
                    await settle()
                told = await asyncio.gather(*claims, return_exceptions=True)
                assert {type(each) for each in told} == {StoreDown}
                assert "another process keeps it locked" in str(told[0])
                assert await found == record
                with pytest.raises(StoreDown):
                    await store.claim(operation(2), replaces=None)
                other.execute("ROLLBACK")
            await insert(store, operation(2))

    asyncio.run(story())


def test_a_file_that_turned_read_only_is_down_until_it_did_not(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            await inside(store, lambda connection: connection.execute("PRAGMA query_only = ON"))
            with pytest.raises(StoreDown, match="it cannot be written"):
                await store.claim(operation(), replaces=None)
            await insert(store, operation())

    asyncio.run(story())


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_taken_away_is_told_and_not_written_to(
    path: Path,
    replaced: bool,  # noqa: FBT001 - a parameter of the test's table
) -> None:
    aside = path.with_name("aside")

    def take() -> None:
        path.rename(aside)
        if replaced:
            path.write_bytes(b"")

    def give_back() -> None:
        aside.replace(path)

    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, running())
            take()
            for _ in range(2):
                with pytest.raises(StoreDown, match="was replaced" if replaced else "is gone"):
                    await store.claim(operation(2), replaces=None)
            assert await store.find(record.key) == record
            give_back()
            await insert(store, operation(2))

    asyncio.run(story())


# --- what is kept, and for how long ------------------------------------------------------------------------


def test_what_has_expired_goes_in_small_lots_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PURGE_AT_ONCE", 10)
    kinds: list[dict[str, object]] = [
        {"state": State.SUCCEEDED},
        {"state": State.FAILED, "keyed": True},
        {"state": State.LOST},
    ]

    async def story() -> None:
        clock = FakeClock(START)

        def lot(connection: Connection) -> int:
            before = connection.total_changes
            store._table.purge(connection)
            return connection.total_changes - before

        async def lots() -> list[int]:
            return [await store._writer.do(Weight.DURABLE, lot) for _ in range(4)]

        async with opened(path, now=clock.now) as store:
            store._writer._tend = lambda _: None  # by hand, here
            await insert(store, running(999))
            for number in range(1, 91):
                record = await insert(store, replace(running(number), keyed=number % 3 == 1))
                kind = kinds[number % 3]
                await store.save(replace(ended(record), **kind), previous=record)  # type: ignore[arg-type] # fields
            await clock.advance(KEEP_FINISHED - 1)
            assert await lots() == [0, 0, 0, 0]
            await clock.advance(table.PURGE_EVERY + 1)
            assert await lots() == [10, 10, 10, 0]
            assert len(await store.all()) == 61
            await clock.advance(KEEP_KEYED + KEEP_UNCLEAR)
            assert len(await store.all()) == 1, "not to be seen, wherever the purge is"
            assert await lots() == [20, 20, 20, 0]
            assert [each.id for each in await store.all()] == [running(999).id]

    asyncio.run(story())


def test_an_idle_store_is_tidied_up_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE", 0.001)

    async def story() -> None:
        clock = FakeClock(START)
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with opened(path, now=clock.now) as store:
            record = await insert(store, running())
            await store.save(ended(record), previous=record)

            def tend(connection: Connection) -> None:
                store._table.purge(connection)
                if not connection.execute("SELECT count(*) FROM operations").fetchone()[0]:
                    loop.call_soon_threadsafe(gone.set)

            store._writer._tend = tend
            await clock.advance(KEEP_FINISHED + table.PURGE_EVERY)
            await gone.wait()

    asyncio.run(story())


def test_retention_is_what_the_configuration_says_today(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            record = await insert(store, running())
            await store.save(ended(record, at=START - 600), previous=record)
        async with opened(path, keep_finished=700.0) as store:
            assert await store.find(record.key) is not None
        async with opened(path, keep_finished=500.0) as store:
            assert await store.find(record.key) is None
            await inside(store, lambda _: None)
            assert sql(path, "SELECT count(*) FROM operations") == [(0,)], "and opening tidied up"

    asyncio.run(story())


def test_what_expired_is_not_saved_over(path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(START)
        async with opened(path, now=clock.now) as store:
            record = await insert(store, running())
            done = ended(record)
            await store.save(done, previous=record)
            await clock.advance(KEEP_FINISHED)
            with pytest.raises(Conflict):
                await store.save(replace(done, delivered_at=START, revision=2), previous=done)

    asyncio.run(story())


def test_what_is_purged_cannot_be_dug_up(path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(START)
        async with opened(path, now=clock.now) as store:
            for number in range(1, 50):
                record = await insert(store, running(number, monitor=f"https://h/hunter2/{number}"))
                await store.save(ended(record), previous=record)
            assert b"hunter2" in on_disk(path), "without a key, it stands in the clear"
            await clock.advance(KEEP_FINISHED + 61)
            await insert(store, operation(99))
        assert b"hunter2" not in on_disk(path)

    asyncio.run(story())
