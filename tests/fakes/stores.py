"""SQLite stores to test with, and what another program sees of their file."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from fakes.records import START
from gateway.store.record import RecordUnreadable
from gateway.store.sqlite import SqliteStore

KEEP_FINISHED, KEEP_KEYED = 900.0, 86_400.0


def at_start() -> float:
    return START


@asynccontextmanager
async def opened(
    path: Path,
    *,
    now: Callable[[], float] = at_start,
    max_active: int = 1000,
    keep_finished: float = KEEP_FINISHED,
    keys: tuple[bytes, ...] = (),
    report: Callable[[RecordUnreadable], None] | None = None,
) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(
        path=path,
        now=now,
        max_active=max_active,
        keep_finished=keep_finished,
        keep_keyed=KEEP_KEYED,
        keys=keys,
        report=report,
    )
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def sql(path: Path, statement: str, *values: object) -> list[Any]:
    """What another program gets that opens the file and does this."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def on_disk(path: Path) -> bytes:
    """All that stands in the database and beside it."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))
