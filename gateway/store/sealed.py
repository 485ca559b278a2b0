"""Seals what must not be read in a store: monitor URLs, which are bearer secrets, and the store's own secret.

Rules
- AES-256-GCM. A sealed text names the key that it was made with, so that of several the right one opens it; the
  first key seals.
- A text is sealed for its place (a record's id, dedupe key and schema): what was moved elsewhere does not open.
- Each place has a key of its own, derived from the configured one. A record is written anew with each poll, and one
  key bears no more than 2**32 random nonces (NIST SP 800-38D section 8.3).
- Without a key, text is kept in the clear and says so; then only the mode of the file protects it.

What it must not do: show a key or what it sealed, in an error or otherwise. It does not keep a writer of the file
from putting an older record back, or one in the clear.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
CLEAR = "clear"
SEALED = "a256gcm"


class Unsealable(Exception):
    """A text that does not open. The message says why, and never what."""


class KeyMissing(Unsealable):
    """Another key would be needed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it is sealed with the key {name}, which is not in operations.encryption_key")


class Seals:
    """The keys that open, the first of which also seals."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key must have {KEY_BYTES} bytes")
        self._keys = {key_name(key): bytes(key) for key in keys}
        self.current = next(iter(self._keys), CLEAR)
        """The name of the key that seals; `clear` where there is none."""

    def seal(self, text: str, *place: str) -> str:
        """`text`, to be opened with the same `place` only."""
        if not self._keys:
            return f"{CLEAR}:{text}"
        bound = _bound(place)
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = self._cipher(self.current, bound).encrypt(nonce, _octets(text), bound)
        return f"{SEALED}:{self.current}:{base64.b64encode(nonce + content).decode('ascii')}"

    def unseal(self, sealed: str, *place: str) -> str:
        """What was sealed for this place. Raises `Unsealable`."""
        form, _, rest = sealed.partition(":")
        if form == CLEAR:
            return rest
        name, _, encoded = rest.partition(":")
        if form != SEALED or not encoded:
            raise Unsealable("it is sealed in a way that is not known here")
        if name not in self._keys:
            raise KeyMissing(name)
        bound = _bound(place)
        try:
            content = base64.b64decode(encoded, validate=True)
            opened = self._cipher(name, bound).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], bound)
            return opened.decode("utf-8", "surrogatepass")
        except (binascii.Error, InvalidTag, ValueError):
            raise Unsealable("what is sealed in it was changed, or belongs elsewhere") from None

    def _cipher(self, name: str, bound: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._keys[name], b"lro-gateway seal " + bound, "sha256"))


def key_name(key: bytes) -> str:
    """What a key is called in the store and in messages; nothing of the key can be learned from it."""
    return hashlib.sha256(b"lro-gateway key name " + key).hexdigest()[:8]


def sealed_with(sealed: str) -> str:
    """The name of the key that a sealed text needs; `clear` where it needs none."""
    form, _, rest = sealed.partition(":")
    return rest.partition(":")[0] if form == SEALED else CLEAR


def _bound(place: Sequence[str]) -> bytes:
    """The same bytes for the same place only: a list keeps its items apart."""
    return json.dumps(place).encode("ascii")


def _octets(text: str) -> bytes:
    """Targets carry bytes that are no UTF-8 as lone surrogates; they are to come back as they were."""
    return text.encode("utf-8", "surrogatepass")
