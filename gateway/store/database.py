"""The file of the SQLite store: taken for one gateway alone, looked at before it is written to, readable by nobody else.

Rules
- A lock on a file beside it (`…-lock`) comes first; the kernel drops it with the process, however that ends. SQLite's
  own locks are POSIX ones, which any close of the file in the process would drop, hence another file.
- What is not ours, was written by a newer gateway or is damaged is told and left as it is.
- Mode 0600 for all of it: database, write-ahead log, its index and the lock. SQLite gives the log and the index the
  mode of the database.
- Whoever removes or replaces the file under a running gateway is told, instead of being written to a file without a name.

What it must not do: know what a record is.
"""

import fcntl
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from gateway.store import StoreDown

LAYOUT = 1
"""Counts the changes to the tables; SQLite keeps it as `user_version`."""
APPLICATION = int.from_bytes(b"LROg")
"""Tells our databases from those of others (https://sqlite.org/pragma.html#pragma_application_id)."""
LOCKED_FOR = 1.0
"""Seconds that another process, such as a backup, may keep us from writing before the store counts as down."""
LARGEST_IDLE_LOG = 8 * 1024 * 1024
"""Bytes of a write-ahead log that is kept for reuse; after a spike it is cut."""

TABLES = (
    """CREATE TABLE operations (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        holds INTEGER NOT NULL,     -- 1: answers for its key; 0: a later operation does
        epoch INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        schema INTEGER NOT NULL,    -- of the record
        seal TEXT,                  -- name of the key that the monitor is sealed with, or `clear`; NULL without one
        keep INTEGER NOT NULL,      -- 0: active; else how long it is kept after ended_at
        ended_at REAL,
        created_at REAL NOT NULL,
        record BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX holder ON operations (key) WHERE holds",
    "CREATE INDEX kept ON operations (keep, ended_at)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {LAYOUT}",
)

_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",  # what is purged held bearer secrets
    "PRAGMA trusted_schema = OFF",
    f"PRAGMA journal_size_limit = {LARGEST_IDLE_LOG}",
)

_FIXES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_BUSY: "another process keeps it locked; end that process, or its transaction",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the file's mode and how the disk is mounted",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that it is there and may be read and written",
    sqlite3.SQLITE_IOERR: "the disk failed; check it",
    sqlite3.SQLITE_NOTADB: "it is no database, or damaged; restore it, or move it away and lose what it remembers",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it, or move it away and lose what it remembers",
}


class Database:
    """One file, and the lock on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._inode: tuple[int, int] | None = None

    def connect(self) -> sqlite3.Connection:
        """A connection to the file; the first one takes the file over. Raises `StoreDown`."""
        try:
            fresh = self._take() if self._lock is None else self._kept()
            connection = self._connection("rw")
            try:
                self._prepare(connection, fresh=fresh)
            except BaseException:
                connection.close()
                raise
            return connection
        except sqlite3.Error as error:
            raise self.explained(error) from error
        except OSError as error:
            raise StoreDown(f"{self.path}: {error.strerror}; check operations.path") from error

    def check(self) -> None:
        """Raises `StoreDown` where the file is not the one that was opened."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise StoreDown(f"{self.path} is gone ({error.strerror}); restart the gateway") from error
        if (found.st_dev, found.st_ino) != self._inode:
            raise StoreDown(f"{self.path} was replaced by another file; restart the gateway")

    def close(self) -> None:
        """Let go of the lock; to be called after the last connection is closed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def explained(self, error: sqlite3.Error) -> StoreDown:
        """What an error of SQLite's means, and what to do about it."""
        code = primary_code(error)
        return StoreDown(
            f"{self.path}: {_FIXES[code]} ({error})" if code in _FIXES else f"{self.path}: {error}"
        )

    # --- taking the file over ----------------------------------------------------------------------------

    def _kept(self) -> bool:
        """The same as `_take`, where the file was taken over before."""
        self.check()
        return False

    def _take(self) -> bool:
        """Take the file over; whether there is nothing in it yet."""
        self.path = self.path.resolve()  # two names of one file must meet at one lock
        directory = self.path.parent
        if not directory.is_dir():
            raise StoreDown(f"the directory {directory} does not exist; create it, or change operations.path")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StoreDown(
                f"the directory {directory} cannot be written to; change its mode, or operations.path"
            )
        self._lock = self._locked()
        try:
            found = self._made()
            self._inode = (found.st_dev, found.st_ino)
            fresh = not found.st_size or self._is_empty()
            self._make_private()
        except BaseException:
            self.close()
            raise
        return fresh

    def _locked(self) -> int:
        """A descriptor with the lock."""
        lock = os.open(self._beside("-lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "of unknown number"
            os.close(lock)
            raise StoreDown(
                f"{self.path} is in use by another gateway (process {owner}); stop that one, or give each its own "
                "operations.path"
            ) from None
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _made(self) -> os.stat_result:
        """The file, which is there now."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            found = os.fstat(file)
        finally:
            os.close(file)
        if not stat.S_ISREG(found.st_mode):
            raise StoreDown(f"{self.path} is not a regular file; change operations.path")
        return found

    def _is_empty(self) -> bool:
        """Whether there is nothing in the file; reads only. Raises `StoreDown` where it is not ours to write."""
        with closing(self._connection("ro")) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not (application or layout or tables):
                return True
            if application != APPLICATION:
                raise StoreDown(f"{self.path} is the database of another program; change operations.path")
            if layout > LAYOUT:
                raise StoreDown(
                    f"{self.path} was written by a newer version of the gateway (layout {layout}; this one knows "
                    f"{LAYOUT}); run that version, or change operations.path"
                )
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise StoreDown(
                    f"{self.path}: {_FIXES[sqlite3.SQLITE_CORRUPT]} ({' '.join(verdict.split())})"
                )
            return False

    def _make_private(self) -> None:
        for suffix in ("", "-wal", "-shm", "-lock"):
            path = self._beside(suffix)
            with suppress(FileNotFoundError):
                if stat.S_IMODE(path.stat().st_mode) != 0o600:
                    path.chmod(0o600)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    # --- connections -------------------------------------------------------------------------------------

    def _connection(self, mode: str) -> sqlite3.Connection:
        address = f"file:{quote(os.fsencode(self.path))}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=LOCKED_FOR, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection, *, fresh: bool) -> None:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreDown(f"{self.path} is on a disk that takes no write-ahead log; change operations.path")
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
        if fresh:
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")


def primary_code(error: BaseException) -> int | None:
    """SQLite's result code, without the detail in its upper bits; None where SQLite had no part in it."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
