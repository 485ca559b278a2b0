"""Reloading: reads the configuration anew on SIGHUP and hands a running gateway what it can take over.

Rules:
1. A file with problems changes nothing: they are logged, and the gateway goes on with what it has.
2. What is under way keeps the bounds that it began with: calls in particular their `wait.max`. Connections too.
3. What cannot be taken over is named, and left as it was.
4. One reload at a time; signals that come meanwhile lead to one more.

What this module must not do: decide which keys can be taken over (`config.changes` does).
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.app import Gateway
from gateway.config import Config, ConfigError, Log
from gateway.config.changes import changes
from gateway.dialects import remembered
from gateway.follower import FollowRules
from gateway.pacing import Polling
from gateway.upstream import AddressPolicy
from gateway.upstream.addresses import listed_literals


class Reloading:
    """Takes signals."""

    def __init__(
        self, gateway: Gateway, *, read: Callable[[], Config] | None, log: Callable[[Log], None]
    ) -> None:
        """`read` reads the file, and raises `ConfigError`; None where there is none. `log` sets up the log."""
        self._gateway = gateway
        self._read = read
        self._log = log
        self._wanted = False
        self._at_work = False

    def ask(self) -> None:
        """A signal has come."""
        self._wanted = True
        if not self._at_work:
            self._at_work = True
            self._gateway.tasks.start("reload", self._work())

    async def _work(self) -> None:
        try:
            while self._wanted:
                self._wanted = False
                await self._reload()
        finally:
            self._at_work = False

    async def _reload(self) -> None:
        tell = self._gateway.observer.event
        if self._read is None:
            tell("reload_refused", problems="there is no file: the gateway was started without --config")
            return
        if not self._gateway.running:
            tell("reload_refused", problems="the gateway is starting or stopping")
            return
        try:
            new = await asyncio.to_thread(self._read)
        except ConfigError as error:
            tell("reload_refused", problems=str(error))
            return
        found = changes(self._gateway.config, new)
        if found.problems:
            tell("reload_refused", problems="\n".join(found.problems))
            return
        self._log(found.config.log)
        problems = take_over(self._gateway, found.config)
        told = {
            "changed": ", ".join(found.live),
            "restart": ", ".join(found.restart),
            "problems": "; ".join(problems),
        }
        tell("reloaded", **{name: value for name, value in told.items() if value})


def take_over(gateway: Gateway, config: Config) -> tuple[str, ...]:
    """Let a running gateway go by `config` from now on; what could not be used, and why."""
    gateway.config = config
    polling, limits, monitor = config.polling, config.limits, config.monitor
    gateway.records.polling = Polling(
        first_delay=polling.first_delay,
        min_interval=polling.min_interval,
        max_interval=polling.max_interval,
        lost_after=polling.lost_after,
    )
    gateway.follower.speak(remembered(config.dialects, config.upstream.base_url))
    gateway.follower.go_by(
        FollowRules(config.operations.deadline, polling.stalled_after, limits.concurrent_polls)
    )
    gateway.submission.rules = replace(
        gateway.submission.rules,
        allowed_hosts=monitor.allowed_hosts,
        allow_http=monitor.allow_http,
        allow_private=monitor.allow_private,
    )
    gateway.graph.reload(idle=limits.idle)
    gateway.asking.max_body = limits.monitor_body
    gateway.monitors.reload(
        policy=AddressPolicy(monitor.allow_private, listed_literals(monitor.allowed_hosts)),
        ca_file=monitor.ca_file,
        max_body=limits.monitor_body,
        concurrency=limits.concurrent_polls,
        idle=limits.idle,
    )
    gateway.lanes.resize(limits.running_per_drive)
    gateway.admin.reload(config)
    return gateway.callers.reload(config)
