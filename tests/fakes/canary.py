"""Canaries: secrets that are planted to see where they turn up, in whichever spelling.

found(text, [TOKEN])  ->  the names of those that are in it
"""

import base64
import json
from collections.abc import Iterable, Mapping


def jwt(**claims: object) -> str:
    """A token as Entra's look, signed by nobody."""
    parts = ({"typ": "JWT", "alg": "RS256"}, claims)
    text = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*text, "C4N4RY-signature"])


def spellings(secret: bytes) -> frozenset[bytes]:
    """As it is, percent-encoded, in hex, and as base64 has it at each of the three places it may begin at."""
    found = {secret, secret.hex().encode(), b"".join(b"%%%02x" % byte for byte in secret)}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + secret)
            found.add(text[(0, 2, 3)[shift] : len(text) - 4].rstrip(b"="))
    return frozenset(found)


def found(where: bytes | str, canaries: Mapping[str, str], *, less: Iterable[str] = ()) -> list[str]:
    """The names of the canaries that are there, in any spelling, but for those in `less`."""
    text = where if isinstance(where, bytes) else where.encode("utf-8", "backslashreplace")
    return [
        name
        for name, secret in canaries.items()
        if name not in less and any(spelling in text for spelling in spellings(secret.encode()))
    ]
