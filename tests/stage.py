"""The whole cast on one event loop: simulator, gateway, and clients on real sockets.

    def test_something() -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy("/v1.0/me/drive/root:/hello.txt:/copy", body={"name": "b.txt"})
            assert answer.status == 200

        play(story, wait={"max": 2.0})

Blocking clients run in threads (`in_thread`), as they would in a process of their own. Nothing here sleeps.
"""

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fakes.records import Remembering

from gateway.app import Gateway
from gateway.clock import Clock, SystemClock
from gateway.config import Config
from gateway.simulator import Simulator, SimulatorSettings
from gateway.telemetry.tracing import Traces

T = TypeVar("T")

QUICK: dict[str, dict[str, Any]] = {
    "listen": {"port": 0},
    "admin": {"port": 0},
    "monitor": {"allow_http": True, "allow_private": True, "allowed_hosts": ["127.0.0.1"]},
    "polling": {"first_delay": 0.02, "min_interval": 0.02, "max_interval": 0.2, "lost_after": 0.3},
    "shutdown": {"grace": 5.0},
}
"""A configuration for tests: any free port, the simulator's hosts, and no time to lose."""

STORE: dict[str, Any] = {}
"""Settings under `operations` that choose where the stages remember; see `conftest.every_store`."""


TRACES: Traces | None = None
"""What the stages' gateways trace with, where that is not what their configuration says."""


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stage:
    """The cast."""

    simulator: Simulator
    gateway: Gateway
    observer: Remembering
    host: str = ""
    port: int = 0
    admin_port: int = 0
    jobs: list["asyncio.Task[Any]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def token(self, user: str = "ana") -> str:
        return f"Bearer {self.simulator.token(user)}"

    async def call(
        self,
        method: str,
        target: str,
        *,
        body: object = None,
        headers: dict[str, str] | None = None,
        token: str | None = "",
        patience: float = 30.0,
    ) -> Answer:
        """One call by http.client, in a thread. `token`: empty for ana's, None for no Authorization."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = token or self.default_token
        raw: bytes | None
        if body is None or isinstance(body, bytes):
            raw = body
        else:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        return await in_thread(partial(exchange, (self.host, self.port), method, target, raw, sent, patience))

    async def copy(
        self,
        target: str,
        *,
        body: Mapping[str, object] | None = None,
        headers: dict[str, str] | None = None,
        simulate: str | None = None,
        token: str | None = "",
        patience: float = 30.0,
    ) -> Answer:
        """POST a copy; `simulate` is the simulator's header of that name."""
        sent = dict(headers or {})
        if simulate is not None:
            sent["Simulate"] = simulate
        return await self.call("POST", target, body=body or {}, headers=sent, token=token, patience=patience)

    async def admin(self, path: str) -> Answer:
        return await in_thread(partial(exchange, ("127.0.0.1", self.admin_port), "GET", path))

    @property
    def default_token(self) -> str:
        if not hasattr(self, "_token"):
            self._token = self.token()
        return self._token

    @property
    def copies_sent(self) -> int:
        """POSTs of a copy that reached the simulator."""
        return sum(asked.method == "POST" for asked in self.simulator.requests())


def exchange(  # noqa: PLR0917 - the parts of a request, in the order they are sent in
    where: tuple[str, int],
    method: str,
    target: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    patience: float = 30.0,
) -> Answer:
    """One request on a connection of its own, blocking, redirects not followed."""
    connection = http.client.HTTPConnection(*where, timeout=patience)
    try:
        connection.request(method, target, body, headers or {})
        reply = connection.getresponse()
        return Answer(reply.status, reply.getheaders(), reply.read())
    finally:
        connection.close()


async def follow(
    stage: Stage, answer: Answer, *, token: str | None = "", most: int = 50
) -> tuple[Answer, int]:
    """Follow 303s as a client would; the last answer and the number of hops."""
    hops = 0
    while answer.status == 303 and hops < most:
        location = urlsplit(answer.header("Location") or "")
        answer = await stage.call("GET", f"{location.path}?{location.query}", token=token)
        hops += 1
    return answer, hops


async def passed(condition: Callable[[], bool]) -> None:
    """Wait for something to come true, turn by turn of the event loop."""
    while not condition():
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.002, turn.set_result, None)
        await turn


async def in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)


def merged(base: dict[str, dict[str, Any]], *changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    sections = {name: dict(section) for name, section in base.items()}
    for change in changes:
        for name, section in change.items():
            sections.setdefault(name, {}).update(section)
    return sections


def play(
    story: Callable[[Stage], Awaitable[None]],
    *,
    settings: SimulatorSettings | None = None,
    clock: Clock | None = None,
    **sections: dict[str, Any] | Callable[[Simulator], dict[str, Any]],
) -> Remembering:
    """Set the stage, play, and see that nothing is left behind; returns what the observer saw.

    A section that has to know where the simulator is, is a function of it.
    """
    observer = Remembering()

    async def body() -> None:
        ticking = clock or SystemClock()
        script = settings or SimulatorSettings(base_duration=0.1, bytes_per_second=0)
        async with Simulator(script, ticking) as simulator:
            upstream = {"upstream": {"base_url": simulator.graph_url}}
            told = {name: keys(simulator) if callable(keys) else keys for name, keys in sections.items()}
            config = Config.model_validate(merged(QUICK, {"operations": STORE}, upstream, told))
            gateway = Gateway(config, ticking, [observer], traces=TRACES)
            callers, admin = await gateway.start()
            stage = Stage(simulator, gateway, observer, callers.host, callers.port, admin.port)
            try:
                await story(stage)
            finally:
                await gateway.stop()
            assert (gateway.tasks.names(), gateway.errands.names()) == ([], [])
            assert observer.crashes == [], observer.crashes

    with asyncio.Runner() as runner:
        runner.run(body())
    return observer
