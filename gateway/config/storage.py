"""Where operations are stored, and the keys that seal what is secret in there.

Rules: a key is never shown, by a message or by the configuration itself; messages tell how long it is, not what it
is. The path is taken as it stands; whether a file can be there is found out where it is opened.
"""

import base64
import binascii
from pathlib import Path

from gateway.config.kinds import Kind, unfit

KEY_BYTES = 32
"""AES-256."""

_FIX = "make one with: openssl rand -base64 32"


class EncryptionKey(bytes):
    """A key that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a key>"

    __str__ = __repr__


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
