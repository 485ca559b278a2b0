"""Pacing: the schedules of bench.schedules beside each other, and the gateway itself against its own simulation.

Live, some hundred copies of a mix whose folders are short enough to wait for go through a real gateway with the
polling it ships with; the simulation follows the same copies. What the two differ by is what the gateway costs: timers,
its queue, the final GET, the answer.

    late_*    seconds from a copy's end to the answer; share: of its duration, mean; polls: for each copy
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from bench.crowd import Crowd
from bench.graph import Graph
from bench.held import in_peace
from bench.holders import Place, ours
from bench.machine import Failed, free_port, workplace
from bench.rounds import Figures, Part, Tell, median, note, run, table
from bench.schedules import CALLED, SCHEDULES, WORKLOADS, Job, Outcome, jobs, short_mix, simulate

JOBS = 2_000
LIVE = 200
LIVE_RTT = 0.002
"""On loopback."""
ARRIVE = 2.0
"""Seconds over which the live ones come."""


def measured(*, quick: bool, tell: Tell) -> Part:
    live = jobs(short_mix, 30 if quick else LIVE, longest=8.0 if quick else 45.0)

    def measure(contestant: str) -> Figures:
        workload, _, name = contestant.partition("/")
        if workload == "live":
            if name == "gateway":
                return in_peace(through_the_gateway(live))
            return simulate(SCHEDULES["ours"], live, rtt=LIVE_RTT).figures
        return simulate(SCHEDULES[name], jobs(WORKLOADS[workload], JOBS)).figures

    contestants = [f"{workload}/{name}" for workload in WORKLOADS for name in SCHEDULES]
    return run([*contestants, "live/simulated", "live/gateway"], measure, rounds=1, tell=tell)


async def through_the_gateway(live: list[Job]) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        graph = await stack.enter_async_context(
            Graph(lambda number: (live[number].duration, live[number].shape))
        )
        place = Place(stack.enter_context(workplace()), free_port(), graph)
        program = stack.enter_context(ours(place, polling=""))
        program.wait_for(place.port)
        crowd = Crowd(place.port, len(live))
        stack.callback(crowd.leave)
        await crowd.arrive(ARRIVE, ARRIVE)
        await crowd.all_answered(max(job.duration for job in live) + 20.0)
        wrong = [told for told in crowd.told if not told.right]
        if wrong:
            raise Failed(f"{len(wrong)} of {len(live)} copies were not answered with their item: {wrong[0]}")
        outcome = Outcome()
        for told in crowd.told:
            job = graph.jobs[told.number]
            outcome.add(job.ends - job.began, told.answered - job.ends, job.polls)
        return outcome.figures


# --- what is made of it ------------------------------------------------------------------------------------


def blocks(part: Part) -> Mapping[str, str]:
    columns = (
        median("late p50, s", "late_p50", digits=2),
        median("late p95, s", "late_p95", digits=1),
        median("late, share of the duration", "share", digits=3),
        median("polls", "polls", digits=1),
    )
    tables = {
        f"pacing-{workload}": table(
            part,
            columns,
            names={f"{workload}/{name}": called for name, called in CALLED.items()},
            head="polls",
        )
        for workload in WORKLOADS
    }
    live = {"live/gateway": "the gateway", "live/simulated": "its schedule, simulated"}
    return tables | {
        "pacing-live": table(part, columns, names=live, head="the same copies") + "\n" + note(part)
    }


def plots(_: Part) -> Mapping[str, str]:
    return {}
