"""Simulator and gateway on an event loop of their own, in a thread: real listeners on ports that are free.

Rules: they are configured as anybody would configure them, but for three things that are the simulator's: its
monitors are plain http, on loopback, on any port. Whoever enters gets addresses and nothing else, so that all that is
shown has come over a socket. Leaving stops both, in order, and waits for it.

What this module must not do: print, or know the scenes.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.app import Gateway
from gateway.clock import Clock
from gateway.config import Config
from gateway.simulator import Simulator, SimulatorSettings
from gateway.telemetry import Observer

STOPPING = 10.0
"""Seconds that stopping may take before somebody is told."""


@dataclass(frozen=True)
class Addresses:
    """Where everybody is, as `host:port`."""

    callers: str
    admin: str
    graph: str


def configuration(upstream: str) -> Config:
    """The gateway's, for a simulator at `upstream`."""
    return Config.model_validate(
        {
            "listen": {"port": 0},
            "admin": {"port": 0},
            "upstream": {"base_url": upstream},
            "monitor": {"allowed_hosts": ["127.0.0.1"], "allow_private": True, "allow_http": True},
            # Polls that predict the end would leave the progress bar without news for most of the way.
            "polling": {"first_delay": 0.2, "max_interval": 0.5},
            "shutdown": {"grace": 2.0},
        }
    )


class Stage:
    """A context manager; `addresses` are there once it is entered."""

    def __init__(
        self,
        *,
        clock: Clock,
        bytes_per_second: float,
        base_duration: float,
        files: Mapping[str, int],
        observers: Sequence[Observer],
    ) -> None:
        """`files`: path and size in bytes of what lies in the first user's drive besides the samples."""
        self._clock = clock
        self._settings = SimulatorSettings(bytes_per_second=bytes_per_second, base_duration=base_duration)
        self._files = files
        self._observers = observers
        self._opened: Future[Addresses] = Future()
        self._ended: Future[None] = Future()
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def addresses(self) -> Addresses:
        return self._opened.result()

    def __enter__(self) -> Self:
        """Raises what keeps simulator or gateway from starting."""
        threading.Thread(target=self._run, name="demo stage", daemon=True).start()
        self._opened.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises what went wrong back there."""
        if self._stop is not None:
            loop, stop = self._stop
            loop.call_soon_threadsafe(stop.set)
        self._ended.result(STOPPING)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for it
            if not self._opened.done():
                self._opened.set_exception(error)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        stop = asyncio.Event()
        simulator = Simulator(self._settings, self._clock)
        for path, size in self._files.items():
            simulator.drive().add_file(path, size)
        async with simulator:
            gateway = Gateway(configuration(simulator.graph_url), self._clock, self._observers)
            callers, admin = await gateway.start()
            try:
                self._stop = asyncio.get_running_loop(), stop
                graph = simulator.graph_url.removeprefix("http://")
                self._opened.set_result(Addresses(str(callers), str(admin), graph))
                await stop.wait()
            finally:
                await gateway.stop()
