"""How long a record is kept, and what else every durable store reckons alike.

Rules: pure, apart from the chance that a new secret is made of. A record that is active is kept for ever; one that
has ended for as long as the replay table can ask for it, or as long as a monitor URL has been seen to live where its
outcome is unclear.
"""

import secrets
from enum import IntEnum

from gateway.model import ACTIVE, FINISHED, Operation
from gateway.store import StoreDown
from gateway.store.sealed import KeyMissing, Seals, Unsealable

SECRET_BYTES = 32


class Keep(IntEnum):
    """How long a record is kept, as it stands beside it."""

    ACTIVE = 0
    FINISHED = 1
    KEYED = 2
    UNCLEAR = 3


def keeping(operation: Operation) -> tuple[Keep, float | None]:
    """How long a record is kept, and since when."""
    if operation.state in ACTIVE:
        return Keep.ACTIVE, None
    ended_at = operation.ended_at if operation.ended_at is not None else operation.created_at
    if operation.state not in FINISHED:
        return Keep.UNCLEAR, ended_at
    return (Keep.KEYED if operation.keyed else Keep.FINISHED), ended_at


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def seal_secret(secret: bytes, seals: Seals) -> str:
    return seals.seal(secret.hex(), "secret")


def open_secret(sealed: str, seals: Seals) -> bytes:
    """The secret that was stored so. Raises `StoreDown`."""
    try:
        secret = bytes.fromhex(seals.unseal(sealed, "secret"))
    except KeyMissing as error:
        told = f"the store cannot be opened: {error}; put that key back, behind the new one"
        raise StoreDown(told) from None
    except (Unsealable, ValueError):
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise StoreDown("the store cannot be opened: its secret is damaged; restore it from a backup")
    return secret
