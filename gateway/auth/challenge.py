"""Challenges: what an upstream's 401 demands of the next token, and what ours tells a caller (RFC 9110 section 11.6.1).

A claims challenge (continuous access evaluation) is a Bearer challenge with `error="insufficient_claims"` and
`claims`, a JSON object in base64 (https://learn.microsoft.com/entra/identity-platform/claims-challenge).

Rules: what is not exactly that is no claims challenge. Claims are passed on as they came.

What this module must not do: act on a challenge.
"""

import base64
import json
import re

from gateway import headers
from gateway.model import Headers

LONGEST = 8192
"""Characters of a challenge that are looked at."""

_BEARER = re.compile(r"(?<![\w-])bearer\s", re.IGNORECASE)
_PARAMETER = re.compile(r'(?<![\w-])([\w-]++)\s*+=\s*+(?:"([^"]*)"|([^\s,"]*))')


def demanded(reply: Headers) -> str | None:
    """The claims that a 401 demands: JSON, or None where it demands none."""
    for value in headers.get_all(reply, b"www-authenticate"):
        text = value[:LONGEST].decode("latin-1")
        said = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
        if _BEARER.search(text) and said.get("error") == "insufficient_claims":
            claims = _decoded(said.get("claims", ""))
            if claims is not None:
                return claims
    return None


def _decoded(text: str) -> str | None:
    try:
        raw = base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_" if set(text) & set("-_") else None
        )
        claims = raw.decode()
        return claims if isinstance(json.loads(claims), dict) else None
    except (ValueError, RecursionError):
        return None


def bearer(authorize_url: str | None, *, error: str | None = None, claims: str | None = None) -> bytes:
    """A challenge for a caller, in the form that Microsoft's clients know; `claims` is JSON."""
    parts = ['realm=""']
    if authorize_url is not None:
        parts.append(f'authorization_uri="{authorize_url}"')
    if claims is not None:
        parts.append('error="insufficient_claims"')
        parts.append(f'claims="{base64.b64encode(claims.encode()).decode()}"')
    elif error is not None:
        parts.append(f'error="{error}"')
    return f"Bearer {', '.join(parts)}".encode()
