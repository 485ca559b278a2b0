"""Carries the parts of a batch upstream: one POST for all that are ready, instead of one for each.

    submission of part 1 ──┐
    submission of part 3 ──┼── waits until every part has decided ──> POST /v1.0/$batch ──> each its own sub-response
    the parts of no operation ──┘

Rules
1. Nothing leaves while a part may still come along that starts an operation; so each one's record is `submitting`
   before the first byte. A part that joins, is answered, or queues for its drive is not waited for.
2. A part travels once, as the text that its caller wrote. One that gets ready after the POST has left (it had queued,
   or what it had joined came to nothing) goes with the next one.
3. The voyage is a task of its own: a caller that leaves does not stop it.

What this module must not do: know what a part is to its operation; compose the caller's answer.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway import headers
from gateway.errors import (
    CredentialError,
    GatewayError,
    UpstreamBroken,
    UpstreamError,
    UpstreamMalformed,
    UpstreamUnreachable,
)
from gateway.http.batch_text import Request, Requests, Responses, Unreadable, read_responses, same
from gateway.http.visit import Visit
from gateway.submission import FRESH
from gateway.upstream import Enclosed, Exchange, Outgoing


@dataclass(frozen=True, slots=True)
class Voyage:
    """One POST of the batch, and what came of it."""

    aboard: Sequence[Request]
    exchange: Exchange | None = None
    """Its reply; still to be read or closed where it is `oversized`."""
    body: bytes = b""
    """All of it, or the beginning of an oversized one."""
    oversized: bool = False
    responses: Responses | None = None
    """Where it is the answer to a batch, and can be read."""
    failure: GatewayError | None = None

    def reply_to(self, request: Request) -> Enclosed:
        """What the upstream said to one part; raises what became of the voyage."""
        if self.failure is not None or self.exchange is None:
            raise self.failure or UpstreamBroken("no_reply")
        if self.oversized:  # it is passed on as it is; whoever reads it follows what is in it
            return Enclosed(202, (), b"")
        if self.exchange.status != 200:
            return Enclosed(self.exchange.status, self.exchange.headers, self.body)
        if self.responses is None:
            raise UpstreamMalformed("batch")
        found = self.responses.all.get(same(request.id))
        if found is None:
            raise UpstreamBroken("not_in_batch")
        ids = headers.request_ids(self.exchange.headers)
        own = {name.lower() for name, _ in found.headers}
        lines = (*found.headers, *(line for line in ids if line[0].lower() not in own))
        return Enclosed(found.status, lines, found.body, text=self.responses.text_of(found))


@dataclass(slots=True)
class Passenger:
    """A part whose operation is to be started."""

    request: Request
    permit: Callable[[], bool] | None
    arrived: asyncio.Future[Voyage]


class Carrier:
    """Takes the parts of one batch upstream."""

    def __init__(self, visit: Visit, batch: Requests, operations: Sequence[Request]) -> None:
        """`operations`: the parts that may start one."""
        self._visit = visit
        self._batch = batch
        self._undecided = {request.id for request in operations}
        self.others = tuple(request for request in batch.all if request.id not in self._undecided)
        self._waiting: list[Passenger] = []
        self._left = False
        self._unwanted = False
        self.first: asyncio.Future[Voyage] = asyncio.get_running_loop().create_future()
        """The voyage that everything goes with that can."""

    def expect(self, request: Request) -> None:
        """This part may start an operation."""
        self._undecided.add(request.id)

    def excuse(self, request: Request) -> None:
        """This part does not, or not now."""
        self._undecided.discard(request.id)
        if not self._undecided and (self._waiting or (self.others and not self._left)):
            aboard, self._waiting = self._waiting, []
            self._visit.parts.tasks.start(
                f"batch {self._visit.record.request_id}", self._sail(aboard, first=not self._left)
            )
            self._left = True

    async def carry(self, request: Request, permit: Callable[[], bool] | None) -> Enclosed:
        """Take a part along; returns the upstream's word on it. Raises as `upstream.Graph.open`."""
        if (
            self._left and request.needs
        ):  # what it depends on has left, and without it Graph refuses the batch
            raise UpstreamUnreachable("missed_its_batch", proxy_error="proxy_internal_error")
        passenger = Passenger(request, permit, asyncio.get_running_loop().create_future())
        self._waiting.append(passenger)
        self.excuse(request)
        return (await passenger.arrived).reply_to(request)

    def abandon(self) -> None:
        """The caller has left: nobody is going to pass on what was not read."""
        self._unwanted = True

    async def _sail(self, passengers: Sequence[Passenger], *, first: bool) -> None:
        travelling = {passenger.request.id for passenger in passengers}
        if first:
            travelling.update(request.id for request in self.others)
        aboard = tuple(request for request in self._batch.all if request.id in travelling)
        voyage = Voyage(aboard, failure=UpstreamBroken("stopping"))
        try:
            voyage = await self._voyage(aboard, [passenger.permit for passenger in passengers])
        finally:
            if first:
                self.first.set_result(voyage)
            for passenger in passengers:
                if not passenger.arrived.done():
                    passenger.arrived.set_result(voyage)

    async def _voyage(
        self, aboard: tuple[Request, ...], permits: Sequence[Callable[[], bool] | None]
    ) -> Voyage:
        parts = self._visit.parts
        try:
            exchange = await parts.graph.open(
                self._outgoing(aboard, permits), max_idle=FRESH if permits else None
            )
            body, oversized = await exchange.read(parts.config.limits.body)
        except (UpstreamError, CredentialError) as failure:
            return Voyage(aboard, failure=failure)
        if oversized:
            if self._unwanted or not self.is_whole(aboard):  # there is more to answer than can be passed on
                await exchange.close()
                return Voyage(aboard, failure=UpstreamMalformed("batch_too_large"))
            return Voyage(aboard, exchange, body, oversized=True)
        responses = None
        if exchange.status == 200:
            with suppress(Unreadable):
                responses = read_responses(body)
        return Voyage(aboard, exchange, body, responses=responses)

    def is_whole(self, aboard: Sequence[Request]) -> bool:
        """Whether these are all parts of the batch."""
        return len(aboard) == len(self._batch.all)

    def _outgoing(
        self, aboard: tuple[Request, ...], permits: Sequence[Callable[[], bool] | None]
    ) -> Outgoing:
        """The caller's own POST, with these parts in it and a reply that can be read."""
        visit = self._visit
        whole = self.is_whole(aboard)
        body = (self._batch.text if whole else self._batch.only(aboard)).encode()
        lines = headers.for_upstream(visit.call.headers, host=visit.parts.graph.host_header, chunked=False)
        lines = headers.without(lines, {b"expect"})
        lines = headers.replaced(lines, b"Content-Length", b"%d" % len(body))
        lines = headers.replaced(lines, b"Accept-Encoding", b"identity")
        if not headers.has(lines, b"client-request-id"):
            lines = (*lines, (b"client-request-id", str(uuid.uuid4()).encode()))
        return Outgoing(
            visit.call.method,
            visit.call.target,
            visit.trace.signed(lines),
            body,
            permit=lambda: all(permit is None or permit() for permit in permits),
        )
