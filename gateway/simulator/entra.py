"""The token endpoint that MSAL and other OAuth clients ask: `POST /{tenant}/oauth2/v2.0/token`.

Client credentials yield a token of the app, on-behalf-of one of the user whose token is the assertion; every client
id and secret is taken. `GET /{tenant}/v2.0/.well-known/openid-configuration` says where the endpoint is.

Rules: a stand-in for the token service's shape only; it proves nobody's identity.
"""

import re
from urllib.parse import parse_qs

from gateway.simulator.people import APP
from gateway.simulator.wire import Answer, Asked, GraphError, JsonObject, Origin, encode
from gateway.simulator.world import World

_PATH = re.compile(r"/([^/]+)/(oauth2/v2\.0/token|v2\.0/\.well-known/openid-configuration)", re.IGNORECASE)
_ON_BEHALF_OF = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600


def is_entra(asked: Asked) -> bool:
    return _PATH.fullmatch(asked.path) is not None


def respond(world: World, asked: Asked) -> Answer:
    tenant = asked.path.split("/")[1]
    if asked.path.lower().endswith("openid-configuration"):
        issuer = world.url(Origin.GRAPH, f"/{tenant}/v2.0")
        places: JsonObject = {
            "issuer": issuer,
            "authorization_endpoint": world.url(Origin.GRAPH, f"/{tenant}/oauth2/v2.0/authorize"),
            "token_endpoint": world.url(Origin.GRAPH, f"/{tenant}/oauth2/v2.0/token"),
            "device_authorization_endpoint": world.url(Origin.GRAPH, f"/{tenant}/oauth2/v2.0/devicecode"),
        }
        return _json(200, places)
    form = {name: values[-1] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}
    grant = form.get("grant_type")
    if grant == "client_credentials":
        name = APP
    elif grant == _ON_BEHALF_OF:
        try:
            name = world.tokens.authenticate(f"Bearer {form.get('assertion', '')}").name
        except GraphError as error:
            return _refused("invalid_grant", f"AADSTS500133: {error.message}")
    else:
        return _refused("unsupported_grant_type", f"AADSTS70003: The grant type {grant!r} is not supported.")
    token = world.tokens.mint(name, _LIFETIME)
    body: JsonObject = {"token_type": "Bearer", "expires_in": _LIFETIME, "ext_expires_in": _LIFETIME}
    return _json(200, body | {"access_token": token})


def _refused(error: str, description: str) -> Answer:
    return _json(400, {"error": error, "error_description": description})


def _json(status: int, body: JsonObject) -> Answer:
    headers = (("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store, no-cache"))
    return Answer(status, headers, encode(body))
