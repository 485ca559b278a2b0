"""Hearing: what a monitor is asked, and what its answer, or having none, means for the operation.

Rules: a 429 is meant for all of us. The host counts what we ask in all and not by operation, so nobody here asks it
before it said; at the deadline of an operation there is something else to do than to ask.

What it must not do: ask, or store what it heard.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway import crashpoints, events, lifecycle
from gateway.asking import Asking, CredentialGone
from gateway.clock import Clock
from gateway.dialects import Dialect
from gateway.errors import (
    AddressRefused,
    UpstreamBroken,
    UpstreamError,
    UpstreamMalformed,
    UpstreamSilent,
)
from gateway.model import Ailment, Operation, Reply, Report, Trouble
from gateway.pacing import LONGEST_WISH, Polling
from gateway.telemetry import Observer, Poll

AILMENTS: tuple[tuple[type[Exception], Ailment], ...] = (
    (CredentialGone, Ailment.NO_CREDENTIAL),
    (AddressRefused, Ailment.REFUSED),
    (UpstreamSilent, Ailment.TIMEOUT),
    (UpstreamBroken, Ailment.BROKEN),
    (UpstreamMalformed, Ailment.GARBAGE),
    (UpstreamError, Ailment.UNREACHABLE),
)

GOES_ON = (events.Progressed, events.Troubled)
"""What may be heard of an operation that does not end it."""


class Question(NamedTuple):
    """One poll: what is asked, and when."""

    operation: Operation
    dialect: Dialect | None
    """None where the record was stored by a gateway that knew more; `operations.deadline` ends it."""
    url: str
    due: float
    at: float
    """Wall time at which it is asked."""


class Hearing:
    """Understands monitors."""

    def __init__(
        self,
        *,
        asking: Asking,
        dialects: Sequence[Dialect],
        clock: Clock,
        observer: Observer,
        chance: Callable[[], float],
    ) -> None:
        """`chance`: a number from 0 to 1 for the jitter of the next poll."""
        self._asking = asking
        self._clock = clock
        self._observer = observer
        self._chance = chance
        self._quiet_until: dict[str, float] = {}
        """By monitor host: nobody polls it before then, because it answered 429 to one of us."""
        self.speak(dialects)

    def speak(self, dialects: Sequence[Dialect]) -> None:
        """Read monitors' answers by these dialects from now on."""
        self._dialects = {dialect.name: dialect for dialect in dialects}

    def due(self, operation: Operation, step: lifecycle.Poll, deadline: float) -> float:
        """When the monitor may be asked (wall time); `deadline`: seconds from acceptance to giving up."""
        if not self._quiet_until:
            return step.not_before
        quiet = self._quiet_until.get(_host(step.monitor), 0.0)
        return min(max(step.not_before, quiet), (operation.accepted_at or 0.0) + deadline)

    def lacks_credential(self, operation: Operation) -> bool:
        return operation.last_trouble == Ailment.NO_CREDENTIAL and not self._asking.may_ask(operation)

    def question(
        self, operation: Operation, step: lifecycle.Poll, now: float, deadline: float
    ) -> Question | None:
        """What the monitor is asked now; None where it may not be, or not yet."""
        due = self.due(operation, step, deadline)
        if now < due or self.lacks_credential(operation):
            return None
        return Question(operation, self._dialects.get(operation.plan.dialect), step.monitor, due, now)

    def event(self, question: Question, said: Reply | Exception | None, polling: Polling) -> events.Event:
        """What the answer, or why there is none, means; told to whoever wants to know.

        Raises an exception that nobody expected of asking.
        """
        operation, dialect = question.operation, question.dialect
        reading = self._read(question, said)
        now = self._clock.now()
        word = reading.ailment if isinstance(reading, Trouble) else reading.progress
        self._observer.polled(Poll(operation, question.at - question.due, now - question.at, word))
        if isinstance(reading, Trouble):
            self._observer.poll_troubled(operation, reading)
            self._slow_down(_host(question.url), reading, now)
        event = lifecycle.hear(
            operation,
            reading,
            now,
            polling=polling,
            chance=self._chance(),
            floor=dialect.floor if dialect is not None else 0.0,
        )
        crashpoints.reach("mid_poll")
        if not isinstance(event, GOES_ON):
            crashpoints.reach("after_completed_seen")
        return event

    def _read(self, question: Question, said: Reply | Exception | None) -> Report | Trouble:
        """What the answer says, or what is to be made of having none."""
        operation, dialect = question.operation, question.dialect
        if dialect is None:
            return Trouble(Ailment.GARBAGE)
        if isinstance(said, Reply):
            reading = dialect.read(operation.plan, said, self._clock.now())
            if (
                isinstance(reading, Trouble)
                and reading.ailment == operation.last_trouble == Ailment.UNAUTHORISED
            ):
                self._asking.give_back(operation)  # twice in a row: it has expired
            return reading
        ailment = next((ailment for kind, ailment in AILMENTS if isinstance(said, kind)), None)
        if ailment is None:
            raise said or ValueError("neither an answer nor a reason why there is none")
        return Trouble(ailment)

    def _slow_down(self, host: str, trouble: Trouble, now: float) -> None:
        if trouble.ailment is Ailment.THROTTLED:
            wish = trouble.retry_after if trouble.retry_after is not None else 1.0
            self._quiet_until[host] = max(self._quiet_until.get(host, 0.0), now + min(wish, LONGEST_WISH))
        for quiet, until in list(self._quiet_until.items()):
            if until <= now:
                del self._quiet_until[quiet]


def _host(url: str) -> str:
    return url.split("/", 3)[2]
