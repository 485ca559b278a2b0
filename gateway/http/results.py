"""Fetches the finished item: each caller's with its own credential, so that the upstream authorises every one.

Rules:
1. Nothing is handed from one caller to another: a result body is streamed through and kept nowhere.
2. The copy exists, so a 404, 429, 5xx or silence on the final GET is never the answer: it is tried again while the
   upstream may lag behind itself, then the operation's own report is the answer (`Gateway-Result: report`).
3. 401 and 403 are the upstream's verdict on this caller and are relayed.
4. Cookies that the operation's replies set go along for the caller whose credential it was started with, and for no
   other: they might be as good as that credential.

What this module must not do: wait for an operation, or decide who may ask.
"""

import asyncio
from dataclasses import dataclass, replace

from gateway import events, headers
from gateway.auth import Caller
from gateway.dialects import retry_after, with_query
from gateway.errors import CallerRefused, CredentialError, UpstreamError
from gateway.http.visit import Visit
from gateway.model import Headers, Operation, State
from gateway.store import Conflict, StoreDown
from gateway.upstream import Exchange, Outgoing

LAG = 20.0
"""Seconds after its end during which a finished item may not be visible yet (microsoft-graph-docs#12672)."""

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0)
"""Seconds between tries of the final GET; the last one repeats."""

SHORTEST_TRY = 1.0
"""Seconds that a final GET may take even where the caller's budget is nearly spent."""


class OutOfTime(Exception):
    """The caller's budget ended while the upstream could still be lagging behind itself."""


class NotThere(Exception):
    """The upstream does not show the item; the operation's own report has to do."""


@dataclass(frozen=True, slots=True)
class Results:
    """The final GET, for one visit and one caller."""

    visit: Visit
    caller: Caller

    def outgoing(self, target: str) -> Outgoing:
        """A GET with the caller's own headers and credential, without what belonged to its first request."""
        lines = headers.for_result_get(self.visit.call.headers)
        if self.caller.authorization is not None:
            lines = headers.replaced(lines, b"Authorization", self.caller.authorization)
        host = self.visit.parts.graph.host_header
        lines = self.visit.trace.signed(headers.for_upstream(lines, host=host, chunked=False))
        return Outgoing("GET", target, lines, None)

    async def fetch(self, operation: Operation, until: float) -> Exchange:
        """The upstream's reply with the item, or its 401 or 403; the caller closes it.

        Raises `OutOfTime` where the budget (`until`, monotonic seconds) ends first, `NotThere`.
        """
        target = operation.resource or operation.plan.named
        if target is None and operation.plan.inside:
            target = own_monitor(operation)
        if target is None:
            raise NotThere
        outgoing = self.outgoing(with_query(target, operation.plan.result_query))
        if self.caller.credential == operation.starter:
            origin = self.visit.parts.config.upstream.base_url.rstrip("/")
            own = self.visit.parts.cookies.line(operation.id, origin + outgoing.target)
            outgoing = replace(outgoing, headers=(*outgoing.headers, *own))
        clock = self.visit.parts.clock
        lags_until = (operation.ended_at or 0.0) + LAG
        tries = 0
        while True:
            wish = 0.0
            exchange = await self._try(outgoing, until)
            if exchange is not None:
                if exchange.status < 300 or exchange.status in (401, 403):
                    return exchange
                given = headers.get(exchange.headers, b"retry-after")
                wish = (retry_after.parse(given, clock.now()) if given else None) or 0.0
                await exchange.close()
            pause = max(PAUSES[min(tries, len(PAUSES) - 1)], wish)
            tries += 1
            if clock.now() + pause > lags_until:
                raise NotThere
            if clock.monotonic() + pause > until:
                raise OutOfTime
            await clock.sleep(pause)

    async def _try(self, outgoing: Outgoing, until: float) -> Exchange | None:
        """One GET; None where the upstream could not be talked to."""
        left = max(until - self.visit.parts.clock.monotonic(), SHORTEST_TRY)
        try:
            async with asyncio.timeout(left):
                return await self.visit.parts.graph.open(outgoing)
        except CallerRefused:  # as a 401 of the upstream's
            raise
        except (UpstreamError, CredentialError, TimeoutError):
            return None

    async def may_see(self, operation: Operation) -> Exchange | None:
        """Ask the upstream whether this caller may see what is operated on; None if so (and remembered).

        Otherwise the upstream's reply, to be relayed and closed. Raises `UpstreamError`.
        """
        waiting = self.visit.parts.waiting
        if waiting.knows(self.caller, operation):
            return None
        narrowed = (
            "$select=id" if operation.plan.version else ""
        )  # of Graph's; other APIs have no such option
        target = own_monitor(operation) or with_query(operation.plan.source, narrowed)
        exchange = await self.visit.parts.graph.open(self.outgoing(target))
        if exchange.status >= 300:
            return exchange
        await exchange.close()
        waiting.accept(self.caller, operation)
        return None

    async def fetched(self, operation: Operation) -> Operation:
        """Note that the upstream has handed the item out."""
        self.visit.parts.waiting.accept(self.caller, operation)
        if operation.state is not State.RESULT:
            return operation
        try:
            return await self.visit.parts.records.settle(operation, events.Fetched())
        except (Conflict, StoreDown):
            return replace(operation, state=State.SUCCEEDED)

    def head(self, operation: Operation, exchange: Exchange, extra: Headers) -> Headers:
        """The lines of the synchronous answer: the final GET's under the first POST's ids, and ours."""
        merged = headers.merge_result(operation.request_ids, exchange.headers)
        return (
            *headers.without(merged, {b"location", b"content-location", b"set-cookie"}),
            headers.VIA,
            *extra,
        )


def own_monitor(operation: Operation) -> str | None:
    """The target of a monitor that the upstream itself hosts, and shows to whom it would show the operation."""
    if operation.monitor is None or not operation.monitor_credential or operation.state is State.LOST:
        return None
    return "/" + operation.monitor.split("/", 3)[3]
