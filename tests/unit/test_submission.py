"""The submission alone: what it stores before and after the one POST, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from fakes.clock import FakeClock, settle
from fakes.records import START, Remembering, operation

from gateway import dialects, events, lifecycle
from gateway.auth.cookies import Cookies
from gateway.dialects import MonitorRules
from gateway.errors import (
    AddressRefused,
    NothingSent,
    OutcomeUnknown,
    StoreUnavailable,
    UpstreamBroken,
    UpstreamMalformed,
    UpstreamSilent,
    UpstreamUnreachable,
)
from gateway.model import Call, Headers, Operation, State
from gateway.pacing import Polling
from gateway.records import Records
from gateway.store import StoreDown
from gateway.store.memory import MemoryStore
from gateway.submission import Submission, Submitted
from gateway.tasks import Tasks
from gateway.upstream import Outgoing

CALL = Call("POST", "/v1.0/me/drive/items/A/copy", ())
OUTGOING = Outgoing("POST", CALL.target, (), None)
MONITOR = b"https://contoso.sharepoint.com/_api/v2.0/monitor/1"
ACCEPTED: Headers = ((b"Location", MONITOR), (b"request-id", b"r1"))


@dataclass
class FakeExchange:
    """As much of an upstream's reply as a submission looks at."""

    status: int
    headers: Headers = ()
    closed: bool = False
    reason: bytes = b""
    has_body: bool = False
    content_length: int | None = 0

    async def read(self, limit: int) -> tuple[bytes, bool]:
        return b"", False

    async def close(self) -> None:
        self.closed = True

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in (b"",):
            yield chunk


@dataclass
class FlakyStore(MemoryStore):
    """A memory store that is down for as many writes as it is told to."""

    down: int = 0

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(now=clock.now, max_active=10, keep_finished=900, keep_keyed=900)

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        self._perhaps_down()
        await super().save(operation, previous=previous)

    async def discard(self, operation: Operation) -> None:
        self._perhaps_down()
        await super().discard(operation)

    def _perhaps_down(self) -> None:
        if self.down:
            self.down -= 1
            raise StoreDown("the disk is full")


@dataclass
class World:
    """The upstream's reply, or what goes wrong instead, and all that a submission touches."""

    says: FakeExchange | Exception
    refused: bool = False
    followed: list[Operation] = field(default_factory=list)
    sent: list[State] = field(default_factory=list)
    """The state that was stored when the POST was written, once for each POST."""

    def __post_init__(self) -> None:
        self.clock = FakeClock(START)
        self.observer = Remembering()
        self.store = FlakyStore(self.clock)
        self.records = Records(self.store, self.clock, self.observer, Polling(), Tasks(self.observer.crashed))
        self.tasks = Tasks(on_crash=self.observer.crashed)
        self.cookies = Cookies(size=9, keep=900, now=self.clock.now, monotonic=self.clock.monotonic)
        self.submission = Submission(
            graph=self,  # type: ignore[arg-type] # a fake exchange stands in for a real one
            asking=self,  # type: ignore[arg-type] # only `vet` is asked for
            cookies=self.cookies,
            records=self.records,
            follower=self,  # type: ignore[arg-type] # only `follow` is asked for
            rules=MonitorRules("https://graph.microsoft.com", ("*.sharepoint.com",)),
            chance=lambda: 0.5,
            clock=self.clock,
            tasks=self.tasks,
            observer=self.observer,
        )

    async def open(self, outgoing: Outgoing, *, max_idle: float | None = None) -> FakeExchange:
        stored = await self.store.get(operation().id)
        self.sent.append(stored.state if stored else State.REJECTED)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def vet(self, url: str, *, credential: bool) -> None:
        if self.refused:
            raise AddressRefused

    def follow(self, record: Operation) -> None:
        self.followed.append(record)

    async def send(self) -> Submitted:
        assert await self.records.claim(operation(), replaces=None)
        (drive,) = dialects.enabled(["drive"])
        return await self.submission.send(operation(), CALL, drive, OUTGOING)

    async def stored(self) -> Operation | None:
        return await self.store.get(operation().id)


def same(one: object, other: object) -> bool:
    return one is other


def play(world: Callable[[], World], story: Callable[[World], Awaitable[None]]) -> None:
    async def body() -> None:
        made = world()
        await story(made)
        await made.tasks.cancel()

    asyncio.run(body())


def test_the_record_is_submitting_before_the_first_byte_and_running_before_anybody_hears() -> None:
    async def story(world: World) -> None:
        submitted = await world.send()
        assert world.sent == [State.SUBMITTING]
        stored = await world.stored()
        assert stored == submitted.operation
        assert stored.state is State.RUNNING
        assert stored.request_ids == ((b"request-id", b"r1"),)
        assert world.followed == [stored]
        assert submitted.exchange is None

    play(lambda: World(FakeExchange(202, ACCEPTED)), story)


@pytest.mark.parametrize("status", [200, 201, 400, 401, 409, 423, 429, 503, 507])
def test_an_ordinary_reply_is_passed_on_and_the_claim_is_dropped(status: int) -> None:
    async def story(world: World) -> None:
        submitted = await world.send()
        assert submitted.operation.state is State.REJECTED
        assert same(submitted.exchange, world.says)
        assert await world.stored() is None
        assert world.followed == []

    play(lambda: World(FakeExchange(status)), story)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_reply_that_says_nothing_leaves_the_outcome_unknown_and_is_passed_on(status: int) -> None:
    async def story(world: World) -> None:
        submitted = await world.send()
        assert same(submitted.exchange, world.says)
        stored = await world.stored()
        assert stored is not None
        assert stored.state is State.UNKNOWN

    play(lambda: World(FakeExchange(status)), story)


@pytest.mark.parametrize("failure", [UpstreamSilent, UpstreamBroken, UpstreamMalformed])
def test_a_post_that_was_cut_short_leaves_the_outcome_unknown(failure: type[Exception]) -> None:
    async def story(world: World) -> None:
        submitted = await world.send()
        assert isinstance(submitted.failure, OutcomeUnknown)
        stored = await world.stored()
        assert stored is not None
        assert stored.state is State.UNKNOWN

    play(lambda: World(failure()), story)


def test_where_nothing_was_sent_the_claim_is_dropped() -> None:
    async def story(world: World) -> None:
        submitted = await world.send()
        assert isinstance(submitted.failure, NothingSent)
        assert await world.stored() is None

    play(lambda: World(UpstreamUnreachable("connection_refused")), story)


@pytest.mark.parametrize(("headers", "refused"), [(ACCEPTED, True), ((), False)])
def test_a_202_that_cannot_be_followed_is_passed_on_and_remembered_until_it_has_arrived(
    headers: Headers,
    refused: bool,  # noqa: FBT001 - a parameter of the test's table
) -> None:
    async def story(world: World) -> None:
        submitted = await world.send()
        assert same(submitted.exchange, world.says)
        assert world.followed == []
        stored = await world.stored()
        assert stored is not None
        assert (stored.state, stored.monitor) == (State.UNKNOWN, None)
        await world.records.apply(stored, events.HandedOver())
        assert await world.stored() is None

    play(lambda: World(FakeExchange(202, headers), refused=refused), story)


def test_a_bug_leaves_the_outcome_unknown_and_no_connection_open() -> None:
    async def story(world: World) -> None:
        with pytest.raises(AttributeError):
            await world.send()
        stored = await world.stored()
        assert stored is not None
        assert stored.state is State.UNKNOWN
        assert isinstance(world.says, FakeExchange)
        assert world.says.closed

    broken: Headers = ((b"Location", 7),)  # type: ignore[assignment] # what no upstream can send
    play(lambda: World(FakeExchange(202, broken)), story)


class TestStoreDown:
    def test_before_the_post_nothing_is_sent_and_the_claim_is_withdrawn_when_it_is_back(self) -> None:
        async def story(world: World) -> None:
            world.store.down = 3
            submitted = await world.send()
            assert isinstance(submitted.failure, StoreUnavailable)
            assert world.sent == []
            await settle()
            await world.clock.advance(3)
            assert await world.stored() is None

        play(lambda: World(FakeExchange(202, ACCEPTED)), story)

    def test_after_the_post_what_the_upstream_said_is_kept_until_it_is_back(self) -> None:
        async def story(world: World) -> None:
            original = world.open

            async def down_from_now_on(outgoing: Outgoing, *, max_idle: float | None = None) -> FakeExchange:
                world.store.down = 3
                return await original(outgoing, max_idle=max_idle)

            world.open = down_from_now_on  # type: ignore[method-assign] # the store fails at the worst moment
            sending = asyncio.gather(world.send())
            await settle()
            assert not sending.done()
            assert "store_down" in world.observer.events
            await world.clock.advance(5)
            (submitted,) = await sending
            assert submitted.operation.state is State.RUNNING
            assert len(world.sent) == 1

        play(lambda: World(FakeExchange(202, ACCEPTED)), story)


def test_a_submission_that_is_cancelled_leaves_the_outcome_unknown() -> None:
    async def story(world: World) -> None:
        stuck = asyncio.Event()

        async def hang(outgoing: Outgoing, *, max_idle: float | None = None) -> FakeExchange:
            await stuck.wait()
            raise AssertionError

        world.open = hang  # type: ignore[method-assign] # the upstream never answers
        sending = asyncio.gather(world.send())
        await settle()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        stored = await world.stored()
        assert stored is not None
        assert stored.state is State.UNKNOWN
        with pytest.raises(lifecycle.IllegalTransition):
            await world.records.apply(stored, events.Sending())

    play(lambda: World(FakeExchange(202, ACCEPTED)), story)
