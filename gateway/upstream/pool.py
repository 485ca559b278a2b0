"""Keeps connections alive between requests, and takes a request through one of them.

    open -> take an idle one, newest first -+-> write -> wait for the head -> Exchange
            or dial                         |              |
              ^                             |              +- a reused one failed before any byte of an answer,
              +------ once, and only for GET, HEAD, OPTIONS without a body

Rules
- Newest first, for each origin; at most `keep` idle ones in all, and the one that has been idle longest goes first.
- A request that must not be repeated is written to an idle connection only after a look at its socket: an end that
  has arrived but was not yet told by the event loop must not cost a POST.
- A POST is written once. UpstreamUnreachable means that nothing was written at all.
- A pool belongs to one world: see `graph` and `monitors`, which each make their own.

It must not know why a request is made, nor hold what it answered.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.clock import Clock
from gateway.errors import UpstreamBroken, UpstreamUnreachable
from gateway.tasks import Tasks
from gateway.upstream.answer import Answer, OnInterim
from gateway.upstream.connection import Connection, Keeper
from gateway.upstream.exchange import Begun, Exchange
from gateway.upstream.outbox import Outbox
from gateway.upstream.upload import stop, upload
from gateway.upstream.wire import Origin, Outgoing, Request, compose

Dial = Callable[[Origin, Keeper], Awaitable[Connection]]


class Pool:
    """Connections of one world, by origin."""

    def __init__(self, *, dial: Dial, clock: Clock, tasks: Tasks, keep: int, max_header: int) -> None:
        self._dial = dial
        self._clock = clock
        self._tasks = tasks
        self._keep = keep
        self._max_header = max_header
        self._idle: dict[Origin, dict[Connection, None]] = {}
        self._idle_count = 0
        self._live: set[Connection] = set()
        self._closed = False
        self.outbox = Outbox(lambda: len(self._live) - self._idle_count)
        """For what may be sent again; anything else is written at once, so that it is known what has been sent."""
        self._emptied: asyncio.Future[None] | None = None

    @property
    def idle(self) -> int:
        return self._idle_count

    @property
    def live(self) -> int:
        """Sockets that are open, busy and idle ones."""
        return len(self._live)

    async def open(
        self,
        origin: Origin,
        outgoing: Outgoing,
        *,
        on_interim: OnInterim | None = None,
        max_idle: float | None = None,
    ) -> Exchange:
        return await self.ask(origin, compose(outgoing), on_interim=on_interim, max_idle=max_idle)

    async def ask(
        self,
        origin: Origin,
        request: Request,
        *,
        on_interim: OnInterim | None = None,
        max_idle: float | None = None,
        within: float | None = None,
    ) -> Exchange:
        """As `open`, with a request that was composed already; the whole answer `within` so many seconds of sending."""
        if self._closed:
            raise UpstreamUnreachable("closing")
        connection = self._take(origin, max_idle, look=not request.repeatable)
        if connection is None:
            connection = await self._connect(origin)
            return await self._ask(connection, request, self._answer(request, on_interim), within)
        answer = self._answer(request, on_interim)
        try:
            return await self._ask(connection, request, answer, within)
        except UpstreamBroken as broken:
            if answer.begun or not request.repeatable:
                raise
            try:
                connection = await self._connect(origin)
            except UpstreamUnreachable:
                raise broken from None  # something was sent, the first time
        return await self._ask(connection, request, self._answer(request, on_interim), within)

    def begin(
        self,
        origin: Origin,
        prepare: Callable[[], Request],
        hear: Callable[[], None],
        *,
        repeatable: bool,
        on_interim: OnInterim | None = None,
    ) -> Begun | None:
        """Send a request on an idle connection, now; None if there is none. It is sent once, all of it at hand."""
        connection = self._take(origin, None, look=not repeatable) if not self._closed else None
        if connection is None:
            return None
        try:
            request = prepare()
        except BaseException:
            self.free(connection)
            raise
        answer = self._answer(request, on_interim)
        connection.begin(request, answer, hear, self.outbox if repeatable else None)
        return Begun(answer, connection)

    async def warm(self, origin: Origin) -> None:
        """Make sure that a connection is up."""
        if self._closed:
            raise UpstreamUnreachable("closing")
        connection = self._take(origin, None, look=True)
        if connection is None:
            connection = await self._connect(origin)
        self.free(connection)

    async def close(self) -> None:
        """End every connection, busy ones too, and return when their sockets are closed."""
        self._closed = True
        for connection in list(self._live):
            connection.abort()
        while self._live:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def drop_idle(self) -> None:
        """End the connections that nothing is under way on."""
        for connection in [one for idle in self._idle.values() for one in idle]:
            connection.abort()

    # What connections tell.

    def free(self, connection: Connection) -> None:
        if self._closed or not connection.usable or self._keep <= 0:
            connection.abort()
            return
        if self._idle_count >= self._keep:
            oldest = min((next(iter(idle)) for idle in self._idle.values()), key=lambda one: one.idle_since)
            oldest.abort()
        connection.idle_since = self._clock.monotonic()
        idle = self._idle.get(connection.origin)
        if idle is None:
            idle = self._idle[connection.origin] = {}
        idle[connection] = None
        self._idle_count += 1
        connection.rest()

    def gone(self, connection: Connection) -> None:
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            del idle[connection]
            self._left(connection.origin, idle)

    def closed(self, connection: Connection) -> None:
        self._live.discard(connection)
        if not self._live and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    # The rest.

    def _left(self, origin: Origin, idle: dict[Connection, None]) -> None:
        self._idle_count -= 1
        if not idle:
            del self._idle[origin]

    def _take(self, origin: Origin, max_idle: float | None, *, look: bool) -> Connection | None:
        """The idle connection that was used last; None if there is none that is young enough."""
        while (idle := self._idle.get(origin)) is not None:
            connection, _ = idle.popitem()
            if max_idle is not None and self._clock.monotonic() - connection.idle_since >= max_idle:
                idle[connection] = None  # the others are older still, and good enough for other requests
                return None
            self._left(origin, idle)
            if connection.quiet() if look else connection.usable:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        connection = await self._dial(origin, self)
        if self._closed or not connection.usable:
            connection.abort()
            raise UpstreamUnreachable("closed_at_once")
        # Here and not when the transport was made: one whose dialling is cancelled may vanish without a word (uvloop).
        self._live.add(connection)
        return connection

    def _answer(self, request: Request, on_interim: OnInterim | None) -> Answer:
        return Answer(bodiless=request.method == "HEAD", max_header=self._max_header, on_interim=on_interim)

    async def _ask(
        self, connection: Connection, request: Request, answer: Answer, within: float | None
    ) -> Exchange:
        """Send the request and wait for the final head. However this ends, nobody pulls from the body after it."""
        if request.permit is not None and not request.permit():
            self.free(connection)
            raise UpstreamUnreachable("not_permitted", proxy_error="proxy_internal_error")
        connection.begin(request, answer)
        if within is not None:
            connection.within(answer, within)
        if request.upload is None:
            await self._head(connection, answer)
        else:
            uploading = self._tasks.start(
                "upstream upload", upload(connection, answer, request, self._clock, self._tasks)
            )
            try:
                await self._head(connection, answer)
            finally:
                await stop(uploading)
        return Exchange(answer, connection)

    async def _head(self, connection: Connection, answer: Answer) -> None:
        try:
            while not answer.headed and answer.failure is None:
                await connection.changed()
        except BaseException:
            connection.abandon(answer)
            raise
        if not answer.headed and answer.failure is not None:
            raise answer.failure
