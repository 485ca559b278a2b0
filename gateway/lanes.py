"""Lanes: lets no more than so many operations run into one drive at a time, and the others queue.

OneDrive's and SharePoint's store answers with errors of its own once 10 to 50 copies run into one drive in parallel.

Rules
- A queued operation is on record as `reserved`: it can be joined and waited for like a running one, and nothing was
  sent for it. First come, first served, whether or not anybody still waits.
- A place is taken from before the POST until the operation has ended, or is driven by somebody else.
- Each process counts what it drives itself, what it took over included.

What this module must not do: send, or drop, an operation.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.model import ACTIVE, Operation, Plan, State
from gateway.records import Records


class Closed(Exception):
    """The process is stopping; nothing was sent for the operation."""


@dataclass(slots=True)
class Lane:
    """One drive: who runs, and who waits in which order."""

    running: set[str] = field(default_factory=set)
    queue: deque[tuple[str, asyncio.Future[None]]] = field(default_factory=deque)


class Lanes:
    """The lanes of every drive into which something runs."""

    def __init__(self, *, width: int | None, records: Records) -> None:
        """`width`: how many may run into one drive; None sets no bound."""
        self._width = width
        self._lanes: dict[str, Lane] = {}
        self._of: dict[str, str] = {}
        """By operation id, its lane."""
        self._closed = False
        records.listen(self._changed)

    @property
    def queued(self) -> int:
        return sum(len(lane.queue) for lane in self._lanes.values())

    async def enter(self, operation: Operation, queued: Callable[[], None] | None = None) -> None:
        """Return when the operation may be sent; `queued` is called if it has to wait for that. Raises `Closed`."""
        lane = self._lane(operation)
        if lane is None or self._width is None:
            return
        if self._closed:
            self.leave(operation.id)
            raise Closed
        if len(lane.running) < self._width:
            lane.running.add(operation.id)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.queue.append((operation.id, turn))
        try:
            if queued is not None:
                queued()
            await turn
        except BaseException:
            self.leave(operation.id)
            raise

    def _lane(self, operation: Operation) -> Lane | None:
        """Where the operation belongs; None where nothing is counted."""
        if self._width is None:
            return None
        name = drive_of(operation.plan, operation.principal)
        if name is None:
            return None
        self._of[operation.id] = name
        return self._lanes.setdefault(name, Lane())

    def leave(self, operation_id: str) -> None:
        """The operation has ended, will not be sent, or is no longer driven here."""
        name = self._of.pop(operation_id, None)
        if name is None:
            return
        lane = self._lanes[name]
        lane.running.discard(operation_id)
        lane.queue = deque(one for one in lane.queue if one[0] != operation_id)
        self._let_in(name)

    def _let_in(self, name: str) -> None:
        """Give the places that are free in a lane to those who wait."""
        lane = self._lanes[name]
        while lane.queue and (self._width is None or len(lane.running) < self._width):
            following, turn = lane.queue.popleft()
            if not turn.done():
                lane.running.add(following)
                turn.set_result(None)
        if not lane.running and not lane.queue:
            del self._lanes[name]

    def resize(self, width: int | None) -> None:
        """From now on so many may run into one drive. What runs beyond it goes on; without a bound before, nothing was
        counted, so what runs by then is not.
        """
        self._width = width
        for name in list(self._lanes):
            self._let_in(name)

    def close(self) -> None:
        """Turn away whoever queues: their operations would not be followed any more."""
        self._closed = True
        for lane in list(self._lanes.values()):
            for _, turn in list(lane.queue):
                if not turn.done():
                    turn.set_exception(Closed())

    def _changed(self, operation: Operation) -> None:
        if operation.state not in ACTIVE:
            self.leave(operation.id)
        elif operation.state is State.RUNNING and operation.id not in self._of:  # taken over
            lane = self._lane(operation)
            if lane is not None:
                lane.running.add(operation.id)


def drive_of(plan: Plan, principal: str) -> str | None:
    """The drive that an operation's result comes into; None where that is not known, or no drive.

    `/me/drive` is another one for each caller.
    """
    if plan.dialect != "drive" or plan.items is None:
        return None
    drive = plan.items.split("/", 2)[2]
    return drive if drive.startswith("drives/") else f"{principal} {drive}"
