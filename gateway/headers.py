"""Header lines as pure functions: what goes on to the other side, what stays here, what we add.

Rules:
1. Lines keep their order, their case and their number; a line that is not ours to change keeps its bytes
   (RFC 9110 sections 5.1 and 5.3). Names are compared without regard to case.
2. Hop-by-hop lines, and those that Connection nominates, are dropped first; ours are added afterwards, so that
   nobody can nominate them away (RFC 9110 section 7.6.1).
3. What delimits a message is never dropped because somebody nominated it: without its Content-Length a body would
   be read as the next request (RFC 9112 section 6.3).

What this module must not do: judge requests (`guard` does), know operations, hold credentials.
"""

from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final

from gateway import prefer
from gateway.model import Headers

PSEUDONYM: Final = b"lro-gateway"
"""Our name in Via (RFC 9110 section 7.6.3)."""
VIA: Final = (b"Via", b"1.1 " + PSEUDONYM)
_VIA_LINE: Final = b": ".join(VIA)
GATEWAY_KEY: Final = b"gateway-key"
"""Where a caller presents its key; it is a secret between the two of us."""

HOP_BY_HOP: Final = frozenset({
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
})  # fmt: skip
"""RFC 9110 sections 7.6.1, 7.8, 10.1.4 and 11.7, RFC 9112 section 6.1; Proxy-Connection and Keep-Alive by custom."""

_NOT_FOR_UPSTREAM: Final = HOP_BY_HOP | {GATEWAY_KEY}
_NEVER_NOMINATED: Final = frozenset({b"content-length", b"host"})
_NOT_FOR_RESULT: Final = frozenset({
    b"cookie",  # cookies of the operation itself come from a jar of their own
    b"digest",
    b"early-data",
    b"expect",
    b"idempotency-key",
    b"range",
    b"repr-digest",
    b"retry-attempt",
    b"x-http-method",  # these three would turn our GET into something else
    b"x-http-method-override",
    b"x-method-override",
    GATEWAY_KEY,
})  # fmt: skip
_REQUEST_IDS: Final = (b"request-id", b"client-request-id")


# --- looking ---------------------------------------------------------------------------------------------


# Most names are told apart by their length alone, which costs a third of lowering them.


def get(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first line called `name` (given in lower case)."""
    size = len(name)
    for key, value in headers:
        if len(key) == size and key.lower() == name:
            return value
    return None


def get_all(headers: Headers, name: bytes) -> tuple[bytes, ...]:
    size = len(name)
    return tuple([value for key, value in headers if len(key) == size and key.lower() == name])


def has(headers: Headers, name: bytes) -> bool:
    size = len(name)
    return any([len(key) == size and key.lower() == name for key, _ in headers])  # noqa: C419 - a list is quicker


def tokens(headers: Headers, name: bytes) -> tuple[bytes, ...]:
    """The members of a comma-separated list over all lines called `name`, in lower case (RFC 9110 section 5.6.1)."""
    return members(get_all(headers, name))


def members(values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The members of a list over several values, in lower case."""
    return tuple(
        token for value in values for member in value.split(b",") if (token := member.strip(b" \t").lower())
    )


def passed_here(headers: Headers) -> bool:
    """Whether a request has been through a gateway of our name before (RFC 9110 section 7.6.3).

    Comments are skipped, as they may say anything; both `1.1 name` and `HTTP/1.1 name` are understood.
    """
    for value in get_all(headers, b"via"):
        if PSEUDONYM not in value.lower():
            continue
        for member in _without_comments(value).split(b","):
            words = member.split()
            if len(words) > 1 and words[1].lower() == PSEUDONYM:
                return True
    return False


def _without_comments(value: bytes) -> bytes:
    """`value` with each comment (RFC 9110 section 5.6.5; they nest) made a space. One pass, for anybody can send it."""
    if b"(" not in value:
        return value
    plain = bytearray()
    depth, escaped = 0, False
    for byte in value:
        if depth == 0:
            depth = int(byte == ord("("))
            plain.append(ord(" ") if depth else byte)
        elif escaped or byte == ord("\\"):
            escaped = not escaped
        else:
            depth += (byte == ord("(")) - (byte == ord(")"))
    return bytes(plain)


def forwards_left(headers: Headers) -> int | None:
    """Max-Forwards, which counts for OPTIONS alone here (RFC 9110 section 7.6.2); None where absent or junk."""
    value = (get(headers, b"max-forwards") or b"").strip(b" \t")
    return int(value) if value.isdigit() and len(value) < 10 else None


# --- changing --------------------------------------------------------------------------------------------


def without(headers: Headers, names: AbstractSet[bytes]) -> Headers:
    """`headers` without the lines called one of `names` (given in lower case)."""
    return tuple(line for line in headers if line[0].lower() not in names)


def only(headers: Headers, names: AbstractSet[bytes]) -> Headers:
    """The lines of `headers` called one of `names` (given in lower case)."""
    return tuple(line for line in headers if line[0].lower() in names)


def replaced(headers: Headers, name: bytes, value: bytes) -> Headers:
    """`headers` with exactly one line called `name`: where the first one stood, or at the end."""
    lowered = name.lower()
    lines: list[tuple[bytes, bytes]] = []
    placed = False
    for line in headers:
        if line[0].lower() != lowered:
            lines.append(line)
        elif not placed:
            lines.append((line[0], value))
            placed = True
    if not placed:
        lines.append((name, value))
    return tuple(lines)


def end_to_end(headers: Headers) -> Headers:
    """`headers` without what was meant for this connection only (RFC 9110 section 7.6.1)."""
    return without(headers, _dropped(headers, HOP_BY_HOP))


def _dropped(headers: Headers, always: frozenset[bytes]) -> frozenset[bytes]:
    values = [value for name, value in headers if len(name) == 10 and name.lower() == b"connection"]
    return _with_nominated(tuple(values), always) if values else always


@lru_cache(maxsize=64)
def _with_nominated(values: tuple[bytes, ...], always: frozenset[bytes]) -> frozenset[bytes]:
    """`always`, and what the values of Connection nominate; there are few different ones."""
    nominated = members(values)
    return always if always.issuperset(nominated) else always.union(nominated) - _NEVER_NOMINATED


@lru_cache(maxsize=64)
def _lengths(names: frozenset[bytes]) -> frozenset[int]:
    return frozenset(map(len, names))


# --- forwarding ------------------------------------------------------------------------------------------


def for_upstream(headers: Headers, *, host: bytes, chunked: bool) -> Headers:
    """The lines of a request as the upstream gets them.

    Host is the upstream's, in the place of the caller's or first (RFC 9110 section 7.2). Where the body is sent
    `chunked`, that line stands in the place of the caller's, and no Content-Length beside it (RFC 9112 section 6.2).
    Via comes last, on a line of its own.
    """
    lines = _forwarded(headers, _NOT_FOR_UPSTREAM, chunked=chunked)
    places = [index for index, (name, _) in enumerate(lines) if len(name) == 4 and name.lower() == b"host"]
    for index in reversed(places[1:]):
        del lines[index]
    if places:
        lines[places[0]] = (lines[places[0]][0], host)
    else:
        lines.insert(0, (b"Host", host))
    lines.append(VIA)
    return tuple(lines)


def for_caller(headers: Headers, *, chunked: bool) -> Headers:
    """The lines of a response as the caller gets them; `chunked` as for `for_upstream`."""
    lines = _forwarded(headers, HOP_BY_HOP, chunked=chunked)
    lines.append(VIA)
    return tuple(lines)


def spelled_for_caller(headers: Headers, connection: tuple[bytes, ...]) -> list[bytes]:
    """As `for_caller`, for a reply that is not sent in chunks anew, each line as it is written; `connection`: the
    values of that line.
    """
    dropped = _with_nominated(connection, HOP_BY_HOP) if connection else HOP_BY_HOP
    lengths = _lengths(dropped)
    lines = [
        name + b": " + value
        for name, value in headers
        if len(name) not in lengths or name.lower() not in dropped
    ]
    lines.append(_VIA_LINE)
    return lines


def _forwarded(headers: Headers, always: frozenset[bytes], *, chunked: bool) -> list[tuple[bytes, bytes]]:
    dropped = _dropped(headers, always)
    if not chunked:
        lengths = _lengths(dropped)
        return [line for line in headers if len(line[0]) not in lengths or line[0].lower() not in dropped]
    lines: list[tuple[bytes, bytes]] = []
    placed = False
    for line in headers:
        name = line[0].lower()
        if name == b"transfer-encoding" and not placed:
            lines.append((line[0], b"chunked"))
            placed = True
        elif name not in dropped and name != b"content-length":
            lines.append(line)
    if not placed:
        lines.append((b"Transfer-Encoding", b"chunked"))
    return lines


# --- results ---------------------------------------------------------------------------------------------


def for_result_get(headers: Headers) -> Headers:
    """The lines of the GET that fetches a finished item, made of those of the call that waited for it.

    What describes the call's body, makes it conditional or partial, or was said to us stays behind; who the caller
    is and how it wants its answer goes along (`Accept`, `IdType` and the like). `for_upstream` still has to be asked.
    """
    lines = tuple(line for line in end_to_end(headers) if not _stays_behind(line[0].lower()))
    return prefer.without(lines, prefer.OURS)


def _stays_behind(name: bytes) -> bool:
    return name in _NOT_FOR_RESULT or name.startswith((b"content-", b"if-"))


def merge_result(post_request_ids: Headers, get_headers: Headers) -> Headers:
    """The final GET's end-to-end lines under the first POST's request ids, which is what support asks for.

    An id that the POST's reply did not have stays the GET's: better than none.
    """
    lines = end_to_end(get_headers)
    for name in _REQUEST_IDS:
        value = get(post_request_ids, name)
        if value is not None:
            lines = replaced(lines, name, value)
    return lines


def request_ids(reply_headers: Headers) -> Headers:
    """Those lines of a POST's reply that `merge_result` wants."""
    return tuple(line for line in reply_headers if line[0].lower() in _REQUEST_IDS)
