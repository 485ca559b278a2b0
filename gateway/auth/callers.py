"""Who may call: told by a key, a certificate, or by being on this machine.

Rules:
1. A key is compared by its digest, with every key there is, in constant time; it is kept, logged and forwarded
   nowhere. Which key of the list it is says nothing: two keys are two callers, and one key is the same caller
   wherever it stands.
2. What connection and key prove is a name. In the modes in which the gateway acts as itself it is whose call it is;
   where callers bring tokens, the token says that, and the name only lets in.
3. Where both a certificate and a key are asked for, both make the name: another key, or another certificate, is
   another caller.

What this module must not do: read a body, look at the path, or know which credential goes upstream.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence

from gateway import headers
from gateway.config.callers import CallerKey
from gateway.errors import KeyNeeded
from gateway.model import Headers

LOCAL = "local"
"""The name of whoever reaches the gateway where it asks for nothing."""


class KnownCallers:
    """Lets callers in, and names them."""

    def __init__(self, keys: Collection[CallerKey]) -> None:
        self._keys = tuple(keys)

    def reload(self, keys: Collection[CallerKey]) -> None:
        """From now on these are the keys; calls that were let in go on."""
        self._keys = tuple(keys)

    def name(self, transport: asyncio.BaseTransport | None, call_headers: Headers) -> str:
        """Who calls. Raises `KeyNeeded`."""
        parts: list[bytes] = []
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        if certificate:
            parts += [b"certificate", *_subject(certificate)]
        if self._keys:
            key = self._known(headers.get(call_headers, headers.GATEWAY_KEY))
            if key is None:
                raise KeyNeeded("gateway key")
            parts += [b"key", key]
        return _digest(parts) if parts else LOCAL

    def lets_in(self, transport: asyncio.BaseTransport | None, call_headers: Headers) -> bool:
        """Whether `name` has a name for whoever calls."""
        if not self._keys:
            return True
        try:
            self.name(transport, call_headers)
        except KeyNeeded:
            return False
        return True

    def lacks_key(self, call_headers: Headers) -> bool:
        """Whether a key is asked for, and none came: not even a wrong one."""
        return bool(self._keys) and not headers.has(call_headers, headers.GATEWAY_KEY)

    def _known(self, presented: bytes | None) -> bytes | None:
        """The digest of a key, if it is one of ours."""
        given = hashlib.sha256((presented or b"").strip(b" \t")).digest()
        found = False
        for key in self._keys:
            found |= hmac.compare_digest(given, key)
        return given if found else None


def _subject(certificate: Mapping[str, object]) -> list[bytes]:
    """The subject of what `ssl` has verified; where it has none, as SPIFFE's have, the alternative names."""
    names = _texts(certificate.get("subject", ()))
    return [b"subject", *names] if names else [b"names", *_texts(certificate.get("subjectAltName", ()))]


def _texts(value: object) -> list[bytes]:
    """The texts in nested tuples, in their order."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [text for inner in value for text in _texts(inner)]
    return [str(value).encode("utf-8", "surrogatepass")]


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()
