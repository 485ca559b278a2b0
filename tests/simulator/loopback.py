"""A simulator on real sockets with a clock that only tests move, and a client that sends exactly what it is told.

The client is made of bare streams: an HTTP library would normalise what these tests are about.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway.simulator import Simulator, SimulatorSettings

START = 1_800_000_000.0
SECOND = SimulatorSettings(base_duration=10.0, bytes_per_second=0)


@dataclass
class FakeClock:
    """Time stands still until somebody moves it; a sleep moves it."""

    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return START + self.time

    def monotonic(self) -> float:
        return 5000.0 + self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)  # noqa: TID251 - gives the loop a turn, as any clock's sleep does


@dataclass(frozen=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The header's value; "" where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Graph's error code."""
        return str(self.json()["error"]["code"])


@dataclass
class Bench:
    simulator: Simulator
    clock: FakeClock

    async def ask(
        self,
        method: str,
        target: str,
        *,
        user: str | None = "ana",
        simulate: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        body: object = None,
        url: str | None = None,
    ) -> Reply:
        """One request on a connection of its own, to the Graph origin or to `url`."""
        split = urlsplit(url or self.simulator.graph_url)
        if user is not None:
            headers += (("Authorization", f"Bearer sim-{user}"),)
        if simulate is not None:
            headers += (("Simulate", simulate),)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if data:
            headers += (("Content-Length", str(len(data))),)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {split.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return read_reply(await self.raw(head + data, url))

    async def raw(self, data: bytes, url: str | None = None) -> bytes:
        """What comes back for these bytes, until the other side closes."""
        async with self.connection(url or self.simulator.graph_url) as (reader, writer):
            writer.write(data)
            return await reader.read()

    @asynccontextmanager
    async def connection(self, url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection to the port of this URL; its host name is for the Host header alone."""
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Let the simulator work until this is so; the suite's time-out ends a wait for something that never is."""
        while not reached():
            await self.turn()

    @staticmethod
    async def turn() -> None:
        """One turn of the event loop; no time passes."""
        await asyncio.sleep(0)  # noqa: TID251 - see above

    async def poll(self, location: str, **more: Any) -> Reply:
        """One poll of a monitor URL, as it was given, without a token."""
        origin, target = cut(location)
        return await self.ask("GET", target, user=None, url=origin, **more)

    async def copy(self, path: str = "Documents/report.docx", **more: Any) -> Reply:
        """POST a copy of one of ana's items."""
        item = self.simulator.drive("ana").find(path)
        assert item is not None
        more.setdefault("body", {"name": "new.docx"})
        return await self.ask("POST", f"/v1.0/me/drive/items/{item.id}/copy", **more)

    def violations(self) -> list[str]:
        return [str(violation.kind) for violation in self.simulator.summary().violations]


def cut(url: str) -> tuple[str, str]:
    """Origin and target, without parsing either."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", slash + path


def read_reply(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines[1:])
    return Reply(int(lines[0].split(" ")[1]), tuple((name, value) for name, _, value in pairs), body)


def run(scenario: Callable[[Bench], Awaitable[None]], settings: SimulatorSettings = SECOND) -> None:
    """Play a scenario on a fresh simulator."""

    async def play() -> None:
        clock = FakeClock()
        async with Simulator(settings, clock) as simulator:
            await scenario(Bench(simulator, clock))

    asyncio.run(play())
