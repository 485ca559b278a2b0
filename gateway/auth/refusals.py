"""What Entra says when it gives no token, as an error of ours.

Rules: of Entra's words only its codes (`AADSTS7000215`) and error names (`invalid_client`) get any further, for a
description may quote what was sent. Whether the gateway or its caller has to mend something is decided here, by
https://learn.microsoft.com/entra/identity-platform/reference-error-codes.

What this module must not do: ask anybody.
"""

import json
import re
from collections.abc import Mapping

from gateway.auth import challenge
from gateway.errors import CallerRefused, CredentialError, TokenUnavailable

CALLERS = frozenset({"interaction_required", "invalid_grant", "consent_required", "login_required"})
"""Errors that only the user, or a new token of the caller's, can mend."""

BAD_ASSERTIONS = frozenset({"AADSTS50013", "AADSTS50027", "AADSTS500131", "AADSTS500133"})
"""Codes that are about the caller's token, under whichever error they come."""

TRANSIENT = frozenset({"temporarily_unavailable", "server_error", "service_unavailable"})

_CODE = re.compile(r"AADSTS[0-9]{2,7}")
_NAME = re.compile(r"[A-Za-z][A-Za-z_]{1,39}")


def code_in(text: str) -> str | None:
    """Entra's own code in a text of its."""
    found = _CODE.search(text)
    return found[0] if found else None


def refusal(said: Mapping[str, object], *, on_behalf: bool, authorize_url: str | None) -> CredentialError:
    """What an error answer of the token endpoint means."""
    name = str(said.get("error", ""))
    name = name if _NAME.fullmatch(name) else "error"
    code = code_in(str(said.get("error_description", ""))) or name
    if name in TRANSIENT:
        return TokenUnavailable(code)
    if on_behalf and (name in CALLERS or code in BAD_ASSERTIONS):
        claims = _claims(said.get("claims"))
        return CallerRefused(
            code, challenge=challenge.bearer(authorize_url, error="invalid_token", claims=claims)
        )
    return CredentialError(code)


def _claims(value: object) -> str | None:
    """The claims that the user has to bring, if they are what they should be."""
    try:
        return value if isinstance(value, str) and isinstance(json.loads(value), dict) else None
    except (ValueError, RecursionError):
        return None
