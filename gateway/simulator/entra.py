"""The token endpoints that MSAL and other OAuth clients ask.

    POST /{tenant}/oauth2/v2.0/token    client credentials yield a token of the app, on-behalf-of one of the user
                                        whose token is the assertion
    GET  /{tenant}/v2.0/.well-known/openid-configuration    says where that is
    GET  /metadata/identity/oauth2/token    a managed identity on a virtual machine (IMDS)
    GET  /msi/token                         one in App Service

Where `SimulatorSettings.apps` names applications, they alone get tokens and have to prove who they are; without any,
every id and secret is taken. Sources: "Microsoft identity platform and the OAuth 2.0 client credentials flow" and
"… On-Behalf-Of flow", "How to use managed identities on an Azure VM", "… for App Service".

Rules: one request in, one answer out; what is spoiled on purpose is the dispatcher's business.
"""

import re
from urllib.parse import parse_qs

from gateway.simulator.apps import App, Refusal
from gateway.simulator.people import APP, GRAPH_AUDIENCES
from gateway.simulator.proofs import NO_APP, proved
from gateway.simulator.wire import Answer, Asked, GraphError, JsonObject, Origin, encode
from gateway.simulator.world import World

MACHINE = "/metadata/identity/oauth2/token"
APP_SERVICE = "/msi/token"

_PATH = re.compile(r"/([^/]+)/(oauth2/v2\.0/token|v2\.0/\.well-known/openid-configuration)", re.IGNORECASE)
_ON_BEHALF_OF = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_MISSING = Refusal("invalid_request", 900144)
_GRANT = Refusal("unsupported_grant_type", 70003)
_AUDIENCE = Refusal("invalid_grant", 500131)
_LIFETIME = Refusal("invalid_grant", 500133)
_TENANT = Refusal("invalid_request", 90002)


def is_entra(asked: Asked) -> bool:
    return asked.path in {MACHINE, APP_SERVICE} or _PATH.fullmatch(asked.path) is not None


def wants_token(asked: Asked) -> bool:
    return is_entra(asked) and not asked.path.lower().endswith("openid-configuration")


def form_of(asked: Asked) -> dict[str, str]:
    """The parameters of a request for a token."""
    if asked.method == "GET":
        return asked.query()
    return {name: values[-1] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}


def respond(world: World, asked: Asked) -> Answer:
    if not wants_token(asked):
        return _discovery(world, asked.path.split("/")[1])
    if world.token_refusals:
        return _refused(world.token_refusals.pop(0))
    if asked.path in {MACHINE, APP_SERVICE}:
        return _machine(world, asked)
    form = form_of(asked)
    token_endpoint = world.url(Origin.GRAPH, asked.path)
    app = next((app for app in world.settings.apps if app.client_id == form.get("client_id")), None)
    if world.settings.apps:
        refusal = NO_APP if app is None else proved(app, form, token_endpoint, world.clock.now())
        if refusal is not None:
            return _refused(refusal)
    grant = form.get("grant_type")
    if "scope" not in form and world.settings.apps:
        return _refused(_MISSING)
    if grant == "client_credentials":
        return _token(world, APP)
    if grant == _ON_BEHALF_OF:
        return _on_behalf(world, form, app)
    return _refused(_GRANT)


def _discovery(world: World, tenant: str) -> Answer:
    if tenant.startswith("no-such"):
        return _refused(_TENANT)
    places: JsonObject = {
        "issuer": world.url(Origin.GRAPH, f"/{tenant}/v2.0"),
        "authorization_endpoint": world.url(Origin.GRAPH, f"/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": world.url(Origin.GRAPH, f"/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": world.url(Origin.GRAPH, f"/{tenant}/oauth2/v2.0/devicecode"),
    }
    return _json(200, places)


def _on_behalf(world: World, form: dict[str, str], app: App | None) -> Answer:
    audiences = GRAPH_AUDIENCES if app is None else frozenset({app.client_id, f"api://{app.client_id}"})
    try:
        name = world.tokens.vouch(f"Bearer {form.get('assertion', '')}", audiences).name
    except GraphError as error:
        return _refused(_AUDIENCE if "audience" in error.message else _LIFETIME)
    return _token(world, name)


def _machine(world: World, asked: Asked) -> Answer:
    """A managed identity's token; the header shows that no redirect or forged URL led here."""
    query = asked.query()
    in_service = asked.path == APP_SERVICE
    wanted = "X-IDENTITY-HEADER" if in_service else "Metadata"
    if asked.header(wanted) is None or "resource" not in query:
        return _json(400, {"error": "invalid_request", "error_description": f"Required {wanted} missing"})
    who = query.get("client_id")
    if who is not None and not any(app.identity and app.client_id == who for app in world.settings.apps):
        said: JsonObject = {"error": "invalid_request", "error_description": "Identity not found"}
        return _json(400, {"statusCode": 400, "message": "No such identity"} if in_service else said)
    lifetime = world.settings.token_lifetime
    body: JsonObject = {
        "access_token": world.tokens.mint(APP, lifetime),
        "expires_in": str(lifetime),
        "expires_on": str(int(world.clock.now()) + lifetime),
        "resource": query["resource"],
        "token_type": "Bearer",
    }
    return _json(200, body)


def _token(world: World, name: str) -> Answer:
    lifetime, refresh_in = world.settings.token_lifetime, world.settings.token_refresh_in
    body: JsonObject = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
    if refresh_in is not None:
        body["refresh_in"] = refresh_in
    return _json(200, body | {"access_token": world.tokens.mint(name, lifetime)})


def _refused(refusal: Refusal) -> Answer:
    body: JsonObject = {
        "error": refusal.error,
        "error_description": f"AADSTS{refusal.code}: The simulator refuses this. Trace ID: 0 Timestamp: 0",
        "error_codes": [refusal.code],
    }
    if refusal.claims is not None:
        body["claims"] = refusal.claims
    return _json(refusal.status, body)


def _json(status: int, body: JsonObject) -> Answer:
    headers = (("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store, no-cache"))
    return Answer(status, headers, encode(body))
