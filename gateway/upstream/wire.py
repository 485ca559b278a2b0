"""What goes over the wire, as values: an outgoing request, its head as bytes, and URLs taken apart by hand.

Rules: pure functions, no I/O. Bytes are never re-quoted, re-ordered or re-cased: a target and its header lines leave
as they came. What would let one message pass for two (a line break in a field, a body that is not what its framing
says) is refused here as a last line of defence, before anything is sent: the guard should have seen it long before,
so it is our own error (`RequestUnsendable`), not the caller's.

It must not decide which headers go out: whoever builds an `Outgoing` did.
"""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from gateway.model import Headers

DEFAULT_PORTS = {"http": 80, "https": 443}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_UNFIT_IN_TARGET = re.compile("[\x00-\x20\x7f\ud800-\udc7f\udd00-\udfff]")
"""Spaces, control characters, and surrogates that stand for no byte."""
_REGISTERED_NAME = re.compile(r"[A-Za-z0-9._-]+")
_END = b"\r\n\r\n"
_AUTHORITY_END = re.compile(r"[/?#]")


class RequestUnsendable(ValueError):
    """What we were asked to send is not one well-formed request; nothing of the offending part was written."""


class UrlUnusable(ValueError):
    """The URL is not one that a connection could be opened for; says nothing about whether it may be."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request, ready to leave.

    `headers` are final and in order, with their Host line and either Content-Length or `Transfer-Encoding: chunked`
    where there is a body. After `open` has returned or raised, nobody pulls from `body` any more.
    """

    method: str
    target: str
    headers: Headers
    body: bytes | AsyncIterator[bytes] | None = None
    permit: Callable[[], bool] | None = None
    """Asked once a connection is there, right before the first byte: where it says no, nothing is sent."""


class Request(NamedTuple):
    """An outgoing request as it will be written. `opening` is the head, and the body too where it is at hand."""

    method: str
    opening: bytes
    upload: AsyncIterator[bytes] | None
    length: int | None
    chunked: bool
    expects: bool
    closes: bool
    repeatable: bool
    """Whether sending it a second time is harmless (RFC 9110 section 9.2.2)."""
    permit: Callable[[], bool] | None = None
    lines: bytes = b""
    """The header lines in `opening`, without the end of the last one."""

    def towards(self, method: str, target: str, lines: bytes | None = None) -> "Request":
        """The same header lines for another read without a body; raises RequestUnsendable.

        `lines`: they again, but for values of the same length and without a line break in some that say nothing about
        framing.
        """
        if lines is None:
            lines = self.lines
        elif len(lines) != len(self.lines):
            raise RequestUnsendable("other header lines")
        opening = b"".join((_start(method, target), b"\r\n", lines, _END))
        return Request(method, opening, None, None, False, False, self.closes, True, None, lines)


def compose(outgoing: Outgoing) -> Request:
    """The bytes of a request; raises RequestUnsendable for what could be read as something else."""
    headers = outgoing.headers
    length, chunked, expects, closes = _framing(headers)
    body = outgoing.body
    if body is None:
        body = b""
    if isinstance(body, bytes):
        upload = None
        if chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif len(body) != (length or 0):
            raise RequestUnsendable("the body is not as long as its Content-Length")
    else:
        upload, body = body, b""
        if length is None and not chunked:
            raise RequestUnsendable("a streamed body without framing")
    start = _start(outgoing.method, outgoing.target)
    lines = b"\r\n".join([name + b": " + value for name, value in headers])
    ends = len(headers) - 1
    if lines.count(b"\n") != ends or lines.count(b"\r") != ends or b"\0" in lines:
        raise RequestUnsendable("a line break or NUL in a header")
    opening = b"".join((start, b"\r\n", lines, _END, body))
    # what a permit is asked for starts an operation, and does so once, also by GET
    once = outgoing.permit is not None
    repeatable = outgoing.body is None and outgoing.method in SAFE_METHODS and not once
    return Request(
        outgoing.method, opening, upload, length, chunked, expects, closes, repeatable, outgoing.permit, lines
    )


def _start(method: str, target: str) -> bytes:
    if not target.startswith("/") and target != "*":
        raise RequestUnsendable("the target is not in origin form")
    if _unfit(target):
        raise RequestUnsendable("a space or control character in the target")
    if not (method.isascii() and method.isalpha()):
        raise RequestUnsendable("the method is not a word")
    return b"%b %b HTTP/1.1" % (method.encode("ascii"), target.encode("utf-8", "surrogateescape"))


def _framing(headers: Headers) -> tuple[int | None, bool, bool, bool]:
    """Content-Length, chunked, expects 100-continue, asks to close. Told apart by length first: most names are none."""
    length: int | None = None
    chunked = expects = closes = False
    hosts = 0
    for name, value in headers:
        size = len(name)
        if size == 4 and name.lower() == b"host":
            hosts += 1
        elif size == 14 and name.lower() == b"content-length":
            if length is not None or not value.isdigit():
                raise RequestUnsendable("a Content-Length that is repeated or no number")
            length = int(value)
        elif size == 17 and name.lower() == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise RequestUnsendable("a Transfer-Encoding other than chunked")
            chunked = True
        elif size == 6 and name.lower() == b"expect":
            expects = value.lower() == b"100-continue"
        elif size == 10 and name.lower() == b"connection":
            closes = closes or b"close" in value.lower()
    if hosts != 1:
        raise RequestUnsendable("not exactly one Host line")
    if chunked and length is not None:
        raise RequestUnsendable("both Content-Length and Transfer-Encoding")
    return length, chunked, expects, closes


def _unfit(target: str) -> bool:
    """Whether a space or control character is in a target; the usual one is seen to be fine without a search."""
    if target.isascii() and target.isprintable() and " " not in target:
        return False
    return _UNFIT_IN_TARGET.search(target) is not None


class Origin(NamedTuple):
    """Scheme, host and port: what connections are pooled by. The host is lower case, an IPv6 one without brackets."""

    tls: bool
    host: str
    port: int

    @property
    def host_header(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == DEFAULT_PORTS["https" if self.tls else "http"]
        return (host if default else f"{host}:{self.port}").encode("ascii")


def split_url(url: str) -> tuple[Origin, str]:
    """Origin and request target of an absolute URL; the target is what stands in the URL, byte for byte.

    By hand, because every URL library quotes, decodes or resolves dots, and a monitor URL is a signed secret.
    Raises UrlUnusable.
    """
    scheme, mark, rest = url.partition("://")
    default_port = DEFAULT_PORTS.get(scheme.lower())
    if not mark or default_port is None:
        raise UrlUnusable("neither http nor https")
    end = _AUTHORITY_END.search(rest)
    authority, target = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    host, port = split_authority(authority, default_port)
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    if _unfit(target):
        raise UrlUnusable("a space or control character in the target")
    return Origin(scheme.lower() == "https", host, port), target


def split_authority(authority: str, default_port: int | None = None) -> tuple[str, int]:
    """Host (lower case, an IPv6 one without its brackets) and port of `host[:port]`; raises UrlUnusable."""
    if authority.startswith("["):
        host, closed, colon_port = authority[1:].partition("]")
        try:
            host = IPv6Address(host).compressed
        except AddressValueError:
            raise UrlUnusable("not an IPv6 address") from None
        if not closed or "%" in host:
            raise UrlUnusable("not an IPv6 address")
    else:
        host, colon, port = authority.partition(":")
        colon_port = colon + port
        if not _REGISTERED_NAME.fullmatch(host):  # userinfo, backslashes and full-width look-alikes end here
            raise UrlUnusable("not a host name")
    if not colon_port:
        if default_port is None:
            raise UrlUnusable("the port is missing")
        return host.lower(), default_port
    digits = colon_port.removeprefix(":")
    if not (colon_port.startswith(":") and digits.isascii() and digits.isdigit() and len(digits) <= 5):
        raise UrlUnusable("not a port")
    if not 0 < int(digits) < 65536:
        raise UrlUnusable("not a port")
    return host.lower(), int(digits)
