"""Logs: structlog, one canonical line per call, to standard output as JSON or for a console.

Rules: every event has a name from `EVENTS`; foreign loggers (aiohttp's, asyncio's) come through the same pipe with
the fixed part of their message only, never with what a peer sent. No token, monitor URL, query string or body is ever
passed in; should one be all the same, `redaction` is the last to look.
"""

import logging
import re
import sys
import threading
import traceback
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from gateway.model import ACTIVE, Operation, State, Trouble
from gateway.telemetry import CallRecord, Indifferent
from gateway.telemetry.lines import Turn, call_line, event_line
from gateway.telemetry.redaction import redact

EVENTS = {
    "call": "one line per call, when it has been answered or its caller has left",
    "operation_accepted": "the upstream accepted an operation",
    "operation_untracked": "a 202 to a call of the `dialect` named no monitor that may be asked, and was passed on",
    "operation_ended": "an operation ended; `state` says how",
    "poll_troubled": "a poll told us nothing; it will be asked again",
    "operation_stalled": "an operation has shown no progress for polling.stalled_after",
    "operation_taken_over": "an operation whose process is gone is gone on with here",
    "record_unreadable": "a record of the store cannot be read; calls that would repeat it get 503",
    "crash_point_armed": "LRO_GATEWAY_CRASH_POINT is set: this process will end itself at that point",
    "store_at_risk": "the store works, but its server may lose operations; `reason` says by what, and what to change",
    "store_down": "the store failed; what has to be remembered is tried again, and nothing new is started",
    "credential_trouble": "Entra gave the gateway no token; `reason` is its code, or why it could not be asked",
    "crashed": "a bug: an exception that nobody expected, with where it came from",
    "listening": "the gateway takes calls",
    "turned_away": "a connection ended before it asked for anything; `reason` says why (at level debug)",
    "memory_full": "the process takes more than limits.memory; new calls get 503",
    "memory_freed": "it takes well below that again; calls are taken on",
    "certificate_expires": "the certificate of listen.tls ends in `days`, or has ended",
    "upstream_unreachable": "at the start, no connection to the upstream came up; `hint` says what to check",
    "reloaded": "SIGHUP arrived; `changed` is in force now, `restart` wants one, `problems` says what could not be used",
    "reload_refused": "SIGHUP arrived, but the file has `problems`; everything stays as it was",
    "stopping": "SIGTERM or SIGINT arrived; held calls are being answered",
    "stopped": "every call was answered, or shutdown.grace is over",
    "foreign": "a message of a library",
}
"""Every event this module writes, and what it means."""

WARNINGS = frozenset(
    {
        "credential_trouble",
        "operation_stalled",
        "reload_refused",
        "store_at_risk",
        "store_down",
        "upstream_unreachable",
        "record_unreadable",
        "crash_point_armed",
        "memory_full",
        "certificate_expires",
    }
)
"""The events that `event` is told of and that need somebody's attention."""

DETAILS = frozenset({"turned_away"})
"""The events that anybody could make many of."""

_FIXED = re.compile(r"[\n(<\[{]")
"""Where the part of a library's message ends that is sure to be the library's own."""

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_turn: Turn | None = None
"""Where the lines of calls go without a detour; None where structlog writes them, or nobody does."""


def configure(*, level: str, fmt: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """Set up structlog and the standard library's root logger; returns the gateway's logger."""
    out = stream or sys.stdout
    turn = Turn(out)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if fmt == "json"
        else structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
    ]
    render: Processor = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(
            colors=out.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            sort_keys=False,  # what comes first says most
        )
    )
    structlog.configure(
        processors=[*shared, redact, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", turn)),
        cache_logger_on_first_use=False,
    )
    global _turn  # noqa: PLW0603 - as global as structlog's own configuration, which it is a part of
    _turn = turn if fmt == "json" and LEVELS[level] <= LEVELS["info"] else None
    log: FilteringBoundLogger = structlog.get_logger()
    root = logging.getLogger()
    root.handlers = [_Foreign(log)]
    root.setLevel(max(LEVELS[level], logging.WARNING))
    return log


class _Foreign(logging.Handler):
    """Passes a library's message on without its arguments: those may be what a peer sent. So may what asyncio puts
    into its messages behind a bracket or on further lines: what a task or a callback was called with.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {
            "logger": record.name,
            "message": _FIXED.split(str(record.msg), maxsplit=1)[0].strip()[:200],
        }
        if record.exc_info and record.exc_info[0] is not None:
            facts["error"] = record.exc_info[0].__name__
        self._log.log(record.levelno, "foreign", **facts)


def own_up(observer: "LogObserver") -> None:
    """Let nothing that nobody caught be printed by Python itself, which shows the exception's text."""
    sys.excepthook = lambda _, error, __: observer.crashed("process", error)
    sys.unraisablehook = lambda seen: observer.crashed("clean-up", seen.exc_value or seen.exc_type())
    threading.excepthook = lambda seen: observer.crashed("thread", seen.exc_value or seen.exc_type())


class LogObserver(Indifferent):
    """Writes what it is told to a structlog logger."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        if _turn is not None:
            _turn.later(call_line(record, seconds))
            return
        facts: dict[str, Any] = {
            "method": record.method,
            "path": record.path,
            "route": record.route,
            "status": record.status,
            "outcome": record.outcome,
            "seconds": round(seconds, 4),
            "bytes_in": record.bytes_in,
            "bytes_out": record.bytes_out,
            "request_id": record.request_id,
        }
        for name in ("operation", "relation", "upstream_status"):
            value = getattr(record, name)
            if value is not None:
                facts[name] = value
        facts.update(record.notes)
        self._log.info("call", **facts)

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        if before is None or before.state is after.state:
            return
        facts: dict[str, Any] = {
            "operation": after.id,
            "kind": after.plan.kind,
            "state": after.state.value,
        }
        if after.state is State.RUNNING:
            self._info("operation_accepted", facts)
        elif after.state not in ACTIVE and before.state in ACTIVE:
            if after.accepted_at is not None and after.ended_at is not None:
                facts["seconds"] = round(after.ended_at - after.accepted_at, 3)
            if after.problem is not None:
                facts["code"] = after.problem.code
            self._info("operation_ended", {"polls": after.polls, **facts})

    def _info(self, event: str, facts: dict[str, Any]) -> None:
        if _turn is None:
            self._log.info(event, **facts)
        else:
            _turn.write(event_line(event, facts))
            _turn.flush()

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        self._log.warning(
            "poll_troubled",
            operation=operation.id,
            ailment=trouble.ailment.value,
            status=trouble.status,
            in_a_row=operation.troubles,
        )

    def event(self, name: str, **facts: str | float | bool) -> None:
        if name in WARNINGS:
            self._log.warning(name, **facts)
        elif name in DETAILS:
            self._log.debug(name, **facts)
        else:
            self._log.info(name, **facts)

    def crashed(self, where: str, error: BaseException) -> None:
        """Where and what kind, with the code's own lines; not the exception's text, which may quote a peer."""
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        trail = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self._log.error("crashed", where=where, error=type(error).__name__, trail=trail)
