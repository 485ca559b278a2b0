"""A clock that only moves when it is told to."""

import asyncio
import heapq
from itertools import count


class FakeClock:
    """Starts at `start`; a sleeper wakes when the time is moved past its end, sleepers in the order of their ends."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    @property
    def sleepers(self) -> int:
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds <= 0:
            asyncio.get_running_loop().call_soon(_finish, future)
        else:
            heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let the time pass, waking sleepers one after the other and letting each do what it woke up for."""
        end = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            _finish(future)
            await settle()
        self._now = end
        await settle()


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run."""
    loop = asyncio.get_running_loop()
    for _ in range(turns):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
