"""The Redis store: what several gateways remember together. Redis from version 6, or Valkey.

    store = RedisStore(url=…, clock=…, max_active=…, keep_finished=…, keep_keyed=…, keys=())

    redis           the contract
    redis_scripts   what the server does in one go, and the keys
    redis_server    connections, time-outs, errors; `breaker`
    redis_lease     who is there
    redis_news      who has changed what
    record          a record as bytes, its monitor URL `sealed`

Rules
- Every comparison with what is stored, and what is then written, is one script. What is compared between replicas is
  compared by the server, with the server's clock.
- A record that cannot be read answers for its key all the same: `find` and `get` raise `RecordUnreadable`, a kind of
  `StoreDown`. `left_behind` and `all` leave it out and report it.
- A call that is cancelled leaves no claim behind, and one that failed none either: where it may have been made, it is
  taken back as soon as the server lets us, and barred if it should arrive only then. What was to be saved or discarded
  is done, whoever left.
- How long a record is kept is reckoned once, when it ends.

What it must not do: promise more than its server does. One that loses what it has confirmed (no append-only file, a
fail-over to a replica that had less) may lose a record, and so let something be copied twice; `wait_replicas` guards
against the second.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from gateway.clock import Clock
from gateway.model import ACTIVE, Operation
from gateway.store import LEASE, Conflict, StoreDown, StoreFull, redis_scripts
from gateway.store.keeping import Keep, keeping, new_secret, open_secret, seal_secret
from gateway.store.memory import KEEP_UNCLEAR
from gateway.store.record import RecordUnreadable, decode, encode, sift
from gateway.store.redis_health import check
from gateway.store.redis_lease import Lease
from gateway.store.redis_news import News
from gateway.store.redis_scripts import LAYOUT, PREFIX
from gateway.store.redis_server import Server, Unconfirmed, Unreached
from gateway.store.sealed import Seals, sealed_with
from gateway.tasks import Tasks

T = TypeVar("T")

AT_ONCE = 500
"""Records asked for in one go."""
PATIENCE = 1.0
"""Seconds between two tries to take a claim back."""
BARRED = 3600.0
"""Seconds that a claim which was taken back may still be on its way, in some buffer."""
FAREWELL = 3.0
"""Seconds that closing waits for claims to be taken back; after that the next owner does."""

Row = tuple[str, Any, Any, Any]
"""id, and as they are stored: record, key, version."""


class RedisStore:
    """Records in one Redis, and a lease on those that are this replica's."""

    shared = True

    def __init__(
        self,
        *,
        url: str,
        clock: Clock,
        max_active: int,
        keep_finished: float,
        keep_keyed: float,
        keys: Sequence[bytes] = (),
        wait_replicas: int = 0,
        lease: float = LEASE,
        report: Callable[[RecordUnreadable], None] | None = None,
        notice: Callable[[str], None] | None = None,
        on_crash: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        """`keep_*` are seconds since an operation ended; `keys` seal, the newest first. `report` is called once for
        each record that cannot be read, `notice` with what is risky about how the server is set up.
        """
        self._clock = clock
        self._max_active = max_active
        self._kept = {Keep.FINISHED: keep_finished, Keep.KEYED: keep_keyed, Keep.UNCLEAR: KEEP_UNCLEAR}
        self._seals = Seals(keys)
        self._several_keys = len(keys) > 1
        self._wait_replicas = wait_replicas
        self._report = report
        self._reported: set[str] = set()
        self._notice = notice
        self._server = Server(url, monotonic=clock.monotonic)
        self._lease = Lease(server=self._server, clock=clock, seconds=lease)
        self.replica = self._lease.replica
        self._heard: Callable[[str | None], None] = lambda _: None
        self._keepers = Tasks(on_crash)
        self._writes = Tasks()
        """Their outcomes are for whoever awaits them."""
        self._errands = Tasks(on_crash)
        self._secret = b""
        self._open = False

    # --- opening and closing -----------------------------------------------------------------------------

    async def open(self) -> None:
        try:
            await check(self._server, wait_replicas=self._wait_replicas, notice=self._notice)
            await self._lease.renew()
            self._open = True
            self._secret = await self._prepare()
            news = News(server=self._server, clock=self._clock, replica=self.replica, heard=self._hear)
            self._keepers.start("redis lease", self._lease.keep())
            self._keepers.start("redis news", news.listen())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._open = False
        await self._writes.settle()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._errands.settle()
        await self._errands.cancel()
        await self._keepers.cancel()
        with suppress(StoreDown):
            await self._lease.give_back()
        await self._server.close()

    async def secret(self) -> bytes:
        return self._secret

    def watch(self, heard: Callable[[str | None], None]) -> None:
        self._heard = heard

    def _tell(self, operation_id: str | None) -> None:
        self._heard(operation_id)

    def _hear(self, operation_id: str | None) -> None:
        self._heard(operation_id)

    # --- reading -----------------------------------------------------------------------------------------

    async def find(self, key: str) -> Operation | None:
        row = await self._run(redis_scripts.FIND, key)
        return self._read((row[0].decode("ascii"), *row[1:])) if row is not None else None

    async def get(self, operation_id: str) -> Operation | None:
        return self._read((operation_id, *await self._server.ask(*_row_of(operation_id))))

    async def all(self) -> Sequence[Operation]:
        found = await self._readable(await self._ids())
        return sorted(found, key=lambda operation: operation.created_at, reverse=True)

    async def left_behind(self) -> Sequence[Operation]:
        if not await self._run(redis_scripts.ANY_LEFT):
            return []
        owned: dict[bytes, list[str]] = {}
        cursor: bytes | None = None
        while cursor != b"0":
            asked = ("HSCAN", f"{PREFIX}active", cursor or "0", "COUNT", AT_ONCE)
            cursor, rows = await self._server.ask(*asked)
            for operation_id, owner in zip(rows[::2], rows[1::2], strict=True):
                owned.setdefault(owner, []).append(operation_id.decode("ascii"))
        owners = list(owned)
        there = await self._server.ask_all(
            [("EXISTS", PREFIX.encode() + b"lease:" + owner) for owner in owners]
        )
        left = [
            each
            for owner, is_there in zip(owners, there, strict=True)
            if not is_there and owner != self.replica.encode("ascii")  # we are here, whatever our lease says
            for each in owned[owner]
        ]
        return [operation for operation in await self._readable(left) if operation.state in ACTIVE]

    def tenure(self) -> Callable[[], bool]:
        return self._lease.tenure()

    async def _ids(self) -> list[str]:
        active, ended = await self._server.ask_all(
            [("HKEYS", f"{PREFIX}active"), ("ZRANGE", f"{PREFIX}ended", 0, -1)]
        )
        return list(dict.fromkeys(each.decode("ascii") for each in [*active, *ended]))

    async def _readable(self, ids: Sequence[str]) -> list[Operation]:
        found: list[Operation] = []
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            rows = await self._server.ask_all([_row_of(each) for each in some])
            # Many take a while to read, for which the event loop should not stand still.
            readable, unreadable = await asyncio.to_thread(
                self._sift, [(each, *row) for each, row in zip(some, rows, strict=True)]
            )
            found += readable
            for error in unreadable:
                if error.operation_id not in self._reported and self._report is not None:
                    self._reported.add(error.operation_id)
                    self._report(error)
        return found

    def _sift(self, rows: Iterable[Row]) -> tuple[list[Operation], list[RecordUnreadable]]:
        """The records in rows, and what is wrong with those that cannot be read. For any thread."""
        return sift(rows, self._read)

    def _read(self, row: Row) -> Operation | None:
        """The record in a row. Raises `RecordUnreadable`."""
        operation_id, record, key, version = row
        if record is None and key is None and version is None:
            return None
        told = key.decode("utf-8", "replace") if isinstance(key, bytes) else ""
        operation = decode(record, operation_id=operation_id, key=told, seals=self._seals)
        if version != _version(operation).encode("ascii"):
            raise RecordUnreadable(operation_id, "its version contradicts it")
        return operation

    # --- writing -----------------------------------------------------------------------------------------

    async def claim(self, operation: Operation, *, replaces: Operation | None) -> bool:
        if not self._open:
            raise StoreDown("the store is not open")
        task = self._writes.start(f"claim {operation.id}", self._claim(operation, replaces))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:

            def undo(claimed: "asyncio.Task[bool]") -> None:
                if not claimed.cancelled() and claimed.exception() is None and claimed.result():
                    self._take_back(operation, replaces)

            task.add_done_callback(undo)
            raise

    async def save(self, operation: Operation, *, previous: Operation) -> None:
        await self._done(f"save {operation.id}", self._save(operation, previous))

    def save_at_once(self, operation: Operation, *, previous: Operation) -> bool:
        """Never: the server has to be waited for."""
        return False

    async def discard(self, operation: Operation) -> None:
        await self._done(f"discard {operation.id}", self._discard(operation))

    async def _done(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do it, also where whoever asked for it leaves."""
        await asyncio.shield(self._writes.start(name, work))

    async def _claim(self, operation: Operation, replaces: Operation | None) -> bool:
        holder = f"{replaces.id} {_version(replaces)}" if replaces is not None else ""
        arguments = (operation.id, operation.key, holder, self._max_active, *self._content(operation))
        try:
            reply = await self._run(redis_scripts.CLAIM, *arguments, confirmed_by=self._wait_replicas)
        except Unreached:
            raise
        except Unconfirmed as error:
            if error.reply[0] == b"made":
                self._take_back(operation, replaces)
                raise
            reply = error.reply
        except StoreDown:
            self._take_back(operation, replaces)
            raise
        match reply[0]:
            case b"made":
                return True
            case b"full":
                raise StoreFull
            case _:
                return self._is(operation, reply[1:])

    async def _save(self, operation: Operation, previous: Operation) -> None:
        matters = operation.state is not previous.state or operation.epoch != previous.epoch
        arguments = (operation.id, operation.key, _version(previous), *self._content(operation))
        try:
            reply = await self._run(
                redis_scripts.SAVE,
                *arguments,
                self._keep(operation, previous),
                confirmed_by=self._wait_replicas if matters else 0,
            )
        except Unconfirmed as error:
            if error.reply[0] == b"saved":
                raise
            reply = error.reply
        if reply[0] != b"saved" and not self._is(operation, reply[1:]):
            raise Conflict

    async def _discard(self, operation: Operation) -> None:
        arguments = (operation.id, operation.key, _version(operation), operation.supersedes or "", "")
        # Replicas need not confirm it: what they would bring back is a record of which nothing came.
        if not await self._run(redis_scripts.DISCARD, *arguments):
            raise Conflict

    def _take_back(self, operation: Operation, replaces: Operation | None) -> None:
        """Nobody will drive the operation, so nobody must join it."""
        self._errands.start(f"take back {operation.id}", self._withdraw(operation, replaces))

    async def _withdraw(self, operation: Operation, replaces: Operation | None) -> None:
        heir = replaces.id if replaces is not None else ""
        arguments = (operation.id, operation.key, _version(operation), heir, int(BARRED * 1000))
        while True:
            try:
                await self._run(redis_scripts.DISCARD, *arguments)
            except StoreDown:
                await self._clock.sleep(PATIENCE)
            else:
                return

    async def _run(
        self, script: redis_scripts.Script, *arguments: bytes | str | int, confirmed_by: int = 0
    ) -> Any:
        return await self._server.run(script, self.replica, *arguments, confirmed_by=confirmed_by)

    def _content(self, operation: Operation) -> tuple[str, str, bytes]:
        """version, seal, record."""
        seal = self._seals.current if operation.monitor is not None else ""
        return _version(operation), seal, encode(operation, self._seals)

    def _keep(self, operation: Operation, previous: Operation) -> str:
        """How long the server is to keep it."""
        keep, ended_at = keeping(operation)
        if ended_at is None:
            return "active"
        if keeping(previous) == (keep, ended_at):
            return "as before"
        return str(max(0, round((ended_at + self._kept[keep] - self._clock.now()) * 1000)))

    def _is(self, operation: Operation, stored: Sequence[Any]) -> bool:
        """Whether what this replica has stored is this record already: after a failure nobody knows for certain.

        What another one has stored never counts: two that take an operation over may write the very same.
        """
        record = stored[0] if stored else None
        if record is None:
            return False
        return decode(record, operation_id=operation.id, key=operation.key, seals=self._seals) == operation

    # --- the secret, and a change of keys ----------------------------------------------------------------

    async def _prepare(self) -> bytes:
        """The store's secret, with everything sealed by the newest key. Raises `StoreDown`."""
        offered = seal_secret(new_secret(), self._seals)
        layout, *rest = await self._run(redis_scripts.PREPARE, offered, LAYOUT)
        if layout == b"lost" or None in {layout, *rest}:
            raise StoreDown(
                f"{self._server.name} has lost the store's secret, without which nothing in it is found; restore it "
                f"from a backup, or delete the keys that begin with {PREFIX} and lose what it remembers"
            )
        if int(layout) > LAYOUT:
            raise StoreDown(
                f"{self._server.name} was written to by a newer version of the gateway (layout {int(layout)}; this one "
                f"knows {LAYOUT}); run that version, or change operations.url"
            )
        sealed = rest[0].decode("ascii", "replace")
        secret = open_secret(sealed, self._seals)
        stale = sealed_with(sealed) != self._seals.current
        if stale:
            await self._run(redis_scripts.SEAL_SECRET, sealed, seal_secret(secret, self._seals))
        if stale or self._several_keys:
            await self._reseal()
        return secret

    async def _reseal(self) -> None:
        """Seal with the newest key what another sealed, or none, so that the others need not be kept for long."""
        ids = await self._ids()
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            seals = await self._server.ask_all([("HGET", f"{PREFIX}op:{each}", "seal") for each in some])
            for each, seal in zip(some, seals, strict=True):
                if seal and seal.decode("ascii", "replace") != self._seals.current:
                    await self._reseal_one(each)

    async def _reseal_one(self, operation_id: str) -> None:
        row = await self._server.ask(*_row_of(operation_id))
        with suppress(RecordUnreadable):
            operation = self._read((operation_id, *row))
            if operation is not None:
                _, seal, record = self._content(operation)
                await self._run(redis_scripts.SEAL_RECORD, operation_id, row[0], record, seal)


def _row_of(operation_id: str) -> tuple[str, ...]:
    """The command whose reply is a `Row`, but for the id."""
    return ("HMGET", f"{PREFIX}op:{operation_id}", "record", "key", "version")


def _version(operation: Operation) -> str:
    return f"{operation.epoch} {operation.revision} {int(keeping(operation)[0])}"
