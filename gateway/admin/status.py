"""The gateway's state in one JSON object: health, counts, what ended last, and what charts are made of.

Rules: whether the store works is found out by asking it, at most once a second however many want to know. What is
counted over all operations is as old as the last look at them.

What this module must not do: know how it travels.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TypeVar

from gateway import __version__
from gateway.admin.rows import Rows, moment, waits_for_caller
from gateway.admin.watch import Watch
from gateway.clock import Clock
from gateway.config import Config
from gateway.model import ACTIVE, Operation
from gateway.store import Store, StoreDown

Found = TypeVar("Found")

FRESH = 1.0
"""Seconds for which a look at the store answers for the next ones."""

PATIENCE = 2.0
"""Seconds that the store may take until it counts as in trouble."""

SILENT = "the store does not answer"


@dataclass(slots=True)
class Counts:
    """What there is, as of one look at all operations."""

    operations: int = 0
    active: int = 0
    stalled: int = 0
    waiting_for_caller: int = 0


class Status:
    """Says how the gateway is."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        store: Store,
        watch: Watch,
        rows: Rows,
        ready: Callable[[], str | None],
        held: Callable[[], int],
    ) -> None:
        self.config = config
        self._clock = clock
        self._store = store
        self._watch = watch
        self._rows = rows
        self._ready = ready
        self._held = held
        self._started = clock.now()
        self._counts = Counts()
        self._looked = float("-inf")
        self._looking = asyncio.Lock()

    def count(self, operations: Sequence[Operation]) -> None:
        """Take note of all operations there are."""
        now, counts = self._clock.now(), Counts(operations=len(operations))
        for operation in operations:
            if operation.state in ACTIVE:
                counts.active += 1
                counts.stalled += self._rows.stalled(operation, now)
                counts.waiting_for_caller += waits_for_caller(operation)
        self._counts = counts

    async def all(self) -> Sequence[Operation]:
        """Every operation; on the way, whether the store works. Raises `StoreDown`."""
        found = await self._asked(self._store.all())
        self.count(found)
        return found

    async def said(self) -> dict[str, object]:
        """With a look at all operations, unless there has just been one."""
        async with self._looking:
            if self._clock.monotonic() - self._looked > FRESH:
                with suppress(StoreDown):  # it is in trouble, and that is said
                    await self.all()
                self._looked = self._clock.monotonic()
        return self.last()

    def last(self) -> dict[str, object]:
        """As of the last look."""
        now, config = self._clock.now(), self.config
        reason = self._ready()
        return {
            "now": moment(now),
            "version": __version__,
            "started": moment(self._started),
            "uptime": round(now - self._started, 3),
            "ready": reason is None,
            "reason": reason,
            "held_calls": self._held(),
            **asdict(self._counts),
            "max_active": config.operations.max_active,
            "max_held_calls": config.limits.held_calls,
            "health": {
                "store": {
                    **self._watch.store.said(),
                    "kind": config.operations.store,
                    "warning": self._watch.store_warning,
                },
                "token": {**self._watch.token_health().said(), "mode": config.auth.mode},
                "upstream": {**self._watch.upstream.said(), "url": config.upstream.base_url},
            },
            **self._watch.said(),
        }

    async def _asked(self, question: Awaitable[Found]) -> Found:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await question
        except TimeoutError:
            self._watch.store.ill(SILENT, self._clock.now())
            raise StoreDown(SILENT) from None
        except StoreDown as error:
            self._watch.store.ill(str(error), self._clock.now())
            raise
        self._watch.store.fine(self._clock.now())
        return found
