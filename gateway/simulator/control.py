"""The control API: `/_simulator/…` on the Graph origin. No token, and no effect on counts.

    GET  /_simulator/summary       POST /_simulator/reset
    GET  /_simulator/requests      POST /_simulator/faults    a rule, or {"rules": […]}
    GET  /_simulator/operations    GET  /_simulator/faults    the armed rules
    GET  /_simulator/drives        POST /_simulator/tokens           {"user": "ana", "expires_in": 3600}
                                   POST /_simulator/tokens/expire    {"user": "ana"} or {"token": "…"}

Rules: it reads and changes the world through the same methods as the Python API; it has no state of its own.
"""

from collections.abc import Callable
from typing import cast

from gateway.simulator.directives import DirectiveError
from gateway.simulator.item_json import drive_type
from gateway.simulator.operations import Done, Failed, Operation
from gateway.simulator.people import GRAPH_AUDIENCE
from gateway.simulator.rules import read_rule
from gateway.simulator.wire import Answer, Asked, GraphError, JsonObject, encode, text_at
from gateway.simulator.world import World

_PREFIX = "/_simulator/"


def is_control(asked: Asked) -> bool:
    return asked.path.startswith(_PREFIX)


def respond(world: World, asked: Asked) -> Answer:
    name = asked.path.removeprefix(_PREFIX).rstrip("/")
    handler = _HANDLERS.get((asked.method, name))
    if handler is None:
        known = ", ".join(f"{method} {_PREFIX}{path}" for method, path in _HANDLERS)
        raise GraphError(404, "simulatorControl", f"There is {known}.")
    body = encode(handler(world, asked))
    return Answer(200, (("Content-Type", "application/json"),), body)


def _summary(world: World, _: Asked) -> object:
    return world.summary().to_json()


def _requests(world: World, asked: Asked) -> object:
    """All that are remembered, or the last `?limit=N`."""
    limit = asked.query().get("limit", str(world.settings.keep_requests))
    if not (limit.isascii() and limit.isdigit()):
        raise GraphError(400, "simulatorControl", "limit is a whole number.")
    requests = list(world.ledger.requests)
    return [_request(one) for one in requests[max(0, len(requests) - int(limit)) :]]


def _request(asked: Asked) -> JsonObject:
    return {
        "at": asked.at,
        "origin": asked.origin,
        "method": asked.method,
        "target": asked.target,
        "headers": asked.headers,
        "body": {"length": asked.length, "sha256": asked.sha256, "complete": asked.complete},
    }


def _operations(world: World, _: Asked) -> object:
    now = world.clock.monotonic()
    return [operation_json(operation, now) for operation in world.operations.all.values()]


def operation_json(operation: Operation, now: float) -> JsonObject:
    body: JsonObject = {
        "id": operation.id,
        "kind": operation.kind,
        "user": operation.user,
        "state": "running",
        "percentageComplete": operation.percentage(now),
        "duration": operation.duration,
        "monitor": operation.place.location if operation.place is not None else None,
        "endTold": operation.end_told,
        "resultGets": operation.result_gets,
        "polls": [{"at": p.at, "status": p.status, "retryAfter": p.retry_after} for p in operation.polls],
    }
    match operation.outcome:
        case Done() as done:
            body |= {"state": "finished", "percentageComplete": 100.0}
            body |= {"driveId": done.drive_id, "itemId": done.item_id}
        case Failed() as failed:
            body |= {"state": "failed", "percentageComplete": operation.plan.fail_at, "code": failed.code}
        case None:
            pass
    return body


def _drives(world: World, _: Asked) -> object:
    return [
        {
            "name": drive.name,
            "id": drive.id,
            "driveType": drive_type(drive),
            "items": {item.path: item.id for item in drive.items.values()},
        }
        for drive in world.drives.values()
    ]


def _reset(world: World, _: Asked) -> object:
    world.reset()
    return {"reset": True}


def _arm(world: World, asked: Asked) -> object:
    """One rule, as in a script, or several as {"rules": […]}."""
    body = asked.json()
    several = body.get("rules")
    mappings = several if isinstance(several, list) else [body]
    if not all(isinstance(mapping, dict) for mapping in mappings):
        raise GraphError(400, "simulatorControl", "A rule is an object.")
    try:
        rules = [read_rule(mapping) for mapping in cast(list[JsonObject], mappings)]
    except DirectiveError as error:
        raise GraphError(400, "simulatorControl", str(error)) from None
    for rule in rules:
        world.rules.arm(rule)
    return {"armed": len(rules)}


def _armed(world: World, _: Asked) -> object:
    return [{"name": rule.name, "path": rule.path, "rule": repr(rule)} for rule in world.rules.armed]


def _token(world: World, asked: Asked) -> object:
    body = asked.json()
    name, expires_in = text_at(body, "user") or "", body.get("expires_in", 3600)
    if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)):
        raise GraphError(400, "simulatorControl", "expires_in is a number of seconds.")
    token = world.tokens.mint(name, expires_in, text_at(body, "audience") or GRAPH_AUDIENCE)
    return {"token_type": "Bearer", "expires_in": expires_in, "access_token": token, "user": name}


def _expire(world: World, asked: Asked) -> object:
    token, user = text_at(asked.json(), "token"), text_at(asked.json(), "user")
    if token is None and user is None:
        raise GraphError(400, "simulatorControl", "Say which: token, or user.")
    return {"expired": world.tokens.expire(token, user)}


_HANDLERS: dict[tuple[str, str], Callable[[World, Asked], object]] = {
    ("GET", "summary"): _summary,
    ("GET", "requests"): _requests,
    ("GET", "operations"): _operations,
    ("GET", "drives"): _drives,
    ("GET", "faults"): _armed,
    ("POST", "faults"): _arm,
    ("POST", "reset"): _reset,
    ("POST", "tokens"): _token,
    ("POST", "tokens/expire"): _expire,
}
