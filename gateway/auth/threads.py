"""Threads of our own for a library that blocks: MSAL's requests are synchronous.

Rules: few threads, started when there is work for them; work that nobody waits for any more is skipped. They are
daemons: one that is stuck in a call delays neither the others nor the end of the process, which is why this is no
`ThreadPoolExecutor`: the interpreter waits for those.

What this module must not do: know what the work is.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class Busy(Exception):
    """Too much is waiting already."""


@dataclass(frozen=True, slots=True)
class Job:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Threads:
    """Runs blocking work beside the event loop."""

    def __init__(self, *, name: str, size: int, backlog: int) -> None:
        """At most `size` threads; past `backlog` unfinished jobs no more are taken."""
        self._name = name
        self._size = size
        self._backlog = backlog
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._started = 0
        self._unfinished = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Whoever stops waiting leaves it to end by itself. Raises `Busy`."""
        if self._unfinished >= self._backlog:
            raise Busy
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._unfinished += 1
        if self._started < min(self._size, self._unfinished):
            self._started += 1
            name = f"{self._name} {self._started}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._jobs.put(Job(work, done, loop))
        return await done

    def close(self) -> None:
        """Let idle threads end; nobody waits for the others."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            result: Any = None
            failure: Exception | None = None
            if not job.done.cancelled():
                try:
                    result = job.work()
                except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits gets it
                    failure = error
            try:
                job.loop.call_soon_threadsafe(self._finish, job.done, result, failure)
            except RuntimeError:  # the loop is closed: nobody waits
                return

    def _finish(self, done: "asyncio.Future[Any]", result: object, failure: Exception | None) -> None:
        self._unfinished -= 1
        if done.cancelled():
            return
        if failure is not None:
            done.set_exception(failure)
        else:
            done.set_result(result)
