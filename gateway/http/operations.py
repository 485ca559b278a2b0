"""The callers' own routes: `/_gateway/operations/{id}` (status) and `/_gateway/operations/{id}/result` (holds).

Rules: an id that does not exist and one that is somebody else's get the same answer, byte for byte but for its
ids and date. Whoever asks must be the operation's principal, or hold its ticket, or both of one caller; a
principal whose credential is not the starter's has to be accepted by the upstream first, for a token's claims
prove nothing.

What this module must not do: send anything to the upstream but what `results` does.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from gateway import prefer
from gateway.auth import Caller, caller_of
from gateway.errors import CredentialNeeded, MethodNotAllowed, OutcomeUnknown, UnknownOperation
from gateway.http import answers
from gateway.http.conclusion import OWN_PATH, at_the_bound, come_back_in, conclude, ending_headers
from gateway.http.heartbeat import heartbeat
from gateway.http.responder import Written
from gateway.http.results import OutOfTime, Results
from gateway.http.tickets import Purpose, Ticket
from gateway.http.visit import Visit
from gateway.model import ACTIVE, FINISHED, Operation, State

PATH = re.compile(re.escape(OWN_PATH) + r"(?P<id>[0-9a-f]{32})(?P<result>/result)?")

STATUS_METHODS = frozenset({"GET", "HEAD"})

RESULT_METHODS = frozenset({"GET", "POST"})
"""POST too: `curl -L -X POST` and what Postman exports repeat the method on a 303. It starts nothing, and its body is
read and dropped."""

PREFIX = "/_gateway"
"""Nothing below it is ever sent upstream."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for which operation; `ticketed` where a genuine ticket of this caller came along."""

    operation: Operation
    caller: Caller
    ticketed: bool


async def serve(visit: Visit) -> Written:
    """Answer a call to one of the gateway's own paths. Raises `UnknownOperation` for every other."""
    visit.record.route = "gateway"
    match = PATH.fullmatch(visit.call.path)
    if match is None:
        raise UnknownOperation("no such path")
    wants_result = match["result"] is not None
    if visit.call.method not in (RESULT_METHODS if wants_result else STATUS_METHODS):
        raise MethodNotAllowed("own path")
    if visit.has_body:
        await visit.captured(visit.parts.config.limits.body)
    visit.record.route = "result" if wants_result else "status"
    asked = await _identify(visit, match["id"], _purpose(match))
    visit.record.operation, visit.record.relation = (
        asked.operation.id,
        "ticket" if asked.ticketed else "owner",
    )
    return await (_result(visit, asked) if wants_result else _status(visit, asked))


def has_ticket(visit: Visit) -> bool:
    """Whether the call has a genuine ticket for the path that it asks for: it was given to a caller that had been
    let in, and stands in for whatever that caller had shown.
    """
    match = PATH.fullmatch(visit.call.path)
    return match is not None and _ticket(visit, match["id"], _purpose(match)) is not None


def _ticket(visit: Visit, operation_id: str, purpose: Purpose) -> Ticket | None:
    given = parse_qs(visit.call.query).get("ticket", [""])[0]
    return visit.parts.tickets.read(given, operation_id, purpose, visit.parts.clock.now())


def _purpose(match: re.Match[str]) -> Purpose:
    return Purpose.STATUS if match["result"] is None else Purpose.RESULT


async def _identify(visit: Visit, operation_id: str, purpose: Purpose) -> Asked:
    """Raises `UnknownOperation` for whoever has no business with the operation."""
    parts = visit.parts
    operation = await parts.records.store.get(operation_id)
    ticket = _ticket(visit, operation_id, purpose)
    if operation is None:
        raise UnknownOperation("no such id")
    if visit.presented:
        caller = visit.caller
        if caller.principal != operation.principal or (ticket is not None and not ticket.is_of(caller)):
            raise UnknownOperation("not the owner")
        return Asked(operation, caller, ticketed=False)
    if ticket is None:
        raise UnknownOperation("neither credential nor ticket")
    credential = ticket.credential.hex()
    caller = Caller(ticket.principal.hex(), credential, parts.vault.recall(credential))
    parts.waiting.accept(caller, operation)  # tickets are given only to those who were let in
    return Asked(operation, caller, ticketed=True)


async def _check(visit: Visit, asked: Asked) -> None:
    """Let the upstream say whether a credential that is not the starter's may see the operation."""
    refusal = await Results(visit, asked.caller).may_see(asked.operation)
    if refusal is not None:
        await refusal.close()
        raise UnknownOperation("refused upstream")


async def _status(visit: Visit, asked: Asked) -> Written:
    await _check(visit, asked)
    await visit.parts.follower.lend(asked.operation, asked.caller)
    extra = ending_headers(visit, asked.operation)
    return await visit.reply(
        answers.status(asked.operation, extra, retry_after=come_back_in(visit, asked.operation))
    )


async def _result(visit: Visit, asked: Asked) -> Written:
    """Hold, then answer as the POST would have been answered."""
    operation, caller, parts = asked.operation, asked.caller, visit.parts
    preferences = prefer.preferences(visit.call.headers)
    if operation.state in ACTIVE:
        await _check(visit, asked)
        await parts.follower.lend(operation, caller)
        budget = parts.config.wait.max
        if preferences.wait is not None:
            budget = min(budget, preferences.wait)
        elif preferences.respond_async:
            budget = 0.0
        until = visit.record.started + budget
        with heartbeat(visit):
            operation = await visit.wait(operation, until)
    else:
        until = visit.record.started + parts.config.wait.max
    hop = _hop(visit)
    if operation.state is State.REJECTED:
        raise UnknownOperation("turned down")
    if operation.state is State.UNKNOWN:
        await _check(visit, asked)
        return await visit.fail(OutcomeUnknown("asked for the result", status=409), operation)
    if operation.state in ACTIVE:
        return await at_the_bound(visit, caller, operation, preferences, hop=hop)
    if operation.state in FINISHED and operation.state is not State.FAILED and _forgotten(visit, asked):
        return await visit.fail(CredentialNeeded(), operation)
    try:
        return await conclude(visit, caller, operation, until, preferences)
    except OutOfTime:
        return await at_the_bound(visit, caller, operation, preferences, hop=hop)


def _forgotten(visit: Visit, asked: Asked) -> bool:
    """Whether the credential that a ticket stands for is no longer here; an anonymous caller never had one, and where
    the gateway has its own none is missing.
    """
    credentials = visit.parts.credentials
    if credentials is not None and credentials.own:
        return False
    return (
        asked.ticketed
        and asked.caller.authorization is None
        and asked.caller.credential != caller_of(()).credential[: len(asked.caller.credential)]
    )


def _hop(visit: Visit) -> int:
    text = parse_qs(visit.call.query).get("hop", ["0"])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
