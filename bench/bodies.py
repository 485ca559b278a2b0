"""Large bodies through each proxy, one at a time: down, up, to a slow reader, and to one that stops reading.

Rules
- Every byte is counted at its end, and a transfer that is short by one is `Failed`.
- Memory is the most that the proxy had in a transfer, over what it had before the first one: what an earlier one
  left behind counts for the later ones as well. What it spools to disk does not count.
- Buffers of the kernel are as the system has them: they are everybody's.
"""

import re
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.call import SENT, Place
from bench.machine import HOST, Failed, workplace
from bench.peers import CALLED, Running, running
from bench.plots import Bars
from bench.rounds import Column, Part, Tell, median, note, number, run, table
from bench.upstreams import bodies

CONTESTANTS = ("direct", "nginx", "nginx_stream", "haproxy", "nginx_lua", "ours", "naive", "mitmproxy")
SIZE = 100_000_000
SMALL = 10_000
LONG = 4.0
SLOW = 20_000_000
"""Bytes a second of the slow reader."""
STEP = 65_536
_ROOM = memoryview(bytearray(1 << 20))


def measured(*, quick: bool, tell: Tell) -> Part:
    with workplace() as folder, bodies(folder) as upstream:
        measure = partial(one, upstream=upstream, folder=folder / "proxy", quick=quick)
        return run(CONTESTANTS, measure, rounds=1 if quick else 3, tell=tell)


def one(name: str, *, upstream: Place, folder: Path, quick: bool) -> dict[str, float]:
    times, patience = (1, 0.5) if quick else (5, 2.0)
    with running(name, upstream, folder) as proxy:
        meter = Meter(proxy)
        figures = moved("down", meter, partial(download, proxy.place, SIZE), times)
        figures |= moved("up", meter, partial(upload, proxy.place, SIZE), times)
        if proxy.program is not None:
            figures["slow_mib"] = meter.grown_by(partial(read_slowly, proxy.place, patience))
            figures["stalled_mib"] = meter.grown_by(partial(stop_reading, proxy.place, patience))
        return figures


class Meter:
    """What a proxy had and spent before its first large body."""

    def __init__(self, proxy: Running) -> None:
        download(proxy.place, SMALL)
        upload(proxy.place, SMALL)
        self._program = proxy.program
        self._before = proxy.program.rss_kib() if proxy.program else 0

    def cpu_seconds(self) -> float:
        return self._program.cpu_seconds() if self._program else 0.0

    def grown_by(self, work: Callable[[], None]) -> float:
        """MiB of memory at most while it worked, over what it was at first."""
        if self._program is None:
            work()
            return 0.0
        self._program.forget_peak()
        work()
        return max(0.0, (self._program.peak_kib() - self._before) / 1024)


def moved(prefix: str, meter: Meter, transfer: Callable[[], None], times: int) -> dict[str, float]:
    """MB a second, seconds of CPU for a GB, memory; of fewer transfers where those already take long."""
    before, started = meter.cpu_seconds(), time.perf_counter()
    done = 0

    def all_of_them() -> None:
        nonlocal done
        while done < times and time.perf_counter() - started < LONG:
            transfer()
            done += 1

    grown = meter.grown_by(all_of_them)
    took, spent = time.perf_counter() - started, meter.cpu_seconds() - before
    gigabytes = done * SIZE / 1e9
    return {
        f"{prefix}_mbps": gigabytes * 1e3 / took,
        f"{prefix}_cpu": spent / gigabytes,
        f"{prefix}_mib": grown,
    }


# --- transfers ---------------------------------------------------------------------------------------------


def head(method: str, target: str, *more: str) -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {HOST}",
        *(f"{name}: {value}" for name, value in SENT.items()),
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, int]:
    """Reads the head of a 200, whatever is before it; its Content-Length, and how much of the body came along."""
    got = b""
    while True:
        more = connection.recv(STEP)
        if not more:
            raise Failed(f"cut off before the end of the head: {got[:300]!r}")
        got += more
        lines, end, rest = got.partition(b"\r\n\r\n")
        if end and lines.startswith(b"HTTP/1.1 1"):
            got = rest
        elif end:
            length = re.search(rb"\r\ncontent-length: *(\d+)", lines, re.IGNORECASE)
            if not lines.startswith(b"HTTP/1.1 200") or length is None:
                raise Failed(f"another answer: {lines[:300]!r}")
            return int(length[1]), len(rest)


def download(place: Place, size: int) -> None:
    with place.connect() as connection:
        connection.sendall(head("GET", f"/v1.0/me/drive/items/A/content/{size}"))
        length, got = answer(connection)
        while got < length and (more := connection.recv_into(_ROOM)):
            got += more
        if length != size or got != size:
            raise Failed(f"{got} of {size} bytes arrived")


def upload(place: Place, size: int) -> None:
    with place.connect() as connection:
        connection.sendall(head("PUT", "/v1.0/me/drive/items/A/content", f"Content-Length: {size}"))
        left = size
        while left > 0:
            part = _ROOM[: min(left, len(_ROOM))]
            connection.sendall(part)
            left -= len(part)
        length, got = answer_with_body(connection)
        if int(got or 0) != size:
            raise Failed(f"the upstream counted {got!r} ({length}), not {size} bytes")


def answer_with_body(connection: socket.socket) -> tuple[int, bytes]:
    with connection.makefile("rb") as lines:
        first = lines.readline()
        length = 0
        while (line := lines.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if b" 200 " not in first:
            raise Failed(f"another answer: {first!r}")
        return length, lines.read(length)


def read_slowly(place: Place, seconds: float) -> None:
    """At `SLOW` bytes a second, for so many seconds; the rest is not read."""
    with place.connect() as connection:
        connection.sendall(head("GET", f"/v1.0/me/drive/items/A/content/{SIZE}"))
        _, got = answer(connection)
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            if got < passed * SLOW:
                got += connection.recv_into(_ROOM, STEP)
            else:
                time.sleep(0.002)


def stop_reading(place: Place, seconds: float) -> None:
    """The head, and then nothing for so many seconds."""
    with place.connect() as connection:
        connection.sendall(head("GET", f"/v1.0/me/drive/items/A/content/{SIZE}"))
        answer(connection)
        time.sleep(seconds)


# --- what is made of it ------------------------------------------------------------------------------------


def growths(title: str, *figures: str) -> Column:
    def cell(part: Part, name: str) -> str:
        return "" if name == "direct" else " / ".join(number(part.median(name, one), 1) for one in figures)

    return Column(title, cell)


COLUMNS = (
    median("down, MB/s", "down_mbps", spread=True),
    growths("CPU s/GB", "down_cpu"),
    median("up, MB/s", "up_mbps", spread=True),
    growths("CPU s/GB", "up_cpu"),
    growths("memory grown, MiB: down / up", "down_mib", "up_mib"),
    growths("by a slow reader / one that stops, MiB", "slow_mib", "stalled_mib"),
)


def blocks(part: Part) -> Mapping[str, str]:
    return {"bodies": table(part, COLUMNS, names=CALLED) + "\n" + note(part)}


def plots(part: Part) -> Mapping[str, str]:
    bars = [
        (CALLED[name].strip("*"), value)
        for name in CONTESTANTS[1:]
        if (value := part.median(name, "stalled_mib")) is not None
    ]
    title = "Memory that one reader who stops costs, MiB (less is better)"
    return {"performance-stalled.svg": Bars(title, bars, marked="lro-gateway").svg()}
