"""The polling schedule that ships, against the targets it was chosen for and beside what other clients do."""

from functools import cache
from statistics import mean

import pytest

from bench.graph import linear
from bench.schedules import SCHEDULES, WORKLOADS, Job, Outcome, fixed, follow, jobs, mix, simulate

JOBS = 1_000
RTT = 0.1


@cache
def outcome(name: str, workload: str = "mix") -> dict[str, float]:
    return simulate(SCHEDULES[name], jobs(WORKLOADS[workload], JOBS), rtt=RTT).figures


def test_on_the_mix_ends_are_noticed_soon_and_cheaply() -> None:
    ours = outcome("ours")
    assert ours["late_p50"] <= 0.30
    assert ours["polls"] <= 12
    assert ours["share"] <= 0.16


def test_on_folders_a_small_share_of_the_duration_is_lost() -> None:
    ours = outcome("ours", "folder")
    assert ours["share"] <= 0.06
    assert ours["polls"] <= 35


@pytest.mark.parametrize("name", sorted(SCHEDULES.keys() - {"ours"}))
def test_no_other_schedule_is_both_sooner_and_cheaper(name: str) -> None:
    ours, other = outcome("ours"), outcome(name)
    assert ours["late_p50"] < other["late_p50"] or ours["polls"] < other["polls"]
    assert ours["share"] < other["share"]


# --- the simulation itself -------------------------------------------------------------------------------


def test_a_poll_sees_the_monitor_half_a_round_trip_after_it_was_sent() -> None:
    late, polls = follow(Job(3.04, linear, seed=1), fixed(1.0), rtt=RTT)
    # The third poll is sent at 1 + 2 x (1 + 0.1) = 3.2 s, and seen there at 3.25 s.
    assert polls == 3
    assert late == pytest.approx(3.3 - 3.04)
    late, polls = follow(Job(2.149, linear, seed=1), fixed(1.0), rtt=RTT)
    assert polls == 2
    assert late == pytest.approx(2.2 - 2.149)


def test_a_fixed_interval_is_half_of_itself_late() -> None:
    late = simulate(fixed(2.0), jobs(WORKLOADS["folder"], JOBS), rtt=0.0).late
    assert mean(late) == pytest.approx(1.0, abs=0.05)


def test_the_jobs_are_the_same_each_time_and_shaped_as_is_said() -> None:
    once, again = jobs(mix, JOBS), jobs(mix, JOBS)
    assert [(one.duration, one.seed) for one in once] == [(one.duration, one.seed) for one in again]
    assert mean(one.duration >= 10 for one in once) == pytest.approx(0.2, abs=0.03)
    stuck = mean(one.shape(0.9) == 0.0 for one in once)
    assert stuck == pytest.approx(0.15, abs=0.03)


def test_figures_are_those_of_the_sorted_jobs() -> None:
    some = Outcome()
    for late in range(100, 0, -1):
        some.add(duration=100.0, late=float(late), polls=2)
    assert some.figures == {"late_p50": 51.0, "late_p95": 96.0, "share": pytest.approx(0.505), "polls": 2}
