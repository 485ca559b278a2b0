"""Bounds: when which wait ends at the latest, with one timer for all of them.

Thousands wait at once, most of them for as long as each other; a timer of the event loop for each would take more memory
than anything else that a wait needs.

Rules: a wait that ends before its bound says so, and its entry goes with the next sweep; there are never more of those
than of the others, but for a few.

What this module must not do: know what is waited for.
"""

import asyncio
import heapq
from itertools import count

GRAIN = 0.001
"""Seconds; uvloop counts in milliseconds, and may ring that much early."""

FEW = 64


def ring(future: "asyncio.Future[bool]", *, news: bool) -> None:
    """`news`: whether there is any, or only the time is over."""
    if not future.done():
        future.set_result(news)


class Bounds:
    """The bounds of all waits on one event loop."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, asyncio.Future[bool]]] = []
        self._numbers = count()
        self._ended = 0
        """Waits since the last sweep that have ended."""
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, wait: "asyncio.Future[bool]", seconds: float) -> None:
        """Ring `wait` after so many seconds, without news."""
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        heapq.heappush(self._heap, (at, next(self._numbers), wait))
        if self._timer is None or at < self._rings_at:
            self._set(loop, at)

    def end(self) -> None:
        """One of the waits has ended, whatever ended it."""
        self._ended += 1
        if self._ended > len(self._heap) // 2 + FEW:
            self._ended = 0
            self._heap = [entry for entry in self._heap if not entry[2].done()]
            heapq.heapify(self._heap)

    def _set(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = loop.call_at(at, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() + GRAIN
        heap = self._heap
        while heap and (heap[0][0] <= now or heap[0][2].done()):
            ring(heapq.heappop(heap)[2], news=False)
        if heap:
            self._set(loop, heap[0][0])
