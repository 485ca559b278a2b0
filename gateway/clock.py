"""The clock: the only module that reads the time or sleeps.

Everything else is given a `Clock`, or better, a `now`. Wall time (`now`) stamps records and is compared with
dates that others sent; `monotonic` measures, and is what deadlines are made of, so that a stepped wall clock
neither ends a wait nor prolongs it.
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
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the clock

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 - this is the clock

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - this is the clock
