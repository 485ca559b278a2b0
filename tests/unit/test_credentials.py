"""Who calls, and what goes upstream for it, in the modes in which the gateway has credentials of its own."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from fakes.clock import FakeClock, settle

from gateway.auth import caller_of
from gateway.auth.credentials import AGAIN, SKEW, OfApplication, OnBehalf, credentials_for, local
from gateway.auth.tokens import AHEAD, FAILED, Grant, Tokens, Wish
from gateway.config import Auth
from gateway.errors import CallerRefused, CredentialError, TokenUnavailable
from gateway.model import Headers
from gateway.tasks import Tasks

LIFE = 3600.0


@dataclass
class Issuer:
    """Answers with a token, or the error that is next."""

    errors: list[CredentialError] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    closed: bool = False

    async def fetch(self, wish: Wish) -> Grant:
        self.wishes.append(wish)
        if self.errors:
            raise self.errors.pop(0)
        return Grant(f"t{len(self.wishes)}", LIFE)

    def close(self) -> None:
        self.closed = True


@dataclass
class Bench:
    issuer: Issuer
    clock: FakeClock
    tasks: Tasks
    tokens: Tokens

    def on_behalf(self) -> OnBehalf:
        return OnBehalf(
            tokens=self.tokens, clock=self.clock, authorize_url="https://l.example/a", close=self.issuer.close
        )

    def of_application(self, principal: Callable[..., str] = local) -> OfApplication:
        return OfApplication(
            tokens=self.tokens, clock=self.clock, principal=principal, close=self.issuer.close
        )


def run(story: Callable[[Bench], Awaitable[None]]) -> None:
    async def play() -> None:
        clock, tasks, issuer = FakeClock(), Tasks(), Issuer()
        tokens = Tokens(
            fetch=issuer.fetch,
            clock=clock,
            tasks=tasks,
            tell=lambda name, **facts: None,
            spare=30.0,
            patience=60.0,
        )
        await story(Bench(issuer, clock, tasks, tokens))
        await tasks.cancel()

    asyncio.run(play())


def assertion(**claims: object) -> bytes:
    said = {"tid": "t", "oid": "ana", "appid": "a"} | claims
    body = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=")
    return b"Bearer e30." + body + b".c2ln"


def lines(authorization: bytes) -> Headers:
    return ((b"Authorization", authorization),)


class TestOnBehalf:
    def test_a_caller_is_who_its_token_says_once_entra_has_taken_it(self) -> None:
        async def story(bench: Bench) -> None:
            credentials, token = bench.on_behalf(), assertion()
            caller = await credentials.recognise(lines(token), None)
            assert caller == caller_of(lines(token))
            assert bench.issuer.wishes == [Wish(token.removeprefix(b"Bearer ").decode())]
            bench.issuer.errors = [CallerRefused("AADSTS50013")]
            with pytest.raises(CallerRefused, match="AADSTS50013"):
                await credentials.recognise(lines(assertion(oid="forged")), None)

        run(story)

    def test_one_that_is_over_is_refused_though_what_was_got_for_it_is_good(self) -> None:
        async def story(bench: Bench) -> None:
            credentials = bench.on_behalf()
            token = assertion(exp=bench.clock.now() + 60)
            await credentials.recognise(lines(token), None)
            await bench.clock.advance(60 + SKEW)
            await credentials.recognise(lines(token), None)
            await bench.clock.advance(1)
            with pytest.raises(CallerRefused, match="expired") as caught:
                await credentials.recognise(lines(token), None)
            assert caught.value.challenge.endswith(
                b'authorization_uri="https://l.example/a", error="invalid_token"'
            )
            assert await credentials.authorization(token) == b"Bearer t1", "the operation it started goes on"
            assert len(bench.issuer.wishes) == 1

        run(story)

    def test_whoever_has_none_is_nobody(self) -> None:
        async def story(bench: Bench) -> None:
            assert await bench.on_behalf().recognise((), None) is None
            assert bench.issuer.wishes == []

        run(story)

    @pytest.mark.parametrize(
        "junk", [None, b"", b"Bearer", b"Bearer ", b"Bearer a.b", b"Basic a.b.c", b"Bearer \xff.\xff.\xff"]
    )
    def test_what_is_no_assertion_is_not_shown_to_entra(self, junk: bytes | None) -> None:
        async def story(bench: Bench) -> None:
            with pytest.raises(CallerRefused, match="no token"):
                await bench.on_behalf().authorization(junk)
            assert bench.issuer.wishes == []

        run(story)

    def test_each_token_has_its_own(self) -> None:
        async def story(bench: Bench) -> None:
            credentials = bench.on_behalf()
            one, other = assertion(oid="ana"), assertion(oid="ben")
            assert [await credentials.authorization(token) for token in (one, other, one)] == [
                b"Bearer t1",
                b"Bearer t2",
                b"Bearer t1",
            ]
            assert await credentials.authorization(b"bearer  " + one.removeprefix(b"Bearer ")) == b"Bearer t1"

        run(story)

    def test_a_replacement_asks_for_what_was_demanded(self) -> None:
        async def story(bench: Bench) -> None:
            credentials, token = bench.on_behalf(), assertion()
            first = await credentials.authorization(token)
            assert await credentials.replacement(token, first, '{"a":1}') == b"Bearer t2"
            assert bench.issuer.wishes[1] == Wish(
                token.removeprefix(b"Bearer ").decode(), '{"a":1}', forced=True
            )

        run(story)


class TestOfApplication:
    def test_callers_are_told_apart_by_name(self) -> None:
        async def story(bench: Bench) -> None:
            credentials = bench.of_application(lambda transport, said: said[0][1].decode())
            ana, ben = [await credentials.recognise(lines(name), None) for name in (b"ana", b"ben")]
            assert ana.principal != ben.principal
            assert ana == await credentials.recognise(lines(b"ana"), None)
            assert (ana.credential, ana.authorization) == (ana.principal, None)
            assert len(bytes.fromhex(ana.principal)) == 32, "as long as any other, for tickets"
            assert await credentials.authorization(b"Bearer of-anas") == b"Bearer t1"
            assert await credentials.authorization(None) == b"Bearer t1"

        run(story)

    def test_a_token_is_kept_ready(self) -> None:
        async def story(bench: Bench) -> None:
            credentials = bench.of_application()
            bench.issuer.errors = [TokenUnavailable("timeout"), CredentialError("AADSTS7000215")]
            bench.tasks.start("keep", credentials.keep())
            await settle()
            for asked, pause in ((1, FAILED), (2, 2 * FAILED), (3, LIFE - AHEAD), (4, LIFE - AHEAD)):
                assert len(bench.issuer.wishes) == asked
                await bench.clock.advance(pause - 1)
                assert len(bench.issuer.wishes) == asked
                await bench.clock.advance(1)
            bench.issuer.errors = [TokenUnavailable("timeout")] * 20
            await bench.clock.advance(LIFE)
            asked = len(bench.issuer.wishes)
            await bench.clock.advance(AGAIN)
            assert len(bench.issuer.wishes) - asked <= 1
            bench.issuer.errors.clear()
            await bench.clock.advance(AGAIN)
            asked = len(bench.issuer.wishes)
            assert await credentials.authorization(None) == b"Bearer t%d" % asked
            assert len(bench.issuer.wishes) == asked

        run(story)

    def test_closing_lets_go_of_it(self) -> None:
        async def story(bench: Bench) -> None:
            credentials = bench.of_application()
            await credentials.authorization(None)
            credentials.close()
            assert bench.issuer.closed
            assert await credentials.authorization(None) == b"Bearer t2"

        run(story)


def test_in_passthrough_there_are_none() -> None:
    assert credentials_for(Auth(), clock=FakeClock(), tasks=Tasks(), tell=lambda name, **facts: None) is None
