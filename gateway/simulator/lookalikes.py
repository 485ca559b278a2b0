"""Answers that look like the start of an operation and are none, and `GET /me`.

Sources: "user: sendMail" (202, no body, no Location), "group: assignLicense" (202 with the group and a Location
that is not even a URL of this API), "authenticationMethod: resetPassword" (the 202 holds the only copy of the
password, although a monitor comes with it), "Get user".
"""

import re

from gateway.simulator.call import Call
from gateway.simulator.people import TENANT
from gateway.simulator.wire import Answer, GraphError, JsonObject, Origin, json_answer

_MAIL = re.compile(r"(me|users/[^/]+)/sendmail", re.IGNORECASE)
_LICENSE = re.compile(r"groups/([^/]+)/assignlicense", re.IGNORECASE)
_PASSWORD = re.compile(r"users/([^/]+)/authentication/methods/([^/]+)/resetpassword", re.IGNORECASE)


def respond(call: Call) -> Answer | None:
    """The answer, or None where the request is about something else."""
    path = "/".join(call.address.words)
    method = call.asked.method
    if path.lower() == "me" and method in {"GET", "HEAD"}:
        return _me(call)
    if method != "POST":
        return None
    if _MAIL.fullmatch(path):
        return Answer(202)
    if (match := _LICENSE.fullmatch(path)) is not None:
        return _license(match[1])
    if (match := _PASSWORD.fullmatch(path)) is not None:
        return _password(call, match[1], match[2])
    return None


def _me(call: Call) -> Answer:
    person = call.person
    if person.is_app:
        raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
    context = call.world.url(Origin.GRAPH, f"/{call.address.version}/$metadata#users/$entity")
    body: JsonObject = {
        "@odata.context": context,
        "displayName": person.display_name,
        "mail": person.upn,
        "userPrincipalName": person.upn,
        "id": person.oid,
    }
    return json_answer(200, body)


def _license(group: str) -> Answer:
    path = f"{TENANT}/directoryObjects/{group}/Microsoft.DirectoryServices.Group"
    body: JsonObject = {
        "id": group,
        "displayName": "All employees",
        "assignedLicenses": [],
        "groupTypes": ["Unified"],
    }
    return json_answer(202, body, (("location", f"https://graph.microsoft.com/v2/{path}"),))


def _password(call: Call, user: str, method: str) -> Answer:
    path = f"/{call.address.version}/users/{user}/authentication/operations/{call.world.ids.guid()}"
    location = call.world.url(Origin.GRAPH, f"{path}?aadgdc=DUB02P&aadgsu=ssprprod-a")
    body: JsonObject = {
        "@odata.type": "microsoft.graph.passwordResetResponse",
        "newPassword": f"Sim{method[:4]}-{call.world.ids.secret(6)}",
    }
    return json_answer(202, body, (("Location", location),))
