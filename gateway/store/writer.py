"""The thread that owns a database: what is asked of it is done in order, and what waits together in one commit.

Rules
1. Nothing but this thread touches the connection; the event loop puts jobs in a queue and awaits their outcomes.
2. Outcomes are told after the commit, and the commit reaches the disk first where any of its jobs is `DURABLE`. Many
   callers share one such commit, so that their number, and not the disk's latency, sets the pace.
3. The trouble of one job stays its own: a batch that fails is undone and done again job by job.
4. What writes is done even where nobody waits for the outcome any more: it may be evidence.
5. A connection that failed in a way that may last is closed; the next job makes another. So a disk that recovers is
   enough for the store to recover.

What it must not do: know what a job does.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from gateway.store import Conflict, StoreDown, StoreFull
from gateway.store.database import Database, primary_code

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Runs in the thread, perhaps more than once; what it raises undoes what it wrote, except for `ANSWERS`."""

ANSWERS = (Conflict, StoreFull, StoreDown)
"""What work may say without having written anything; it does not concern the jobs beside it."""
PATIENCE = 10.0
"""Seconds until a disk that neither answers nor fails counts as down."""
IDLE = 60.0
"""Seconds without a job after which the database is tended to."""
LARGEST_BATCH = 256
"""Jobs in one commit; a bound on how long the first of them waits for the last."""
SUSPECT = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
}
"""After these a new connection may do better."""


class Weight(IntEnum):
    """What a job asks of the disk."""

    READ = 0
    RELAXED = 1
    """Survives the death of the process; the machine's loss of power may undo it (`synchronous = NORMAL`)."""
    DURABLE = 2
    """On the disk before anybody hears of it (`synchronous = FULL`)."""


@dataclass(slots=True, eq=False)
class Job:
    weight: Weight
    work: Work[Any]
    future: "asyncio.Future[Any]"


@dataclass(slots=True)
class Outcome:
    future: "asyncio.Future[Any]"
    value: Any = None
    error: Exception | None = None


class Writer:
    """A thread with a connection."""

    def __init__(
        self,
        database: Database,
        *,
        tend: Callable[[sqlite3.Connection], None],
        undone: Callable[[], None],
    ) -> None:
        """`tend` is called now and then, outside of a transaction; `undone` whenever work was undone. Both run in
        the thread.
        """
        self.patience = PATIENCE
        self._database = database
        self._tend = tend
        self._undone = undone
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._over: asyncio.Future[None] | None = None
        self._connection: sqlite3.Connection | None = None
        self._level: Weight | None = None

    # --- on the event loop -------------------------------------------------------------------------------

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="lro-gateway store", daemon=True)
        self._thread.start()

    async def do(self, weight: Weight, work: Work[T]) -> T:
        """What `work` returns, or raises. Raises `StoreDown` also where the disk does not answer in time; what writes
        may then be done later.
        """
        future = self.put(weight, work)
        try:
            async with asyncio.timeout(self.patience):
                return await future
        except TimeoutError:
            told = f"{self._database.path}: no answer within {self.patience:g} s; check the disk"
            raise StoreDown(told) from None

    def put(self, weight: Weight, work: Work[T]) -> "asyncio.Future[T]":
        """Have it done, after everything that was put before. Its outcome is as of `do`, without the time."""
        if self._loop is None or self._over is not None:
            raise StoreDown("the store is not open")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Job(weight, work, future))
        return future

    async def close(self) -> None:
        """Do what was put, then end the thread."""
        if self._loop is None or self._thread is None:
            return
        if self._over is None:
            self._over = self._loop.create_future()
            self._queue.put(None)
        with suppress(TimeoutError):  # a disk that hangs must not keep the process from ending
            async with asyncio.timeout(self.patience):
                await asyncio.shield(self._over)
            self._thread.join()

    # --- in the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        last = False
        while not last:
            taken = self._taken()
            jobs = [job for job in taken if job is not None]
            last = len(jobs) < len(taken)
            outcomes = self._perform(jobs)
            if outcomes:
                self._call(_tell, outcomes)
            if self._connection is not None:
                try:
                    self._tend(self._connection)
                except sqlite3.Error:
                    continue  # what could not be tended to now will be later
                except Exception as error:  # noqa: BLE001 - a bug must not end the thread that everybody waits for
                    self._call(self._complain, error)
        self._disconnect()
        self._database.close()
        self._call(_finish, self._over)

    def _taken(self) -> list[Job | None]:
        """What is in the queue, as soon as there is something; nothing where nothing came for a while."""
        taken: list[Job | None] = []
        with suppress(Empty):
            taken.append(self._queue.get(timeout=IDLE))
            while len(taken) < LARGEST_BATCH:
                taken.append(self._queue.get_nowait())
        return taken

    def _call(self, callback: Callable[[Any], None], argument: object) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the event loop is closed: nobody is there to be told
                self._loop.call_soon_threadsafe(callback, argument)

    def _complain(self, error: Exception) -> None:
        if self._loop is not None:
            self._loop.call_exception_handler({"message": "tending to the store's file", "exception": error})

    def _perform(self, jobs: list[Job]) -> list[Outcome]:
        jobs = [job for job in jobs if job.weight is not Weight.READ or not job.future.cancelled()]
        if not jobs:
            return []
        try:
            return self._together(jobs)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the job
            self._undo(error)
            reading = [job for job in jobs if job.weight is Weight.READ]
            # There is no database, or somebody has locked it: each job would find out for itself, and take its time.
            hopeless = isinstance(error, StoreDown) or primary_code(error) == sqlite3.SQLITE_BUSY
            if len(jobs) == 1 or (hopeless and len(reading) == len(jobs)):
                return [Outcome(job.future, error=self._told(error)) for job in jobs]
            if hopeless:
                writing = [job for job in jobs if job.weight is not Weight.READ]
                return [Outcome(job.future, error=self._told(error)) for job in writing] + self._perform(
                    reading
                )
            return [outcome for job in jobs for outcome in self._perform([job])]

    def _together(self, jobs: list[Job]) -> list[Outcome]:
        if self._connection is None:
            self._connection = self._database.connect()
        heaviest = max(job.weight for job in jobs)
        if heaviest is Weight.READ:
            return [_outcome(job, self._connection) for job in jobs]
        self._database.check()
        if self._level is not heaviest:
            level = "FULL" if heaviest is Weight.DURABLE else "NORMAL"
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._level = heaviest
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes = [_outcome(job, self._connection) for job in jobs]
        self._connection.execute("COMMIT")
        return outcomes

    def _undo(self, error: Exception) -> None:
        self._undone()
        if self._connection is not None:
            try:
                self._connection.rollback()
            except sqlite3.Error:
                self._disconnect()
        if primary_code(error) in SUSPECT:
            self._disconnect()
        if primary_code(error) == sqlite3.SQLITE_FULL and self._connection is not None:
            with suppress(sqlite3.Error):  # its log takes room that the file itself does not need
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _disconnect(self) -> None:
        connection, self._connection, self._level = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _told(self, error: Exception) -> Exception:
        """As one who awaits a job may hear it."""
        if isinstance(error, sqlite3.Error):
            return self._database.explained(error)
        return StoreDown(str(error)) if isinstance(error, StoreDown) else error


def _outcome(job: Job, connection: sqlite3.Connection) -> Outcome:
    try:
        return Outcome(job.future, job.work(connection))
    except ANSWERS as error:
        return Outcome(job.future, error=error)


def _tell(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.future.done():
            continue  # whoever waited has left
        if outcome.error is not None:
            outcome.future.set_exception(outcome.error)
        else:
            outcome.future.set_result(outcome.value)


def _finish(over: "asyncio.Future[None]") -> None:
    if not over.done():
        over.set_result(None)
