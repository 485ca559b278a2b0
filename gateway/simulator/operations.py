"""Operations: jobs that take time, and the table of them.

There are no background tasks. How far a job has come is a function of the clock, and what it brings about (its
effect) happens when somebody looks after its end: `Operations.settle` runs first in every request, in the order in
which the jobs end, so that nobody can see the difference.

Rules: an effect runs exactly once. How an operation is reported over HTTP is not decided here.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.simulator.plan import Apply, Plan, Progress, Where
from gateway.simulator.wire import Answer, Origin

_JUMPS = (0.0, 0.0, 31.0, 31.0, 31.5, 87.0, 87.0, 99.0)


@dataclass(frozen=True)
class Done:
    """The job's result, as far as there is one."""

    drive_id: str = ""
    item_id: str = ""


@dataclass(frozen=True)
class Failed:
    code: str
    message: str
    details: tuple[tuple[str, str, str], ...] = ()  # code, message, target


Outcome = Done | Failed
Effect = Callable[[float], Outcome]


@dataclass(frozen=True)
class Poll:
    at: float  # seconds since the operation began
    status: int
    retry_after: str | None


@dataclass(frozen=True)
class Place:
    """Where an operation is reported: the exact target, and how the first answer spells it."""

    origin: Origin
    target: str
    location: str | None  # None: the first answer does not say


@dataclass(eq=False)
class Operation:
    id: str
    kind: str  # ItemCopy, DownloadUrl, …
    user: str
    authorization: str | None = field(repr=False)  # of the request that began it
    plan: Plan
    began: float  # monotonic
    began_at: float  # wall time
    duration: float
    effect: Effect
    report: Callable[["Operation", float], Answer]
    place: Place | None = None
    outcome: Outcome | None = None
    polls: list[Poll] = field(default_factory=list)
    polls_in_flight: int = 0
    poll_allowed: float = 0.0  # monotonic
    last_poller: str | None = None  # its Authorization, on the Graph origin
    end_told: bool = False
    result_gets: int = 0

    @property
    def ends(self) -> float:
        share = self.plan.fail_at / 100 if self.plan.fail else 1.0
        return self.began + self.duration * share

    @property
    def ended_at(self) -> float:
        """Wall time of the end."""
        return self.began_at + self.ends - self.began

    def elapsed_share(self, now: float) -> float:
        return min(1.0, (now - self.began) / self.duration) if self.duration > 0 else 1.0

    def percentage(self, now: float) -> float:
        """percentageComplete while the job runs; never 100 before its end."""
        share = self.elapsed_share(now)
        match self.plan.progress:
            case Progress.LINEAR:
                return min(round(share * 100, 1), 99.9)
            case Progress.JUMPY:
                return _JUMPS[min(int(share * len(_JUMPS)), len(_JUMPS) - 1)]
            case Progress.STUCK_AT_0:
                return 0.0
            case Progress.STUCK_AT_99:
                return min(round(share * 500, 1), 99.0)

    def status_word(self, now: float) -> str:
        words = self.plan.running
        return words[min(int(self.elapsed_share(now) * len(words)), len(words) - 1)]


class Operations:
    """All operations since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.all: dict[str, Operation] = {}
        self.by_target: dict[tuple[Origin, str], Operation] = {}
        self.by_result: dict[str, Operation] = {}  # the last operation that brought about this item
        self._running: list[tuple[float, int, Operation]] = []

    def start(self, operation: Operation) -> None:
        fault = operation.plan.fault_at(Where.POST)
        if fault is not None and fault.apply is Apply.AT_ONCE:
            operation.duration = 0.0
        self.all[operation.id] = operation
        heapq.heappush(self._running, (operation.ends, len(self.all), operation))

    def report_at(self, operation: Operation, place: Place) -> None:
        operation.place = place
        self.by_target[place.origin, place.target] = operation

    def settle(self, now: float) -> None:
        """Bring about what has come to its end by `now` (monotonic)."""
        while self._running and self._running[0][0] <= now:
            operation = heapq.heappop(self._running)[2]
            if operation.plan.fail:
                operation.outcome = Failed(operation.plan.fail, _message(operation.plan.fail))
                continue
            operation.outcome = operation.effect(operation.ended_at)
            if isinstance(operation.outcome, Done) and operation.outcome.item_id:
                self.by_result[operation.outcome.item_id] = operation


_MESSAGES = {
    "accessDenied": "The caller does not have permission to perform the action.",
    "itemNotFound": "The resource could not be found.",
    "nameAlreadyExists": "Name already exists",
    "quotaLimitReached": "The user has reached their quota limit.",
    "activityLimitReached": "The app or user has been throttled.",
    "generalException": "An error occurred in the data store.",
}


def _message(code: str) -> str:
    return _MESSAGES.get(code, "The operation has failed.")
