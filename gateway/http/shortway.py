"""The short way: how a connection lets a call go by the express lane (`express`), without aiohttp's knowing.

    parked    aiohttp's task sleeps on, as if nothing had come            a ride is under way
    woken     it is given the call, with what was opened for it           the ordinary way goes on

Rules: one call at a time; what comes behind one that is on its way waits, so that answers keep their order. What was
opened for a call is handed to that very call, or dropped.

What this module must not do: decide which call may go this way.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web import Server
from aiohttp.web_protocol import RequestHandler

from gateway.errors import GatewayError
from gateway.http.answers import Answer
from gateway.http.express import Express, Ride
from gateway.http.intake import Piece
from gateway.http.ticket import Ticket
from gateway.http.visit import Parts
from gateway.model import Headers
from gateway.upstream import Exchange, Outbox


class House(Protocol):
    """What a connection needs of the server that it belongs to."""

    express: Express | None
    """Takes on what may go the short way."""
    max_connections: int
    max_target: int
    header_read: float
    response_write: float
    outbox: Outbox
    """For answers that are small and whole."""
    live: "set[Any]"
    """Every connection that is open."""
    lingering: "set[Any]"
    """Those that have been dismissed and are read on."""
    cutting: bool
    """Whether those that are still being served are cut off, because the grace is over."""

    @property
    def refuse(self) -> Callable[[GatewayError], Answer]:
        """Makes the answer to what never became a request."""
        ...

    @property
    def turned_away(self) -> Callable[[str], None]:
        """Is told why a connection that asked for nothing was ended."""
        ...

    def left(self, connection: Any) -> None: ...


class ShortWay(RequestHandler):
    """What a connection does for a ride."""

    __slots__ = (
        "_comes_to_rest",
        "_express",
        "_head",
        "_opened",
        "_outbox",
        "_parked",
        "_ride",
        "_ride_timer",
        "_unparsed",
        "_write_timeout",
        "ticket",
    )

    def __init__(self, server: House, **options: Any) -> None:
        super().__init__(cast("Server", server), **options)
        self._express = server.express
        self._outbox = server.outbox
        self._write_timeout = server.response_write
        self._comes_to_rest = False
        """Whether what comes is kept for a moment."""
        self._head = b""
        """Of the newest request, where it came in one piece."""
        self._ride: Ride | None = None
        self._parked: asyncio.Future[None] | None = None
        """What aiohttp's task waits for, while there is a ride that it does not know of."""
        self._unparsed = b""
        """The head of the call that is under way, where no parser has seen it; otherwise it is first in the queue."""
        self._ride_timer: asyncio.TimerHandle | None = None
        self._opened: tuple[str, Exchange | Exception] | None = None
        """What the ordinary way goes on with, and for which target."""
        self.ticket: Ticket | None = None

    @property
    def closing(self) -> bool:
        """Whether no request comes after the one that is being served."""
        raise NotImplementedError

    @property
    def cutting(self) -> bool:
        """Whether it is us who cut it."""
        raise NotImplementedError

    def cut(self) -> None:
        """End it now."""
        raise NotImplementedError

    def _feed(self, piece: Piece) -> None:
        """Give the parser what came."""
        raise NotImplementedError

    # Boarding.

    def _decide(self) -> None:
        """What came has been parsed, and a request that is new in the queue either goes the short way, or wakes
        aiohttp's task.
        """
        waiter = self._waiter
        if not self._messages or waiter is None or waiter.done():
            return
        # Reading a body has aiohttp look for more at once, which must not find this request undecided.
        self._waiter = None
        ride = self._first_ride()
        self._waiter = waiter
        if ride is not None:
            self._park(ride)
        else:
            self.ticket = None  # the call may be held for long, and should not cost more than it must
            waiter.set_result(None)

    def _first_ride(self) -> Ride | None:
        message, payload = cast("tuple[object, StreamReader]", self._messages[0])
        if self._express is None or len(self._messages) > 1 or self._paused or self.closing:
            return None
        if (
            not isinstance(message, RawRequestMessage)
            or not payload.is_eof()
            or payload.exception() is not None
        ):
            return None
        try:
            return self._express.board(self, message, payload, self._head)
        except Exception as error:  # noqa: BLE001 - a bug must end in an answer and a log line, not in silence
            self._express.crashed(error)
            self._opened = message.path, GatewayError()  # it may have been sent: nobody sends it again
            return None

    def _boards_again(self, data: bytes) -> bool:
        """Whether what came is the head of a call that goes the short way, its lines those of the last such call."""
        waiter = self._waiter
        if self._express is None or self.ticket is None or self._messages or self._paused or self.closing:
            return False
        if waiter is None or waiter.done():
            return False
        try:
            ride = self._express.board_again(self, self.ticket, data)
        except Exception as error:  # noqa: BLE001 - likewise; a read may be sent again
            self._express.crashed(error)
            ride = None
        if ride is None:
            return False
        self._unparsed = data
        self._park(ride)
        return True

    def _park(self, ride: Ride) -> None:
        self._ride = ride
        self._parked, self._waiter = self._waiter, None

    def _come_to_rest(self) -> None:
        """aiohttp's task has written an answer, and waits again two turns of the event loop from now. Until then no call
        could go the short way, and a caller that is quick would find that every time.
        """
        if self._express is not None and not self._messages and not self._comes_to_rest:
            self._comes_to_rest = True
            # The task that answered ends in this turn, and in the next one wakes the one that will wait.
            self._loop.call_soon(self._loop.call_soon, self._at_rest)

    def _at_rest(self) -> None:
        self._comes_to_rest = False
        if self._has_left and self.transport is not None:
            self.data_received(b"")

    # What a ride does.

    def proves(self, parts: Parts, lines: Headers) -> bool:
        """Whether the caller may call: see `auth.callers`."""
        return parts.known.lets_in(self.transport, lines)

    def put(self, data: bytes) -> bool:
        """Write; whether the caller keeps up. Where it does not, it has as long as for any part of an answer."""
        if self.transport is not None:
            self._outbox.put(self.transport, data)
        if not self._paused:
            return True
        if self._ride_timer is None:
            self._ride_timer = self._loop.call_later(self._write_timeout, self.cut)
        return False

    def alight(self) -> None:
        """The answer to the call is with the caller."""
        if not self._arrive():
            self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
        if self.closing:
            self.force_close()
            return
        self._keepalive = True
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
        self._go_on()

    def change(self, target: str, opened: Exchange | Exception | None) -> None:
        """The call goes on the ordinary way, with what was opened for it."""
        head = self._arrive()
        if opened is not None:
            self._opened = target, opened
        if head:
            self._feed(Piece(head, exact=True))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._go_on()

    def take_opened(self, target: str) -> Exchange | Exception | None:
        """For the ordinary way: what was opened for the call that it was given."""
        if self._opened is None:
            return None
        (meant, opened), self._opened = self._opened, None
        if meant == target:
            return opened
        _drop(opened)
        return None

    # What becomes of the connection.

    def force_close(self) -> None:
        self._outbox.flush()
        super().force_close()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._ride is not None:
            self._ride.read()

    def connection_lost(self, exc: BaseException | None) -> None:
        ride = self._ride
        if ride is not None:
            self._arrive()
            ride.left()
        if self._opened is not None:
            _drop(self._opened[1])
            self._opened = None
        super().connection_lost(exc)

    def _arrive(self) -> bytes:
        """There is no ride any more; returns its head, if no parser has seen it."""
        self._ride = None
        self._waiter, self._parked = self._parked, None
        if self._ride_timer is not None:
            self._ride_timer.cancel()
            self._ride_timer = None
        head, self._unparsed = self._unparsed, b""
        return head

    def _go_on(self) -> None:
        """Take in what has come meanwhile."""
        if self._has_left:
            self._resume_reading_if_drained()

    @property
    def _has_left(self) -> bool:
        """Whether something came that was not parsed yet."""
        raise NotImplementedError


def _drop(opened: Exchange | Exception) -> None:
    if isinstance(opened, Exchange):
        opened.drop()
