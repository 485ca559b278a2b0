"""Turns: does things when they are due, so many at once at most, and keeps nothing but a place in a queue for each.

    put --> queue, by the moment at which each is due --look--> begin --> ended, and put again, or not

Rules
- What is due is begun in the order in which it became due; what finds no room waits for its turn, and does so without a
  task or a timer of its own.
- One turn of a thing at a time: `put` decides when it has its next one, and undoes what was said before.
- There is one sleeping task for all that is to come, and none where there is nothing. What becomes due within a moment
  is begun together: thousands a second would otherwise each wake the event loop. But no more in a row than `IN_A_ROW`,
  so that what else there is to do comes in between.
- A turn that `begin` takes has no task, and whoever began it says `ended`, exactly once. Any other is done by a task.

What this module must not do: know what is done; let an exception of it end anything (whoever does it catches its own).
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

IN_A_ROW = 16
"""How many are begun before the event loop may do something else."""


class Turn:
    """A thing that has turns."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0
        """Of its valid place in the queue; 0 where it has none."""


T = TypeVar("T", bound=Turn)


def by_task(_: object) -> bool:
    """For things that all need a task for their turn."""
    return False


class Turns(Generic[T]):
    """Everything of one kind that has turns."""

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        tasks: Tasks,
        at_once: int,
        do: Callable[[T], Awaitable[None]],
        begin: Callable[[T], bool] = by_task,
    ) -> None:
        """`begin` is called when a thing is due, and says whether it has begun the turn; if not, a task does it by `do`.
        Neither may raise. `name`: of the tasks.
        """
        self._name = name
        self._clock = clock
        self._tasks = tasks
        self.at_once = at_once
        """How many are under way at the same time; may be changed."""
        self._do = do
        self._begin = begin
        self._queue: list[tuple[float, int, T]] = []
        """A heap: when (wall time), the number of the place, and whose it is. A place that was given up stays until it
        is met."""
        self._numbers = count(1)
        self._under_way = 0
        self._beginning = False
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
        if self._beginning:
            return  # whoever looks will see to it
        at = self._first()
        if at is None or self._under_way >= self.at_once:  # the end of a turn will look
            self._call_off()
        elif self._watch is None or self._looks_at > at:
            at = max(at, self._clock.now() + pause)
            if self._watch is None or self._looks_at > at:
                self._call_off()
                self._looks_at = at
                self._watch = self._tasks.start(f"wait to {self._name}", self._wait())

    def ended(self) -> None:
        """A turn that was begun is over; to be called after `put`, if the thing has another one."""
        full = self._under_way >= self.at_once
        self._under_way -= 1
        if full:
            self._look()
        self.see_to_it(PULSE)

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

    async def _wait(self) -> None:
        """Look when there is something to begin, as long as there is something to come."""
        while True:
            while (left := self._looks_at - self._clock.now()) > 0:
                await self._clock.sleep(max(left, GRAIN))
            more = self._look()
            first = self._first()
            if first is None or self._under_way >= self.at_once:
                self._watch = None
                return
            if more:
                await self._clock.sleep(0)
            else:
                self._looks_at = max(first, self._clock.now() + PULSE)

    def _look(self) -> bool:
        """Begin what is due, as far as there is room; whether there may be more of it."""
        if self._beginning:
            return False  # a turn ended as soon as it was begun
        self._beginning = True
        try:
            now = self._clock.now()
            for _ in range(IN_A_ROW):
                first = self._first()
                if first is None or first > now or self._under_way >= self.at_once:
                    return False
                thing = heapq.heappop(self._queue)[2]
                thing.number = 0
                self._under_way += 1
                if not self._begin(thing):
                    self._tasks.start(self._name, self._have(thing))
            return True
        finally:
            self._beginning = False

    async def _have(self, thing: T) -> None:
        """One turn."""
        try:
            await self._do(thing)
        except asyncio.CancelledError:  # the process is stopping: nothing is begun any more
            self._under_way -= 1
            raise
        self.ended()
