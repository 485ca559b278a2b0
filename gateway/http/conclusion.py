"""What a caller gets of an operation: its ending where there is one, or where to go on waiting.

Rules: an ending is the same whichever way the caller came to it, by POST, join, replay or ticket. The monitor URL
is in none of them. Delivery is noted here, because here is where an ending is written.

What this module must not do: wait, or decide which operation a call belongs to.
"""

import math

from gateway import crashpoints, prefer
from gateway.auth import Caller
from gateway.errors import OutcomeUnknown, StillRunning, UnknownOperation
from gateway.headers import VIA
from gateway.http import answers
from gateway.http.answers import Answer
from gateway.http.reconcile import MayResend, reconcile
from gateway.http.responder import Written
from gateway.http.results import NotThere, Results
from gateway.http.tickets import Purpose
from gateway.http.visit import Visit, operation_header
from gateway.model import Headers, Operation, State
from gateway.prefer import Preferences
from gateway.store import Conflict
from gateway.upstream import Exchange

OWN_PATH = "/_gateway/operations/"
NAME_TAKEN = "nameAlreadyExists"

TICKET_SLACK = 60.0
"""Seconds a result ticket outlives the wait it was made for."""


async def conclude(
    visit: Visit,
    caller: Caller,
    operation: Operation,
    until: float,
    preferences: Preferences,
    *,
    replay: bool = False,
) -> Written:
    """Answer with how the operation ended.

    Raises `results.OutOfTime` where the item is not visible yet and the caller's budget (`until`) is spent.
    """
    results = Results(visit, caller)
    operation = await own_copy(visit, caller, operation)
    note_ending(visit, operation)
    extra = ending_headers(visit, operation, replay=replay)
    if operation.state in (State.FAILED, State.LOST):
        refusal = await results.may_see(operation)
        if refusal is not None:
            return await refused(visit, refusal)
        return await _deliver(visit, operation, answers.failed(operation, visit.origin, extra))
    if preferences.return_minimal:
        refusal = await results.may_see(operation)
        if refusal is not None:
            return await refused(visit, refusal)
        applied = (b"Preference-Applied", prefer.applied(return_minimal=True) or b"")
        return await _deliver(visit, operation, Answer(204, (*operation.request_ids, VIA, *extra, applied)))
    began = visit.parts.clock.monotonic()
    try:
        with visit.trace.part("result"):
            exchange = await results.fetch(operation, until)
    except NotThere:
        return await _report(visit, results, operation, extra)
    finally:
        visit.record.took("result_ms", visit.parts.clock.monotonic() - began)
    if exchange.status in (401, 403):
        if not visit.parts.waiting.knows(caller, operation):
            return await refused(visit, exchange)
        return await visit.relay(exchange, operation_header(operation))
    crashpoints.reach("after_item_get")
    operation = await results.fetched(operation)
    lines = results.head(operation, exchange, extra)
    note_lag(visit, operation)
    async with visit.parts.waiting.delivering(operation) as delivery:
        written = await visit.pass_on(exchange, 200, b"OK", lines)
        delivery.arrived = await visit.responder.taken()
    return written


def note_ending(visit: Visit, operation: Operation) -> None:
    """For the log: how the operation went."""
    visit.record.notes["polls"] = operation.polls
    if operation.accepted_at is not None and operation.ended_at is not None:
        visit.record.took("operation_ms", operation.ended_at - operation.accepted_at)


def note_lag(visit: Visit, operation: Operation) -> None:
    """For the log: how long after the operation's end this caller, who was there, gets its answer."""
    if operation.ended_at is None:
        return
    lag = visit.parts.clock.now() - operation.ended_at
    if 0.0 <= lag <= visit.parts.clock.monotonic() - visit.record.started:
        visit.record.took("answer_lag_ms", lag)


async def own_copy(visit: Visit, caller: Caller, operation: Operation) -> Operation:
    """An operation that was sent again and found its name taken: perhaps by what it was sent again for."""
    taken = operation.problem is not None and operation.problem.code == NAME_TAKEN
    if operation.state is not State.FAILED or operation.supersedes is None or not taken:
        return operation
    try:
        found = await reconcile(visit, caller, operation)
    except (MayResend, OutcomeUnknown, Conflict):
        return operation
    if isinstance(found, Operation):
        return found
    await found.close()
    return operation


async def _report(visit: Visit, results: Results, operation: Operation, extra: Headers) -> Written:
    """The operation's own final report, where there is no item to show."""
    refusal = await results.may_see(operation)
    if refusal is not None:
        return await refused(visit, refusal)
    marked = (*operation.request_ids, VIA, *extra, (b"Gateway-Result", b"report"))
    if operation.resource is None and not operation.report and not operation.plan.inside:
        return await _deliver(visit, operation, Answer(204, marked))
    body = answers.report_body(operation)
    return await _deliver(visit, operation, Answer(200, ((b"Content-Type", answers.JSON), *marked), body))


async def _deliver(visit: Visit, operation: Operation, answer: Answer) -> Written:
    note_lag(visit, operation)
    async with visit.parts.waiting.delivering(operation) as delivery:
        written = await visit.reply(answer)
        delivery.arrived = await visit.responder.taken()
    return written


async def refused(visit: Visit, refusal: Exchange) -> Written:
    """The upstream does not let this caller see the operation: its own word on a call of the upstream's, and on a
    path of ours the same 404 as for an id that nobody knows.
    """
    if visit.record.route in ("status", "result"):
        await refusal.close()
        raise UnknownOperation("refused upstream")
    visit.record.operation = None
    return await visit.relay(refusal)


def ending_headers(visit: Visit, operation: Operation, *, replay: bool = False) -> Headers:
    """The lines that every ending carries."""
    lines: list[tuple[bytes, bytes]] = [*operation_header(operation)]
    if operation.resource is not None:
        lines.append(
            (b"Content-Location", visit.parts.link(operation.resource).encode("utf-8", "surrogateescape"))
        )
    if operation.accepted_at is not None and operation.ended_at is not None:
        took = (operation.ended_at - operation.accepted_at) * 1000
        lines.append((b"Server-Timing", b'follow;dur=%.0f, polls;desc="%d"' % (took, operation.polls)))
    if operation.reconciled:
        lines.append((b"Gateway-Result", b"reconciled"))
    if replay:
        lines.extend(((b"Idempotent-Replayed", b"true"), (b"Cache-Status", b"lro-gateway; hit")))
    return tuple(lines)


async def at_the_bound(
    visit: Visit, caller: Caller, operation: Operation, preferences: Preferences, *, hop: int = 0
) -> Written:
    """The caller's budget is spent and the operation goes on."""
    parts = visit.parts
    on_timeout = visit.on_timeout
    own = operation_header(operation)
    if preferences.respond_async:
        applied = (b"Preference-Applied", prefer.applied(respond_async=True) or b"")
        return await visit.reply(_accepted(visit, caller, operation, (*own, applied)))
    if on_timeout == "accepted":
        return await visit.reply(_accepted(visit, caller, operation, own))
    if on_timeout == "error":
        jittered = 1 + int(parts.chance() * 5)
        return await visit.fail(StillRunning(retry_after=jittered), operation)
    ends_at = parts.clock.now() + parts.config.wait.max + TICKET_SLACK
    ticket = _ticket(visit, caller, operation, Purpose.RESULT, ends_at)
    location = parts.link(f"{OWN_PATH}{operation.id}/result?ticket={ticket}&hop={hop + 1}")
    return await visit.reply(answers.redirect(location, own))


def _accepted(visit: Visit, caller: Caller, operation: Operation, extra: Headers) -> Answer:
    rules = visit.parts.config.operations
    created_at = operation.created_at
    ends_at = (
        created_at + rules.deadline + max(rules.keep_finished, rules.keep_keyed if operation.keyed else 0.0)
    )
    ticket = _ticket(visit, caller, operation, Purpose.STATUS, ends_at)
    location = visit.parts.link(f"{OWN_PATH}{operation.id}?ticket={ticket}")
    return answers.accepted(operation, location, extra, retry_after=come_back_in(visit, operation))


def _ticket(visit: Visit, caller: Caller, operation: Operation, purpose: Purpose, ends_at: float) -> str:
    """A ticket for this caller, whose credential is kept for when it comes back without."""
    visit.parts.vault.remember(caller)
    return visit.parts.tickets.write(operation.id, purpose, caller, ends_at)


def come_back_in(visit: Visit, operation: Operation) -> int:
    """Whole seconds after which asking for the status again may tell something new."""
    if operation.next_poll_at is None:
        return 1
    return max(1, min(10, math.ceil(operation.next_poll_at - visit.parts.clock.now())))
