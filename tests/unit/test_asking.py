"""What goes along on the polls of a monitor that the upstream hosts, and what does not on any other."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from fakes.records import running

from gateway import headers
from gateway.asking import HEADERS, Asking
from gateway.auth import Caller, Vault
from gateway.auth.cookies import Cookies
from gateway.dialects.workbook import WORKBOOK
from gateway.model import Headers, Operation, Reply
from gateway.upstream import Asked, Exchange, Outgoing, Told

SESSION = (b"Workbook-Session-Id", b"cluster=1")
CALL: Headers = ((b"Authorization", b"Bearer a"), SESSION, (b"X-Mine", b"1"), (b"Cookie", b"c=1"))
HOSTED = running(monitor="https://graph/v1.0/operations/1", monitor_credential=True)
FOREIGN = running(number=2)


def caller(*, repeated: Headers = (SESSION,), token: bytes | None = b"Bearer a") -> Caller:
    return Caller("11" * 32, "22" * 32, token, repeated)


@dataclass
class Answered:
    status: int = 200
    headers: Headers = ()

    async def read(self, limit: int) -> tuple[bytes, bool]:
        return b"", False

    async def close(self) -> None:
        pass


@dataclass
class Listening:
    """Graph and a foreign monitor in one; remembers which lines it was sent."""

    host_header: bytes = b"graph"
    lines: list[Headers] = field(default_factory=list)

    async def open(self, outgoing: Outgoing, *, max_idle: float | None = None) -> Exchange:
        self.lines.append(outgoing.headers)
        return Answered()  # type: ignore[return-value] # as much of an exchange as is needed

    def begin(self, url: str, headers: Headers, told: Told) -> Asked | None:
        return None

    async def get(self, url: str, headers: Headers) -> Reply:
        self.lines.append(headers)
        return Reply(200)

    async def vet(self, url: str) -> None:
        pass


@dataclass
class Telling(Listening):
    """Is asked without being waited for, and tells at once."""

    says: Reply = field(default_factory=lambda: Reply(200))

    def begin(self, url: str, headers: Headers, told: Told) -> Asked | None:
        self.lines.append(headers)
        told(self.says)
        return None


class Cast:
    def __init__(self, *, own: bool = False) -> None:
        self.now = 0.0
        self.heard = Listening()
        self.vault = Vault(size=10, keep=100, monotonic=lambda: self.now)
        cookies = Cookies(size=1, keep=1, now=lambda: 0.0, monotonic=lambda: 0.0)
        self.asking = Asking(
            graph=self.heard,
            monitors=self.heard,
            vault=self.vault,
            cookies=cookies,
            max_body=1000,
            own_credential=own,
        )

    async def asked(self, operation: Operation = HOSTED) -> Headers:
        """The lines of one more poll, but for those of all polls."""
        await self.asking.ask(operation, str(operation.monitor))
        return tuple(line for line in self.heard.lines[-1] if line not in ((b"Host", b"graph"), *HEADERS))


def play(story: Callable[[Cast], Coroutine[Any, Any, None]], *, own: bool = False) -> None:
    asyncio.run(story(Cast(own=own)))


def test_a_dialect_says_which_lines_of_a_call_its_polls_repeat() -> None:
    assert headers.only(CALL, WORKBOOK.repeats) == (SESSION,)
    assert headers.only(CALL, frozenset()) == ()


def test_they_go_along_with_the_credential_that_was_lent() -> None:
    async def story(cast: Cast) -> None:
        cast.asking.lend(HOSTED, caller())
        assert await cast.asked() == (SESSION, (b"Authorization", b"Bearer a"))

    play(story)


def test_who_comes_back_without_them_leaves_them_as_they_were() -> None:
    async def story(cast: Cast) -> None:
        cast.asking.lend(HOSTED, caller())
        cast.asking.lend(HOSTED, Caller("11" * 32, "33" * 32, b"Bearer b"))
        assert await cast.asked() == (SESSION, (b"Authorization", b"Bearer b"))

    play(story)


def test_they_go_along_with_the_gateways_own_credential_too() -> None:
    async def story(cast: Cast) -> None:
        cast.asking.lend(HOSTED, caller(token=None))
        assert await cast.asked() == (SESSION,)

    play(story, own=True)


def test_they_go_to_no_other_origin_and_to_no_other_operation() -> None:
    async def story(cast: Cast) -> None:
        other = running(number=3, monitor=HOSTED.monitor, monitor_credential=True)
        for operation in (HOSTED, FOREIGN):
            cast.asking.lend(operation, caller())
        cast.asking.lend(other, caller(repeated=()))
        assert await cast.asked(FOREIGN) == ()
        assert await cast.asked(other) == ((b"Authorization", b"Bearer a"),)

    play(story)


@pytest.mark.parametrize("way", ["forgotten", "too old"])
def test_they_are_let_go_with_the_credentials(way: str) -> None:
    async def story(cast: Cast) -> None:
        cast.asking.lend(HOSTED, caller())
        if way == "forgotten":
            cast.vault.forget()
        cast.now = 101.0 if way == "too old" else 0.0
        assert await cast.asked() == ()

    play(story, own=True)


def test_they_are_not_shown() -> None:
    assert "cluster" not in repr(caller())


def test_cookies_that_a_begun_poll_was_told_go_along_on_the_next_one() -> None:
    heard = Telling(says=Reply(202, ((b"Set-Cookie", b"node=7"),)))
    cookies = Cookies(size=1, keep=100, now=lambda: 0.0, monotonic=lambda: 0.0)
    vault = Vault(size=10, keep=100, monotonic=lambda: 0.0)
    asking = Asking(graph=heard, monitors=heard, vault=vault, cookies=cookies, max_body=1000)
    told: list[Reply | Exception | None] = []
    for _ in range(2):
        asking.begin(FOREIGN, str(FOREIGN.monitor), told.append)
    assert heard.lines == [HEADERS, (*HEADERS, (b"Cookie", b"node=7"))]
    assert told == [heard.says] * 2
    asking.begin(HOSTED, str(HOSTED.monitor), told.append)
    assert len(heard.lines) == 2, "one that wants a credential is not begun"
