"""Ids that nobody guesses: of calls, of operations, and of what nothing else is the same as.

What this module must not do: take chance from anywhere but the kernel.
"""

import secrets


class _Chance:
    """Random bytes, fetched from the kernel for many ids at once: each time costs as much as the rest of a short
    call's bookkeeping.
    """

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._bytes):
            self._bytes, self._at = secrets.token_bytes(4096), 0
        taken = self._bytes[self._at : self._at + size]
        self._at += size
        return taken


_chance = _Chance()


def new_id() -> str:
    """128 random bits, in hex: an id that nobody guesses."""
    return _chance.take(16).hex()
