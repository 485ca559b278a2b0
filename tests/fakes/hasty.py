"""A clock that hurries: real waiting, but many seconds of it in each."""

import asyncio
import time


class HastyClock:
    """Each second of the machine is `pace` seconds here, for whoever asks it and for whoever sleeps on it.

    For whole stages, where what waits is spread over sockets and tasks, and a clock that stands still until a test
    moves it would have to be moved past each of them.
    """

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._began = time.monotonic()  # noqa: TID251 - this is a clock

    def now(self) -> float:
        return 1_800_000_000.0 + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._pace  # noqa: TID251 - this is a clock

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._pace)  # noqa: TID251 - this is a clock
