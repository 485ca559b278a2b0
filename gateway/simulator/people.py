"""Users and their tokens. Tokens are really refused: unknown, expired, forged and foreign ones.

Accepted: `sim-ana` and `sim-ana-anything` for the user ana, and JWTs whose `oid`, `sub` or `upn` names a user.
A JWT is unsigned (`alg` none, or an empty signature), where the settings allow it, or signed with the simulator's
own key; any other signature is refused, so that a forged token can be tried. The key is no secret.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Container, Iterable
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.simulator.wire import GraphError, JsonObject, encode, text_at

TENANT = "84df9e7f-e9f6-40af-b435-aaaaaaaaaaaa"
GRAPH_AUDIENCE = "https://graph.microsoft.com"
GRAPH_AUDIENCES = frozenset({GRAPH_AUDIENCE, GRAPH_AUDIENCE + "/", "00000003-0000-0000-c000-000000000000"})
APP = "app"  # the one principal that is no user; it sees every drive
_KEY = b"the simulator signs with this; it proves nothing"
_CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    'client_id="00000003-0000-0000-c000-000000000000"'
)


@dataclass(frozen=True)
class Person:
    name: str
    is_app: bool = False

    @property
    def oid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.simulator"))

    @property
    def upn(self) -> str:
        return f"{self.name}@contoso.com"

    @property
    def display_name(self) -> str:
        return self.name.capitalize()

    def is_called(self, word: str | None) -> bool:
        return word is not None and word.casefold() in {self.name.casefold(), self.oid, self.upn.casefold()}


class Tokens:
    """Who a request comes from."""

    def __init__(self, people: Iterable[str], clock: Clock, *, accept_unsigned: bool) -> None:
        self.people = {name: Person(name) for name in people} | {APP: Person(APP, is_app=True)}
        self._clock = clock
        self._accept_unsigned = accept_unsigned
        self._known: dict[str, set[str]] = {}  # tokens seen and minted, by name
        self._expired: set[str] = set()
        self._minted = 0

    def find(self, word: str | None) -> Person | None:
        return next((person for person in self.people.values() if person.is_called(word)), None)

    def mint(self, name: str, expires_in: float = 3600.0, audience: str = GRAPH_AUDIENCE) -> str:
        """A signed token for a user, good for Graph or for another audience; each one is different."""
        person = self.find(name)
        if person is None:
            raise GraphError(404, "Request_ResourceNotFound", f"There is no user {name!r}.")
        now = int(self._clock.now())
        self._minted += 1
        claims: JsonObject = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(expires_in),
            "appid": "11111111-2222-3333-4444-555555555555",
            "idtyp": "app" if person.is_app else "user",
            "oid": person.oid,
            "sub": person.oid,
            "tid": TENANT,
            "uti": str(self._minted),
            "ver": "1.0",
        }
        claims |= (
            {"roles": ["Files.ReadWrite.All"]}
            if person.is_app
            else {"upn": person.upn, "scp": "Files.ReadWrite"}
        )
        text = f"{_segment({'typ': 'JWT', 'alg': 'HS256'})}.{_segment(claims)}"
        token = f"{text}.{_signature(text)}"
        self._known.setdefault(person.name, set()).add(token)
        return token

    def expire(self, token: str | None = None, name: str | None = None) -> int:
        """Refuse a token, or all tokens that a user has had so far, from now on; says how many."""
        tokens = {token} if token else set(self._known.get(name or "", set()))
        fresh = tokens - self._expired
        self._expired |= fresh
        return len(fresh)

    def authenticate(self, authorization: str | None) -> Person:
        """The person behind an Authorization header that is meant for Graph. Raises GraphError 401."""
        return self.vouch(authorization, GRAPH_AUDIENCES)

    def vouch(self, authorization: str | None, audiences: Container[str]) -> Person:
        """The person behind one that is meant for one of these; tokens that say nothing of it are meant for all."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise refusal("Access token is empty.")
        person = self._read(token, audiences)
        self._known.setdefault(person.name, set()).add(token)
        if token in self._expired:
            raise refusal("Lifetime validation failed, the token is expired.")
        return person

    def _read(self, token: str, audiences: Container[str]) -> Person:
        if token.startswith("sim-"):
            name = token.removeprefix("sim-")
            person = self.people.get(name) or self.people.get(name.partition("-")[0])
        else:
            claims = self._claims(token)
            if claims.get("tid", TENANT) != TENANT:
                raise refusal(f"Invalid tenant; the simulator's is {TENANT}.")
            audience = text_at(claims, "aud")
            if audience is not None and audience not in audiences:
                raise refusal("Access token validation failure. Invalid audience.")
            words = (text_at(claims, key) for key in ("oid", "sub", "upn"))
            person = next((found for word in words if (found := self.find(word))), None)
        if person is None:
            raise refusal("The user of the token is not known.")
        return person

    def _claims(self, token: str) -> JsonObject:
        parts = token.split(".")
        if len(parts) != 3:
            raise refusal("CompactToken parsing failed with error code: 80049217")
        head, body, signature = parts
        header, claims = _object(head), _object(body)
        unsigned = not signature or str(header.get("alg")).lower() == "none"
        if unsigned and not self._accept_unsigned:
            raise refusal("Signature validation failed, the token is not signed.")
        if not unsigned and not hmac.compare_digest(
            signature.encode(), _signature(f"{head}.{body}").encode()
        ):
            raise refusal("Signature validation failed.")
        expiry = claims.get("exp")
        if isinstance(expiry, (int, float)) and expiry <= self._clock.now():
            raise refusal("Lifetime validation failed, the token is expired.")
        return claims


def refusal(message: str) -> GraphError:
    return GraphError(401, "InvalidAuthenticationToken", message, (("WWW-Authenticate", _CHALLENGE),))


def claims_challenge() -> GraphError:
    """What a client that declared cp1 gets when its session was revoked ("Claims challenges and CAE")."""
    wanted = base64.b64encode(
        encode({"access_token": {"nbf": {"essential": True, "value": "1604106651"}}})
    ).decode()
    challenge = (
        'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
        f'error="insufficient_claims", claims="{wanted}"'
    )
    message = "Continuous access evaluation resulted in challenge with result: InteractionRequired"
    return GraphError(401, "InvalidAuthenticationToken", message, (("WWW-Authenticate", challenge),))


def _segment(value: JsonObject) -> str:
    return base64.urlsafe_b64encode(encode(value)).decode().rstrip("=")


def _object(segment: str) -> JsonObject:
    try:
        value: object = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise refusal("IDX14100: JWT is not well formed.")
    return value


def _signature(text: str) -> str:
    digest = hmac.new(_KEY, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
