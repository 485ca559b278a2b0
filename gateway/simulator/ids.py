"""Makes identifiers that look like Microsoft's, from a seeded source of chance, so that a run can be repeated.

Item ids are `01`, six characters that all items of a drive share, and 26 that are an item's own; a root's 26 are
the same in every drive. Drive ids are `b!` and base64url. Personal drives use `{CID}` and `{CID}!{number}`.
"""

import base64
import random
import uuid

_ROOT = "F6Y2GOVW7725BZO354PWSELRRZ"


class Ids:
    """All identifiers of one simulator come from here."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._number = 1000

    def guid(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def number(self) -> int:
        self._number += 1
        return self._number

    def secret(self, size: int = 24) -> str:
        """Characters as a signed URL has them."""
        return base64.urlsafe_b64encode(self._chance.randbytes(size)).decode().rstrip("=")

    def drive(self) -> str:
        return "b!" + base64.urlsafe_b64encode(self._chance.randbytes(48)).decode()

    def cid(self) -> str:
        return self._chance.randbytes(8).hex().upper()

    def item_prefix(self) -> str:
        return "01" + base64.b32encode(self._chance.randbytes(5)).decode()[:6]

    def item(self, prefix: str) -> str:
        return prefix + base64.b32encode(self._chance.randbytes(16)).decode().rstrip("=")

    @staticmethod
    def root(prefix: str) -> str:
        return prefix + _ROOT
