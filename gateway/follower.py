"""The follower: drives one operation to its end, whoever is waiting for it.

Rules: one follower per operation. It asks `lifecycle` for the next step, does it, stores what came of it, and
repeats. It outlives the callers; only the end of the operation or of the process ends it, or another process that
took the operation over: of two, the one with the record's epoch goes on.

A monitor that wants a caller's credential cannot be asked without: its follower then rests until one is lent.

What it must not do: decide anything about a report (dialects do), about timing (pacing does) or about waiting.
"""

import asyncio
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


@dataclass(slots=True)
class Following:
    """A follower at work, or one that rests until a credential is lent."""

    epoch: int
    task: asyncio.Task[None]
    resting: bool = False


@dataclass(frozen=True, slots=True)
class FollowRules:
    """Both in seconds: from acceptance to giving up, and without progress until that is said."""

    deadline: float
    stalled_after: float


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
        self.rules = rules
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

    def when_stopped(self, stopped: Callable[[str], None]) -> None:
        """`stopped` is called with the id of each operation that is not followed here any more."""
        self._stopped.append(stopped)

    def follow(self, operation: Operation) -> None:
        """Start following, unless somebody here does already."""
        current = self._following.get(operation.id)
        if current is not None:
            if current.epoch >= operation.epoch and not current.resting:
                return
            current.task.cancel()  # it rests, or was taken over from here and came back
        task = self._tasks.start(f"follow {operation.id}", self._drive(operation))
        self._following[operation.id] = Following(operation.epoch, task)

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

    async def _drive(self, operation: Operation) -> None:
        try:
            while True:
                step = lifecycle.next_step(operation, self._clock.now(), deadline=self.rules.deadline)
                try:
                    match step:
                        case lifecycle.Poll():
                            operation = await self._poll(operation, step)
                        case lifecycle.GiveUp():
                            operation = await self._records.apply(operation, events.Expired())
                        case lifecycle.Rest() | lifecycle.Submit():
                            return
                        case _:
                            assert_never(step)
                except StoreDown as error:
                    self._observer.event("store_down", reason=str(error))
                    await self._clock.sleep(PATIENCE)  # what could not be stored is asked for again
                except Conflict:
                    current = await self._still_ours(operation)
                    if current is None:
                        return  # somebody else drives this operation now
                    operation = current
                except Exception as error:  # noqa: BLE001 - a bug must not leave an operation without anybody
                    self._observer.crashed(f"follow {operation.id}", error)
                    await self._clock.sleep(AFTER_A_BUG)
        finally:
            following = self._following.get(operation.id)
            if following is not None and following.task is asyncio.current_task():
                del self._following[operation.id]
                for stopped in self._stopped:
                    stopped(operation.id)

    async def _still_ours(self, operation: Operation) -> Operation | None:
        """The record as it is, if it was us who changed it: a write that seemed to fail may have been done."""
        try:
            current = await self._records.store.get(operation.id)
        except StoreDown:
            return operation
        return current if current is not None and current.epoch == operation.epoch else None

    async def _poll(self, operation: Operation, step: lifecycle.Poll) -> Operation:
        """Wait until the monitor may be asked, ask it once, and store what it said."""
        if operation.last_trouble == Ailment.NO_CREDENTIAL and not self._asking.may_ask(operation):
            return await self._rest(operation)
        host = step.monitor.split("/", 3)[2]
        while True:
            now = self._clock.now()
            due = max(step.not_before, self._quiet_until.get(host, 0.0))
            deadline = (operation.accepted_at or now) + self.rules.deadline
            if now >= deadline:
                return operation
            if now >= due:
                break
            await self._clock.sleep(min(due, deadline) - now)
        dialect = self._dialects.get(operation.plan.dialect)
        reading = await self._ask(operation, dialect, step.monitor)
        asked_at, now = now, self._clock.now()
        word = reading.ailment if isinstance(reading, Trouble) else reading.progress
        self._observer.polled(Poll(operation, asked_at - due, now - asked_at, word))
        if isinstance(reading, Trouble):
            self._observer.poll_troubled(operation, reading)
            self._slow_down(host, reading, now)
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
        moved = await self._records.apply(operation, event)
        self._mention_stall(operation, moved, now)
        return moved

    async def _rest(self, operation: Operation) -> Operation:
        """Wait for a credential, and look now and then at the deadline and whether the operation is still ours."""
        following = self._following[operation.id]
        following.resting = True
        await self._clock.sleep(LOOK_AGAIN)
        following.resting = False
        current = await self._records.store.get(operation.id)
        if current is None or current.epoch != operation.epoch:
            raise Conflict
        return current

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
