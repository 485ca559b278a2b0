"""One deadline that moves often and is rarely reached.

Rules: a timer of the event loop is made anew only when it would ring too late; one that rings too early sets itself
to the deadline of the moment. So a request on a kept-alive connection costs a comparison, not a timer.

It must not know what is late.
"""

import asyncio
from collections.abc import Callable

NEVER = float("inf")

GRAIN = 0.001
"""uvloop counts in milliseconds, and may ring that much early."""


class Silence:
    """Calls `too_long` once the deadline is reached."""

    __slots__ = ("_deadline", "_loop", "_rings_at", "_timer", "_too_long")

    def __init__(self, loop: asyncio.AbstractEventLoop, too_long: Callable[[], None]) -> None:
        self._loop = loop
        self._too_long = too_long
        self._deadline = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = NEVER

    def allow(self, seconds: float) -> None:
        """Set the deadline, from now."""
        self._deadline = deadline = self._loop.time() + seconds
        if deadline < self._rings_at:
            if self._timer is not None:
                self._timer.cancel()
            self._set()

    def ignore(self) -> None:
        """No deadline, until the next one."""
        self._deadline = NEVER

    def stop(self) -> None:
        """No deadline any more; lets go of the timer."""
        self._deadline = self._rings_at = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self._rings_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = NEVER
        left = self._deadline - self._loop.time()
        if left == NEVER:
            return
        if left > GRAIN:
            self._set()
        else:
            self._deadline = NEVER
            self._too_long()
