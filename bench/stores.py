"""What operations cost on each store: `make bench-stores`, or `python -m bench.stores --help`.

    claims/s    operations begun, one after the other and 64 at once; a claim is durable before it returns
    ends/s      changes of state that must be durable, 64 at once
    polls/s     progress of running operations written down, 64 at once
    find        the look-up that every call of an operation begins with, one after the other, in microseconds
    record      bytes that one more record takes where it is kept: in this process, in the file, in Redis
    takeover    seconds to list what is left behind, when everything is

Each store and size has a process of its own. It runs on this machine alone, for a bounded number of operations, and
starts and stops the Redis that it needs. `--write` puts the tables into the documentation page.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from gateway.clock import SystemClock
from gateway.config import Config
from gateway.model import Operation, Plan, State
from gateway.store import Store
from gateway.store.chosen import chosen

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
BEGIN, END = "<!-- measured: bench.stores -->", "<!-- end -->"
STORES = ("memory", "sqlite", "redis")
SIZES = (10_000, 100_000)
AT_ONCE = 64
ROUND = 2_000
"""Operations measured in each column, at each size."""

PLAN = Plan(
    dialect="drive",
    kind="itemCopy",
    version="v1.0",
    source="/v1.0/me/drive/items/01DPGM5J3SZ5ZSZLZSBJDZ4KLIZE6XYZAB",
    items="/v1.0/me/drive/items/",
    named="/v1.0/me/drive/root:/Documents/Contoso%20Q3%20report.docx",
    unique=True,
    prefer=b"respond-async",
)
MONITOR = (
    "https://contoso.sharepoint.com/_api/v2.0/monitor/" + "4A3407B5-88FC-4504-8B21-0AABD3412717" + "x" * 600
)
"""As long as one with a tempauth."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One store at one number of stored operations."""

    store: str
    stored: int
    claims_in_turn: float
    claims_at_once: float
    ends_at_once: float
    polls_at_once: float
    find_us: float
    record_bytes: float
    takeover_s: float
    server_us: float = 0.0
    """Microseconds of the Redis server's one thread for a script, on average."""


def draft(number: int, now: float) -> Operation:
    return Operation(
        id=f"{number:032x}",
        key=f"{number:064x}",
        fingerprint=f"{number:064x}",
        principal="ab" * 32,
        starter="cd" * 32,
        keyed=False,
        plan=replace(PLAN, source=f"{PLAN.source}{number}", named=f"{PLAN.named}{number}"),
        created_at=now,
    )


def accepted(one: Operation, now: float) -> Operation:
    return replace(
        one,
        state=State.RUNNING,
        revision=one.revision + 1,
        submitted_at=now,
        accepted_at=now,
        advanced_at=now,
        monitor=f"{MONITOR}{one.id}",
        next_poll_at=now + 1,
    )


def polled(one: Operation, now: float) -> Operation:
    return replace(one, revision=one.revision + 1, polls=one.polls + 1, percent=50.0, last_heard_at=now)


def ended(one: Operation, now: float) -> Operation:
    return replace(one, state=State.RESULT, revision=one.revision + 1, ended_at=now, resource=PLAN.named)


async def rate(work: Sequence[Callable[[], Awaitable[object]]], at_once: int) -> float:
    """How many a second, `at_once` of them under way at a time."""
    queue = iter(work)

    async def worker() -> None:
        for one in queue:
            await one()

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return len(work) / (time.perf_counter() - started)


async def measured(store: Store, name: str, size: int, weigh: Callable[[], float]) -> Figures:
    """Fill an empty store with `size` running operations and measure on top of them."""
    now = time.time()
    empty = weigh()
    stored = [draft(number, now) for number in range(size)]

    async def keep(number: int) -> None:
        one = stored[number]
        await store.claim(one, replaces=None)
        stored[number] = accepted(one, now)
        await store.save(stored[number], previous=one)

    await rate([partial(keep, number) for number in range(size)], AT_ONCE)
    record_bytes = (weigh() - empty) / size

    async def claims(first: int, at_once: int) -> float:
        fresh = [draft(number, now) for number in range(first, first + ROUND)]
        return await rate([partial(store.claim, one, replaces=None) for one in fresh], at_once)

    async def writes(step: Callable[[Operation, float], Operation]) -> float:
        pairs = [(step(stored[number], now), stored[number]) for number in range(ROUND)]
        for number, (after, _) in enumerate(pairs):
            stored[number] = after
        return await rate([partial(store.save, after, previous=before) for after, before in pairs], AT_ONCE)

    finds = []
    for number in range(0, size, max(1, size // ROUND)):
        started = time.perf_counter()
        assert await store.find(stored[number].key) is not None
        finds.append(time.perf_counter() - started)
    polls = await writes(polled)
    ends = await writes(ended)
    in_turn, at_once = await claims(size, 1), await claims(size + ROUND, AT_ONCE)
    started = time.perf_counter()
    left = await store.left_behind()
    takeover = time.perf_counter() - started
    assert name == "redis" or len(left) == size + ROUND
    return Figures(
        name, size, in_turn, at_once, ends, polls, statistics.median(finds) * 1e6, record_bytes, takeover
    )


# --- one store, in a process of its own ------------------------------------------------------------------


def resident() -> float:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def on_disk(folder: Path) -> float:
    return float(sum(file.stat().st_size for file in folder.iterdir()))


async def run_one(name: str, size: int, folder: Path) -> Figures:
    operations: dict[str, object] = {"store": name, "max_active": 10 * size}
    weigh: Callable[[], float] = resident
    server: subprocess.Popen[bytes] | None = None
    if name == "sqlite":
        operations["path"] = folder / "operations.db"
        weigh = lambda: on_disk(folder)  # noqa: E731 - one of three ways to weigh
    if name == "redis":
        socket = folder / "redis.sock"
        server = start_redis(folder, socket)
        operations["url"] = f"unix://{socket}"
        weigh = lambda: redis_memory(socket)  # noqa: E731 - see above
    config = Config.model_validate({"operations": operations})
    clock = SystemClock()
    store = chosen(config.operations, clock=clock, tell=lambda *_, **__: None, crashed=lambda *_: None)
    try:
        await store.open()
        try:
            figures = await measured(store, name, size, weigh)
        finally:
            await store.close()
        if name == "redis":  # what its owner has just left
            other = chosen(
                config.operations, clock=clock, tell=lambda *_, **__: None, crashed=lambda *_: None
            )
            await other.open()
            started = time.perf_counter()
            assert len(await other.left_behind()) == size + ROUND
            took = time.perf_counter() - started
            figures = replace(figures, takeover_s=took, server_us=redis_script_us(socket))
            await other.close()
        return figures
    finally:
        if server is not None:
            server.terminate()
            server.wait()


def start_redis(folder: Path, socket: Path) -> subprocess.Popen[bytes]:
    """A Redis with the durability that we ask of one: an append-only file, synced every second."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit(
            "bench.stores: there is no redis-server; install it, or leave redis out with --stores"
        )
    server = subprocess.Popen(
        [
            program,
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--dir",
            str(folder),
            "--appendonly",
            "yes",
            "--save",
            "",
        ],
        stdout=subprocess.DEVNULL,
    )
    while not socket.exists():
        if server.poll() is not None:
            raise SystemExit("bench.stores: redis-server did not start")
        time.sleep(0.02)
    return server


def redis_says(socket: Path, section: str) -> str:
    command = ["redis-cli", "-s", str(socket), "info", section]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def redis_script_us(socket: Path) -> float:
    said = redis_says(socket, "commandstats")
    line = next(line for line in said.splitlines() if line.startswith("cmdstat_evalsha:"))
    return float(line.partition("usec_per_call=")[2].partition(",")[0])


def redis_memory(socket: Path) -> float:
    said = redis_says(socket, "memory")
    return float(
        next(line.partition(":")[2] for line in said.splitlines() if line.startswith("used_memory:"))
    )


# --- all of them, and the page ---------------------------------------------------------------------------


def in_a_process(name: str, size: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="lro-bench-") as folder:
        command = [sys.executable, "-m", "bench.stores", "--one", name, str(size), folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Figures(**json.loads(done.stdout))


def table(rounds: Sequence[Figures]) -> str:
    lines = [
        "| store | stored | claims/s, in turn | claims/s, 64 at once | ends/s | polls/s | find, µs | bytes a record | takeover, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(one.store for one in rounds):
        for size in dict.fromkeys(one.stored for one in rounds):
            ones = [one for one in rounds if (one.store, one.stored) == (name, size)]
            if not ones:
                continue

            def cell(field: str, ones: Sequence[Figures] = ones, digits: int = 0) -> str:
                return f"{statistics.median(float(getattr(one, field)) for one in ones):,.{digits}f}"

            columns = (
                "claims_in_turn",
                "claims_at_once",
                "ends_at_once",
                "polls_at_once",
                "find_us",
                "record_bytes",
            )
            cells = [name, f"{size:,}", *(cell(column) for column in columns), cell("takeover_s", digits=2)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.stores", description=__doc__.partition("\n")[0])
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--rounds", type=int, default=3, help="how often; the medians are shown")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        name, size, folder = options.one
        print(json.dumps(asdict(asyncio.run(run_one(name, int(size), Path(folder))))))
        return
    rounds = []
    for number in range(options.rounds):
        for size in options.sizes:
            for (
                name
            ) in options.stores:  # one after the other in each round, so that a noisy minute hits all alike
                rounds.append(in_a_process(name, size))
                print(f"round {number + 1}: {name}, {size:,} stored", file=sys.stderr)
    made = table(rounds)
    in_redis = [one.server_us for one in rounds if one.server_us]
    if in_redis:
        made += f"\n\nRedis itself was busy for {statistics.median(in_redis):.0f} µs with a script."
    print(made)
    if options.write:
        machine = (
            f"{os.cpu_count()} cores, Python {platform.python_version()}, medians of {options.rounds} rounds"
        )
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{machine}\n\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
