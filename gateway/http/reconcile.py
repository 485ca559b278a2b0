"""Finds out how an operation ended that nobody told us about, by looking for its result.

Rules: it looks with the credential of the caller who asks, and for a name that is certain. An item counts as the
result if the upstream made it after our POST was sent, by the upstream's own clock. Nothing is ever sent again of
the gateway's own accord; that a caller's own re-send may go ahead is only said where the upstream itself refuses
a second item of the same name.

What this module must not do: wait for an item to appear.
"""

import json
from datetime import datetime
from email.utils import parsedate_to_datetime

from gateway import events, headers
from gateway.auth import Caller
from gateway.errors import OutcomeUnknown, UpstreamError
from gateway.http.results import Results
from gateway.http.visit import Visit
from gateway.model import Operation
from gateway.upstream import Exchange

SLACK = 2.0
"""Seconds by which an HTTP date, which has whole seconds, may be off."""


class MayResend(Exception):
    """There is no such item, and the upstream would refuse a second one of its name: the re-send may go ahead."""


async def reconcile(visit: Visit, caller: Caller, operation: Operation) -> Operation | Exchange:
    """The operation, ended by what was found; or the upstream's refusal, to be relayed and closed.

    Raises `MayResend`, `OutcomeUnknown` (409) where looking does not settle it, `Conflict` where another call was
    faster to.
    """
    named = operation.plan.named
    if visit.parts.config.operations.resolve_unknown == "report" or named is None:
        raise OutcomeUnknown("not looked for", status=409)
    results = Results(visit, caller)
    try:
        refusal = await results.may_see(operation)
        if refusal is not None:
            return refusal
        exchange = await visit.parts.graph.open(results.outgoing(named))
        if exchange.status in (401, 403):
            return exchange
        try:
            body, oversized = await exchange.read(visit.parts.config.limits.monitor_body)
        finally:
            await exchange.close()
    except UpstreamError as error:
        raise OutcomeUnknown("could not look", status=409) from error
    if exchange.status == 404 and operation.plan.unique:
        raise MayResend
    if exchange.status != 200 or oversized:
        raise OutcomeUnknown("not found", status=409)
    resource_id = _newer(body, exchange, operation, visit.parts.clock.now())
    if resource_id is None:
        raise OutcomeUnknown("older than the request", status=409)
    resource = operation.plan.items + resource_id if operation.plan.items else named
    return await visit.parts.records.apply(operation, events.Reconciled(resource, resource_id))


def _newer(body: bytes, exchange: Exchange, operation: Operation, now: float) -> str | None:
    """The item's id, if it was created after our POST; both moments by the upstream's clock."""
    try:
        item = json.loads(body)
        created = datetime.fromisoformat(item["createdDateTime"]).timestamp()
        resource_id = item["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sent = (operation.first_sent_at, operation.submitted_at, operation.created_at)
    submitted = next(moment for moment in sent if moment is not None)
    date = headers.get(exchange.headers, b"date")
    try:
        ahead = parsedate_to_datetime(date.decode("ascii")).timestamp() - now if date else 0.0
    except (ValueError, UnicodeDecodeError):
        ahead = 0.0
    if not isinstance(resource_id, str) or created < submitted + ahead - SLACK:
        return None
    return resource_id
