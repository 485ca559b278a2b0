"""Running: what `lro-gateway run` does once it has its configuration, from the first line of the log to the last.

Rules: SIGTERM and SIGINT stop it, SIGHUP has it read the file anew. What keeps it from starting is one
`CannotRun`, whichever part it comes from.

What this module must not do: build parts of the gateway (`app` does), or print (`cli` does).
"""

import asyncio
import os
import signal
from collections.abc import Callable

from gateway import crashpoints
from gateway.app import CannotListen, Gateway
from gateway.clock import SystemClock
from gateway.config import Config, Log
from gateway.http.server import ParserMissing
from gateway.http.tls import TlsUnusable
from gateway.process import run_until_signalled
from gateway.reloading import Reloading
from gateway.store import StoreDown
from gateway.telemetry.logs import LogObserver, configure, own_up
from gateway.telemetry.supervisor import supervisors
from gateway.telemetry.tracing import TracesUnavailable


class CannotRun(Exception):
    """What is in the way; the message is for the operator. `wrong`: what was asked for makes no sense."""

    def __init__(self, reason: Exception, *, wrong: bool = False) -> None:
        super().__init__(str(reason))
        self.wrong = wrong


def run(settings: Config, *, read: Callable[[], Config] | None) -> None:
    """Run until a signal. `read` reads the file anew, and raises `ConfigError`. Raises `CannotRun`."""
    observer = LogObserver(configure(level=settings.log.level, fmt=settings.log.format))
    own_up(observer)
    try:
        point = crashpoints.arm(os.environ)
    except crashpoints.NoSuchPoint as error:
        raise CannotRun(error, wrong=True) from error
    if point is not None:
        observer.event("crash_point_armed", point=point)

    def set_up_log(log: Log) -> None:
        configure(level=log.level, fmt=log.format)

    async def serve(stop: asyncio.Event) -> None:
        gateway = Gateway(settings, SystemClock(), [observer, *supervisors(os.environ)])
        reloading = Reloading(gateway, read=read, log=set_up_log)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloading.ask)
        await gateway.run(stop)

    try:
        run_until_signalled(serve)
    except (CannotListen, ParserMissing, StoreDown, TlsUnusable, TracesUnavailable) as error:
        raise CannotRun(error) from error
