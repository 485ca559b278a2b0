"""`$batch`: up to 20 requests in one ("Combine multiple HTTP requests using JSON batching").

Rules: parts are carried out one after the other, in the order in which they stand; a part whose `dependsOn`
failed is answered 424; a 202 is no failure, so what depends on a copy runs before the copy is done. `respond-async`
is ignored inside a batch ("Known issues", JSON batching). No batch inside a batch.
"""

import base64
import json
from collections.abc import Callable
from typing import cast

from gateway.simulator.call import Call
from gateway.simulator.wire import Answer, Asked, GraphError, JsonObject, Stream, Trick, encode, json_answer

_MOST = 20


def respond(call: Call, ask: Callable[[Asked], Answer]) -> Answer:
    """The answer to the batch; `ask` answers one of its parts."""
    if call.asked.method != "POST":
        raise GraphError(405, "notAllowed", "A batch is sent with POST.")
    parts = call.asked.json().get("requests")
    if not isinstance(parts, list) or not 1 <= len(parts) <= _MOST:
        raise GraphError(400, "BadRequest", f"A batch has 1 to {_MOST} requests.")
    _check(parts)
    statuses: dict[str, int] = {}
    answers: list[JsonObject] = []
    for part in cast(list[JsonObject], parts):
        identity, needs = str(part["id"]), part.get("dependsOn")
        if isinstance(needs, list) and any(statuses.get(str(need).lower(), 424) >= 400 for need in needs):
            answers.append({"id": identity, "status": 424, "headers": {}, "body": _FAILED_DEPENDENCY})
        else:
            answers.append(_answered(identity, ask(_part(call, part))))
        statuses[identity.lower()] = cast(int, answers[-1]["status"])
    return json_answer(200, {"responses": answers})


_FAILED_DEPENDENCY: JsonObject = {
    "error": {"code": "FailedDependency", "message": "A request it depends on failed."}
}


def _check(parts: list[object]) -> None:
    seen: set[str] = set()
    for part in parts:
        if not isinstance(part, dict) or not all(
            isinstance(part.get(key), str) for key in ("id", "method", "url")
        ):
            raise GraphError(400, "BadRequest", "Each request of a batch has an id, a method and a url.")
        identity = str(part["id"]).lower()
        if identity in seen:
            raise GraphError(400, "BadRequest", f"The id {part['id']!r} is there twice.")
        if "$batch" in str(part["url"]).lower():
            raise GraphError(400, "BadRequest", "A batch cannot hold another batch.")
        seen.add(identity)


def _part(call: Call, part: JsonObject) -> Asked:
    """A part as if it had come alone; the batch's token is its own, unless it brings one."""
    given = part.get("headers")
    headers = [(str(key), str(value)) for key, value in given.items()] if isinstance(given, dict) else []
    names = {key.lower() for key, _ in headers}
    for name in ("Authorization", "client-request-id"):
        value = call.asked.header(name)
        if value is not None and name.lower() not in names:
            headers.append((name, value))
    body = part.get("body")
    try:
        data = b"" if body is None else base64.b64decode(body) if isinstance(body, str) else encode(body)
    except ValueError:
        raise GraphError(
            400, "BadRequest", f"The body of {part['id']!r} is neither JSON nor base64."
        ) from None
    target = f"/{call.address.version}/{str(part['url']).lstrip('/')}"
    kept = tuple(
        (key, value) for key, value in headers if (key.lower(), value.lower()) != ("prefer", "respond-async")
    )
    return Asked(
        call.asked.origin, str(part["method"]).upper(), target, kept, data, len(data), at=call.asked.at
    )


def _answered(identity: str, answer: Answer) -> JsonObject:
    if answer.sent is not None:
        answer.sent(True)
    if answer.trick is not Trick.NONE:  # a part has no connection of its own that could break
        failure: JsonObject = {"error": {"code": "generalException", "message": "The request has failed."}}
        return {"id": identity, "status": 500, "headers": {}, "body": failure}
    result: JsonObject = {"id": identity, "status": answer.status, "headers": dict(answer.headers)}
    data = b"".join(answer.body.chunks()) if isinstance(answer.body, Stream) else answer.body
    if data:
        is_json = "json" in (answer.header("Content-Type") or "")
        result["body"] = json.loads(data) if is_json else base64.b64encode(data).decode()
    return result
