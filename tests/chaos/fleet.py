"""Gateway processes that die: each is started again at once, by chance with a point at which it will kill itself.

Rules: a replica is `up` from the moment it says that it listens until it is gone. Every life of it is on record, with
when it ended and why. Its log goes to a file. Whoever looks for a gateway waits until there is one.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acceptance.command import PATIENCE, environment

from gateway.clock import Clock
from gateway.crashpoints import POINTS, VARIABLE

TESTS = Path(__file__).parent.parent
ARMED = 0.5
"""How many lives have a point to end at."""
PASSES = 60
"""The highest count at which a point is armed."""


class Faltered(Exception):
    """A gateway ended by itself."""

    def __init__(self, life: "Life", code: int, log: Path) -> None:
        last = log.read_text("utf-8", "replace").splitlines()[-5:]
        super().__init__(
            "\n".join((f"replica {life.replica}, life {life.number}, ended with {code}:", *last))
        )


@dataclass
class Life:
    """One process."""

    replica: int
    number: int
    point: str | None
    url: str = ""
    began: float = 0.0
    ended: float | None = None
    """Monotonic seconds."""
    stopped: list[tuple[float, float]] = field(default_factory=list)
    why: str = ""
    """How it ended: the point, `kill`, or `end` where it was told to."""
    process: asyncio.subprocess.Process | None = None

    @property
    def up(self) -> bool:
        return bool(self.url) and self.ended is None


class Fleet:
    """The replicas of one run."""

    def __init__(self, *, settings: Sequence[str], folder: Path, clock: Clock, chance: random.Random) -> None:
        """`settings`: the configuration of each replica."""
        self.lives: list[Life] = []
        self._current: dict[int, Life] = {}
        self._folder = folder
        self._clock = clock
        self._chance = chance
        self._ending = False
        self._change = asyncio.Condition()
        self._files = [self._file(number, text) for number, text in enumerate(settings)]

    def _file(self, number: int, text: str) -> Path:
        file = self._folder / f"replica-{number}.yaml"
        file.write_text(text, "utf-8")
        return file

    # --- for callers -------------------------------------------------------------------------------------

    async def somewhere(self, chance: random.Random) -> Life:
        """A replica that is up."""
        async with self._change, asyncio.timeout(PATIENCE):
            await self._change.wait_for(lambda: any(life.up for life in self._current.values()))
            return chance.choice([life for life in self._current.values() if life.up])

    # --- living and dying --------------------------------------------------------------------------------

    async def keep(self, replica: int) -> None:
        """Start a replica, again and again, until `end` is called."""
        number = 0
        while not self._ending:
            await self._live(replica, number)
            number += 1

    async def _live(self, replica: int, number: int) -> None:
        point = None
        if number and self._chance.random() < ARMED:
            point = f"{self._chance.choice(list(POINTS))}@{self._chance.randint(1, PASSES)}"
        life = Life(replica, number, point)
        process = life.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", "--config", str(self._files[replica]),
            env=environment(**({VARIABLE: point} if point else {})),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**20,
        )  # fmt: skip
        self.lives.append(life)
        self._current[replica] = life
        try:
            with self._log(replica).open("ab") as log:
                assert process.stdout is not None
                async for line in process.stdout:
                    log.write(line)
                    if not life.url and b'"listening"' in line:
                        await self._up(life, json.loads(line)["address"])
            code = await process.wait()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        await self._down(life, code)

    async def _up(self, life: Life, address: str) -> None:
        async with self._change:
            life.url = f"http://{address}"
            life.began = self._clock.monotonic()
            self._change.notify_all()
        if self._ending and life.process is not None:
            life.process.terminate()

    async def _down(self, life: Life, code: int) -> None:
        async with self._change:
            life.ended = self._clock.monotonic()
            life.why = life.why or ((life.point or "?").partition("@")[0] if code == -9 else "end")
            self._change.notify_all()
        if code != -9 and not (self._ending and code == 0):
            raise Faltered(life, code, self._log(life.replica))

    def _log(self, replica: int) -> Path:
        return self._folder / f"replica-{replica}.log"

    async def kill(self) -> None:
        """End some replica, without a word."""
        life = await self.somewhere(self._chance)
        life.why = "kill"
        self._signal(life, signal.SIGKILL)

    async def stop(self, seconds: float) -> None:
        """Let a replica stand still for so long: longer than its lease."""
        life = await self.somewhere(self._chance)
        began = self._clock.monotonic()
        self._signal(life, signal.SIGSTOP)
        await self._clock.sleep(seconds)
        self._signal(life, signal.SIGCONT)
        life.stopped.append((began, self._clock.monotonic()))

    @staticmethod
    def _signal(life: Life, number: signal.Signals) -> None:
        if life.process is not None and life.process.returncode is None:
            os.kill(life.process.pid, number)

    def end(self) -> None:
        """Tell all to end; `keep` returns once they have."""
        self._ending = True
        for life in self._current.values():
            if life.up:
                self._signal(life, signal.SIGTERM)
