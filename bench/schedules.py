"""Polling schedules beside each other, in virtual time: how late an end is noticed, and how many polls that costs.

    shapes of progress   40 % linear, 20 % in jumps, 15 % stuck at 0, 10 % stuck at 99, 10 % slowing down, 5 % speeding up
    small                lognormal around 1.5 s, 0.5 to 5 s
    folder               lognormal around 110 s, 10 to 1200 s
    mix                  80 % small, 20 % folder

These are assumptions: nobody has published how long copies take. The gateway's schedule is the real one,
`gateway.pacing` with the defaults it ships with; the others are what clients are known to do.

Rules: seeded, so that it comes out alike each time; every schedule follows the same jobs.
What it must not do: know how the gateway's schedule works.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from bench.graph import Shape, linear
from gateway import pacing
from gateway.model import Sample
from gateway.pacing import Polling

SEED = 20_261_121
RTT = 0.1
"""Seconds for a poll; the monitor sees it after half of that."""
ACCEPTED = 1_700_000_000.0
"""Any wall-clock time will do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One copy: seconds, how its percentage rises, and what seeds the chance of who follows it."""

    duration: float
    shape: Shape
    seed: int


# --- jobs ------------------------------------------------------------------------------------------------


def jumpy(rng: random.Random) -> Shape:
    count = rng.randint(3, 8)
    steps = sorted(rng.random() for _ in range(count))
    heights = sorted(rng.uniform(0, 99) for _ in range(count))
    return lambda share: max(
        (high for at, high in zip(steps, heights, strict=True) if at <= share), default=0.0
    )


def stuck_at_99(rng: random.Random) -> Shape:
    there = rng.uniform(0.3, 0.8)
    return lambda share: min(99.0, 99 * share / there)


def _always(shape: Shape) -> Callable[[random.Random], Shape]:
    return lambda _: shape


SHAPES: Sequence[tuple[Callable[[random.Random], Shape], int]] = (
    (_always(linear), 40),
    (jumpy, 20),
    (_always(lambda _: 0.0), 15),
    (stuck_at_99, 10),
    (_always(lambda share: 100 * (1 - (1 - share) ** 2)), 10),
    (_always(lambda share: 100 * share * share), 5),
)
"""And the share of the jobs that show each, in percent."""


def small(rng: random.Random) -> float:
    return min(5.0, max(0.5, rng.lognormvariate(math.log(1.5), 0.5)))


def folder(rng: random.Random) -> float:
    return min(1200.0, max(10.0, rng.lognormvariate(math.log(110), 1.1)))


def mix(rng: random.Random) -> float:
    return small(rng) if rng.random() < 0.8 else folder(rng)


def short_mix(rng: random.Random) -> float:
    """With folders that one can wait for: around 15 s, 3 to 45 s."""
    return small(rng) if rng.random() < 0.8 else min(45.0, max(3.0, rng.lognormvariate(math.log(15), 0.8)))


WORKLOADS: Mapping[str, Callable[[random.Random], float]] = {"small": small, "folder": folder, "mix": mix}


def jobs(durations: Callable[[random.Random], float], count: int, *, longest: float = math.inf) -> list[Job]:
    """The same ones each time. Above `longest` seconds a duration is cut down to it."""
    rng = random.Random(SEED)
    makers, weights = zip(*SHAPES, strict=True)
    made = []
    for _ in range(count):
        duration = min(durations(rng), longest)
        (maker,) = rng.choices(makers, weights)
        made.append(Job(duration, maker(rng), rng.getrandbits(32)))
    return made


# --- schedules -------------------------------------------------------------------------------------------

Delays = Iterator[float]
"""Seconds from the 202 to the first poll's start; then, for each poll, from its answer to the next poll's start."""
Schedule = Callable[[Job, Callable[[], tuple[float, float]]], Delays]
"""What follows a job: it is given a way to ask what the last poll found: (seconds since the 202, percentage)."""


def ours(polling: Polling) -> Schedule:
    def delays(job: Job, found: Callable[[], tuple[float, float]]) -> Delays:
        chance = random.Random(job.seed).random
        yield pacing.first_poll(floor=0.0, policy=polling, chance=chance())
        samples: tuple[Sample, ...] = ()
        while True:
            elapsed, percent = found()
            samples = (*samples[-1:], Sample(ACCEPTED + elapsed, percent))
            yield pacing.next_delay(
                elapsed=elapsed,
                accepted_at=ACCEPTED,
                samples=samples,
                floor=0.0,
                retry_after=None,
                policy=polling,
                chance=chance(),
            )

    return delays


def blind(delays: Callable[[], Iterable[float]]) -> Schedule:
    """One that looks at nothing but the number of the poll."""
    return lambda _job, _found: iter(delays())


def fixed(seconds: float, *, first: float | None = None) -> Schedule:
    def delays() -> Iterator[float]:
        yield seconds if first is None else first
        while True:
            yield seconds

    return blind(delays)


def exponential(first: float, longest: float) -> Schedule:
    def delays() -> Iterator[float]:
        delay = first
        while True:
            yield delay
            delay = min(2 * delay, longest)

    return blind(delays)


def fibonacci(longest: float) -> Schedule:
    def delays() -> Iterator[float]:
        before, delay = 0.0, 1.0
        while True:
            yield min(delay, longest)
            before, delay = delay, before + delay

    return blind(delays)


SCHEDULES: Mapping[str, Schedule] = {
    "ours": ours(Polling()),
    "fixed_1": fixed(1.0),
    "fixed_2": fixed(2.0),
    "fixed_5": fixed(5.0),
    "exponential": exponential(1.0, 30.0),
    "fibonacci": fibonacci(30.0),
    "rclone": fixed(1.0, first=0.0),
    "azure": fixed(30.0),
}
CALLED = {
    "ours": "**lro-gateway**",
    "fixed_1": "each second",
    "fixed_2": "every 2 s",
    "fixed_5": "every 5 s",
    "exponential": "1 s, doubled up to 30 s",
    "fibonacci": "Fibonacci, up to 30 s",
    "rclone": "at once, then each second (rclone)",
    "azure": "every 30 s (azure-core without Retry-After)",
}


# --- virtual time ----------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What many jobs came to: seconds late, that as a share of the duration, polls."""

    late: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    polls: list[int] = field(default_factory=list)

    def add(self, duration: float, late: float, polls: int) -> None:
        self.late.append(late)
        self.share.append(late / duration)
        self.polls.append(polls)

    @property
    def figures(self) -> dict[str, float]:
        ordered = sorted(self.late)
        return {
            "late_p50": ordered[len(ordered) // 2],
            "late_p95": ordered[len(ordered) * 95 // 100],
            "share": mean(self.share),
            "polls": mean(self.polls),
        }


def follow(job: Job, schedule: Schedule, *, rtt: float = RTT) -> tuple[float, int]:
    """Seconds late, and polls."""
    found = (0.0, 0.0)
    delays = schedule(job, lambda: found)
    now, polls = 0.0, 0
    while True:
        seen = now + next(delays) + rtt / 2
        now = seen + rtt / 2
        polls += 1
        if seen >= job.duration:
            return now - job.duration, polls
        found = now, round(job.shape(seen / job.duration), 1)


def simulate(schedule: Schedule, followed: Iterable[Job], *, rtt: float = RTT) -> Outcome:
    outcome = Outcome()
    for job in followed:
        outcome.add(job.duration, *follow(job, schedule, rtt=rtt))
    return outcome
