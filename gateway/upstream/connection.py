r"""One connection to an upstream: an asyncio protocol with one request on it at a time.

    idle --begin--> asked --message complete--> idle | gone
                      \--failure, abandon----> gone

Rules
- A connection goes back to its keeper the moment that its answer is complete (the body may still be waiting to be
  read by whoever asked), and only if the request was sent in full and both sides keep it alive. All else ends it.
- Any byte, or the end, on an idle connection ends it at once: nobody asked.
- An `Answer` names its request: whoever comes late with one that is not under way here any more changes nothing.
- Silence is measured from the last sign of life (see `silence`). No deadline runs while it is us who pause.
- Ending is `abort`, never `close`: an orderly TLS goodbye waits for the other side, for half a minute if need be.

It must not know what a request means, nor choose connections: see `pool`.
"""

import asyncio
import select
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from gateway import crashpoints
from gateway.errors import UpstreamBroken, UpstreamSilent
from gateway.upstream.answer import Answer
from gateway.upstream.outbox import Outbox
from gateway.upstream.silence import Silence
from gateway.upstream.wire import Origin, Request

HIGH_WATER = 192 * 1024
"""Body bytes that wait for their reader before the upstream is paused; one read more may come on top."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. `reply`: silence until the final head; `idle`: silence in a body, and a pooled connection's age."""

    connect: float
    reply: float
    idle: float

    @property
    def whole(self) -> float:
        """For an exchange whose body is short."""
        return self.connect + self.reply + self.idle


class Keeper(Protocol):
    """Who wants to know what becomes of a connection."""

    def free(self, connection: "Connection") -> None:
        """It can carry another request."""

    def gone(self, connection: "Connection") -> None:
        """It is closed, or about to be: do not use it. May be told twice."""

    def closed(self, connection: "Connection") -> None:
        """Its socket is closed."""


class Connection(asyncio.Protocol):
    """See the module. Made by `dial`, used by `pool` and `upload`, waited for by `exchange`."""

    __slots__ = (
        "_answer",
        "_closes",
        "_gate",
        "_hear",
        "_interims",
        "_keeper",
        "_loop",
        "_lost",
        "_paused",
        "_poll",
        "_sent",
        "_silence",
        "_timeouts",
        "_transport",
        "_waiter",
        "_whole",
        "clogged",
        "idle_since",
        "origin",
    )

    def __init__(self, origin: Origin, keeper: Keeper, timeouts: Timeouts) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self.clogged = False
        self._keeper = keeper
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._answer: Answer | None = None
        self._sent = False
        self._closes = False
        self._interims = 0
        self._paused = False
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None
        self._gate: asyncio.Future[None] | None = None
        self._hear: Callable[[], None] | None = None
        self._silence = Silence(self._loop, self._too_long)
        self._whole: Silence | None = None
        """For an answer that has to be whole by a certain time."""

    # What the pool does with it.

    @property
    def usable(self) -> bool:
        return not self._lost and self._transport is not None and not self._transport.is_closing()

    def quiet(self) -> bool:
        """Whether nothing has arrived that the event loop has yet to tell us: an end, above all."""
        return self.usable and self._poll is not None and not self._poll.poll(0)

    def begin(
        self,
        request: Request,
        answer: Answer,
        hear: Callable[[], None] | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        """Write the request's opening, by the outbox if there is one; the body of an upload follows by `write`. `hear`
        is called whenever something has come of the answer, until `unheard`.
        """
        assert self._answer is None, "one request at a time"  # noqa: S101 - a bug of ours, never input
        self._answer = answer
        self._hear = hear
        self._closes = request.closes
        self._interims = 0
        opening = request.opening
        if not request.repeatable and crashpoints.armed("mid_post_bytes"):
            half = len(opening) // 2
            self._put(opening[:half])
            opening = opening[half:]
            crashpoints.reach("mid_post_bytes")
        if outbox is not None and self._transport is not None:
            outbox.put(self._transport, opening)
        else:
            self._put(opening)
        if not request.repeatable:
            crashpoints.reach("after_post_sent")
        if request.upload is None:
            self.sent(answer)
        else:
            self._sent = False
            self._silence.ignore()

    def within(self, answer: Answer, seconds: float) -> None:
        """The whole of an answer has to come in so many seconds, however slowly it trickles."""
        if self._answer is answer:
            if self._whole is None:
                self._whole = Silence(self._loop, self._too_slow)
            self._whole.allow(seconds)

    def rest(self) -> None:
        """Let the idle bound run."""
        if self._whole is not None:
            self._whole.ignore()
        self._silence.allow(self._timeouts.idle)

    def abort(self) -> None:
        """End it now. Whoever waits for an answer learns of it."""
        if self._lost:
            return
        self._lost = True
        self._stop_clocks()
        if self._answer is not None:
            self._answer.fail(UpstreamBroken("aborted", proxy_error="connection_terminated"))
            self._answer = None
        if self._transport is not None:
            self._transport.abort()
        self._keeper.gone(self)
        self._wake()

    # What the upload does with it.

    def carries(self, answer: Answer) -> bool:
        """Whether the request that `answer` belongs to is still under way here."""
        return self._answer is answer

    def write(self, *pieces: bytes) -> None:
        if len(pieces) == 1:
            self._put(pieces[0])
        elif self._transport is not None:
            self._transport.writelines(pieces)

    def sent(self, answer: Answer) -> None:
        """The request is written in full: from now on silence counts."""
        if self._answer is answer:
            self._sent = True
            self._silence.allow(self._timeouts.reply)

    async def drained(self) -> None:
        """Return when more can be written, or never will be."""
        self._silence.allow(self._timeouts.reply)
        while self.clogged and not self._lost:
            await self.gate()
        if not self._sent and self._answer is not None and not self._answer.headed:
            self._silence.ignore()  # the next silence is the caller's

    async def gate(self) -> None:
        """Return when something happened that an upload may be waiting for."""
        self._gate = gate = self._loop.create_future()
        await gate

    def open_gate(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None and not gate.done():
            gate.set_result(None)

    def fail(self, answer: Answer, failure: Exception) -> None:
        """End a request that is under way here, for a reason of ours."""
        if self._answer is answer:
            answer.fail(failure)
            self.abort()

    # What the exchange does with it.

    async def changed(self) -> None:
        """Return when more of the answer has come, or has failed to. One waiter at a time."""
        self._waiter = waiter = self._loop.create_future()
        await waiter

    def unheard(self) -> None:
        """Whoever began the request waits by `changed` from now on, or not at all."""
        self._hear = None

    def taken(self, answer: Answer) -> None:
        """What had come of the body was taken."""
        if self._paused and self._answer is answer and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
            self._silence.allow(self._timeouts.idle)

    def abandon(self, answer: Answer) -> None:
        """Nobody wants the rest of this answer."""
        if self._answer is answer:
            self.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        handle: Any = transport.get_extra_info("socket")
        self._poll = select.poll()
        self._poll.register(handle.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()
            return
        answer.feed(data)
        if answer.complete:
            self._finish(answer)
        elif answer.failure is not None:
            self.abort()
        elif answer.headed:
            if answer.size > HIGH_WATER:
                self._pause()
            elif not self._paused:
                self._silence.allow(self._timeouts.idle)
        elif answer.interims != self._interims:
            self._interims = answer.interims
            if self._sent:
                self._silence.allow(self._timeouts.reply)
        self._wake()

    def eof_received(self) -> None:
        answer = self._answer
        if answer is not None:
            if answer.until_end and not self._goodbye():
                answer.cut_off()
            else:
                answer.end()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._stop_clocks()
        answer = self._answer
        if answer is not None:
            answer.cut_off()
            self._answer = None
        self._transport = None
        self._poll = None
        self.clogged = False
        self._keeper.gone(self)
        self._keeper.closed(self)
        self._wake()

    def pause_writing(self) -> None:
        self.clogged = True

    def resume_writing(self) -> None:
        self.clogged = False
        if self._sent and self._answer is not None and not self._answer.headed:
            self._silence.allow(self._timeouts.reply)
        self.open_gate()

    # The rest.

    def _goodbye(self) -> bool:
        """Whether it was the other side that ended it: over TLS a bare FIN may be anybody's, and is told as an end."""
        tls: Any = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return bool(tls.read(1) == b"")
        except ssl.SSLError:  # it wants more: no close_notify came
            return False

    def _put(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _finish(self, answer: Answer) -> None:
        """The answer is complete: the connection is free for the next request, or of no use any more."""
        if not self._sent or self._closes or answer.excess or not answer.keep_alive or not self._flushed():
            self.abort()
            return
        self._answer = None
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._keeper.free(self)

    def _flushed(self) -> bool:
        """Whether all that was written has left; if not, the answer came early."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and not transport.get_write_buffer_size()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._silence.ignore()
            self._transport.pause_reading()

    def _wake(self) -> None:
        # Taken out here and not by who waited: by then the connection may carry another request.
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._gate is not None:
            self.open_gate()
        if self._hear is not None:
            self._hear()

    def _stop_clocks(self) -> None:
        self._silence.stop()
        if self._whole is not None:
            self._whole.stop()

    def _too_slow(self) -> None:
        if self._answer is not None:
            self._answer.fail(UpstreamSilent("too_slow"))
        self.abort()

    def _too_long(self) -> None:
        answer = self._answer
        if answer is not None:
            answer.fail(UpstreamSilent("body_idle" if answer.headed else "no_reply"))
        self.abort()
