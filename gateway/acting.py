"""Acting: the upstream, reached with the gateway's own credential in the place of the caller's.

Stands where `upstream.Graph` stands in passthrough; whoever sends a request through it need not know.

Rules:
1. The caller's Authorization never gets past here. No request leaves without the gateway's own.
2. A 401 started nothing (RFC 9110 section 15.5.2), so the request is sent once more with a new token, an operation's
   POST too; once, and only if its body is still there. A body that was streamed is gone: its 401 is the answer.
3. Where no other token is to be had, the upstream's 401 is the answer, unless Entra says what the user has to do.

What this module must not do: know how tokens are got; send anything a third time.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from gateway import headers
from gateway.auth import challenge
from gateway.auth.credentials import Credentials
from gateway.errors import CallerRefused, CredentialError, UpstreamError
from gateway.model import Headers
from gateway.upstream import Exchange, Outgoing

MAX_IGNORED = 65_536
"""Bytes of a 401's body that are read and thrown away, so that its connection can be used again."""


class GraphClient(Protocol):
    """The upstream, as it is in passthrough."""

    host_header: bytes

    async def open(
        self,
        outgoing: Outgoing,
        *,
        on_interim: Callable[[int, Headers], None] | None = None,
        max_idle: float | None = None,
    ) -> Exchange:
        """See `upstream.Graph.open`."""

    async def reach(self) -> None:
        """See `upstream.Graph.reach`."""


class Acting:
    """Sends requests as the gateway, or on behalf of their callers."""

    def __init__(self, *, graph: GraphClient, credentials: Credentials) -> None:
        self._graph = graph
        self._credentials = credentials
        self.host_header = graph.host_header

    async def open(
        self,
        outgoing: Outgoing,
        *,
        on_interim: Callable[[int, Headers], None] | None = None,
        max_idle: float | None = None,
    ) -> Exchange:
        """As `upstream.Graph.open`. Raises `CredentialError` and its kinds as well."""
        presented = headers.get(outgoing.headers, b"authorization")
        token = await self._credentials.authorization(presented)
        sent = _bearing(outgoing, token)
        exchange = await self._graph.open(sent, on_interim=on_interim, max_idle=max_idle)
        if exchange.status != 401:
            return exchange
        try:
            other = await self._other(presented, token, exchange)
        except BaseException:
            await exchange.close()
            raise
        if other is None or not (sent.body is None or isinstance(sent.body, bytes)):
            return exchange
        with suppress(UpstreamError):
            await exchange.read(MAX_IGNORED)
        await exchange.close()
        return await self._graph.open(_bearing(outgoing, other), on_interim=on_interim, max_idle=max_idle)

    async def reach(self) -> None:
        await self._graph.reach()

    async def _other(self, presented: bytes | None, token: bytes, exchange: Exchange) -> bytes | None:
        """Another token than the one that was turned down; None where there is none."""
        try:
            return await self._credentials.replacement(presented, token, challenge.demanded(exchange.headers))
        except CallerRefused as error:
            error.answered = True
            raise
        except CredentialError:
            return None


def _bearing(outgoing: Outgoing, authorization: bytes) -> Outgoing:
    return replace(outgoing, headers=headers.replaced(outgoing.headers, b"Authorization", authorization))
