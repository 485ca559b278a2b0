r"""A gateway between a caller and an upstream that both speak in exact bytes.

    def test_something() -> None:
        async def story(passage: Passage) -> None:
            answer = await passage.ask(b"GET /v1.0/me HTTP/1.1\r\nHost: graph\r\n\r\n")
            assert answer.status == 200

        passing(story, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))

Unless it says otherwise, a story is played on asyncio's own event loop and on uvloop, which the shipped gateway runs on: their transports
differ in when they write, pause and close. Nothing here sleeps.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop
from fakes.caller import Caller
from fakes.origin import Origin, Script
from fakes.records import Remembering
from fakes.wire import Message
from stage import QUICK, merged

from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.telemetry import CallRecord

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {
    "asyncio": None,
    "uvloop": uvloop.new_event_loop,
}
SHIPPED = ("uvloop",)
"""For what does not depend on the loop: the one that the shipped gateway runs on."""
PATIENCE = 30.0
"""Seconds after which a story is stuck, and not slow."""


class Ended(Remembering):
    """Also lets a story wait for the record of a call."""

    def __init__(self) -> None:
        super().__init__()
        self.records: asyncio.Queue[CallRecord] = asyncio.Queue()
        self.told: list[tuple[str, dict[str, str | float | bool]]] = []
        """Every event with its facts."""

    def event(self, name: str, **facts: str | float | bool) -> None:
        super().event(name, **facts)
        self.told.append((name, facts))

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        super().call_ended(record, seconds)
        self.records.put_nowait(record)


@dataclass
class Passage:
    """The cast."""

    origin: Origin
    gateway: Gateway
    observer: Ended
    host: str
    port: int
    loop: str
    callers: list[Caller] = field(default_factory=list)

    async def caller(self, *, slow: bool = False, tls: ssl.SSLContext | None = None) -> Caller:
        """A new connection to the gateway; a `slow` one takes little that was not asked for."""
        few = {"limit": 1024, "receive": 4096} if slow else {}
        caller = await Caller.connect(self.host, self.port, tls=tls, **few)
        self.callers.append(caller)
        return caller

    async def ask(self, raw: bytes) -> Message:
        """One request on a connection of its own."""
        caller = await self.caller()
        try:
            return await caller.ask(raw)
        finally:
            await caller.close()

    async def record(self) -> CallRecord:
        """The record of the next call that ends."""
        return await self.observer.records.get()

    async def at_rest(self) -> None:
        """Wait until no call is under way: no task is left, and every connection upstream is idle."""
        await self.gateway.tasks.settle()
        live, idle = self.gateway.graph.connections
        while live != idle:
            await turn()
            live, idle = self.gateway.graph.connections


async def turn() -> None:
    """Let the event loop look at its sockets once."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(0.001, done.set_result, None)
    await done


def passing(
    story: Callable[[Passage], Awaitable[None]],
    script: Script,
    *,
    loops: tuple[str, ...] = tuple(LOOPS),
    **sections: dict[str, Any],
) -> None:
    """Play the story on each event loop, and see that nothing is left behind."""
    for loop in loops:
        try:
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                runner.run(_played(story, script, loop, sections))
        except BaseException as error:
            error.add_note(f"on the event loop of {loop}")
            raise


async def _played(
    story: Callable[[Passage], Awaitable[None]],
    script: Script,
    loop: str,
    sections: dict[str, dict[str, Any]],
) -> None:
    observer = Ended()
    async with asyncio.timeout(PATIENCE), Origin(script) as origin:
        upstream = {"upstream": {"base_url": origin.url}}
        config = Config.model_validate(merged(QUICK, upstream, sections))
        gateway = Gateway(config, SystemClock(), [observer])
        callers, _ = await gateway.start()
        await gateway.tasks.settle()  # it has connected ahead of need
        passage = Passage(origin, gateway, observer, callers.host, callers.port, loop)
        try:
            await story(passage)
        except BaseException as error:
            if origin.crashes:
                error.add_note(f"the upstream's script: {origin.crashes!r}")
            raise
        finally:
            for caller in passage.callers:
                await caller.close()
            await gateway.stop()
        assert len(gateway.tasks) == 0, gateway.tasks.names()
        assert observer.crashes == [], observer.crashes
        assert origin.crashes == [], origin.crashes
