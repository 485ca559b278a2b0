"""Which client asks a monitor: foreign ones are asked without any credential, those that the upstream hosts itself
with a credential that a caller of the operation has lent, or with the gateway's own where it has one.

Rules: a credential goes to the upstream's origin only. It comes from the vault, which lives in memory: where it is
gone (a restart, another replica) or no longer good the monitor cannot be asked until a caller comes back. Cookies
that the operation's replies set go along, to the origin that set them; no other cookie does. What its dialect
repeats of the call (a workbook session's id) goes where the credential goes, and is kept beside it.

What this module must not do: decide when to ask, or what the answer means.
"""

from typing import Protocol

from gateway.auth import Caller, Vault
from gateway.auth.cookies import Cookies
from gateway.errors import CallerRefused, CredentialError, UpstreamUnreachable
from gateway.model import Headers, Operation, Reply
from gateway.upstream import Asked, Exchange, Outgoing, Told

HEADERS: Headers = ((b"Accept", b"application/json"), (b"Accept-Encoding", b"identity"))
"""All that a monitor is told about us."""


class CredentialGone(Exception):
    """The monitor needs the caller's credential, which is no longer here."""


class GraphClient(Protocol):
    """Asks the upstream's origin."""

    host_header: bytes

    async def open(self, outgoing: Outgoing, *, max_idle: float | None = None) -> Exchange:
        """See `upstream.Graph.open`."""


class MonitorClient(Protocol):
    """Asks anybody else."""

    async def get(self, url: str, headers: Headers) -> Reply:
        """See `upstream.Monitors.get`."""

    def begin(self, url: str, headers: Headers, told: Told) -> Asked | None:
        """See `upstream.Monitors.begin`."""

    async def vet(self, url: str) -> None:
        """See `upstream.Monitors.vet`."""


class Asking:
    """Asks monitors."""

    def __init__(
        self,
        *,
        graph: GraphClient,
        monitors: MonitorClient,
        vault: Vault,
        cookies: Cookies,
        max_body: int,
        own_credential: bool = False,
    ) -> None:
        """`max_body`: bytes of a reply that are read. `own_credential`: whether `graph` needs none of a caller's."""
        self._graph = graph
        self._monitors = monitors
        self._vault = vault
        self._cookies = cookies
        self.max_body = max_body
        self._own_credential = own_credential

    def lend(self, operation: Operation, caller: Caller) -> None:
        """Ask the operation's monitor with this caller's credential, which the upstream accepts for it."""
        self._vault.lend(operation.id, caller)

    def give_back(self, operation: Operation) -> None:
        """The credential that was lent is not accepted any more."""
        self._vault.give_back(operation.id)

    def may_ask(self, operation: Operation) -> bool:
        """Whether there is all that it takes to ask the operation's monitor."""
        if not operation.monitor_credential or self._own_credential:
            return True
        return self._vault.lent(operation.id) is not None

    async def ask(self, operation: Operation, url: str) -> Reply:
        """One answer of the operation's monitor. Raises `CredentialGone`, `UpstreamError` and its kinds."""
        own = self._cookies.line(operation.id, url)
        if operation.monitor_credential:
            reply = await self._ask_upstream(operation, url, (*HEADERS, *own))
        else:
            reply = await self._monitors.get(url, (*HEADERS, *own) if own else HEADERS)
        self._cookies.heard(operation.id, url, reply.headers)
        return reply

    def begin(self, operation: Operation, url: str, told: Told) -> Asked | None:
        """Ask a monitor that takes no credential, without waiting for anything; None where that cannot be done.

        `told` is called later with what comes of it: see `upstream.Monitors.begin`. What is not whole yet is waited for
        by `rest`. Raises `AddressRefused`.
        """
        if operation.monitor_credential:
            return None

        def heard(said: Reply | Exception | None) -> None:
            if isinstance(said, Reply):
                self._cookies.heard(operation.id, url, said.headers)
            told(said)

        own = self._cookies.line(operation.id, url)
        return self._monitors.begin(url, (*HEADERS, *own) if own else HEADERS, heard)

    async def rest(self, operation: Operation, url: str, asked: Asked) -> Reply:
        """The reply to what was begun, as soon as it is there. Raises as `ask` does."""
        reply = await asked.rest()
        self._cookies.heard(operation.id, url, reply.headers)
        return reply

    async def _ask_upstream(self, operation: Operation, url: str, told: Headers) -> Reply:
        """A monitor of the upstream's own, which wants a credential."""
        credential = self._vault.lent(operation.id)
        if credential is None and not self._own_credential:
            raise CredentialGone
        target = "/" + url.split("/", 3)[3]
        lines: Headers = ((b"Host", self._graph.host_header), *told, *self._vault.repeated(operation.id))
        if credential is not None:
            lines = (*lines, (b"Authorization", credential))
        try:
            exchange = await self._graph.open(Outgoing("GET", target, lines, None))
        except CallerRefused:
            self.give_back(operation)
            raise CredentialGone from None
        except CredentialError as error:
            raise UpstreamUnreachable(error.reason) from error
        try:
            body, oversized = await exchange.read(self.max_body)
        finally:
            await exchange.close()
        return Reply(exchange.status, exchange.headers, body, oversized)

    async def vet(self, url: str, *, credential: bool) -> None:
        """Find out whether the monitor's address may be connected to. Raises `AddressRefused`, `UpstreamError`."""
        if not credential:
            await self._monitors.vet(url)
