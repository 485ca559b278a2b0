"""Patience: lets many callers wait for one operation, and decides how a call comes to its operation.

Rules:
1. `admit` finds the record that answers for a call, applies the table of `sameness` to it, and claims a new one
   where the table says so; a claim that another call was faster to make is looked at anew.
2. A wait has the caller's budget, never the operation's; a caller that leaves ends its wait alone.
3. An answer counts as delivered once the whole of it was taken by the peer. While that is being found out and put
   on record, an identical call waits for the verdict: a script that sends the same POST again right after its answer
   must get a second copy, a client that never got the answer must not. Of an answer that another process may just be
   giving, only the moment is known at which it could begin.
4. What other processes do to a record is heard of through the store, or looked up when something may have been
   missed; a waiter looks at the record itself before it believes anything.
5. A caller whose credential is not the starter's counts as a stranger until the upstream has accepted that
   credential for this very operation; that is remembered for a few minutes.

What it must not do: talk HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cachetools import TTLCache

from gateway import crashpoints, events, lifecycle, sameness
from gateway.auth import Caller
from gateway.bounds import Bounds, ring
from gateway.clock import Clock
from gateway.model import ACTIVE, FINISHED, Operation, State
from gateway.records import Records
from gateway.sameness import Ask, Decision, ReplayRules
from gateway.store import Conflict, StoreDown

ARRIVED = events.Delivered()

ACCEPTANCE = 300.0
"""Seconds that the upstream's acceptance of a stranger's credential is remembered."""

SETTLING = 0.3
"""Seconds an identical call waits to learn whether the answer before it arrived: longer than a delayed TCP
acknowledgement (RFC 1122 section 4.2.3.2 allows 0.5 s; Linux and Windows use 0.04 to 0.2 s)."""


RECENT = 1.0
"""Seconds since an answer could begin during which another process may still be giving it, its clock and ours not
being quite the same."""


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


@dataclass(slots=True)
class Settling:
    """The answers of one operation whose arrival is not known or not on record yet."""

    writing: set[asyncio.Future[bool]] = field(default_factory=set)
    """Being written, or not acknowledged yet."""
    noting: set[asyncio.Task[None]] = field(default_factory=set)
    """Arrived, and being put on record."""


class Waiting:
    """Who waits for what, in this process."""

    def __init__(
        self,
        *,
        records: Records,
        clock: Clock,
        replay: ReplayRules,
        size: int,
        driven: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`size` bounds how many acceptances are remembered; `driven` says whether this process drives an operation,
        and so hears of its end anyway.
        """
        self._records = records
        self._clock = clock
        self.replay = replay
        self._waiters: dict[str, set[asyncio.Future[bool]]] = {}
        self._bounds = Bounds()
        self._settling: dict[str, Settling] = {}
        self._accepted: TTLCache[tuple[str, str], bool] = TTLCache(size, ACCEPTANCE, timer=clock.monotonic)
        self._attending: set[asyncio.Future[bool]] = set()
        self._draining = False
        self._driven = driven
        self._catching_up = False
        records.listen(self._changed)
        records.store.watch(self._heard)

    # --- how a call comes to its operation ---------------------------------------------------------------

    async def admit(self, key: str, ask: Ask, draft: Callable[[], Operation]) -> Admission:
        """Decide on a call; `draft` makes the record of a new operation. Raises `StoreFull`."""
        while True:
            existing = await self._records.store.find(key)
            if existing is not None and await self._settled(existing):
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

    async def _settled(self, existing: Operation) -> bool:
        """Wait until it is on record whether an answer that was just given has arrived; whether that took any time."""
        settling = self._settling.get(existing.id)
        if settling is not None:
            if settling.writing:
                await asyncio.wait(set(settling.writing), timeout=SETTLING)
            if settling.noting:
                await asyncio.wait(set(settling.noting))
            return True
        if (
            not self._records.store.shared
            or existing.state not in FINISHED
            or existing.delivered_at is not None
        ):
            return False
        moment = existing.fetched_at if existing.fetched_at is not None else existing.ended_at
        if moment is None or abs(self._clock.now() - moment) > RECENT:
            return False
        news = self._listen(existing.id)
        try:
            await rung(news, SETTLING)
        finally:
            self._listened(existing.id, news)
        return True

    # --- waiting -----------------------------------------------------------------------------------------

    async def wait(self, operation: Operation, until: float) -> Operation:
        """The record as soon as it is no longer active, or as it is when `until` (monotonic seconds) comes.

        An operation that was turned down comes back as `rejected`.
        """
        while True:
            news = self._listen(operation.id)
            try:
                current = await self._look(operation)
                left = until - self._clock.monotonic()
                if current.state not in ACTIVE or left <= 0 or self._draining:
                    return current
                operation = current  # no other version of it is kept while we wait
                self._bounds.add(news, left)
                if not await news:
                    return await self._look(operation)
            finally:
                self._bounds.end()
                self._listened(operation.id, news)

    def _listen(self, operation_id: str) -> "asyncio.Future[bool]":
        """What is done when there may be something new about an operation; listen before you look."""
        news: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(operation_id, set()).add(news)
        return news

    def _listened(self, operation_id: str, news: "asyncio.Future[bool]") -> None:
        """Nobody waits for that any more."""
        waiters = self._waiters.get(operation_id)
        if waiters is not None:
            waiters.discard(news)
            if not waiters:
                del self._waiters[operation_id]

    async def _look(self, operation: Operation) -> Operation:
        try:
            current = await self._records.store.get(operation.id)
        except StoreDown:
            return operation  # it goes on, as far as anybody can know
        return current if current is not None else replace(operation, state=State.REJECTED)

    async def attend(self, task: "asyncio.Task[Any]", until: float) -> None:
        """Return when `task` has ended, when `until` (monotonic seconds) comes, or when waits are drained; the
        task is left alone.
        """
        over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._attending.add(over)
        task.add_done_callback(lambda _: self._wake({over}))
        try:
            left = until - self._clock.monotonic()
            if not self._draining and not task.done() and left > 0:
                await rung(over, left)
        finally:
            self._attending.discard(over)

    def _changed(self, operation: Operation) -> None:
        if operation.state not in ACTIVE:
            self._wake(self._waiters.get(operation.id, set()))

    def _heard(self, operation_id: str | None) -> None:
        """Another process changed this record; or, without an id, may have changed any."""
        if operation_id is not None:
            self._wake(self._waiters.get(operation_id, set()))
        elif not self._catching_up and not self._draining:
            self._catching_up = True
            self._records.tasks.start("look at what is waited for", self._catch_up())

    async def _catch_up(self) -> None:
        """Look at every operation that is waited for and driven elsewhere: once each, however many wait for it."""
        try:
            for operation_id in [waited for waited in self._waiters if not self._driven(waited)]:
                if operation_id not in self._waiters:
                    continue
                current = await self._records.store.get(operation_id)
                if current is None or current.state not in ACTIVE:
                    self._wake(self._waiters.get(operation_id, set()))
        except StoreDown:
            pass  # whoever tells us to look will tell again
        finally:
            self._catching_up = False

    @staticmethod
    def _wake(futures: set["asyncio.Future[bool]"]) -> None:
        for future in futures:
            ring(future, news=True)

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
    async def delivering(
        self, operation: Operation, event: events.Delivered | events.HandedOver = ARRIVED
    ) -> AsyncIterator[Delivery]:
        """Around the writing of an answer: if the body of the `with` learns that it arrived, `event` is recorded."""
        delivery = Delivery()
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        settling = self._settling.setdefault(operation.id, Settling())
        settling.writing.add(settled)
        noting: asyncio.Task[None] | None = None
        try:
            yield delivery
        finally:
            if delivery.arrived:  # a caller that leaves now has its answer: its leaving must not stop us
                noting = self._records.tasks.start(
                    f"note delivery {operation.id}", self._note(operation.id, settling, event)
                )
                settling.noting.add(noting)
            settled.set_result(True)
            settling.writing.discard(settled)
            self._forget_settled(operation.id, settling)
        if noting is not None:
            with suppress(asyncio.CancelledError):  # the answer is whole: there is nothing left to cancel
                await asyncio.shield(noting)

    async def _note(
        self, operation_id: str, settling: Settling, event: events.Delivered | events.HandedOver
    ) -> None:
        """Put an arrival on record. Where that cannot be stored, the answer will be replayed: better once too often
        than never.
        """
        try:
            while True:
                current = await self._records.store.get(operation_id)
                if current is None or (current.state, type(event)) not in lifecycle.TRANSITIONS:
                    return
                with suppress(Conflict):
                    await self._records.apply(current, event)
                    crashpoints.reach("after_delivered_mark")
                    return
        except StoreDown:
            return
        finally:
            this = asyncio.current_task()
            settling.noting = {task for task in settling.noting if task is not this}
            self._forget_settled(operation_id, settling)

    def _forget_settled(self, operation_id: str, settling: Settling) -> None:
        if not settling.writing and not settling.noting and self._settling.get(operation_id) is settling:
            del self._settling[operation_id]

    # --- strangers ---------------------------------------------------------------------------------------

    def knows(self, caller: Caller, operation: Operation) -> bool:
        """Whether the upstream has accepted this credential for this operation."""
        return caller.credential == operation.starter or (caller.credential, operation.id) in self._accepted

    def accept(self, caller: Caller, operation: Operation) -> None:
        self._accepted[caller.credential, operation.id] = True


async def rung(future: "asyncio.Future[bool]", seconds: float) -> None:
    """Wait for `future`, for so many seconds at most."""
    timer = asyncio.get_running_loop().call_later(seconds, partial(ring, future, news=False))
    try:
        await future
    finally:
        timer.cancel()
