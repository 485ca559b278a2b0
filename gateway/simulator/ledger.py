"""The ledger: what was asked, what came to be, and which rules of Graph's were broken.

Rules: it only writes down and adds up. Effects (items that came to be) are counted apart from requests, since a
proxy that copies twice and one that asks twice are different things. An effect's name is the one that was asked
for (`ana:/Documents/report.docx`), so that a second copy that Graph renamed still counts as the second.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from gateway.simulator.wire import Asked, JsonObject, Origin


class Wrong(StrEnum):
    """The kinds of violation."""

    EARLY_POLL = "early-poll"  # before Retry-After allowed it
    POLL_AFTER_END = "poll-after-end"  # the end of the job had been told already
    OVERLAPPING_POLLS = "overlapping-polls"  # two at a time on one monitor
    AUTHORIZATION_SENT = "authorization-sent"  # to the monitor origin
    COOKIE_SENT = "cookie-sent"  # to the monitor origin, and not one of its own
    CALLER_HEADER_SENT = "caller-header-sent"  # to the monitor origin
    MONITOR_URL_CHANGED = "monitor-url-changed"  # not byte for byte the one that was given
    REDIRECT_FOLLOWED = "redirect-followed"  # to a place that no one with a Graph token should ask


@dataclass(frozen=True)
class Violation:
    kind: Wrong
    detail: str
    at: float
    operation: str | None = None


@dataclass(frozen=True)
class Summary:
    """What has happened since the start or the last reset."""

    requests: int
    graph_requests: int
    monitor_requests: int
    copies_started: int  # every kind of job, not only copies
    copies_finished: int
    copies_failed: int
    items_created: int
    effects: Mapping[str, int]  # items created, by drive and the path that was asked for
    polls: Mapping[str, int]  # by operation
    violations: tuple[Violation, ...]

    def to_json(self) -> JsonObject:
        return asdict(self)


class Ledger:
    def __init__(self, keep: int) -> None:
        self._keep = keep
        self.reset()

    def reset(self) -> None:
        self.requests: deque[Asked] = deque(maxlen=self._keep)
        self.violations: deque[Violation] = deque(maxlen=self._keep)
        self.count: Counter[Origin] = Counter()
        self.effects: Counter[str] = Counter()

    def asked(self, asked: Asked) -> None:
        self.requests.append(asked)
        self.count[asked.origin] += 1

    def created(self, drive: str, path: str) -> None:
        self.effects[f"{drive}:{path}"] += 1

    def violation(self, kind: Wrong, detail: str, at: float, operation: str | None = None) -> None:
        self.violations.append(Violation(kind, detail, at, operation))
