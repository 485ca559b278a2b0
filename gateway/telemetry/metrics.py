"""Metrics: what the gateway counts of itself, for Prometheus.

Everything that is counted is in `Counted`, everything that is looked at when somebody asks is in `READINGS`; the page
`docs/metrics.md` is made of both.

Rules: no label takes a value that a caller, an upstream or a clock could choose: no path, id, host or principal. What
is counted for each call is a handful of additions (see `counting`).

What this module must not do: serve HTTP (`admin` does), or ask a store.
"""

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import aiohttp
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from gateway import __version__, guard
from gateway.config.shape import StoreName
from gateway.model import ACTIVE, Ailment, Operation, Progress, State
from gateway.telemetry import CallRecord, Indifferent, Poll
from gateway.telemetry.counting import OTHER, Counter, Durations
from gateway.telemetry.logs import EVENTS

PREFIX = "lro_gateway_"

PARSER = f"aiohttp {aiohttp.__version__}"
"""What reads callers' requests."""

ROUTES = ("forward", "hold", "batch", "status", "result", "gateway", "refused")
CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
"""By the first digit of a status; `none` where there was no answer."""
OUTCOMES = ("answered", "left", "aborted", "refused", "failed")
PLAIN = frozenset({"answered", "left", "aborted"})
"""Outcomes that are no error's reason."""
RELATIONS = ("start", "join", "replay", "reconcile", "mismatch", "owner", "ticket")
REASONS = (*guard.REASONS, "parser", "header", "body", "idempotency key", "own path")
BOUNDS = ("held calls", "calls of one caller", "active operations", "memory", "connections")
SHED = frozenset(BOUNDS)
READINGS_OF_POLLS = (*Progress, *Ailment)
SIDES = ("upstream", "monitor")
METHODS = ("find", "get", "claim", "save", "discard", "left_behind", "all")
"""Of a store."""

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Bounds of what takes as long as a call may, in seconds."""
LONG = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
"""Bounds of what takes as long as an operation may."""
QUICK = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds of what is to be over at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Something that is looked at, not counted."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"


READINGS = (
    Reading("build_info", "Always 1; its labels say what is running.", ("version", "python", "parser")),
    Reading("ready", "1 while calls should be sent here, as `/readyz` says it."),
    Reading("held_calls", "Calls that are held now."),
    Reading("connections", "Connections of callers that are open."),
    Reading("following", "Operations that are followed here."),
    Reading("queued", "Operations that wait for their turn at a drive."),
    Reading("limit", "What the configuration sets: held_calls, connections, max_active.", ("limit",)),
    Reading("upstream_connections", "Connections to the upstream and to monitors, by use.", ("side", "use")),
    Reading(
        "certificate_expires_timestamp_seconds", "When the certificate of `listen.tls` ends; only with TLS."
    ),
    Reading("tokens", "Tokens that Entra gave the gateway.", kind="counter"),
)
"""Everything that is looked at; `Look` gives the values."""

Look = Callable[[], Iterable[tuple[str, tuple[str, ...], float]]]
"""Name, values of the labels, and value of each reading that there is now."""


class Counted:
    """Every counter and every histogram there is."""

    def __init__(self, dialects: Sequence[str]) -> None:
        counter, durations = self._counter, self._durations
        self.families: list[Counter | Durations] = []
        self.calls = counter(
            "calls",
            "Calls that have ended. `status` is the class of the answer, `outcome` what became of the call: refused by the guard, failed by an error of the gateway's own, left by its caller, aborted by the gateway.",
            route=ROUTES,
            status=CLASSES,
            outcome=OUTCOMES,
        )
        self.call_seconds = durations(
            "call_seconds", "From a call's head to the end of its answer.", FAST, route=ROUTES
        )
        self.body_bytes = counter(
            "body_bytes", "Bytes of bodies, from callers (in) and to them (out).", direction=("in", "out")
        )
        self.admissions = counter(
            "admissions",
            "Calls that came to an operation: started one, joined one, were answered from one that had ended (replay), had its outcome looked for (reconcile), used its key for another call (mismatch), or asked on the gateway's own paths with the owner's credential or a ticket.",
            relation=RELATIONS,
        )
        self.refusals = counter(
            "refusals",
            "Requests that were refused before anything was sent, by the guard's word.",
            reason=REASONS,
        )
        self.shed = counter(
            "shed", "Calls that were turned away with 503 at one of the gateway's bounds.", bound=BOUNDS
        )
        self.operations = counter(
            "operations",
            "Operations that came into a state here. `reserved` counts those that were begun, `running` those that the upstream accepted; after the latter comes how they ended.",
            dialect=dialects,
            state=tuple(State),
            store=get_args(StoreName),
        )
        self.operation_seconds = durations(
            "operation_seconds",
            "From the upstream's 202 to the moment at which the operation's end was known.",
            LONG,
            dialect=dialects,
            state=tuple(state for state in State if state not in ACTIVE),
        )
        self.polls = counter(
            "polls",
            "Polls that came back: the monitor's word, or what was wrong with it.",
            dialect=dialects,
            reading=READINGS_OF_POLLS,
        )
        self.poll_late_seconds = durations(
            "poll_late_seconds", "How much later than it was due a monitor was asked.", QUICK
        )
        self.queued_seconds = durations(
            "queued_seconds",
            "How long calls waited for their turn at a drive (`limits.running_per_drive`).",
            LONG,
        )
        self.answer_lag_seconds = durations(
            "answer_lag_seconds",
            "From the moment at which an operation's end was known to the head of a waiting caller's answer; the GET of the item is in it.",
            FAST,
        )
        self.head_seconds = durations(
            "head_seconds",
            "From a request to the head of the reply, by who was asked and the class of its status (`none`: there was no reply).",
            FAST,
            side=SIDES,
            status=CLASSES,
        )
        self.store_seconds = durations(
            "store_seconds",
            "How long the store took, failures included.",
            QUICK,
            store=get_args(StoreName),
            method=METHODS,
        )
        self.store_failures = counter(
            "store_failures", "Times that the store was down.", store=get_args(StoreName), method=METHODS
        )
        self.events = counter(
            "events", "Events of the log, by name; `call` is in `calls`.", event=tuple(EVENTS)
        )

    def _counter(self, name: str, meaning: str, **labels: Sequence[str]) -> Counter:
        family = Counter(PREFIX + name, meaning, labels)
        self.families.append(family)
        return family

    def _durations(
        self, name: str, meaning: str, bounds: Sequence[float], **labels: Sequence[str]
    ) -> Durations:
        family = Durations(PREFIX + name, meaning, labels, bounds)
        self.families.append(family)
        return family


class Metrics(Indifferent):
    """Counts what it is told, and spells it out."""

    def __init__(self, *, store: str, dialects: Sequence[str]) -> None:
        """`dialects`: the names that a label may have."""
        self._store = store
        self.counted = Counted(dialects)
        counted = self.counted
        self._in, self._out = counted.body_bytes.at("in"), counted.body_bytes.at("out")
        self._lag, self._queued = counted.answer_lag_seconds.at(), counted.queued_seconds.at()
        self._late = counted.poll_late_seconds.at()
        self._look: Look = tuple
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def look_at(self, look: Look) -> None:
        """Where readings come from, from now on."""
        self._look = look

    def page(self, accept: str) -> tuple[bytes, str]:
        """Everything, for a scraper that accepts this; and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterable[Metric]:
        """What prometheus-client's registry asks for."""
        for family in self.counted.families:
            yield family.collected()
        readings = {
            reading.name: (GaugeMetricFamily if reading.kind == "gauge" else CounterMetricFamily)(
                PREFIX + reading.name, reading.meaning, labels=reading.labels
            )
            for reading in READINGS
        }
        readings["build_info"].add_metric((__version__, platform.python_version(), PARSER), 1.0)
        for name, labels, value in self._look():
            readings[name].add_metric(labels, value)
        yield from readings.values()

    # --- what it is told -------------------------------------------------------------------------------------

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        counted, route, outcome = self.counted, record.route, record.outcome
        if outcome not in PLAIN:
            if outcome in SHED:
                counted.shed.at(outcome).value += 1
            elif route == "refused":
                counted.refusals.at(outcome).value += 1
            outcome = "refused" if route == "refused" else "failed"
        counted.calls.at(route, class_of(record.status), outcome).value += 1
        counted.call_seconds.at(route).note(seconds)
        self._in.value += record.bytes_in
        self._out.value += record.bytes_out
        if record.relation is not None:
            counted.admissions.at(record.relation).value += 1
        if record.notes:
            lag, queued = record.notes.get("answer_lag_ms"), record.notes.get("queued_ms")
            if isinstance(lag, float):
                self._lag.note(lag / 1000)
            if isinstance(queued, float):
                self._queued.note(queued / 1000)

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        if before is not None and before.state is after.state:
            return
        dialect, state = after.plan.dialect, after.state
        self.counted.operations.at(dialect, state, self._store).value += 1
        if before is None or before.state is not State.RUNNING or state in ACTIVE:
            return
        if after.accepted_at is not None and after.ended_at is not None:
            self.counted.operation_seconds.at(dialect, state).note(after.ended_at - after.accepted_at)

    def polled(self, poll: Poll) -> None:
        self.counted.polls.at(poll.operation.plan.dialect, poll.reading).value += 1
        self._late.note(max(0.0, poll.late))

    def event(self, name: str, **facts: str | float | bool) -> None:
        self.counted.events.at(name).value += 1

    def crashed(self, where: str, error: BaseException) -> None:
        self.counted.events.at("crashed").value += 1

    def upstream_answered(self, status: int, seconds: float) -> None:
        """The head of the upstream's reply is there; status 0 where none came."""
        self.counted.head_seconds.at("upstream", class_of(status)).note(seconds)

    def monitor_answered(self, status: int, seconds: float) -> None:
        self.counted.head_seconds.at("monitor", class_of(status)).note(seconds)

    def store_used(self, method: str, seconds: float, *, failed: bool) -> None:
        self.counted.store_seconds.at(self._store, method).note(seconds)
        if failed:
            self.counted.store_failures.at(self._store, method).value += 1


def class_of(status: int) -> str:
    """The class of a status, as a label."""
    return CLASSES[status // 100] if status < 600 else OTHER
