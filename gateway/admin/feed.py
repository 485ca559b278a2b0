"""The feed: operations and status as server-sent events, for as many dashboards as look.

    event: reset    the client forgets what it has; a status is in it
    event: rows     operations that are new or changed, ids that are gone, and how many of the snapshot are still to come
    event: status   as /status, every second: also the sign that the stream is alive

Rules
- Nothing is done while nobody looks. One task serves all clients; what changed is told at most twice a second.
- What waits for a slow client is ids, each once, whatever happened meanwhile: bounded by the number of operations.
- Records that this process writes are told of as they are written. Everything else (other replicas, what the store
  has dropped, what changes by time alone) comes from a look at the store now and then, the less often the longer it
  takes.

What this module must not do: decide what a row says.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import web

from gateway.admin.rows import Rows, Wanted, foremost, moment
from gateway.admin.status import Status
from gateway.clock import Clock
from gateway.model import ACTIVE, Operation, State
from gateway.store import StoreDown
from gateway.tasks import Tasks

TICK = 0.5
"""Seconds between two tellings."""

STATUS_TICKS = 2
"""Tellings between two of the status."""

LOOK = 3.0
"""Seconds between two looks at the store, at least."""

LAZINESS = 20.0
"""How much longer than a look takes the time to the next one is."""

AT_ONCE = 100
"""Rows of one event: the event loop is held up for no longer than it takes to make them."""

MOST_CLIENTS = 100

PATIENCE = 30.0
"""Seconds that a client may take to read what it was sent."""

RETRY = 2000
"""Milliseconds after which a browser comes back."""


class Client:
    """One who looks."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.pending: dict[str, None] = {}
        """Ids of what has to be told, in the order in which it came up."""
        self.shown: set[str] = set()
        self.status_due = False
        self.wake = asyncio.Event()


class Feed:
    """Tells clients what changes."""

    def __init__(self, *, clock: Clock, tasks: Tasks, rows: Rows, status: Status) -> None:
        self._clock = clock
        self._tasks = tasks
        self._rows = rows
        self._status = status
        self._clients: set[Client] = set()
        self._known: dict[str, Operation] = {}
        self._passing: dict[str, tuple[int, bool, bool]] = {}
        """By id, what may change of a row while its record does not, as it was told."""
        self._changed: dict[str, None] = {}
        self._during_look: set[str] = set()
        self._texts: dict[str, str] = {}
        """By id, rows that were made since the last tick: clients share them."""
        self._runner: asyncio.Task[None] | None = None
        self._next_look = 0.0
        self._looking = asyncio.Lock()
        self._closing = False

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def full(self) -> bool:
        return self._closing or len(self._clients) >= MOST_CLIENTS

    def close(self) -> None:
        """End all streams."""
        self._closing = True
        for client in self._clients:
            client.wake.set()

    def changed(self, operation: Operation) -> None:
        """A record was written by this process."""
        if not self._clients:
            return
        self._during_look.add(operation.id)
        self._changed[operation.id] = None
        if operation.state is State.REJECTED:
            self._known.pop(operation.id, None)
        else:
            self._known[operation.id] = operation

    async def serve(self, response: web.StreamResponse, wanted: Wanted) -> None:
        """Tell one client, until it leaves or the listener closes."""
        with self._client(wanted) as client:
            if len(self._clients) == 1 or not self._known:
                await self._look()
            if len(self._clients) == 1:
                self._changed.clear()  # all there is goes into its snapshot
            operations = sorted(self._known.values(), key=lambda each: each.created_at, reverse=True)
            now = self._clock.now()
            wished = (one for one in operations if wanted.takes(one, stalled=self._rows.stalled(one, now)))
            client.pending = {one.id: None for one in foremost(wished, wanted.limit)} | client.pending
            head = event("reset", {"now": moment(now), "status": self._status.last()})
            await self._send(response, f"retry: {RETRY}\n\n{head}")
            await self._send(
                response, self._news(client)
            )  # even where there is nothing: now the client knows
            async for text in self._told(client):
                await self._send(response, text)

    @contextmanager
    def _client(self, wanted: Wanted) -> Iterator[Client]:
        client = Client(wanted)
        self._clients.add(client)
        if self._runner is None or self._runner.done():
            self._runner = self._tasks.start("tell dashboards", self._run())
        try:
            yield client
        finally:
            self._clients.discard(client)
            if not self._clients and self._runner is not None:
                self._runner.cancel()
                self._runner = None
                self._known.clear()
                self._passing.clear()
                self._changed.clear()
                self._texts.clear()

    async def _send(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(PATIENCE):
            await response.write(text.encode())
        await self._clock.sleep(0)  # a write that finds room gives nobody else a turn

    async def _told(self, client: Client) -> AsyncIterator[str]:
        while not self._closing:
            if client.pending:
                yield self._news(client)
            elif client.status_due:
                client.status_due = False
                yield event("status", self._status.last())
            else:
                client.wake.clear()
                await client.wake.wait()

    def _news(self, client: Client) -> str:
        """The next rows for a client."""
        now = self._clock.now()
        rows: list[str] = []
        gone: list[str] = []
        while client.pending and len(rows) + len(gone) < AT_ONCE:
            operation_id = next(iter(client.pending))
            del client.pending[operation_id]
            operation = self._known.get(operation_id)
            if operation is not None and client.wanted.takes(
                operation, stalled=self._rows.stalled(operation, now)
            ):
                rows.append(self._text(operation, now))
                client.shown.add(operation_id)
            elif operation_id in client.shown:
                gone.append(operation_id)
                client.shown.discard(operation_id)
        rest = f'"gone":{json.dumps(gone)},"left":{len(client.pending)}'
        return f'event: rows\ndata: {{"now":"{moment(now)}","rows":[{",".join(rows)}],{rest}}}\n\n'

    def _text(self, operation: Operation, now: float) -> str:
        text = self._texts.get(operation.id)
        if text is None:
            self._passing[operation.id] = self._rows.passing(operation, now)
            text = self._texts[operation.id] = json.dumps(
                self._rows.row(operation, now), separators=(",", ":")
            )
        return text

    async def _run(self) -> None:
        ticks = 0
        while self._clients:
            await self._clock.sleep(TICK)
            ticks += 1
            if self._clock.monotonic() >= self._next_look:
                await self._look()
            self._texts.clear()
            changed, self._changed = self._changed, {}
            for client in self._clients:
                client.pending.update(changed)
                if ticks % STATUS_TICKS == 0:
                    client.status_due = True
                if client.pending or client.status_due:
                    client.wake.set()

    async def _look(self) -> None:
        """Compare what is known with what the store has."""
        async with self._looking:
            await self._compare()

    async def _compare(self) -> None:
        begun = self._clock.monotonic()
        self._during_look = set()
        try:
            operations = await self._status.all()
        except StoreDown:
            self._next_look = begun + LOOK
            return
        now = self._clock.now()
        there = set()
        for operation in operations:
            there.add(operation.id)
            known = self._known.get(operation.id)
            if known is None or (known.epoch, known.revision) < (operation.epoch, operation.revision):
                self._known[operation.id] = known = operation
                self._changed[operation.id] = None
            elif known.state in ACTIVE and self._rows.passing(known, now) != self._passing.get(known.id):
                self._changed[known.id] = None
        for operation_id in self._known.keys() - there - self._during_look:
            del self._known[operation_id]
            self._passing.pop(operation_id, None)
            self._changed[operation_id] = None
        took = self._clock.monotonic() - begun
        self._next_look = begun + max(LOOK, LAZINESS * took)


def event(name: str, said: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(said, separators=(',', ':'))}\n\n"
