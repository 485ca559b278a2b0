"""Tokens are asked for once, renewed before they end, and never make anybody wait who has one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from fakes.clock import FakeClock, settle

from gateway.auth.tokens import AHEAD, FAILED, FORCED, LONGEST_FAILED, Grant, Tokens, Wish
from gateway.errors import CallerRefused, CredentialError, TokenUnavailable
from gateway.tasks import Tasks

SPARE = 30.0
PLAIN = Wish()
FORCE = Wish(forced=True)


@dataclass
class Issuer:
    """Gives `t1`, `t2`, … or raises what it was told to; waits while `open` is cleared."""

    life: float = 3600.0
    refresh_in: float | None = None
    wishes: list[Wish] = field(default_factory=list)
    failures: list[CredentialError] = field(default_factory=list)
    same: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, wish: Wish) -> Grant:
        self.wishes.append(wish)
        number = 1 if self.same else len(self.wishes)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return Grant(f"t{number}", self.life, self.refresh_in)


@dataclass
class Bench:
    issuer: Issuer
    tokens: Tokens
    clock: FakeClock
    tasks: Tasks
    told: list[str]
    crashes: list[str]


def run(
    story: Callable[[Bench], Awaitable[None]],
    *,
    life: float = 3600.0,
    refresh_in: float | None = None,
    spare: float = SPARE,
    patience: float = 60.0,
) -> None:
    async def play() -> None:
        clock = FakeClock()
        told: list[str] = []
        crashes: list[str] = []
        tasks = Tasks(on_crash=lambda name, _: crashes.append(name))
        issuer = Issuer(life, refresh_in)
        issuer.gate.set()
        tokens = Tokens(
            fetch=issuer.fetch,
            clock=clock,
            tasks=tasks,
            tell=lambda name, **facts: told.append(f"{name} {facts['reason']}"),
            spare=spare,
            patience=patience,
        )
        await story(Bench(issuer, tokens, clock, tasks, told, crashes))
        await tasks.settle()
        assert crashes == []

    asyncio.run(play())


def test_a_token_is_asked_for_once_however_many_want_it() -> None:
    async def story(bench: Bench) -> None:
        bench.issuer.gate.clear()
        waiting = [bench.tasks.start("call", bench.tokens.get("a", PLAIN)) for _ in range(20)]
        other = bench.tasks.start("call", bench.tokens.get("b", PLAIN))
        await settle()
        waiting[0].cancel()  # one leaves, and takes nothing along
        bench.issuer.gate.set()
        assert {await call for call in waiting[1:]} == {b"Bearer t1"}
        assert await other == b"Bearer t2"
        assert await bench.tokens.get("a", PLAIN) == b"Bearer t1"
        assert len(bench.issuer.wishes) == 2

    run(story)


@pytest.mark.parametrize(
    ("life", "refresh_in", "renewed_at"),
    [
        (3600, None, 3600 - AHEAD),
        (3600, 1000.0, 1000),
        (86_400, None, 43_200),
        (400, None, 200),
        (3600, 9999.0, 3600 - AHEAD),
        (3600, -5.0, 3600 - AHEAD),
    ],
)
def test_it_is_renewed_in_the_background(life: float, refresh_in: float | None, renewed_at: float) -> None:
    async def story(bench: Bench) -> None:
        await bench.tokens.get("a", PLAIN)
        bench.issuer.gate.clear()
        await bench.clock.advance(renewed_at - 1)
        assert await bench.tokens.get("a", PLAIN) == b"Bearer t1"
        await settle()
        assert len(bench.issuer.wishes) == 1
        await bench.clock.advance(1)
        for _ in range(3):
            assert await bench.tokens.get("a", PLAIN) == b"Bearer t1", "nobody waits while it is good"
            await settle()
        assert len(bench.issuer.wishes) == 2
        bench.issuer.gate.set()
        await settle()
        assert await bench.tokens.get("a", PLAIN) == b"Bearer t2"

    run(story, life=life, refresh_in=refresh_in)


def test_a_renewal_that_fails_leaves_the_token_until_its_end() -> None:
    async def story(bench: Bench) -> None:
        await bench.tokens.get("a", PLAIN)
        bench.issuer.failures = [TokenUnavailable("status_503")] * 2
        await bench.clock.advance(3600 - AHEAD)
        for _ in range(3):
            assert await bench.tokens.get("a", PLAIN) == b"Bearer t1"
            await settle()
        assert bench.told == ["credential_trouble status_503"]
        await bench.clock.advance(AHEAD - SPARE)
        with pytest.raises(TokenUnavailable):
            await bench.tokens.get("a", PLAIN)

    run(story)


def test_what_is_kept_until_five_minutes_before_its_end() -> None:
    async def story(bench: Bench) -> None:
        await bench.tokens.get("a", PLAIN)
        bench.issuer.gate.clear()
        await bench.clock.advance(3299)
        assert await bench.tokens.get("a", PLAIN) == b"Bearer t1"
        await bench.clock.advance(1)
        call = bench.tasks.start("call", bench.tokens.get("a", PLAIN))
        await settle()
        assert not call.done()
        bench.issuer.gate.set()
        assert await call == b"Bearer t2"

    run(story, spare=300.0)


class TestFailure:
    def test_it_answers_for_a_while(self) -> None:
        async def story(bench: Bench) -> None:
            bench.issuer.failures = [CallerRefused("AADSTS500133", challenge=b"Bearer x")]
            for _ in range(3):
                with pytest.raises(CallerRefused) as caught:
                    await bench.tokens.get("a", PLAIN)
                assert (caught.value.reason, caught.value.challenge) == ("AADSTS500133", b"Bearer x")
                await bench.clock.advance(FAILED / 4)
            assert len(bench.issuer.wishes) == 1
            await bench.clock.advance(FAILED / 4)
            assert await bench.tokens.get("a", PLAIN) == b"Bearer t2"
            assert bench.told == ["credential_trouble AADSTS500133"]

        run(story)

    @pytest.mark.parametrize(
        ("wish", "pause"), [(None, FAILED), (20, 20.0), (9999, LONGEST_FAILED), (0, FAILED)]
    )
    def test_as_long_as_the_issuer_wants(self, wish: int | None, pause: float) -> None:
        async def story(bench: Bench) -> None:
            bench.issuer.failures = [TokenUnavailable("status_429", retry_after=wish)]
            with pytest.raises(TokenUnavailable):
                await bench.tokens.get("a", PLAIN)
            await bench.clock.advance(pause - 0.5)
            with pytest.raises(TokenUnavailable) as caught:
                await bench.tokens.get("a", PLAIN)
            assert caught.value.retry_after == 1
            await bench.clock.advance(0.5)
            assert await bench.tokens.get("a", PLAIN) == b"Bearer t2"

        run(story)

    def test_an_issuer_that_does_not_answer(self) -> None:
        async def story(bench: Bench) -> None:
            bench.issuer.gate.clear()
            with pytest.raises(TokenUnavailable, match="timeout"):
                await bench.tokens.get("a", PLAIN)

        run(story, patience=0.01)

    def test_a_bug_is_seen_by_all(self) -> None:
        async def story(bench: Bench) -> None:
            bench.issuer.fetch = None  # type: ignore[method-assign,assignment] # so that calling it is a bug
            bench.tokens._fetch = bench.issuer.fetch
            with pytest.raises(TypeError):
                await bench.tokens.get("a", PLAIN)
            assert bench.crashes == ["get a token"]
            bench.crashes.clear()

        run(story)


class TestTurnedDown:
    def test_it_is_replaced_once(self) -> None:
        async def story(bench: Bench) -> None:
            old = await bench.tokens.get("a", PLAIN)
            bench.issuer.gate.clear()
            calls = [bench.tasks.start("call", bench.tokens.replace("a", FORCE, old)) for _ in range(5)]
            await settle()
            bench.issuer.gate.set()
            assert {await call for call in calls} == {b"Bearer t2"}
            assert bench.issuer.wishes == [PLAIN, FORCE]
            assert await bench.tokens.replace("a", FORCE, old) == b"Bearer t2", "somebody was faster"
            assert await bench.tokens.get("a", PLAIN) == b"Bearer t2"

        run(story)

    def test_not_over_and_over(self) -> None:
        async def story(bench: Bench) -> None:
            token = await bench.tokens.get("a", PLAIN)
            second = await bench.tokens.replace("a", FORCE, token)
            assert second == b"Bearer t2"
            assert await bench.tokens.replace("a", FORCE, second) is None
            await bench.clock.advance(FORCED)
            assert await bench.tokens.replace("a", FORCE, second) == b"Bearer t3"

        run(story)

    def test_the_same_one_again_is_none(self) -> None:
        async def story(bench: Bench) -> None:
            bench.issuer.same = True
            token = await bench.tokens.get("a", PLAIN)
            assert await bench.tokens.replace("a", FORCE, token) is None

        run(story)

    def test_why_there_is_none_is_told_to_the_next_one_too(self) -> None:
        async def story(bench: Bench) -> None:
            token = await bench.tokens.get("a", PLAIN)
            bench.issuer.failures = [CallerRefused("AADSTS50076")]
            for _ in range(2):
                with pytest.raises(CallerRefused, match="AADSTS50076"):
                    await bench.tokens.replace("a", FORCE, token)
            assert len(bench.issuer.wishes) == 2

        run(story)


def test_the_keeper_hears_when_to_come_again() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.tokens.renew("a", PLAIN) == 3600 - AHEAD
        assert await bench.tokens.renew("a", PLAIN) == 3600 - AHEAD
        await bench.clock.advance(3600 - AHEAD)
        assert await bench.tokens.renew("a", PLAIN) == 3600 - AHEAD
        assert len(bench.issuer.wishes) == 2

    run(story)


def test_who_waits_while_the_gateway_stops_is_told_so() -> None:
    async def story(bench: Bench) -> None:
        bench.issuer.gate.clear()
        call = asyncio.get_running_loop().create_task(bench.tokens.get("a", PLAIN))
        await settle()
        await bench.tasks.cancel()
        with pytest.raises(TokenUnavailable, match="stopping"):
            await call

    run(story)


def test_nothing_shows_a_token() -> None:
    for value in (Wish("canary", "canary"), Grant("canary", 1.0)):
        assert "canary" not in repr(value)
