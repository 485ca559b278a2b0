"""The simulator as a whole: two listeners, one world, and the Python API for tests and the demo.

    async with Simulator(SimulatorSettings(), SystemClock()) as simulator:
        simulator.arm("fault=poll2:503(2)", times=1)
        ...  # talk to simulator.graph_url with the token simulator.token("ana")
        assert simulator.summary().violations == ()

Rules: no task is started and nothing sleeps but through the clock; a request is answered between two awaits. The
catch-all handler stands in place of aiohttp's router, which would decode and normalise paths.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.clock import Clock
from gateway.simulator import control, entra, graph_origin, monitor_origin
from gateway.simulator.apps import Refusal
from gateway.simulator.directives import read_header
from gateway.simulator.drives import Drive
from gateway.simulator.errors import dressed, error_answer
from gateway.simulator.ledger import Summary
from gateway.simulator.operations import Operation
from gateway.simulator.people import GRAPH_AUDIENCE
from gateway.simulator.rules import COPY_CALLS, Rule
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.wire import Answer, Asked, GraphError, Origin
from gateway.simulator.wire_io import BodyTooBigError, read, write
from gateway.simulator.world import World

_LONGEST_LINE = 64 * 1024


class Simulator:
    """A Graph on loopback. Start it, stop it, or use it as an async context manager."""

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        self._settings = settings
        self._world = World(settings, clock)
        self._runners: list[web.ServerRunner] = []
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Bind both ports. Raises OSError where one is taken."""
        settings = self._settings
        self._stopping.clear()
        try:
            for origin, port, name in (
                (Origin.GRAPH, settings.port, settings.graph_name),
                (Origin.MONITOR, settings.monitor_port, settings.monitor_name),
            ):
                bound = await self._listen(origin, port)
                scheme = "https" if settings.tls is not None else "http"
                host = name or (f"[{settings.host}]" if ":" in settings.host else settings.host)
                self._world.urls[origin] = f"{scheme}://{host}:{bound}"
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close everything; requests that hang are let go."""
        self._stopping.set()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def graph_url(self) -> str:
        """`http://127.0.0.1:port`, without a version."""
        return self._world.urls[Origin.GRAPH]

    @property
    def monitor_url(self) -> str:
        return self._world.urls[Origin.MONITOR]

    def summary(self) -> Summary:
        return self._world.summary()

    def requests(self) -> list[Asked]:
        """The recent requests, oldest first; those of the control API are not among them."""
        return list(self._world.ledger.requests)

    def operations(self) -> list[Operation]:
        """All operations, oldest first; to look at, not to change."""
        self._world.settle()
        return list(self._world.operations.all.values())

    def reset(self) -> None:
        """As it was at the start."""
        self._world.reset()

    def arm(
        self,
        directives: str,
        *,
        path: str = COPY_CALLS,
        method: str | None = None,
        user: str | None = None,
        times: int | None = None,
        skip: int = 0,
    ) -> None:
        """Add a rule: directives as in the `Simulate` header, for requests that match. Raises DirectiveError."""
        rule = Rule(read_header(directives), "", method, path, user, skip, times)
        self._world.rules.arm(rule)

    def token(self, user: str, expires_in: float = 3600.0, *, audience: str = GRAPH_AUDIENCE) -> str:
        """A new token for a user, or for `app`; for an application other than Graph its id is the audience."""
        return self._world.tokens.mint(user, expires_in, audience)

    def refuse_tokens(self, refusal: Refusal, times: int = 1) -> None:
        """Answer the next requests for a token with this error."""
        self._world.token_refusals.extend([refusal] * times)

    def token_requests(self) -> list[dict[str, str]]:
        """The forms, or the queries, of the recent requests for a token, oldest first."""
        return [entra.form_of(asked) for asked in self.requests() if entra.wants_token(asked)]

    def expire_tokens(self, user: str) -> None:
        """Refuse all tokens that the user has had so far."""
        self._world.tokens.expire(name=user)

    def drive(self, name: str = "me") -> Drive:
        """A drive by its id, or the name of its user, group or site; `me` is the first user's."""
        found = self._world.drive_named(self._settings.users[0] if name == "me" else name)
        if found is None:
            raise KeyError(name)
        return found

    async def _listen(self, origin: Origin, port: int) -> int:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(origin, request)

        server = web.Server(
            handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self._settings.host, port, ssl_context=self._settings.tls).start()
        return int(runner.addresses[0][1])

    async def _handle(self, origin: Origin, request: web.BaseRequest) -> web.StreamResponse:
        world, settings = self._world, self._settings
        try:
            asked = await read(request, origin, world.clock.now(), settings.max_body, lost=world.ledger.asked)
        except BodyTooBigError as big:
            error = GraphError(413, "invalidRequest", f"The body is bigger than {settings.max_body} bytes.")
            answer = error_answer(world, big.asked, error)
        else:
            answer = self._respond(asked)
        return await write(request, answer, world.clock, self._stopping, compress=settings.gzip)

    def _respond(self, asked: Asked) -> Answer:
        """One request from beginning to end; nothing waits in here, so that it sees and leaves the world whole."""
        world = self._world
        if not control.is_control(asked):
            world.ledger.asked(asked)
        world.settle()
        respond = graph_origin.respond if asked.origin is Origin.GRAPH else monitor_origin.respond
        return dressed(world, asked, respond(world, asked))


async def serve(
    settings: SimulatorSettings, clock: Clock, stop: asyncio.Event, echo: Callable[[str], object] = print
) -> None:
    """Run until `stop` is set; say where it listens, and at the end what has happened."""
    async with Simulator(settings, clock) as simulator:
        echo(f"Graph    {simulator.graph_url}/v1.0")
        echo(f"Monitors {simulator.monitor_url}")
        echo(f"Control  {simulator.graph_url}/_simulator/summary")
        echo(f"Tokens   {', '.join(f'sim-{user}' for user in settings.users)}, sim-app")
        if settings.sample:
            echo(f"Try      {example(simulator.graph_url, settings.users[0])}")
        await stop.wait()
        for line in summary_lines(simulator.summary()):
            echo(line)


def example(graph_url: str, user: str) -> str:
    """A call that starts a copy, to be pasted into a shell."""
    target = f"{graph_url}/v1.0/me/drive/root:/hello.txt:/copy"
    lines = f"-H 'Authorization: Bearer sim-{user}' -H 'Content-Type: application/json'"
    return f'curl -i {lines} -d \'{{"name": "copy of hello.txt"}}\' {target}'


def summary_lines(summary: Summary) -> list[str]:
    """The summary, for people."""
    lines = [
        f"Requests {summary.requests} ({summary.graph_requests} Graph, {summary.monitor_requests} monitor)",
        f"Jobs     {summary.copies_started} started, {summary.copies_finished} finished, {summary.copies_failed} failed",
        f"Items    {summary.items_created} created",
    ]
    lines += [f"         {count} x {name}" for name, count in sorted(summary.effects.items())]
    lines.append(f"Wrong    {len(summary.violations)} violations")
    lines += [f"         {violation.kind}: {violation.detail}" for violation in summary.violations]
    return lines
