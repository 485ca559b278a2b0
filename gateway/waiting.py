"""Patience: lets many callers wait for one operation, and decides how a call comes to its operation.

Rules:
1. `admit` finds the record that answers for a call, applies the table of `sameness` to it, and claims a new one
   where the table says so; a claim that another call was faster to make is looked at anew.
2. A wait has the caller's budget, never the operation's; a caller that leaves ends its wait alone.
3. An answer counts as delivered once the whole of it was taken by the peer. While that is being found out, an
   identical call waits a moment for the verdict: a script that sends the same POST again right after its answer
   must get a second copy, a client that never got the answer must not.
4. A caller whose credential is not the starter's counts as a stranger until the upstream has accepted that
   credential for this very operation; that is remembered for a few minutes.

What it must not do: talk HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from cachetools import TTLCache

from gateway import events, sameness
from gateway.auth import Caller
from gateway.clock import Clock
from gateway.model import ACTIVE, FINISHED, Operation, State
from gateway.records import Records
from gateway.sameness import Ask, Decision, ReplayRules
from gateway.store import Conflict, StoreDown

ACCEPTANCE = 300.0
"""Seconds that the upstream's acceptance of a stranger's credential is remembered."""

SETTLING = 0.3
"""Seconds an identical call waits to learn whether the answer before it arrived: longer than a delayed TCP
acknowledgement (RFC 1122 section 4.2.3.2 allows 0.5 s; Linux and Windows use 0.04 to 0.2 s)."""


@dataclass(frozen=True, slots=True)
class Admission:
    """How a call comes to its operation: the table's decision, and the record it was made on.

    For START the record is the new claim; `existing` is what it replaces.
    """

    decision: Decision
    operation: Operation


@dataclass(slots=True)
class Delivery:
    """What the writing of an answer finds out: whether the peer took the whole of it."""

    arrived: bool = False


class Waiting:
    """Who waits for what, in this process."""

    def __init__(self, *, records: Records, clock: Clock, replay: ReplayRules, size: int) -> None:
        """`size` bounds how many acceptances are remembered."""
        self._records = records
        self._clock = clock
        self.replay = replay
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._settling: dict[str, set[asyncio.Future[None]]] = {}
        self._accepted: TTLCache[tuple[str, str], bool] = TTLCache(size, ACCEPTANCE, timer=clock.monotonic)
        self._attending: set[asyncio.Future[None]] = set()
        self._draining = False
        records.listen(self._changed)

    # --- how a call comes to its operation ---------------------------------------------------------------

    async def admit(self, key: str, ask: Ask, draft: Callable[[], Operation]) -> Admission:
        """Decide on a call; `draft` makes the record of a new operation. Raises `StoreFull`."""
        while True:
            existing = await self._records.store.find(key)
            if existing is not None and existing.id in self._settling:
                await asyncio.wait(set(self._settling[existing.id]), timeout=SETTLING)
                existing = await self._records.store.find(key)
            decision = sameness.decide(existing, ask, self._clock.now(), self.replay)
            if decision is not Decision.START and existing is not None:
                return Admission(decision, existing)
            operation = draft()
            if await self._records.claim(operation, replaces=existing):
                return Admission(Decision.START, operation)

    async def resend(self, existing: Operation, draft: Callable[[], Operation]) -> Operation | None:
        """Claim anew what `existing` left unclear; None where another call was faster. Raises `StoreFull`."""
        first = existing.first_sent_at if existing.first_sent_at is not None else existing.submitted_at
        operation = replace(draft(), supersedes=existing.id, first_sent_at=first)
        return operation if await self._records.claim(operation, replaces=existing) else None

    # --- waiting -----------------------------------------------------------------------------------------

    async def wait(self, operation: Operation, until: float) -> Operation:
        """The record as soon as it is no longer active, or as it is when `until` (monotonic seconds) comes.

        An operation that was turned down comes back as `rejected`.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(operation.id, set())
        waiters.add(future)
        try:
            current = await self._look(operation)
            left = until - self._clock.monotonic()
            if current.state not in ACTIVE or left <= 0 or self._draining:
                return current
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await future
            return await self._look(operation)
        finally:
            waiters.discard(future)
            if not waiters and self._waiters.get(operation.id) is waiters:
                del self._waiters[operation.id]

    async def attend(self, task: "asyncio.Task[Any]", until: float) -> None:
        """Return when `task` has ended, when `until` (monotonic seconds) comes, or when waits are drained; the
        task is left alone.
        """
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._attending.add(over)
        task.add_done_callback(lambda _: self._wake({over}))
        try:
            left = until - self._clock.monotonic()
            if not self._draining and not task.done() and left > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await over
        finally:
            self._attending.discard(over)

    async def _look(self, operation: Operation) -> Operation:
        try:
            current = await self._records.store.get(operation.id)
        except StoreDown:
            return operation  # it goes on, as far as anybody can know
        return current if current is not None else replace(operation, state=State.REJECTED)

    def _changed(self, operation: Operation) -> None:
        if operation.state not in ACTIVE:
            self._wake(self._waiters.pop(operation.id, set()))

    @staticmethod
    def _wake(futures: set["asyncio.Future[None]"]) -> None:
        for future in futures:
            if not future.done():
                future.set_result(None)

    def waiting_for(self, operation_id: str) -> int:
        """How many callers are held for this operation."""
        return len(self._waiters.get(operation_id, ()))

    def drain(self) -> None:
        """End every wait now, and let no new one begin: the process is stopping."""
        self._draining = True
        self._wake(self._attending)
        for waiters in self._waiters.values():
            self._wake(waiters)

    # --- delivered or not --------------------------------------------------------------------------------

    @asynccontextmanager
    async def delivering(self, operation: Operation) -> AsyncIterator["Delivery"]:
        """Around the writing of an answer: what the body of the `with` learns of its arrival is recorded."""
        delivery = Delivery()
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        others = self._settling.setdefault(operation.id, set())
        others.add(settled)
        try:
            yield delivery
            if delivery.arrived:
                await self._delivered(operation.id)
        finally:
            settled.set_result(None)
            others.discard(settled)
            if not others and self._settling.get(operation.id) is others:
                del self._settling[operation.id]

    async def _delivered(self, operation_id: str) -> None:
        """Where that cannot be stored, the answer will be replayed: better once too often than never."""
        with suppress(StoreDown):
            await self._note_delivery(operation_id)

    async def _note_delivery(self, operation_id: str) -> None:
        while True:
            current = await self._records.store.get(operation_id)
            if current is None or current.state not in FINISHED:
                return
            try:
                await self._records.apply(current, events.Delivered())
            except Conflict:
                continue
            return

    # --- strangers ---------------------------------------------------------------------------------------

    def knows(self, caller: Caller, operation: Operation) -> bool:
        """Whether the upstream has accepted this credential for this operation."""
        return caller.credential == operation.starter or (caller.credential, operation.id) in self._accepted

    def accept(self, caller: Caller, operation: Operation) -> None:
        self._accepted[caller.credential, operation.id] = True
