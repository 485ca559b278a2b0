"""Pacing: limits and wishes as properties, and the schedule's figures by simulation in virtual time."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import pacing
from gateway.model import Sample
from gateway.pacing import Polling

DEFAULT = Polling()
ACCEPTED = 1_700_000_000.0
MIDDLE = 0.5
"""The chance that jitters nothing."""

chances = st.floats(0, 1, exclude_max=True)
seconds = st.floats(0, 100_000)
wishes = st.none() | st.floats(0, 100_000)
floors = st.sampled_from([0.0, 5.0, 30.0])
policies = st.builds(
    lambda least, factor, first: Polling(first, least, least * factor),
    st.floats(0.05, 5),
    st.floats(1, 200),
    st.floats(0.05, 5),
)


def delay(
    elapsed: float,
    *percents: tuple[float, float],
    floor: float = 0.0,
    retry_after: float | None = None,
    policy: Polling = DEFAULT,
    chance: float = MIDDLE,
) -> float:
    """`percents`: pairs of seconds since the acceptance and percentage."""
    return pacing.next_delay(
        elapsed=elapsed,
        accepted_at=ACCEPTED,
        samples=tuple(Sample(ACCEPTED + at, percent) for at, percent in percents),
        floor=floor,
        retry_after=retry_after,
        policy=policy,
        chance=chance,
    )


def troubled(
    troubles: int,
    elapsed: float,
    *,
    floor: float = 0.0,
    retry_after: float | None = None,
    policy: Polling = DEFAULT,
    chance: float = MIDDLE,
) -> float:
    return pacing.delay_after_trouble(
        troubles=troubles,
        elapsed=elapsed,
        floor=floor,
        retry_after=retry_after,
        policy=policy,
        chance=chance,
    )


# --- the blind schedule ----------------------------------------------------------------------------------


def test_the_first_poll_comes_after_the_first_delay() -> None:
    assert pacing.first_poll(floor=0.0, policy=DEFAULT, chance=MIDDLE) == pytest.approx(0.5)
    assert pacing.first_poll(floor=0.0, policy=DEFAULT, chance=0.0) == pytest.approx(0.475)
    assert pacing.first_poll(floor=30.0, policy=DEFAULT, chance=0.0) == 30.0
    assert pacing.first_poll(floor=0.0, retry_after=5.0, policy=DEFAULT, chance=0.0) == 5.0


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [
        (0.0, 0.2 / 0.95),
        (0.6, 0.2 / 0.95),
        (5.0, 1.0),
        (30.0, 6.0),
        (600.0, 10 / 1.05),
        (86_400.0, 10 / 1.05),
    ],
)
def test_without_progress_the_delay_is_a_fifth_of_the_time_so_far(elapsed: float, expected: float) -> None:
    assert delay(elapsed) == pytest.approx(expected)


# --- predictions -----------------------------------------------------------------------------------------


def test_steady_progress_is_believed_and_the_poll_placed_just_after_the_end() -> None:
    assert delay(20.0, (15.0, 60.0), (20.0, 80.0)) == pytest.approx(5.0 + 0.04)


def test_the_later_of_two_predictions_counts() -> None:
    assert delay(20.0, (15.0, 62.0), (20.0, 80.0)) == pytest.approx(20 * 5 / 18 + 0.04)


@pytest.mark.parametrize(
    "percents",
    [
        [],
        [(20.0, 80.0)],
        [(15.0, 80.0), (20.0, 80.0)],
        [(15.0, 90.0), (20.0, 80.0)],
        [(15.0, 0.0), (20.0, 0.0)],
        [(15.0, 75.0), (20.0, 100.0)],
        [(15.0, 75.0), (20.0, 120.0)],
        [(15.0, -5.0), (20.0, -1.0)],
        [(20.0, 60.0), (20.0, 80.0)],
        [(10.0, 40.0), (15.0, 60.0)],
        [(15.0, 20.0), (20.0, 80.0)],
        [(15.0, 75.0), (20.0, 80.0)],
    ],
    ids=[
        "no percentage",
        "one sample",
        "no rise",
        "a fall",
        "stuck at 0",
        "100 and running",
        "more than 100",
        "less than 0",
        "two samples at one moment",
        "none from this poll",
        "a jump",
        "slowing down",
    ],
)
def test_a_prediction_without_ground_is_not_made(percents: list[tuple[float, float]]) -> None:
    assert delay(20.0, *percents) == pytest.approx(4.0)


def test_a_jump_is_bounded_by_the_time_so_far_and_by_max_interval() -> None:
    assert delay(5.0, (2.5, 5.0), (5.0, 10.0)) == pytest.approx(5.0 / 1.01)
    assert delay(200.0, (100.0, 5.0), (200.0, 10.0)) == pytest.approx(10.0 / 1.01)
    lazy = Polling(max_interval=2.0)
    assert delay(200.0, (100.0, 5.0), (200.0, 10.0), policy=lazy) == pytest.approx(2.0 / 1.01)


def test_near_the_end_polls_keep_a_distance() -> None:
    assert delay(100.0, (90.0, 89.99), (100.0, 99.99)) == pytest.approx(3.0)


# --- what others ask for ---------------------------------------------------------------------------------


def test_a_longer_retry_after_wins_over_schedule_prediction_and_max_interval() -> None:
    assert delay(1.0, retry_after=41.0, chance=0.0) == 41.0
    assert delay(20.0, (15.0, 60.0), (20.0, 80.0), retry_after=315.0, chance=0.0) == 315.0
    assert delay(1.0, retry_after=2.128, chance=0.0) == 2.128


def test_a_shorter_or_empty_retry_after_changes_nothing() -> None:
    assert delay(30.0, retry_after=2.0) == delay(30.0)
    assert delay(30.0, retry_after=0.0) == delay(30.0)


def test_an_hour_is_the_longest_wish_that_is_believed() -> None:
    assert delay(1.0, retry_after=1e9, chance=0.999) == 3600.0
    assert troubled(1, 1.0, retry_after=math.inf) == 3600.0


@pytest.mark.parametrize("nonsense", [-1.0, math.nan, -math.inf])
def test_a_wish_that_is_no_duration_is_none(nonsense: float) -> None:
    assert delay(30.0, retry_after=nonsense) == delay(30.0)


def test_wishes_are_spread_upwards_only() -> None:
    assert delay(1.0, retry_after=100.0, chance=0.5) == pytest.approx(102.5)
    assert delay(1.0, floor=30.0, chance=0.5) == pytest.approx(30.75)


# --- trouble ---------------------------------------------------------------------------------------------


def test_trouble_doubles_the_present_pace_up_to_max_interval() -> None:
    assert [round(troubled(n, 5.0), 3) for n in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 9.524, 9.524]
    assert troubled(1, 0.0) == pytest.approx(0.2 / 0.95)
    assert troubled(10**9, 0.0) <= 10.0


def test_trouble_obeys_retry_after_and_floor() -> None:
    assert troubled(1, 5.0, retry_after=41.0, chance=0.0) == 41.0
    assert troubled(1, 5.0, floor=30.0, chance=0.0) == 30.0


# --- properties ------------------------------------------------------------------------------------------

samples = st.lists(st.tuples(seconds, st.floats(-10, 200)), max_size=3)


@given(elapsed=seconds, chance=chances, policy=policies, history=samples, percent=st.floats(0, 101))
def test_our_own_delays_keep_their_limits(
    elapsed: float, chance: float, policy: Polling, history: list[tuple[float, float]], percent: float
) -> None:
    found = delay(elapsed, *sorted(history), (elapsed, percent), policy=policy, chance=chance)
    assert policy.min_interval <= found <= policy.max_interval
    assert policy.min_interval <= delay(elapsed, policy=policy, chance=chance) <= policy.max_interval


@given(elapsed=seconds, chance=chances, wish=wishes, floor=floors, policy=policies)
def test_nothing_undercuts_a_wish(
    elapsed: float, chance: float, wish: float | None, floor: float, policy: Polling
) -> None:
    asked = max(floor, min(wish or 0.0, 3600.0))
    found = [
        delay(
            elapsed,
            (elapsed / 2, 25.0),
            (elapsed, 50.0),
            floor=floor,
            retry_after=wish,
            policy=policy,
            chance=chance,
        ),
        troubled(3, elapsed, floor=floor, retry_after=wish, policy=policy, chance=chance),
        pacing.first_poll(floor=floor, retry_after=wish, policy=policy, chance=chance),
    ]
    assert all(asked <= one <= max(3600.0, policy.max_interval) for one in found)


@given(elapsed=st.floats(2, 40), one=chances, other=chances)
def test_blind_jitter_is_five_percent_at_most(elapsed: float, one: float, other: float) -> None:
    centre = delay(elapsed)
    assert abs(delay(elapsed, chance=one) - centre) <= 0.05 * centre + 1e-9
    assert abs(delay(elapsed, chance=one) - delay(elapsed, chance=other)) <= 0.1 * centre + 1e-9


@given(troubles=st.integers(1, 100), elapsed=seconds, chance=chances)
def test_more_trouble_never_polls_sooner(troubles: int, elapsed: float, chance: float) -> None:
    assert troubled(troubles, elapsed, chance=chance) <= troubled(troubles + 1, elapsed, chance=chance)


# --- the figures, by simulation --------------------------------------------------------------------------

RTT = 0.1
JOBS = 2000
Shape = Callable[[float], float]
"""Percentage at a share of the duration."""
Shaper = Callable[[random.Random], Shape]


def linear(_: random.Random) -> Shape:
    return lambda share: 100 * share


def jumpy(rng: random.Random) -> Shape:
    count = rng.randint(3, 8)
    steps = sorted(rng.random() for _ in range(count))
    heights = sorted(rng.uniform(0, 99) for _ in range(count))
    return lambda share: max((h for s, h in zip(steps, heights, strict=True) if s <= share), default=0.0)


def stuck_at_0(_: random.Random) -> Shape:
    return lambda _: 0.0


def stuck_at_99(rng: random.Random) -> Shape:
    there = rng.uniform(0.3, 0.8)
    return lambda share: min(99.0, 99 * share / there)


def decelerating(_: random.Random) -> Shape:
    return lambda share: 100 * (1 - (1 - share) ** 2)


def accelerating(_: random.Random) -> Shape:
    return lambda share: 100 * share * share


PARTS: list[tuple[Shaper, int]] = [
    (linear, 40),
    (jumpy, 20),
    (stuck_at_0, 15),
    (stuck_at_99, 10),
    (decelerating, 10),
    (accelerating, 5),
]
"""Shapes of progress, and the share of the jobs that show each, in percent; an assumption, not a measurement."""
MIX = [shape for shape, percent in PARTS for _ in range(percent)]


def small(rng: random.Random) -> float:
    return min(5.0, max(0.5, rng.lognormvariate(math.log(1.5), 0.5)))


def folder(rng: random.Random) -> float:
    return min(1200.0, max(10.0, rng.lognormvariate(math.log(110), 1.1)))


def bimodal(rng: random.Random) -> float:
    return small(rng) if rng.random() < 0.8 else folder(rng)


@dataclass
class Outcome:
    """What many jobs came to: seconds late, that as a share of the duration, polls."""

    late: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    polls: list[int] = field(default_factory=list)

    @property
    def late_p50(self) -> float:
        return quantiles(self.late, n=20)[9]

    @property
    def late_p95(self) -> float:
        return quantiles(self.late, n=20)[18]


def follow(duration: float, shape: Shape, rng: random.Random, outcome: Outcome) -> None:
    """One operation in virtual time; a monitor sees it half a round trip after it was asked."""
    asked = pacing.first_poll(floor=0.0, policy=DEFAULT, chance=rng.random())
    history: tuple[Sample, ...] = ()
    polls = 0
    while True:
        polls += 1
        seen, now = asked + RTT / 2, asked + RTT
        if seen >= duration:
            break
        history = (*history[-1:], Sample(ACCEPTED + now, round(shape(seen / duration), 1)))
        asked = now + pacing.next_delay(
            elapsed=now,
            accepted_at=ACCEPTED,
            samples=history,
            floor=0.0,
            retry_after=None,
            policy=DEFAULT,
            chance=rng.random(),
        )
    outcome.late.append(now - duration)
    outcome.share.append((now - duration) / duration)
    outcome.polls.append(polls)


def simulate(
    durations: Callable[[random.Random], float],
    shapes: list[Shaper],
    jobs: int = JOBS,
) -> Outcome:
    rng = random.Random(20_261_121)
    outcome = Outcome()
    for _ in range(jobs):
        follow(durations(rng), rng.choice(shapes)(rng), rng, outcome)
    return outcome


def test_small_files_are_answered_soon_after_they_are_done() -> None:
    found = simulate(small, MIX)
    assert found.late_p50 <= 0.25
    assert found.late_p95 <= 0.70
    assert mean(found.polls) <= 5


def test_folders_cost_few_polls_and_little_lateness() -> None:
    found = simulate(folder, MIX)
    assert mean(found.share) <= 0.04
    assert mean(found.polls) <= 31
    assert found.late_p95 <= 13


def test_a_mix_of_both_meets_the_target() -> None:
    found = simulate(bimodal, MIX)
    assert found.late_p50 <= 0.30
    assert mean(found.share) <= 0.16
    assert mean(found.polls) <= 10


@pytest.mark.parametrize(
    ("shape", "late", "polls"),
    [
        (linear, 0.010, 27),
        (stuck_at_99, 0.060, 25),
        (decelerating, 0.085, 29),
        (stuck_at_0, 0.06, 40),
        (jumpy, 0.075, 40),
        (accelerating, 0.065, 40),
    ],
)
def test_each_shape_of_progress(shape: Shaper, late: float, polls: float) -> None:
    found = simulate(folder, [shape], jobs=400)
    assert mean(found.share) <= late
    assert mean(found.polls) <= polls


def test_predictions_pay_off_on_linear_progress() -> None:
    """Fewer polls than a blind schedule, and a fraction of its lateness."""
    blind, predicted = simulate(folder, [stuck_at_0], jobs=400), simulate(folder, [linear], jobs=400)
    assert mean(predicted.polls) < 0.85 * mean(blind.polls)
    assert mean(predicted.share) < 0.25 * mean(blind.share)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_thirty_seconds_between_polls_is_thirty_seconds(chance: float) -> None:
    """Teams' floor holds for the first poll and each one after it."""
    assert pacing.first_poll(floor=30.0, policy=DEFAULT, chance=chance) >= 30.0
    assert delay(45.0, (15.0, 30.0), (45.0, 90.0), floor=30.0, chance=chance) >= 30.0
    assert troubled(4, 45.0, floor=30.0, chance=chance) >= 30.0
