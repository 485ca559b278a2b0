"""The SQLite store: what one gateway remembers, in a file that outlives it.

    store = SqliteStore(path=…, now=…, max_active=…, keep_finished=…, keep_keyed=…, keys=())

    sqlite      the contract, on the event loop
    writer      the thread that does it, and its commits
    table       what is compared and written in one transaction
    record      a record as bytes, its monitor URL `sealed`
    database    the file: whose it is, who may read it, whether it is whole

Rules
- An operation that was claimed, and each change of its state, is on the disk before the call returns. Progress of
  one that goes on running survives the death of the process, not the machine's: it can be asked for again.
- A record that cannot be read answers for its key all the same: `find` and `get` raise `RecordUnreadable`, a kind of
  `StoreDown`, so that nothing is started twice because of it. `active` and `all` leave it out and report it.
- A call that is cancelled leaves no claim behind; what it was about to save or discard is done. On a disk that hangs,
  what reads or claims gives up after `writer.PATIENCE`, and what saves waits.
- There is no bound on records that have ended, because forgetting one early may copy something twice: the file grows
  to what the rate of operations and `keep_*` make of it, and its space is used again.

What it must not do: wait on the event loop; run SQL outside of the writer's thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.model import Operation, State
from gateway.store import StoreDown
from gateway.store.database import Database
from gateway.store.keeping import Keep
from gateway.store.memory import KEEP_UNCLEAR
from gateway.store.record import RecordUnreadable
from gateway.store.sealed import Seals
from gateway.store.table import Table
from gateway.store.writer import Weight, Writer


class SqliteStore:
    """Records in one file."""

    shared = False

    def __init__(
        self,
        *,
        path: Path,
        now: Callable[[], float],
        max_active: int,
        keep_finished: float,
        keep_keyed: float,
        keys: Sequence[bytes] = (),
        report: Callable[[RecordUnreadable], None] | None = None,
    ) -> None:
        """`keep_*` are seconds since an operation ended; `keys` seal, the newest first. `now` is called in other
        threads; `report` on the event loop, once for each record that cannot be read.
        """
        kept = {Keep.FINISHED: keep_finished, Keep.KEYED: keep_keyed, Keep.UNCLEAR: KEEP_UNCLEAR}
        self._table = Table(now=now, max_active=max_active, kept=kept, seals=Seals(keys))
        self._writer = Writer(Database(path), tend=self._table.purge, undone=self._table.forget)
        self._report = report
        self._reported: set[str] = set()
        self._secret = b""

    async def open(self) -> None:
        self._writer.start()
        try:
            self._secret = await self._writer.put(Weight.DURABLE, self._table.prepare)
        except BaseException:
            await self._writer.close()
            raise

    async def close(self) -> None:
        await self._writer.close()

    async def secret(self) -> bytes:
        return self._secret

    async def find(self, key: str) -> Operation | None:
        return await self._writer.do(Weight.READ, lambda connection: self._table.find(connection, key))

    async def get(self, operation_id: str) -> Operation | None:
        return await self._writer.do(
            Weight.READ, lambda connection: self._table.get(connection, operation_id)
        )

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        table = self._table
        try:
            return await self._writer.do(
                Weight.DURABLE, lambda connection: table.claim(connection, operation, replaces)
            )
        except (asyncio.CancelledError, StoreDown):
            # Nobody will drive the operation, so nobody must join it. Without effect where nothing was claimed.
            with suppress(StoreDown):
                undoing = self._writer.put(
                    Weight.DURABLE, lambda connection: table.unclaim(connection, operation, replaces)
                )
                undoing.add_done_callback(_heard)
            raise

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        goes_on = operation.state is previous.state is State.RUNNING and operation.epoch == previous.epoch
        weight = Weight.RELAXED if goes_on else Weight.DURABLE
        # However long it takes: told that it failed, its caller would not know whether it was done later.
        await self._writer.put(weight, lambda connection: self._table.save(connection, operation, previous))

    def save_at_once(self, operation: Operation, *, previous: Operation) -> bool:
        """Never: the disk has to be waited for."""
        return False

    async def discard(self, operation: Operation) -> None:
        await self._writer.put(Weight.DURABLE, lambda connection: self._table.discard(connection, operation))

    async def left_behind(self) -> Sequence[Operation]:
        return await self._readable(active=True)

    def tenure(self) -> Callable[[], bool]:
        return lambda: True  # the file is locked

    def watch(self, heard: Callable[[str | None], None]) -> None:
        """Nobody else writes here."""

    async def all(self) -> Sequence[Operation]:
        return await self._readable(active=False)

    async def _readable(self, *, active: bool) -> list[Operation]:
        rows = await self._writer.do(
            Weight.READ, lambda connection: self._table.rows(connection, active=active)
        )
        # Many take a while to read, for which neither the event loop nor the writer should stand still.
        found, unreadable = await asyncio.to_thread(self._table.sift, rows)
        for error in unreadable:
            if error.operation_id not in self._reported and self._report is not None:
                self._reported.add(error.operation_id)
                self._report(error)
        return found


def _heard(future: "asyncio.Future[None]") -> None:
    """Nobody else will ask how this went."""
    if not future.cancelled():
        future.exception()
