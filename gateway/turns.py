"""Turns: does things when they are due, so many at once at most, and keeps nothing but a place in a queue for each.

    put --> queue, by the moment at which each is due --watch--> workers --> put again, or not

Rules
- What is due is taken in the order in which it became due; what finds every worker busy waits for its turn, and does
  so without a task or a timer of its own.
- One turn of a thing at a time: `put` decides when it has its next one, and undoes what was said before.
- There is one sleeping task for all that is to come, and none where there is nothing. What becomes due within a moment
  is done together: thousands a second would otherwise each wake the event loop.

What this module must not do: know what is done; let an exception of it end a worker (whoever does it catches its own).
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Generic, TypeVar

from gateway.clock import Clock
from gateway.tasks import Tasks

PULSE = 0.005
"""Seconds between two looks at what has become due."""

GRAIN = 0.001
"""Seconds; the least that is worth sleeping for."""


class Turn:
    """A thing that has turns."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0
        """Of its valid place in the queue; 0 where it has none."""


T = TypeVar("T", bound=Turn)


class Turns(Generic[T]):
    """Everything of one kind that has turns."""

    def __init__(
        self, *, name: str, clock: Clock, tasks: Tasks, at_once: int, do: Callable[[T], Awaitable[None]]
    ) -> None:
        """`do` is called when a thing is due; it must not raise. `name`: of the tasks."""
        self._name = name
        self._clock = clock
        self._tasks = tasks
        self.at_once = at_once
        """How many are done at the same time; may be changed."""
        self._do = do
        self._queue: list[tuple[float, int, T]] = []
        """A heap: when (wall time), the number of the place, and whose it is. A place that was given up stays until it
        is met."""
        self._numbers = count(1)
        self._workers = 0
        self._watch: asyncio.Task[None] | None = None
        self._looks_at = 0.0
        """When the watch looks at the queue."""

    def put(self, thing: T, due: float) -> None:
        """Its next turn is at `due` (wall time)."""
        thing.number = next(self._numbers)
        heapq.heappush(self._queue, (due, thing.number, thing))

    def see_to_it(self, pause: float = 0.0) -> None:
        """Have somebody there when the first one is due; to be called after `put`, unless a turn is being had.

        No look sooner than after `pause` seconds.
        """
        at = self._first()
        if at is None or self._workers >= self.at_once:  # workers look themselves, when they are done
            self._call_off()
            return
        at = max(at, self._clock.now() + pause)
        if self._watch is not None and self._looks_at <= at:
            return
        self._call_off()
        self._looks_at = at
        self._watch = self._tasks.start(f"wait to {self._name}", self._wait(at))

    def _call_off(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _first(self) -> float | None:
        """When the first one is due."""
        queue = self._queue
        while queue and queue[0][2].number != queue[0][1]:
            heapq.heappop(queue)
        return queue[0][0] if queue else None

    async def _wait(self, at: float) -> None:
        while (left := at - self._clock.now()) > 0:
            await self._clock.sleep(max(left, GRAIN))
        self._watch = None
        self._more()

    def _more(self) -> None:
        """One more worker, if something is due and there is room for it; else somebody who looks later."""
        first = self._first()
        if first is not None and first <= self._clock.now() and self._workers < self.at_once:
            self._workers += 1
            self._tasks.start(self._name, self._work())
        else:
            self.see_to_it(PULSE)

    async def _work(self) -> None:
        """Do what is due, until nothing is."""
        try:
            while self._workers <= self.at_once:
                first = self._first()
                if first is None or first > self._clock.now():
                    break
                _, _, thing = heapq.heappop(self._queue)
                thing.number = 0
                self._more()
                await self._do(thing)
        finally:
            self._workers -= 1
        self.see_to_it(PULSE)
