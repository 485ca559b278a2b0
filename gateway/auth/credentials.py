"""The gateway's own credentials for requests upstream: an application's, or one in the name of each caller.

Rules: the caller's Authorization goes upstream in no case; in `on_behalf_of` it goes to Entra, as the assertion, and
nowhere else. A caller counts as who its token says once Entra has taken that token, and while it is not over.

What this module must not do: send anything upstream, or decide which callers may come (`Principal` does).
"""

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

from gateway import headers, sameness
from gateway.auth import Caller, caller_of, challenge
from gateway.auth.threads import Busy, Threads
from gateway.auth.tokens import FAILED, Grant, Tell, Tokens, Wish
from gateway.clock import Clock
from gateway.config import Auth
from gateway.errors import CallerRefused, CredentialError, TokenUnavailable
from gateway.model import Headers
from gateway.tasks import Tasks

THREADS = 8
BACKLOG = 1000
"""Requests to Entra that may wait for a thread."""

PATIENCE = 20.0
"""Seconds that a request to Entra may take in all; MSAL's may be several."""

SPARE = 30.0
"""Seconds before its end from which an application's token is not sent any more."""

SPARE_ON_BEHALF = 300.0
"""Seconds before its end from which a caller's is not."""

SKEW = 300.0
"""Seconds that Entra's clock and ours may differ by; Entra's own tolerance."""

AGAIN = 60.0
"""Seconds between tries to get an application's token that nobody waits for, once several have failed."""

APPLICATION = "application"
"""The key of the one token that an application needs."""

Principal = Callable[[asyncio.BaseTransport | None, Headers], str]
"""Who calls, by name, in the modes in which callers have no token: told by the connection and the call's lines.
Raises a `GatewayError` for whoever may not."""


def local(_transport: asyncio.BaseTransport | None, _headers: Headers) -> str:
    """Whoever reaches a loopback port is this machine."""
    return "local"


class Credentials(Protocol):
    """What the rest of the gateway knows of these modes."""

    own: bool
    """Whether it is the gateway's own, so that it is there without any caller."""

    async def recognise(
        self, call_headers: Headers, transport: asyncio.BaseTransport | None
    ) -> Caller | None:
        """Who calls; None for somebody who does not say. Raises `GatewayError` for whoever may not call."""

    async def authorization(self, presented: bytes | None) -> bytes:
        """What goes upstream in the place of what the caller presented. Raises `CredentialError`."""

    async def replacement(self, presented: bytes | None, rejected: bytes, claims: str | None) -> bytes | None:
        """Another one than that which the upstream turned down; None where there is none. Raises `CredentialError`."""

    async def keep(self) -> None:
        """Runs for as long as the gateway does, so that no call has to wait for a token."""

    @property
    def got(self) -> int:
        """How many tokens Entra gave so far."""

    def close(self) -> None: ...


class OfApplication:
    """The gateway is the application; its callers are told apart by `Principal`."""

    own = True

    def __init__(
        self, *, tokens: Tokens, clock: Clock, principal: Principal, close: Callable[[], None]
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._principal = principal
        self._close = close

    async def recognise(self, call_headers: Headers, transport: asyncio.BaseTransport | None) -> Caller:
        name = self._principal(transport, call_headers)
        digest = hashlib.sha256(b"lro-gateway caller " + name.encode("utf-8", "surrogatepass")).hexdigest()
        return Caller(principal=digest, credential=digest)

    async def authorization(self, presented: bytes | None) -> bytes:
        return await self._tokens.get(APPLICATION, Wish())

    async def replacement(self, presented: bytes | None, rejected: bytes, claims: str | None) -> bytes | None:
        return await self._tokens.replace(APPLICATION, Wish(claims=claims, forced=True), rejected)

    async def keep(self) -> None:
        again = FAILED
        while True:
            try:
                pause = await self._tokens.renew(APPLICATION, Wish())
                again = FAILED
            except CredentialError as error:
                pause = max(again, float(error.retry_after or 0))
                again = min(2 * again, AGAIN)
            await self._clock.sleep(max(pause, 1.0))

    @property
    def got(self) -> int:
        return self._tokens.got

    def close(self) -> None:
        self._tokens.forget()
        self._close()


class OnBehalf:
    """The gateway acts for each caller, with a token that Entra gives it for the caller's."""

    own = False

    def __init__(
        self, *, tokens: Tokens, clock: Clock, authorize_url: str | None, close: Callable[[], None]
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._authorize_url = authorize_url
        self._close = close

    async def recognise(
        self, call_headers: Headers, transport: asyncio.BaseTransport | None
    ) -> Caller | None:
        presented = headers.get(call_headers, b"authorization")
        if presented is None:
            return None
        ends_at = sameness.end_of(presented)
        if (
            ends_at is not None and ends_at + SKEW < self._clock.now()
        ):  # what Entra said of it holds no longer
            raise self._refused("expired")
        await self.authorization(presented)
        return caller_of(call_headers)

    async def authorization(self, presented: bytes | None) -> bytes:
        key, wish = self._wish(presented)
        return await self._tokens.get(key, wish)

    async def replacement(self, presented: bytes | None, rejected: bytes, claims: str | None) -> bytes | None:
        key, wish = self._wish(presented, claims=claims, forced=True)
        return await self._tokens.replace(key, wish, rejected)

    async def keep(self) -> None:
        """Callers' tokens are renewed when they call."""

    @property
    def got(self) -> int:
        return self._tokens.got

    def close(self) -> None:
        self._tokens.forget()
        self._close()

    def _wish(
        self, presented: bytes | None, *, claims: str | None = None, forced: bool = False
    ) -> tuple[str, Wish]:
        scheme, _, token = (presented or b"").strip().partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token.isascii() or token.count(b".") != 2:
            raise self._refused("no token")
        return sameness.credential_digest(presented), Wish(token.decode(), claims, forced)

    def _refused(self, reason: str) -> CallerRefused:
        return CallerRefused(reason, challenge=challenge.bearer(self._authorize_url, error="invalid_token"))


def credentials_for(
    auth: Auth,
    *,
    clock: Clock,
    tasks: Tasks,
    tell: Tell,
    principal: Principal = local,
    patience: float = PATIENCE,
) -> Credentials | None:
    """What `auth.mode` says; None in passthrough, where callers' own credentials go upstream."""
    if auth.mode == "passthrough":
        return None
    from gateway.auth.entra import Entra  # noqa: PLC0415 - takes a while, and only these modes need it

    entra = Entra(auth, clock)
    threads = Threads(name="entra", size=THREADS, backlog=BACKLOG)

    def close() -> None:
        threads.close()
        entra.close()

    on_behalf = auth.mode == "on_behalf_of"
    tokens = Tokens(
        fetch=partial(_fetch, threads, entra.ask),
        clock=clock,
        tasks=tasks,
        tell=tell,
        spare=SPARE_ON_BEHALF if on_behalf else SPARE,
        patience=patience,
    )
    if on_behalf:
        return OnBehalf(tokens=tokens, clock=clock, authorize_url=entra.authorize_url, close=close)
    return OfApplication(tokens=tokens, clock=clock, principal=principal, close=close)


async def _fetch(threads: Threads, ask: Callable[[Wish], Grant], wish: Wish) -> Grant:
    try:
        return await threads.run(partial(ask, wish))
    except Busy:
        raise TokenUnavailable("busy") from None
