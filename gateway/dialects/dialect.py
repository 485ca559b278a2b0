"""What every dialect answers: the questions, without any answer of one's own.

A dialect knows how one Graph workload spells its long-running operations: which calls may start one, where the
monitor is, what its reports mean and where the result will be. Each is one stateless value, found through the
ordered list in `gateway.dialects`.

Rules: pure functions of their arguments. A dialect never reads a clock (`now` is passed in), sends nothing, logs
nothing, and never raises because of what a caller, Graph or a monitor said.
"""

from enum import IntEnum
from typing import Protocol

from gateway.dialects.monitor_url import MonitorRules
from gateway.model import Call, Plan, Receipt, Reply, Report, Trouble


class Capture(IntEnum):
    """Whether a call's body must be in memory before the call is sent. `NO` is false, the others are true."""

    NO = 0
    """Not this dialect's call: stream it through."""
    IF_SMALL = 1
    """May start an operation, usually does not: capture up to 64 KiB, stream a larger one through."""
    IF_FITS = 3
    """The same, and its body may well be large: capture up to `limits.body`, stream a larger one through."""
    REQUIRED = 2
    """Starts an operation: a body over `limits.body` is refused, because unread it could not be told from its retry."""


class Dialect(Protocol):
    """How one Graph workload spells its long-running operations."""

    @property
    def name(self) -> str:
        """As in `dialects.enabled` and `Plan.dialect`."""

    @property
    def floor(self) -> float:
        """Seconds between two polls at least; 0 where the workload documents none."""

    @property
    def methods(self) -> frozenset[str]:
        """The methods of the calls that may start an operation; no other call is asked about."""

    @property
    def repeats(self) -> frozenset[bytes]:
        """Headers of the call (in lower case) that go along on the polls of a monitor that the upstream hosts."""

    @property
    def peeks(self) -> frozenset[int]:
        """Statuses of replies to a call whose bodies `receipt` has to see; the others' are not read for it."""

    def needs_body(self, call: Call) -> Capture:
        """Say from method, raw path and headers alone whether this call may start an operation."""

    def plan(self, call: Call) -> Plan | None:
        """Understand a call with its captured body; None where it turns out not to be one of ours."""

    def receipt(self, plan: Plan, call: Call, reply: Reply, rules: MonitorRules) -> Receipt | None:
        """Find the monitor in the reply to a planned call; None for a reply to be passed on untouched."""

    def read(self, plan: Plan, reply: Reply, now: float) -> Report | Trouble:
        """Normalise one answer of the monitor. `now` in seconds since 1970 dates a Retry-After that is a date."""
