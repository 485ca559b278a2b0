"""Where operations are stored, and the keys that seal what is secret in there.

Rules: a key is never shown, by a message or by the configuration itself; messages tell how long it is, not what it
is. Neither is a server's URL, which may hold a password. The path is taken as it stands; whether a file can be there is found out where it is opened.
"""

import base64
import binascii
import re
from pathlib import Path

from gateway.config.addresses import canonical_entry
from gateway.config.kinds import Kind, unfit

KEY_BYTES = 32
"""AES-256."""

_SERVER = re.compile(
    r"(?P<scheme>rediss?)://(?:[^/?#@\s]*@)?(?P<host>[^/?#@\s]+)(?:/[0-9]{0,4})?(?P<query>\?ssl_ca_certs=[^?&#\s]+)?"
)
_SOCKET = re.compile(r"unix://(?:[^/?#@\s]*@)?/[^?#\s]+(?:\?db=[0-9]{1,4})?")
_FIX = "make one with: openssl rand -base64 32"


class EncryptionKey(bytes):
    """A key that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a key>"

    __str__ = __repr__


class ServerUrl(str):
    """A URL that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a URL>"


class RedisUrl(Kind):
    """Where a Redis is, and as whom to talk to it."""

    def accepts(self) -> str:
        return (
            "`redis://`, `rediss://` (with TLS) or `unix://`, then `user:password@` where they are needed, then "
            "`host:port/database` or the path of a socket"
        )

    def read(self, value: object) -> ServerUrl:
        text = value if isinstance(value, str) else ""
        found = _SERVER.fullmatch(text)
        if _SOCKET.fullmatch(text) or (found and _is_server(found)):
            return ServerUrl(text)
        raise unfit(
            "must be the URL of a Redis",
            "write redis://127.0.0.1:6379/0, rediss://:password@redis.example:6380/0 (perhaps with "
            "?ssl_ca_certs=/path of a CA), or unix:///run/redis.sock?db=0, with % codes for special characters in a "
            "password",
        )


def _is_server(found: re.Match[str]) -> bool:
    entry, has_ca = canonical_entry(found["host"]), found["query"] is not None
    bare_ipv6 = found["host"].count(":") > 1 and not found["host"].startswith("[")
    return (
        entry is not None
        and "*" not in entry
        and not bare_ipv6
        and (not has_ca or found["scheme"] == "rediss")
    )


class StoreFile(Kind):
    """The path of a file that need not be there yet."""

    def accepts(self) -> str:
        return "the path of a file"

    def read(self, value: object) -> Path:
        if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
            raise unfit("must be the path of a file, not {value}", "write one such as operations.db")
        return Path(value)


class EncryptionKeys(Kind):
    """One key, or several with the newest first."""

    def accepts(self) -> str:
        return f"a key of {KEY_BYTES} bytes in base64, or a list of keys, the newest first"

    def read(self, value: object) -> tuple[EncryptionKey, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise unfit("holds no key", "write null to encrypt nothing")
        keys = tuple(
            _key(item, f"item {number} " if len(items) > 1 else "") for number, item in enumerate(items, 1)
        )
        if len(set(keys)) < len(keys):
            raise unfit("has one key twice", "keep one of them")
        return keys


def _key(value: object, which: str) -> EncryptionKey:
    """`which`: the beginning of a message about this key."""
    if isinstance(value, bytes) and len(value) == KEY_BYTES:
        return EncryptionKey(value)
    must = f"{which}must be {KEY_BYTES} bytes in base64"
    if not isinstance(value, str):
        raise unfit(f"{must}, as text", _FIX)
    try:
        key = base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise unfit(f"{must}, and is not base64", _FIX) from None
    if len(key) != KEY_BYTES:
        raise unfit(f"{must}, and is {len(key)} bytes long", _FIX)
    return EncryptionKey(key)
