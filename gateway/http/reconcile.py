"""Finds out how an operation ended that nobody told us about, by looking for its result.

Rules
- It looks with the credential of the caller who asks, and for a name that is certain: the one that the call gave, or
  the source's own, where the source has not been changed since.
- An item counts as the result if the upstream made it after our POST was sent, by the upstream's own clock, if it is
  not the source, and if it is of the source's kind and, being a file, of its size. A folder still grows.
- Nothing is ever sent again of the gateway's own accord. That a caller's own re-send may go ahead is only said where
  the upstream itself refuses a second item of the same name, or where a second time changes nothing.

What this module must not do: wait for an item to appear.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime

from gateway import events, headers
from gateway.auth import Caller
from gateway.dialects import segment, with_query
from gateway.errors import OutcomeUnknown, UpstreamError
from gateway.http.results import Results
from gateway.http.visit import Visit
from gateway.model import Headers, Operation
from gateway.upstream import Exchange

SLACK = 2.0
"""Seconds by which an HTTP date, which has whole seconds, may be off."""

ASKED = "$select=id,name,size,createdDateTime,lastModifiedDateTime,file,folder"
"""All that is to be known of an item."""


class MayResend(Exception):
    """There is no such item, and the upstream would refuse a second one of its name: the re-send may go ahead."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the upstream shows at a target: its members, None where it shows no item."""

    status: int
    members: Mapping[str, object] | None
    ahead: float = 0.0
    """Seconds that the upstream's clock is ahead of ours."""

    def moment(self, name: str) -> float | None:
        """A time among the members, by our clock."""
        try:
            return datetime.fromisoformat(str((self.members or {})[name])).timestamp() - self.ahead
        except (KeyError, ValueError):
            return None


async def reconcile(visit: Visit, caller: Caller, operation: Operation) -> Operation | Exchange:
    """The operation, ended by what was found; or the upstream's refusal, to be relayed and closed.

    Raises `MayResend`, `OutcomeUnknown` (409) where looking does not settle it, `Conflict` where another call was
    faster to.
    """
    plan = operation.plan
    nowhere = plan.named is None and plan.into is None and not plan.repeatable
    if visit.parts.config.operations.resolve_unknown == "report" or nowhere:
        raise OutcomeUnknown("not looked for", status=409)
    if plan.repeatable and not plan.version:
        raise MayResend  # of another API than Graph's: its target may come to be with it, or be gone after it
    results = Results(visit, caller)
    try:
        refusal = await results.may_see(operation)
        if refusal is not None:
            return refusal
        if plan.repeatable:
            raise MayResend
        source = await _look(results, plan.source)
        if isinstance(source, Exchange):
            return source
        named = plan.named or _by_own_name(operation, source)
        found = await _look(results, named)
        if isinstance(found, Exchange):
            return found
    except UpstreamError as error:
        raise OutcomeUnknown("could not look", status=409) from error
    if found.status == 404 and plan.unique:
        raise MayResend
    if found.members is None:
        raise OutcomeUnknown("not found", status=409)
    resource_id = _result(found, source, _sent_at(operation))
    if resource_id is None:
        raise OutcomeUnknown("another item has its name", status=409)
    resource = plan.items + resource_id if plan.items else named
    return await visit.parts.records.settle(operation, events.Reconciled(resource, resource_id))


async def _look(results: Results, target: str) -> Seen | Exchange:
    """What is at `target`; the exchange where the upstream refuses to tell this caller. Raises `UpstreamError`."""
    visit = results.visit
    asked = results.outgoing(with_query(target, ASKED))
    plain = headers.replaced(asked.headers, b"Accept-Encoding", b"identity")  # nothing is inflated here
    exchange = await visit.parts.graph.open(replace(asked, headers=plain))
    if exchange.status in (401, 403):
        return exchange
    try:
        body, oversized = await exchange.read(visit.parts.config.limits.monitor_body)
    finally:
        await exchange.close()
    members = _members(body) if exchange.status == 200 and not oversized else None
    return Seen(exchange.status, members, _ahead(exchange.headers, visit.parts.clock.now()))


def _members(body: bytes) -> Mapping[str, object] | None:
    try:
        item = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) and isinstance(item.get("id"), str) else None


def _ahead(lines: Headers, now: float) -> float:
    date = headers.get(lines, b"date")
    try:
        return parsedate_to_datetime(date.decode("ascii")).timestamp() - now if date else 0.0
    except (ValueError, TypeError, IndexError, OverflowError):  # what it may raise, by what it is given
        return 0.0


def _sent_at(operation: Operation) -> float:
    moments = (operation.first_sent_at, operation.submitted_at, operation.created_at)
    return next(moment for moment in moments if moment is not None)


def _by_own_name(operation: Operation, source: Seen) -> str:
    """The target of a result that has the source's name. Raises `OutcomeUnknown` where that may have changed."""
    changed_at = source.moment("lastModifiedDateTime")
    name = segment(str((source.members or {}).get("name", "")))
    if name is None or changed_at is None or changed_at > _sent_at(operation) - SLACK:
        raise OutcomeUnknown("the source may have had another name", status=409)
    return f"{operation.plan.into}{name}"


def _result(found: Seen, source: Seen, sent_at: float) -> str | None:
    """The id of what was found, if it is what our POST made."""
    made, origin = found.members or {}, source.members
    created_at = found.moment("createdDateTime")
    if created_at is None or created_at < sent_at - SLACK:
        return None
    if origin is not None:
        if made["id"] == origin["id"] or ("folder" in made) != ("folder" in origin):
            return None
        if "file" in origin and made.get("size") != origin.get("size"):
            return None
    return str(made["id"])
