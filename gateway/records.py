"""Writing an operation's next state: the one way from an event to a stored record that everybody hears of.

Rules: `apply` computes the next record, stores it over the one it was computed from, and only then tells the
observers and whoever waits. Where the store says that somebody else was faster, nothing happens here.

Writing takes time, and a caller may leave in the middle of it: whoever acts for a caller uses `settle`, whose work is
done to its end by a task of its own, so that nothing is ever stored that nobody here was told of.
"""

import asyncio
from collections.abc import Callable

from gateway import crashpoints, events, lifecycle, pacing
from gateway.clock import Clock
from gateway.model import ACTIVE, FINISHED, Operation, State
from gateway.store import Conflict, Store, StoreDown
from gateway.tasks import Tasks
from gateway.telemetry import Observer


class Records:
    """The store, with the lifecycle in front of it and the listeners behind."""

    def __init__(
        self, store: Store, clock: Clock, observer: Observer, polling: pacing.Polling, tasks: Tasks
    ) -> None:
        """`tasks`: those that stopping waits for."""
        self.store = store
        self.tasks = tasks
        self.polling = polling
        self._clock = clock
        self._observer = observer
        self._listeners: list[Callable[[Operation], None]] = []

    def listen(self, listener: Callable[[Operation], None]) -> None:
        """`listener` is called with every record that has come into another state, or to another owner, right after it was
        stored; it must not raise or await.
        """
        self._listeners.append(listener)

    async def apply(self, operation: Operation, event: events.Event) -> Operation:
        """The record after `event`, stored.

        Raises `lifecycle.IllegalTransition`, `store.Conflict`, or what the store raises when it is down.
        """
        moved = lifecycle.advance(operation, event, self._clock.now(), polling=self.polling)
        if moved.state is State.REJECTED:
            await self.store.discard(operation)
        else:
            await self.store.save(moved, previous=operation)
        self._stored(operation, moved)
        return moved

    def apply_at_once(self, operation: Operation, event: events.Event) -> Operation | None:
        """As `apply`, where it needs no waiting; None where it does, or would be a conflict: nothing was done then."""
        moved = lifecycle.advance(operation, event, self._clock.now(), polling=self.polling)
        if moved.state is State.REJECTED or not self.store.save_at_once(moved, previous=operation):
            return None
        self._stored(operation, moved)
        return moved

    async def settle(self, operation: Operation, event: events.Event) -> Operation:
        """As `apply`, for one that may be cancelled: what was begun is done, and told, all the same."""

        async def work() -> Operation | Conflict | StoreDown:
            try:
                return await self.apply(operation, event)
            except (Conflict, StoreDown) as error:
                return error

        done = await asyncio.shield(self.tasks.start(f"store {operation.id}", work()))
        if isinstance(done, Exception):
            raise done
        return done

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        """Insert a new record; see `Store.claim`."""
        if not await self.store.claim(operation, replaces=replaces):
            return False
        self._tell(None, operation)
        return True

    def _stored(self, before: Operation, after: Operation) -> None:
        if before.state in ACTIVE and after.state in FINISHED:
            crashpoints.reach("after_result_durable")
        self._tell(before, after)

    def _tell(self, before: Operation | None, after: Operation) -> None:
        self._observer.operation_changed(before, after)
        if before is None or before.state is not after.state or before.epoch != after.epoch:
            for listener in self._listeners:
                listener(after)
