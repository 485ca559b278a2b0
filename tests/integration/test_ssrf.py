"""Where a hostile Location leads: nowhere. What the process connects to is what Python's own audit says it does."""

import json
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fakes.origin import Line, Origin, Script
from passage import Passage, passing

from gateway.upstream import dial
from gateway.upstream.addresses import Address

COPY = (
    b"POST /v1.0/me/drive/items/A/copy HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\nPrefer: wait=%b\r\n\r\n%b"
)
STRICT: dict[str, dict[str, Any]] = {
    "monitor": {
        "allow_http": False,
        "allow_private": False,
        "allowed_hosts": ["*.sharepoint.com", "graph.microsoft.com"],
    }
}
NAME = "contoso.sharepoint.com"
PUBLIC = "20.190.151.7"
"""What that name might really resolve to; nothing is ever sent there."""

HOSTILE = [
    "https://127.0.0.1:{trap}/",
    "http://127.0.0.1:{trap}/",
    "https://localhost:{trap}/",
    "https://[::1]:{trap}/",
    "https://[::ffff:127.0.0.1]:{trap}/",
    "https://[::ffff:7f00:1]:{trap}/",
    "https://[64:ff9b::7f00:1]:{trap}/",
    "https://[64:ff9b:1::7f00:1]:{trap}/",
    "https://[2002:7f00:1::]:{trap}/",
    "https://[2001:0:7f00:1::]:{trap}/",
    "https://[::]:{trap}/",
    "https://[fe80::1%25lo]:{trap}/",
    "https://[::1%lo]:{trap}/",
    "https://0.0.0.0:{trap}/",
    "https://0:{trap}/",
    "https://127.1:{trap}/",
    "https://127.0.1:{trap}/",
    "https://2130706433:{trap}/",
    "https://0x7f000001:{trap}/",
    "https://0x7f.0x0.0x0.0x1:{trap}/",
    "https://017700000001:{trap}/",
    "https://0177.0.0.1:{trap}/",
    "https://127.0.0.1.:{trap}/",
    "https://localhost.:{trap}/",
    "https://127.0.0.1%00.sharepoint.com:{trap}/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "//127.0.0.1:{trap}/x",
    "///127.0.0.1:{trap}/x",
    "\\\\127.0.0.1:{trap}\\x",
    "/\\127.0.0.1:{trap}/x",
    "https:/127.0.0.1:{trap}/",
    "https:127.0.0.1:{trap}",
    "https:///127.0.0.1:{trap}/",
    "https://contoso.sharepoint.com@127.0.0.1:{trap}/",
    "https://contoso.sharepoint.com:443@127.0.0.1:{trap}/",
    "https://a:b@contoso.sharepoint.com@127.0.0.1:{trap}/",
    "https://127.0.0.1:{trap}\\@contoso.sharepoint.com/",
    "https://127.0.0.1:{trap}#@contoso.sharepoint.com/",
    "https://127.0.0.1:{trap}?@contoso.sharepoint.com/",
    "https://127.0.0.1:{trap}/.sharepoint.com",
    "https://127.0.0.1:{trap}%2F.sharepoint.com/",
    "https://contoso.sharepoint.com:{trap}/",
    "https://contoso.sharepoint.com:80/",
    "https://contoso.sharepoint.com.127.0.0.1.nip.io:{trap}/",
    "https://contoso.sharepoint.com.evil.test/",
    "https://evilsharepoint.com/",
    "https://sharepoint.com/",
    "https://.sharepoint.com/",
    "https://graph.microsoft.com.:443/",
    "https://graph.microsoft.com%2eevil.test/",
    "https://graph\u3002microsoft\u3002com/",
    "https://\uff27raph.microsoft.com/",
    "https://1\u20e3.sharepoint.com:{trap}/",
    "https://contoso.sharepoint.com/ https://127.0.0.1:{trap}/",
    "https://contoso.sharepoint.com\t@127.0.0.1:{trap}/",
    "http://contoso.sharepoint.com/",
    "ftp://contoso.sharepoint.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{trap}/_x",
    "dict://127.0.0.1:{trap}/",
    "ws://127.0.0.1:{trap}/",
    "data:application/json,{{}}",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "https://",
]

OFF_LIMITS = [
    ["127.0.0.1"],
    ["::1"],
    ["0.0.0.0"],
    ["::"],
    ["10.0.0.1"],
    ["172.16.0.1", "192.168.1.1"],
    ["100.64.0.1"],
    ["169.254.169.254"],
    ["168.63.129.16"],
    ["224.0.0.1"],
    ["255.255.255.255"],
    ["::ffff:127.0.0.1"],
    ["::ffff:169.254.169.254"],
    ["64:ff9b::7f00:1"],
    ["64:ff9b::a9fe:a9fe"],
    ["64:ff9b:1::a9fe:a9fe"],
    ["2002:7f00:1::1"],
    ["2002:a9fe:a9fe::1"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    ["fd00:ec2::254"],
    ["fe80::1"],
    ["ff02::1"],
    ["127.0.0.1", "::1", "10.1.2.3"],
]
"""What an allowed name may resolve to that must not be connected to."""

_watched: list[tuple[str, object]] = []


def _audit(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.connect":
        _watched.append(("connect", args[1]))
    elif event == "socket.getaddrinfo":
        _watched.append(("look up", args[0]))


sys.addaudithook(_audit)  # there is no taking it back: it only writes down


class Watch:
    """What this process connected to, and looked up, since it began."""

    def __init__(self) -> None:
        self._from = len(_watched)

    def connected(self, *, but: Sequence[int]) -> list[object]:
        """Addresses, less those at ports of our own."""
        return [
            where
            for kind, where in _watched[self._from :]
            if kind == "connect" and not (isinstance(where, tuple) and where[1] in but)
        ]

    @property
    def looked_up(self) -> list[object]:
        return [
            name
            for kind, name in _watched[self._from :]
            if kind == "look up" and name not in {"127.0.0.1", None}
        ]


def copy(number: int, wait: str = "5") -> bytes:
    body = b'{"name":"%d"}' % number
    return COPY % (len(body), wait.encode(), body)


def accepting(location: Callable[[int], bytes]) -> Script:
    """An upstream that accepts every POST, with the n-th Location, and shows an item to every GET."""

    async def script(line: Line) -> None:
        while True:
            asked = await line.request()
            number = sum(one.method == b"POST" for one in line.origin.requests) - 1
            if asked.method == b"POST":
                await line.send(b"HTTP/1.1 202 X\r\n%b\r\nContent-Length: 0\r\n\r\n" % location(number))
            else:
                await line.send(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"B"}')

    return script


async def trap(line: Line) -> None:
    await line.ended()


@pytest.mark.parametrize("name", ["Location", "Operation-Location"])
def test_a_hostile_location_is_passed_on_and_goes_nowhere(name: str) -> None:
    port = 0

    def location(number: int) -> bytes:
        return f"{name}: {HOSTILE[number].format(trap=port)}".encode()

    async def story(passage: Passage) -> None:
        nonlocal port
        async with Origin(trap) as trapped:
            port = trapped.port
            watch = Watch()
            for number in range(len(HOSTILE)):
                answer = await passage.ask(copy(number))
                assert answer.status == 202, HOSTILE[number]
                assert answer.get(name.encode()) == location(number).partition(b": ")[2].strip(b" \t")
                assert answer.get(b"gateway-operation") is None
            await passage.at_rest()
            assert watch.connected(but=[passage.origin.port, passage.port]) == []
            assert watch.looked_up == []
            assert trapped.lines == []

    assert len(HOSTILE) > 60
    passing(story, accepting(location), loops=("asyncio",), **STRICT)


def resolving(monkeypatch: pytest.MonkeyPatch, answers: Callable[[], Sequence[str]]) -> list[str]:
    """Let the system's resolver say this of any name; returns what it is asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host == "127.0.0.1":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0))
            if ":" in text
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in answers()
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_an_allowed_name_at_an_address_off_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = iter(OFF_LIMITS)
    asked = resolving(monkeypatch, lambda: next(turn))

    async def story(passage: Passage) -> None:
        watch = Watch()
        for number in range(len(OFF_LIMITS)):
            answer = await passage.ask(copy(number))
            assert answer.status == 202, OFF_LIMITS[number]
            assert answer.get(b"location") == b"https://contoso.sharepoint.com/monitor/1"
        await passage.at_rest()
        assert watch.connected(but=[passage.origin.port, passage.port]) == []
        assert asked == [NAME] * len(OFF_LIMITS)

    passing(
        story,
        accepting(lambda _: b"Location: https://contoso.sharepoint.com/monitor/1"),
        loops=("asyncio",),
        **STRICT,
    )


def test_a_name_that_turns_inside_after_it_was_vetted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public when the 202 comes, and ours from then on: the operation is followed, and nobody inside hears of it."""
    said = iter([[PUBLIC]])
    asked = resolving(monkeypatch, lambda: next(said, ["127.0.0.1", "169.254.169.254", "::1"]))
    tried: list[str] = []
    really = dial._connected

    async def connected(address: Address, port: int) -> socket.socket:
        if str(address) == PUBLIC:
            tried.append(str(address))
            raise ConnectionRefusedError
        return await really(address, port)

    monkeypatch.setattr(dial, "_connected", connected)

    async def story(passage: Passage) -> None:
        watch = Watch()
        answer = await passage.ask(copy(1, wait="1"))
        assert answer.status == 303, "it is an operation"
        assert (tried, len(asked) > 3) == ([PUBLIC], True)
        assert watch.connected(but=[passage.origin.port, passage.port]) == []
        assert {trouble.ailment.value for trouble in passage.observer.troubles} == {"refused"}

    passing(
        story,
        accepting(lambda _: b"Location: https://contoso.sharepoint.com/monitor/1"),
        loops=("asyncio",),
        **STRICT,
    )


# --- what a monitor says -----------------------------------------------------------------------------------------

SAID: list[Callable[[str], bytes]] = [
    lambda url: b"HTTP/1.1 303 X\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % url.encode(),
    lambda url: b"HTTP/1.1 302 X\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % url.encode(),
    lambda url: _json(200, status="completed", resourceLocation=url),
    lambda url: _json(200, status="succeeded", resourceId=url),
    lambda url: _json(303, status="completed", resourceId="B", Location=url),
]


def _json(code: int, /, **members: str) -> bytes:
    there = members.pop("Location", None)
    location = b"Location: %b\r\n" % there.encode() if there is not None else b""
    body = json.dumps(members).encode()
    return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (code, location, len(body), body)


@pytest.mark.parametrize("said", range(len(SAID)))
def test_what_a_monitor_names_as_the_result_is_looked_for_upstream_alone(said: int) -> None:
    """Here every address is allowed to be a monitor; the result's is nobody's to choose all the same."""
    some = [url for url in HOSTILE if "{trap}" in url][:: 2 if said != 1 else 5]
    hostile = [*some, "http://127.0.0.1:{trap}/v1.0/me/drive/items/B"]
    ends: list[int] = []
    monitors: list[Origin] = []

    async def story(passage: Passage) -> None:
        async with Origin(trap) as trapped, Origin(monitor) as monitored:
            monitors.append(monitored)
            ends.append(trapped.port)
            watch = Watch()
            for number in range(len(hostile)):
                answer = await passage.ask(copy(number, wait="0.2" if said == 1 else "5"))
                assert answer.status in {200, 204, 303}, hostile[number]
            assert watch.connected(but=[passage.origin.port, passage.port, monitored.port]) == []
            assert len(monitored.requests) >= len(hostile), "the watch sees those that are meant"
            assert trapped.lines == []
            assert monitored.crashes == []
            assert {one.method for one in passage.origin.requests} <= {b"POST", b"GET"}
            assert all(one.get(b"host") == passage.origin.authority for one in passage.origin.requests)
            assert all(one.target.startswith(b"/v1.0/me/drive/") for one in passage.origin.requests)

    async def monitor(line: Line) -> None:
        while True:
            target = (await line.request()).target
            number = int(target.rpartition(b"/")[2])
            url = hostile[number].format(trap=ends[0])
            await line.send(SAID[said](url if url.isascii() else "x"))

    passing(
        story,
        accepting(lambda number: b"Location: %b/monitor/%d" % (monitors[0].url.encode(), number)),
        loops=("asyncio",),
    )
