"""News of other replicas' writes, by the server's publish and subscribe, which promises no delivery.

Rules
- `heard` is called with the id of what somebody else changed, and with None where something may have been missed:
  after each subscription, about once a second while there is none, and every few seconds in any case.
- A subscription that is silent is asked whether it is alive: a peer that is gone without a word sends nothing either.

What it must not do: read a record.
"""

import asyncio
from collections.abc import Callable

from redis.asyncio.connection import AbstractConnection

from gateway.clock import Clock
from gateway.store import StoreDown
from gateway.store.redis_scripts import PREFIX
from gateway.store.redis_server import REPLY_TIMEOUT, Server

CHANNEL = f"{PREFIX}news"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two tries to subscribe."""
LOOK_EVERY = 5.0
"""Seconds after which waiters look for themselves, whatever they heard."""


class News:
    """One subscription, renewed for as long as it is listened to."""

    def __init__(
        self, *, server: Server, clock: Clock, replica: str, heard: Callable[[str | None], None]
    ) -> None:
        self._server = server
        self._clock = clock
        self._replica = replica.encode("ascii")
        self._heard = heard
        self.subscribed = asyncio.Event()

    async def listen(self) -> None:
        """Call `heard` for as long as this runs."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._server.connection() as connection:
                    async with asyncio.timeout(REPLY_TIMEOUT):
                        await connection.send_command("SUBSCRIBE", CHANNEL)
                        await connection.read_response()
                    pause = FIRST_PAUSE
                    self.subscribed.set()
                    self._heard(None)
                    await self._read(connection)
            except StoreDown:
                self.subscribed.clear()
                self._heard(None)
                await self._clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _read(self, connection: AbstractConnection) -> None:
        """Until the connection fails, or is found dead."""
        look_at, alive = self._clock.monotonic() + LOOK_EVERY, True
        while True:
            left = look_at - self._clock.monotonic()
            if left <= 0:
                if not alive:
                    raise StoreDown("the subscription is dead")
                await connection.send_command("PING", check_health=False)
                self._heard(None)
                look_at, alive = self._clock.monotonic() + LOOK_EVERY, False
                continue
            message = await connection.read_response(timeout=left)
            if message is not None:
                alive = True
                self._tell(message)

    def _tell(self, message: list[bytes]) -> None:
        if message[0] != b"message":
            return
        replica, _, operation_id = message[2].partition(b" ")
        if replica != self._replica:
            self._heard(operation_id.decode("ascii", "replace"))
