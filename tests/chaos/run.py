"""One run: the processes, the callers, what goes wrong meanwhile, and the verdict.

Rules: kills come by the number of copies that are done, so that a slow machine gets as many. Where gateways share a
store, there are two of them, and now and then one stands still for longer than its lease.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from acceptance.command import PATIENCE, environment
from acceptance.mediums import MEDIUMS, Medium

from chaos.callers import Callers
from chaos.fleet import TESTS, Fleet
from chaos.graph import Truth
from chaos.history import Verdict, judge
from chaos.wishes import ONE_PER_CENT, Wish, users, wishes
from gateway.clock import SystemClock

SETTINGS = """\
listen: {{port: 0}}
admin: {{port: 0}}
upstream: {{base_url: '{graph}', reply_timeout: 1500ms}}
monitor: {{allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true}}
polling: {{first_delay: 50ms, min_interval: 50ms, max_interval: 500ms}}
operations: {{{operations}}}
wait: {{max: 2s, on_timeout: {on_timeout}}}
shutdown: {{grace: 5s}}
"""
REPLICAS = ("redirect", "error")
"""What the first and the second gateway answer when `wait.max` is over."""
STANDSTILL = 13.0
"""Seconds; the lease has 10."""


@dataclass(frozen=True)
class Chaos:
    """What is asked of a run."""

    store: str
    copies: int
    seed: int
    callers: int = 30
    at_once: int = 60
    stops: int = 0
    """How often a gateway stands still; only where they share a store."""

    @property
    def kills(self) -> int:
        return max(2, round(self.copies * ONE_PER_CENT))


@asynccontextmanager
async def graph(file: Path, callers: int) -> AsyncIterator[str]:
    """The URL of a simulated Graph; when this ends, the truth is in `file`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chaos.graph", str(file), str(callers),
        env=environment(PYTHONPATH=str(TESTS)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(chaos: Chaos, folder: Path) -> Verdict:
    """Play it, and judge. Everything that is left of it is in `folder`."""
    chance, clock = random.Random(chaos.seed), SystemClock()
    wanted = list(wishes(chaos.copies, users(chaos.callers), chance))
    file = folder / "truth.json"
    with MEDIUMS[chaos.store](folder) as medium:
        async with graph(file, chaos.callers) as url:
            fleet = Fleet(settings=_settings(medium, url), folder=folder, clock=clock, chance=chance)
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
                callers = Callers(fleet=fleet, session=session, clock=clock, chance=chance)
                for number in range(2 if medium.shared else 1):
                    group.create_task(fleet.keep(number))
                stops = chaos.stops if medium.shared else 0
                await _play(chaos, wanted, callers, fleet, stops=stops)
                fleet.end()
    return judge(callers.stories, fleet.lives, Truth.read(file), kills=chaos.kills, stops=stops)


def _settings(medium: Medium, url: str) -> list[str]:
    names = REPLICAS if medium.shared else REPLICAS[:1]
    return [SETTINGS.format(graph=url, operations=medium.settings, on_timeout=name) for name in names]


async def _play(chaos: Chaos, wanted: list[Wish], callers: Callers, fleet: Fleet, *, stops: int) -> None:
    """Grant all wishes, so many at a time; kill and stop while that goes on."""
    room = asyncio.Semaphore(chaos.at_once)
    kills = {(number + 1) * len(wanted) // (chaos.kills + 1) for number in range(chaos.kills)}
    standstills = {(number + 1) * len(wanted) // (stops + 2) for number in range(stops)}
    done = 0

    async def one(wish: Wish) -> None:
        nonlocal done
        async with room:
            await callers.grant(wish)
        done += 1
        if done in kills:
            await fleet.kill()
        if done in standstills:
            await fleet.stop(STANDSTILL)

    async with asyncio.TaskGroup() as group:
        for wish in wanted:
            group.create_task(one(wish))
