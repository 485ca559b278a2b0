"""Small calls through each proxy: GET and POST of 1 KiB with a Graph client's headers, at 1, 32 and 128 connections.

Rules
- A proxy is started anew for each round, and measured only after it has brought one call of each kind across unharmed.
- Connections upstream are counted: a proxy that opens one for each call is `Failed`, not slow.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench.call import TARGET, vet
from bench.load import Load, wrk
from bench.machine import Failed, workplace
from bench.peers import CALLED, Running, running
from bench.plots import Bars
from bench.rounds import Cell, Column, Part, Tell, median, note, number, run, table
from bench.upstreams import Small, small

CONTESTANTS = ("direct", "nginx", "haproxy", "nginx_lua", "ours", "naive", "mitmproxy")
CONNECTIONS = (1, 32, 128)
LEAST_KEPT = 10
"""Calls on each connection upstream, below which connections are not kept."""


def measured(*, quick: bool, tell: Tell) -> Part:
    with workplace() as folder, small(folder) as upstream:
        measure = partial(one, upstream=upstream, folder=folder / "proxy", seconds=1.0 if quick else 2.0)
        return run(CONTESTANTS, measure, rounds=1 if quick else 5, tell=tell)


def one(name: str, *, upstream: Small, folder: Path, seconds: float) -> dict[str, float]:
    with running(name, upstream.place, folder) as proxy:
        vet(proxy.place)
        url = proxy.place.url + TARGET
        wrk(url, connections=32, seconds=1)  # whatever is made once is made now
        figures: dict[str, float] = {}
        for connections in CONNECTIONS:
            load, cost = costed(proxy, upstream, url, connections=connections, seconds=seconds)
            figures |= told(f"c{connections}", load, cost)
            if proxy.program is not None:
                figures[f"c{connections}_rss"] = proxy.program.rss_kib() / 1024
        load, cost = costed(proxy, upstream, url, connections=32, seconds=seconds, method="POST", body=1024)
        return figures | told("post", load, cost)


def costed(
    proxy: Running,
    upstream: Small,
    url: str,
    *,
    connections: int,
    seconds: float,
    method: str = "GET",
    body: int = 0,
    keep: bool = True,
) -> tuple[Load, Mapping[str, float]]:
    """One load, and what a call of it costs the proxy: microseconds in all, in the program, in the kernel."""
    taken, asked = upstream.accepted()
    before = proxy.program.cpu() if proxy.program else None
    load = wrk(url, connections=connections, seconds=seconds, method=method, body=body, keep=keep)
    cost: dict[str, float] = {}
    if proxy.program is not None and before is not None:
        spent = proxy.program.cpu() - before
        micros = {"cpu": spent.total, "user": spent.user, "system": spent.system}
        cost = {figure: value / load.requests * 1e6 for figure, value in micros.items()}
    taken, asked = (now - then for now, then in zip(upstream.accepted(), (taken, asked), strict=True))
    if keep and taken > 2 * connections + asked / LEAST_KEPT:  # some have one for each caller's
        raise Failed(f"{taken} connections upstream for {asked} calls: they are not kept")
    return load, cost


def told(prefix: str, load: Load, cost: Mapping[str, float]) -> dict[str, float]:
    figures = {"rps": load.rps, "p50": load.p50_us, "p99": load.p99_us, **cost}
    return {f"{prefix}_{name}": value for name, value in figures.items()}


# --- what is made of it ------------------------------------------------------------------------------------


def blocks(part: Part) -> Mapping[str, str]:
    return {"passage": table(part, COLUMNS, names=CALLED) + "\n" + note(part), "passage-ratios": ratios(part)}


def added(title: str, figure: str, *, digits: int = 0, scale: float = 1.0) -> Column:
    """How much more than without a proxy, round by round."""

    def cell(part: Part, name: str) -> str:
        more = part.difference(name, "direct", figure)
        return "" if name == "direct" or more is None else f"+{number(more * scale, digits)}"

    return Column(title, cell)


def pair(title: str, figures: tuple[str, str], *, digits: int, scale: float) -> Column:
    def cell(part: Part, name: str) -> str:
        values = [part.median(name, figure) for figure in figures]
        return " / ".join(number(None if value is None else value * scale, digits) for value in values)

    return Column(title, cell)


def cpu(title: str, prefix: str) -> Column:
    """In all, and of it in the program and in the kernel."""

    def cell(part: Part, name: str) -> str:
        if name == "direct":
            return ""
        total, user, system = (part.median(name, f"{prefix}_{kind}") for kind in ("cpu", "user", "system"))
        return f"{number(total)} ({number(user)} + {number(system)})"

    return Column(title, cell)


MILLI = 1e-3
COLUMNS = (
    median("1: calls/s", "c1_rps"),
    added("1: p50 added, µs", "c1_p50"),
    median("32: calls/s", "c32_rps", spread=True),
    pair("32: p50 / p99, ms", ("c32_p50", "c32_p99"), digits=2, scale=MILLI),
    cpu("32: CPU µs/call (program + kernel)", "c32"),
    median("128: calls/s", "c128_rps"),
    median("128: p99, ms", "c128_p99", digits=1, scale=MILLI),
    median("POST, 32: calls/s", "post_rps"),
    median("memory, MiB", "c128_rss"),
)


def ratios(part: Part) -> str:
    """Ours beside each of the others, round by round."""
    names = {name: CALLED[name] for name in CONTESTANTS if name not in ("direct", "ours")}

    def against(figure: str, digits: int = 2) -> Cell:
        return lambda part, name: number(part.ratio("ours", name, figure), digits)

    columns = (
        Column("calls/s at 32", against("c32_rps")),
        Column("CPU a call at 32", against("c32_cpu")),
        Column("p99 at 32", against("c32_p99")),
        Column("calls/s at 128", against("c128_rps")),
        Column("calls/s of POST", against("post_rps")),
    )
    return table(part, columns, names=names, head="lro-gateway is … times")


def plots(part: Part) -> Mapping[str, str]:
    bars = [
        (CALLED[name].strip("*"), value)
        for name in ("nginx", "haproxy", "nginx_lua", "ours", "naive", "mitmproxy")
        if (value := part.median(name, "c32_cpu")) is not None
    ]
    title = "CPU of the proxy for one small call, microseconds (less is better)"
    return {"performance-cpu.svg": Bars(title, bars, marked="lro-gateway").svg()}
