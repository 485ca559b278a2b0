"""Holding: what thousands of waiting callers cost, and how soon each hears of its copy's end.

All call at once, each with a token of its own; when all are held, they stay so for `STEADY` seconds, each monitor asked
once a second; then the copies end, evenly over some seconds.

    fill_s          how long it took until the upstream had every POST; they are sent over RAMP seconds
    call_us         processor time to take a call and send its POST, apart from polls meanwhile; microseconds
    end_us          processor time to fetch its item and to answer, likewise
    kib             memory for each held client, after all are held; KiB
    slope           KiB that it grows by with each poll of a client's
    poll_us         processor time of a poll, and everything else meanwhile
    cores           of one, while all are held
    rate            polls a second
    poll_*          how late polls came: the gap since the answer before, beyond one second; milliseconds
    late_*          from a copy's true end to the end of its answer; a poll each second costs half a second of that
    owed_*          the same, from when the first poll after the end was due: the holder's own share
    right, asked    callers that got 200 with their own item, of all
"""

import asyncio
import gc
import statistics
import time
from array import array
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from bench.certificates import issue
from bench.crowd import Crowd
from bench.graph import Graph, Shape, linear
from bench.holders import CALLED, HOLDERS, Place
from bench.machine import Failed, Program, free_port, workplace
from bench.plots import Bars
from bench.rounds import Cell, Column, Figures, Part, Tell, median, note, number, run, table

SIZES = (1_000, 5_000, 10_000)
RAMP = {1_000: 1.0, 5_000: 4.0, 10_000: 7.0}
"""Seconds over which so many callers come."""
STEADY = 8.5
INTERVAL = 1.0
SETTLE = 1.5
"""Seconds after the last POST until each client has been polled for once."""
FOR_EVER = 600.0
TLS = "tls"
"""What marks a contestant whose monitors are behind TLS."""
WARM = 20
FIRST_WARM = 900_000_000
NO_USE = {("tuned", 10_000)}
"""It cannot take half of them on in time, and what it shows is at 5,000 already."""
PATIENCE = 5.0
"""Seconds for which POSTs may be late, and answers after the last end."""


def percentiles(values: Iterable[float], name: str, scale: float = 1.0) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95))
    return {f"{name}_p50": p50 * scale, f"{name}_p95": p95 * scale, f"{name}_max": ordered[-1] * scale}


def plan(number: int) -> tuple[float, Shape]:
    """Copies end when they are told to; but those of `Held.warm`."""
    return 0.1 if number >= FIRST_WARM else FOR_EVER, linear


class Held:
    """A holder, its Graph, and a crowd whose calls it holds."""

    def __init__(self, graph: Graph, program: Program, port: int, size: int) -> None:
        self.graph = graph
        self.program = program
        self.crowd = Crowd(port, size)
        self._size = size
        self._empty = 0
        """Its memory before, KiB."""

    async def warm(self) -> None:
        """A few copies to their end, so that what is loaded or opened once is there."""
        few = Crowd(self.crowd.port, WARM, FIRST_WARM)
        await few.arrive(0.1, PATIENCE)
        await few.all_answered(PATIENCE)
        few.leave()
        await asyncio.sleep(0.3)
        self._empty = self.program.rss_kib()

    async def fill(self, ramp: float) -> dict[str, float]:
        """Let the crowd call, and wait until all are held, or no patience is left."""
        began, cpu, polls = time.monotonic(), self.program.cpu_seconds(), self.graph.book.polls
        await self.crowd.arrive(ramp, PATIENCE)
        await self.graph.begun(self._size + WARM, began + ramp + PATIENCE - time.monotonic())
        taken, cpu, polls = (
            time.monotonic() - began,
            self.program.cpu_seconds() - cpu,
            self.graph.book.polls - polls,
        )
        await asyncio.sleep(SETTLE)
        return {"fill_s": taken, "fill_cpu": cpu, "fill_polls": polls}

    async def steady(self, seconds: float) -> dict[str, float]:
        """What it costs while all are held."""
        book, program = self.graph.book, self.program
        held = book.posts - WARM
        memory: list[tuple[float, float]] = []
        book.gaps, book.noting = array("d"), True
        began, cpu, polls = time.monotonic(), program.cpu_seconds(), book.polls
        while time.monotonic() - began < seconds:
            memory.append(((book.polls - polls) / self._size, program.rss_kib() / self._size))
            await asyncio.sleep(0.5)
        took, cpu, polls = time.monotonic() - began, program.cpu_seconds() - cpu, book.polls - polls
        book.noting = False
        memory.append((polls / self._size, program.rss_kib() / self._size))
        if not polls:
            raise Failed(f"{self.program.name}: not one poll in {took:.0f} s")
        filled = held == self._size  # or there is no telling what memory grew for
        held = max(1, book.posts - WARM)
        return {
            "held": held,
            "kib": (program.rss_kib() - self._empty) / held,
            **({"slope": statistics.linear_regression(*zip(*memory, strict=True)).slope} if filled else {}),
            "poll_us": cpu / polls * 1e6,
            "cores": cpu / took,
            "rate": polls / took,
            "upstream": book.open,
            **percentiles((gap - INTERVAL for gap in book.gaps), "poll", 1e3),
        }

    async def finish(self, seconds: float) -> dict[str, float]:
        """The copies end; when their callers heard of it, and what that took."""
        cpu, polls = self.program.cpu_seconds(), self.graph.book.polls
        self.graph.end_all(seconds)
        await self.crowd.all_answered(seconds + INTERVAL + PATIENCE)
        cpu, polls = self.program.cpu_seconds() - cpu, self.graph.book.polls - polls
        jobs = self.graph.jobs
        right = [told for told in self.crowd.told if told.right]
        book = self.graph.book
        if not right or book.twice or book.credentials:
            raise Failed(
                f"{self.program.name}: {len(right)} right answers, {book.twice} POSTs sent twice,"
                f" {book.credentials} credentials at monitors"
            )
        late = [told.answered - jobs[told.number].ends for told in right]
        owed = [
            told.answered - max(job.ends, job.seen_after + INTERVAL)
            for told in right
            for job in [jobs[told.number]]
        ]
        return {
            "end_cpu": cpu,
            "end_polls": polls,
            "right": len(right),
            "asked": self._size,
            **percentiles(late, "late", 1e3),
            **percentiles(owed, "owed", 1e3),
        }


async def hold(name: str, size: int, steady: float = STEADY, *, tls: bool = False) -> dict[str, float]:
    """One holder with so many callers, from its start to its end; about 20 seconds."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(workplace())
        graph = await stack.enter_async_context(Graph(plan, papers=issue(folder) if tls else None))
        place = Place(folder, free_port(), graph)
        program = stack.enter_context(HOLDERS[name](place))
        program.wait_for(place.port)
        held = Held(graph, program, place.port, size)
        await held.warm()
        stack.callback(held.crowd.leave)
        filled = await held.fill(RAMP[size])
        costs = await held.steady(steady)
        ended = await held.finish(RAMP[size])

    def apart_from_polls(cpu: float, polls: float, calls: float) -> float:
        return max(0.0, cpu * 1e6 - polls * costs["poll_us"]) / max(1, calls)

    return {
        "fill_s": filled["fill_s"],
        "call_us": apart_from_polls(filled["fill_cpu"], filled["fill_polls"], costs["held"]),
        **costs,
        "end_us": apart_from_polls(ended.pop("end_cpu"), ended.pop("end_polls"), ended["right"]),
        **ended,
    }


def in_peace(work: Coroutine[Any, Any, dict[str, float]]) -> dict[str, float]:
    """On an event loop of its own, with no garbage collection in the measurer's way."""
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(work)
    finally:
        gc.enable()


def measured(*, quick: bool, tell: Tell) -> Part:
    sizes = SIZES[:1] if quick else SIZES
    contestants = [f"{name}/{size}" for size in sizes for name in HOLDERS if (name, size) not in NO_USE]
    contestants += [f"{name}/{sizes[0]}/{TLS}" for name in HOLDERS if name != "tuned"]

    def measure(contestant: str) -> Figures:
        name, size, *tls = contestant.split("/")
        return in_peace(hold(name, int(size), 3.0 if quick else STEADY, tls=TLS in tls))

    return run(contestants, measure, rounds=1 if quick else 2, tell=tell)


# --- what is made of it ------------------------------------------------------------------------------------


def blocks(part: Part) -> Mapping[str, str]:
    return {
        "held": "\n".join(
            [*(f"{size:,} callers\n\n{_costs(part, size)}" for size in _sizes(part)), note(part)]
        ),
        "held-lateness": "\n".join(f"{size:,} callers\n\n{_lateness(part, size)}" for size in _sizes(part)),
        "held-ratios": ratios(part),
        "held-tls": _behind_tls(part),
    }


def _sizes(part: Part) -> list[int]:
    return [size for size in SIZES if f"ours/{size}" in part.rounds]


def _names(size: int) -> dict[str, str]:
    return {f"{name}/{size}": called for name, called in CALLED.items()}


def _costs(part: Part, size: int) -> str:
    columns = (
        median("memory a caller, KiB", "kib", digits=1),
        median("growth a poll, KiB", "slope", digits=2),
        median("CPU to take a call, µs", "call_us"),
        median("CPU a poll, µs", "poll_us", spread=True),
        median("CPU to answer it, µs", "end_us"),
        median("cores", "cores", digits=2),
        median("polls/s", "rate"),
        median("connections upstream", "upstream"),
    )
    return table(part, columns, names=_names(size), head="holder")


def _behind_tls(part: Part) -> str:
    """The fewest callers, with monitors behind TLS and without."""
    rows = Part(rounds={name: () for name in CALLED if f"{name}/{SIZES[0]}/{TLS}" in part.rounds})

    def cell(title: str, figure: str, *, tls: bool, digits: int = 0) -> Column:
        suffix = f"/{SIZES[0]}/{TLS}" if tls else f"/{SIZES[0]}"
        return Column(title, lambda _, name: number(part.median(name + suffix, figure), digits))

    columns = [
        cell(f"{title}, {'TLS' if tls else 'plain'}", figure, tls=tls, digits=digits)
        for title, figure, digits in (("CPU a poll, µs", "poll_us", 0), ("memory a caller, KiB", "kib", 1))
        for tls in (False, True)
    ]
    columns.append(cell("connections upstream, TLS", "upstream", tls=True))
    return table(rows, columns, names=CALLED, head="holder")


def several(title: str, prefix: str, *, digits: int = 0, scale: float = 1.0) -> Column:
    def cell(part: Part, name: str) -> str:
        values = [part.median(name, f"{prefix}_{which}") for which in ("p50", "p95", "max")]
        return " / ".join(number(None if value is None else value * scale, digits) for value in values)

    return Column(title, cell)


def _lateness(part: Part, size: int) -> str:
    def answered(part: Part, name: str) -> str:
        right, asked = part.median(name, "right"), part.median(name, "asked")
        return "all" if right == asked else f"{number(right)} of {number(asked)}"

    columns = (
        several("polls late, ms: p50 / p95 / most", "poll"),
        several("answers after the end, ms", "late"),
        several("of it the holder's own, ms", "owed"),
        Column("answered right", answered),
    )
    return table(part, columns, names=_names(size), head="holder")


def ratios(part: Part) -> str:
    """Ours beside each of the others, round by round."""
    names = {name: called for name, called in CALLED.items() if name != "ours"}
    rows = Part(rounds={name: () for name in names if f"{name}/{SIZES[0]}" in part.rounds})

    def against(figure: str, size: int) -> Cell:
        return lambda _, name: number(part.ratio(f"ours/{size}", f"{name}/{size}", figure), 2)

    columns = [
        Column(f"{what}, {size:,}", against(figure, size))
        for what, figure in (("memory", "kib"), ("CPU a poll", "poll_us"), ("CPU to take a call", "call_us"))
        for size in _sizes(part)
    ]
    return table(rows, columns, names=names, head="lro-gateway is … times")


def plots(part: Part) -> Mapping[str, str]:
    size = _sizes(part)[-1]
    bars = [
        (called.strip("*"), value)
        for name, called in CALLED.items()
        if (value := part.median(f"{name}/{size}", "poll_us")) is not None
    ]
    title = f"CPU of one poll while {size:,} callers are held, microseconds (less is better)"
    return {"performance-polls.svg": Bars(title, bars, marked="lro-gateway").svg()}
