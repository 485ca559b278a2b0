"""Errors in Graph's shape, and the headers that every answer of Graph's carries.

Rules: both origins use them; ids are made here and nowhere else, so that the id in the body and the one in the
header are the same ("Microsoft Graph error responses", "Best practices": request-id, client-request-id).
"""

import dataclasses
from datetime import UTC, datetime
from email.utils import formatdate

from gateway.simulator.wire import Answer, Asked, GraphError, JsonObject, json_answer
from gateway.simulator.world import World

_DIAGNOSTIC = '{"ServerInfo":{"DataCenter":"Loopback","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"SIM00000000"}}'


def error_answer(world: World, asked: Asked, error: GraphError) -> Answer:
    """The error as an answer, with its ids."""
    request_id = world.ids.guid()
    caller_id = asked.header("client-request-id") or request_id
    date = datetime.fromtimestamp(world.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    inner: JsonObject = {"date": date, "request-id": request_id, "client-request-id": caller_id}
    body: JsonObject = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return json_answer(error.status, body, (*error.headers, ("request-id", request_id)))


def dressed(world: World, asked: Asked, answer: Answer) -> Answer:
    """The answer with the headers that all have; those that it brings itself come first and stay."""
    request_id = answer.header("request-id") or world.ids.guid()
    usual = (
        ("request-id", request_id),
        ("client-request-id", asked.header("client-request-id") or request_id),
        ("x-ms-ags-diagnostic", _DIAGNOSTIC),
        ("Cache-Control", "no-store, no-cache"),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("Date", formatdate(world.clock.now(), usegmt=True)),
    )
    missing = tuple((name, value) for name, value in usual if answer.header(name) is None)
    return dataclasses.replace(answer, headers=answer.headers + missing)
