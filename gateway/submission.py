"""Submission: sends an operation's POST, once, and finds out whether the upstream took it on.

Rules, in the order of what happens:
1. The record is `submitting` before the first byte is written; nothing here ever sends a POST a second time.
2. The upstream's answer decides: an operation (`running`, stored, before anybody hears of it), an ordinary reply
   (the claim is dropped, the reply passed on untouched), or no clear answer (`unknown`).
3. The caller may leave at any moment; this goes on without it, because half a submission is an unknown outcome.
4. A monitor whose address turns out to be off limits makes the 202 an ordinary reply.

What it must not do: wait for the operation; know what a caller prefers.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from gateway import crashpoints, events, headers, lifecycle
from gateway.asking import Asking
from gateway.auth.cookies import Cookies
from gateway.clock import Clock
from gateway.dialects import Dialect, retry_after
from gateway.dialects.monitor_url import MonitorRules
from gateway.errors import (
    AddressRefused,
    CredentialError,
    GatewayError,
    NothingSent,
    OutcomeUnknown,
    StoreUnavailable,
    UpstreamError,
    UpstreamUnreachable,
)
from gateway.follower import Follower
from gateway.model import Call, Operation, Receipt, Reply, State
from gateway.records import Records
from gateway.store import Conflict, StoreDown
from gateway.tasks import Tasks
from gateway.telemetry import Observer
from gateway.upstream import Exchange, Outgoing

UNCLEAR = frozenset({500, 502, 504})
"""Statuses of the upstream that say nothing about whether it acted. Microsoft on a 504 to a copy: it "will likely
ultimately succeed, but Graph has given up waiting" (microsoftgraph/msgraph-sdk-dotnet#74)."""

PATIENCE = 1.0
"""Seconds between tries to store what must not be forgotten."""

MAX_IGNORED = 65_536
"""Bytes of a 202's body that are read and thrown away."""

FRESH = 1.0
"""Seconds. An operation's POST goes over a connection that was idle for less, or over a new one: a kept-alive
connection that the upstream is just closing would leave the outcome unknown."""


class GraphClient(Protocol):
    """What a submission needs of the upstream side."""

    async def open(self, outgoing: Outgoing, *, max_idle: float | None = None) -> Exchange:
        """See `upstream.Graph.open`."""


@dataclass(slots=True)
class Submitted:
    """What became of the POST: the operation's record, and the upstream's reply where it is to be passed on
    (still open; its reader must close it), or why there is none. Without either there is an operation to wait for.
    """

    operation: Operation
    exchange: Exchange | None = None
    failure: GatewayError | None = None
    """`NothingSent` or `CredentialError` (the claim was dropped), or `OutcomeUnknown`."""


class Submission:
    """Sends POSTs of operations."""

    def __init__(
        self,
        *,
        graph: GraphClient,
        asking: Asking,
        cookies: Cookies,
        records: Records,
        follower: Follower,
        rules: MonitorRules,
        chance: Callable[[], float],
        clock: Clock,
        tasks: Tasks,
        observer: Observer,
    ) -> None:
        self._graph = graph
        self._asking = asking
        self._cookies = cookies
        self._records = records
        self._follower = follower
        self.rules = rules
        self._chance = chance
        self._clock = clock
        self._tasks = tasks
        self._observer = observer

    async def send(
        self,
        operation: Operation,
        call: Call,
        dialect: Dialect,
        outgoing: Outgoing,
        via: GraphClient | None = None,
    ) -> Submitted:
        """Send the POST of a `reserved` operation; `via` stands in for the upstream where it travels with others."""
        permit = self._records.store.tenure()
        try:
            operation = await self._records.apply(operation, events.Sending())
        except StoreDown as error:
            self._observer.event("store_down", reason=str(error))
            self.withdraw(operation)
            return Submitted(operation, failure=StoreUnavailable("not durable"))
        crashpoints.reach("after_writeahead")
        permitted = replace(outgoing, permit=permit)
        try:
            exchange = await (via or self._graph).open(permitted, max_idle=FRESH)
        except UpstreamUnreachable as error:
            operation = await self._note(operation, events.Unsent())
            return Submitted(operation, failure=NothingSent(error.reason, proxy_error=error.proxy_word))
        except CredentialError as error:  # no token: nothing was sent, or a 401 was the answer
            event = events.Declined() if error.answered else events.Unsent()
            return Submitted(await self._note(operation, event), failure=error)
        except UpstreamError as error:
            operation = await self._note(operation, events.Unclear())
            return Submitted(operation, failure=OutcomeUnknown(error.reason))
        except BaseException:
            await self._give_up(operation)
            raise
        try:
            return await self._judge(operation, call, dialect, exchange)
        except BaseException:
            await exchange.close()
            raise

    def withdraw(self, operation: Operation) -> None:
        """Take back a claim that nothing was sent for, as soon as the store lets us: nobody would ever drive it."""
        self._tasks.start(f"withdraw {operation.id}", self._withdraw(operation))

    async def _withdraw(self, operation: Operation) -> None:
        while True:
            current = await self._current(operation)
            if current is None or current.epoch != operation.epoch:
                return
            try:
                await self._records.apply(current, events.Unsent())
            except StoreDown:
                await self._clock.sleep(PATIENCE)
            except Conflict:
                continue
            else:
                return

    async def _judge(
        self, operation: Operation, call: Call, dialect: Dialect, exchange: Exchange
    ) -> Submitted:
        """What the upstream's reply means for a `submitting` operation."""
        if exchange.status in UNCLEAR:
            operation = await self._note(operation, events.Unclear(headers.request_ids(exchange.headers)))
            return Submitted(operation, exchange)
        try:
            reply = await self._seen(dialect, exchange)
        except UpstreamError as error:  # it may name a monitor in what did not come
            operation = await self._note(operation, events.Unclear(headers.request_ids(exchange.headers)))
            return Submitted(operation, failure=OutcomeUnknown(error.reason))
        try:
            receipt = dialect.receipt(operation.plan, call, reply, self.rules)
        except Exception:
            await self._give_up(operation)
            raise
        if receipt is None:
            ids = headers.request_ids(exchange.headers)
            untracked = exchange.status == 202
            if untracked:
                self._observer.event("operation_untracked", dialect=dialect.name)
            event = events.Untracked(ids) if untracked else events.Declined()
            return Submitted(await self._note(operation, event), exchange)
        crashpoints.reach("after_202")
        origin = self.rules.upstream_origin.rstrip("/")
        self._cookies.heard(operation.id, origin + call.target, exchange.headers)
        operation = await self._note(operation, self._event(operation, receipt, exchange, dialect))
        crashpoints.reach("after_running_durable")
        if not await self._may_connect(receipt):
            ids = headers.request_ids(exchange.headers)
            return Submitted(await self._note(operation, events.Untracked(ids)), exchange)
        self._follower.follow(operation)
        await self._drop(exchange)
        return Submitted(operation)

    async def _seen(self, dialect: Dialect, exchange: Exchange) -> Reply:
        """The reply, with its body where the dialect has to look into it."""
        if exchange.status not in dialect.peeks:
            return Reply(exchange.status, exchange.headers)
        body, oversized = await exchange.peek(self._asking.max_body)
        return Reply(exchange.status, exchange.headers, body, oversized)

    async def _give_up(self, operation: Operation) -> None:
        """We were stopped, or ran into a bug, with the POST on its way: nobody will learn what becomes of it."""
        with suppress(StoreDown):
            await self._records.apply(operation, events.Unclear())

    def _event(
        self, operation: Operation, receipt: Receipt, exchange: Exchange, dialect: Dialect
    ) -> events.Event:
        ids = headers.request_ids(exchange.headers)
        if receipt.monitor is None:
            return events.AcceptedDone(receipt.resource or operation.plan.source, ids)
        wish = retry_after.parse(headers.get(exchange.headers, b"retry-after") or b"", self._clock.now())
        return events.Accepted(receipt, ids, self._chance(), dialect.floor, wish)

    async def _note(self, operation: Operation, event: events.Event) -> Operation:
        """Store what the upstream said, however long that takes: it will not say it again.

        A write that seemed to fail may have been done. And whoever took the record over while we were waiting for
        the upstream did not know what we know now, so it is noted on the record as it is.
        """
        while True:
            leads_to = lifecycle.TRANSITIONS.get((operation.state, type(event)))
            try:
                return await self._records.apply(operation, event)
            except StoreDown as error:
                self._observer.event("store_down", reason=str(error))
                await self._clock.sleep(PATIENCE)
            except Conflict:
                current = await self._current(operation)
                if current is None and leads_to is State.REJECTED:
                    return replace(operation, state=State.REJECTED)
                if current is None:
                    raise
                if (current.epoch, current.revision, current.state) == (
                    operation.epoch,
                    operation.revision + 1,
                    leads_to,
                ):
                    return current
                if (current.state, type(event)) not in lifecycle.TRANSITIONS:
                    raise
                operation = current

    async def _current(self, operation: Operation) -> Operation | None:
        while True:
            try:
                return await self._records.store.get(operation.id)
            except StoreDown:
                await self._clock.sleep(PATIENCE)

    async def _may_connect(self, receipt: Receipt) -> bool:
        """False only for an address that is off limits; a monitor that is merely down will be polled again."""
        if receipt.monitor is None:
            return True
        try:
            await self._asking.vet(receipt.monitor, credential=receipt.credential)
        except AddressRefused:
            return False
        except UpstreamError:
            return True
        return True

    async def _drop(self, exchange: Exchange) -> None:
        """The body of a 202 says nothing that we need; reading it keeps the connection usable."""
        with suppress(UpstreamError):
            await exchange.read(MAX_IGNORED)
        await exchange.close()
