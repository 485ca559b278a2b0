"""Tokens that the gateway has got: kept, renewed before they end, and asked for once however many want one.

Rules:
1. Who holds a token that is good waits for nobody: it is renewed in the background.
2. One request for each key at a time; all who want that token wait for it together.
3. What failed is not tried again for a while, and fails at once until then.
4. A token that the upstream turned down is replaced once, by force; not over and over.
5. Bounded, in memory only; keys are digests.

What this module must not do: know how tokens are got, or whose they are.
"""

import asyncio
import copy
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from cachetools import LRUCache

from gateway.clock import Clock
from gateway.errors import CredentialError, TokenUnavailable
from gateway.tasks import Tasks

AHEAD = 300.0
"""Seconds before its end at which a token is renewed whose issuer does not say when; MSAL's own measure."""

LONG_LIVED = 7200.0
"""Seconds from which on a token is renewed at half its life, as MSAL does it."""

FAILED = 5.0
"""Seconds for which a failure answers for the next ones who ask."""

LONGEST_FAILED = 60.0
"""Seconds that an issuer's Retry-After may make of that."""

FORCED = 5.0
"""Seconds between two renewals by force."""

KEPT = 10_000
"""Tokens that are kept at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a token is asked for with."""

    assertion: str | None = field(default=None, repr=False)
    """The caller's token, where the new one is to be in its name."""
    claims: str | None = field(default=None, repr=False)
    """What the upstream demands of the new token: JSON."""
    forced: bool = False
    """Whether a token that somebody on the way has kept will not do."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the issuer gave, in seconds from now."""

    token: str = field(repr=False)
    expires_in: float
    refresh_in: float | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A token, and how long it is good; monotonic seconds."""

    authorization: bytes = field(repr=False)
    renew_at: float
    ends_at: float


class Tell(Protocol):
    """Tells the operator."""

    def __call__(self, name: str, **facts: str | float | bool) -> None: ...


class Tokens:
    """Tokens by key."""

    def __init__(
        self,
        *,
        fetch: Callable[[Wish], Awaitable[Grant]],
        clock: Clock,
        tasks: Tasks,
        tell: Tell,
        spare: float,
        patience: float,
    ) -> None:
        """`spare`: seconds before its end from which a token is not used any more. `patience`: seconds that a
        request may take in all.
        """
        self._fetch = fetch
        self._clock = clock
        self._tasks = tasks
        self._tell = tell
        self._spare = spare
        self._patience = patience
        self.got = 0
        """Tokens that the issuer gave us."""
        self._kept: LRUCache[str, Kept] = LRUCache(KEPT)
        self._failed: LRUCache[str, tuple[float, CredentialError]] = LRUCache(KEPT)
        self._forced: LRUCache[str, float] = LRUCache(KEPT)
        self._flights: dict[str, asyncio.Task[Kept | CredentialError]] = {}

    async def get(self, key: str, wish: Wish) -> bytes:
        """A good Authorization. Raises `CredentialError` and its kinds."""
        now = self._clock.monotonic()
        kept = self._good(key)
        failure = self._failure(key)
        if kept is not None:
            if now >= kept.renew_at and failure is None:
                self._fly(key, wish)
            return kept.authorization
        if failure is not None:
            raise failure
        return (await self._arrival(self._fly(key, wish))).authorization

    async def renew(self, key: str, wish: Wish) -> float:
        """Have a token that does not need renewing yet; in how many seconds it will. Raises `CredentialError`."""
        kept = self._good(key)
        if kept is None or self._clock.monotonic() >= kept.renew_at:
            kept = await self._arrival(self._fly(key, wish))
        return kept.renew_at - self._clock.monotonic()

    async def replace(self, key: str, wish: Wish, rejected: bytes) -> bytes | None:
        """An Authorization in the place of one that the upstream turned down; None where there is no other.

        Raises `CredentialError` where the issuer says why.
        """
        flight = self._flights.get(key)
        if flight is not None:
            await asyncio.wait((flight,))
        kept = self._good(key)
        if kept is not None and kept.authorization != rejected:
            return kept.authorization  # somebody was faster
        now = self._clock.monotonic()
        if now < self._forced.get(key, now):
            failure = self._failure(key)
            if failure is not None:
                raise failure
            return None
        self._forced[key] = now + FORCED
        kept = await self._arrival(self._fly(key, wish))
        return kept.authorization if kept.authorization != rejected else None

    def forget(self) -> None:
        self._kept.clear()
        self._failed.clear()

    def _good(self, key: str) -> Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and self._clock.monotonic() < kept.ends_at else None

    def _failure(self, key: str) -> CredentialError | None:
        """What went wrong a moment ago, to be raised once more."""
        until, failure = self._failed.get(key, (0.0, None))
        left = until - self._clock.monotonic()
        if failure is None or left <= 0:
            return None
        again = copy.copy(failure)
        if again.retry_after is not None:
            again.retry_after = max(1, math.ceil(left))
        return again

    def _fly(self, key: str, wish: Wish) -> "asyncio.Task[Kept | CredentialError]":
        """The request for this token that is under way, or a new one."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = self._tasks.start("get a token", self._get(key, wish))
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return flight

    async def _arrival(self, flight: "asyncio.Task[Kept | CredentialError]") -> Kept:
        # Not the task itself is waited for: whoever leaves must not end it for the others.
        await asyncio.wait((flight,))
        if flight.cancelled():
            raise TokenUnavailable("stopping")
        result = flight.result()
        if isinstance(result, CredentialError):
            raise copy.copy(result)
        return result

    async def _get(self, key: str, wish: Wish) -> Kept | CredentialError:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                grant = await self._fetch(wish)
        except TimeoutError:
            return self._note(key, TokenUnavailable("timeout"))
        except CredentialError as error:
            return self._note(key, error)
        self.got += 1
        self._failed.pop(key, None)
        kept = self._kept[key] = self._measured(grant, asked_at)
        return kept

    def _note(self, key: str, error: CredentialError) -> CredentialError:
        pause = FAILED
        if isinstance(error, TokenUnavailable):
            pause = min(max(float(error.retry_after or 0), FAILED), LONGEST_FAILED)
        self._failed[key] = (self._clock.monotonic() + pause, error)
        self._tell("credential_trouble", reason=error.reason, status=error.status)
        return error

    def _measured(self, grant: Grant, asked_at: float) -> Kept:
        life = max(grant.expires_in, 0.0)
        ends_at = asked_at + life - min(self._spare, life / 2)
        if grant.refresh_in is not None and 0 < grant.refresh_in < life:
            renew_in = grant.refresh_in
        else:
            renew_in = life / 2 if life >= LONG_LIVED else life - min(AHEAD, life / 2)
        return Kept(b"Bearer " + grant.token.encode("ascii"), min(asked_at + renew_in, ends_at), ends_at)
