"""The upstream: the one origin that callers' requests, and their credentials, go to.

Rules: its pool and its TLS context are its own. `connect_to` moves the TCP connection and nothing else: certificate,
SNI and Host stay the origin's. Its addresses are the operator's choice and are not judged.

It must not build headers or look at bodies: `Outgoing` is final.
"""

from collections.abc import Callable
from pathlib import Path

from gateway.clock import Clock
from gateway.tasks import Tasks
from gateway.upstream.answer import OnInterim
from gateway.upstream.connection import Connection, Keeper, Timeouts
from gateway.upstream.dial import Dialler, Resolver, Way, client_tls, system_resolver
from gateway.upstream.exchange import Begun, Exchange
from gateway.upstream.outbox import Outbox
from gateway.upstream.pool import Pool
from gateway.upstream.wire import Origin, Outgoing, Request, UrlUnusable, split_authority, split_url

Answered = Callable[[int, float], None]
"""Is told the status of each reply, 0 where there was none, and the seconds until its head was there."""


def unheard(_status: int, _seconds: float) -> None:
    """For whoever does not want to know."""


def way_to(base_url: str, connect_to: str | None, ca_file: Path | None) -> Way:
    """The way to an origin that the operator configured; UrlUnusable or OSError where that is nonsense."""
    origin, target = split_url(base_url)
    if target != "/":
        raise UrlUnusable("a base URL is an origin, without a path")
    host, port = split_authority(connect_to) if connect_to is not None else (origin.host, origin.port)
    return Way(origin, host, port, client_tls(ca_file) if origin.tls else None, policy=None)


class Graph:
    """Requests to the upstream's origin."""

    def __init__(
        self,
        *,
        base_url: str,
        timeouts: Timeouts,
        clock: Clock,
        tasks: Tasks,
        max_header: int,
        connect_to: str | None = None,
        ca_file: Path | None = None,
        keep: int = 256,
        resolve: Resolver = system_resolver,
        answered: Answered = unheard,
    ) -> None:
        """`max_header` bounds a reply's head in bytes, `keep` the idle connections."""
        self._clock = clock
        self._answered = answered
        self._way = way_to(base_url, connect_to, ca_file)
        self._dialler = Dialler(timeouts, tasks, resolve)
        self._pool = Pool(dial=self._dial, clock=clock, tasks=tasks, keep=keep, max_header=max_header)
        self.host_header: bytes = self._way.origin.host_header

    @property
    def origin(self) -> Origin:
        return self._way.origin

    @property
    def outbox(self) -> Outbox:
        """By which reads are sent that are begun; for their answers too."""
        return self._pool.outbox

    @property
    def connections(self) -> tuple[int, int]:
        """How many are open, and how many of those are idle."""
        return self._pool.live, self._pool.idle

    async def open(
        self, outgoing: Outgoing, *, on_interim: OnInterim | None = None, max_idle: float | None = None
    ) -> Exchange:
        """Send a request and return when the final head is there.

        `max_idle`: only a connection that has been idle for less than this many seconds is reused. Raises
        UpstreamUnreachable if nothing was sent; UpstreamBroken, UpstreamSilent or UpstreamMalformed after that; what
        the body's iterator or `on_interim` raised; RequestUnsendable for what is no request.
        """
        began = self._clock.monotonic()
        status = 0
        try:
            exchange = await self._pool.open(
                self._way.origin, outgoing, on_interim=on_interim, max_idle=max_idle
            )
            status = exchange.status
            return exchange
        finally:
            self._answered(status, self._clock.monotonic() - began)

    def begin(
        self,
        prepare: Callable[[], Request],
        hear: Callable[[], None],
        *,
        repeatable: bool,
        on_interim: OnInterim | None = None,
    ) -> Begun | None:
        """Send a request on a connection that is idle, now; None if there is none, and then `prepare` was not called.

        `hear` is called whenever something has come of its answer. Nothing is sent twice: whoever finds the connection
        dead may ask again by `open`, for what is `repeatable`. Raises what `prepare` raises.
        """
        return self._pool.begin(self._way.origin, prepare, hear, repeatable=repeatable, on_interim=on_interim)

    def answered(self, status: int, seconds: float) -> None:
        """Take note of the reply to what was begun, as `open` does for its own."""
        self._answered(status, seconds)

    async def reach(self) -> None:
        """Make sure that a connection is up; raises UpstreamUnreachable."""
        await self._pool.warm(self._way.origin)

    def reload(self, *, idle: float) -> None:
        """From now on new connections may be silent for so many seconds in a body, and between two requests."""
        self._dialler = self._dialler.patient(idle)

    async def close(self) -> None:
        """End all connections; exchanges that are under way fail."""
        await self._pool.close()

    async def _dial(self, _: Origin, keeper: Keeper) -> Connection:
        return await self._dialler.dial(self._way, keeper)
