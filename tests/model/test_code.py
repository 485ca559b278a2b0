"""Where the code once did what the model forbids, tried on the real gateway over real sockets."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest
from fakes.records import START, Remembering, operation
from stage import Answer, Stage, exchange, in_thread, play

from gateway import events
from gateway.app import Address, Gateway
from gateway.clock import SystemClock
from gateway.model import Operation, State
from gateway.store import Conflict, Store, StoreDown
from gateway.store.memory import MemoryStore

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
RENAME = SOURCE + "?@microsoft.graph.conflictBehavior=rename"
FOLDER: dict[str, object] = {"parentReference": {"path": "/drive/root:/Backup"}}
NAMED = FOLDER | {"name": "once.txt"}


async def made(stage: Stage) -> None:
    """Wait until the simulator has made an item."""
    async with asyncio.timeout(20):
        while not stage.simulator.summary().effects:
            await stage.gateway.clock.sleep(0.005)


async def unclear(stage: Stage, duration: str) -> None:
    """A copy whose POST is answered with 504, and that is made all the same."""
    stage.simulator.arm(f"duration={duration}; fault=post:apply-late-then-504", times=1)
    answer = await stage.copy(SOURCE, body=NAMED)
    assert answer.status == 504


def copies(stage: Stage) -> int:
    return sum(stage.simulator.summary().effects.values())


class TestAfterAnUnknownOutcome:
    def test_all_who_come_back_at_once_get_the_item(self) -> None:
        async def story(stage: Stage) -> None:
            await unclear(stage, "10ms")
            await made(stage)
            stage.simulator.arm("fault=get:delay(300ms)", path="once.txt", method="GET")
            answers = await asyncio.gather(*(stage.copy(SOURCE, body=NAMED) for _ in range(4)))
            assert [answer.status for answer in answers] == [200] * 4

        play(story)

    def test_a_re_send_that_is_turned_down_leaves_it_unknown(self) -> None:
        async def story(stage: Stage) -> None:
            await unclear(stage, "300ms")
            stage.simulator.arm("fault=post:429(1)", times=1)
            assert (await stage.copy(SOURCE, body=NAMED)).status == 429
            await made(stage)
            assert (await stage.copy(SOURCE, body=NAMED)).status == 200

        play(story)

    def test_a_re_send_that_finds_its_own_first_copy_has_not_failed(self) -> None:
        async def story(stage: Stage) -> None:
            await unclear(stage, "100ms")
            again = await stage.copy(SOURCE, simulate="duration=300ms", body=NAMED)
            assert (again.status, copies(stage)) == (200, 1)

        play(story)


class TestStart:
    def test_what_a_caller_has_just_started_is_not_taken_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A call comes between listening and the answer of a store that takes a moment to list what was left."""

        async def story(stage: Stage) -> None:
            starting = Gateway(stage.gateway.config, SystemClock(), [Remembering()])
            listen, left = starting._listen, starting.store.left_behind
            sent: list[Awaitable[tuple[Answer]]] = []

            async def listening(what: str, where: Address) -> Address:
                bound = await listen(what, where)
                if what == "listen":
                    headers = {"Authorization": stage.default_token, "Content-Type": "application/json"}
                    headers["Simulate"] = "latency=200ms; duration=20ms"
                    body = json.dumps(FOLDER).encode()
                    call = partial(exchange, (bound.host, bound.port), "POST", RENAME, body, headers)
                    sent.append(asyncio.gather(in_thread(call)))
                return bound

            async def listing() -> Sequence[Operation]:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        while State.SUBMITTING not in [row.state for row in await left()]:
                            await stage.gateway.clock.sleep(0.005)
                return await left()

            monkeypatch.setattr(starting, "_listen", listening)
            monkeypatch.setattr(starting.store, "left_behind", listing)
            await starting.start()
            (answer,) = await sent[0]
            await starting.stop()
            assert answer.status == 200

        play(story)


class TestMonitorOffLimits:
    def test_who_waited_for_a_copy_that_cannot_be_followed_does_not_start_another(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("latency=200ms", times=2)
            await asyncio.gather(*(stage.copy(RENAME, body=FOLDER) for _ in range(2)))
            assert stage.copies_sent == 1

        play(story, monitor={"allowed_hosts": ["example.org"]})


class Failing:
    """Makes one write of a store fail, before or after it is done."""

    def __init__(
        self, store: Store, *, state: State, done: bool, method: str = "save", polls: int = 0
    ) -> None:
        self._real, self._state, self._done, self._polls = getattr(store, method), state, done, polls
        self._failed = False
        setattr(store, method, self._call)

    async def _call(self, record: Operation, **rest: Operation | None) -> object:
        fails = not self._failed and (record.state, record.polls) == (self._state, self._polls)
        self._failed |= fails
        result = await self._real(record, **rest) if self._done or not fails else None
        if fails:
            raise StoreDown("no answer")
        return result


class TestStoreThatFails:
    """A write that failed, or of which nobody knows, leaves no row that everybody waits for in vain."""

    WAIT: ClassVar[dict[str, Any]] = {"max": 0.6, "on_timeout": "error"}

    def keeps_asking(self, **write: Any) -> list[int]:
        statuses: list[int] = []

        async def story(stage: Stage) -> None:
            Failing(stage.gateway.store, **write)
            for _ in range(2):
                answer: Answer = await stage.copy(SOURCE, simulate="duration=150ms", body=NAMED)
                statuses.append(answer.status)
            stage.observer.crashes.clear()

        play(story, wait=self.WAIT)
        return statuses

    @pytest.mark.parametrize("done", [False, True])
    def test_at_the_write_ahead(self, done: bool) -> None:  # noqa: FBT001 - a parameter
        assert self.keeps_asking(state=State.SUBMITTING, done=done) == [503, 200]

    def test_at_the_claim(self) -> None:
        assert self.keeps_asking(method="claim", state=State.RESERVED, done=True) == [503, 200]

    def test_at_the_acceptance(self) -> None:
        assert 200 in self.keeps_asking(state=State.RUNNING, done=True)

    def test_at_a_poll(self) -> None:
        assert 200 in self.keeps_asking(state=State.RUNNING, done=True, polls=1)


class TestTakenOver:
    def test_a_202_that_comes_after_the_row_was_taken_over_is_not_wasted(self) -> None:
        async def story(stage: Stage) -> None:
            taken = asyncio.Event()

            def take(record: Operation) -> None:
                if record.state is State.SUBMITTING and not taken.is_set():
                    taken.set()
                    stolen.append(stage.gateway.records.apply(record, events.TakenOver()))

            stolen: list[Awaitable[Operation]] = []
            stage.gateway.records.listen(take)
            sent = asyncio.gather(stage.copy(RENAME, simulate="latency=200ms; duration=20ms", body=FOLDER))
            await taken.wait()
            await stolen[0]
            (answer,) = await sent
            assert (answer.status, copies(stage)) == (200, 1)

        play(story)

    def test_whoever_lost_a_row_cannot_discard_it(self) -> None:
        async def story() -> Operation | None:
            store = MemoryStore(now=lambda: START, max_active=9, keep_finished=1.0, keep_keyed=1.0)
            mine = operation(state=State.RUNNING)
            await store.claim(mine, replaces=None)
            theirs = replace(mine, epoch=2, revision=1)
            await store.save(theirs, previous=mine)
            with suppress(Conflict):
                await store.discard(mine)
            return await store.get(mine.id)

        assert asyncio.run(story()) is not None
