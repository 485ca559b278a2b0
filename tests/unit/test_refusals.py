"""What Entra says when it gives no token, and whose turn it is then."""

from typing import Any

import pytest

from gateway.auth.refusals import refusal
from gateway.errors import CallerRefused, CredentialError, TokenUnavailable

CANARY = "canary"


def said(error: str, code: int | None = None, **more: Any) -> dict[str, Any]:
    text = f"AADSTS{code}: about {CANARY}" if code is not None else CANARY
    return {"error": error, "error_description": text, **more}


@pytest.mark.parametrize(
    ("answer", "on_behalf", "kind", "reason"),
    [
        (said("invalid_client", 7000215), False, CredentialError, "AADSTS7000215"),
        (said("invalid_client", 7000215), True, CredentialError, "AADSTS7000215"),
        (said("unauthorized_client", 700016), True, CredentialError, "AADSTS700016"),
        (said("invalid_scope", 70011), True, CredentialError, "AADSTS70011"),
        (said("invalid_grant", 53003), False, CredentialError, "AADSTS53003"),
        (said("interaction_required", 50079), True, CallerRefused, "AADSTS50079"),
        (said("invalid_grant", 65001, suberror="consent_required"), True, CallerRefused, "AADSTS65001"),
        (said("invalid_grant", 500133), True, CallerRefused, "AADSTS500133"),
        (said("invalid_request", 50027), True, CallerRefused, "AADSTS50027"),
        (said("invalid_request", 900144), True, CredentialError, "AADSTS900144"),
        (said("temporarily_unavailable", 90033), True, TokenUnavailable, "AADSTS90033"),
        (said("server_error"), False, TokenUnavailable, "server_error"),
        (said("invalid_request"), False, CredentialError, "invalid_request"),
        (said("invalid_grant"), True, CallerRefused, "invalid_grant"),
        ({}, False, CredentialError, "error"),
        ({"error": f"{CANARY} 1"}, True, CredentialError, "error"),
        ({"error": {"code": CANARY}, "error_description": [CANARY]}, True, CredentialError, "error"),
    ],
)
def test_each_has_its_kind(
    *, answer: dict[str, Any], on_behalf: bool, kind: type[CredentialError], reason: str
) -> None:
    error = refusal(answer, on_behalf=on_behalf, authorize_url=None)
    assert (type(error), error.reason) == (kind, reason)
    assert CANARY not in f"{error} {error!r} {error.message}"
    assert ("AADSTS" in error.message) == reason.startswith("AADSTS")


def test_the_claims_go_to_the_user() -> None:
    error = refusal(
        said("interaction_required", 50079, claims='{"access_token":{}}'),
        on_behalf=True,
        authorize_url="https://l/a",
    )
    assert isinstance(error, CallerRefused)
    assert error.challenge == (
        b'Bearer realm="", authorization_uri="https://l/a", '
        b'error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'
    )


@pytest.mark.parametrize("claims", ["[]", "no json", 5, '"\r\nSet-Cookie: a=b'])
def test_claims_that_are_none(claims: object) -> None:
    error = refusal(said("interaction_required", claims=claims), on_behalf=True, authorize_url=None)
    assert isinstance(error, CallerRefused)
    assert error.challenge == b'Bearer realm="", error="invalid_token"'
