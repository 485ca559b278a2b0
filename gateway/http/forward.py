"""Streams a call through untouched, both ways, with back-pressure.

Rules: the target and every line that is not hop-by-hop go out byte for byte; nothing is added but Via and, of
necessity, the upstream's Host; the Max-Forwards of an OPTIONS counts down. A body is never looked at, never
decompressed and never held. Redirects are the caller's to follow.

What this module must not do: know that operations exist.
"""

from collections.abc import AsyncIterator, Callable

from gateway import guard, headers
from gateway.http.answers import Answer
from gateway.http.responder import Written
from gateway.http.visit import Visit
from gateway.model import Headers
from gateway.upstream import Outgoing


async def forward(
    visit: Visit, body: bytes | None = None, rest: AsyncIterator[bytes] | None = None, extra: Headers = ()
) -> Written:
    """Pass the call on and its reply back, `extra` lines added; `body` is what was read of the call already, `rest`
    what is still to come.
    """
    visit.record.route = "forward"
    call = visit.call
    lines = call.headers
    if call.method == "OPTIONS" and (left := headers.forwards_left(lines)) is not None:
        if left == 0:  # it asks about the last one it may reach (RFC 9110 section 7.6.2)
            return await visit.reply(
                Answer(200, ((b"Allow", ", ".join(guard.METHODS).encode()), headers.VIA))
            )
        lines = headers.replaced(lines, b"Max-Forwards", b"%d" % (left - 1))
    chunked = visit.has_body and visit.announced_length is None
    lines = headers.for_upstream(lines, host=visit.parts.graph.host_header, chunked=chunked)
    lines = visit.trace.signed(lines)
    outgoing = Outgoing(
        call.method,
        call.target,
        lines if body is None else headers.without(lines, {b"expect"}),
        _body(visit, body, rest, chunked=chunked),
    )
    exchange = visit.take_opened() or await visit.parts.graph.open(outgoing, on_interim=_interim(visit))
    return await visit.relay(exchange, extra)


def _body(
    visit: Visit, begun: bytes | None, rest: AsyncIterator[bytes] | None, *, chunked: bool
) -> bytes | AsyncIterator[bytes] | None:
    if not visit.has_body:
        return None
    if begun is None:
        at_hand = visit.body_at_hand()
        return visit.body() if at_hand is None else at_hand
    return _joined(begun, rest) if chunked or rest is not None else begun


async def _joined(begun: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield begun
    if rest is not None:
        async for chunk in rest:
            yield chunk


def _interim(visit: Visit) -> Callable[[int, Headers], None]:
    """Interim replies go on to the caller (RFC 9110 section 15.2), without what was meant for us alone."""

    def pass_on(status: int, lines: Headers) -> None:
        visit.responder.interim(status, headers.end_to_end(lines))

    return pass_on
