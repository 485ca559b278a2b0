"""A circuit breaker: with the medium gone, calls fail at once instead of one time-out after the other.

Rules: a few failures in a row open it; then one call at a time is let through, a pause apart, to find out whether the
medium is back. One that works closes it. A probe that nobody hears of again (its caller left) needs no accounting,
because the next one comes after the pause.

What it must not do: know what a call is.
"""

from collections.abc import Callable

FAILURES = 3
"""In a row. One alone may be a connection that somebody cut."""
PAUSE = 0.5
"""Seconds between two probes."""


class Breaker:
    """Counts failures."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._probe_at = 0.0

    def lets_pass(self) -> bool:
        """Whether a call may be tried now."""
        if self._failures < FAILURES:
            return True
        now = self._monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + PAUSE
        return True

    def worked(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._probe_at = self._monotonic() + PAUSE
