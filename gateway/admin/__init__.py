"""The operator's listener: health, readiness, and the list of operations; reads only.

Rules: it has a port of its own, on loopback unless told otherwise, and nothing on it changes anything. No answer
holds a token, a monitor URL or a result.

What this module must not do: be reachable through the callers' listener.
"""

import json
from collections.abc import Callable

from aiohttp import web

from gateway import lifecycle
from gateway.clock import Clock
from gateway.config import Config
from gateway.http.answers import STATUS_WORDS
from gateway.model import ACTIVE, Operation
from gateway.store import Store


class AdminSide:
    """The listener that the operator talks to."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        store: Store,
        ready: Callable[[], str | None],
        held: Callable[[], int],
        waiting_for: Callable[[str], int],
    ) -> None:
        """`ready` returns None, or why no calls should be sent here."""
        self._config = config
        self._clock = clock
        self._store = store
        self._ready = ready
        self._held = held
        self._waiting_for = waiting_for
        self._runner: web.AppRunner | None = None

    async def listen(self) -> tuple[str, int]:
        """Start to answer; returns where. Raises `OSError`."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/operations", self._operations)
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=15, shutdown_timeout=1)
        await self._runner.setup()
        where = self._config.admin
        await web.TCPSite(self._runner, where.host, where.port).start()
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        """The process turns its event loop; nothing more."""
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._ready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def _operations(self, _request: web.Request) -> web.Response:
        operations = await self._store.all()
        now = self._clock.now()
        said = {
            "held_calls": self._held(),
            "active": sum(operation.state in ACTIVE for operation in operations),
            "operations": [self._said(operation, now) for operation in operations],
        }
        return web.Response(text=json.dumps(said), content_type="application/json")

    def _said(self, operation: Operation, now: float) -> dict[str, object]:
        polling = self._config.polling
        return {
            "id": operation.id,
            "dialect": operation.plan.dialect,
            "operation": operation.plan.kind,
            "state": operation.state.value,
            "status": STATUS_WORDS[operation.state],
            "percentageComplete": operation.percent,
            "stalled": lifecycle.stalled(operation, now, polling.stalled_after),
            "callers_waiting": self._waiting_for(operation.id),
            "polls": operation.polls,
            "last_trouble": operation.last_trouble,
            "age": round(now - operation.created_at, 3),
            "next_poll_in": None
            if operation.next_poll_at is None
            else round(max(0.0, operation.next_poll_at - now), 3),
            "code": operation.problem.code if operation.problem is not None else None,
            "delivered": operation.delivered_at is not None,
        }
