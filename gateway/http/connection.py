r"""One caller's connection: aiohttp's protocol with what a gateway in front of credentials needs.

Rules:
1. A connection over the cap is answered 503 and closed before a byte of it is read.
2. The head of a request has `limits.header_read` seconds in all, counted from its first byte (or from the
   connection's, for the first one): aiohttp knows only the idle time-out between requests. A head that stays
   unfinished is answered 408; where none was begun the connection is closed without a word, for a caller that had
   connected ahead of its need would take the 408 for the answer to its next request.
3. What the parser refuses is answered with a fixed body and never echoed: aiohttp's own answer and log line quote
   the offending bytes, which may be a token.
4. The parser gets what came in the pieces that `intake` cuts; see there for why.
5. Whoever is dismissed gets to read why: our half is closed, and the other one is read for a moment (RFC 9112
   section 9.6). Whoever does not read at all is cut off.

What this module must not do: know what a request asks for.

It uses names of aiohttp's protocol that have no public twin; `tests/integration/test_connection.py` fails where a
release of aiohttp changes them.
"""

import asyncio
from typing import Any, cast

from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest, StreamResponse

from gateway.errors import BodyTimeout, GatewayError, MalformedRequest, Overloaded
from gateway.http.dozing import Dozing, lean
from gateway.http.intake import Intake, Piece
from gateway.http.objection import objection, wire
from gateway.http.responder import Written, is_acknowledged, reset
from gateway.http.shortway import House, ShortWay

LINGER = 2.0
"""Seconds that what a caller still sends is read and thrown away, so that it can read our answer."""

MAX_LINGERING = 256
"""Dismissed connections that are read on at once; more are closed at once."""

TLS_BUFFER = 65_536
"""Bytes that may be unsent before an answer waits for its reader: as without TLS, which by default has half a MiB."""


class Connection(Dozing, ShortWay):
    """One connection."""

    __slots__ = (
        "_body",
        "_cut",
        "_end_timer",
        "_head_timer",
        "_intake",
        "_left",
        "_over_tls",
        "_raw",
        "_retired",
        "_server",
        "_sound",
        "serving",
        "took_all",
    )

    def __init__(self, server: House, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._raw: asyncio.Transport | None = None
        """The transport, until it is closed; aiohttp forgets it sooner."""
        self._over_tls = False
        self._left = b""
        """What was received and not parsed yet."""
        self._intake = Intake()
        self._body: StreamReader | None = None
        """Of the newest request."""
        self._sound = False
        """Whether the parser has nothing of what comes behind it."""
        self._retired = False
        self._cut = False
        self.serving: asyncio.Task[None] | None = None
        """What answers the requests, one after the other."""
        self.took_all = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    @property
    def closing(self) -> bool:
        """Whether no request comes after the one that is being served."""
        return self._retired or self._over

    @property
    def cutting(self) -> bool:
        """Whether it is us who cut it."""
        return self._cut or self._server.cutting

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)
        self._over_tls = transport.get_extra_info("ssl_object") is not None
        if self._over_tls:
            self._raw.set_write_buffer_limits(TLS_BUFFER)
        super().connection_made(transport)
        self.serving = self._task_handler
        if self.serving is not None:
            self.serving.add_done_callback(self._served)
        self._server.live.add(self)
        if len(self._server.live) > self._server.max_connections:
            self._dismiss(Overloaded("connections"))
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Hand the parser what came, piece by piece; with no data, go on with what was left."""
        if self.dozes:
            if not data:
                return
            self.wake_up()
        if self.ticket is not None and not self._left and self._intake.fresh and self._boards_again(data):
            return
        if self._comes_to_rest:
            self._left += data
            return
        left, self._left = self._left + data, b""
        if not data:
            self._feed(Piece(b"", exact=False))
        while left and not self._close and not self._force_close:
            # Behind an Upgrade aiohttp waits for the handler's word, which is always to ignore it.
            if (
                self._upgraded
                or self._reading_paused
                or self._ride is not None
                or len(self._messages) >= self._max_msg_queue_size
            ):
                self._left = left
                if not self._buffer_paused and len(left) >= self._read_bufsize:
                    self._pause_reading_for_buffer()
                break
            piece, left = self._intake.cut(left)
            self._feed(piece)
        self._decide()
        if self._head_timer is None and self._intake.head_begun and not self._over:
            self._expect_head()

    def eof_received(self) -> None:
        """The caller has said its last byte, and may be gone: what it has of ours can be seen now and never again."""
        self.took_all = self._has_all
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._raw = None
        self._stop_timer()
        if self._end_timer is not None:
            self._end_timer.cancel()
        super().connection_lost(exc)
        self._server.left(self)

    def doze(self) -> None:
        """The call that is being served is held: let go of what its answer does not need; see `dozing`."""
        busy = self._left or self._messages or self._upgraded or self._over or self.dozes
        if self._body is not None and self._sound and self._intake.fresh and not busy:
            self._head = b""
            self.fall_asleep(self._body)

    # Parsing.

    @property
    def _has_left(self) -> bool:
        return bool(self._left)

    @property
    def _over(self) -> bool:
        """Whether aiohttp does not listen any more."""
        return bool(self._close or self._force_close)

    def _feed(self, piece: Piece) -> None:
        before = self._request_count
        # aiohttp's task sleeps on until it is known whether the call is for it.
        waiter, self._waiter = self._waiter, None
        super().data_received(piece.data)
        self._waiter = waiter
        if self._request_count > before:
            self._stop_timer()
            self._begun(piece)
            self._head = piece.data if self._intake.whole else b""

    def _begun(self, piece: Piece) -> None:
        """A request has come, the newest in the queue; or the parser's last word."""
        message, payload = cast("tuple[object, StreamReader]", self._messages[-1])
        if not isinstance(message, RawRequestMessage):
            self._malformed()
            return
        target = self._intake.target if piece.exact else None
        if target is not None:
            message = message._replace(path=target.decode("utf-8", "surrogateescape"))
            self._messages[-1] = (message, payload)
        if message.upgrade and (message.chunked or not piece.exact):
            # What came behind it in this piece is lost. It is the only kind of which the end is not known.
            self._messages[-1] = (message._replace(should_close=True), payload)
        self._body = payload
        self._sound = piece.exact and not message.chunked
        length = "" if message.chunked or payload.is_eof() else message.headers.get("Content-Length", "")
        self._intake.begun(payload, int(length) if length.isdecimal() else None)
        if length:  # may be held: see `dozing`
            self._messages[-1] = (lean(cast("RawRequestMessage", self._messages[-1][0])), payload)

    def _malformed(self) -> None:
        """End a body in which something else than a body came; aiohttp would let its reader wait."""
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(MalformedRequest("body"))
            self._body.feed_eof()

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Called when an answer is written; an Upgrade that was ignored no longer holds up what came behind."""
        finished = await super().finish_response(request, resp, start_time)
        self._come_to_rest()
        if self._retired and not self._messages:
            self.close()
        if self._left and not self._upgraded:
            self._resume_reading_if_drained()
        return finished

    # The deadline of a head.

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._server.header_read, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._waiter is None or self._waiter.done():
            self._expect_head()  # an earlier request is being served
        elif self._intake.head_begun:
            self._dismiss(BodyTimeout("header"))
        else:
            self._server.turned_away("no_request")
            self.force_close()

    # The end.

    @property
    def looks(self) -> int:
        """How many looks in a row it takes to know that the peer's kernel has everything: TLS does not say what the
        transport below it still holds, but one turn of the event loop later the kernel does.
        """
        return 2 if self._over_tls else 1

    @property
    def _has_all(self) -> bool:
        return self._raw is not None and is_acknowledged(self._raw)

    def retire(self) -> None:
        """Serve no more requests but those that have come."""
        self._retired = True
        if self._waiter is None and not self._messages and not self._request_in_progress:
            self.close()  # it is between an answer and the next wait,
            self._loop.call_soon(self._end_if_idle)  # or has yet to begin
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def cut(self) -> None:
        """End it now, whatever is being served."""
        self._cut = True
        if self._raw is not None:
            reset(self._raw)

    def _served(self, _: object) -> None:
        """No more is going to be written: what is still unsent has as long as any part of an answer."""
        if self._raw is not None and self._end_timer is None:
            late = self._end_of_tls if self._over_tls else self.cut
            patience = LINGER if self._over_tls else self._server.response_write
            self._end_timer = self._loop.call_later(patience, late)

    def _end_of_tls(self) -> None:
        """The peer has not said that it is leaving too. If it has read everything, nobody has to wait for that."""
        if self._has_all:
            self.cut_off()
        else:
            self._end_timer = self._loop.call_later(self._server.response_write, self.cut)

    def cut_off(self) -> None:
        """End it now, with what was written on its way already."""
        if self._raw is not None:
            self._raw.abort()

    def _dismiss(self, failure: GatewayError) -> None:
        """Answer without a request, and close."""
        transport, self.transport = self.transport, None  # or aiohttp would close it, unread bytes and all
        self.force_close()
        if transport is None:
            return
        transport.write(wire(self._server.refuse(failure)))
        if len(self._server.lingering) >= MAX_LINGERING:
            transport.close()
            return
        self._server.lingering.add(self)
        if transport.can_write_eof():
            transport.write_eof()
        self._end_timer = self._loop.call_later(LINGER, self._end_of_lingering, transport)

    def _end_of_lingering(self, transport: asyncio.Transport) -> None:
        if self._over_tls:
            transport.close()  # TLS has no half of its own to close: this is the first it hears of the end
        transport.abort()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """The parser refused what came; `message` and `exc` quote it and are dropped."""
        failure = objection(exc, max_target=self._server.max_target)
        self._dismiss(failure)
        return Written(failure.status, keep_alive=False)
