r"""Cuts what a caller sends into pieces that the parser may have: no I/O, no clock.

    GET /a … \r\n\r\n | POST /b … \r\n\r\n | its 120 bytes | GET /c … \r\n\r\n
                      ^ a piece ends here   ^               ^

Rules:
1. A piece ends where a head ends, and where a body ends whose length is known. Of a body in chunks only the parser
   knows the end: such a piece is whatever came, and what is behind the body in it is parsed with it.
2. Why: the parser throws away what it was given behind a request with an Upgrade header, which a gateway that
   ignores Upgrade has to read; and what it was given in front of a malformed request, which would be answered.
3. No byte is lost or reordered. The only ones that are changed are those of a request line outside of ASCII: the
   parser refuses them, though Graph takes raw UTF-8 (and curl sends it), so it is shown a stand-in of the same
   length, and `target` has what came.

What this module must not do: decide whether a request is well-formed.
"""

from typing import NamedTuple, Protocol

END_OF_HEAD = b"\r\n\r\n"

_STAND_IN = bytes(range(128)) + b"~" * 128
"""For bytes outside of ASCII: stands for itself wherever the parser may meet it, and is never in a method."""


class Body(Protocol):
    """As much of aiohttp's StreamReader as is needed."""

    total_bytes: int

    def is_eof(self) -> bool: ...


class Piece(NamedTuple):
    data: bytes
    exact: bool
    """Whether a message can end at its end only."""


class Intake:
    """Knows where in a caller's stream of requests we are."""

    __slots__ = ("_body", "_in_line", "_length", "_line", "_seam", "whole")

    def __init__(self) -> None:
        self._body: Body | None = None
        self._length: int | None = None
        self._line = b""
        self._in_line = True
        self._seam = b""
        self.whole = False
        """Whether the piece that was cut last is all of a head."""

    @property
    def in_head(self) -> bool:
        """Whether the next byte belongs to a head."""
        return self._body is None or self._body.is_eof()

    @property
    def fresh(self) -> bool:
        """Whether the next byte is the first of a head."""
        return self.in_head and not self._line and not self._seam

    @property
    def head_begun(self) -> bool:
        """Whether part of a head has been cut off, and not all of it."""
        return bool(self._line) and self.in_head

    @property
    def target(self) -> bytes | None:
        """The target of the request whose head was cut last, where the parser was shown a stand-in."""
        if self._line.isascii():
            return None
        return self._line.partition(b" ")[2].rpartition(b" ")[0].strip(b" ")

    def cut(self, data: bytes) -> tuple[Piece, bytes]:
        """The next piece, and the rest."""
        self.whole = False
        if self._body is None or self._body.is_eof():
            if not self._line and not self._seam:
                size = data.find(END_OF_HEAD) + len(END_OF_HEAD)
                if size >= len(END_OF_HEAD) and data[:size].isascii():  # nearly always
                    self.whole = True
                    return Piece(data[:size], exact=True), data[size:]
            size = self._head_size(data)
            return Piece(self._shown(data[:size]), exact=True), data[size:]
        if self._length is None or self._body is None:
            return Piece(data, exact=False), b""
        size = max(1, self._length - self._body.total_bytes)
        return Piece(data[:size], exact=True), data[size:]

    def begun(self, body: Body, length: int | None) -> None:
        """A request has come: its head is complete, and this is its body. `length` is None for one in chunks."""
        self._body = body
        self._length = length
        self._line = b""
        self._in_line = True
        self._seam = b""

    def _head_size(self, data: bytes) -> int:
        """How many bytes of `data` are still the head's."""
        seam = self._seam
        if seam:
            straddling = (seam + data[:3]).find(END_OF_HEAD)
            if straddling >= 0:
                self._seam = b""
                return straddling + len(END_OF_HEAD) - len(seam)
        end = data.find(END_OF_HEAD)
        if end >= 0:
            self._seam = b""
            return end + len(END_OF_HEAD)
        self._seam = (seam + data[-3:])[-3:]
        return len(data)

    def _shown(self, piece: bytes) -> bytes:
        """The piece as the parser gets it; the request line is kept."""
        if not self._in_line:
            return piece
        begin = 0 if self._line else len(piece) - len(piece.lstrip(b"\r\n"))  # blank lines may come first
        end = piece.find(b"\r", begin)
        self._in_line = end < 0
        part = piece[begin:] if end < 0 else piece[begin:end]
        self._line += part
        if part.isascii():
            return piece
        return piece[:begin] + part.translate(_STAND_IN) + piece[begin + len(part) :]
