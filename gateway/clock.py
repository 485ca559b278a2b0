"""The clock: the only module that reads the time or sleeps.

Everything else is given a `Clock`, or better, a `now`. Wall time (`now`) stamps records and is compared with
dates that others sent; `monotonic` measures, and is what waits are made of.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Wall time, in seconds since 1970 (UTC)."""

    def monotonic(self) -> float:
        """Seconds since some moment in the past; never steps."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` (at once, but not before a turn of the event loop, for 0 and less)."""


class SystemClock:
    """The machine's clock, read once; from then on wall time advances as the monotonic clock does.

    So a wall clock that somebody steps by an hour neither ends an operation's deadline early nor puts a poll off:
    within the life of a process, time only passes.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()  # noqa: TID251 - this is the clock

    monotonic = staticmethod(time.monotonic)  # noqa: TID251 - this is the clock

    def now(self) -> float:
        return self._offset + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - this is the clock
