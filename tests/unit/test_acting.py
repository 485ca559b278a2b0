"""Requests upstream under the gateway's own credential: which line goes out, and what a 401 leads to."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from fakes.records import running

from gateway.acting import Acting
from gateway.asking import Asking, CredentialGone
from gateway.auth import Caller, Vault
from gateway.auth.cookies import Cookies
from gateway.errors import (
    CallerRefused,
    CredentialError,
    TokenUnavailable,
    UpstreamUnreachable,
)
from gateway.model import Headers, Reply
from gateway.upstream import Asked, Exchange, Outgoing, Told

CLAIMS = '{"access_token":{}}'
DEMAND = (
    b"WWW-Authenticate",
    b'Bearer error="insufficient_claims", claims="' + base64.b64encode(CLAIMS.encode()) + b'"',
)
MINE = (b"authorization", b"Bearer mine")
PLAIN: Headers = ((b"Host", b"graph"), MINE, (b"Via", b"1.1 lro-gateway"))


@dataclass
class FakeExchange:
    status: int
    headers: Headers = ()
    closed: bool = False

    async def read(self, limit: int) -> tuple[bytes, bool]:
        return b"", False

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeGraph:
    """Answers with the exchanges it was given, one after the other."""

    answers: list[FakeExchange]
    host_header: bytes = b"graph"
    sent: list[Outgoing] = field(default_factory=list)

    async def open(self, outgoing: Outgoing, **more: Any) -> Exchange:
        self.sent.append(outgoing)
        return self.answers[len(self.sent) - 1]  # type: ignore[return-value] # as much of one as is needed

    async def reach(self) -> None:
        pass


@dataclass
class FakeCredentials:
    """Gives `token`, and `other` in its place; an error is raised instead."""

    token: bytes | CredentialError = b"Bearer own"
    other: bytes | CredentialError | None = b"Bearer new"
    own: bool = True
    got: int = 0
    asked: list[tuple[bytes | None, bytes | None, str | None]] = field(default_factory=list)

    async def recognise(
        self, call_headers: Headers, transport: asyncio.BaseTransport | None
    ) -> Caller | None:
        return None

    async def authorization(self, presented: bytes | None) -> bytes:
        if isinstance(self.token, CredentialError):
            raise self.token
        return self.token

    async def replacement(self, presented: bytes | None, rejected: bytes, claims: str | None) -> bytes | None:
        self.asked.append((presented, rejected, claims))
        if isinstance(self.other, CredentialError):
            raise self.other
        return self.other

    async def keep(self) -> None:
        pass

    def close(self) -> None:
        pass


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def same(one: object, other: object) -> bool:
    return one is other


def sent(outgoing: Outgoing) -> list[bytes]:
    return [value for name, value in outgoing.headers if name.lower() == b"authorization"]


@pytest.mark.parametrize(
    "lines", [PLAIN, PLAIN[:1], (*PLAIN, (b"AUTHORIZATION", b"Basic x"))], ids=["one", "none", "two"]
)
def test_the_callers_line_is_replaced(lines: Headers) -> None:
    async def story() -> None:
        graph = FakeGraph([FakeExchange(200)])
        acting = Acting(graph=graph, credentials=FakeCredentials())
        await acting.open(Outgoing("GET", "/", lines, None))
        assert sent(graph.sent[0]) == [b"Bearer own"]
        assert len(graph.sent) == 1

    run(story)


@pytest.mark.parametrize("body", [None, b"", b"body"])
def test_a_401_is_tried_once_more(body: bytes | None) -> None:
    async def story() -> None:
        answers = [FakeExchange(401, (DEMAND,)), FakeExchange(401)]
        graph, credentials = FakeGraph(answers), FakeCredentials()
        exchange = await Acting(graph=graph, credentials=credentials).open(Outgoing("POST", "/", PLAIN, body))
        assert same(exchange, answers[1])
        assert [sent(outgoing) for outgoing in graph.sent] == [[b"Bearer own"], [b"Bearer new"]]
        assert [outgoing.body for outgoing in graph.sent] == [body, body]
        assert credentials.asked == [(b"Bearer mine", b"Bearer own", CLAIMS)]
        assert (answers[0].closed, answers[1].closed) == (True, False)

    run(story)


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404, 429, 500, 503])
def test_nothing_else_is(status: int) -> None:
    async def story() -> None:
        graph = FakeGraph([FakeExchange(status)])
        exchange = await Acting(graph=graph, credentials=FakeCredentials()).open(
            Outgoing("POST", "/", PLAIN, b"")
        )
        assert (exchange.status, len(graph.sent)) == (status, 1)

    run(story)


@pytest.mark.parametrize("other", [None, TokenUnavailable("status_503"), CredentialError("AADSTS7000215")])
def test_without_another_token_the_401_stands(other: bytes | CredentialError | None) -> None:
    async def story() -> None:
        answer = FakeExchange(401)
        graph = FakeGraph([answer])
        acting = Acting(graph=graph, credentials=FakeCredentials(other=other))
        exchange = await acting.open(Outgoing("POST", "/", PLAIN, b""))
        assert same(exchange, answer)
        assert (answer.closed, len(graph.sent)) == (False, 1)

    run(story)


def test_what_the_user_has_to_do_is_told() -> None:
    async def story() -> None:
        answer = FakeExchange(401)
        credentials = FakeCredentials(other=CallerRefused("AADSTS50076"))
        with pytest.raises(CallerRefused) as caught:
            await Acting(graph=FakeGraph([answer]), credentials=credentials).open(
                Outgoing("POST", "/", PLAIN, b"")
            )
        assert caught.value.answered
        assert answer.closed

    run(story)


def test_a_body_that_was_streamed_is_gone() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async def story() -> None:
        answer = FakeExchange(401)
        graph, credentials = FakeGraph([answer]), FakeCredentials()
        exchange = await Acting(graph=graph, credentials=credentials).open(
            Outgoing("PUT", "/", PLAIN, pieces())
        )
        assert same(exchange, answer)
        assert (answer.closed, len(graph.sent), len(credentials.asked)) == (False, 1, 1)

    run(story)


def test_without_a_token_nothing_is_sent() -> None:
    async def story() -> None:
        graph, credentials = FakeGraph([]), FakeCredentials(token=TokenUnavailable("timeout"))
        with pytest.raises(TokenUnavailable) as caught:
            await Acting(graph=graph, credentials=credentials).open(Outgoing("POST", "/", PLAIN, b""))
        assert not caught.value.answered
        assert graph.sent == []

    run(story)


# --- monitors that the upstream hosts --------------------------------------------------------------------

HOSTED = running(monitor="https://graph/v1.0/operations/1", monitor_credential=True)


class NoMonitors:
    """Nobody on another origin is asked here."""

    def begin(self, url: str, headers: Headers, told: Told) -> Asked | None:
        return None

    async def get(self, url: str, headers: Headers) -> Reply:
        raise AssertionError(url)

    async def vet(self, url: str) -> None:
        raise AssertionError(url)


def asking(graph: FakeGraph, credentials: FakeCredentials, vault: Vault) -> Asking:
    return Asking(
        graph=Acting(graph=graph, credentials=credentials),
        monitors=NoMonitors(),
        vault=vault,
        cookies=Cookies(size=1, keep=1, now=lambda: 0.0, monotonic=lambda: 0.0),
        max_body=1000,
        own_credential=credentials.own,
    )


def empty() -> Vault:
    return Vault(size=10, keep=100, monotonic=lambda: 0.0)


def test_an_application_asks_them_without_any_caller() -> None:
    async def story() -> None:
        graph = FakeGraph([FakeExchange(200)])
        asks = asking(graph, FakeCredentials(), empty())
        assert asks.may_ask(HOSTED)
        assert (await asks.ask(HOSTED, str(HOSTED.monitor))).status == 200
        assert sent(graph.sent[0]) == [b"Bearer own"]

    run(story)


def test_on_behalf_of_a_caller_who_is_gone_they_are_not_asked() -> None:
    async def story() -> None:
        asks = asking(FakeGraph([]), FakeCredentials(own=False), empty())
        assert not asks.may_ask(HOSTED)
        with pytest.raises(CredentialGone):
            await asks.ask(HOSTED, str(HOSTED.monitor))

    run(story)


def test_a_callers_token_that_entra_does_not_take_any_more_is_given_back() -> None:
    async def story() -> None:
        vault = empty()
        credentials = FakeCredentials(own=False, token=CallerRefused("AADSTS500133"))
        asks = asking(FakeGraph([]), credentials, vault)
        asks.lend(HOSTED, Caller("11" * 32, "22" * 32, b"Bearer mine"))
        assert asks.may_ask(HOSTED)
        with pytest.raises(CredentialGone):
            await asks.ask(HOSTED, str(HOSTED.monitor))
        assert not asks.may_ask(HOSTED)

    run(story)


def test_while_entra_is_down_they_are_asked_again_later() -> None:
    async def story() -> None:
        credentials = FakeCredentials(token=TokenUnavailable("status_503"))
        with pytest.raises(UpstreamUnreachable, match="status_503"):
            await asking(FakeGraph([]), credentials, empty()).ask(HOSTED, str(HOSTED.monitor))

    run(story)
