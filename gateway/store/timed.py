"""A store that says how long each of its methods takes, and which of them failed.

Rules: it stands in front of another store and changes nothing that goes in or comes out.

What it must not do: remember anything.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

from gateway.clock import Clock
from gateway.model import Operation
from gateway.store import Store, StoreDown

T = TypeVar("T")


class Used(Protocol):
    """Is told of each use."""

    def __call__(self, method: str, seconds: float, *, failed: bool) -> None: ...


class TimedStore:
    """Another store, and a watch."""

    def __init__(self, store: Store, clock: Clock, used: Used) -> None:
        self._store = store
        self._clock = clock
        self._used = used
        self.shared = store.shared
        self.open = store.open
        self.secret = store.secret
        self.tenure = store.tenure
        self.watch = store.watch
        self.close = store.close

    async def find(self, key: str) -> Operation | None:
        return await self._timed("find", self._store.find(key))

    async def get(self, operation_id: str) -> Operation | None:
        return await self._timed("get", self._store.get(operation_id))

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        return await self._timed("claim", self._store.claim(operation, replaces=replaces))

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        await self._timed("save", self._store.save(operation, previous=previous))

    def save_at_once(self, operation: Operation, *, previous: Operation) -> bool:
        began = self._clock.monotonic()
        if not self._store.save_at_once(operation, previous=previous):
            return False
        self._used("save", self._clock.monotonic() - began, failed=False)
        return True

    async def discard(self, operation: Operation) -> None:
        await self._timed("discard", self._store.discard(operation))

    async def left_behind(self) -> Sequence[Operation]:
        return await self._timed("left_behind", self._store.left_behind())

    async def all(self) -> Sequence[Operation]:
        return await self._timed("all", self._store.all())

    async def _timed(self, method: str, work: Awaitable[T]) -> T:
        began = self._clock.monotonic()
        failed = False
        try:
            return await work
        except StoreDown:
            failed = True
            raise
        finally:
            self._used(method, self._clock.monotonic() - began, failed=failed)
