"""The only place that builds objects: from a configuration to a running gateway, and back down again.

Order of stopping: not ready, no new connections, every held call answered at its `on_timeout`, then the followers,
then the connections upstream, then the store. Operations are kept; they are the store's to remember.
"""

import asyncio
import errno
import os
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from gateway import dialects
from gateway.acting import Acting
from gateway.admin import AdminSide
from gateway.admin.watch import Watch
from gateway.asking import Asking
from gateway.auth import Vault
from gateway.auth.allowed import Allowed
from gateway.auth.callers import KnownCallers
from gateway.auth.cookies import Cookies
from gateway.auth.credentials import credentials_for
from gateway.clock import Clock
from gateway.config import Config
from gateway.dialects.monitor_url import MonitorRules
from gateway.errors import UpstreamError
from gateway.follower import Follower, FollowRules
from gateway.http.memory import Memory, watermark
from gateway.http.server import CallerSide, require_strict_parser
from gateway.http.tickets import Tickets
from gateway.http.tls import TlsUnusable
from gateway.http.visit import Parts
from gateway.lanes import Lanes
from gateway.pacing import Polling
from gateway.readings import readings
from gateway.records import Records
from gateway.sameness import ReplayRules
from gateway.store import Store, StoreDown
from gateway.store.chosen import chosen
from gateway.store.timed import TimedStore
from gateway.submission import Submission
from gateway.takeover import Takeover
from gateway.tasks import Tasks
from gateway.telemetry import Observer, Observers, tracing
from gateway.telemetry.metrics import Metrics
from gateway.upstream import AddressPolicy, Graph, Monitors, Timeouts, Trusted
from gateway.upstream.addresses import listed_literals
from gateway.waiting import Waiting

REPLY_HEADER = 65_536
"""Bytes of a reply's head that are accepted."""

LEAST_GRACE = 1.0
"""Seconds that the collector of traces has at the end, whatever is left of `shutdown.grace`."""

POLL_TIMEOUT = 30.0
"""Seconds that a monitor may be silent; asking again is cheap, a poll that hangs hides the end of an operation."""


UNREACHABLE_HINTS = {
    "dns_error": "check the host name in upstream.base_url, and this machine's name resolution",
    "dns_timeout": "check this machine's name resolution",
    "connection_refused": "check host and port in upstream.base_url (or upstream.connect_to), and that it is running",
    "connection_timeout": "check that firewalls and network policies let the gateway out to upstream.base_url",
    "tls_certificate_error": "check upstream.ca_file, and that upstream.base_url names what the certificate names",
    "tls_protocol_error": "check that what listens at upstream.base_url speaks TLS",
}
"""By reason, what an operator should look at first."""


class Address(NamedTuple):
    """Where a listener listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class CannotListen(Exception):
    """A port that we were told to listen on cannot be had."""

    def __init__(self, what: str, where: Address, error: OSError) -> None:
        # The loop's own message repeats the address; what getaddrinfo says has numbers of its own.
        told_by_getaddrinfo = isinstance(error, socket.gaierror) or not error.errno
        reason = (error.strerror or str(error)) if told_by_getaddrinfo else os.strerror(error.errno or 0)
        fix = (
            f"set {what}.port to a free port"
            if error.errno == errno.EADDRINUSE
            else f"check {what}.host and {what}.port"
        )
        super().__init__(f"{what}: cannot listen on {where}: {reason}; {fix}")
        self.what = what
        self.where = where


class Gateway:
    """A gateway, built but not started."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        observers: Sequence[Observer] = (),
        *,
        traces: tracing.Traces | None = None,
    ) -> None:
        """`traces` stands in for what `tracing` says. Raises `TracesUnavailable`."""
        require_strict_parser()
        self.config = config
        self.clock = clock
        known = dialects.remembered(config.dialects, config.upstream.base_url)
        self.metrics = Metrics(store=config.operations.store, dialects=[dialect.name for dialect in known])
        self.watch = Watch(clock)
        self.traces = traces or tracing.chosen(config.tracing.otlp_endpoint)
        self.observer = Observers((*observers, self.metrics, self.watch, *self.traces.observers))
        self.tasks = Tasks(on_crash=self.observer.crashed)
        self.errands = Tasks(on_crash=self.observer.crashed)
        """What is done for callers, such as sending their POSTs; stopping waits for it, because half a POST is an
        unknown outcome."""
        store = chosen(
            config.operations, clock=clock, tell=self.observer.event, crashed=self.observer.crashed
        )
        self.store: Store = TimedStore(store, clock, self.metrics.store_used)
        self._stopping: str | None = "starting"

    def _build(self, secret: bytes) -> None:
        """`secret`: the store's; what is made with it must be good for as long as the records are."""
        config, clock = self.config, self.clock
        chance = random.Random().random  # noqa: S311 - spreads polls over time, guards nothing; no system call for each
        spoken = dialects.spoken(config.dialects, config.upstream.base_url)
        timeouts = Timeouts(
            connect=config.upstream.connect_timeout,
            reply=config.upstream.reply_timeout,
            idle=config.limits.idle,
        )
        self.graph = Graph(
            base_url=config.upstream.base_url,
            connect_to=config.upstream.connect_to,
            ca_file=config.upstream.ca_file,
            timeouts=timeouts,
            clock=clock,
            tasks=self.tasks,
            max_header=REPLY_HEADER,
            answered=self._upstream_answered,
        )
        self.monitors = Monitors(
            policy=AddressPolicy(
                allow_private=config.monitor.allow_private,
                literals=listed_literals(config.monitor.allowed_hosts),
            ),
            ca_file=config.monitor.ca_file,
            timeouts=replace(timeouts, reply=min(timeouts.reply, POLL_TIMEOUT)),
            clock=clock,
            tasks=self.tasks,
            max_body=config.limits.monitor_body,
            max_header=REPLY_HEADER,
            concurrency=config.limits.concurrent_polls,
            trusted=[Trusted(config.upstream.base_url, config.upstream.connect_to, config.upstream.ca_file)],
            answered=self.metrics.monitor_answered,
        )
        self.vault = Vault(
            size=config.operations.max_active, keep=config.operations.deadline, monotonic=clock.monotonic
        )
        self.cookies = Cookies(
            size=config.operations.max_active,
            keep=config.operations.deadline,
            now=clock.now,
            monotonic=clock.monotonic,
        )
        known = KnownCallers(config.auth.caller_keys)
        self.credentials = credentials_for(
            config.auth, clock=clock, tasks=self.tasks, tell=self.observer.event, principal=known.name
        )
        graph: Graph | Acting = self.graph
        if self.credentials is not None:
            graph = Acting(graph=self.graph, credentials=self.credentials)
        self.asking = asking = Asking(
            graph=graph,
            monitors=self.monitors,
            vault=self.vault,
            cookies=self.cookies,
            max_body=config.limits.monitor_body,
            own_credential=self.credentials is not None and self.credentials.own,
        )
        polling = Polling(
            first_delay=config.polling.first_delay,
            min_interval=config.polling.min_interval,
            max_interval=config.polling.max_interval,
            lost_after=config.polling.lost_after,
        )
        self.records = Records(self.store, clock, self.observer, polling, self.errands)
        self.records.listen(self.cookies.moved)
        self.waiting = Waiting(
            records=self.records,
            clock=clock,
            replay=ReplayRules(
                keep_finished=config.operations.keep_finished,
                keep_keyed=config.operations.keep_keyed,
                replay_grace=config.operations.replay_grace,
            ),
            size=config.limits.held_calls,
            driven=lambda operation_id: operation_id in self.follower,
        )
        self.follower = Follower(
            records=self.records,
            asking=asking,
            dialects=dialects.remembered(config.dialects, config.upstream.base_url),
            clock=clock,
            tasks=self.tasks,
            observer=self.observer,
            chance=chance,
            rules=FollowRules(
                config.operations.deadline,
                config.polling.stalled_after,
                config.limits.concurrent_polls,
            ),
        )
        self.lanes = Lanes(width=config.limits.running_per_drive, records=self.records)
        self.follower.when_stopped(self.lanes.leave)
        self.follower.when_stopped(self.traces.stopped)
        self.takeover = Takeover(
            records=self.records,
            follower=self.follower,
            clock=clock,
            tasks=self.tasks,
            observer=self.observer,
        )
        self.submission = Submission(
            graph=graph,
            asking=asking,
            cookies=self.cookies,
            records=self.records,
            follower=self.follower,
            rules=MonitorRules(
                upstream_origin=config.upstream.base_url,
                allowed_hosts=config.monitor.allowed_hosts,
                allow_http=config.monitor.allow_http,
                allow_private=config.monitor.allow_private,
            ),
            chance=chance,
            clock=clock,
            tasks=self.tasks,
            observer=self.observer,
        )
        self.callers = CallerSide(
            Parts(
                config=config,
                clock=clock,
                graph=graph,
                dialects=spoken,
                records=self.records,
                waiting=self.waiting,
                submission=self.submission,
                follower=self.follower,
                lanes=self.lanes,
                vault=self.vault,
                cookies=self.cookies,
                tickets=Tickets(secret),
                tasks=self.errands,
                observer=self.observer,
                secret=secret,
                chance=chance,
                known=known,
                allowed=Allowed(config.auth.allow),
                memory=Memory(
                    watermark(config.limits.memory), monotonic=clock.monotonic, observer=self.observer
                ),
                traces=self.traces,
                credentials=self.credentials,
                direct=self.graph if graph is self.graph and not self.traces.observers else None,
            )
        )
        self.admin = AdminSide(
            config=config,
            clock=clock,
            store=self.store,
            tasks=self.tasks,
            watch=self.watch,
            ready=lambda: self._stopping,
            held=lambda: self.callers.held,
            waiting_for=self.waiting.waiting_for,
            followed_here=lambda operation_id: operation_id in self.follower,
            metrics=self.metrics.page,
        )
        self.metrics.look_at(self._readings)

    def _upstream_answered(self, status: int, seconds: float) -> None:
        self.metrics.upstream_answered(status, seconds)
        self.watch.upstream_answered(status, seconds)

    def _readings(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        return readings(
            config=self.config,
            ready=self.running,
            callers=self.callers,
            follower=self.follower,
            lanes=self.lanes,
            graph=self.graph,
            monitors=self.monitors,
            credentials=self.credentials,
        )

    @property
    def running(self) -> bool:
        """Whether calls are taken on."""
        return self._stopping is None

    async def start(self) -> tuple[Address, Address]:
        """Go on with what the store remembers, and listen; returns where callers and where operators are expected.

        Raises `StoreDown`, `CannotListen`, `TlsUnusable`.
        """
        await self.store.open()
        self._build(await self.store.secret())
        try:
            await self.takeover.begin()
            admin = await self._listen("admin", Address(self.config.admin.host, self.config.admin.port))
            listen = await self._listen("listen", Address(self.config.listen.host, self.config.listen.port))
        except (CannotListen, StoreDown, TlsUnusable):
            await self.stop()
            raise
        self._stopping = None
        self.observer.event(
            "listening", address=str(listen), admin=str(admin), upstream=self.config.upstream.base_url
        )
        self.tasks.start("reach the upstream", self._reach())
        if self.credentials is not None:
            self.tasks.start("keep a token", self.credentials.keep())
        return listen, admin

    async def _reach(self) -> None:
        """Say early what calls would otherwise be the first to find out. The gateway serves all the same: in a pod,
        nobody promises which container is up first.
        """
        try:
            await self.graph.reach()
            self.watch.upstream_reached()
        except UpstreamError as error:
            self.observer.event(
                "upstream_unreachable",
                upstream=self.config.upstream.base_url,
                reason=error.reason,
                hint=UNREACHABLE_HINTS.get(error.reason, "check upstream.base_url and the network between"),
            )

    async def _listen(self, what: str, where: Address) -> Address:
        side = self.callers if what == "listen" else self.admin
        try:
            return Address(*await side.listen())
        except OSError as error:
            raise CannotListen(what, where, error) from error

    async def stop(self) -> None:
        """Answer what is held, within `shutdown.grace`, and let go of everything."""
        grace = self.config.shutdown.grace
        self._stopping = "stopping"
        self.observer.event("stopping", held=self.callers.held, active=len(self.follower))
        self.waiting.drain()
        self.lanes.close()
        until = self.clock.monotonic() + grace
        await self.callers.stop(grace)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - self.clock.monotonic())):
                await self.errands.settle()
        await self.errands.cancel()
        self.follower.close()
        await self.tasks.cancel()
        self.vault.forget()
        self.cookies.forget()
        if self.credentials is not None:
            self.credentials.close()
        await self.graph.close()
        await self.monitors.close()
        await self.store.close()
        await self.admin.stop()
        await self.traces.close(max(LEAST_GRACE, until - self.clock.monotonic()))
        self.observer.event("stopped")

    async def run(self, stop: asyncio.Event) -> None:
        """Start, serve until `stop` is set, then stop."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()
