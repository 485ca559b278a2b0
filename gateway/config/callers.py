"""Who may call, as the configuration says it: the keys that callers present, and the calls that are let through.

Rules: of a key nothing is kept but its digest, so that neither the configuration nor whoever gets hold of it can show
it; messages tell how long it is. What a list of calls means is `gateway.auth.allowed`'s business; here it is seen
that each entry can mean something.
"""

import hashlib
import re

from gateway.config.kinds import Kind, unfit

SHORTEST_KEY = 16
"""Characters."""
LONGEST_KEY = 1024

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_ENTRY = re.compile(r"(?P<method>[A-Z]+|\*) +(?P<path>/[^\s?#\\]*)")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_KEY_FIX = "make one with: openssl rand -hex 32"
_ENTRY_FIX = 'write one such as "POST /v1.0/me/drive/items/*/copy" or "GET /v1.0/drives/**"'


class CallerKey(bytes):
    """The SHA-256 of a key."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a caller's key>"

    __str__ = __repr__

    @classmethod
    def of(cls, key: bytes) -> "CallerKey":
        return cls(hashlib.sha256(key).digest())


class KeyText(Kind):
    """One key."""

    def accepts(self) -> str:
        return f"a key of {SHORTEST_KEY} visible ASCII characters or more, best as a reference"

    def read(self, value: object) -> CallerKey:
        if isinstance(value, CallerKey):
            return value
        if not isinstance(value, str):
            raise unfit("must be a key, as text", _KEY_FIX)
        if not SHORTEST_KEY <= len(value) <= LONGEST_KEY:
            raise unfit(
                f"must be a key of {SHORTEST_KEY} to {LONGEST_KEY} characters, and has {len(value)}", _KEY_FIX
            )
        if not _VISIBLE.fullmatch(value):
            raise unfit("must be a key of visible ASCII characters, as it travels in a header", _KEY_FIX)
        return CallerKey.of(value.encode())


class AllowedCall(Kind):
    """A method and a path that may be called."""

    def accepts(self) -> str:
        return "`METHOD /path`, in which `*` is one segment and `/**` at the end all that follow"

    def read(self, value: object) -> str:
        entry = _ENTRY.fullmatch(value) if isinstance(value, str) else None
        if entry is None:
            raise unfit("must be a method and a path, not {value}", _ENTRY_FIX)
        if entry["method"] != "*" and entry["method"] not in _METHODS:
            raise unfit(f"{{value}} names no method of {', '.join(_METHODS)}", _ENTRY_FIX)
        segments = entry["path"].split("/")
        if any(segment in {".", ".."} for segment in segments):
            raise unfit("{value} holds a dot segment, which no call may have", _ENTRY_FIX)
        if "**" in segments[:-1] or any("*" in one and one not in {"*", "**"} for one in segments):
            raise unfit("{value} has a * in a place where it means nothing", _ENTRY_FIX)
        return f"{entry['method']} {entry['path']}"
