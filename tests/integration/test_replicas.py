"""Two gateways on one Redis: whichever a call comes to, there is one operation and one copy."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import pytest
import stage as stages
from fakes.records import Remembering
from fakes.redis import RedisProcess
from stage import Answer, Stage, exchange, in_thread, merged, passed, play

from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.model import Operation, State

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
RENAME = SOURCE + "?@microsoft.graph.conflictBehavior=rename"


def body(name: str) -> dict[str, object]:
    return {"parentReference": {"path": "/drive/root:/Backup"}, "name": name}


@pytest.fixture(autouse=True)
def _on_redis(empty_redis: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STORE", {"store": "redis", "url": empty_redis.url})


@dataclass
class Replica:
    """Another gateway on the same store."""

    gateway: Gateway
    observer: Remembering
    where: tuple[str, int]
    token: str

    async def copy(self, target: str, wanted: dict[str, object], simulate: str = "duration=50ms") -> Answer:
        headers = {"Authorization": self.token, "Content-Type": "application/json", "Simulate": simulate}
        return await self.call("POST", target, json.dumps(wanted).encode(), headers)

    async def call(
        self, method: str, target: str, raw: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        given = {"Authorization": self.token, **(headers or {})}
        return await in_thread(partial(exchange, self.where, method, target, raw, given))


@asynccontextmanager
async def replica(stage: Stage, **sections: dict[str, object]) -> AsyncIterator[Replica]:
    observer = Remembering()
    upstream = {"upstream": {"base_url": stage.simulator.graph_url}}
    settings = merged(stages.QUICK, {"operations": stages.STORE}, upstream, sections)
    gateway = Gateway(Config.model_validate(settings), SystemClock(), [observer])
    callers, _ = await gateway.start()
    try:
        yield Replica(gateway, observer, (callers.host, callers.port), stage.default_token)
    finally:
        await gateway.stop()
        assert observer.crashes == []


def states(observer: Remembering) -> list[State]:
    return [after.state for _, after in observer.changes]


async def only(gateway: Gateway) -> Operation:
    (record,) = await gateway.store.all()
    return record


def test_the_same_call_at_both_is_one_copy_and_both_get_the_item() -> None:
    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            both = asyncio.gather(
                stage.copy(SOURCE, simulate="duration=600ms", body=body("both.txt")),
                other.copy(SOURCE, body("both.txt"), "duration=600ms"),
            )
            answers = await both
            assert [answer.status for answer in answers] == [200, 200]
            assert len({answer.json["id"] for answer in answers}) == 1
            assert stage.copies_sent == 1
            assert len({answer.header("Gateway-Operation") for answer in answers}) == 1

    play(story)


def test_of_a_hundred_calls_at_both_each_is_made_once() -> None:
    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            calls = []
            for number in range(50):
                calls.append(stage.copy(SOURCE, simulate="duration=300ms", body=body(f"{number}.txt")))
                calls.append(other.copy(SOURCE, body(f"{number}.txt"), "duration=300ms"))
            answers = await asyncio.gather(*calls)
            assert {answer.status for answer in answers} == {200}
            assert len({answer.json["id"] for answer in answers}) == 50
            assert stage.copies_sent == 50
            assert stage.simulator.summary().violations == (), "one poller each"

    play(story)


def test_whoever_waits_elsewhere_is_woken_by_the_end_and_not_by_a_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The slow look-up that mends lost messages is switched off."""

    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            monkeypatch.setattr(other.gateway.waiting, "_catch_up", _nothing)
            first = asyncio.gather(stage.copy(SOURCE, simulate="duration=500ms", body=body("woken.txt")))
            await passed(lambda: State.RUNNING in states(stage.observer))
            second = await other.copy(SOURCE, body("woken.txt"))
            assert second.status == 200
            assert (await first)[0].json["id"] == second.json["id"]

    play(story, wait={"max": 20.0})


async def _nothing() -> None:
    return


def test_a_redirect_of_one_is_waited_for_at_the_other() -> None:
    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            answer = await stage.copy(SOURCE, simulate="duration=900ms", body=body("hop.txt"))
            assert answer.status == 303
            while answer.status == 303:
                location = urlsplit(answer.header("Location") or "")
                answer = await other.call("GET", f"{location.path}?{location.query}")
            assert (answer.status, answer.json["name"]) == (200, "hop.txt")

    play(story, wait={"max": 0.3})


def test_ten_copies_in_a_row_are_ten_whichever_replica_each_call_comes_to() -> None:
    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            ids = []
            for number in range(10):
                ask = (
                    stage.copy(RENAME, simulate="duration=10ms", body=body("row.txt"))
                    if number % 2
                    else other.copy(RENAME, body("row.txt"), "duration=10ms")
                )
                answer = await ask
                assert answer.status == 200
                ids.append(answer.json["id"])
            assert len(set(ids)) == 10
            assert stage.copies_sent == 10

    play(story)


def test_what_a_stopped_replica_ran_is_gone_on_with_at_once() -> None:
    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            async with replica(stage, wait={"max": 0.2}, shutdown={"grace": 1.0}) as stopping:
                left = await stopping.copy(SOURCE, body("left.txt"), "duration=1500ms")
                assert left.status == 303
            again = await other.copy(SOURCE, body("left.txt"))
            assert (again.status, again.json["name"]) == (200, "left.txt")
            assert stage.copies_sent == 1
            assert (await only(stage.gateway)).epoch == 2

    play(story)


def test_what_a_replica_left_before_it_sent_is_dropped_and_made_by_whoever_is_asked_again() -> None:
    async def story(stage: Stage) -> None:
        async with replica(stage) as other:
            first = asyncio.gather(stage.copy(SOURCE, simulate="duration=60s", body=body("one.txt")))
            await passed(lambda: State.RUNNING in states(stage.observer))
            async with replica(stage, limits={"running_per_drive": 1}, shutdown={"grace": 1.0}) as queueing:
                running = asyncio.gather(queueing.copy(SOURCE, body("two.txt"), "duration=60s"))
                await passed(lambda: State.RUNNING in states(queueing.observer))
                queued = asyncio.gather(queueing.copy(SOURCE, body("three.txt")))
                await passed(lambda: queueing.gateway.lanes.queued == 1)
            (turned_away,) = await queued
            assert turned_away.status in (303, 503)
            await running
            made = await other.copy(SOURCE, body("three.txt"))
            assert made.status == 200
            assert stage.copies_sent == 3
            await stage.gateway.stop()
            await first

    play(story, wait={"max": 20.0})
