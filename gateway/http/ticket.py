"""Tickets: what is known of a caller's header lines, so that the next call with the same ones need not be read again.

    GET /v1.0/a HTTP/1.1 CRLF | Host: g CRLF Authorization: … CRLF client-request-id: | 5e3a…11 | CRLF CRLF
    start line, always read   | constant: compared, byte for byte                    | varies  | constant

Most callers send the same lines with each call on a connection, but for an id or two of `VARYING`, whose values are as
long each time. For such a call the parser, the guard and the forwarding rules would come to what they came to before.

Rules:
1. Only a head that came in one piece, that the parser read and the guard let pass, makes a ticket. What is constant is
   compared with its very bytes; what varies has the length that it had, and no byte that could end or begin anything.
2. A ticket is good for the rules that it was made by, and for calls without a body.

What this module must not do: look at a start line.
"""

import re
from dataclasses import dataclass
from typing import Self

from gateway.model import Headers
from gateway.upstream import Request

VARYING = frozenset({
    b"client-request-id",
    b"correlation-id",
    b"request-id",
    b"return-client-request-id",
    b"traceparent",
    b"x-correlation-id",
    b"x-ms-client-request-id",
    b"x-request-id",
})  # fmt: skip
"""Ids of a call, which mean nothing to the guard or to forwarding."""

_VALUE = re.compile(rb"[!-~]+")
_LINE_END = b"\r\n"


@dataclass(frozen=True, slots=True)
class Ticket:
    """The header lines of a call, which may come again."""

    lines: Headers
    """As they came the first time."""
    parts: object
    """Whose rules they were held against; good as long as these are the ones in force."""
    request: Request
    """How they went upstream."""
    size: int
    """Bytes of what follows the start line."""
    here: tuple[bytes, ...]
    """What is constant in that, in front of, between and behind what varies."""
    upstream: tuple[bytes, ...]
    """The same of the lines that go upstream."""
    lengths: tuple[int, ...]
    """How long the values are that vary."""

    @classmethod
    def made(cls, tail: bytes, lines: Headers, parts: object, request: Request) -> Self:
        """`tail` is what followed the start line, as it came."""
        came, goes = tail.split(_LINE_END), request.lines.split(_LINE_END)
        ids = [(name, value) for name, value in lines if name.lower() in VARYING]
        vary = [line for line in ids if _is_free(line, came, goes)] if len(came) == len(lines) + 2 else []
        if [line for line in goes if line in _spelt(vary)] != _spelt(vary):
            vary = []
        return cls(
            lines=lines,
            parts=parts,
            request=request,
            size=len(tail),
            here=_around(tail, vary, came),
            upstream=_around(request.lines, vary, goes),
            lengths=tuple(len(value) for _, value in vary),
        )

    def again(self, head: bytes, start: int) -> bytes | None:
        """The lines that go upstream for a head whose start line ends at `start`; None if its lines are others."""
        if len(head) != start + self.size:
            return None
        if not self.lengths:
            return self.request.lines if head.endswith(self.here[0]) else None
        values = []
        at = start
        for constant, length in zip(self.here, (*self.lengths, 0), strict=True):
            if not head.startswith(constant, at):
                return None
            at += len(constant)
            if length:
                value = head[at : at + length]
                if _VALUE.fullmatch(value) is None:
                    return None
                values.append(value)
                at += length
        made = [self.upstream[0]]
        for value, constant in zip(values, self.upstream[1:], strict=True):
            made += (value, constant)
        return b"".join(made)


def _spelt(lines: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [name + b": " + value for name, value in lines]


def _is_free(line: tuple[bytes, bytes], came: list[bytes], goes: list[bytes]) -> bool:
    """Whether a line may vary: it is spelled the usual way, and stands once on each side."""
    spelt = line[0] + b": " + line[1]
    return _VALUE.fullmatch(line[1]) is not None and came.count(spelt) == goes.count(spelt) == 1


def _around(text: bytes, vary: list[tuple[bytes, bytes]], rows: list[bytes]) -> tuple[bytes, ...]:
    """What stands in front of, between and behind the values that vary."""
    spelt = set(_spelt(vary))
    values = {name + b": " + value: len(value) for name, value in vary}
    pieces, begin, at = [], 0, 0
    for row in rows:
        at += len(row)
        if row in spelt:
            pieces.append(text[begin : at - values[row]])
            begin = at
        at += len(_LINE_END)
    return (*pieces, text[begin:])
