"""Redaction: takes secrets out of what is about to be logged, should one ever have got that far.

Nothing that is logged on purpose holds a secret; this is for messages of libraries, and for mistakes of our own.

Rules: what looks like a token, a cookie, a ticket, a key or a URL with a query is replaced by `HIDDEN`, wherever in a
line it stands, and so is whatever goes by a secret's name. It runs last, over everything, and it cannot fail: what it
does not know how to read it shows as its type only.

What this module must not do: be relied upon. It knows shapes; a secret without one gets past it.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "(redacted)"

NAMES = frozenset({
    "access_token", "assertion", "authorization", "caller_keys", "client_assertion", "client_secret", "cookie",
    "cookies", "encryption_key", "gateway-key", "gateway_key", "id_token", "location", "monitor", "password",
    "private_key", "proxy-authorization", "query", "refresh_token", "secret", "set-cookie", "tempauth", "ticket",
    "token",
})  # fmt: skip
"""Whatever is logged under one of these is not shown at all; compared in lower case."""

DEEPEST = 6
"""Levels of lists and mappings that are looked into."""

_SHAPES = re.compile(
    r"""
      (?P<jwt>\beyJ[\w.-]{12,})
    | (?P<download>microsoft\.graph\.downloadUrl\W{0,4}[:=]\s*)\S+
    | (?P<field>\b(?:set-cookie|cookie|authorization|gateway-key)["']?\s*[:=]\s*)[^\r\n]+
    | (?P<scheme>\b(?:bearer|basic|pop|negotiate)\s+)[^\s"',;]{8,}
    | (?P<url>\b[a-z][a-z0-9+.-]{0,15}://[^\s"'<>]+)
    | (?P<word>\b(?:tempauth|ticket|sig|access_token|refresh_token|id_token|client_secret|client_assertion
                  |assertion|password)=)[^\s&"']+
    | (?P<share>\b[us]!)[\w-]{6,}  # a sharing link in a path of /shares
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)

"""Each begins with something fixed and takes all it can get, so that no text takes more than one look at it."""

_PLAIN_PATH = re.compile(r"[\w./%~-]{0,200}", re.ASCII)
_SECRET_PATH = re.compile(r"(?:^|/)(?:monitor|operations|_layouts)/|eyJ", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text without what looks like a secret; what stands before it says what it was."""
    if (
        text.isprintable()
        and not (" " in text or ":" in text or "=" in text or "!" in text)
        and "eyj" not in text.casefold()
    ):
        return text  # each shape needs one of these, and most texts have none
    return _SHAPES.sub(_hidden, text)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor."""
    return {
        redacted(name): HIDDEN if name.lower() in NAMES else _shown(value, DEEPEST)
        for name, value in event.items()
    }


def _hidden(match: re.Match[str]) -> str:
    kind = match.lastgroup or "jwt"
    if kind == "url":
        return _url(match[0])
    return HIDDEN if kind == "jwt" else match[kind] + HIDDEN


def _url(url: str) -> str:
    """Scheme and host; the path too, where that is not what gives access."""
    scheme, _, rest = url.partition("://")
    rest = rest[:1] + rest[1:].partition("?")[0].partition("#")[0]
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}://{authority.rpartition('@')[2]}{slash}"
    if not _PLAIN_PATH.fullmatch(path) or _SECRET_PATH.search(path):
        return shown + HIDDEN
    return shown + path + ("?" + HIDDEN if len(rest) < len(url) - len(scheme) - 3 else "")


def _shown(value: object, depth: int) -> object:
    if isinstance(value, str):
        return redacted(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth:
        return {
            str(name): HIDDEN if str(name).lower() in NAMES else _shown(item, depth - 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_shown(item, depth - 1) for item in value]
    return f"<{type(value).__name__}>"
