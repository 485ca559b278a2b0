"""Which client asks a monitor: foreign ones are asked without any credential, those that the upstream hosts itself
with the credential the operation was started with.

Rules: a credential goes to the upstream's origin only. It comes from the vault, which lives in memory: where it is
gone (a restart, another replica) the monitor cannot be asked until the caller comes back.

What this module must not do: decide when to ask, or what the answer means.
"""

from typing import Protocol

from gateway.auth import Vault
from gateway.model import Headers, Operation, Reply
from gateway.upstream import Exchange, Outgoing

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

    async def vet(self, url: str) -> None:
        """See `upstream.Monitors.vet`."""


class Asking:
    """Asks monitors."""

    def __init__(self, *, graph: GraphClient, monitors: MonitorClient, vault: Vault, max_body: int) -> None:
        """`max_body`: bytes of a reply that are read."""
        self._graph = graph
        self._monitors = monitors
        self._vault = vault
        self._max_body = max_body

    async def ask(self, operation: Operation, url: str) -> Reply:
        """One answer of the operation's monitor. Raises `CredentialGone`, `UpstreamError` and its kinds."""
        if not operation.monitor_credential:
            return await self._monitors.get(url, HEADERS)
        credential = self._vault.recall(operation.starter)
        if credential is None:
            raise CredentialGone
        target = "/" + url.split("/", 3)[3]
        lines = ((b"Host", self._graph.host_header), *HEADERS, (b"Authorization", credential))
        exchange = await self._graph.open(Outgoing("GET", target, lines, None))
        try:
            body, oversized = await exchange.read(self._max_body)
        finally:
            await exchange.close()
        return Reply(exchange.status, exchange.headers, body, oversized)

    async def vet(self, url: str, *, credential: bool) -> None:
        """Find out whether the monitor's address may be connected to. Raises `AddressRefused`, `UpstreamError`."""
        if not credential:
            await self._monitors.vet(url)
