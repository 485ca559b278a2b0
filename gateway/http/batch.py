"""`$batch`: up to 20 requests in one POST. Those that start operations are held, all others pass through untouched.

    POST /v1.0/$batch   1: GET /me                              -> 1: 200 as Graph wrote it
                        2: POST /me/drive/items/A/copy          -> 2: 202 + monitor, followed -> 200 and the item
                        3: the same copy, running since before  -> 3: not sent; joined -> 200 and the item

Rules
1. Each part that a dialect knows is an operation of its own, admitted and remembered like one that came alone. All
   others, and whatever is no batch to everybody's eyes, go through as they came and come back as they came.
2. What starts goes upstream in one POST (`carrier`), without the parts that are answered from elsewhere. Where nothing
   is left, nothing is sent.
3. All parts wait together, within one budget. What still runs then stays a 202, with its Location here.
4. Graph runs whatever depends on a copy before the copy is done. A batch in which a part depends on an operation is
   passed through as it is, and says so.
5. Of an answer only the responses of operations that ended are changed; the text of the others stays.

What this module must not do: know what an operation goes through.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from gateway import guard, headers
from gateway.dialects import Capture, Dialect, canonical_target, find
from gateway.errors import (
    GatewayError,
    NothingSent,
    OutcomeUnknown,
    UpstreamError,
    UpstreamMalformed,
    UpstreamUnreachable,
)
from gateway.headers import VIA
from gateway.http import answers
from gateway.http.answers import Answer
from gateway.http.batch_text import (
    NOTHING,
    Content,
    Request,
    Requests,
    Unreadable,
    read_requests,
    read_responses,
    response,
    same,
)
from gateway.http.carrier import Carrier, Voyage
from gateway.http.forward import forward
from gateway.http.heartbeat import heartbeat
from gateway.http.hold import SMALL, Hold
from gateway.http.part import Handover, PartVisit, call_of
from gateway.http.responder import Written
from gateway.http.visit import Visit
from gateway.model import Call, Headers, Plan

MOST = 20
"""Requests that Graph takes in one batch; it refuses a longer one ("Combine multiple HTTP requests")."""

NOT_HELD: Headers = ((b"Gateway-Result", b"batch-not-held"),)

_PATHS = frozenset({"/v1.0/$batch", "/beta/$batch"})

_OF_THE_BODY = frozenset({b"content-length", b"content-digest", b"content-md5", b"digest", b"repr-digest"})
"""Lines of Graph's answer that do not fit one that was changed."""


def is_batch(call: Call) -> bool:
    """Whether this is a batch, in whichever spelling."""
    return call.method == "POST" and canonical_target(call.path) in _PATHS


Recognised = tuple[Request, Call, Dialect, Plan]


class Batches:
    """Holds batches."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold

    async def serve(self, visit: Visit) -> Written:
        """Answer a batch."""
        await self._hold.promise(visit)
        body, rest = await visit.beginning(visit.parts.config.limits.body)
        if rest is not None:
            return await forward(visit, body, rest, NOT_HELD)
        try:
            batch = read_requests(body)
        except Unreadable:
            return await forward(visit, body)
        found = _recognised(visit, batch)
        if not found or len(batch.all) > MOST:
            return await forward(visit, body)
        operations = {same(request.id) for request, *_ in found}
        if any(same(need) in operations for request in batch.all for need in request.needs):
            return await forward(visit, body, extra=NOT_HELD)
        early = guard.too_early(visit.call.headers)
        if early is not None:
            raise early
        visit.record.route = "batch"
        with self._hold.room(visit):
            return await self._held(visit, batch, found)

    async def _held(self, visit: Visit, batch: Requests, found: Sequence[Recognised]) -> Written:
        carrier = Carrier(visit, batch, [request for request, *_ in found])
        handover = Handover(visit.parts.config.limits.body)
        parts: list[PartVisit] = []
        tasks: list[asyncio.Task[None]] = []
        try:
            for request, call, dialect, plan in found:
                part = PartVisit(visit, request, call, carrier, handover)
                work = partial(self._hold.planned, part, call, dialect, plan)
                tasks.append(visit.parts.tasks.start(f"part of {visit.record.request_id}", part.serve(work)))
                parts.append(part)
            with heartbeat(visit):
                for part in parts:
                    await part.sheet.ready.wait()
                if carrier.others:
                    await asyncio.shield(carrier.first)
            voyage = carrier.first.result() if carrier.first.done() else None
            refusal = _refusal(batch, parts, voyage)
            if refusal is not None:
                handover.settle(arrived=False)  # whatever ended meanwhile is not in it
                return await visit.reply(refusal)
            written = await _answer(visit, batch, parts, voyage)
            handover.settle(arrived=await visit.responder.taken())
            return written
        finally:
            handover.settle(arrived=False)
            await _let_go(carrier)
            if not handover.arrived:
                for task in tasks:
                    task.cancel()


async def _let_go(carrier: Carrier) -> None:
    """Close a reply that nobody will pass on."""
    carrier.abandon()
    exchange = carrier.first.result().exchange if carrier.first.done() else None
    if exchange is not None:
        await exchange.close()


def _recognised(visit: Visit, batch: Requests) -> list[Recognised]:
    """The parts that may start an operation."""
    version = canonical_target(visit.call.path).split("/")[1]
    found: list[Recognised] = []
    for request in batch.all:
        call = call_of(visit, version, request)
        dialect = find(visit.parts.dialects, call) if call is not None else None
        if call is None or dialect is None:
            continue
        if dialect.needs_body(call) is Capture.IF_SMALL and len(call.body) > SMALL:
            continue
        plan = dialect.plan(call)
        if plan is not None:
            found.append((request, call, dialect, plan))
    return found


# --- the answer ------------------------------------------------------------------------------------------


def _refusal(batch: Requests, parts: Sequence[PartVisit], voyage: Voyage | None) -> Answer | None:
    """401 for the whole batch, where Graph does not take its token: by the batch itself, or, where nothing was left
    to send, by every part. Who comes with a forged one must not see by the answer's shape that something runs.
    """
    if voyage is None:
        if len(parts) < len(batch.all) or any(part.sheet.status != 401 for part in parts):
            return None
        first = parts[0].sheet.content
        return Answer(401, (*first.headers, VIA), first.body)
    if voyage.exchange is None or voyage.exchange.status != 401 or voyage.oversized:
        return None
    lines = headers.without(headers.for_caller(voyage.exchange.headers, chunked=False), {b"content-length"})
    return Answer(401, lines, voyage.body)


async def _answer(
    visit: Visit, batch: Requests, parts: Sequence[PartVisit], voyage: Voyage | None
) -> Written:
    if voyage is not None and voyage.exchange is not None:
        visit.record.upstream_status = voyage.exchange.status
    if voyage is not None and voyage.responses is None and len(voyage.aboard) == len(batch.all):
        return await _as_it_came(visit, voyage)
    unsent = [part.failure for part in parts if part.failure is not None and part.failure.status == 503]
    if voyage is None and len(unsent) == len(batch.all):  # SDKs send a batch again, and never a part of it
        return await visit.fail(unsent[0])
    base = voyage.responses if voyage is not None else None
    base = base or read_responses(NOTHING.encode())
    changed: dict[str, Content] = {}
    more: list[str] = []
    held = {part.part.id: part for part in parts}
    for request in batch.all:
        part = held.get(request.id)
        there = same(request.id) in base.all
        if part is None:
            if voyage is not None and voyage.responses is None:
                more.append(response(request.id, _of_voyage(visit, voyage)))
        elif part.sheet.text is not None:
            if not there:
                more.append(part.sheet.text)
        elif there:
            changed[same(request.id)] = part.sheet.content
        else:
            more.append(response(request.id, part.sheet.content))
    body = base.spliced(changed, more).encode("utf-8", "surrogatepass")
    return await visit.reply(Answer(200, _lines(visit, voyage), body))


async def _as_it_came(visit: Visit, voyage: Voyage) -> Written:
    """All parts went, and what came is no answer to a batch: it is the answer to all of them."""
    exchange = voyage.exchange
    if exchange is None:
        return await visit.fail(_failure(voyage.failure))
    lines = headers.for_caller(exchange.headers, chunked=False)
    if not voyage.oversized:
        return await visit.reply(
            Answer(exchange.status, headers.without(lines, {b"content-length"}), voyage.body)
        )
    visit.responder.head(exchange.status, exchange.reason, lines, body=True, length=exchange.content_length)
    await visit.responder.write(voyage.body)
    await visit.responder.stream(exchange.chunks())
    return await visit.responder.end()


def _failure(failure: GatewayError | None) -> GatewayError:
    """What a failed voyage means for a POST that was to start operations."""
    if isinstance(failure, UpstreamUnreachable):
        return NothingSent(failure.reason, proxy_error=failure.proxy_word)
    if isinstance(failure, UpstreamError):
        return OutcomeUnknown(failure.reason)
    return failure or GatewayError()


def _of_voyage(visit: Visit, voyage: Voyage) -> Content:
    """What became of the whole POST, for a part that has no response of its own."""
    exchange = voyage.exchange
    if exchange is not None and exchange.status != 200:
        return Content(
            exchange.status, headers.without(headers.end_to_end(exchange.headers), _OF_THE_BODY), voyage.body
        )
    failure = voyage.failure if voyage.failure is not None else UpstreamMalformed("batch")
    answer = answers.error(failure, visit.origin)
    return Content(answer.status, headers.without(answer.headers, {b"via"}), answer.body)


def _lines(visit: Visit, voyage: Voyage | None) -> Headers:
    """The head of an answer that was composed here: that of Graph's, where it gave one."""
    if voyage is not None and voyage.responses is not None and voyage.exchange is not None:
        return headers.without(headers.for_caller(voyage.exchange.headers, chunked=False), _OF_THE_BODY)
    own = answers.ids(visit.origin)
    return ((b"Content-Type", answers.JSON), *own, VIA)
