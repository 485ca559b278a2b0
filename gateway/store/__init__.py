"""Where operations are remembered: one contract for every store.

Rules: a store keeps `Operation` records and compares before it writes. It knows nothing of HTTP, credentials or
dialects, decides nothing about sameness, and never removes a record that is still active.

What a record means durably depends on the store; the order of saving before acting is the callers' duty.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.model import Operation


class StoreFull(Exception):
    """There is no room for another active operation; nothing was written."""


class Conflict(Exception):
    """The record was changed by somebody else since it was read; nothing was written."""


class StoreDown(Exception):
    """The store's medium failed (disk full, server gone, not ours to write). What is said of it is fit for a log."""


class Store(Protocol):
    """Remembers operations. Every method may raise `StoreDown`; nothing was written then, as far as it can know."""

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

    async def discard(self, operation: Operation) -> None:
        """Forget a record that came to nothing, provided it still is exactly this one. Raises `Conflict`.

        Its key goes back to the record that it `supersedes`, if that is still there.
        """

    async def active(self) -> Sequence[Operation]:
        """The records that are active, in no particular order: what a new owner has to go on with."""

    async def all(self) -> Sequence[Operation]:
        """Every record, the newest first."""

    async def close(self) -> None:
        """Let go of files and connections."""
