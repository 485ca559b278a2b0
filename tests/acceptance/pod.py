"""Gateways and a simulated Graph as processes, a client that does not give up, and what the simulator saw of it all.

    with Graph() as graph, opened(folder, graph, medium, arm="after_202") as gateway:
        client = Client(graph, "one.txt")
        client.send_until_answered(gateway)

Rules: nothing here waits for a while. A client sends its POST again when its connection breaks, to whatever gateway
there is by then, with the same client-request-id, as people's clients do.
"""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from acceptance.command import PATIENCE, Command
from acceptance.mediums import Medium

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
SETTINGS = """\
listen: {{port: 0}}
admin: {{port: 0}}
upstream: {{base_url: '{graph}'}}
monitor: {{allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true}}
polling: {{first_delay: 50ms, min_interval: 50ms, max_interval: 300ms}}
operations: {{{operations}}}
"""

AGAIN = frozenset({502, 503, 504})
"""Statuses that are no final answer: a client sends again."""
BROKEN = (OSError, http.client.HTTPException)
"""How a client hears of a gateway that died."""


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of an error."""
        return self.json["error"]["code"] if self.status >= 400 else None


def ask(
    base: str, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own, no redirects. Raises what is among `BROKEN`."""
    given = {"Content-Type": "application/json", **(headers or {})}
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE)) as connection:
        connection.request(method, target, json.dumps(body) if body is not None else None, given)
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


class Graph:
    """A simulated Graph as a process of its own: what it saw is the truth that answers are compared with."""

    def __init__(self, duration: str = "200ms") -> None:
        ports = ("--port", "0", "--monitor-port", "0")
        self.command = Command("simulate", *ports, "--duration", duration, "--speed", "0")
        self.url = ""

    def __enter__(self) -> Self:
        self.command.__enter__()
        self.url = self.command.line("Graph ").split()[1].removesuffix("/v1.0")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.command.__exit__(kind, error, traceback)

    def told(self, what: str) -> Any:
        """What its control API says."""
        return ask(self.url, "GET", f"/_simulator/{what}").json

    def effects(self, name: str) -> int:
        """How many items came to be for whom this name was asked for."""
        return int(self.told("summary")["effects"].get(f"ana:/{name}", 0))

    @property
    def started(self) -> int:
        """How many POSTs it has taken on."""
        return int(self.told("summary")["copies_started"])

    def item(self, name: str) -> str | None:
        """The id of ana's item of that name."""
        own = next(drive["items"] for drive in self.told("drives") if drive["name"] == "ana")
        return str(own[f"/{name}"]) if f"/{name}" in own else None

    def posts(self, token: str) -> list[dict[str, Any]]:
        """The POSTs with that token, those that broke off too."""
        return [
            asked
            for asked in self.told("requests")
            if asked["method"] == "POST" and ["Authorization", token] in asked["headers"]
        ]

    def wait_for_post(self, token: str) -> None:
        """Return when there is one; asking takes a moment, so there is no need for another."""
        for _ in range(10_000):
            if self.posts(token):
                return
        raise AssertionError("no POST came")


class Gateway:
    """A gateway process that is there."""

    def __init__(self, command: Command) -> None:
        self.command = command
        listening = command.event("listening")
        self.url = f"http://{listening['address']}"
        self.admin = f"http://{listening['admin']}"


@contextmanager
def opened(
    folder: Path, graph: Graph, medium: Medium, *, arm: str | None = None, more: str = "", words: str = ""
) -> Iterator[Gateway]:
    """A gateway process. `arm`: where it is to die; `more`: settings; `words`: more of the section `operations`."""
    with launched(folder, graph, medium, arm=arm, more=more, words=words) as command:
        yield Gateway(command)


def launched(
    folder: Path,
    graph: Graph,
    medium: Medium,
    *,
    arm: str | None = None,
    more: str = "",
    words: str = "",
    env: Mapping[str, str] | None = None,
) -> Command:
    """The same, without waiting until it listens, which it may not live to do."""
    operations = ", ".join(filter(None, (medium.settings, words)))
    file = folder / "gateway.yaml"
    file.write_text(SETTINGS.format(graph=graph.url, operations=operations) + more, encoding="utf-8")
    armed = {"LRO_GATEWAY_CRASH_POINT": arm} if arm is not None else {}
    return Command("run", "--config", file, env={**armed, **(env or {})})


@dataclass
class Client:
    """A plain blocking client that wants one copy, in a thread of its own."""

    name: str
    token: str
    query: str = ""
    simulate: str = ""
    """For the first request alone: what the simulated Graph makes of it."""
    answer: Answer | None = None
    sent: int = 0
    _where: str = ""
    _known: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Send, until there is an answer."""
        self._thread = threading.Thread(target=self._persist, daemon=True)
        self._thread.start()

    def moved(self, where: str) -> None:
        """Whoever sends again finds the gateway here."""
        with self._known:
            self._where = where
            self._known.notify_all()

    def joined(self, within: float = PATIENCE) -> bool:
        """Whether it has got its answer, after at most so many seconds."""
        assert self._thread is not None
        self._thread.join(within)
        return not self._thread.is_alive()

    @contextmanager
    def asking(self, where: str) -> Iterator[None]:
        """Send once, and hang up at the end without having waited for an answer."""
        with closing(http.client.HTTPConnection(urlsplit(where).netloc, timeout=PATIENCE)) as connection:
            connection.request("POST", SOURCE + self.query, json.dumps({"name": self.name}), self._headers())
            self.sent += 1
            yield

    def _persist(self) -> None:
        broken = ""
        while self.answer is None or self.answer.status in AGAIN:
            where = self._other_than(broken)
            try:
                self.answer = self.once(where)
            except BROKEN:
                broken = where

    def _other_than(self, broken: str) -> str:
        """Where the gateway is, once that is somewhere else than where it died."""
        with self._known:
            assert self._known.wait_for(lambda: self._where != broken, PATIENCE), "no gateway came back"
            return self._where

    def retry(self) -> None:
        """Send, until there is a final answer."""
        self._thread = threading.Thread(target=self._insist, daemon=True)
        self._thread.start()

    def _insist(self) -> None:
        while self.answer is None or self.answer.status in AGAIN:
            with suppress(*BROKEN):
                self.answer = self.once(self._where)

    def once(self, where: str) -> Answer:
        """Send once; redirects are followed. Raises what is among `BROKEN`."""
        headers = self._headers()
        self.sent += 1
        answer = ask(where, "POST", SOURCE + self.query, {"name": self.name}, headers)
        while answer.status == 303:
            answer = ask(where, "GET", answer.headers["location"], headers={"Authorization": self.token})
        return answer

    def _headers(self) -> dict[str, str]:
        headers = {
            "Authorization": self.token,
            "Content-Type": "application/json",
            "client-request-id": f"id of {self.name}",
        }
        return headers | ({"Simulate": self.simulate} if self.simulate and not self.sent else {})
