"""Monitors: URLs that came in a reply, on hosts that are not ours to trust.

Rules
- Its pool and its TLS contexts are its own, and no credential can get here: there is no parameter for one, and a
  header that carries one is refused.
- Every address is judged when it is connected to. The upstream's own origin is trusted as the upstream is, and
  reached the way the upstream is: with its `connect_to`, and with its authorities for that origin alone.
- The URL's target leaves byte for byte; redirects are replies like others.
- Bounded all round: so many polls at once, so many bytes each, and so long in all, however slowly it trickles. Whoever
  begins a poll instead of waiting for it sees to their number.

It must not judge the URL's syntax (scheme, host list, ports): that was done before. What could not be dialled at all
is AddressRefused.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import AddressRefused, UpstreamBroken
from gateway.model import Headers, Reply
from gateway.tasks import Tasks
from gateway.upstream.addresses import AddressPolicy
from gateway.upstream.connection import Connection, Keeper, Timeouts
from gateway.upstream.dial import Dialler, Resolver, Way, client_tls, system_resolver
from gateway.upstream.exchange import Begun, Exchange
from gateway.upstream.graph import Answered, unheard, way_to
from gateway.upstream.pool import Pool
from gateway.upstream.wire import (
    Origin,
    Outgoing,
    Request,
    RequestUnsendable,
    UrlUnusable,
    compose,
    split_url,
)

Told = Callable[[Reply | Exception | None], None]
"""With the reply; with why there is none; with None where the rest has to be waited for."""

CREDENTIALS = frozenset({b"authorization", b"proxy-authorization"})

KNOWN = 256
"""Hosts of monitors of which the request's opening is remembered."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """An origin whose addresses are taken as they come: the upstream's own."""

    base_url: str
    connect_to: str | None = None
    ca_file: Path | None = None


class Monitors:
    """GET requests to monitors, and the vetting of their addresses."""

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        timeouts: Timeouts,
        clock: Clock,
        tasks: Tasks,
        max_body: int,
        concurrency: int,
        max_header: int,
        trusted: Sequence[Trusted] = (),
        ca_file: Path | None = None,
        keep: int = 128,
        resolve: Resolver = system_resolver,
        answered: Answered = unheard,
    ) -> None:
        """`concurrency` bounds the polls under way, `max_body` and `max_header` the bytes of one's reply."""
        self._clock = clock
        self._answered = answered
        self._policy = policy
        self._max_body = max_body
        self._slots = asyncio.Semaphore(concurrency)
        self._known: dict[str, tuple[Headers, Origin, Request]] = {}
        """By what stands in a URL before its path: the headers of the last poll there, and the request for its root."""
        self._trust = tuple(trusted)
        self._certify(ca_file)
        self._dialler = Dialler(timeouts, tasks, resolve)
        self._pool = Pool(dial=self._dial, clock=clock, tasks=tasks, keep=keep, max_header=max_header)

    @property
    def connections(self) -> tuple[int, int]:
        """How many are open, and how many of those are idle."""
        return self._pool.live, self._pool.idle

    async def get(self, url: str, headers: Headers) -> Reply:
        """Ask a monitor. `headers` go out as they are, behind a Host line made from the URL.

        Raises AddressRefused, UpstreamUnreachable, UpstreamBroken, UpstreamSilent, UpstreamMalformed.
        """
        origin, request = self._request(url, headers)
        async with self._slots:
            began, status = self._clock.monotonic(), 0
            try:
                exchange = await self._pool.ask(origin, request, within=self._dialler.timeouts.whole)
                status = exchange.status
            finally:
                self._answered(status, self._clock.monotonic() - began)
            return await self.read(exchange)

    async def read(self, exchange: Exchange) -> Reply:
        """The reply whose head is there; raises what `get` raises."""
        try:
            body, oversized = await exchange.read(self._max_body)
        finally:
            exchange.drop()
        return Reply(exchange.status, exchange.headers, b"" if oversized else body, oversized)

    def begin(self, url: str, headers: Headers, told: Told) -> "Asked | None":
        """Ask a monitor on a connection that is idle, now; None if there is none, and then nothing was sent.

        `told` is called once, later, unless the poll is abandoned; with None where `Asked.rest` has to be waited for.
        Raises AddressRefused.
        """
        origin, request = self._request(url, headers)
        asked = Asked(self, url, headers, told, self._clock.monotonic())
        begun = self._pool.begin(origin, lambda: request, asked.hear, repeatable=True)
        if begun is None:
            return None
        asked.begun = begun
        begun.within(self._dialler.timeouts.whole)
        return asked

    def come(self, begun: Begun, began: float) -> Reply | None:
        """Take note of what has come of a poll since `began`; the reply, if that was all of it."""
        answer = begun.answer
        self._answered(answer.status, self._clock.monotonic() - began)
        if not answer.complete:
            return None
        begun.over()
        body = answer.take() if answer.pieces else b""
        oversized = len(body) > self._max_body
        return Reply(answer.status, answer.headers, b"" if oversized else body, oversized)

    def _request(self, url: str, headers: Headers) -> tuple[Origin, Request]:
        """The request as it will be written. What is the same for all polls of a host is worked out once."""
        end = url.find("/", len("https://"))
        if end < 0 or "#" in url:
            return _composed(url, headers)
        start = url[:end]
        known = self._known.get(start)
        if known is None or known[0] is not headers:
            if any(name == b"Cookie" for name, _ in headers):
                return _composed(url, headers)
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[start] = (headers, *_common(start, headers))
        try:
            return known[1], known[2].towards("GET", url[end:])
        except RequestUnsendable:
            raise AddressRefused("url") from None

    async def vet(self, url: str) -> None:
        """Connect, and keep the connection for the first poll: an address that is off limits is found out now.

        Raises AddressRefused, and UpstreamUnreachable for troubles that may pass.
        """
        origin, _ = _split(url)
        await self._pool.warm(origin)

    def reload(
        self, *, policy: AddressPolicy, ca_file: Path | None, max_body: int, concurrency: int, idle: float
    ) -> None:
        """Go by these from now on. Connections that are idle were judged by others, and are ended; polls that are
        under way go on.
        """
        self._certify(ca_file)
        self._policy = policy
        self._max_body = max_body
        self._slots = asyncio.Semaphore(concurrency)
        self._dialler = self._dialler.patient(idle)
        self._pool.drop_idle()

    def _certify(self, ca_file: Path | None) -> None:
        """Take these authorities, besides the system's."""
        ways = [way_to(one.base_url, one.connect_to, one.ca_file or ca_file) for one in self._trust]
        self._tls = client_tls(ca_file)
        self._trusted: dict[Origin, Way] = {way.origin: way for way in ways}

    async def close(self) -> None:
        """End all connections; polls that are under way fail."""
        await self._pool.close()

    async def _dial(self, origin: Origin, keeper: Keeper) -> Connection:
        way = self._trusted.get(origin)
        if way is None:
            way = Way(origin, origin.host, origin.port, self._tls if origin.tls else None, self._policy)
        return await self._dialler.dial(way, keeper)


class Asked:
    """A monitor that was asked by `Monitors.begin`."""

    __slots__ = ("_began", "_exchange", "_headers", "_monitors", "_told", "_url", "begun")

    def __init__(self, monitors: Monitors, url: str, headers: Headers, told: Told, began: float) -> None:
        self._monitors = monitors
        self._url = url
        self._headers = headers
        self._told = told
        self._began = began
        self._exchange: Exchange | None = None
        self.begun: Begun | None = None
        """Until it has been heard of."""

    def hear(self) -> None:
        """Something has come of the answer."""
        begun = self.begun
        if begun is None:
            return
        answer = begun.answer
        if not answer.headed and answer.failure is None:
            return
        self.begun = None
        reply: Reply | Exception | None = self._monitors.come(begun, self._began)
        if reply is None and answer.headed:
            self._exchange = begun.exchange()
        elif reply is None:
            begun.over()
            stale = isinstance(answer.failure, UpstreamBroken) and not answer.begun
            reply = None if stale else answer.failure
        self._told(reply)

    async def rest(self) -> Reply:
        """What could not be told at once; asks once more where the connection was dead. Raises as `Monitors.get`."""
        if self._exchange is not None:
            return await self._monitors.read(self._exchange)
        return await self._monitors.get(self._url, self._headers)

    def abandon(self) -> None:
        """Nobody wants the reply any more."""
        begun, self.begun = self.begun, None
        if begun is not None:
            begun.abandon()


def _common(start: str, headers: Headers) -> tuple[Origin, Request]:
    """The request for the root of a monitor's origin; `start` is what stands in its URL before the path."""
    origin, request = _composed(start + "/", headers)
    if not request.opening.startswith(b"GET / "):
        raise AddressRefused("url")
    return origin, request


def _composed(url: str, headers: Headers) -> tuple[Origin, Request]:
    if any(name.lower() in CREDENTIALS for name, _ in headers):
        raise RequestUnsendable("no credential goes to a monitor")
    origin, target = _split(url)
    return origin, compose(Outgoing("GET", target, ((b"Host", origin.host_header), *headers)))


def _split(url: str) -> tuple[Origin, str]:
    try:
        return split_url(url)
    except UrlUnusable:
        raise AddressRefused("url") from None
