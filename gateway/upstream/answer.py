"""Reads one answer off a connection: bytes in, head and body pieces out. No I/O, no clock.

Rules
- The strict parser decides what HTTP is; what it lets pass and we do not (other protocols and versions, statuses
  outside of 100-599, codings other than chunked, lengths where none may be) is refused here, all as UpstreamMalformed.
- An answer is `complete` only when its framing says so. An end that came early is UpstreamBroken, never a short success.
- 1xx are handed to `on_interim` and are never the answer.
- Whatever comes behind a complete answer is `excess`: the connection cannot be trusted for another.
- One `Answer` and one parser for each request: nothing of one answer can leak into the next, and the parser's ideas
  about HEAD and 304 bodies do not matter.

It must not merge trailers into anything: they are dropped.
"""

import re
from collections.abc import Callable

import httptools

from gateway.errors import UpstreamBroken, UpstreamMalformed
from gateway.model import Headers

OnInterim = Callable[[int, Headers], None]

MAX_INTERIM = 1000
"""More 1xx than this before one answer are a flood, not progress."""

_UNFIT_IN_REASON = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_FRAMING_SIZES = frozenset(map(len, (b"content-length", b"transfer-encoding", b"connection")))
_CLOSE = re.compile(rb"(?:^|,)[ \t]*close[ \t]*(?:,|$)", re.IGNORECASE)


class Answer:
    """The answer to one request, as far as it has come. The `on_…` methods belong to the parser."""

    # Defaults stand on the class: most answers change few of them, and one is made for each request.
    begun = False
    """Whether a byte of it came."""
    headed = False
    """Whether the final head is in: what follows is valid then."""
    complete = False
    excess = False
    keep_alive = False
    continued = False
    """Whether a 100 came."""
    interims = 0
    failure: Exception | None = None
    status = 0
    reason = b""
    headers: Headers = ()
    content_length: int | None = None
    chunked = False
    has_body = False
    until_end = False
    size = 0
    """Bytes in `pieces`."""
    connection: tuple[bytes, ...] = ()
    """The values of Connection."""

    _opening = b""
    _opened = False
    _barren = 0
    _trailers = 0

    def __init__(self, *, bodiless: bool, max_header: int, on_interim: OnInterim | None = None) -> None:
        """`bodiless`: the request was a HEAD."""
        self.pieces: list[bytes] = []
        self._lines: list[tuple[bytes, bytes]] = []
        self._bodiless = bodiless
        self._max_header = max_header
        self._on_interim = on_interim
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @property
    def over(self) -> bool:
        """Whether nothing more can come of it."""
        return self.complete or self.failure is not None

    def feed(self, data: bytes) -> None:
        """Take in what the connection received; never raises, see `failure`."""
        self.begun = True
        parser = self._parser
        if parser is None:
            self.excess = True
            return
        if not self._opened and not self._opens(data):
            return
        self._barren += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self.complete:
                self.excess = True
            else:
                self.fail(UpstreamMalformed("http_syntax"))
        if self.over:
            self._parser = None  # it holds our methods, and they hold us
        elif self._barren > self._max_header:
            # Neither a head nor a body came of all this: an endless head, trailer or chunk extension.
            self.fail(UpstreamMalformed("header_too_large", proxy_error="http_response_header_section_size"))

    def end(self) -> None:
        """Take in that the other side has sent its last byte, and said so."""
        if self.headed and self.until_end and self.failure is None:
            self.complete = True
        else:
            self.cut_off()

    def cut_off(self) -> None:
        """Take in that the connection is gone."""
        if not self.begun:
            self.fail(UpstreamBroken("closed_before_reply", proxy_error="connection_terminated"))
        else:
            self.fail(UpstreamBroken("cut_off_in_body" if self.headed else "cut_off_in_head"))

    def fail(self, failure: Exception) -> None:
        """The first failure stands; a complete answer does not fail any more."""
        if not self.over:
            self.failure = failure
            self._parser = None

    def take(self) -> bytes:
        """The body bytes that are here; there must be some."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.pieces = []
        self.size = 0
        return data

    def _opens(self, data: bytes) -> bool:
        """Only HTTP: the parser knows two more protocols, and skips blank lines."""
        self._opening = opening = self._opening + data[:5]
        if opening[:5] == b"HTTP/":
            self._opened = True
        elif b"HTTP/".startswith(opening):
            # Too little to tell: the parser gets it now, and what follows is looked at too.
            return True
        else:
            self.fail(UpstreamMalformed("not_http"))
            return False
        return True

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise _Excess

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:
            self._lines.append((name, value))
            return
        self._trailers += len(name) + len(value) + 4  # dropped, but not without end
        if self._trailers > self._max_header:
            self._refuse("header_too_large", "http_response_trailer_section_size")

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None:
            return
        headers = tuple(self._lines)
        version = parser.get_http_version()
        status = parser.get_status_code()
        if (
            self._barren > self._max_header
            and len(self.reason) + sum(len(n) + len(v) + 4 for n, v in headers) > self._max_header
        ):
            self._refuse("header_too_large", "http_response_header_section_size")
        self._barren = 0
        if version not in {"1.1", "1.0"}:
            self._refuse("http_version")
        if not 100 <= status <= 599 or (self.reason != b"OK" and _UNFIT_IN_REASON.search(self.reason)):
            self._refuse("status_line")
        length, chunked, closes = self._framing(headers, version)
        if status < 200:
            self._interim(status, headers, framed=chunked or length is not None)
            return
        if status == 204 and (chunked or length):
            self._refuse("framing")
        self.status = status
        self.headers = headers
        self.content_length = length
        self.chunked = chunked
        self.headed = True
        if self._bodiless or status in {204, 304}:
            # The parser knows nothing of HEAD: it says no to keeping one alive that has no length.
            self.keep_alive = parser.should_keep_alive() or (version == "1.1" and not closes)
            self.complete = True
        else:
            self.has_body = chunked or length != 0
            self.until_end = not chunked and length is None

    def _framing(self, headers: Headers, version: str) -> tuple[int | None, bool, bool]:
        length: int | None = None
        chunked = closes = False
        for name, value in [line for line in headers if len(line[0]) in _FRAMING_SIZES]:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                if length is not None:
                    self._refuse("framing")
                length = int(value)  # the parser let only digits pass
            elif size == 17 and name.lower() == b"transfer-encoding":
                # We offer no coding (no TE is sent), and one that we did not undo would be lost with this header.
                if chunked or value.strip(b" \t").lower() != b"chunked" or version == "1.0":
                    self._refuse("framing")
                chunked = True
            elif size == 10 and name.lower() == b"connection":
                self.connection += (value,)
                closes = closes or _CLOSE.search(value) is not None
        if chunked and length is not None:
            self._refuse("framing")
        return length, chunked, closes

    def _interim(self, status: int, headers: Headers, *, framed: bool) -> None:
        self.interims += 1
        if status == 101 or framed or self.interims > MAX_INTERIM:
            self._refuse("unasked_upgrade" if status == 101 else "interim")
        if self._on_interim is not None:
            try:
                self._on_interim(status, headers)
            except Exception as error:
                self.fail(error)
                raise
        self.continued = self.continued or status == 100
        self.reason = b""
        self.connection = ()
        self._lines = []

    def on_body(self, piece: bytes) -> None:
        if self.complete:
            raise _Excess
        self._barren = 0
        self.pieces.append(piece)
        self.size += len(piece)

    def on_message_complete(self) -> None:
        if self.complete:
            self.excess = self.excess or self.chunked  # a HEAD's answer went on
        elif self.headed and self._parser is not None:
            # Valid here and nowhere later: the parser forgets at once.
            self.keep_alive = self._parser.should_keep_alive()
            self.complete = True

    def _refuse(self, reason: str, proxy_error: str | None = None) -> None:
        """Fail, and stop the parser by an exception."""
        failure = UpstreamMalformed(reason, proxy_error=proxy_error)
        self.fail(failure)
        raise failure


class _Excess(Exception):
    """Something comes behind a complete answer: stops the parser."""
