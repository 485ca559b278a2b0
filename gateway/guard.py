r"""The guard: which requests are refused before anything else, and why.

A proxy and the server behind it that read one request differently are how requests are smuggled and rules evaded.
So whatever two readers could understand in two ways is turned away here, before routing and before credentials.

Rules:
1. The checks run in the order of `check`; the first that objects decides the answer.
2. A refusal carries a fixed word from `REASONS`, for counters; nothing of the request is repeated.
3. A target is judged by its path alone. The query is the upstream's business: `$filter=a eq 'b..c'` and a `\` in a
   search text are legitimate. So are `( ) ' ! $ : @ [ ]`, `%2F`, `%20`, `//` and raw UTF-8 in a path; Graph uses
   nearly all of them.
4. The parser in front of this (llhttp) has refused what breaks the syntax of HTTP itself. Where it is known to be
   lenient, or where a mistake would be dear, this looks again.

What this module must not do: know operations or routes; repair a request.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.errors import (
    ExpectationFailed,
    HeadersTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    MethodUnknown,
    Refusal,
    TargetTooLong,
    TooEarly,
    VersionUnsupported,
)
from gateway.model import Headers

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What is forwarded, and what the Allow header of a 405 says."""
HEADER_LIMIT: Final = 16_384
"""Bytes; the default of `limits.header`."""
TARGET_LIMIT: Final = 8_192
"""Bytes; RFC 9110 section 4.1 asks for 8000 at least."""

REASONS: Final = (
    "version",
    "method_not_allowed",
    "method_unknown",
    "header_size",
    "http10_options",
    "http10_transfer_encoding",
    "field_name",
    "field_value_control",
    "field_value_encoding",
    "field_repeated",
    "host_missing",
    "host_syntax",
    "target_length",
    "target_control",
    "target_form",
    "target_authority",
    "path_fragment",
    "path_backslash",
    "path_control",
    "path_dot_segment",
    "length_syntax",
    "length_and_transfer_encoding",
    "transfer_encoding",
    "expect",
    "early_data",
)
"""Every word a refusal may carry, in the order of the checks."""

_SINGLE: Final = frozenset({
    b"authorization",
    b"content-length",
    b"content-type",
    b"expect",
    b"gateway-key",
    b"host",
    b"idempotency-key",
    b"transfer-encoding",
})  # fmt: skip
"""Fields of which a second line lets two readers see two different requests."""

_NAME_BYTES = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""No underscore and no dot: CGI-like servers cannot tell `Content_Length` from `Content-Length`."""
_CONTROLS = bytes({*range(32), 127} - {9})
_TARGET_CONTROL = re.compile("[\x00-\x20\x7f]")
_ABSOLUTE = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5})?)?")
"""RFC 3986 section 3.2.2 allows more than any name in use: no percent-encoding, no comma, no userinfo here."""
_BAD_PATH = re.compile(
    r"""(?=[\#\\%/])(?:  # lets the search skip what cannot begin a match
        (?P<path_fragment>\#)
      | (?P<path_backslash>\\|%5[cC])
      | (?P<path_control>%(?:[01][0-9a-fA-F]|7[fF]))
      | (?P<path_dot_segment>(?:/|%2[fF])(?:\.|%2[eE]){1,2}(?=/|%2[fF]|\Z))
    )""",
    re.VERBOSE,
)
"""What no path may hold; a group is called like its reason. An encoded slash parts segments too, for whoever
decodes first."""
_LENGTH = re.compile(rb"[0-9]{1,18}")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

Fields = dict[bytes, bytes]
"""Header lines by lower-case name; what may not be repeated has been seen not to be before it is used."""


class RequestHead(NamedTuple):
    """A request as the parser understood it, without its body."""

    method: str
    target: str
    """Raw, decoded as UTF-8 with surrogateescape."""
    version: tuple[int, int]
    headers: Headers


def check(head: RequestHead, *, header_limit: int = HEADER_LIMIT) -> Refusal | None:
    """Why this request is refused, or None. Never raises."""
    names = [name.lower() for name, _ in head.headers]
    fields = {name: value.strip(b" \t") for name, (_, value) in zip(names, head.headers, strict=True)}
    return (
        _start_line(head)
        or _size(head.headers, header_limit)
        or _http10(head, fields)
        or _lines(head.headers)
        or (_repeats(names) if len(fields) < len(names) else None)
        or _host(head, fields)
        or _target(head, fields)
        or _framing(fields)
        or (_expect(fields) if b"expect" in fields else None)
    )


def check_target(head: RequestHead) -> Refusal | None:
    """As `check`, for header lines that it let through before: only what is new in the start line is looked at."""
    return _start_line(head) or _target(head, {})


def origin_form(target: str) -> str:
    """The target as it is forwarded: an absolute-form one without its scheme and authority (RFC 9112 section 3.2).

    Only for a target that `check` let through.
    """
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        return target
    rest = match[3]
    return rest if rest.startswith("/") else "/" + rest


def too_early(headers: Headers) -> Refusal | None:
    """Asked for operations alone: whether this may be a replay of early data.

    RFC 8470 section 5.1 counts every Early-Data field as `1`, whatever it says.
    """
    present = any(name.lower() == b"early-data" for name, _ in headers)
    return TooEarly("early_data") if present else None


# --- the checks, in their order --------------------------------------------------------------------------


def _start_line(head: RequestHead) -> Refusal | None:
    if head.version not in ((1, 0), (1, 1)):
        return VersionUnsupported("version")
    if head.method in ("CONNECT", "TRACE"):  # a tunnel, and an echo of credentials (RFC 9110 section 9.3.8)
        return MethodNotAllowed("method_not_allowed")
    if head.method not in METHODS:  # they are case-sensitive
        return MethodUnknown("method_unknown")
    return None


def _size(headers: Headers, limit: int) -> Refusal | None:
    size = sum([len(name) + len(value) for name, value in headers])
    size += 4 * len(headers)  # colon, space and the end of the line
    return HeadersTooLarge("header_size") if size > limit else None


def _http10(head: RequestHead, fields: Fields) -> Refusal | None:
    if head.version != (1, 0):
        return None
    if head.method == "OPTIONS":  # HTTP/1.0 has none; the parser shows us `OPTIONS x RTSP/1.0` like this
        return MethodUnknown("http10_options")
    if b"transfer-encoding" in fields:  # "the message framing is faulty" (RFC 9112 section 6.1)
        return MalformedRequest("http10_transfer_encoding")
    return None


def _lines(headers: Headers) -> Refusal | None:
    names = [name for name, _ in headers]
    if b"".join(names).translate(None, _NAME_BYTES) or b"" in names:
        return MalformedRequest("field_name")
    values = b" ".join([value for _, value in headers])
    if len(values.translate(None, _CONTROLS)) != len(values):
        return MalformedRequest("field_value_control")
    if not values.isascii() and not all(_is_utf8(value) for _, value in headers):
        return MalformedRequest("field_value_encoding")  # could not be forwarded byte for byte
    return None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _repeats(names: list[bytes]) -> Refusal | None:
    if any(names.count(name) > 1 for name in _SINGLE):
        return MalformedRequest("field_repeated")
    return None


def _host(head: RequestHead, fields: Fields) -> Refusal | None:
    host = fields.get(b"host")
    if host is None:  # RFC 9112 section 3.2
        return MalformedRequest("host_missing") if head.version == (1, 1) else None
    return None if _is_host(host) else MalformedRequest("host_syntax")


@lru_cache(maxsize=64)
def _is_host(host: bytes) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and int(match[1] or 0) <= 65_535


def _target(head: RequestHead, fields: Fields) -> Refusal | None:
    target = head.target
    usual = target.isascii()
    if len(target) > TARGET_LIMIT or (not usual and len(target.encode("utf-8", "replace")) > TARGET_LIMIT):
        return TargetTooLong("target_length")
    if not (usual and target.isprintable() and " " not in target) and _TARGET_CONTROL.search(target):
        return MalformedRequest("target_control")
    if not target.startswith("/"):
        match = _ABSOLUTE.fullmatch(target)
        if match is None:  # `*` too: it is about a server, and ours is not the one that is meant
            return MalformedRequest("target_form")
        if not _same_authority(match[1].lower(), match[2].lower(), fields.get(b"host", b"")):
            return MalformedRequest("target_authority")
        target = origin_form(target)
    path = target.partition("?")[0]
    if not ("%" in path or "/." in path or "#" in path or "\\" in path):
        return None  # each of them begins with one of these
    bad = _BAD_PATH.search(path)
    return MalformedRequest(bad.lastgroup or "") if bad else None


def _same_authority(scheme: str, authority: str, host: bytes) -> bool:
    """Whether an absolute-form target names the very host that Host does (RFC 9112 section 3.2.2).

    Any other would have to be obeyed or ignored, and somebody behind us might choose differently.
    """
    default = _DEFAULT_PORTS[scheme]
    return _with_port(authority, default) == _with_port(host.decode("ascii").lower(), default)


def _with_port(authority: str, default: str) -> str:
    name, colon, port = authority.rpartition(":")
    if colon and "]" not in port:  # else the colon belongs to an IPv6 address
        return f"{name}:{port or default}"
    return f"{authority}:{default}"


def _framing(fields: Fields) -> Refusal | None:
    length = fields.get(b"content-length")
    encoding = fields.get(b"transfer-encoding")
    if length is not None and _LENGTH.fullmatch(length) is None:
        return MalformedRequest("length_syntax")
    if length is not None and encoding is not None:  # RFC 9112 section 6.1 calls it an attempt to smuggle
        return MalformedRequest("length_and_transfer_encoding")
    if encoding is not None and encoding.lower() != b"chunked":
        return MethodUnknown(
            "transfer_encoding"
        )  # a server that does not understand it answers 501 (same section)
    return None


def _expect(fields: Fields) -> Refusal | None:
    if fields.get(b"expect", b"100-continue").lower() != b"100-continue":  # RFC 9110 section 10.1.1
        return ExpectationFailed("expect")
    return None
