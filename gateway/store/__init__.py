"""Where operations are remembered: one contract for every store.

Rules: a store keeps `Operation` records and compares before it writes. It knows nothing of HTTP, credentials or
dialects, decides nothing about sameness, and never removes a record that is still active.

What a record means durably depends on the store; the order of saving before acting is the callers' duty.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.model import Operation

LEASE = 10.0
"""Seconds after which a process that has not been heard of counts as gone, and what it owned may be taken over."""


class StoreFull(Exception):
    """There is no room for another active operation; nothing was written."""


class Conflict(Exception):
    """The record was changed by somebody else since it was read; nothing was written."""


class StoreDown(Exception):
    """The store's medium failed (disk full, server gone, not ours to write). What is said of it is fit for a log."""


class Store(Protocol):
    """Remembers operations. Every method that awaits may raise `StoreDown`; nothing was written then, as far as it can
    know.
    """

    shared: bool
    """Whether other processes may use it at the same time."""

    async def open(self) -> None:
        """Get ready; to be called once, before anything else. Raises `StoreDown` with what to do about it."""

    async def secret(self) -> bytes:
        """32 random bytes that live as long as the records do: dedupe keys and tickets are made with them."""

    async def find(self, key: str) -> Operation | None:
        """The record that answers for this dedupe key now; None where none does."""

    async def get(self, operation_id: str) -> Operation | None:
        """The record of this id, also where a later operation has taken over its key."""

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        """Insert a new record as its key's holder, but only if the holder still is exactly `replaces`.

        False where another call was faster: look again. Raises `StoreFull`.
        """

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        """Write over `previous`, provided it still is what is stored. Raises `Conflict`."""

    def save_at_once(self, operation: Operation, *, previous: Operation) -> bool:
        """As `save`, without waiting; False where that cannot be done, or `previous` is not what is stored: nothing was
        written then.
        """

    async def discard(self, operation: Operation) -> None:
        """Forget a record that came to nothing, provided it still is exactly this one. Raises `Conflict`.

        Its key goes back to the record that it `supersedes`, if that is still there.
        """

    async def left_behind(self) -> Sequence[Operation]:
        """The active records whose owner is gone, in no particular order. Whoever goes on with one writes `TakenOver`
        over it first. The owner of a record is the process that wrote it last.

        In a store of one process those are all that are active: to be asked once, before there are callers. A shared
        store knows by a lease who is gone, and is asked again every `LEASE` seconds or so.
        """

    def tenure(self) -> Callable[[], bool]:
        """A question to be asked later, right before a byte is sent: whether what this process owned when `tenure` was
        called has been its own beyond doubt ever since. It does not ask the medium.

        No, once a lease was so old in between that another process may have taken over, even if it is renewed by now.
        """

    def watch(self, heard: Callable[[str | None], None]) -> None:
        """From now on call `heard` with the id of each record that another process ended, discarded or noted a
        delivery of; with None where some may have been missed, so that all that matter have to be looked at.

        Called on the event loop; must not raise.
        """

    async def all(self) -> Sequence[Operation]:
        """Every record, the newest first."""

    async def close(self) -> None:
        """Let go of files and connections."""
