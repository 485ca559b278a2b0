"""The follower: drives every operation that runs in this process to its end, whoever is waiting for it.

Rules: one poll of an operation at a time. When its turn comes, it asks `lifecycle` for the next step, does it, stores
what came of it, and settles when the next turn is; in between, an operation costs its record and a place in a queue.
That outlives the callers; only the end of the operation or of the process ends it, or another process that took the
operation over: of two, the one with the record's epoch goes on. No more than `FollowRules.at_once` have their turn at
the same time; the others wait for theirs, and callers' own calls never wait for any of it.

A monitor that wants a caller's credential cannot be asked without: its operation then rests until one is lent.

What it must not do: decide anything about a report (dialects do), about timing (pacing does) or about waiting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from gateway import crashpoints, events, lifecycle
from gateway.asking import Asking, CredentialGone
from gateway.auth import Caller
from gateway.clock import Clock
from gateway.dialects import Dialect
from gateway.errors import (
    AddressRefused,
    UpstreamBroken,
    UpstreamError,
    UpstreamMalformed,
    UpstreamSilent,
)
from gateway.model import Ailment, Operation, Report, State, Trouble
from gateway.records import Records
from gateway.store import Conflict, StoreDown
from gateway.tasks import Tasks
from gateway.telemetry import Observer, Poll
from gateway.turns import Turn, Turns

AILMENTS: tuple[tuple[type[UpstreamError], Ailment], ...] = (
    (AddressRefused, Ailment.REFUSED),
    (UpstreamSilent, Ailment.TIMEOUT),
    (UpstreamBroken, Ailment.BROKEN),
    (UpstreamMalformed, Ailment.GARBAGE),
    (UpstreamError, Ailment.UNREACHABLE),
)


PATIENCE = 1.0
"""Seconds between tries while the store is down."""

LOOK_AGAIN = 60.0
"""Seconds after which a follower that waits for a credential looks at the record and at the deadline."""

AFTER_A_BUG = 10.0
"""Seconds until an operation is looked at again whose driver ran into an exception that nobody expected."""


class Following(Turn):
    """One operation that is followed here."""

    __slots__ = ("heard", "operation", "resting")

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.operation = operation
        self.resting = False
        """Whether it waits for a credential."""
        self.heard: tuple[Operation, events.Event] | None = None
        """What a poll of this record told and could not be stored: a monitor may tell an end only once."""


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
        self.speak(dialects)
        self._clock = clock
        self._tasks = tasks
        self._observer = observer
        self._chance = chance
        self._turns = Turns(name="poll", clock=clock, tasks=tasks, at_once=rules.at_once, do=self._have_turn)
        self.go_by(rules)
        self._following: dict[str, Following] = {}
        self._stopped: list[Callable[[str], None]] = []
        self._quiet_until: dict[str, float] = {}
        """By monitor host: nobody polls it before then, because it answered 429 to one of us."""

    def __len__(self) -> int:
        return len(self._following)

    def __contains__(self, operation_id: str) -> bool:
        return operation_id in self._following

    def speak(self, dialects: Sequence[Dialect]) -> None:
        """Read monitors' answers by these dialects from now on."""
        self._dialects = {dialect.name: dialect for dialect in dialects}

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

    # --- turns -------------------------------------------------------------------------------------------

    def _when(self, following: Following) -> float:
        """When there is something to do next (wall time)."""
        operation, now = following.operation, self._clock.now()
        try:
            step = lifecycle.next_step(operation, now, deadline=self.rules.deadline)
            if not isinstance(step, lifecycle.Poll):
                return now
            if self._lacks_credential(operation):
                following.resting = True
                return now + LOOK_AGAIN
            return self._due(operation, step)
        except Exception as error:  # noqa: BLE001 - see `_have_turn`
            self._observer.crashed(f"follow {operation.id}", error)
            return now + AFTER_A_BUG

    def _due(self, operation: Operation, step: lifecycle.Poll) -> float:
        """When the monitor may be asked; at the deadline there is something else to do."""
        if not self._quiet_until:
            return step.not_before
        quiet = self._quiet_until.get(_host(step.monitor), 0.0)
        return min(max(step.not_before, quiet), (operation.accepted_at or 0.0) + self.rules.deadline)

    def _lacks_credential(self, operation: Operation) -> bool:
        return operation.last_trouble == Ailment.NO_CREDENTIAL and not self._asking.may_ask(operation)

    async def _have_turn(self, following: Following) -> None:
        """Do what is to be done next, and settle when the turn after this one is."""
        operation = following.operation
        pause = 0.0
        try:
            moved = await self._drive(following, operation)
        except StoreDown as error:
            self._observer.event("store_down", reason=str(error))
            moved, pause = operation, PATIENCE  # what could not be stored is tried again
        except Conflict:
            moved = await self._still_ours(operation)
        except Exception as error:  # noqa: BLE001 - a bug must not leave an operation without anybody
            self._observer.crashed(f"follow {operation.id}", error)
            moved, pause = operation, AFTER_A_BUG
        if following.operation is operation:  # else it came back meanwhile
            if moved is None:
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
                due = self._due(operation, step)
                early = now < due or self._lacks_credential(operation)
                return operation if early else await self._poll(following, operation, step, due)
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
        self, following: Following, operation: Operation, step: lifecycle.Poll, due: float
    ) -> Operation:
        """Ask the monitor once, and store what it said."""
        dialect = self._dialects.get(operation.plan.dialect)
        asked_at = self._clock.now()
        reading = await self._ask(operation, dialect, step.monitor)
        now = self._clock.now()
        word = reading.ailment if isinstance(reading, Trouble) else reading.progress
        self._observer.polled(Poll(operation, asked_at - due, now - asked_at, word))
        if isinstance(reading, Trouble):
            self._observer.poll_troubled(operation, reading)
            self._slow_down(_host(step.monitor), reading, now)
        event = lifecycle.hear(
            operation,
            reading,
            now,
            polling=self._records.polling,
            chance=self._chance(),
            floor=dialect.floor if dialect is not None else 0.0,
        )
        crashpoints.reach("mid_poll")
        if not isinstance(event, events.Progressed | events.Troubled):
            crashpoints.reach("after_completed_seen")
        moved = await self._store(following, operation, event)
        self._mention_stall(operation, moved, now)
        return moved

    async def _store(self, following: Following, operation: Operation, event: events.Event) -> Operation:
        """The record after what was heard; where it cannot be stored, that is remembered for the next turn."""
        try:
            moved = await self._records.apply(operation, event)
        except StoreDown:
            following.heard = (operation, event)
            raise
        following.heard = None
        return moved

    def _mention_stall(self, before: Operation, after: Operation, now: float) -> None:
        """Once for each stall: it ends nothing, but somebody may want to look."""
        since = before.last_heard_at if before.last_heard_at is not None else now
        limit = self.rules.stalled_after
        if lifecycle.stalled(after, now, limit) and not lifecycle.stalled(before, since, limit):
            self._observer.event("operation_stalled", operation=after.id, percent=after.percent or 0.0)

    async def _ask(self, operation: Operation, dialect: Dialect | None, url: str) -> Report | Trouble:
        if dialect is None:  # it was stored by a gateway that knew more; `operations.deadline` ends it
            return Trouble(Ailment.GARBAGE)
        try:
            reply = await self._asking.ask(operation, url)
        except CredentialGone:
            return Trouble(Ailment.NO_CREDENTIAL)
        except UpstreamError as error:
            return Trouble(next(ailment for kind, ailment in AILMENTS if isinstance(error, kind)))
        reading = dialect.read(operation.plan, reply, self._clock.now())
        if isinstance(reading, Trouble) and reading.ailment == operation.last_trouble == Ailment.UNAUTHORISED:
            self._asking.give_back(operation)  # twice in a row: it has expired
        return reading

    def _slow_down(self, host: str, trouble: Trouble, now: float) -> None:
        """A 429 is meant for all of us: the host counts what we ask in all, not by operation."""
        if trouble.ailment is Ailment.THROTTLED:
            wish = trouble.retry_after if trouble.retry_after is not None else 1.0
            self._quiet_until[host] = max(self._quiet_until.get(host, 0.0), now + min(wish, 3600.0))
        for quiet, until in list(self._quiet_until.items()):
            if until <= now:
                del self._quiet_until[quiet]


def _host(url: str) -> str:
    return url.split("/", 3)[2]
