"""What may happen to an operation: the events of `lifecycle.TRANSITIONS`.

Rules: values only; an event says what happened, never what to do about it. `chance` in [0, 1) is the jitter of the next
poll, `floor` the dialect's least number of seconds between two.
"""

from dataclasses import dataclass

from gateway.model import Headers, Problem, Receipt, Report, Trouble


@dataclass(frozen=True, slots=True)
class Sending:
    """The POST is about to be written; durable before its first byte."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The upstream accepted the operation and said where to ask about it."""

    receipt: Receipt
    request_ids: Headers
    chance: float
    floor: float = 0.0
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class AcceptedDone:
    """The upstream accepted the operation, and what it named as the monitor already is the result."""

    resource: str
    request_ids: Headers


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Its owner is gone and another one has it now: a POST that may have been sent is of unknown outcome, what was
    running is followed on, and what was only reserved has sent nothing.
    """


@dataclass(frozen=True, slots=True)
class Declined:
    """The upstream answered the POST for good and started nothing that could be followed."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """Not a byte of the POST was written."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """The POST was sent and nobody told us what became of it."""

    request_ids: Headers = ()


@dataclass(frozen=True, slots=True)
class Untracked:
    """The upstream accepted it with a 202 that cannot be followed: its reply is passed on as it is."""

    request_ids: Headers = ()


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A 202 that cannot be followed has reached its caller, who follows it himself or does not care."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """The monitor said: still running."""

    report: Report
    chance: float
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Troubled:
    """A poll told us nothing."""

    trouble: Trouble
    chance: float
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Completed:
    """The monitor said: done."""

    report: Report


@dataclass(frozen=True, slots=True)
class Failed:
    """The monitor said: failed."""

    report: Report
    problem: Problem


@dataclass(frozen=True, slots=True)
class Vanished:
    """The monitor has been gone for longer than `polling.lost_after`."""

    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Expired:
    """`operations.deadline` has passed."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Somebody has got the finished item, or there is none to get."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The whole answer was written to a caller that took it."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The item was looked for, and found where this operation would have put it."""

    resource: str
    resource_id: str | None = None


Event = (
    Sending
    | TakenOver
    | Accepted
    | AcceptedDone
    | Declined
    | Unsent
    | Unclear
    | Untracked
    | HandedOver
    | Progressed
    | Troubled
    | Completed
    | Failed
    | Vanished
    | Expired
    | Fetched
    | Delivered
    | Reconciled
)
