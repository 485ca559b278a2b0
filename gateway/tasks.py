"""Background tasks with a name and a keeper: the only place that calls `asyncio.create_task`.

The event loop holds tasks weakly: one that nobody keeps can vanish half-way, and its exception with it. A keeper
holds every task until it ends, reports what it raised, and can wait for or cancel them all.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

ASK_AGAIN = 1.0
"""Seconds that a task has to end after it was cancelled, before it is cancelled once more."""


class Tasks:
    """Starts, names and keeps tasks."""

    def __init__(self, on_crash: Callable[[str, BaseException], None] | None = None) -> None:
        """`on_crash` is called with a task's name and exception where nobody else would have seen it."""
        self._kept: set[asyncio.Task[Any]] = set()
        self._on_crash = on_crash

    def __len__(self) -> int:
        return len(self._kept)

    def names(self) -> list[str]:
        return sorted(task.get_name() for task in self._kept)

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - this is the wrapper
        self._kept.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._kept.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._on_crash is not None:
            self._on_crash(task.get_name(), error)

    async def settle(self) -> None:
        """Return when no task is left, those that were started meanwhile included."""
        while self._kept:
            await asyncio.wait(self._kept)

    async def cancel(self) -> None:
        """Cancel what is left and wait for it to end.

        Again and again: before Python 3.12 `asyncio.wait_for`, which libraries use, may swallow a cancellation.
        """
        while self._kept:
            for task in self._kept:
                task.cancel()
            await asyncio.wait(self._kept, timeout=ASK_AGAIN)
