"""The table of the SQLite store: what is compared and written in one go.

Rules
- Every method runs within a transaction of the writer's thread, which alone uses a `Table`. What it raises, it raises
  before it writes.
- Retention is the memory store's, reckoned by today's configuration. It ends what is ended: never a record that is
  active, nor one of a schema that is not known here.
- A record that cannot be read is there: it is told, never taken for none, never written over.
- Writing once more what is stored already succeeds: after a failed commit nobody knows for certain.

What it must not do: await, or keep anything that a transaction which came to nothing would have to take back.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway import crashpoints
from gateway.model import ACTIVE, Operation
from gateway.store import Conflict, StoreDown, StoreFull
from gateway.store.keeping import Keep, keeping, new_secret, open_secret, seal_secret
from gateway.store.record import SCHEMA, RecordUnreadable, decode, encode, sift
from gateway.store.sealed import Seals, sealed_with

PURGE_EVERY = 60.0
"""Seconds between two looks for what has expired."""
PURGE_AT_ONCE = 200
"""Records of a kind that one purge removes; the next job waits no longer than that takes."""

Row = tuple[Any, ...]
"""id, key, epoch, revision, keep, ended_at, record."""


class Table:
    """The records, by one connection at a time."""

    def __init__(
        self, *, now: Callable[[], float], max_active: int, kept: Mapping[Keep, float], seals: Seals
    ) -> None:
        """`kept`: seconds since an operation ended."""
        self._now = now
        self._max_active = max_active
        self._kept = kept
        self._seals = seals
        self._active: int | None = None
        """How many records are active; None where that has to be counted."""
        self._purge_at = 0.0
        self._resealed = False

    # --- reading -----------------------------------------------------------------------------------------

    def find(self, connection: sqlite3.Connection, key: str) -> Operation | None:
        return self._read(_holder(connection, key))

    def get(self, connection: sqlite3.Connection, operation_id: str) -> Operation | None:
        return self._read(_row(connection, operation_id))

    @staticmethod
    def rows(connection: sqlite3.Connection, *, active: bool) -> list[Row]:
        """Rows to `sift`: those that are active, or all, the newest first."""
        return connection.execute(
            "SELECT id, key, epoch, revision, keep, ended_at, record FROM operations"
            " WHERE keep = 0 OR NOT ? ORDER BY created_at DESC",
            (active,),
        ).fetchall()

    def sift(self, rows: Iterable[Row]) -> tuple[list[Operation], list[RecordUnreadable]]:
        """The records in rows, and what is wrong with those that cannot be read. For any thread."""
        return sift(rows, self._read)

    def _read(self, row: Row | None) -> Operation | None:
        """The record in a row, unless it has expired. Raises `RecordUnreadable`."""
        if row is None:
            return None
        operation_id, key, epoch, revision, keep, ended_at, record = row
        operation = decode(record, operation_id=operation_id, key=key, seals=self._seals)
        if (epoch, revision, keep, ended_at) != (operation.epoch, operation.revision, *keeping(operation)):
            raise RecordUnreadable(operation_id, "its row contradicts it")
        return None if self._expired(operation) else operation

    def _expired(self, operation: Operation) -> bool:
        keep, ended_at = keeping(operation)
        return ended_at is not None and self._now() >= ended_at + self._kept[keep]

    # --- writing -----------------------------------------------------------------------------------------

    def claim(self, connection: sqlite3.Connection, operation: Operation, replaces: Operation | None) -> bool:
        row = _holder(connection, operation.key)
        holder = self._read(row)
        if holder == operation:
            return True
        if _version(holder) != _version(replaces):
            return False
        if self._count(connection) >= self._max_active:
            raise StoreFull
        values = self._values(operation)
        if row is not None:
            connection.execute("UPDATE operations SET holds = 0 WHERE id = ?", row[:1])
        connection.execute(
            "INSERT INTO operations (epoch, revision, schema, seal, keep, ended_at, record, id, key, created_at, holds)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (*values, operation.id, operation.key, operation.created_at),
        )
        self._add(operation.state in ACTIVE)
        return True

    def save(self, connection: sqlite3.Connection, operation: Operation, previous: Operation) -> None:
        if self._expired(previous):
            raise Conflict
        written = connection.execute(
            "UPDATE operations SET epoch = ?, revision = ?, schema = ?, seal = ?, keep = ?, ended_at = ?, record = ?"
            " WHERE id = ? AND key = ? AND epoch = ? AND revision = ?",
            (*self._values(operation), previous.id, operation.key, previous.epoch, previous.revision),
        ).rowcount
        if written:
            self._add((operation.state in ACTIVE) - (previous.state in ACTIVE))
        elif self._read(_row(connection, operation.id)) != operation:
            raise Conflict

    def discard(self, connection: sqlite3.Connection, operation: Operation) -> None:
        if self._expired(operation) or not self._remove(connection, operation, operation.supersedes):
            raise Conflict

    def unclaim(
        self, connection: sqlite3.Connection, operation: Operation, replaces: Operation | None
    ) -> None:
        """Take a claim back, as if it had never been; nothing where there is none, or it has gone on since."""
        self._remove(connection, operation, replaces.id if replaces is not None else None)

    def _remove(self, connection: sqlite3.Connection, operation: Operation, heir: str | None) -> bool:
        """Remove exactly this record; its key, if it had it still, goes to the record that is named `heir`."""
        removed = connection.execute(
            "DELETE FROM operations WHERE id = ? AND epoch = ? AND revision = ?",
            (operation.id, operation.epoch, operation.revision),
        ).rowcount
        if not removed:
            return False
        self._add(-(operation.state in ACTIVE))
        if heir is not None and _holder(connection, operation.key) is None:
            connection.execute(
                "UPDATE operations SET holds = 1 WHERE id = ? AND key = ?", (heir, operation.key)
            )
        return True

    def _values(self, operation: Operation) -> tuple[object, ...]:
        """epoch, revision, schema, seal, keep, ended_at, record."""
        seal = self._seals.current if operation.monitor is not None else None
        keep, ended_at = keeping(operation)
        return (
            operation.epoch,
            operation.revision,
            SCHEMA,
            seal,
            int(keep),
            ended_at,
            encode(operation, self._seals),
        )

    def _count(self, connection: sqlite3.Connection) -> int:
        if self._active is None:
            self._active = connection.execute("SELECT count(*) FROM operations WHERE keep = 0").fetchone()[0]
        return self._active

    def _add(self, more: int) -> None:
        if self._active is not None:
            self._active += more

    def forget(self) -> None:
        """What was counted in a transaction that came to nothing does not count."""
        self._active = None

    def purge(self, connection: sqlite3.Connection) -> None:
        """Remove some of what has expired, if it is time to.

        By its columns alone: they stand in an index too, with which they are compared on opening (`database`).
        """
        if self._resealed:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._resealed = False
        now = self._now()
        if now < self._purge_at:
            return
        removed = 0
        for keep, seconds in self._kept.items():
            removed += connection.execute(
                "DELETE FROM operations WHERE id IN (SELECT id FROM operations"
                " WHERE keep = ? AND ended_at <= ? AND schema <= ? LIMIT ?)",
                (int(keep), now - seconds, SCHEMA, PURGE_AT_ONCE),
            ).rowcount
            if removed:
                crashpoints.reach("during_purge")
        if removed < PURGE_AT_ONCE:
            self._purge_at = now + PURGE_EVERY

    # --- the secret, and a change of keys ----------------------------------------------------------------

    def prepare(self, connection: sqlite3.Connection) -> bytes:
        """The store's secret, with everything sealed by the newest key. Raises `StoreDown`."""
        found = connection.execute("SELECT value FROM facts WHERE name = 'secret'").fetchone()
        if found is None and connection.execute("SELECT count(*) FROM operations").fetchone()[0]:
            raise StoreDown(
                "the store has lost its secret, without which nothing in it is found; restore the file"
            )
        secret = open_secret(found[0], self._seals) if found is not None else new_secret()
        if found is None or sealed_with(found[0]) != self._seals.current:
            sealed = seal_secret(secret, self._seals)
            connection.execute("INSERT OR REPLACE INTO facts (name, value) VALUES ('secret', ?)", (sealed,))
            self._reseal(connection)
        return secret

    def _reseal(self, connection: sqlite3.Connection) -> None:
        """Seal with the newest key what another sealed, or none, so that the others need not be kept for long."""
        rows = connection.execute(
            "SELECT id, key, epoch, revision, keep, ended_at, record FROM operations"
            " WHERE seal <> ? AND schema <= ?",
            (self._seals.current, SCHEMA),
        ).fetchall()
        for operation in self.sift(rows)[0]:
            connection.execute(
                "UPDATE operations SET schema = ?, seal = ?, record = ? WHERE id = ?",
                (SCHEMA, self._seals.current, encode(operation, self._seals), operation.id),
            )
        self._resealed = bool(rows)


def _row(connection: sqlite3.Connection, operation_id: str) -> Row | None:
    query = "SELECT id, key, epoch, revision, keep, ended_at, record FROM operations WHERE id = ?"
    row: Row | None = connection.execute(query, (operation_id,)).fetchone()
    return row


def _holder(connection: sqlite3.Connection, key: str) -> Row | None:
    """The row that answers for a key."""
    query = "SELECT id, key, epoch, revision, keep, ended_at, record FROM operations WHERE key = ? AND holds"
    row: Row | None = connection.execute(query, (key,)).fetchone()
    return row


def _version(operation: Operation | None) -> tuple[str, int, int] | None:
    return (operation.id, operation.epoch, operation.revision) if operation is not None else None
