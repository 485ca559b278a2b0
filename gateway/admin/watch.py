"""The watch: an observer that keeps what the dashboard shows of the last few minutes, and of the gateway's health.

Rules: bounded; nothing that is kept holds a token, a URL but the upstream's own, or a body. Health is what was seen
last: a success after a failure is health. It is told by the observers' protocol, and by the upstream's client.

What this module must not do: ask anybody anything.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.admin.measures import STEP, Histogram, Series
from gateway.admin.rows import moment
from gateway.clock import Clock
from gateway.model import ACTIVE, Operation, State, Trouble
from gateway.telemetry import CallRecord, Indifferent, Poll
from gateway.telemetry.metrics import SHED

RECENT = 100
"""Outcomes that are kept."""

RECOVERY = 90.0
"""Seconds after which trouble with a token, of which nothing more was heard, counts as over: longer than the pause
between two tries to get one."""

BLAMED = 1.0
"""Seconds for which a failed call may be the upstream's doing, after a reply that did not come."""

FAILURES = frozenset({502, 503, 504})
PLAIN = frozenset({"answered", "left", "aborted"})
"""Outcomes of calls that are no error's reason."""

GOOD = frozenset({State.RESULT, State.SUCCEEDED})


@dataclass(slots=True)
class Health:
    """Of one thing that the gateway depends on."""

    state: str = "unknown"
    """`ok`, `trouble` or `unknown`."""
    reason: str | None = None
    since: float | None = None
    """Wall time since when it has been so."""
    heard: float | None = None
    """Wall time of the last news."""

    def fine(self, now: float) -> None:
        if self.state != "ok":
            self.state, self.reason, self.since = "ok", None, now
        self.heard = now

    def ill(self, reason: str, now: float) -> None:
        if self.state != "trouble":
            self.state, self.since = "trouble", now
        self.reason, self.heard = reason, now

    def said(self) -> dict[str, object]:
        return {
            "state": self.state,
            "reason": self.reason,
            "since": moment(self.since),
            "heard": moment(self.heard),
        }


class Watch(Indifferent):
    """Is told what happens, and remembers some of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.store = Health()
        self.token = Health()
        self.upstream = Health()
        self.store_warning: str | None = None
        self._silent_at: float | None = None
        self._series = Series()
        self._histograms = {name: Histogram() for name in ("upstream", "monitor", "lateness")}
        self._outcomes: Counter[str] = Counter()
        self._recent: deque[dict[str, object]] = deque(maxlen=RECENT)
        self._listeners: list[Callable[[Operation], None]] = []

    def listen(self, listener: Callable[[Operation], None]) -> None:
        """`listener` is called with every record that is written here; it must not raise or await."""
        self._listeners.append(listener)

    # --- what observers are told ---------------------------------------------------------------------------

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        now = self._clock.monotonic()
        self._series.count("calls", now)
        if record.status >= 500 or record.outcome == "aborted":
            self._series.count("calls_failed", now)
        if record.outcome not in PLAIN and record.outcome not in SHED and record.status in FAILURES:
            self._unheard(record.outcome)

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        for listener in self._listeners:
            listener(after)
        now = self._clock.monotonic()
        if before is None:
            self._series.count("started", now)
            return
        if before.state in ACTIVE and after.state not in ACTIVE and after.state is not State.REJECTED:
            self._ended(after, now)

    def polled(self, poll: Poll) -> None:
        now = self._clock.monotonic()
        self._measure("monitor", poll.seconds, now)
        self._measure("lateness", max(0.0, poll.late), now)

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        self._series.count("polls_troubled", self._clock.monotonic())
        if operation.monitor_credential:
            self._unheard(trouble.ailment.value)

    def event(self, name: str, **facts: str | float | bool) -> None:
        reason, now = str(facts.get("reason", name)), self._clock.now()
        match name:
            case "store_down":
                self.store.ill(reason, now)
            case "store_at_risk":
                self.store_warning = reason
            case "credential_trouble":
                self.token.ill(reason, now)
            case "upstream_unreachable":
                self.upstream.ill(reason, now)
            case _:
                pass

    # --- what the upstream's client tells -----------------------------------------------------------------

    def upstream_answered(self, status: int, seconds: float) -> None:
        """The head of a reply is there; status 0 where none came, be it that nobody waits for it any more."""
        now = self._clock.now()
        if status == 0:
            self._silent_at = now
            return
        self._silent_at = None
        self._measure("upstream", seconds, self._clock.monotonic())
        self.upstream.fine(now)
        self.token.fine(now)  # without one, the request would not have got there

    def upstream_reached(self) -> None:
        self.upstream.fine(self._clock.now())

    # --- what is said of it ---------------------------------------------------------------------------------

    def token_health(self) -> Health:
        trouble, now = self.token, self._clock.now()
        if trouble.state == "trouble" and trouble.heard is not None and now - trouble.heard > RECOVERY:
            trouble.state, trouble.reason, trouble.since = "unknown", None, now
        return trouble

    def said(self) -> dict[str, object]:
        now = self._clock.monotonic()
        counted = ("calls", "calls_failed", "started", "succeeded", "failed", "polls_troubled")
        return {
            "outcomes": {
                state: self._outcomes[state] for state in ("succeeded", "failed", "unknown", "lost")
            },
            "recent": list(self._recent),
            "series": {
                "step": STEP,
                "counts": {name: self._series.counted(name, now) for name in counted},
                "seconds": {name: self._series.measured(name, now) for name in self._histograms},
            },
            "histograms": {name: histogram.said() for name, histogram in self._histograms.items()},
        }

    def _unheard(self, reason: str) -> None:
        """Something failed: if a reply has just failed to come, that is why."""
        now = self._clock.now()
        if self._silent_at is not None and now - self._silent_at <= BLAMED:
            self.upstream.ill(reason, now)

    def _measure(self, what: str, seconds: float, now: float) -> None:
        self._series.measure(what, seconds, now)
        self._histograms[what].add(seconds)

    def _ended(self, operation: Operation, now: float) -> None:
        good = operation.state in GOOD
        self._series.count("succeeded" if good else "failed", now)
        self._outcomes["succeeded" if good else operation.state.value] += 1
        took = None
        if operation.ended_at is not None:
            took = round(operation.ended_at - (operation.accepted_at or operation.created_at), 3)
        self._recent.appendleft(
            {
                "id": operation.id,
                "dialect": operation.plan.dialect,
                "operation": operation.plan.kind,
                "state": "succeeded" if good else operation.state.value,
                "code": operation.problem.code if operation.problem is not None else None,
                "ended": moment(operation.ended_at),
                "seconds": took,
                "polls": operation.polls,
            }
        )
