"""The frozen nouns that every floor speaks: `Call`, `Reply`, `Plan`, `Receipt`, `Report`, `Operation`, …

Rules: values only, no behaviour beyond looking at oneself, no imports from other floors. Times are wall-clock
seconds since 1970 (floats), durations are seconds, targets are raw origin-form request targets (path and query)
exactly as they stand on the wire, decoded as UTF-8 with surrogateescape so that every byte survives.

Nothing here may hold a credential: where one matters, its digest stands in for it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

Headers = tuple[tuple[bytes, bytes], ...]
"""Header lines in the order, case and number they were sent in."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a caller. `body` is filled in only once it has been captured."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the first question mark, still encoded; empty where there is none."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Reply:
    """What Graph or a monitor answered, with a body of bounded size.

    `oversized` says that the body went on past the bound; `body` then holds nothing that may be trusted.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    oversized: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a dialect understood of a call before it was sent: where its result will be, and how to look for it.

    Every target is relative to the upstream's origin and already percent-encoded.
    """

    dialect: str
    kind: str
    """The operation's name as an asyncJobStatus spells it: `itemCopy`, `itemMove`, …"""
    version: str
    """`v1.0` or `beta`, as in the call; relative monitor URLs and results are read in it."""
    source: str
    """A target whose GET succeeds only for a credential that may see what is operated on."""
    items: str | None = None
    """Prefix that a resource id completes to the result's target: `/v1.0/me/drive/items/`."""
    named: str | None = None
    """The result's target by path, where its name is certain (a name was given, and no renaming asked for)."""
    into: str | None = None
    """Prefix that the source's own name completes to the result's target, where the result keeps that name."""
    unique: bool = False
    """Whether Graph itself refuses a second result of the same name (`conflictBehavior` is `fail`)."""
    repeatable: bool = False
    """Whether asking for it a second time changes nothing more: a move to where it is already, the same label."""
    result_query: str = ""
    """`$select`/`$expand` of the call, raw, to be applied to the final GET as well."""
    prefer: bytes | None = None
    """A preference that this operation wants upstream: `respond-async`."""
    inside: bool = False
    """Whether the result is inside the operation: the final GET then asks the monitor, which the upstream hosts."""
    way: int = 0
    """Which of its dialect's ways to begin the reply took, where there are several."""
    promised: str | None = None
    """The target that the reply to the call named in its `Location`, where that is not the monitor's business."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An operation that was accepted: where to ask about it."""

    monitor: str | None = field(repr=False)
    """Absolute URL, to be requested byte for byte, and a bearer secret; None where `resource` is there already."""
    credential: bool = False
    """Whether the monitor takes the caller's credential (Graph-hosted ones do)."""
    resource: str | None = None
    """The finished item's target, where the monitor URL already named it."""
    plan: Plan | None = None
    """The plan, where the reply says more about the operation than the call did."""


class Progress(StrEnum):
    """What a report says, in one word."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an operation failed, in Graph's own words.

    `error` is the JSON text of the Graph `error` object (code, message, details, innerError verbatim where they
    were given); `status` the HTTP status that a synchronous API would have answered.
    """

    status: int
    code: str
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """One answer of a monitor, normalised."""

    progress: Progress
    status: str = ""
    """The monitor's own word, as it was spelled."""
    percent: float | None = None
    resource: str | None = None
    """Target of the finished item, where one could be worked out."""
    resource_id: str | None = None
    problem: Problem | None = None
    body: str = ""
    """The JSON text of the final report; empty while running."""
    retry_after: float | None = None
    """Seconds the monitor asked us to stay away."""
    moved: str | None = field(default=None, repr=False)
    """The address that the monitor gives as its own, as it stands; it may be the one it had."""


class Ailment(StrEnum):
    """Kinds of trouble with a poll; none of them says anything about the operation itself."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    THROTTLED = "throttled"
    UNAUTHORISED = "unauthorised"
    NO_CREDENTIAL = "no_credential"
    """The monitor wants a credential and none is here: whose operation it is has to come back."""
    SERVER_ERROR = "server_error"
    MISSING = "missing"
    GARBAGE = "garbage"
    OVERSIZED = "oversized"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A poll that told us nothing. `code` is a Graph error code, where the answer held one."""

    ailment: Ailment
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None


class State(StrEnum):
    """Where an operation is in its life; see `lifecycle.TRANSITIONS` for the arrows."""

    RESERVED = "reserved"
    SUBMITTING = "submitting"
    RUNNING = "running"
    RESULT = "result"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    LOST = "lost"


ACTIVE = frozenset({State.RESERVED, State.SUBMITTING, State.RUNNING})
"""Still under way: waiting for it makes sense, and no time-to-live may remove it."""

FINISHED = frozenset({State.RESULT, State.SUCCEEDED, State.FAILED})
"""Ended with an answer that can be replayed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Progress at a moment: what the slope of the next prediction is made of."""

    at: float
    percent: float


@dataclass(frozen=True, slots=True)
class Operation:
    """Our record of one piece of work that Graph accepted, or is being asked to accept.

    Holds ids, URLs, progress, outcome and digests; never a token, never a result's body. `epoch` grows with each
    change of owner and `revision` with each change at all: a store writes only over the revision that was read.
    """

    id: str
    key: str
    """The dedupe key: one live record for each."""
    fingerprint: str
    principal: str
    starter: str
    """Digest of the credential that the operation was started with."""
    keyed: bool
    """Whether the caller named it by an Idempotency-Key."""
    plan: Plan
    created_at: float
    state: State = State.RESERVED
    epoch: int = 1
    revision: int = 0
    supersedes: str | None = None
    """Id of the operation of unclear outcome that this one was sent again for."""
    first_sent_at: float | None = None
    """When the first POST of that line was sent."""
    client_request_id: bytes | None = None
    """As the caller sent it: a second call with the same one is a retry."""
    submitted_at: float | None = None
    accepted_at: float | None = None
    ended_at: float | None = None
    fetched_at: float | None = None
    """When its result was first handed out: since then an answer may be on its way."""
    delivered_at: float | None = None
    request_ids: Headers = ()
    """`request-id` and `client-request-id` of the first POST's reply; support asks for them."""
    monitor: str | None = field(default=None, repr=False)
    """A bearer secret: never logged, never shown."""
    monitor_credential: bool = False
    last_heard_at: float | None = None
    """When a poll last came back, whatever it said."""
    next_poll_at: float | None = None
    polls: int = 0
    troubles: int = 0
    """Polls in a row that told us nothing."""
    last_trouble: str | None = None
    missing_since: float | None = None
    last_status: str = ""
    percent: float | None = None
    samples: tuple[Sample, ...] = ()
    advanced_at: float | None = None
    """When progress was last seen to move; what `stalled` is measured from."""
    resource: str | None = None
    resource_id: str | None = None
    report: str = field(default="", repr=False)
    problem: Problem | None = None
    reconciled: bool = False
    """Found by looking for it, because nobody told us how it ended."""
