"""The operator's listener: health, readiness, metrics, the list of operations, and the dashboard; reads only.

    door        who is let in, and the header lines of every answer
    rows        an operation as operators see it, and the filter
    measures    counts and seconds of the last few minutes
    watch       the observer that fills those, and the health of store, token and upstream
    status      all of that as one object
    feed        rows and status as server-sent events
    static/     the dashboard: HTML, CSS and JavaScript modules, as they are

Rules: it has a port of its own, on loopback unless told otherwise, and nothing on it changes anything. No answer
holds a token, a monitor URL or a result.

What this module must not do: be reachable through the callers' listener.
"""

import json
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from gateway.admin.door import door, refusal, sign
from gateway.admin.feed import Feed
from gateway.admin.rows import MOST, NotUnderstood, Row, Rows, Wanted, foremost
from gateway.admin.status import Status
from gateway.admin.watch import Watch
from gateway.clock import Clock
from gateway.config import Config
from gateway.model import ACTIVE, Operation
from gateway.store import Store, StoreDown
from gateway.tasks import Tasks

STATIC = Path(__file__).parent / "static"

FILES = {
    "/": ("index.html", "text/html"),
    "/static/style.css": ("style.css", "text/css"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
    **{
        f"/static/{name}": (name, "text/javascript")
        for name in ("main.js", "feed.js", "table.js", "charts.js", "tiles.js", "words.js")
    },
}
"""By path, a file of the dashboard and what it is."""


class AdminSide:
    """The listener that the operator talks to."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        store: Store,
        tasks: Tasks,
        watch: Watch,
        ready: Callable[[], str | None],
        held: Callable[[], int],
        waiting_for: Callable[[str], int],
        followed_here: Callable[[str], bool],
        metrics: Callable[[str], tuple[bytes, str]] | None = None,
    ) -> None:
        """`ready` returns None, or why no calls should be sent here; `metrics` the page for a Prometheus that
        accepts this, and its type.
        """
        self._config = config
        self._clock = clock
        self._ready = ready
        self._held = held
        self._metrics = metrics
        self._rows = Rows(
            stalled_after=config.polling.stalled_after, waiting_for=waiting_for, followed_here=followed_here
        )
        self._status = Status(
            config=config, clock=clock, store=store, watch=watch, rows=self._rows, ready=ready, held=held
        )
        self._feed = Feed(clock=clock, tasks=tasks, rows=self._rows, status=self._status)
        watch.listen(self._feed.changed)
        self._files = {path: (STATIC / name).read_bytes() for path, (name, _) in FILES.items()}
        self._runner: web.AppRunner | None = None

    async def listen(self) -> tuple[str, int]:
        """Start to answer; returns where. Raises `OSError`."""
        where = self._config.admin
        application = web.Application(middlewares=[door(where.host)])
        application.on_response_prepare.append(sign)
        routes = application.router
        routes.add_get("/healthz", self._healthz)
        routes.add_get("/readyz", self._readyz)
        routes.add_get("/status", self._whole_status)
        routes.add_get("/operations", self._operations)
        routes.add_get("/operations/events", self._events)
        routes.add_get("/metrics", self._prometheus)
        for path in FILES:
            routes.add_get(path, self._file)
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=15, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, where.host, where.port).start()
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    def reload(self, config: Config) -> None:
        """Go by this from now on, but for where it listens."""
        self._rows.stalled_after = config.polling.stalled_after
        self._status.config = config

    async def stop(self) -> None:
        self._feed.close()
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

    async def _prometheus(self, request: web.Request) -> web.Response:
        accept = request.headers.get("Accept", "")
        page, content_type = self._metrics(accept) if self._metrics is not None else (b"", "text/plain")
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _file(self, request: web.Request) -> web.Response:
        _, content_type = FILES[request.path]
        return web.Response(body=self._files[request.path], content_type=content_type, charset="utf-8")

    async def _whole_status(self, _request: web.Request) -> web.Response:
        return json_answer(await self._status.said())

    async def _operations(self, request: web.Request) -> web.Response:
        try:
            wanted = Wanted.of(request.query)
            operations = await self._status.all()
        except NotUnderstood as error:
            return refusal(400, str(error))
        except StoreDown:
            return refusal(503, "the store does not answer; see /status")
        now = self._clock.now()
        wished = [one for one in operations if wanted.takes(one, stalled=self._rows.stalled(one, now))]
        return json_answer(
            {
                "held_calls": self._held(),
                "active": sum(operation.state in ACTIVE for operation in operations),
                "total": len(operations),
                "matching": len(wished),
                "operations": [self._said(one, now) for one in foremost(wished, wanted.limit)],
            }
        )

    def _said(self, operation: Operation, now: float) -> Row:
        return self._rows.row(operation, now)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = Wanted.of(request.query, usual=MOST)
        except NotUnderstood as error:
            return refusal(400, str(error))
        if self._feed.full:
            return refusal(503, "as many dashboards are open as there may be", **{"Retry-After": "5"})
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            await self._feed.serve(response, wanted)
        except (ConnectionError, TimeoutError):  # it left, or reads too slowly to be told any more
            if request.transport is not None:
                request.transport.abort()
        return response


def json_answer(said: dict[str, object]) -> web.Response:
    return web.Response(text=json.dumps(said), content_type="application/json")
