"""The feed: what a client that reads slowly costs, and one that does not read at all."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from fakes.clock import FakeClock, settle
from fakes.records import operation

from gateway.admin import feed
from gateway.admin.feed import Feed
from gateway.admin.rows import Rows, Wanted
from gateway.admin.status import Status
from gateway.admin.watch import Watch
from gateway.config import Config
from gateway.model import Operation, State
from gateway.store.memory import MemoryStore
from gateway.tasks import Tasks


class Slow(web.StreamResponse):
    """A client whose connection takes one write at a time, and then only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[str] = []
        self.may = asyncio.Semaphore(0)

    async def write(self, data: Any) -> None:
        await self.may.acquire()
        self.got.append(bytes(data).decode())

    @property
    def rows(self) -> list[dict[str, Any]]:
        news = [text.partition("\ndata: ")[2] for text in self.got if text.startswith("event: rows")]
        return [row for text in news for row in json.loads(text)["rows"]]


class Scene:
    """A feed on a store of its own."""

    def __init__(self) -> None:
        self.clock, self.tasks = FakeClock(), Tasks()
        self.store = MemoryStore(now=self.clock.now, max_active=1000, keep_finished=60.0, keep_keyed=60.0)
        self.watch = Watch(self.clock)
        rows = Rows(stalled_after=600.0, waiting_for=lambda _: 0, followed_here=lambda _: True)
        self.status = Status(
            config=Config.default(),
            clock=self.clock,
            store=self.store,
            watch=self.watch,
            rows=rows,
            ready=lambda: None,
            held=lambda: 0,
        )
        self.feed = Feed(clock=self.clock, tasks=self.tasks, rows=rows, status=self.status)
        self.watch.listen(self.feed.changed)

    async def put(self, new: Operation, old: Operation | None = None) -> None:
        if old is None:
            assert await self.store.claim(new, replaces=None)
        else:
            await self.store.save(new, previous=old)
        self.watch.operation_changed(old, new)

    async def close(self) -> None:
        self.feed.close()
        await self.tasks.cancel()


def test_what_waits_for_a_slow_client_is_the_last_of_each_operation() -> None:
    async def body() -> None:
        scene, slow = Scene(), Slow()
        kept = [operation(number) for number in range(5)]
        for one in kept:
            await scene.put(one)
        served = scene.tasks.start("serve", scene.feed.serve(slow, Wanted()))
        for revision in range(1, 200):
            for index, old in enumerate(kept):
                kept[index] = replace(old, state=State.SUBMITTING, revision=revision, polls=revision)
                await scene.put(kept[index], old)
            await scene.clock.advance(feed.TICK)
        (client,) = scene.feed._clients
        assert len(client.pending) <= len(kept)
        for _ in range(4):
            slow.may.release()
            await settle()
        assert {row["polls"] for row in slow.rows} == {199}
        assert len(slow.rows) <= 2 * len(kept)
        served.cancel()
        await scene.close()

    asyncio.run(body())


def test_a_client_that_does_not_read_at_all_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PATIENCE", 0.0)

    async def body() -> None:
        scene = Scene()
        with pytest.raises(TimeoutError):
            await scene.feed.serve(Slow(), Wanted())
        assert len(scene.feed) == 0
        await scene.close()
        assert scene.tasks.names() == []

    asyncio.run(body())


def test_a_second_client_shares_the_work_and_the_feed_rests_after_the_last() -> None:
    async def body() -> None:
        scene = Scene()
        await scene.put(operation(1))
        clients = [Slow(), Slow()]
        tasks = [scene.tasks.start("serve", scene.feed.serve(each, Wanted())) for each in clients]
        for each in clients:
            for _ in range(10):
                each.may.release()
        await settle()
        assert [len(each.rows) for each in clients] == [1, 1]
        assert scene.tasks.names() == ["serve", "serve", "tell dashboards"]
        for task in tasks:
            task.cancel()
        await settle()
        assert (len(scene.feed), scene.tasks.names(), scene.feed._known) == (0, [], {})
        await scene.put(operation(2))
        assert scene.feed._changed == {}
        again = Slow()
        again.may.release()
        again.may.release()
        scene.tasks.start("serve", scene.feed.serve(again, Wanted()))
        await settle()
        assert len(again.rows) == 2
        await scene.close()

    asyncio.run(body())


def test_a_large_snapshot_comes_in_parts_that_say_how_much_is_left() -> None:
    async def body() -> None:
        scene, client = Scene(), Slow()
        for number in range(feed.AT_ONCE + 30):
            await scene.put(operation(number))
        for _ in range(5):
            client.may.release()
        scene.tasks.start("serve", scene.feed.serve(client, Wanted(limit=feed.AT_ONCE + 20)))
        await settle(60)
        parts = [json.loads(text.partition("\ndata: ")[2]) for text in client.got if "event: rows" in text]
        assert [(len(part["rows"]), part["left"]) for part in parts] == [(feed.AT_ONCE, 20), (20, 0)]
        await scene.close()

    asyncio.run(body())
