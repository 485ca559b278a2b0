"""The lease of a replica: how others know that it is there, and how it knows that they still do.

Rules
- One lease for a replica, whatever it owns; its length is the server's to reckon, so that no clocks are compared.
- `sure` is reckoned from before a renewal was sent, by this process's monotonic clock, and ends well before the
  server's lease does: whoever was paused finds out before it acts.
- A lease that lapsed is taken again: what nobody has taken over meanwhile is still its owner's. But it counts: a
  `tenure` that began before has ended.

What it must not do: fence. That is the epoch's work.
"""

import secrets
from collections.abc import Callable

from gateway.clock import Clock
from gateway.store import StoreDown
from gateway.store.redis_scripts import PREFIX
from gateway.store.redis_server import Server

RENEWED_AFTER = 0.3
"""Of the lease: every 3 s of 10, so that two renewals may fail."""
TRIED_AFTER = 0.1
"""Of the lease, after a renewal that failed."""
SURE_FOR = 0.7
"""Of the lease."""


class Lease:
    """Of one replica, under a name that nobody had before."""

    def __init__(self, *, server: Server, clock: Clock, seconds: float) -> None:
        self.replica = secrets.token_hex(8)
        self._key = f"{PREFIX}lease:{self.replica}"
        self._server = server
        self._clock = clock
        self._seconds = seconds
        self._renewed_at: float | None = None
        self._lapses = 0

    async def renew(self) -> None:
        """Take it, or take it for longer. Raises `StoreDown`."""
        if self._renewed_at is not None and not self.sure():
            self._lapses += 1
        asked_at = self._clock.monotonic()
        await self._server.ask("SET", self._key, "", "PX", int(self._seconds * 1000), urgent=True)
        self._renewed_at = asked_at

    async def keep(self) -> None:
        """Renew it for as long as this runs."""
        pause = RENEWED_AFTER
        while True:
            await self._clock.sleep(pause * self._seconds)
            try:
                await self.renew()
                pause = RENEWED_AFTER
            except StoreDown:
                pause = TRIED_AFTER

    async def give_back(self) -> None:
        """Let others take over at once. Raises `StoreDown`."""
        if self._renewed_at is not None:
            self._renewed_at = None
            await self._server.ask("DEL", self._key, urgent=True)

    def tenure(self) -> Callable[[], bool]:
        """Whether, from now until it is asked, it has been `sure` without a break."""
        lapses = self._lapses
        return lambda: self.sure() and self._lapses == lapses

    def sure(self) -> bool:
        """Whether it is beyond doubt that nobody else counts this replica as gone."""
        if self._renewed_at is None:
            return False
        return self._clock.monotonic() < self._renewed_at + SURE_FOR * self._seconds
