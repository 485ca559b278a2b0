"""Sameness: who a caller is, which call is the same as which, and what follows when one comes again.

Rules:
1. Digests and keys are made of parts with their lengths in front, so that no two lists of parts run together.
2. Claims are read without being verified, which is the upstream's business. A principal therefore names a caller
   and proves nothing: it may bring calls together, it never opens anything by itself.
3. Where it is not certain that two things are the same, they are different: a needless second copy can be deleted,
   an action that was silently left out cannot be seen.
4. What answers a call that comes again is one table, `decide`; nothing else in the gateway decides that.

What this module must not do: keep state, read the time, find the canonical form of a target.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.model import ACTIVE, FINISHED, Operation, State

LONGEST_TOKEN: Final = 65_536
"""Bytes; a longer one is not looked into. Real ones have 2 to 8 KiB."""
LONGEST_CLAIM: Final = 256
LARGEST_CANONICAL: Final = 131_072
"""Bytes; larger bodies are compared as they are, because making them canonical would hold everybody up."""
DEEPEST_JSON: Final = 64

_BEARER = re.compile(rb"bearer[ \t]+(.*)", re.IGNORECASE | re.DOTALL)
_JWT = re.compile(rb"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")
_KEY = re.compile(rb'(?!")[\x21-\x7e]{1,255}|"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255}"')
_ATTEMPT = re.compile(rb"[0-9]{1,9}")
_PARAMETER = re.compile(rb';[ \t]*+([^\s;="]++)=("(?:[^"\\]|\\.)*+"|[^\s;"]++)[ \t]*+', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

# --- who -------------------------------------------------------------------------------------------------


def credential_digest(authorization: bytes | None) -> str:
    """SHA-256 of a credential, in hexadecimal; the scheme's case and the space around it do not count."""
    if authorization is None:
        return _digest([b"anonymous"])
    scheme, _, rest = authorization.strip().partition(b" ")
    return _digest([b"credential", scheme.lower(), rest.strip()])


def principal_of(authorization: bytes | None) -> str:
    """Digest of the identity that a bearer token claims, so that a renewed token still is the same caller.

    That is tenant, user (or service principal) and app of an Entra token. Any other credential stands for itself,
    and so does a token whose claims are not plain and unambiguous. Without a credential: nobody in particular.
    """
    token = _BEARER.fullmatch(authorization.strip()) if authorization is not None else None
    claims = _claims(token[1]) if token is not None else {}
    tenant = _claim(claims, "tid")
    who = "oid" if "oid" in claims else "sub"
    subject = _claim(claims, who)
    app = _claim(claims, "appid" if "appid" in claims else "azp")
    if not tenant or not subject or app is None:
        return credential_digest(authorization)
    return _digest([b"claims", _text(tenant), who.encode(), _text(subject), _text(app)])


def end_of(authorization: bytes) -> float | None:
    """When a bearer token says that it ends, in seconds since 1970; None where it does not say."""
    token = _BEARER.fullmatch(authorization.strip())
    ends_at = _claims(token[1]).get("exp") if token is not None else None
    return float(ends_at) if isinstance(ends_at, int | float) and not isinstance(ends_at, bool) else None


def _claims(token: bytes) -> dict[str, object]:
    """The claims of a signed JWT, unverified; none where it is anything else or odd in any way."""
    match = _JWT.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if match is None:
        return {}
    try:
        raw = base64.urlsafe_b64decode(match[1] + b"=" * (-len(match[1]) % 4))
        claims = json.loads(raw.decode(), object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _claim(claims: dict[str, object], name: str) -> str | None:
    """A claim's text, empty where it is absent; None for anything that is no plain text."""
    value = claims.get(name, "")
    return value if isinstance(value, str) and len(value) <= LONGEST_CLAIM else None


# --- which call ------------------------------------------------------------------------------------------


def fingerprint(
    method: str, origin: str, canonical_target: str, content_type: bytes | None, body: bytes
) -> str:
    """Digest of what a call asks for: equal for two spellings of one request, different for any other two."""
    kind, text = _canonical_body(body)
    return _digest([
        b"fingerprint", _text(method), _text(origin), _text(canonical_target),
        _canonical_type(content_type or b""), kind, text,
    ])  # fmt: skip


def dedupe_key(
    secret: bytes, mode: str, principal: str, *, idempotency_key: bytes | None, fingerprint: str
) -> str:
    """What a record is found by: the caller's own key where it gave one, else what it asks for.

    With a secret, because a store may be readable by others and a fingerprint can be guessed.
    """
    what = (b"I", idempotency_key) if idempotency_key is not None else (b"F", _text(fingerprint))
    return hmac.digest(secret, _joined([_text(mode), _text(principal), *what]), "sha256").hex()


def valid_idempotency_key(value: bytes) -> bool:
    """1 to 255 visible ASCII characters, or as many in quotes (draft-ietf-httpapi-idempotency-key-header-07)."""
    return _KEY.fullmatch(value) is not None


def retry_attempt(value: bytes | None) -> bool:
    """Whether a client says that it sends this again by itself: Kiota counts up `Retry-Attempt` from 1."""
    stripped = (value or b"").strip(b" \t")
    return _ATTEMPT.fullmatch(stripped) is not None and int(stripped) >= 1


class _AmbiguousError(ValueError):
    """JSON that two readers may read differently."""


class _Number(str):
    """A JSON number as it was spelled: 1, 1.0 and 1e0 may not mean the same to the upstream, nor may big ones."""

    __slots__ = ()


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _AmbiguousError("a name occurs twice")
    return members


def _not_json(word: str) -> object:
    raise _AmbiguousError(f"{word} is no JSON")


def _canonical_body(body: bytes) -> tuple[bytes, bytes]:
    """What kind of body this is, and its canonical form (for JSON: names sorted, no white space, text escaped)."""
    if len(body) <= LARGEST_CANONICAL:
        try:
            value = json.loads(
                body.decode(),
                object_pairs_hook=_unambiguous,
                parse_int=_Number,
                parse_float=_Number,
                parse_constant=_not_json,
            )
            return b"json", _written(value, DEEPEST_JSON).encode()
        except (ValueError, RecursionError):
            pass
    return b"raw", body


def _written(value: object, depth: int) -> str:
    """`depth` is checked here and not left to the interpreter, whose limit depends on who calls."""
    if depth == 0:
        raise _AmbiguousError("nested too deeply")
    if isinstance(value, _Number):
        return value
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{_written(value[name], depth - 1)}" for name in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join([_written(item, depth - 1) for item in value]) + "]"
    return json.dumps(value)


def _canonical_type(content_type: bytes) -> bytes:
    """Media type and parameters in one spelling (RFC 9110 section 8.3.1): lower case but for values, which only
    `charset` compares without case; in order of their names; without `charset=utf-8`, which JSON has anyway.
    """
    media, semicolon, rest = content_type.partition(b";")
    parameters: list[tuple[bytes, bytes]] = []
    position, rest = 0, (semicolon + rest).rstrip(b"; \t")
    while match := _PARAMETER.match(rest, position):
        name, value = match[1].lower(), match[2]
        if value.startswith(b'"'):
            value = _ESCAPE.sub(rb"\1", value[1:-1])
        parameters.append((name, value.lower() if name == b"charset" else value))
        position = match.end()
    if position != len(rest):
        return content_type.strip()
    kept = sorted(parameter for parameter in parameters if parameter != (b"charset", b"utf-8"))
    return _joined([media.strip().lower(), *(part for parameter in kept for part in parameter)])


# --- what follows ----------------------------------------------------------------------------------------


class Decision(StrEnum):
    """What is done with a call."""

    START = "start"
    """Forward it: it is a new operation."""
    JOIN = "join"
    """Wait for the operation that is under way."""
    REPLAY = "replay"
    """Answer from the operation that has ended."""
    MISMATCH = "mismatch"
    """422: its key stands for another request."""
    RECONCILE = "reconcile"
    """Find out first what became of the operation before it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call says about itself."""

    fingerprint: str
    keyed: bool = False
    """Whether it came with an Idempotency-Key."""
    retry_attempt: bool = False
    client_request_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """For how many seconds the end of an operation answers for a call that comes again."""

    keep_finished: float
    keep_keyed: float
    replay_grace: float
    retry_window: float = 180.0
    """Kiota ignores a Retry-After above 180 s, so no later call is a retry of its own making."""


def decide(existing: Operation | None, ask: Ask, now: float, rules: ReplayRules) -> Decision:
    """What a call means, given the record that its dedupe key leads to.

    - Nothing there, or something that the upstream turned down: the call starts an operation.
    - A finished operation answers for as long as it is kept: with a key, `keep_keyed` from its end; without one,
      until its answer has arrived somewhere, but no longer than `keep_finished`. Afterwards it is as if gone.
    - Once the answer has arrived, the same call without a key asks for a second copy, unless it says that it is a
      retry (within `retry_window`) or comes within `replay_grace`: its sender may not have seen what its machine
      acknowledged. Both are counted from the delivery.
    - Under a key, another request than the one that the key was first used for is a mistake of the caller's.
    - What is under way is joined; where the outcome is not known it is looked for first, and never sent blindly.
    """
    if existing is None or existing.state is State.REJECTED:
        return Decision.START
    finished = existing.state in FINISHED
    if finished and not _answers(existing, ask, now, rules):
        return Decision.START
    if existing.fingerprint != ask.fingerprint:  # without a key there is no other: the fingerprint led here
        return Decision.MISMATCH
    if existing.state in ACTIVE:
        return Decision.JOIN
    return Decision.REPLAY if finished else Decision.RECONCILE


def _answers(existing: Operation, ask: Ask, now: float, rules: ReplayRules) -> bool:
    """Whether a finished operation still answers for `ask`. A clock that was set back makes nothing older or younger
    than new.
    """
    age = max(0.0, now - existing.ended_at) if existing.ended_at is not None else 0.0
    if ask.keyed:
        return age < rules.keep_keyed
    if existing.delivered_at is None:
        return age < rules.keep_finished
    since = max(0.0, now - existing.delivered_at)
    same_id = ask.client_request_id is not None and ask.client_request_id == existing.client_request_id
    return since < (rules.retry_window if ask.retry_attempt or same_id else 0.0) or since < rules.replay_grace


# --- digests ---------------------------------------------------------------------------------------------


def _text(text: str) -> bytes:
    """Every text has bytes of its own, stray surrogates too."""
    return text.encode("utf-8", "surrogatepass")


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"lro-gateway 1 " + _joined(parts)).hexdigest()
