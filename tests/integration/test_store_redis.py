"""The Redis store at work: replicas that race, follow each other and hear of each other, on a real server."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.clock import FakeClock, settle
from fakes.records import START, operation, running
from fakes.redis import RedisProcess, all_bytes, opened, serving

from gateway.clock import SystemClock
from gateway.model import ACTIVE, Operation, State
from gateway.store import Conflict, StoreDown, StoreFull, redis_news, redis_scripts, redis_server
from gateway.store.record import RecordUnreadable
from gateway.store.redis import RedisStore
from gateway.store.redis_scripts import PREFIX
from gateway.tasks import Tasks

KEY, OLD_KEY = b"n" * 32, b"o" * 32
MONITOR = "https://contoso.sharepoint.com/_api/v2.0/monitor/canary?tempauth=secret"


@pytest.fixture(scope="module", name="shared")
def _shared() -> Iterator[RedisProcess]:
    with serving("--notify-keyspace-events", "Ex") as server:
        yield server


@pytest.fixture(name="server")
def _server(shared: RedisProcess) -> RedisProcess:
    shared.ask("FLUSHALL")
    return shared


def clock() -> FakeClock:
    """Stands still, so that a replica with it does not renew its lease."""
    return FakeClock(START)


def ended(record: Operation, state: State = State.SUCCEEDED) -> Operation:
    return replace(record, state=state, ended_at=START, revision=record.revision + 1)


def taken_over(record: Operation) -> Operation:
    return replace(record, epoch=record.epoch + 1, revision=record.revision + 1)


async def insert(store: RedisStore, record: Operation, *, replaces: Operation | None = None) -> Operation:
    assert await store.claim(record, replaces=replaces)
    return record


async def lapsed(server: RedisProcess, replica: str, act: Callable[[], object] = lambda: None) -> None:
    """Return when the server has let a replica's lease lapse; `act` is done once that will not be missed."""

    def wait() -> None:
        with server.client as client, client.pubsub(ignore_subscribe_messages=False) as heard:
            heard.subscribe("__keyevent@0__:expired")
            assert heard.get_message(timeout=5)["type"] == "subscribe"
            act()
            if client.exists(f"{PREFIX}lease:{replica}"):
                for message in heard.listen():
                    if message["data"] == f"{PREFIX}lease:{replica}".encode():
                        return

    await asyncio.to_thread(wait)


# --- one record, many replicas -----------------------------------------------------------------------------


def test_everything_is_there_again(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            secret = await store.secret()
            first = await insert(store, operation(1, keyed=True))
            done = ended(first)
            await store.save(done, previous=first)
            second = await insert(store, replace(running(2), key=first.key), replaces=done)
            third = await insert(store, running(3))
        async with opened(server.url, clock()) as store:
            assert await store.secret() == secret
            assert await store.find(first.key) == second
            assert await store.get(first.id) == done, "replaced, but not forgotten"
            assert sorted(await store.left_behind(), key=lambda each: each.id) == [second, third]
            assert len(await store.all()) == 3
            assert not await store.claim(replace(operation(4), key=third.key), replaces=None)

    asyncio.run(story())


def test_two_replicas_race_and_one_claim_wins_each_time(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as one, opened(server.url, clock()) as two:
            assert await one.secret() == await two.secret()
            for number in range(200):
                rivals = [
                    replace(operation(), id=f"{name}{number}", key=f"key {number}") for name in ("one", "two")
                ]
                barrier = asyncio.Barrier(2)

                async def claim(
                    store: RedisStore, rival: Operation, barrier: asyncio.Barrier = barrier
                ) -> bool:
                    await barrier.wait()
                    return await store.claim(rival, replaces=None)

                won = await asyncio.gather(claim(one, rivals[0]), claim(two, rivals[1]))
                assert sum(won) == 1
                winner = rivals[won.index(True)]
                assert await one.find(winner.key) == await two.find(winner.key) == winner

    asyncio.run(story())


def test_a_thousand_joins_at_once_share_a_few_connections(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            record = await insert(store, running())
            before = server.ask("INFO", "stats")["total_connections_received"]
            found = await asyncio.gather(*(store.find(record.key) for _ in range(1000)))
            assert found == [record] * 1000
            assert server.ask("INFO", "stats")["total_connections_received"] - before <= 34

    asyncio.run(story())


def test_room_is_counted_over_all_replicas(server: RedisProcess) -> None:
    async def story() -> None:
        async with (
            opened(server.url, clock(), max_active=3) as one,
            opened(server.url, clock(), max_active=3) as two,
        ):
            records = [await insert(one, running(1)), await insert(two, running(2))]
            told = await asyncio.gather(
                *(store.claim(running(n), replaces=None) for n, store in enumerate((one, two, one, two), 3)),
                return_exceptions=True,
            )
            assert told.count(True) == 1
            assert sum(isinstance(each, StoreFull) for each in told) == 3
            lost = ended(records[1], State.UNKNOWN)
            await one.save(lost, previous=records[1])
            await insert(one, running(9))
            late = replace(lost, state=State.RUNNING, ended_at=None, revision=2)
            await two.save(late, previous=lost)
            assert {each.id for each in await one.all() if each.state in ACTIVE} >= {late.id}, (
                "evidence needs no room"
            )
            assert server.ask("HLEN", f"{PREFIX}active") == 4

    asyncio.run(story())


# --- owners ------------------------------------------------------------------------------------------------


def test_the_owner_of_a_record_is_who_wrote_it_last(server: RedisProcess) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            one, two, three = [await stack.enter_async_context(opened(server.url, clock())) for _ in range(3)]
            first, second = await insert(one, running(1)), await insert(one, running(2))
            moved = taken_over(first)
            await two.save(moved, previous=first)
            assert await three.left_behind() == []
            await one.close()
            assert list(await three.left_behind()) == [second], "at once: it gave its lease back"
            await two.close()
            assert sorted(each.id for each in await three.left_behind()) == [first.id, second.id]
            await three.save(ended(second), previous=second)
            await three.discard(moved)
            assert await three.left_behind() == []
            assert (server.ask("HGETALL", f"{PREFIX}active"), server.ask("HGETALL", f"{PREFIX}owners")) == (
                {},
                {},
            )

    asyncio.run(story())


def test_what_nobody_owns_is_left_behind_too(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            record = await insert(store, running())
            server.ask("DEL", f"{PREFIX}owners")
            server.ask("HSET", f"{PREFIX}active", record.id, "")
            assert list(await store.left_behind()) == [record]

    asyncio.run(story())


def test_one_of_three_takes_over(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as gone:
            records = [await insert(gone, running(number)) for number in range(1, 31)]
        async with AsyncExitStack() as stack:
            heirs = [await stack.enter_async_context(opened(server.url, clock())) for _ in range(3)]

            async def take(store: RedisStore) -> int:
                taken = 0
                for record in await store.left_behind():
                    try:
                        await store.save(taken_over(record), previous=record)
                        taken += 1
                    except Conflict:
                        continue
                return taken

            counts = await asyncio.gather(*(take(store) for store in heirs))
            assert sum(counts) == len(records)
            assert {(each.epoch, each.revision) for each in await heirs[0].all()} == {(2, 1)}
            assert await heirs[0].left_behind() == []

    asyncio.run(story())


REPLICA = """
import asyncio, sys
from dataclasses import replace
from fakes.records import running
from fakes.redis import opened
from gateway.clock import SystemClock
from gateway.store import Conflict

async def main():
    async with opened(sys.argv[1], SystemClock(), lease=0.6) as store:
        record = running()
        assert await store.claim(record, replaces=None)
        print(store.replica, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(store.tenure()(), flush=True)
        try:
            await store.save(replace(record, percent=50.0, revision=1), previous=record)
            print("written", flush=True)
        except Conflict:
            print("Conflict", flush=True)

asyncio.run(main())
"""


def test_a_replica_that_was_paused_past_its_lease_is_fenced(server: RedisProcess) -> None:
    tests = Path(__file__).parents[1]

    async def story(replica: "subprocess.Popen[str]") -> None:
        assert replica.stdin is not None
        assert replica.stdout is not None
        name = replica.stdout.readline().strip()
        await lapsed(server, name, lambda: replica.send_signal(signal.SIGSTOP))
        async with opened(server.url, SystemClock()) as store:
            [left] = await store.left_behind()
            await store.save(taken_over(left), previous=left)
            replica.stdin.write("\n")
            replica.stdin.flush()
            replica.send_signal(signal.SIGCONT)
            said = [replica.stdout.readline().strip() for _ in range(2)]
            assert said[1] == "Conflict"
            assert await store.get(left.id) == taken_over(left)

    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tests)!r})\n{REPLICA}", server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as replica:
        try:
            asyncio.run(story(replica))
        finally:
            replica.send_signal(signal.SIGCONT)
    assert replica.returncode == 0


def test_a_lease_is_sure_for_less_than_it_lasts(server: RedisProcess) -> None:
    async def story() -> None:
        still = clock()
        async with opened(server.url, still, lease=10.0) as store:
            assert store.tenure()()
            still._now += 6.9
            assert store.tenure()()
            still._now += 0.2
            assert not store.tenure()()
            assert server.ask("PTTL", f"{PREFIX}lease:{store.replica}") > 9000
            lapsed = store.tenure()
            await store._lease.renew()
            assert store.tenure()()
            assert not lapsed(), "others may have taken over in between, though it is renewed"
        assert not store.tenure()(), "it is closed"
        assert server.ask("EXISTS", f"{PREFIX}lease:{store.replica}") == 0

    asyncio.run(story())


def test_whoever_is_there_has_not_left_its_own_behind(server: RedisProcess) -> None:
    """A machine so busy that the lease lapsed: others may take over, but the owner goes on with what it has."""

    async def story() -> None:
        async with opened(server.url, clock()) as store, opened(server.url, clock()) as other:
            record = await insert(store, running())
            server.ask("DEL", f"{PREFIX}lease:{store.replica}")
            assert await store.left_behind() == []
            assert list(await other.left_behind()) == [record]

    asyncio.run(story())


def test_a_lease_is_renewed_however_much_is_owned(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, SystemClock(), lease=0.4) as store:
            for number in range(1, 50):
                await insert(store, running(number))
            before = server.ask("INFO", "commandstats")["cmdstat_set"]["calls"]
            while server.ask("INFO", "commandstats")["cmdstat_set"]["calls"] < before + 5:
                assert store.tenure()()
                assert await store.left_behind() == []

    asyncio.run(story())


def test_a_lapsed_lease_is_taken_again_with_what_nobody_took_over(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock(), lease=0.05) as paused, opened(server.url, clock()) as other:
            record = await insert(paused, running())
            await lapsed(server, paused.replica)
            assert list(await other.left_behind()) == [record]
            await paused._lease.renew()
            assert await other.left_behind() == []

    asyncio.run(story())


# --- news --------------------------------------------------------------------------------------------------


class Ears:
    """Hears, and lets a test wait for what is heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str | None] = asyncio.Queue()

    async def word(self) -> str:
        """The next id."""
        while True:
            heard = await self.heard.get()
            if heard is not None:
                return heard

    async def alarm(self) -> None:
        """Return when something may have been missed."""
        while await self.heard.get() is not None:
            pass


async def listening(stack: AsyncExitStack, server: RedisProcess) -> tuple[RedisStore, Ears]:
    """A store that has subscribed."""
    from fakes.redis import made  # noqa: PLC0415 - the one test part that opens by hand

    ears = Ears()
    store = made(server.url, SystemClock())
    store.watch(ears.heard.put_nowait)
    await store.open()
    stack.push_async_callback(store.close)
    await ears.alarm()
    return store, ears


def test_others_hear_what_was_ended_discarded_or_delivered_and_nothing_else(server: RedisProcess) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            store, own = await listening(stack, server)
            _, ears = await listening(stack, server)
            gone = await insert(store, operation(9))
            record = await insert(store, running(1))
            moved = replace(record, percent=5.0, revision=1)
            await store.save(moved, previous=record)
            done = ended(moved)
            await store.save(done, previous=moved)
            assert await ears.word() == record.id, "and neither of the claims, nor of progress"
            await store.save(replace(done, delivered_at=START, revision=3), previous=done)
            assert await ears.word() == record.id
            await store.discard(gone)
            assert await ears.word() == gone.id
            assert own.heard.empty() or {own.heard.get_nowait()} == {None}

    asyncio.run(story())


def test_who_begins_to_watch_later_hears_from_then_on(server: RedisProcess) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            store, _ = await listening(stack, server)
            other, before = await listening(stack, server)
            ears = Ears()
            other.watch(ears.heard.put_nowait)
            record = await insert(store, running())
            await store.save(ended(record), previous=record)
            assert await ears.word() == record.id
            assert before.heard.empty()

    asyncio.run(story())


def test_a_subscription_that_was_cut_is_taken_again_and_says_so(server: RedisProcess) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            store, _ = await listening(stack, server)
            _, ears = await listening(stack, server)
            assert server.ask("CLIENT", "KILL", "TYPE", "pubsub") == 2
            await ears.alarm()  # it is cut
            await ears.alarm()  # it is back
            record = await insert(store, running())
            await store.save(ended(record), previous=record)
            assert await ears.word() == record.id

    asyncio.run(story())


def test_who_hears_nothing_looks_now_and_then(server: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_news, "LOOK_EVERY", 0.05)

    async def story() -> None:
        async with AsyncExitStack() as stack:
            _, ears = await listening(stack, server)
            for _ in range(4):
                await ears.alarm()
            assert server.ask("INFO", "commandstats")["cmdstat_subscribe"]["calls"] >= 1

    asyncio.run(story())


# --- callers that leave ------------------------------------------------------------------------------------


def test_a_claim_whose_caller_left_holds_nothing(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            first = await insert(store, operation(1))
            unclear = ended(first, State.UNKNOWN)
            await store.save(unclear, previous=first)
            second = replace(operation(2), key=first.key)
            claim = Tasks().start("claim", store.claim(second, replaces=unclear))
            await asyncio.to_thread(lambda: None)  # a turn of the loop, so that it is under way
            claim.cancel()
            with pytest.raises(asyncio.CancelledError):
                await claim
            await store._writes.settle()
            await store._errands.settle()
            assert await store.find(first.key) == unclear, "what it would have replaced answers again"
            assert await store.get(second.id) is None
            third = replace(operation(3), key=first.key)
            await insert(store, third, replaces=unclear)

    asyncio.run(story())


def test_a_claim_that_was_taken_back_cannot_arrive_later(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            late = operation(1)
            await store._withdraw(late, None)
            assert not await store.claim(late, replaces=None)
            assert await store.find(late.key) is None
            assert server.ask("PTTL", f"{PREFIX}withdrawn:{late.id}") > 0
            await insert(store, replace(operation(2), key=late.key))

    asyncio.run(story())


def test_a_key_that_leads_nowhere_leads_nobody_astray(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            record = await insert(store, operation(1))
            server.ask("DEL", f"{PREFIX}op:{record.id}")
            assert await store.find(record.key) is None
            await insert(store, replace(operation(2), key=record.key))

    asyncio.run(story())


def test_what_was_to_be_saved_is_saved_though_its_caller_left(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            record = await insert(store, operation())
            moved = replace(record, state=State.SUBMITTING, revision=1)
            pool = store._server._pool
            taken = [await redis_server._taken(pool) for _ in range(redis_server.CONNECTIONS)]
            save = Tasks().start("save", store.save(moved, previous=record))
            await settle()  # it queues for a connection
            save.cancel()
            for connection in taken:
                await pool.release(connection)
            await store._writes.settle()
            assert await store.get(record.id) == moved

    asyncio.run(story())


def test_doing_again_what_is_done_already_succeeds(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock(), keys=(KEY,)) as store:
            record = await insert(store, running())
            assert await store.claim(record, replaces=None)
            moved = replace(record, percent=1.0, revision=1)
            for _ in range(2):
                await store.save(moved, previous=record)
            with pytest.raises(Conflict):
                await store.save(replace(moved, percent=2.0), previous=record)
            assert not await store.claim(record, replaces=None), "it has gone on since"

    asyncio.run(story())


# --- what stands in the server -----------------------------------------------------------------------------


def test_nothing_active_has_a_time_to_live_and_all_that_has_ended_has_one(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            for number in range(1, 40):
                record = await insert(store, running(number))
                if number % 4 == 0:
                    await store.save(ended(record, State.UNKNOWN), previous=record)
                elif number % 4 == 1:
                    lost = ended(record, State.UNKNOWN)
                    await store.save(lost, previous=record)
                    late = replace(lost, state=State.RUNNING, ended_at=None, revision=2)
                    await store.save(late, previous=lost)
                elif number % 4 == 2:
                    lost = ended(record, State.LOST)
                    await store.save(lost, previous=record)
                    again = replace(running(1000 + number), key=record.key, supersedes=record.id)
                    await insert(store, again, replaces=lost)
                    if number % 8 == 2:
                        await store.discard(again)
            records = await store.all()
            lives: set[bool] = set()
            for each in records:
                active = each.state in ACTIVE
                lives.add(active)
                assert (server.ask("PTTL", f"{PREFIX}op:{each.id}") == -1) is active
                holder = await store.find(each.key)
                assert holder is not None
                assert (server.ask("PTTL", f"{PREFIX}key:{each.key}") == -1) is (holder.state in ACTIVE)
            assert lives == {True, False}
            assert [server.ask("PTTL", PREFIX + name) for name in ("active", "owners", "facts")] == [-1] * 3

    asyncio.run(story())


def test_a_delivery_that_is_noted_does_not_make_a_record_live_longer(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock(), keep_finished=100.0) as store:
            record = await insert(store, running())
            done = ended(record)
            await store.save(done, previous=record)
            server.ask("PEXPIRE", f"{PREFIX}op:{record.id}", 5000)
            await store.save(replace(done, delivered_at=START, revision=2), previous=done)
            assert 0 < server.ask("PTTL", f"{PREFIX}op:{record.id}") <= 5000

    asyncio.run(story())


def test_what_has_gone_is_no_longer_listed_either(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock(), keep_finished=0.0) as store:
            for number in range(1, 20):
                record = await insert(store, running(number))
                await store.save(ended(record), previous=record)
                assert await store.find(record.key) is None
            assert await store.all() == []
            await insert(store, running(99))
            assert server.ask("ZCARD", f"{PREFIX}ended") <= 1

    asyncio.run(story())


def test_no_secret_stands_in_the_server_where_there_is_a_key(server: RedisProcess) -> None:
    async def story(keys: tuple[bytes, ...]) -> bytes:
        server.ask("FLUSHALL")
        async with opened(server.url, clock(), keys=keys) as store:
            await insert(store, running(monitor=MONITOR))
            record = await insert(store, running(2, monitor=MONITOR))
            await store.save(ended(record), previous=record)
            secret = await store.secret()
            found = all_bytes(server)
            assert (secret.hex().encode() in found) is (not keys)
            assert len(found) > 1000
            return found

    assert b"tempauth" in asyncio.run(story(())), "the check sees it where it is"
    found = asyncio.run(story((KEY,)))
    assert b"tempauth" not in found
    assert b"canary" not in found


def test_a_change_of_keys_seals_everything_anew(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock(), keys=(OLD_KEY,)) as store:
            secret = await store.secret()
            records = [await insert(store, running(n, monitor=MONITOR)) for n in range(1, 4)]
        async with (
            opened(server.url, clock(), keys=(OLD_KEY, KEY)) as first_step,
            opened(server.url, clock(), keys=(KEY, OLD_KEY)) as second_step,
        ):
            records.append(await insert(first_step, running(4, monitor=MONITOR)))
            assert await first_step.find(records[0].key) == records[0], "sealed anew by the other"
            records.append(await insert(second_step, running(5, monitor=MONITOR)))
        async with opened(server.url, clock(), keys=(KEY, OLD_KEY)):
            pass  # what the first step wrote meanwhile
        async with opened(server.url, clock(), keys=(KEY,)) as store:
            assert await store.secret() == secret
            assert sorted(await store.all(), key=lambda each: each.id) == records
        with pytest.raises(StoreDown, match="put that key back"):
            async with opened(server.url, clock(), keys=(OLD_KEY,)):
                pass

    asyncio.run(story())


def test_a_record_that_cannot_be_read_answers_for_its_key(server: RedisProcess) -> None:
    async def story() -> None:
        told: list[RecordUnreadable] = []
        async with opened(server.url, clock(), keys=(KEY,), report=told.append) as store:
            good = await insert(store, running(99))
            spoilt = []
            for number, spoil in enumerate(SPOILERS, 1):
                record = await insert(store, running(number, monitor=MONITOR))
                spoil(server, f"{PREFIX}op:{record.id}")
                for look in (store.find(record.key), store.get(record.id)):
                    with pytest.raises(RecordUnreadable):
                        await look
                assert not await store.claim(replace(operation(500 + number), key=record.key), replaces=None)
                spoilt.append(record.id)
            for _ in range(2):
                assert list(await store.all()) == [good]
            assert sorted(each.operation_id for each in told) == spoilt, "once each"
        async with opened(server.url, clock(), keys=(KEY,)) as store:
            assert list(await store.left_behind()) == [good]

    asyncio.run(story())


def _flip(server: RedisProcess, place: str) -> None:
    record = bytearray(server.ask("HGET", place, "record"))
    record[len(record) // 2] ^= 1
    server.ask("HSET", place, "record", bytes(record))


def _newer(server: RedisProcess, place: str) -> None:
    record = server.ask("HGET", place, "record")
    server.ask("HSET", place, "record", record.replace(b'"schema":', b'"schema":9', 1))


SPOILERS: tuple[Callable[[RedisProcess, str], object], ...] = (
    _flip,
    _newer,
    lambda server, place: server.ask("HDEL", place, "record"),
    lambda server, place: server.ask("HDEL", place, "key"),
    lambda server, place: server.ask("HDEL", place, "version"),
    lambda server, place: server.ask("HSET", place, "version", "7 7 0"),
    lambda server, place: server.ask("HSET", place, "key", "another"),
)


def test_any_flipped_byte_of_a_record_is_told_or_without_effect(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock(), keys=(KEY,)) as store:
            record = await insert(store, running(monitor=MONITOR))
            place = f"{PREFIX}op:{record.id}"
            whole = server.ask("HGET", place, "record")
            unreadable = 0
            for index in range(0, len(whole), 3):
                server.ask(
                    "HSET", place, "record", whole[:index] + bytes([whole[index] ^ 4]) + whole[index + 1 :]
                )
                try:
                    assert await store.get(record.id) == record
                except RecordUnreadable:
                    unreadable += 1
            assert unreadable > len(whole) // 3 - 5

    asyncio.run(story())


async def refusal(opening: Awaitable[object]) -> str:
    with pytest.raises(StoreDown) as caught:
        await opening
    return str(caught.value)


def test_what_another_version_wrote_and_what_lost_its_secret_are_left_alone(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            await insert(store, running())

        async def open_() -> None:
            async with opened(server.url, clock()):
                pass

        facts = f"{PREFIX}facts"
        server.ask("HSET", facts, "layout", redis_scripts.LAYOUT + 1)
        assert "newer version of the gateway" in await refusal(open_())
        server.ask("HSET", facts, "layout", redis_scripts.LAYOUT)
        server.ask("HSET", facts, "secret", "clear:nonsense")
        assert "its secret is damaged" in await refusal(open_())
        server.ask("DEL", facts)
        assert "lost the store's secret" in await refusal(open_())
        assert server.ask("EXISTS", facts) == 0

    asyncio.run(story())
