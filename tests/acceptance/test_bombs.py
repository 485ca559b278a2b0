"""Replies that are small on the wire and large inside: a gateway process reads them, and stays as it was.

Nothing here inflates anything: the monitor is asked for `identity`, and one that sends gzip all the same has told
nothing. What is passed on to callers is passed on as it came.
"""

import asyncio
import gzip
import json
import re
import zlib
from pathlib import Path

from fakes.caller import Caller
from fakes.origin import Line, Origin, Script

from acceptance.command import Command

MOST = 20 * 1024 * 1024
"""Bytes by which the process may grow."""
CAP = 256 * 1024
"""Of a monitor's body, by default."""
MIB = 1024 * 1024


def zeros(mebibytes: int) -> bytes:
    """So many MiB of zeros in gzip; a thousandth of that."""
    packer = zlib.compressobj(9, wbits=31)
    piece = bytes(MIB)
    return b"".join(packer.compress(piece) for _ in range(mebibytes)) + packer.flush()


SMALL = zeros(50) * 5
LARGE = SMALL * 5
"""1.2 GiB."""
MANY = gzip.compress(b"", mtime=0) * 12_000
"""Members that are empty, one behind the other."""
DEEP = b'{"status":' + b"[" * 120_000 + b"]" * 120_000 + b"}"
NUMBER = b'{"percentageComplete":' + b"9" * 250_000 + b"}"
KEYS = b"{" + b",".join(b'"%d":0' % number for number in range(25_000)) + b"}"
STRING = b'{"status":"' + b"\\u0041" * 40_000 + b'"}'
DONE = b'{"status":"completed","resourceId":"B"}'
ENDLESS = 64 * MIB

GZIP = b"Content-Encoding: gzip\r\n"
REPLIES: list[tuple[bytes, bytes]] = [
    (GZIP, SMALL),
    (GZIP, LARGE),
    (GZIP, MANY),
    (GZIP, gzip.compress(DONE)),
    (b"", DEEP),
    (b"", NUMBER),
    (b"", KEYS),
    (b"", STRING),
]


def peak(process: int) -> int:
    """Bytes of memory that a process has had at most."""
    text = Path(f"/proc/{process}/status").read_text("utf-8")
    found = re.search(r"VmHWM:\s+([0-9]+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


async def monitor(line: Line) -> None:
    while True:
        await line.request()
        number = len(line.origin.requests) - 1
        if number < len(REPLIES):
            extra, body = REPLIES[number]
            await line.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (extra, len(body), body))
        elif number == len(REPLIES):
            await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(ENDLESS // MIB):
                await line.send(b"100000\r\n%b\r\n" % bytes(MIB))
        else:
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(DONE), DONE))


def test_bombs(tmp_path: Path) -> None:
    assert len(SMALL) < CAP < len(LARGE), "one that fits, and one that does not"
    assert all(len(body) < CAP for _, body in (REPLIES[0], *REPLIES[3:]))

    async def story() -> None:
        async with Origin(monitor) as monitored, Origin(graph(monitored)) as upstream:
            file = tmp_path / "gateway.yaml"
            file.write_text(
                json.dumps(
                    {
                        "listen": {"port": 0},
                        "admin": {"port": 0},
                        "upstream": {"base_url": upstream.url},
                        "monitor": {
                            "allow_http": True,
                            "allow_private": True,
                            "allowed_hosts": ["127.0.0.1"],
                        },
                        "polling": {"first_delay": 0, "min_interval": 0.02, "max_interval": 0.05},
                    }
                ),
                encoding="utf-8",
            )
            with Command("run", "--config", file) as gateway:
                address = await asyncio.to_thread(gateway.event, "listening")
                await copied(str(address["address"]), upstream, monitored, gateway.pid)
                assert await asyncio.to_thread(gateway.stop) == 0
            told = [json.loads(line) for line in gateway.out]
            troubles = [one["ailment"] for one in told if one["event"] == "poll_troubled"]
            expected = {"garbage", "oversized", "broken"}
            assert len(troubles) >= 5
            assert set(troubles) <= expected
            assert "crashed" not in {one["event"] for one in told}
            assert {one.get(b"accept-encoding") for one in monitored.requests} == {b"identity"}

    asyncio.run(story())


async def copied(address: str, upstream: Origin, monitored: Origin, process: int) -> None:
    host, _, port = address.rpartition(":")
    warm = await Caller.connect(host, int(port))
    assert (await warm.ask(b"GET /v1.0/warm HTTP/1.1\r\nHost: g\r\n\r\n")).body == b"{}"
    before = peak(process)
    caller = await Caller.connect(host, int(port))
    answer = await caller.ask(
        b"POST /v1.0/me/drive/items/A/copy HTTP/1.1\r\nHost: g\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert answer.status == 200
    assert len(monitored.requests) > len(REPLIES) + 1
    assert (answer.get(b"content-encoding"), answer.body) == (b"gzip", SMALL), "the item, as it came"
    grown = peak(process) - before
    assert grown < MOST, f"{grown / MIB:.1f} MiB"
    print(f"{len(REPLIES) + 2} bombs, {grown / MIB:.1f} MiB more")
    for one in (warm, caller):
        await one.close()
    assert upstream.crashes == []


def graph(monitored: Origin) -> Script:
    """Accepts a copy, and shows its item as a bomb."""

    async def script(line: Line) -> None:
        while True:
            asked = await line.request()
            if asked.method == b"POST":
                where = monitored.url.encode()
                await line.send(b"HTTP/1.1 202 X\r\nLocation: %b/1\r\nContent-Length: 0\r\n\r\n" % where)
            elif asked.target == b"/v1.0/warm":
                await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            else:
                await line.send(
                    b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (GZIP, len(SMALL), SMALL)
                )

    return script
