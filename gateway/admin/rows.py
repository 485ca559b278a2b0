"""An operation as operators see it: one flat JSON object, and the filter that chooses among many.

Rules: a row holds no token, no monitor URL, no result, no name of an item and nothing that identifies a caller. Times
are ISO 8601 in UTC; what is measured from now is in seconds.

What this module must not do: know how rows travel.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway import lifecycle, pacing
from gateway.http.answers import STATUS_WORDS
from gateway.model import ACTIVE, Ailment, Operation, State

Row = dict[str, str | float | bool | None]

MOST = 10_000
"""Rows of one answer, at most."""

USUAL = 1_000
"""Rows of one answer where nobody says how many."""

GROUPS = ("active", "ended", "stalled", "waiting_for_caller")
"""What `state` may name besides the states themselves."""

PARAMETERS = ("state", "dialect", "q", "limit")


class NotUnderstood(Exception):
    """A query that means nothing here; the message says what would."""


def moment(seconds: float | None) -> str | None:
    """A wall-clock time as text."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Rows:
    """Makes rows."""

    def __init__(
        self,
        *,
        stalled_after: float,
        waiting_for: Callable[[str], int],
        followed_here: Callable[[str], bool],
    ) -> None:
        self.stalled_after = stalled_after
        self._waiting_for = waiting_for
        self._followed_here = followed_here

    def stalled(self, operation: Operation, now: float) -> bool:
        return lifecycle.stalled(operation, now, self.stalled_after)

    def passing(self, operation: Operation, now: float) -> tuple[int, bool, bool]:
        """What may change of a row while its record does not."""
        operation_id = operation.id
        return (
            self._waiting_for(operation_id),
            self.stalled(operation, now),
            self._followed_here(operation_id),
        )

    def row(self, operation: Operation, now: float) -> Row:
        callers, stalled, here = self.passing(operation, now)
        due = operation.next_poll_at
        return {
            "id": operation.id,
            "dialect": operation.plan.dialect,
            "operation": operation.plan.kind,
            "state": operation.state.value,
            "status": STATUS_WORDS[operation.state],
            "percentageComplete": operation.percent,
            "started": moment(operation.created_at),
            "expected_end": moment(expected_end(operation)),
            "ended": moment(operation.ended_at),
            "age": round(now - operation.created_at, 3),
            "stalled": stalled,
            "waiting_for_caller": waits_for_caller(operation),
            "callers_waiting": callers,
            "polls": operation.polls,
            "next_poll_in": None if due is None else round(max(0.0, due - now), 3),
            "last_trouble": operation.last_trouble,
            "followed_here": here,
            "taken_over": operation.epoch > 1,
            "code": operation.problem.code if operation.problem is not None else None,
            "delivered": operation.delivered_at is not None,
        }


def expected_end(operation: Operation) -> float | None:
    """When a running operation will end if it goes on as it does; None where that cannot be told."""
    if operation.state is not State.RUNNING or operation.accepted_at is None:
        return None
    duration = pacing.whole_duration(operation.accepted_at, operation.samples)
    return None if duration is None else operation.accepted_at + duration


def waits_for_caller(operation: Operation) -> bool:
    """Whether nothing more is learned of it until its caller comes back with a credential."""
    return operation.state is State.RUNNING and operation.last_trouble == Ailment.NO_CREDENTIAL


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which operations somebody wants to see."""

    state: str | None = None
    dialect: str | None = None
    text: str = ""
    """What has to occur in id, dialect, kind, state or code, whatever the case."""
    limit: int = USUAL

    @classmethod
    def of(cls, query: Mapping[str, str], *, usual: int = USUAL) -> "Wanted":
        """What a query asks for. Raises `NotUnderstood`."""
        strange = sorted(set(query) - set(PARAMETERS))
        if strange:
            raise NotUnderstood(
                f"there are the parameters {', '.join(PARAMETERS)}; these are others: {', '.join(strange)}"
            )
        state = query.get("state") or None
        known = (*GROUPS, *(each.value for each in State))
        if state is not None and state not in known:
            raise NotUnderstood(f"state is one of {', '.join(known)}")
        limit = query.get("limit") or str(usual)
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 5 and 1 <= int(limit) <= MOST):
            raise NotUnderstood(f"limit is a whole number from 1 to {MOST}")
        return cls(state, query.get("dialect") or None, query.get("q", "").strip().lower(), int(limit))

    def takes(self, operation: Operation, *, stalled: bool) -> bool:
        plan = operation.plan
        if self.dialect is not None and plan.dialect != self.dialect:
            return False
        if self.state is not None and not self._in_state(operation, stalled):
            return False
        if not self.text:
            return True
        code = operation.problem.code if operation.problem is not None else ""
        words = (
            operation.id,
            plan.dialect,
            plan.kind,
            operation.state.value,
            code,
            operation.last_trouble or "",
        )
        return any(self.text in word.lower() for word in words)

    def _in_state(self, operation: Operation, stalled: bool) -> bool:  # noqa: FBT001 - handed on as it is
        match self.state:
            case "active":
                return operation.state in ACTIVE
            case "ended":
                return operation.state not in ACTIVE
            case "stalled":
                return stalled
            case "waiting_for_caller":
                return waits_for_caller(operation)
            case _:
                return operation.state.value == self.state


def foremost(operations: Iterable[Operation], limit: int) -> list[Operation]:
    """The first `limit`, those under way before those that have ended, otherwise in their order."""
    listed = list(operations)
    under_way = [operation for operation in listed if operation.state in ACTIVE]
    ended = (operation for operation in listed if operation.state not in ACTIVE)
    return [*under_way, *ended][:limit]
