"""What the gateway tells its operator: one observer protocol, one small file for each tool behind it.

Rules: records are plain values; no record holds a token, a body or a monitor URL. An observer never raises and
never awaits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gateway.model import Operation, Trouble


@dataclass(slots=True)
class CallRecord:
    """What there is to say about one call when it has ended; the handlers fill it in as they go."""

    method: str
    path: str
    """Without the query, which may hold secrets (tickets, tempauth)."""
    started: float
    """Monotonic seconds."""
    request_id: str
    route: str = "forward"
    """`forward`, `hold` (each operation in a batch too), `batch`, `status`, `result`, `gateway` or `refused`."""
    status: int = 0
    outcome: str = "answered"
    """`answered`, `left` (the caller went away), `aborted` (we cut the connection) or an error's name."""
    operation: str | None = None
    relation: str | None = None
    """How the call came to its operation: `start`, `join`, `replay`, `reconcile` or `ticket`."""
    upstream_status: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    notes: dict[str, str | int | float | bool] = field(default_factory=dict)
    """More, under the names of `NOTES`."""

    def took(self, what: str, seconds: float) -> None:
        """Note how long a part of the call took; `what` is one of `NOTES` that ends with `_ms`."""
        self.notes[what] = round(seconds * 1000, 1)


NOTES = {
    "queued_ms": "waiting for its turn at a drive (`limits.running_per_drive`)",
    "submit_ms": "from the turn to Graph's word on the POST, put on record",
    "held_ms": "waiting for the operation's end",
    "operation_ms": "from Graph's 202 to the operation's end",
    "polls": "how often the monitor had been asked by then",
    "result_ms": "the GET of the item, all tries of it, to its head",
    "answer_lag_ms": "from the operation's end to the head of this answer, where the call was there to see it",
}
"""What may be noted of a call that comes to an operation; milliseconds where the name says so."""


class Poll(NamedTuple):
    """One poll that has come back."""

    operation: Operation
    """As it was before."""
    late: float
    """Seconds after it was due that the monitor was asked."""
    seconds: float
    """Until its reply was there, or was known not to come."""
    reading: str
    """The word of the report (`Progress`), or of what was wrong (`Ailment`)."""


class Observer(Protocol):
    """Is told what happens."""

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        """One call was answered, or its caller left."""

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        """A record was written; `before` is None for a new one."""

    def polled(self, poll: Poll) -> None:
        """A poll has come back."""

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        """It told us nothing."""

    def event(self, name: str, **facts: str | float | bool) -> None:
        """Something about the gateway itself: started, stopping, reloaded."""

    def crashed(self, where: str, error: BaseException) -> None:
        """A bug: an exception that nobody expected."""


class Indifferent:
    """Does nothing about anything; an observer that derives from it says what it does care for."""

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        """See `Observer`, as for the others."""

    def operation_changed(self, before: Operation | None, after: Operation) -> None: ...

    def polled(self, poll: Poll) -> None: ...

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None: ...

    def event(self, name: str, **facts: str | float | bool) -> None: ...

    def crashed(self, where: str, error: BaseException) -> None: ...


class Observers:
    """Several observers as one. Nobody is told what he is indifferent to: there are thousands of polls a second."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        def caring(name: str) -> list[Any]:
            idle = getattr(Indifferent, name)
            return [getattr(one, name) for one in observers if getattr(type(one), name, None) is not idle]

        self._call_ended: list[Callable[[CallRecord, float], None]] = caring("call_ended")
        self._operation_changed: list[Callable[[Operation | None, Operation], None]] = caring(
            "operation_changed"
        )
        self._polled: list[Callable[[Poll], None]] = caring("polled")
        self._poll_troubled: list[Callable[[Operation, Trouble], None]] = caring("poll_troubled")
        self._event: list[Callable[..., None]] = caring("event")
        self._crashed: list[Callable[[str, BaseException], None]] = caring("crashed")

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        for tell in self._call_ended:
            tell(record, seconds)

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        for tell in self._operation_changed:
            tell(before, after)

    def polled(self, poll: Poll) -> None:
        for tell in self._polled:
            tell(poll)

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        for tell in self._poll_troubled:
            tell(operation, trouble)

    def event(self, name: str, **facts: str | float | bool) -> None:
        for tell in self._event:
            tell(name, **facts)

    def crashed(self, where: str, error: BaseException) -> None:
        for tell in self._crashed:
            tell(where, error)
