"""The monitor origin: what `contoso.sharepoint.com` or `api.onedrive.com` is to Graph.

Rules: no token is needed and none is forgiven: a request with an Authorization header is answered 401, as
SharePoint does (python-o365 issue 872) and the consumer service (onedrive-api-docs issue 1057). Monitor URLs are
matched byte for byte. Whatever a caller's header is doing here is written down as a violation.
"""

import dataclasses
from urllib.parse import unquote

from gateway.simulator.errors import error_answer
from gateway.simulator.faults import itself, lateness, spoil
from gateway.simulator.ledger import Wrong
from gateway.simulator.operations import Operation, Poll
from gateway.simulator.plan import Plan
from gateway.simulator.polling import monitor_cookie, poll
from gateway.simulator.wire import Answer, Asked, GraphError, Origin, json_answer
from gateway.simulator.world import World

_EXPECTED = frozenset(
    {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "user-agent",
        "via",
        "cookie",
        "authorization",
    }
)
_INVALID_AUDIENCE = "Invalid audience Uri 'https://graph.microsoft.com/'."


def respond(world: World, asked: Asked) -> Answer:
    """The answer of the monitor origin."""
    try:
        return _respond(world, asked)
    except GraphError as error:
        return error_answer(world, asked, error)


def _respond(world: World, asked: Asked) -> Answer:
    if asked.path.lower() == "/_layouts/15/download.aspx":
        return _download(world, asked)
    operation = world.operations.by_target.get((Origin.MONITOR, asked.target))
    _note_headers(world, asked, operation)
    if asked.header("Authorization") is not None:
        if operation is not None:
            now = world.clock.monotonic()
            operation.polls.append(Poll(round(now - operation.began, 6), 401, None))
        return _unauthorized(asked)
    plan = Plan()
    for directives in world.rules.take(asked.method, asked.path, None):
        plan = directives.applied_to(plan)
    fault = plan.fault_at(itself(asked))
    if fault is not None and (spoiled := spoil(world, fault, asked)) is not None:
        return spoiled
    if operation is None:
        return _unknown(world, asked)
    if asked.method != "GET":
        raise GraphError(405, "notAllowed", "Monitors are read with GET.", (("Allow", "GET"),))
    answer = poll(world, operation, asked)
    return dataclasses.replace(answer, delay=answer.delay + plan.latency + lateness(fault))


def _download(world: World, asked: Asked) -> Answer:
    wanted = asked.query().get("uniqueid", "")
    for drive in world.drives.values():
        item = drive.items.get(wanted)
        if item is not None and item.content is not None:
            return Answer(200, (("Content-Type", "application/octet-stream"),), item.content.stream())
    raise GraphError(404, "itemNotFound", "The resource could not be found.")


def _note_headers(world: World, asked: Asked, operation: Operation | None) -> None:
    name = operation.id if operation is not None else None

    def note(kind: Wrong, detail: str) -> None:
        world.ledger.violation(kind, detail, world.clock.now(), name)

    if asked.header("Authorization") is not None:
        note(Wrong.AUTHORIZATION_SENT, f"to {asked.path}")
    own = {monitor_cookie(operation)} if operation is not None else set()
    cookies = {
        part.strip() for key, value in asked.headers if key.lower() == "cookie" for part in value.split(";")
    }
    if cookies - own:
        names = sorted(cookie.partition("=")[0] for cookie in cookies - own)
        note(Wrong.COOKIE_SENT, f"{', '.join(names)} to {asked.path}")
    strange = sorted({key.lower() for key, _ in asked.headers} - _EXPECTED)
    if strange:
        note(Wrong.CALLER_HEADER_SENT, f"{', '.join(strange)} to {asked.path}")


def _unauthorized(asked: Asked) -> Answer:
    if "/_api/" not in asked.path:
        body: dict[str, object] = {"error": {"code": "unauthenticated", "message": "Authentication failed"}}
        return json_answer(401, body)
    diagnostics = f'3000003;reason="{_INVALID_AUDIENCE}";category="invalid_client"'
    headers = (("WWW-Authenticate", 'Bearer realm="contoso"'), ("x-ms-diagnostics", diagnostics))
    return json_answer(401, {"error_description": _INVALID_AUDIENCE}, headers)


def _unknown(world: World, asked: Asked) -> Answer:
    """A URL that was never given out: one that was changed on the way, or the target of a redirect."""
    spelled = _loose(asked.target)
    for (origin, target), operation in world.operations.by_target.items():
        if origin is Origin.MONITOR and _loose(target) == spelled:
            detail = f"{target} was asked as {asked.target}"
            world.ledger.violation(Wrong.MONITOR_URL_CHANGED, detail, world.clock.now(), operation.id)
            raise GraphError(404, "itemNotFound", "The signature of the URL does not match.")
    if "/items/" in asked.path:
        world.ledger.violation(Wrong.REDIRECT_FOLLOWED, f"to {asked.path}", world.clock.now())
        return _unauthorized(asked)
    raise GraphError(404, "itemNotFound", "The operation could not be found.")


def _loose(target: str) -> str:
    """What a changed URL still has in common with its original."""
    return unquote(target.partition("?")[0]).rstrip("/").casefold()
