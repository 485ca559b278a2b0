"""The outbox: what is written in one turn of the event loop leaves at its end, all of it in a row.

    turn: read, decide, put | read, decide, put | read, decide, put      end of the turn: write, write, write

Whoever is written to sleeps, as a rule, and to wake somebody costs more than to write. Where many calls are under way,
the first write of a turn wakes the program at the other end, and the others find it awake. Where few are, waiting for the
turn's end would cost more than it saves: what is put in then is written at once.

Rules: order is kept. What is in the outbox has not been written: whoever closes a transport, or writes to it by another
way, has it flushed first. What was meant for a transport that is closed is dropped, as a write to it would be.

What this module must not do: wait for anything.
"""

import asyncio
from collections.abc import Callable

CROWD = 4
"""Calls under way from which on it pays to write in a row."""


def nobody() -> int:
    """For an outbox that keeps nothing back."""
    return 0


class Outbox:
    """That of one event loop."""

    __slots__ = ("_under_way", "_waiting")

    def __init__(self, under_way: Callable[[], int] = nobody) -> None:
        """`under_way`: how many calls are, besides the one that something is put in for."""
        self._under_way = under_way
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write it at the end of this turn at the latest."""
        if not self._waiting:
            if self._under_way() < CROWD:
                transport.write(data)
                return
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write it now."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for transport, data in waiting:
                if not transport.is_closing():
                    transport.write(data)
