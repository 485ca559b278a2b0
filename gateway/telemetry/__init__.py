"""What the gateway tells its operator: one observer protocol, one small file for each tool behind it.

Rules: records are plain values; no record holds a token, a body or a monitor URL. An observer never raises and
never awaits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

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
    """`forward`, `hold`, `status`, `result`, `gateway` or `refused`."""
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


class Observer(Protocol):
    """Is told what happens."""

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        """One call was answered, or its caller left."""

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        """A record was written; `before` is None for a new one."""

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        """A poll told us nothing."""

    def event(self, name: str, **facts: str | float | bool) -> None:
        """Something about the gateway itself: started, stopping, reloaded."""

    def crashed(self, where: str, error: BaseException) -> None:
        """A bug: an exception that nobody expected."""


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        for observer in self._observers:
            observer.call_ended(record, seconds)

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        for observer in self._observers:
            observer.operation_changed(before, after)

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        for observer in self._observers:
            observer.poll_troubled(operation, trouble)

    def event(self, name: str, **facts: str | float | bool) -> None:
        for observer in self._observers:
            observer.event(name, **facts)

    def crashed(self, where: str, error: BaseException) -> None:
        for observer in self._observers:
            observer.crashed(where, error)
