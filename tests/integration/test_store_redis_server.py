"""The Redis store and a server that is not there, goes, comes back, or will not do what it is asked."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from fakes.records import START, operation, running
from fakes.redis import RedisProcess, made, opened, serving

from gateway.clock import SystemClock
from gateway.model import Operation, State
from gateway.store import Conflict, StoreDown, redis_server
from gateway.store.breaker import FAILURES, PAUSE, Breaker
from gateway.store.redis import RedisStore
from gateway.store.redis_health import facts, risks
from gateway.store.redis_scripts import PREFIX


@pytest.fixture(name="server")
def _server() -> Iterator[RedisProcess]:
    with serving() as server:
        yield server


def clock() -> FakeClock:
    return FakeClock(START)


def ended(record: Operation, state: State = State.SUCCEEDED) -> Operation:
    return replace(record, state=state, ended_at=START, revision=record.revision + 1)


def refusal(url: str, **options: object) -> str:
    """Why a store does not open."""

    async def story() -> str:
        store = made(url, clock(), **options)
        with pytest.raises(StoreDown) as caught:
            await store.open()
        return str(caught.value)

    return asyncio.run(story())


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """A server that says the same to everybody; its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"redis://user:hunter2@127.0.0.1:{listener.getsockname()[1]}/0"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# --- at the start ------------------------------------------------------------------------------------------


def test_why_it_does_not_open_is_told_without_the_password(tmp_path: Path) -> None:
    assert "no connection; check operations.url" in refusal(f"unix://{tmp_path}/nothing.sock")
    with serving("--requirepass", "right", "--databases", "2", tcp=True) as server:
        address = f"127.0.0.1:{server.port}"
        for url, told in (
            (f"redis://{address}/0", "it wants a password"),
            (f"redis://:hunter2@{address}/0", "password in operations.url are wrong"),
            (f"redis://somebody:hunter2@{address}/0", "password in operations.url are wrong"),
            (f"redis://:right@{address}/7", "no database of that number"),
        ):
            why = refusal(url)
            assert told in why
            assert f"Redis at {address}" in why
            assert "hunter2" not in why
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        why = refusal(url)
        assert "is not a Redis" in why
        assert "hunter2" not in why


def test_a_replica_of_a_server_is_refused(server: RedisProcess) -> None:
    with serving("--replicaof", "127.0.0.1", "1") as replica:
        assert "name the primary" in refusal(replica.url)


def test_a_user_who_may_do_too_little_is_told_what_is_needed() -> None:
    allowed = [
        "~lro-gateway:{operations}:*",
        "&lro-gateway:{operations}:news",
        "+@all",
        "-@admin",
        "-@dangerous",
    ]
    with serving(tcp=True) as server:
        server.ask("ACL", "SETUSER", "gw", "on", ">pw", *allowed)
        url = f"redis://gw:pw@127.0.0.1:{server.port}/0"
        assert "its user may not do that; allow it ~lro-gateway" in refusal(url)
        server.ask("ACL", "SETUSER", "gw", "+info")

        async def story() -> None:
            async with opened(url, clock()) as store:
                record = operation()
                assert await store.claim(record, replaces=None)
                await store.save(ended(record), previous=record)
                assert len(await store.all()) == 1
                await asyncio.wait_for(_subscribed(server), 5)

        asyncio.run(story())


async def _subscribed(server: RedisProcess) -> None:
    while not server.ask("PUBSUB", "CHANNELS"):
        await asyncio.to_thread(lambda: None)


def test_what_may_lose_operations_is_noticed() -> None:
    async def story(server: RedisProcess, wait_replicas: int) -> str:
        told: list[str] = []
        async with opened(server.url, clock(), notice=told.append, wait_replicas=wait_replicas):
            return "\n".join(told)

    with serving("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as server:
        told = asyncio.run(story(server, 1))
        assert "maxmemory-policy allkeys-lru); set it to noeviction" in told
        assert "set appendonly to yes" in told
        assert "it has 0 replicas and operations.wait_replicas is 1" in told
    with serving("--appendonly", "yes", "--maxmemory", "100mb") as server:
        assert asyncio.run(story(server, 0)) == ""
    assert (
        risks(facts(b"maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n"), wait_replicas=0)
        == []
    )


# --- going and coming --------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_kill_9_of_the_server() -> None:
    async def story(server: RedisProcess) -> None:
        async with opened(server.url, SystemClock()) as store:
            records = []
            for number in range(1, 101):
                record = operation(number)
                assert await store.claim(record, replaces=None)
                moved = replace(record, state=State.SUBMITTING, revision=1)
                await store.save(moved, previous=record)
                records.append(moved)
            server.kill()
            with pytest.raises(StoreDown):
                await store.find(records[0].key)
            await asyncio.to_thread(server.start)
            found = await _back(store)
            assert sorted(found, key=lambda each: each.id) == records
            assert await store.claim(operation(500), replaces=None), (
                "its scripts are forgotten, which does not matter"
            )

    with serving("--appendonly", "yes", "--appendfsync", "always") as server:
        asyncio.run(story(server))


async def _back(store: RedisStore) -> list[Operation]:
    """Every record, as soon as the store is back."""
    while True:
        try:
            return list(await store.all())
        except StoreDown:
            await asyncio.to_thread(lambda: None)


def test_with_the_server_gone_calls_fail_at_once(server: RedisProcess) -> None:
    async def story() -> None:
        still = clock()
        async with opened(server.url, still) as store:
            record = operation()
            assert await store.claim(record, replaces=None)
            server.kill()
            for _ in range(FAILURES):
                with pytest.raises(StoreDown, match="no connection"):
                    await store.find(record.key)
            told = await asyncio.gather(
                *(store.claim(operation(n), replaces=None) for n in range(2, 100)),
                *(store.save(ended(record), previous=record) for _ in range(10)),
                return_exceptions=True,
            )
            assert {str(each).endswith("(not tried again for a moment)") for each in told} == {True}
            assert len(store._errands) == 0, "nothing was sent, so there is nothing to take back"
            await asyncio.to_thread(server.start)
            with pytest.raises(StoreDown, match="not tried again"):
                await store.find(record.key)
            still._now += PAUSE + 0.01
            assert await store.find(record.key) is None, "it has forgotten everything; and it is asked again"
            assert await store.claim(operation(7), replaces=None)

    asyncio.run(story())


def test_the_lease_finds_out_that_the_server_is_back(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            server.kill()
            for _ in range(FAILURES):
                with pytest.raises(StoreDown):
                    await store.find("key")
            await asyncio.to_thread(server.start)
            await store._lease.renew()
            assert await store.find("key") is None

    asyncio.run(story())


def test_the_lease_is_kept_on_after_an_outage(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, SystemClock(), lease=0.4) as store:
            server.kill()
            while store.tenure()():
                await asyncio.to_thread(os.sched_yield)
            await asyncio.to_thread(server.start)
            while not store.tenure()():
                await asyncio.to_thread(os.sched_yield)
            assert server.ask("EXISTS", f"{PREFIX}lease:{store.replica}") == 1

    asyncio.run(story())


def test_one_failure_alone_keeps_nobody_away() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES - 1):
        breaker.failed()
    breaker.worked()
    for _ in range(FAILURES - 1):
        breaker.failed()
        assert breaker.lets_pass()
    breaker.failed()
    assert not breaker.lets_pass()
    now[0] += PAUSE
    assert [breaker.lets_pass(), breaker.lets_pass()] == [True, False], "one at a time"
    breaker.failed()
    assert not breaker.lets_pass()
    now[0] += PAUSE
    assert breaker.lets_pass()
    breaker.worked()
    assert [breaker.lets_pass(), breaker.lets_pass()] == [True, True]


def test_a_server_that_hangs_counts_as_down_and_nothing_late_is_a_claim(
    server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REPLY_TIMEOUT", "CONNECT_TIMEOUT", "QUEUE_TIMEOUT"):
        monkeypatch.setattr(redis_server, name, 0.1)

    async def story() -> None:
        async with opened(server.url, clock()) as store:
            record, late = operation(1), operation(2)
            assert await store.claim(record, replaces=None)
            server.signal(signal.SIGSTOP)
            with pytest.raises(StoreDown, match="no answer in time"):
                await store.claim(late, replaces=None)
            with pytest.raises(StoreDown):
                await store.find(record.key)
            assert len(store._errands) == 1
            server.signal(signal.SIGCONT)
            await store._clock.advance(5.0)  # type: ignore[attr-defined] # it is the fake one
            await store._errands.settle()
            assert await store.find(late.key) is None, "it was made when the server woke up, and taken back"
            assert await store.find(record.key) == record

    asyncio.run(story())


def test_a_connection_that_was_cut_costs_one_call_at_most(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            record = operation()
            assert await store.claim(record, replaces=None)
            await asyncio.gather(*(store.find(record.key) for _ in range(100)))
            server.ask("CLIENT", "KILL", "TYPE", "normal")
            await asyncio.to_thread(lambda: None)
            assert await store.find(record.key) == record

    asyncio.run(story())


def test_closing_without_a_server_is_no_error(server: RedisProcess) -> None:
    async def story() -> None:
        store = made(server.url, clock())
        await store.open()
        server.kill()
        await store.close()
        await store.close()
        for work in (store.find("key"), store.claim(operation(), replaces=None), store.all()):
            with pytest.raises(StoreDown, match="not open"):
                await work
        assert not store.tenure()()

    asyncio.run(story())


# --- a server that refuses ---------------------------------------------------------------------------------


def test_a_server_without_memory_writes_nothing_and_goes_on_reading(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            first = operation(1)
            assert await store.claim(first, replaces=None)
            before = _everything(server)
            server.ask("CONFIG", "SET", "maxmemory", "1")
            for _ in range(5):
                with pytest.raises(StoreDown, match="out of memory; give it more"):
                    await store.claim(operation(2), replaces=None)
                with pytest.raises(StoreDown, match="out of memory"):
                    await store.save(ended(first), previous=first)
            assert _everything(server) == before, "nothing, not even half"
            assert await store.find(first.key) == first
            server.ask("CONFIG", "SET", "maxmemory", "0")
            await store._clock.advance(5.0)  # type: ignore[attr-defined] # it is the fake one
            await store._errands.settle()
            assert await store.claim(operation(3), replaces=None)

    asyncio.run(story())


def _everything(server: RedisProcess) -> dict[bytes, object]:
    kinds = {b"hash": "HGETALL", b"string": "GET", b"zset": "ZRANGE"}
    found = {}
    for key in server.ask("KEYS", "*"):
        kind = server.ask("TYPE", key)
        if b"lease" not in key:
            found[key] = server.ask(kinds[kind], key, *((0, -1) if kind == b"zset" else ()))
    return found


def test_a_server_that_became_a_replica_is_down_until_it_is_a_primary(server: RedisProcess) -> None:
    async def story() -> None:
        async with opened(server.url, clock()) as store:
            first = operation(1)
            assert await store.claim(first, replaces=None)
            server.ask("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StoreDown, match="name the primary"):
                await store.save(ended(first), previous=first)
            server.ask("REPLICAOF", "NO", "ONE")
            await store.save(ended(first), previous=first)

    asyncio.run(story())


# --- replicas of the server --------------------------------------------------------------------------------


def test_a_claim_that_too_few_replicas_confirm_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "WAIT_TIMEOUT", 0.05)

    async def story(server: RedisProcess) -> None:
        async with opened(server.url, clock(), wait_replicas=1) as store:
            record = operation(1)
            with pytest.raises(StoreDown, match="0 of its replicas have the write"):
                await store.claim(record, replaces=None)
            await store._errands.settle()
            assert await store.find(record.key) is None
            assert server.ask("HLEN", f"{PREFIX}active") == 0
            with serving("--replicaof", "127.0.0.1", str(server.port)) as replica:
                while server.ask("INFO", "replication").get("slave0", {}).get("state") != "online":
                    await asyncio.to_thread(os.sched_yield)
                monkeypatch.setattr(redis_server, "WAIT_TIMEOUT", 1.0)
                record = operation(2)
                assert await store.claim(record, replaces=None)
                moved = replace(record, state=State.SUBMITTING, revision=1)
                await store.save(moved, previous=record)
                assert replica.ask("HGET", f"{PREFIX}op:{record.id}", "version") == b"1 1 0"
                assert not await store.claim(replace(operation(3), key=record.key), replaces=None)
            monkeypatch.setattr(redis_server, "WAIT_TIMEOUT", 0.05)
            running_ = replace(running(2), key=moved.key, revision=2)
            with pytest.raises(StoreDown, match="0 of its replicas"):
                await store.save(running_, previous=moved)
            assert await store.get(record.id) == running_, "evidence is not thrown away for that"
            with pytest.raises(Conflict):
                await store.save(replace(running_, percent=1.0), previous=moved)
            await store.save(replace(running_, percent=1.0, revision=3), previous=running_)

    with serving("--repl-diskless-sync-delay", "0", tcp=True) as server:
        asyncio.run(story(server))
