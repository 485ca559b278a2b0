"""The follower: drives every operation that runs in this process to its end, whoever is waiting for it.

Rules: one poll of an operation at a time. When its turn comes, it asks `lifecycle` for the next step, does it, stores
what came of it, and settles when the next turn is; in between, an operation costs its record and a place in a queue.
That outlives the callers; only the end of the operation or of the process ends it, or another process that took the
operation over: of two, the one with the record's epoch goes on. No more than `FollowRules.at_once` have their turn at
the same time; the others wait for theirs, and callers' own calls never wait for any of it.

Most polls need no task: they are sent on an idle connection, heard of by a callback, and noted in a store that need not
be waited for. Where one of these is not so, the turn goes on in a task from there.

A monitor that wants a caller's credential cannot be asked without: its operation then rests until one is lent.

What it must not do: decide anything about a report (dialects do), about timing (pacing does) or about waiting.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from gateway import events, lifecycle
from gateway.asking import Asking
from gateway.auth import Caller
from gateway.clock import Clock
from gateway.dialects import Dialect
from gateway.hearing import Hearing, Question
from gateway.model import Ailment, Operation, Reply, State
from gateway.records import Records
from gateway.store import Conflict, StoreDown
from gateway.tasks import Tasks
from gateway.telemetry import Observer
from gateway.turns import Turn, Turns
from gateway.upstream import Asked

PATIENCE = 1.0
"""Seconds between tries while the store is down."""

LOOK_AGAIN = 60.0
"""Seconds after which a follower that waits for a credential looks at the record and at the deadline."""

AFTER_A_BUG = 10.0
"""Seconds until an operation is looked at again whose driver ran into an exception that nobody expected."""


class Following(Turn):
    """One operation that is followed here."""

    __slots__ = ("asked", "heard", "operation", "resting")

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.operation = operation
        self.resting = False
        """Whether it waits for a credential."""
        self.heard: tuple[Operation, events.Event] | None = None
        """What a poll of this record told and could not be stored: a monitor may tell an end only once."""
        self.asked: Asked | None = None
        """The poll that is under way without a task."""


@dataclass(frozen=True, slots=True)
class FollowRules:
    """In seconds: from acceptance to giving up, and without progress until that is said; how many polls at once."""

    deadline: float
    stalled_after: float
    at_once: int = 64


class Follower:
    """Follows every operation that is running in this process."""

    def __init__(
        self,
        *,
        records: Records,
        asking: Asking,
        dialects: Sequence[Dialect],
        clock: Clock,
        tasks: Tasks,
        observer: Observer,
        chance: Callable[[], float],
        rules: FollowRules,
    ) -> None:
        self._records = records
        self._asking = asking
        self._clock = clock
        self._tasks = tasks
        self._observer = observer
        self._hearing = Hearing(
            asking=asking, dialects=dialects, clock=clock, observer=observer, chance=chance
        )
        self._turns = Turns(
            name="poll",
            clock=clock,
            tasks=tasks,
            at_once=rules.at_once,
            do=self._have_turn,
            begin=self._begin_turn,
        )
        self.go_by(rules)
        self._following: dict[str, Following] = {}
        self._stopped: list[Callable[[str], None]] = []

    def __len__(self) -> int:
        return len(self._following)

    def __contains__(self, operation_id: str) -> bool:
        return operation_id in self._following

    def speak(self, dialects: Sequence[Dialect]) -> None:
        """Read monitors' answers by these dialects from now on."""
        self._hearing.speak(dialects)

    def go_by(self, rules: FollowRules) -> None:
        """Follow by these from now on."""
        self.rules = rules
        self._turns.at_once = rules.at_once

    def when_stopped(self, stopped: Callable[[str], None]) -> None:
        """`stopped` is called with the id of each operation that is not followed here any more."""
        self._stopped.append(stopped)

    def follow(self, operation: Operation) -> None:
        """Start following, unless somebody here does already."""
        following = self._following.get(operation.id)
        if following is None:
            following = self._following[operation.id] = Following(operation)
        elif following.operation.epoch >= operation.epoch and not following.resting:
            return
        else:  # it rests, or was taken over from here and came back
            following.operation = operation
            following.resting = False
            if not following.number:
                return  # it is having its turn, whose end will notice
        self._turns.put(following, self._when(following))
        self._turns.see_to_it()

    async def lend(self, operation: Operation, caller: Caller) -> None:
        """This caller's credential may be used to ask the operation's monitor: the upstream accepts it for it.

        Where the process that drives the operation has none, this one takes it over.
        """
        if not operation.monitor_credential:
            return
        self._asking.lend(operation, caller)
        if caller.authorization is None:
            return
        current: Operation | None = operation
        while current is not None and current.state is State.RUNNING:
            following = self._following.get(operation.id)
            if following is None and current.last_trouble != Ailment.NO_CREDENTIAL:
                return
            if following is not None and not following.resting:
                return
            try:
                self.follow(await self._records.settle(current, events.TakenOver()))
            except Conflict:
                current = await self._records.store.get(operation.id)
            except StoreDown:
                return  # the caller will come back

    def close(self) -> None:
        """Ask nobody any more, and leave the polls that are under way without a task; the tasks are their keeper's."""
        self._turns.at_once = 0
        for following in self._following.values():
            if following.asked is not None:
                following.asked.abandon()

    # --- turns -------------------------------------------------------------------------------------------

    def _when(self, following: Following) -> float:
        """When there is something to do next (wall time)."""
        operation, now = following.operation, self._clock.now()
        try:
            step = lifecycle.next_step(operation, now, deadline=self.rules.deadline)
            if not isinstance(step, lifecycle.Poll):
                return now
            if self._hearing.lacks_credential(operation):
                following.resting = True
                return now + LOOK_AGAIN
            return self._hearing.due(operation, step, self.rules.deadline)
        except Exception as error:  # noqa: BLE001 - as in `_conclude`
            self._observer.crashed(f"follow {operation.id}", error)
            return now + AFTER_A_BUG

    def _begin_turn(self, following: Following) -> bool:
        """Send the poll that is due, if it needs no task; whether it is under way."""
        operation = following.operation
        if following.resting or following.heard is not None or operation.monitor_credential:
            return False
        now, deadline = self._clock.now(), self.rules.deadline
        try:
            step = lifecycle.next_step(operation, now, deadline=deadline)
            if not isinstance(step, lifecycle.Poll):
                return False
            question = self._hearing.question(operation, step, now, deadline)
            if question is None or question.dialect is None:
                return False
            told = partial(self._told, following, question)
            following.asked = self._asking.begin(operation, question.url, told)
        except Exception:  # noqa: BLE001 - the task that does it now meets it too, and knows what to do
            return False
        return following.asked is not None

    async def _have_turn(self, following: Following) -> None:
        """Do what is to be done next, and settle when the turn after this one is."""
        operation = following.operation
        await self._conclude(following, operation, self._drive(following, operation))

    async def _conclude(
        self, following: Following, operation: Operation, work: Awaitable[Operation | None]
    ) -> None:
        """Do the `work` of a turn of this record, whatever it raises, and settle when the next one is."""
        pause = 0.0
        try:
            moved = await work
        except StoreDown as error:
            self._observer.event("store_down", reason=str(error))
            moved, pause = operation, PATIENCE  # what could not be stored is tried again
        except Conflict:
            moved = await self._still_ours(operation)
        except Exception as error:  # noqa: BLE001 - a bug must not leave an operation without anybody
            self._observer.crashed(f"follow {operation.id}", error)
            moved, pause = operation, AFTER_A_BUG
        self._settle(following, operation, moved, pause)

    def _settle(
        self, following: Following, operation: Operation, moved: Operation | None, pause: float = 0.0
    ) -> None:
        """A turn has made `moved` of the record, or ended the following: settle when the next one is."""
        if following.operation is operation:  # else it came back meanwhile
            if moved is None or moved.state is not State.RUNNING:
                self._let_go(operation.id)
                return
            following.operation = moved
        due = self._when(following)
        self._turns.put(following, max(due, self._clock.now() + pause) if pause else due)

    def _let_go(self, operation_id: str) -> None:
        del self._following[operation_id]
        for stopped in self._stopped:
            stopped(operation_id)

    # --- one step ----------------------------------------------------------------------------------------

    async def _drive(self, following: Following, operation: Operation) -> Operation | None:
        """The record after the next step; None where it is over, or somebody else drives it now."""
        if following.resting:
            following.resting = False
            current = await self._records.store.get(operation.id)
            if current is None or current.epoch != operation.epoch:
                raise Conflict
            return current
        if following.heard is not None and following.heard[0] is operation:
            return await self._store(following, operation, following.heard[1])
        now = self._clock.now()
        step = lifecycle.next_step(operation, now, deadline=self.rules.deadline)
        match step:
            case lifecycle.Poll():
                question = self._hearing.question(operation, step, now, self.rules.deadline)
                if question is None:
                    return operation
                return await self._poll(
                    following, question, partial(self._asking.ask, operation, step.monitor)
                )
            case lifecycle.GiveUp():
                return await self._records.apply(operation, events.Expired())
            case lifecycle.Rest() | lifecycle.Submit():
                return None
        assert_never(step)

    async def _still_ours(self, operation: Operation) -> Operation | None:
        """The record as it is, if it was us who changed it: a write that seemed to fail may have been done."""
        try:
            current = await self._records.store.get(operation.id)
        except StoreDown:
            return operation
        return current if current is not None and current.epoch == operation.epoch else None

    async def _poll(
        self, following: Following, question: Question, ask: Callable[[], Awaitable[Reply]]
    ) -> Operation:
        """Ask the monitor once, and store what it said."""
        said: Reply | Exception | None = None
        if question.dialect is not None:
            try:
                said = await ask()
            except Exception as error:  # noqa: BLE001 - `event` tells those that may happen from bugs
                said = error
        event = self._hearing.event(question, said, self._records.polling)
        return await self._store(following, question.operation, event)

    def _told(self, following: Following, question: Question, said: Reply | Exception | None) -> None:
        """What has come of a poll that was begun: its turn is over with that, or a task goes on with it."""
        operation, asked = question.operation, following.asked
        following.asked = None
        moved: Operation | None = operation
        pause = 0.0
        try:
            if said is None and asked is not None:
                rest = partial(self._asking.rest, operation, question.url, asked)
                self._go_on(following, operation, self._poll(following, question, rest))
                return
            event = self._hearing.event(question, said, self._records.polling)
            moved = self._records.apply_at_once(operation, event)
            if moved is None:
                self._go_on(following, operation, self._store(following, operation, event))
                return
            self._mention_stall(operation, moved)
        except Exception as error:  # noqa: BLE001 - as in `_conclude`
            self._observer.crashed(f"follow {operation.id}", error)
            pause = AFTER_A_BUG
        try:
            self._settle(following, operation, moved, pause)
        finally:
            self._turns.ended()

    def _go_on(self, following: Following, operation: Operation, work: Awaitable[Operation]) -> None:
        """Do the rest of a turn in a task."""

        async def go_on() -> None:
            try:
                await self._conclude(following, operation, work)
            finally:
                self._turns.ended()

        self._tasks.start("poll", go_on())

    async def _store(self, following: Following, operation: Operation, event: events.Event) -> Operation:
        """The record after what was heard; where it cannot be stored, that is remembered for the next turn."""
        try:
            moved = await self._records.apply(operation, event)
        except StoreDown:
            following.heard = (operation, event)
            raise
        following.heard = None
        self._mention_stall(operation, moved)
        return moved

    def _mention_stall(self, before: Operation, after: Operation) -> None:
        """Once for each stall: it ends nothing, but somebody may want to look."""
        now, limit = after.last_heard_at or 0.0, self.rules.stalled_after
        since = before.last_heard_at if before.last_heard_at is not None else now
        if lifecycle.stalled(after, now, limit) and not lifecycle.stalled(before, since, limit):
            self._observer.event("operation_stalled", operation=after.id, percent=after.percent or 0.0)
