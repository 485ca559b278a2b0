"""The life of an operation, as one transition table.

Rules:
1. Everything that may happen to an operation is an event; what it leads to stands in `TRANSITIONS` and nowhere
   else. A pair that is not in the table raises `IllegalTransition` and changes nothing.
2. Only `reserved -> submitting` permits the POST, and it is permitted once: nothing leads back.
3. Evidence wins: a late `Accepted` turns an `unknown` into a running operation.
4. Time and chance are arguments. `advance` returns a new record with the next revision; to make it durable, and
   only then to act on it, is the caller's duty.

What this module must not do: talk to anybody, know a dialect, decide whether two calls are the same operation.
"""

import json
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar, assert_never

from gateway import pacing
from gateway.copying import copier
from gateway.dialects import address
from gateway.errors import DeadlineExceeded, OperationLost
from gateway.events import (
    Accepted,
    AcceptedDone,
    Completed,
    Declined,
    Delivered,
    Event,
    Expired,
    Failed,
    Fetched,
    HandedOver,
    Progressed,
    Reconciled,
    Sending,
    TakenOver,
    Troubled,
    Unclear,
    Unsent,
    Untracked,
    Vanished,
)
from gateway.model import Ailment, Operation, Problem, Progress, Report, Sample, State, Trouble

T = TypeVar("T")

LONGEST_REPORT = 16_384
"""Characters of a final report that a record keeps; Graph's have a few hundred."""

# --- the table -------------------------------------------------------------------------------------------

TRANSITIONS: dict[tuple[State, type[Event]], State] = {
    (State.RESERVED, Sending): State.SUBMITTING,
    (State.RESERVED, Unsent): State.REJECTED,
    (State.RESERVED, TakenOver): State.RESERVED,
    (State.SUBMITTING, TakenOver): State.UNKNOWN,
    (State.RUNNING, TakenOver): State.RUNNING,
    (State.SUBMITTING, Accepted): State.RUNNING,
    (State.SUBMITTING, AcceptedDone): State.RESULT,
    (State.SUBMITTING, Declined): State.REJECTED,
    (State.SUBMITTING, Unsent): State.REJECTED,
    (State.SUBMITTING, Unclear): State.UNKNOWN,
    (State.SUBMITTING, Untracked): State.UNKNOWN,
    (State.RUNNING, Untracked): State.UNKNOWN,
    (State.UNKNOWN, HandedOver): State.REJECTED,
    (State.UNKNOWN, Declined): State.REJECTED,
    (State.UNKNOWN, Unsent): State.REJECTED,
    (State.RUNNING, Progressed): State.RUNNING,
    (State.RUNNING, Troubled): State.RUNNING,
    (State.RUNNING, Completed): State.RESULT,
    (State.RUNNING, Failed): State.FAILED,
    (State.RUNNING, Vanished): State.LOST,
    (State.RUNNING, Expired): State.LOST,
    (State.RESULT, Fetched): State.SUCCEEDED,
    (State.RESULT, Delivered): State.SUCCEEDED,
    (State.SUCCEEDED, Delivered): State.SUCCEEDED,
    (State.FAILED, Delivered): State.FAILED,
    (State.UNKNOWN, Accepted): State.RUNNING,
    (State.UNKNOWN, AcceptedDone): State.RESULT,
    (State.UNKNOWN, Reconciled): State.SUCCEEDED,
    (State.LOST, Reconciled): State.SUCCEEDED,
    (State.FAILED, Reconciled): State.SUCCEEDED,
}


class IllegalTransition(Exception):
    """An event that cannot happen in this state: a bug, or two owners of one operation."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{type(event).__name__} cannot happen to an operation that is {state}")
        self.state = state
        self.event = event


# --- steps: what to do next ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submit:
    """Send the POST; the record must be `submitting`, durably, first."""


class Poll(NamedTuple):
    """Ask the monitor, but not before `not_before` (wall time)."""

    monitor: str
    credential: bool
    not_before: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The deadline has passed: record it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing left to do for whoever drives this operation."""


Step = Submit | Poll | GiveUp | Rest


def next_step(operation: Operation, now: float, *, deadline: float) -> Step:
    """What the driver of `operation` has to do. `deadline`: seconds from acceptance to giving up."""
    if operation.state is State.RUNNING:  # by far the most frequent
        latest = _given(operation.accepted_at) + deadline
        if now >= latest:
            return GiveUp()
        not_before = min(_given(operation.next_poll_at), latest)
        return Poll(_given(operation.monitor), operation.monitor_credential, not_before)
    match operation.state:
        case State.RESERVED:
            return Submit()
        case (
            State.SUBMITTING
            | State.RESULT
            | State.SUCCEEDED
            | State.FAILED
            | State.REJECTED
            | State.UNKNOWN
            | State.LOST
        ):
            return Rest()
    assert_never(operation.state)


def hear(
    operation: Operation,
    reading: Report | Trouble,
    now: float,
    *,
    polling: pacing.Polling,
    chance: float,
    floor: float = 0.0,
) -> Progressed | Troubled | Completed | Failed | Vanished:
    """What a poll's reading means for this operation."""
    if isinstance(reading, Report) and reading.progress is Progress.RUNNING:  # by far the most frequent
        return Progressed(reading, chance, floor)
    match reading:
        case Report(progress=Progress.SUCCEEDED):
            return Completed(reading)
        case Report():
            problem = reading.problem or Problem(502, "generalException", '{"code":"generalException"}')
            return Failed(reading, problem)
        case Trouble():
            since = operation.missing_since if operation.missing_since is not None else now
            gone = reading.ailment is Ailment.MISSING and now - since >= polling.lost_after
            return Vanished(reading) if gone else Troubled(reading, chance, floor)
    assert_never(reading)


def advance(operation: Operation, event: Event, now: float, *, polling: pacing.Polling) -> Operation:
    """The record after `event`, at its next revision.

    Raises `IllegalTransition` where the table has no such arrow; the record given is never changed.
    """
    try:
        state = TRANSITIONS[operation.state, type(event)]
    except KeyError:
        raise IllegalTransition(operation.state, event) from None
    if isinstance(event, Progressed):  # by far the most frequent: in one go
        return _progressed(operation, event, now, polling)
    moved = replace(operation, state=state, revision=operation.revision + 1)
    match event:
        case Sending():
            return replace(moved, submitted_at=now)
        case Accepted():
            first = pacing.first_poll(
                floor=event.floor, policy=polling, chance=event.chance, retry_after=event.retry_after
            )
            return replace(
                moved,
                accepted_at=now,
                advanced_at=now,
                ended_at=None,
                request_ids=event.request_ids,
                plan=event.receipt.plan or operation.plan,
                monitor=event.receipt.monitor,
                monitor_credential=event.receipt.credential,
                next_poll_at=now + first,
            )
        case AcceptedDone():
            return replace(
                moved,
                accepted_at=now,
                ended_at=now,
                request_ids=event.request_ids,
                resource=event.resource,
                percent=100.0,
                last_status="completed",
            )
        case TakenOver():
            ended_at = now if state is State.UNKNOWN else operation.ended_at
            next_poll_at = _not_put_off(operation, now) if state is State.RUNNING else None
            return replace(moved, epoch=operation.epoch + 1, ended_at=ended_at, next_poll_at=next_poll_at)
        case Unclear() | Untracked():
            return replace(
                moved, ended_at=now, request_ids=event.request_ids, monitor=None, next_poll_at=None
            )
        case Troubled():
            return _troubled(moved, event, now, polling)
        case Completed():
            return replace(
                _polled(moved, now),
                ended_at=now,
                percent=100.0,
                last_status=event.report.status or "completed",
                resource=event.report.resource,
                resource_id=event.report.resource_id,
                report=event.report.body if len(event.report.body) <= LONGEST_REPORT else "",
            )
        case Failed():
            return replace(
                _polled(moved, now),
                ended_at=now,
                percent=event.report.percent if event.report.percent is not None else operation.percent,
                last_status=event.report.status or "failed",
                problem=event.problem,
            )
        case Vanished():
            return _ended_badly(_polled(moved, now), now, OperationLost())
        case Expired():
            return _ended_badly(moved, now, DeadlineExceeded())
        case Delivered():
            return replace(moved, delivered_at=now)
        case Reconciled():
            return replace(
                moved,
                ended_at=now,
                resource=event.resource,
                resource_id=event.resource_id,
                percent=100.0,
                last_status="completed",
                reconciled=True,
                problem=None,
            )
        case Fetched():
            return replace(moved, fetched_at=now)
        case Declined() | Unsent() | HandedOver():
            return moved
    assert_never(event)


def stalled(operation: Operation, now: float, stalled_after: float) -> bool:
    """Whether a running operation has shown no progress for `stalled_after` seconds."""
    return (
        operation.state is State.RUNNING
        and operation.advanced_at is not None
        and now - operation.advanced_at >= stalled_after
    )


# --- the details of single arrows ------------------------------------------------------------------------


def _polled(operation: Operation, now: float) -> Operation:
    return replace(
        operation,
        last_heard_at=now,
        polls=operation.polls + 1,
        troubles=0,
        last_trouble=None,
        missing_since=None,
        next_poll_at=None,
    )


def _progressed(operation: Operation, event: Progressed, now: float, polling: pacing.Polling) -> Operation:
    report = event.report
    samples = operation.samples
    rose = report.percent is not None and (operation.percent is None or report.percent > operation.percent)
    if report.percent is not None:
        samples = (*samples[-1:], Sample(now, report.percent))
    accepted_at = _given(operation.accepted_at)
    delay = pacing.next_delay(
        elapsed=max(0.0, now - accepted_at),
        accepted_at=accepted_at,
        samples=samples,
        floor=event.floor,
        retry_after=report.retry_after,
        policy=polling,
        chance=event.chance,
    )
    changed = rose or report.status != operation.last_status
    monitor = operation.monitor
    if report.moved is not None:
        monitor = address.moved(_given(monitor), report.moved)
    return _after_poll(
        operation,
        operation.revision + 1,
        now,
        operation.polls + 1,
        0,
        None,
        None,
        monitor,
        report.status,
        report.percent if report.percent is not None else operation.percent,
        samples,
        now if changed else operation.advanced_at,
        now + delay,
    )


_after_poll = copier(
    Operation,
    "revision",
    "last_heard_at",
    "polls",
    "troubles",
    "last_trouble",
    "missing_since",
    "monitor",
    "last_status",
    "percent",
    "samples",
    "advanced_at",
    "next_poll_at",
)


def _troubled(operation: Operation, event: Troubled, now: float, polling: pacing.Polling) -> Operation:
    trouble = event.trouble
    missing = trouble.ailment is Ailment.MISSING
    since = operation.missing_since if operation.missing_since is not None else now
    delay = pacing.delay_after_trouble(
        troubles=operation.troubles + 1,
        elapsed=max(0.0, now - _given(operation.accepted_at)),
        floor=event.floor,
        retry_after=trouble.retry_after,
        policy=polling,
        chance=event.chance,
    )
    return replace(
        operation,
        last_heard_at=now,
        polls=operation.polls + 1,
        troubles=operation.troubles + 1,
        last_trouble=trouble.ailment.value,
        missing_since=since if missing else None,
        next_poll_at=now + delay,
    )


def _not_put_off(operation: Operation, now: float) -> float | None:
    """When the next poll is due for a new owner, whose clock may be behind the one that wrote the record."""
    since = operation.last_heard_at if operation.last_heard_at is not None else operation.accepted_at
    if operation.next_poll_at is None or since is None:
        return operation.next_poll_at
    return min(operation.next_poll_at, now + max(0.0, operation.next_poll_at - since))


def _ended_badly(operation: Operation, now: float, error: OperationLost | DeadlineExceeded) -> Operation:
    """Ends without a word from the upstream; the caller gets our own error."""
    said = {"code": error.code, "message": error.message}
    problem = Problem(error.status, said["code"], json.dumps(said))
    return replace(operation, ended_at=now, problem=problem, next_poll_at=None)


def _given(value: T | None) -> T:
    """What every record in this state has; its absence is a bug of whoever made the record."""
    if value is None:
        raise ValueError("the record lacks a field that its state promises")
    return value
