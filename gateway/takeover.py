"""Takeover: goes on with the operations that nobody drives any more.

Rules
- Their owner is gone: an earlier life of this process, or another process whose lease has run out. Whoever writes
  `TakenOver` first has them now; the old owner's writes no longer fit, should it come back.
- A POST that may have been sent is of unknown outcome, what was running is followed on, and what was only reserved
  has sent nothing and is dropped.
- Where several processes share the store, it is looked for such operations for as long as the process lives.

What this module must not do: send a POST, or judge who is gone (the store does).
"""

from contextlib import suppress

from gateway import events
from gateway.clock import Clock
from gateway.follower import Follower
from gateway.model import Operation, State
from gateway.records import Records
from gateway.store import LEASE, Conflict, StoreDown
from gateway.tasks import Tasks
from gateway.telemetry import Observer

EVERY = LEASE / 5
"""Seconds between two looks for operations that were left behind."""


class Takeover:
    """Looks for what was left behind, at the start and, where the store is shared, ever after."""

    def __init__(
        self, *, records: Records, follower: Follower, clock: Clock, tasks: Tasks, observer: Observer
    ) -> None:
        self._records = records
        self._follower = follower
        self._clock = clock
        self._tasks = tasks
        self._observer = observer

    async def begin(self) -> None:
        """To be called before there are callers, whose operations would look left behind as well. Raises `StoreDown`."""
        await self.look()
        if self._records.store.shared:
            self._tasks.start("look for what was left behind", self._watch())

    async def look(self) -> None:
        """Take over what is left behind now. Raises `StoreDown`."""
        for left in await self._records.store.left_behind():
            with suppress(Conflict):  # somebody else was faster to take it
                await self._take(left)

    async def _take(self, left: Operation) -> None:
        taken = await self._records.apply(left, events.TakenOver())
        self._observer.event("operation_taken_over", operation=taken.id, state=taken.state.value)
        if taken.state is State.RESERVED:
            taken = await self._records.apply(taken, events.Unsent())
        self._follower.follow(taken)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(EVERY)
            try:
                await self.look()
            except StoreDown as error:
                self._observer.event("store_down", reason=str(error))
