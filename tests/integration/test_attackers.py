"""Callers that mean to stay: hundreds at a time, of each kind, while somebody else is served.

Each kind holds a connection in another way, and each is closed by the deadline of that way. What is waited for is the
end of every connection; a deadline that is missing shows as a story that never ends.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from fakes.caller import Caller
from fakes.origin import Line
from fakes.papers import Papers
from passage import SHIPPED, Passage, passing, turn

from gateway.http import connection
from gateway.tasks import Tasks

MANY = 300
PIECE = b"x" * 50_000
LONG = PIECE * 120
"""More than the buffers of one connection hold; the kernel's alone may take 4 MiB."""

GET = b"GET /short HTTP/1.1\r\nHost: g\r\n\r\n"
COPY = b"POST /v1.0/me/drive/items/A/copy HTTP/1.1\r\nHost: g\r\nContent-Length: 1000\r\n\r\n"

Attack = Callable[[Caller], Coroutine[Any, Any, None]]


async def serving(line: Line) -> None:
    """An upstream that takes uploads, and has a long answer for whoever wants one."""
    while True:
        head = await line.head()
        if head.target == b"/long":
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LONG))
            for _ in range(len(LONG) // len(PIECE)):
                await line.send(PIECE)
        elif head.method == b"PUT":
            await line.ended()
            return
        else:
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def trickle(caller: Caller) -> None:
    """Send a byte now and then, for as long as anybody takes it."""
    while not caller.writer.is_closing():
        await passed(0.05)
        if not caller.writer.is_closing():
            with suppress(ConnectionError):
                await caller.send(b"y")


async def passed(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    pause = loop.create_future()
    loop.call_later(seconds, pause.set_result, None)
    await pause


async def nothing(caller: Caller) -> None:
    """Connect and wait."""


async def slow_head(caller: Caller) -> None:
    await caller.send(b"GET /x HTTP/1.1\r\nHost: g\r\nX: ")
    await trickle(caller)


async def slow_body(caller: Caller) -> None:
    """Never pauses for long, and never ends."""
    await caller.send(b"PUT /x HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\n")
    await trickle(caller)


async def paused_body(caller: Caller) -> None:
    await caller.send(b"PUT /x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")


async def slow_copy(caller: Caller) -> None:
    """A body that has to be read whole before anything is sent."""
    await caller.send(COPY)
    await trickle(caller)


async def slow_reader(caller: Caller) -> None:
    """Asks for much and reads a little of it now and then."""
    await caller.send(b"GET /long HTTP/1.1\r\nHost: g\r\n\r\n")
    with suppress(ConnectionError):
        while await caller.reader.read(512):
            await passed(0.05)


async def idle(caller: Caller) -> None:
    """One call, and then none."""
    await caller.send(GET)


@asynccontextmanager
async def probed(passage: Passage, tls: ssl.SSLContext | None) -> AsyncIterator[list[float]]:
    """Somebody with an honest call after the other; yields how long each took."""
    took: list[float] = []
    loop = asyncio.get_running_loop()

    async def probe() -> None:
        while True:
            began = loop.time()
            caller = await passage.caller(tls=tls)
            assert (await caller.ask(GET)).status == 200
            await caller.close()
            passage.callers.remove(caller)
            took.append(loop.time() - began)
            await turn()

    tasks = Tasks()
    probing = tasks.start("probe", probe())
    try:
        yield took
        seen = len(took)
        while len(took) == seen and not probing.done():
            await turn()
    finally:
        await tasks.cancel()
    if not probing.cancelled():
        probing.result()


async def attacked(
    passage: Passage, attack: Attack, count: int, tls: ssl.SSLContext | None = None, *, handshake: bool = True
) -> list[float]:
    """Let that many attack until the last of them is closed; how long each honest call took meanwhile."""
    tasks = Tasks()
    reading = attack is slow_reader
    turns = asyncio.Semaphore(4)

    async def stay() -> None:
        async with turns:  # or the last handshakes would be as slow as an attacker's
            caller = await passage.caller(slow=reading, tls=tls if handshake else None)
        if reading:
            await attack(caller)
        else:
            acting = tasks.start("attacker", attack(caller))
            await caller.ended()
        await caller.close()
        if not reading:
            await acting

    async with probed(passage, tls) as took:
        await asyncio.gather(*(stay() for _ in range(count)))
        while passage.gateway.callers.connections > 1:  # the honest one's
            await turn()
    return took


LIMITS: dict[str, Any] = {
    "connections": 1000,
    "header_read": 0.7,
    "body_read": 0.5,
    "response_write": 0.5,
    "idle": 1.2,  # from the connection's beginning, too: later than `header_read`
    "min_upload_rate": 1000,
}


@pytest.fixture(autouse=True)
def _in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the deadlines are shorter here than by default, so is the moment for reading our last word."""
    monkeypatch.setattr(connection, "LINGER", 0.1)


@pytest.mark.parametrize(
    ("attack", "ending"),
    [
        (nothing, None),
        (slow_head, ("refused", 408, "header")),
        (slow_body, ("forward", 408, "upload rate")),
        (paused_body, ("forward", 408, "body|upload rate")),
        (slow_copy, ("forward", 408, "BodyTimeout")),
        (slow_reader, ("forward", 200, "aborted")),
        (idle, ("forward", 200, "answered")),
    ],
)
def test_nobody_stays_longer_than_the_limit(attack: Attack, ending: tuple[str, int, str] | None) -> None:
    async def story(passage: Passage) -> None:
        took = await attacked(passage, attack, MANY)
        assert took, "nobody else was served meanwhile"
        ends = [(call.route, call.status, call.outcome) for call in passage.observer.calls]
        as_meant = [
            end
            for end in ends
            if ending is not None and end[:2] == ending[:2] and end[2] in ending[2].split("|")
        ]
        if ending is None:
            assert [facts["reason"] for name, facts in passage.observer.told if name == "turned_away"] == [
                "no_request"
            ] * MANY
        else:
            assert len(as_meant) >= MANY, Counter(ends)
        assert ends.count(("forward", 200, "answered")) >= len(took)

    passing(story, serving, loops=SHIPPED, limits=LIMITS)


@pytest.mark.parametrize(
    ("attack", "header_read", "reason"),
    [(nothing, 1.0, "tls_late"), (nothing, 1.0, "no_request"), (slow_body, 30.0, None)],
)
def test_nor_over_tls(tmp_path: Path, attack: Attack, header_read: float, reason: str | None) -> None:
    house = Papers(tmp_path, "house")
    server = house.issue("gateway", addresses=["127.0.0.1"])
    files = {"certificate_file": server.certificate, "private_key_file": server.key}

    async def story(passage: Passage) -> None:
        took = await attacked(passage, attack, MANY, house.client(), handshake=reason != "tls_late")
        assert took, "nobody else was served meanwhile"
        reasons = [facts["reason"] for name, facts in passage.observer.told if name == "turned_away"]
        assert reasons == ([reason] * MANY if reason is not None else [])

    passing(
        story,
        serving,
        loops=SHIPPED,
        listen={"tls": files},
        limits={**LIMITS, "header_read": header_read, "idle": 30.0},
    )


def test_an_upload_that_waits_for_the_upstream_is_not_slow() -> None:
    """The caller has sent what was asked of it; that nobody took more is not its doing."""
    let = False

    async def script(line: Line) -> None:
        await line.head()
        await line.origin.until(lambda: let)
        assert await line.reader.readexactly(len(LONG) * 4) == LONG * 4
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def story(passage: Passage) -> None:
        nonlocal let
        let = False
        caller = await passage.caller()
        caller.writer.write(
            b"PUT /x HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % (4 * len(LONG)) + LONG * 4
        )
        loop = asyncio.get_running_loop()
        await passage.origin.until(lambda: len(passage.origin.heads) == 1)
        until = loop.time() + 2.0  # twice body_read, of which a machine that is busy may need some itself
        while loop.time() < until:
            await turn()
        let = True
        passage.origin.stir()
        assert (await caller.answer()).status == 200

    rate = 1_000_000_000  # whatever is waited for is too slow
    passing(story, script, limits={"body_read": 1.0, "min_upload_rate": rate, "response_write": 30.0})
