"""The memory store: what this process remembers, and no longer than it lives.

Rules: active operations are kept until they end. Ended ones are kept for as long as the replay table can ask for
them (`keep_finished`, or `keep_keyed` for those that a caller named; a day for those whose outcome is not known). There is
a bound on those: past it the least recently used are forgotten of which nobody can want anything but a replay of what
he has, and where that is not enough nothing new is begun, for what is forgotten early may be copied twice. No method
awaits anything, so each is atomic on the event loop.

What it must not do: promise anything across a restart.
"""

import math
import secrets
from collections.abc import Callable, Sequence

from cachetools import TLRUCache

from gateway.model import ACTIVE, FINISHED, Operation
from gateway.store import Conflict, StoreFull

KEEP_UNCLEAR = 86_400.0
"""Seconds that an unknown or lost outcome is remembered: as long as a monitor URL has been seen to live."""


class MemoryStore:
    """Records in dictionaries, the ended ones in a cache with a time to live."""

    shared = False

    def __init__(
        self,
        *,
        now: Callable[[], float],
        max_active: int,
        keep_finished: float,
        keep_keyed: float,
        max_ended: int | None = None,
    ) -> None:
        """`keep_*` are seconds since an operation ended; `max_ended` defaults to ten times `max_active`."""
        self._max_active = max_active
        self._keep_finished = keep_finished
        self._keep_keyed = keep_keyed
        self._secret = secrets.token_bytes(32)
        self._active: dict[str, Operation] = {}
        self._max_ended = max_ended or 10 * max_active
        self._ended: TLRUCache[str, Operation] = TLRUCache(
            maxsize=self._max_ended, ttu=self._expires_at, timer=now
        )
        """Delivered to a caller."""
        self._owed: TLRUCache[str, Operation] = TLRUCache(maxsize=math.inf, ttu=self._expires_at, timer=now)
        """The others: not delivered, or not clear how they ended."""
        self._holder: dict[str, str] = {}
        """Dedupe key to the id that answers for it; entries of expired records are dropped when met."""

    def _expires_at(self, _id: str, operation: Operation, now: float) -> float:
        ended_at = operation.ended_at if operation.ended_at is not None else now
        if operation.state not in FINISHED:
            return ended_at + KEEP_UNCLEAR
        return ended_at + (self._keep_keyed if operation.keyed else self._keep_finished)

    async def open(self) -> None:
        """Nothing to get ready."""

    async def secret(self) -> bytes:
        return self._secret

    async def find(self, key: str) -> Operation | None:
        holder = self._holder.get(key)
        if holder is None:
            return None
        operation = self._look(holder)
        if operation is None:
            del self._holder[key]
        return operation

    async def get(self, operation_id: str) -> Operation | None:
        return self._look(operation_id)

    def _look(self, operation_id: str) -> Operation | None:
        return self._active.get(operation_id) or self._owed.get(operation_id) or self._ended.get(operation_id)

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        if _version(await self.find(operation.key)) != _version(replaces):
            return False
        if len(self._active) >= self._max_active or len(self._owed) >= self._max_ended:
            raise StoreFull
        self._put(operation)
        self._holder[operation.key] = operation.id
        return True

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        if not self.save_at_once(operation, previous=previous):
            raise Conflict

    def save_at_once(self, operation: Operation, *, previous: Operation) -> bool:
        stored = self._look(previous.id)
        if stored is not previous and _version(stored) != _version(previous):
            return False
        self._put(operation)
        return True

    async def discard(self, operation: Operation) -> None:
        if _version(self._look(operation.id)) != _version(operation):
            raise Conflict
        self._take(operation.id)
        if self._holder.get(operation.key) == operation.id:
            del self._holder[operation.key]
            if operation.supersedes is not None and self._look(operation.supersedes) is not None:
                self._holder[operation.key] = operation.supersedes

    async def left_behind(self) -> Sequence[Operation]:
        return list(self._active.values())

    def tenure(self) -> Callable[[], bool]:
        return lambda: True

    def watch(self, heard: Callable[[str | None], None]) -> None:
        """Nobody else writes here."""

    async def all(self) -> Sequence[Operation]:
        self._sweep()
        records = [*self._active.values(), *self._owed.values(), *self._ended.values()]
        return sorted(records, key=lambda operation: operation.created_at, reverse=True)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _put(self, operation: Operation) -> None:
        if operation.state in ACTIVE and operation.id in self._active:
            self._active[operation.id] = operation
            return
        self._take(operation.id)
        if operation.state in ACTIVE:
            self._active[operation.id] = operation
            return
        done_with = operation.state in FINISHED and operation.delivered_at is not None
        (self._ended if done_with else self._owed)[operation.id] = operation
        if len(self._holder) > 2 * (len(self._active) + len(self._owed) + len(self._ended)) + 64:
            self._sweep()

    def _take(self, operation_id: str) -> None:
        for records in (self._active, self._owed, self._ended):
            if records.pop(operation_id, None) is not None:
                return

    def _sweep(self) -> None:
        """Drop what has expired, and the keys that led there."""
        self._owed.expire()
        self._ended.expire()
        self._holder = {
            key: holder
            for key, holder in self._holder.items()
            if holder in self._active or holder in self._owed or holder in self._ended
        }


def _version(operation: Operation | None) -> tuple[str, int, int] | None:
    return (operation.id, operation.epoch, operation.revision) if operation is not None else None
