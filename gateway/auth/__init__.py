"""Credentials: whose call it is, and which Authorization goes to which URL.

    callers, allowed    who may call, and what                cookies       those of an operation
    credentials         the modes in which the gateway has credentials of its own (`gateway.acting` uses them)
    tokens, threads     kept, renewed, asked for once         entra         MSAL, and nothing else knows of it
    challenge           what a 401 demands                    refusals      what Entra's errors mean

Rules: the caller's Authorization goes to the upstream's origin and nowhere else; in `on_behalf_of` to Entra instead.
Tokens live in memory only, bounded and for a limited time; everywhere else a digest stands in for them. Claims of a
token are read without being verified (they are Graph's to verify), so they name a caller but prove nothing about it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import TTLCache

from gateway import headers, sameness
from gateway.model import Headers

HALF = 32
"""Hexadecimal digits of a digest that tell credentials apart: 128 bits."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a call, as far as it says."""

    principal: str
    """Digest of the identity the credential claims."""
    credential: str
    """Digest of the credential itself."""
    authorization: bytes | None = field(default=None, repr=False)
    repeated: Headers = field(default=(), repr=False)
    """Lines of its call that the polls of its operation need as well: a workbook session's id."""


def caller_of(call_headers: Headers) -> Caller:
    """The caller in passthrough mode: whatever its Authorization claims."""
    authorization = headers.get(call_headers, b"authorization")
    return Caller(
        principal=sameness.principal_of(authorization),
        credential=sameness.credential_digest(authorization),
        authorization=authorization,
    )


class Vault:
    """The credentials that callers presented, for those who come back without: .NET and others drop
    Authorization when they follow a redirect, and then hold a ticket only.
    """

    def __init__(self, *, size: int, keep: float, monotonic: Callable[[], float]) -> None:
        """Keeps at most `size` credentials, each for `keep` seconds since it was last presented."""
        self._kept: TTLCache[str, bytes] = TTLCache(maxsize=size, ttl=keep, timer=monotonic)
        self._lent: TTLCache[str, str] = TTLCache(maxsize=size, ttl=keep, timer=monotonic)
        self._repeated: TTLCache[str, Headers] = TTLCache(maxsize=size, ttl=keep, timer=monotonic)

    def remember(self, caller: Caller) -> None:
        if caller.authorization is not None:
            self._kept[caller.credential[:HALF]] = caller.authorization

    def recall(self, credential: str) -> bytes | None:
        """By a digest, or the first half of one, which is all that a ticket has room for."""
        return self._kept.get(credential[:HALF])

    def lend(self, operation_id: str, caller: Caller) -> None:
        """Let the gateway ask this operation's monitor with this credential, instead of any before it."""
        self.remember(caller)
        self._lent[operation_id] = caller.credential
        if caller.repeated:
            self._repeated[operation_id] = caller.repeated

    def lent(self, operation_id: str) -> bytes | None:
        """The credential that the operation's monitor may be asked with."""
        credential = self._lent.get(operation_id)
        return self.recall(credential) if credential is not None else None

    def repeated(self, operation_id: str) -> Headers:
        """The lines that go along with that credential."""
        return self._repeated.get(operation_id, ())

    def give_back(self, operation_id: str) -> None:
        """What was lent for this operation is of no use any more."""
        self._lent.pop(operation_id, None)

    def forget(self) -> None:
        """Let go of all of them; their callers will be asked for them again."""
        self._kept.clear()
        self._lent.clear()
        self._repeated.clear()
