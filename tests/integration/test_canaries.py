"""Secrets are planted in everything that comes in, and bugs on the way; then everything that comes out is searched.

What comes out: the log in both forms, the answers, the operator's pages, the store's files. Each search is also tried
on a place where the secret has to be, so that one that finds nothing has looked.
"""

import asyncio
import base64
import io
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from fakes.caller import Caller
from fakes.canary import found, jwt
from fakes.origin import Line, Origin
from fakes.wire import Message
from stage import QUICK, exchange, in_thread, merged

from gateway import headers
from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.dialects.drive import Drive
from gateway.http import express, server
from gateway.http.results import Results
from gateway.telemetry import logs
from gateway.telemetry.logs import LogObserver, configure

KEY = "C4N4RY-encryption-key-32-bytes-x"
CANARIES = {
    "token": "C4N4RY-token-in-its-claims",
    "signature": "C4N4RY-signature",
    "cookie": "C4N4RY-cookie-of-the-caller",
    "caller key": "C4N4RY-key-of-the-caller",
    "idempotency key": "C4N4RY-idempotency",
    "query": "C4N4RY-in-the-query",
    "tempauth": "C4N4RY-in-the-monitor-url",
    "set-cookie": "C4N4RY-cookie-of-graph",
    "monitor cookie": "C4N4RY-cookie-of-the-monitor",
    "garbage": "C4N4RY-garbage-of-the-monitor",
    "download": "C4N4RY-download-url",
    "encryption key": KEY,
    "malformed": "C4N4RY-malformed",
}
TOKEN = jwt(oid=CANARIES["token"], tid="t", appid="a")
ITEM = b'{"id":"B","@microsoft.graph.downloadUrl":"https://c.sharepoint.com/d?tempauth=C4N4RY-download-url"}'
IN_RESULTS = {"download"}
"""What the caller asked for: it is in the item's body, and belongs to that caller."""


def reply(status: int, *lines: str, body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status} X", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


@dataclass
class World:
    """An upstream, a monitor and a gateway, and all that was heard of them."""

    out: io.StringIO
    database: Path
    upstream: Origin
    monitor: Origin
    gateway: Gateway
    where: tuple[str, int]
    admin: tuple[str, int]
    said: list[Message] = field(default_factory=list)

    async def send(self, raw: bytes) -> Message:
        caller = await Caller.connect(*self.where)
        try:
            self.said.append(await caller.ask(raw))
        finally:
            await caller.close()
        return self.said[-1]

    async def call(self, start: str, *lines: str, body: bytes = b"") -> Message:
        head = [
            f"{start} HTTP/1.1",
            "Host: g",
            f"Authorization: Bearer {TOKEN}",
            f"Cookie: session={CANARIES['cookie']}",
            f"Gateway-Key: {CANARIES['caller key']}",
            f"Content-Length: {len(body)}",
            *lines,
            "",
            "",
        ]
        return await self.send("\r\n".join(head).encode() + body)

    async def copy(self, number: int, *lines: str) -> Message:
        target = f"/v1.0/me/drive/items/A/copy?secret={CANARIES['query']}"
        body = b'{"name":"%d.txt"}' % number
        return await self.call(f"POST {target}", "Content-Type: application/json", *lines, body=body)

    async def pages(self) -> bytes:
        """All that operators are shown."""
        told = []
        for path in ("/", "/operations", "/status", "/healthz", "/readyz", "/metrics"):
            answer = await in_thread(partial(exchange, self.admin, "GET", path))
            assert answer.status == 200, path
            told.append(repr(answer.headers).encode() + answer.body)
        told.append(await self.feed())
        return b"\n".join(told)

    async def feed(self) -> bytes:
        """The first event that the dashboard is sent."""
        reader = await Caller.connect(*self.admin)
        await reader.send(b"GET /operations/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        got = b""
        while not (b"data:" in got and got.endswith((b"\n\n", b"\n\n\r\n"))):
            piece = await reader.reader.read(65_536)
            assert piece, got
            got += piece
        await reader.close()
        return got

    def files(self) -> bytes:
        return b"\n".join(path.read_bytes() for path in sorted(self.database.parent.iterdir()))


async def graph(line: Line, monitor: Callable[[], str]) -> None:
    while True:
        asked = await line.request()
        if asked.method == b"POST":
            await line.send(
                reply(202, f"Location: {monitor()}", f"Set-Cookie: s={CANARIES['set-cookie']}; Path=/")
            )
        elif b"/items/" in asked.target:
            cookie = f"Set-Cookie: s={CANARIES['set-cookie']}; Path=/"
            await line.send(reply(200, "Content-Type: application/json", cookie, body=ITEM))
        else:
            await line.send(reply(500, body=b"{}"))


async def watched(line: Line) -> None:
    cookie = f"Set-Cookie: m={CANARIES['monitor cookie']}; Path=/"
    garbage = CANARIES["garbage"].encode()
    while True:
        await line.request()
        number = len(line.origin.requests)
        if number == 1:
            await line.send(reply(200, cookie, body=b"not JSON: " + garbage))
        elif number == 2:
            await line.send(reply(500, cookie, body=b'{"error":{"code":"x","message":"%b"}}' % garbage))
        else:
            await line.send(reply(200, cookie, body=b'{"status":"completed","resourceId":"B"}'))


async def played(
    directory: Path, story: Callable[[World], object], *, fmt: str = "json", encrypted: bool = True
) -> World:
    out = io.StringIO()
    log = LogObserver(configure(level="debug", fmt=fmt, stream=out))
    key = base64.b64encode(KEY.encode()).decode()
    async with Origin(watched) as monitor:

        def url() -> str:
            return f"http://127.0.0.1:{monitor.port}/monitor/1?tempauth={CANARIES['tempauth']}"

        async with Origin(partial(graph, monitor=url)) as upstream:
            sections: dict[str, dict[str, object]] = {
                "upstream": {"base_url": upstream.url},
                "auth": {"caller_keys": [CANARIES["caller key"]]},
                "operations": {
                    "store": "sqlite",
                    "path": directory / "operations.db",
                    "encryption_key": key if encrypted else None,
                },
            }
            gateway = Gateway(Config.model_validate(merged(QUICK, sections)), SystemClock(), [log])
            callers, admin = await gateway.start()
            world = World(
                out,
                directory / "operations.db",
                upstream,
                monitor,
                gateway,
                (callers.host, callers.port),
                (admin.host, admin.port),
            )
            try:
                await story(world)  # type: ignore[misc] # a coroutine function
            finally:
                await gateway.stop()
    return world


@pytest.fixture(autouse=True)
def _the_root_logger() -> Iterator[None]:
    """As it was before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


async def ordinary(world: World) -> None:
    """Calls of every kind, none of which meets a bug."""
    assert (await world.copy(1)).status == 200
    assert (await world.copy(1, "Retry-Attempt: 1")).get(b"idempotent-replayed") == b"true"
    keyed = f"Idempotency-Key: {CANARIES['idempotency key']}"
    assert (await world.copy(2, keyed)).status == 200
    assert (await world.copy(3, keyed)).status == 422
    assert (await world.call(f"GET /v1.0/me?$search={CANARIES['query']}")).status == 500
    later = await world.copy(4, "Prefer: respond-async")
    assert later.status == 202
    location = (later.get(b"location") or b"").decode()
    assert "ticket=" in location
    status = await world.send(f"GET {location} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
    assert status.status in {200, 202}
    assert (await world.call(f"GET /_gateway/operations/{'0' * 32}?ticket=C4N4RY-malformed")).status == 404
    for line in (b"X: C4N4RY-malformed\x01", b"X_Y: C4N4RY-malformed", b"Content-Length: C4N4RY-malformed"):
        assert (await world.send(b"GET / HTTP/1.1\r\nHost: g\r\n" + line + b"\r\n\r\n")).status == 400
    assert location.rpartition("ticket=")[2] not in world.out.getvalue()


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_nothing_gets_out(tmp_path: Path, fmt: str) -> None:
    pages: list[bytes] = []
    files: list[bytes] = []

    async def story(world: World) -> None:
        await ordinary(world)
        pages.append(await world.pages())
        files.append(world.files())  # the journal too, before it is folded in

    world = asyncio.run(played(tmp_path, story, fmt=fmt))
    assert world.out.getvalue().count("operation_ended") >= 2
    assert found(world.out.getvalue(), CANARIES) == []
    assert b'"operation": "itemCopy"' in pages[0]
    assert found(pages[0], CANARIES) == []
    assert b"itemCopy" in files[0]
    assert found(files[0] + world.files(), CANARIES, less={"query"}) == []
    for answer in world.said:
        assert found(answer.raw, CANARIES, less=IN_RESULTS) == [], answer.start
    seen = b"".join(request.raw for request in world.upstream.requests)
    polled = b"".join(request.raw for request in world.monitor.requests)
    assert found(polled, CANARIES) == ["tempauth", "monitor cookie"], "the monitor gets its own, and no more"
    assert found(seen, CANARIES, less={"idempotency key"}) == [
        "token",
        "signature",
        "cookie",
        "query",
        "set-cookie",
    ], "the search finds what is there"


def test_without_a_key_the_monitor_is_found_in_the_file(tmp_path: Path) -> None:
    """The search of the files finds what is there."""
    world = asyncio.run(played(tmp_path, ordinary, encrypted=False))
    assert found(world.files(), CANARIES, less={"query"}) == ["tempauth"]


# --- bugs ----------------------------------------------------------------------------------------------------------

EVERYTHING = f"{TOKEN} {list(CANARIES.values())}"


def bug(*args: object, **more: object) -> None:
    local = dict(CANARIES)  # what a traceback with locals would show
    raise RuntimeError(EVERYTHING, local, args, more)


BUGS: dict[str, tuple[object, str]] = {
    "route": (server, "find"),
    "forwarding": (server, "forward"),
    "boarding": (express, "compose"),
    "riding": (headers, "spelled_for_caller"),
    "submitting": (Drive, "receipt"),
    "polling": (Drive, "read"),
    "the result": (Results, "head"),
}


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize("where", BUGS)
def test_a_bug_says_where_it_is_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, fmt: str
) -> None:
    owner, name = BUGS[where]
    monkeypatch.setattr(owner, name, bug)
    pages: list[bytes] = []

    async def story(world: World) -> None:
        if where in {"boarding", "riding"}:
            await world.call("GET /v1.0/me")
        elif where == "forwarding":
            await world.call("OPTIONS /v1.0/me")  # most other calls go by the express lane
        else:
            await world.copy(1, "Prefer: wait=1")
        pages.append(await world.pages())

    world = asyncio.run(played(tmp_path, story, fmt=fmt))
    told = world.out.getvalue()
    assert "crashed" in told
    assert "RuntimeError" in told
    assert found(told, CANARIES) == []
    for place in (*(answer.raw for answer in world.said), pages[0], world.files()):
        assert found(place, CANARIES, less={"query"}) == []


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_what_libraries_say(fmt: str) -> None:
    out = io.StringIO()
    configure(level="debug", fmt=fmt, stream=out)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(bug, TOKEN)
        future = loop.create_future()
        future.set_exception(RuntimeError(EVERYTHING))
        del future
        log = logging.getLogger("aiohttp.server")
        log.error("Error handling request from %s", CANARIES["cookie"])
        log.error(f"It came with {TOKEN}")  # noqa: G004 - as some library might
        log.error(f"GET https://c.sharepoint.com/monitor/1?tempauth={CANARIES['tempauth']} failed")  # noqa: G004 - see above
        try:
            bug()
        except RuntimeError:
            log.exception("Unhandled exception")
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop

    asyncio.run(story())
    told = out.getvalue()
    assert told.count("foreign") == 6, told
    assert found(told, CANARIES) == []


def test_the_search_of_the_log_finds_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "redact", lambda _logger, _method, event: event)
    out = io.StringIO()
    configure(level="debug", fmt="json", stream=out).info("x", text=EVERYTHING)
    assert found(out.getvalue(), CANARIES) == list(CANARIES)


PROGRAM = """
import sys, threading
from gateway.telemetry.logs import LogObserver, configure, own_up
own_up(LogObserver(configure(level="info", fmt="json")))
class Unraisable:
    def __del__(self):
        raise RuntimeError("C4N4RY")
def bug():
    raise RuntimeError("C4N4RY")
thread = threading.Thread(target=bug)
thread.start()
thread.join()
thing = Unraisable()
del thing
bug()
"""


def test_what_nobody_caught_is_one_line_each() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert [line.count('"event": "crashed"') for line in done.stdout.splitlines()] == [1, 1, 1]
    assert "RuntimeError" in done.stdout
    assert "C4N4RY" not in done.stdout + done.stderr
    assert done.stderr == ""
