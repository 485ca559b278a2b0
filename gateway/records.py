"""Writing an operation's next state: the one way from an event to a stored record that everybody hears of.

Rules: `apply` computes the next record, stores it over the one it was computed from, and only then tells the
observers and whoever waits. Where the store says that somebody else was faster, nothing happens here.
"""

from collections.abc import Callable

from gateway import events, lifecycle, pacing
from gateway.clock import Clock
from gateway.model import Operation, State
from gateway.store import Store
from gateway.telemetry import Observer


class Records:
    """The store, with the lifecycle in front of it and the listeners behind."""

    def __init__(self, store: Store, clock: Clock, observer: Observer, polling: pacing.Polling) -> None:
        self.store = store
        self.polling = polling
        self._clock = clock
        self._observer = observer
        self._listeners: list[Callable[[Operation], None]] = []

    def listen(self, listener: Callable[[Operation], None]) -> None:
        """`listener` is called with every record right after it was stored; it must not raise or await."""
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
        self._tell(operation, moved)
        return moved

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        """Insert a new record; see `Store.claim`."""
        if not await self.store.claim(operation, replaces=replaces):
            return False
        self._tell(None, operation)
        return True

    def _tell(self, before: Operation | None, after: Operation) -> None:
        self._observer.operation_changed(before, after)
        for listener in self._listeners:
            listener(after)
