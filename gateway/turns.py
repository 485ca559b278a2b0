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

LONGEST_PULSE = 0.02
"""Seconds between two looks where many things have turns, so that `TOGETHER` of them are begun by each. To wake up costs
as much as to begin several: what slept has lost its caches."""

TOGETHER = 16
"""How many a longer pulse gathers."""

CROWD = 200.0
"""Turns a second from which on a longer pulse pays."""

MEMORY = 0.25
"""Seconds over which turns are counted."""

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
        self._slots: dict[int, list[tuple[float, int, T]]] = {}
        """By hundredths of a second, the places: when (wall time), the place's number, and whose it is. A place that was
        given up stays until it is met."""
        self._order: list[int] = []
        """A heap of the slots that there are."""
        self._sorted: int | None = None
        """The slot that is sorted, the last place first."""
        self._numbers = count(1)
        self._under_way = 0
        self._beginning = False
        self._rate = 0.0
        """Turns a second, of late."""
        self._looked_at = 0.0
        self._rests_until = 0.0
        """No look before then."""
        self._watch: asyncio.Task[None] | None = None
        self._looks_at = 0.0
        """When the watch looks at the queue."""

    def put(self, thing: T, due: float) -> None:
        """Its next turn is at `due` (wall time)."""
        thing.number = number = next(self._numbers)
        which = int(due * 100)
        slot = self._slots.get(which)
        if slot is None:
            slot = self._slots[which] = []
            heapq.heappush(self._order, which)
        elif which == self._sorted:
            self._sorted = None
        slot.append((due, number, thing))

    def see_to_it(self) -> None:
        """Have somebody there when the first one is due; to be called after `put`, unless a turn is being had."""
        if self._beginning:
            return  # whoever looks will see to it
        at = self._first()
        if at is None or self._under_way >= self.at_once:  # the end of a turn will look
            self._call_off()
            return
        at = max(at, self._rests_until)
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
        self.see_to_it()

    def _call_off(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _first(self) -> float | None:
        """When the first one is due."""
        while self._order:
            which = self._order[0]
            slot = self._slots[which]
            if which != self._sorted:
                slot.sort(reverse=True)
                self._sorted = which
            while slot and slot[-1][2].number != slot[-1][1]:
                slot.pop()
            if slot:
                return slot[-1][0]
            del self._slots[heapq.heappop(self._order)]
        return None

    async def _wait(self) -> None:
        """Look when there is something to begin, as long as there is something to come."""
        while True:
            while (left := self._looks_at - self._clock.now()) > 0:
                await self._clock.sleep(max(left, GRAIN))
            begun = 0
            while (some := self._look()) == IN_A_ROW:
                begun += some
                await self._clock.sleep(0)
            self._adapt(begun + some)
            first = self._first()
            if first is None or self._under_way >= self.at_once:
                self._watch = None
                return
            self._looks_at = max(first, self._rests_until)

    def _adapt(self, begun: int) -> None:
        """Settle when the next look is, by how many turns a second there are."""
        now = self._clock.now()
        since = max(now - self._looked_at, GRAIN)
        self._looked_at = now
        self._rate += min(1.0, since / MEMORY) * (begun / since - self._rate)
        pulse = PULSE
        if self._rate > CROWD:
            pulse = min(max(TOGETHER / self._rate, PULSE), LONGEST_PULSE)
        self._rests_until = now + pulse

    def _look(self) -> int:
        """Begin what is due, as far as there is room, but only some of it; how much."""
        if self._beginning:
            return 0  # a turn ended as soon as it was begun
        self._beginning = True
        begun = 0
        try:
            now = self._clock.now()
            while begun < IN_A_ROW:
                first = self._first()
                if first is None or first > now or self._under_way >= self.at_once:
                    break
                thing = self._slots[self._order[0]].pop()[2]
                thing.number = 0
                self._under_way += 1
                begun += 1
                if not self._begin(thing):
                    self._tasks.start(self._name, self._have(thing))
        finally:
            self._beginning = False
        return begun

    async def _have(self, thing: T) -> None:
        """One turn."""
        try:
            await self._do(thing)
        except asyncio.CancelledError:  # the process is stopping: nothing is begun any more
            self._under_way -= 1
            raise
        self.ended()
