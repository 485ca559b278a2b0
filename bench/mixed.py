"""Mixed load: small calls passing through while thousands of others are held, beside the same calls alone.

All within one life of the gateway, one after the other, so that a ratio is that of one round. wrk at 32 connections takes
all that the core has left: what polls need is missing there, and what calls take must not make polls late.

wrk, the upstream of the calls (nginx) and the fake Graph, which answers the polls, share the other core, where they are in
each other's way. How much of the difference is theirs is measured too: nginx with Lua, on that core, holds as many calls
while the gateway holds none. It takes an eighth of the core itself, so that this says a little too much.

    idle_*, held_*, beside_*    calls/s, p50 and p99 in microseconds at 1 and at 32 connections: alone, while calls are
                                held, and while another program holds as many
    poll_*                      how late polls came while wrk ran at 32, milliseconds; `rate`: polls a second
"""

import asyncio
from array import array
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from bench.call import TARGET
from bench.crowd import Crowd
from bench.graph import Graph
from bench.held import INTERVAL, PATIENCE, RAMP, SETTLE, Held, in_peace, percentiles, plan
from bench.holders import Place, lua, ours
from bench.load import Load, wrk
from bench.machine import HOST, LOAD_CORE, free_port, workplace
from bench.rounds import Column, Figures, Part, Tell, note, number, run, table
from bench.upstreams import front

CONNECTIONS = (1, 32)
HELD = 5_000
ELSEWHERE = 100_000_000
"""The first number of the other program's callers."""


async def load(port: int, connections: int, seconds: float) -> Load:
    """wrk, beside this process's own event loop."""
    url = f"http://{HOST}:{port}{TARGET}"
    return await asyncio.to_thread(partial(wrk, url, connections=connections, seconds=seconds))


async def both(size: int, seconds: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        graph = await stack.enter_async_context(Graph(plan))
        folder = stack.enter_context(workplace())
        upstream = stack.enter_context(front(folder, graph.port))
        place = Place(folder, free_port(), graph, front=upstream)
        program = stack.enter_context(ours(place))
        program.wait_for(place.port)
        held = Held(graph, program, place.port, size)
        stack.callback(held.crowd.leave)
        await held.warm()
        await load(place.port, 32, 1)
        for connections in CONNECTIONS:
            figures |= told(f"idle_c{connections}", await load(place.port, connections, seconds))
        await held.fill(RAMP[size])
        book = graph.book
        for connections in CONNECTIONS:
            book.gaps, book.noting, polls = array("d"), True, book.polls
            found = await load(place.port, connections, seconds)
            book.noting = False
            figures |= told(f"held_c{connections}", found)
        figures |= {"rate": (book.polls - polls) / found.seconds, "held": size}
        figures |= percentiles((gap - INTERVAL for gap in book.gaps), "poll", 1e3)
        figures |= await held.finish(RAMP[size])
        graph.go_on()
        await hold_elsewhere(stack, graph, size)
        for connections in CONNECTIONS:
            polls = book.polls
            found = await load(place.port, connections, seconds)
            figures |= told(f"beside_c{connections}", found)
        return figures | {"beside_rate": (book.polls - polls) / found.seconds}


async def hold_elsewhere(stack: AsyncExitStack, graph: Graph, size: int) -> None:
    """Another program, on the load's core, holds as many calls."""
    place = Place(stack.enter_context(workplace()), free_port(), graph, core=LOAD_CORE)
    program = stack.enter_context(lua(place))
    program.wait_for(place.port)
    crowd = Crowd(place.port, size, ELSEWHERE)
    stack.callback(crowd.leave)
    await crowd.arrive(RAMP[size], PATIENCE)
    await asyncio.sleep(SETTLE)


def told(prefix: str, found: Load) -> dict[str, float]:
    return {f"{prefix}_rps": found.rps, f"{prefix}_p50": found.p50_us, f"{prefix}_p99": found.p99_us}


def measured(*, quick: bool, tell: Tell) -> Part:
    size, seconds = (1_000, 2.0) if quick else (HELD, 5.0)

    def measure(_: str) -> Figures:
        return in_peace(both(size, seconds))

    return run(("ours",), measure, rounds=1 if quick else 3, tell=tell)


# --- what is made of it ------------------------------------------------------------------------------------


def blocks(part: Part) -> Mapping[str, str]:
    rows = Part(rounds={f"c{connections}_{what}": () for connections in CONNECTIONS for what in WHAT})
    names = {
        f"c{connections}_{what}": f"{called}, {connections} connection{'s' if connections > 1 else ''}"
        for connections in CONNECTIONS
        for what, called in WHAT.items()
    }

    def cell(title: str, when: str) -> Column:
        return Column(title, lambda _, name: number(part.median("ours", f"{when}_{name}"), 0))

    columns = (
        cell("alone", "idle"),
        cell("while held", "held"),
        Column("held / alone", lambda _, name: number(times(part, name, "idle"), 2)),
        cell("held elsewhere", "beside"),
        Column("held / held elsewhere", lambda _, name: number(times(part, name, "beside"), 2)),
    )
    polls = " / ".join(number(part.median("ours", f"poll_{which}"), 0) for which in ("p50", "p95", "max"))
    text = (
        f"\nMeanwhile, at 32 connections, {number(part.median('ours', 'rate'))} polls a second for"
        f" {number(part.median('ours', 'held'))} operations; a poll was {polls} ms late (p50 / p95 / most). Held elsewhere,"
        f" nginx with Lua on the load's core made {number(part.median('ours', 'beside_rate'))} polls a second.\n\n"
    )
    return {"mixed": table(rows, columns, names=names, head="calls that pass through") + text + note(part)}


WHAT = {"rps": "calls/s", "p50": "p50, µs", "p99": "p99, µs"}


def times(part: Part, figure: str, when: str) -> float | None:
    """Median over the rounds of what it is while calls are held, against this other time."""
    ratios = sorted(
        one[f"held_{figure}"] / one[f"{when}_{figure}"]
        for one in part.rounds.get("ours", ())
        if one is not None
    )
    return ratios[len(ratios) // 2] if ratios else None


def plots(_: Part) -> Mapping[str, str]:
    return {}
