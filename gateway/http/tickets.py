"""Tickets: what lets a client come back for an operation without its Authorization.

Some clients drop Authorization when they follow a redirect (.NET's HttpClient does), and Graph's own monitors need
none; so every Location that the gateway hands out carries a ticket.

Rules: a ticket is signed, bound to one operation, one purpose and the caller it was given to, and has an end. It
is a bearer secret: never logged. It holds digests, no token and no name. A ticket that is not genuine, not for
this operation and purpose, or over, is no ticket at all, and nothing tells which.

What this module must not do: look at the clock, or decide what a caller may see.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from gateway.auth import Caller

FORM = struct.Struct(">BBd16s16s16s")
"""Version, purpose, end (seconds since 1970), operation id, first halves of the principal's and credential's
digests."""
VERSION = 1
MAC_BYTES = 32


class Purpose(IntEnum):
    """What a ticket opens."""

    STATUS = 1
    RESULT = 2


@dataclass(frozen=True, slots=True)
class Ticket:
    """A genuine ticket, read."""

    principal: bytes
    credential: bytes

    def is_of(self, caller: Caller) -> bool:
        """Whether it was given to the one who presents this credential now (perhaps a renewed one)."""
        return hmac.compare_digest(self.principal, _half(caller.principal))


class Tickets:
    """Writes and reads tickets with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"lro-gateway ticket" + secret).digest()

    def write(self, operation_id: str, purpose: Purpose, caller: Caller, ends_at: float) -> str:
        """`ends_at`: seconds since 1970."""
        form = FORM.pack(
            VERSION,
            purpose,
            ends_at,
            bytes.fromhex(operation_id),
            _half(caller.principal),
            _half(caller.credential),
        )
        return base64.urlsafe_b64encode(form + self._sign(form)).rstrip(b"=").decode()

    def read(self, text: str, operation_id: str, purpose: Purpose, now: float) -> Ticket | None:
        try:
            raw = base64.b64decode(
                text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
            )
        except (UnicodeEncodeError, binascii.Error, ValueError):
            return None
        form, mac = raw[: FORM.size], raw[FORM.size :]
        if len(form) != FORM.size or not hmac.compare_digest(mac, self._sign(form)):
            return None
        version, for_purpose, ends_at, for_id, principal, credential = FORM.unpack(form)
        if version != VERSION or for_purpose != purpose or ends_at < now or for_id.hex() != operation_id:
            return None
        return Ticket(principal, credential)

    def _sign(self, form: bytes) -> bytes:
        return hmac.digest(self._secret, form, "sha256")


def _half(digest: str) -> bytes:
    return bytes.fromhex(digest)[:16]
