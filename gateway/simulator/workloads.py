"""Operations of Graph's other workloads: Excel, OneNote, Teams, SharePoint, connectors, print, and so on.

They are all told by the Graph origin itself, with a token, and each workload has words and headers of its own; one
row of `workload_rows` per page of Graph's reference. Bodies are the pages' own samples (`workload_bodies`).

Words that a plan has in place of the usual ones (`done=partiallySucceeded`) replace the workload's own.

Rules: nothing is really done to notebooks and teams; what an operation brings about is a small JSON at the place
that it names as its result. Duration, faults, lag, failure and Retry-After work as they do for drives; endings and
the shapes of a failure do not, and a monitor is the usual one, none (`monitor=none`), the result (`monitor=item`), or
with any other shape a place on the monitor origin, where nobody knows of the operation.
"""

import dataclasses
import re

from gateway.simulator.addressing import VERSION
from gateway.simulator.call import Call
from gateway.simulator.operations import Done, Failed, Operation, Outcome, Place
from gateway.simulator.plan import MonitorShape, Plan
from gateway.simulator.results import spoiled_result
from gateway.simulator.wire import Answer, Headers, JsonObject, Origin, encode, json_answer
from gateway.simulator.workload_bodies import Result, Told
from gateway.simulator.workload_rows import ROWS, Row

_USUAL = Plan()
_KEY = re.compile(r"\('([^'/]+)'\)")
_NAMESPACE = re.compile(r"(?<=/)microsoft\.graph\.(?:\w+\.)*", re.IGNORECASE)
_PATTERNS = tuple((re.compile(row.path + "/?", re.IGNORECASE), row) for row in ROWS)


def respond(call: Call) -> Answer | None:
    """The answer, or None where the request is about something else."""
    match = VERSION.fullmatch(call.asked.path)
    path = match[2] if match is not None else ""
    if call.asked.method in {"GET", "HEAD"}:
        return _result(call, path.lower())
    path = _NAMESPACE.sub("", _KEY.sub(r"/\1", path))
    for pattern, row in _PATTERNS:
        found = pattern.fullmatch(path)
        if (
            found is not None
            and row.method == call.asked.method
            and row.version in {None, call.address.version}
        ):
            groups = [group or "" for group in found.groups()]
            return _start(call, row, groups)
    return None


def _result(call: Call, path: str) -> Answer | None:
    body = call.world.resources.get(path)
    if body is None:
        return None
    spoiled, late = spoiled_result(call, path)
    return spoiled or dataclasses.replace(json_answer(200, body), delay=late)


def _start(call: Call, row: Row, groups: list[str]) -> Answer:
    world, plan = call.world, call.plan
    if call.address.drive is not None and call.address.item is not None:
        call.item()
    identity, new = world.ids.guid(), world.ids.guid()

    def filled(template: str) -> str:
        return template.format("", *groups, op=identity, new=new)

    path = filled(row.result) if row.result is not None else None
    url = world.url(Origin.GRAPH, f"/{call.address.version}{path}") if path is not None else None
    result = Result(new, path, url)
    resource: JsonObject = {"id": new, "displayName": "Made by the simulator"} | call.asked.json()
    at_once = row.only_async and "respond-async" not in (call.asked.header("Prefer") or "").lower()
    if at_once or (row.needs is not None and not call.asked.json().get(row.needs)):
        return json_answer(201, resource)

    def effect(_: float) -> Outcome:
        if path is not None:
            world.resources[path.lower()] = resource
            world.ledger.created("graph", call.asked.path)
        return Done(item_id=(path or "").lower())

    def report(operation: Operation, now: float) -> Answer:
        return json_answer(200, row.body(_told(row, operation, now, result)))

    operation = Operation(
        id=identity,
        kind=row.name,
        user=call.person.name,
        authorization=call.asked.header("Authorization"),
        plan=plan,
        began=world.clock.monotonic(),
        began_at=call.now,
        duration=world.settings.base_duration if plan.duration is None else plan.duration,
        effect=effect,
        report=report,
    )
    world.operations.start(operation)
    place = filled(row.monitor)
    target = f"/{call.address.version}{place}"
    usual = place if row.relative else world.url(Origin.GRAPH, target)
    told = _told_place(call, plan.monitor, usual, url)
    world.operations.report_at(operation, Place(Origin.GRAPH, target, told))
    headers: Headers = tuple((name, filled(value)) for name, value in row.extra)
    if told is not None:
        headers = ((row.header, told + row.trailing), *headers)
    operation.poll_allowed = operation.began + float(dict(row.extra).get("Retry-After", "0"))
    if row.first_body is not None:
        return Answer(202, headers, row.first_body)
    body = row.body(_told(row, operation, operation.began, result))
    return Answer(202, (*headers, ("Content-Type", "application/json")), encode(body))


def _told_place(call: Call, shape: MonitorShape, usual: str, result: str | None) -> str | None:
    """What the 202 says about where to ask: the truth, nothing, or something that cannot be it."""
    match shape:
        case MonitorShape.AUTO | MonitorShape.GRAPH | MonitorShape.GRAPH_RELATIVE:
            return usual
        case MonitorShape.NONE:
            return None
        case MonitorShape.ITEM:
            return result or call.world.url(Origin.GRAPH, call.asked.path)
        case _:
            return call.world.url(Origin.MONITOR, f"/_api/v2.0/monitor/{call.world.ids.guid()}")


def _told(row: Row, operation: Operation, now: float, result: Result) -> Told:
    failed = operation.outcome if isinstance(operation.outcome, Failed) else None
    place = 0 if operation.outcome is None else 2 if failed is not None else 1
    return Told(
        id=operation.id,
        word=_word(row, operation, place, now),
        percentage=100.0 if place == 1 else operation.percentage(now),
        began_at=operation.began_at,
        finished=place == 1,
        failed=failed,
        result=result,
        user=operation.user,
    )


def _word(row: Row, operation: Operation, place: int, now: float) -> str:
    """The status: the plan's word where it has one of its own, else the workload's."""
    plan = operation.plan
    own = (
        operation.status_word(now) if plan.running != _USUAL.running else None,
        plan.done if plan.done != _USUAL.done else None,
        plan.failed if plan.failed != _USUAL.failed else None,
    )
    return own[place] or row.words[place]
