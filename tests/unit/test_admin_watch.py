"""The watch: health is what was seen last, and what is kept is bounded."""

from dataclasses import replace

from fakes.clock import FakeClock
from fakes.records import START, operation, running

from gateway.admin.measures import BOUNDS, SLOTS, STEP, Histogram, Series
from gateway.admin.watch import BLAMED, RECENT, RECOVERY, Watch
from gateway.model import Ailment, Operation, Problem, State, Trouble
from gateway.telemetry import CallRecord, Poll


def call(outcome: str = "answered", status: int = 200) -> CallRecord:
    return CallRecord("GET", "/v1.0/me", 0.0, "r", status=status, outcome=outcome)


def moved(clock: FakeClock, seconds: float) -> None:
    clock._now += seconds


# --- measures --------------------------------------------------------------------------------------------


def test_a_series_has_a_slot_for_every_few_seconds_and_forgets_the_oldest() -> None:
    series = Series()
    for number in range(3 * SLOTS):
        series.count("calls", number * STEP)
        series.measure("upstream", float(number), number * STEP)
    now = (3 * SLOTS - 1) * STEP
    assert series.counted("calls", now) == [1] * SLOTS
    assert series.counted("calls", now + 2 * STEP) == [1] * (SLOTS - 2) + [0, 0]
    assert series.measured("upstream", now + STEP)["mean"][-2:] == [3.0 * SLOTS - 1, None]
    assert series.counted("nothing", now) == [0] * SLOTS


def test_a_slot_has_mean_and_greatest() -> None:
    series = Series()
    for seconds in (1.0, 3.0):
        series.measure("monitor", seconds, 0.0)
    said = series.measured("monitor", 0.0)
    assert (said["mean"][-1], said["max"][-1]) == (2.0, 3.0)


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 0.001, 1000.0):
        histogram.add(seconds)
    said = histogram.said()
    assert said["counts"] == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
    assert said["count"] == 4


# --- health ----------------------------------------------------------------------------------------------


def test_an_upstream_is_in_trouble_when_a_call_failed_because_no_reply_came() -> None:
    watch = Watch(FakeClock())
    assert watch.upstream.state == "unknown"
    watch.upstream_answered(200, 0.1)
    assert watch.upstream.state == "ok"
    watch.upstream_answered(0, 0.1)
    assert watch.upstream.state == "ok", "its caller may have left"
    watch.call_ended(call("left", 0), 0.1)
    assert watch.upstream.state == "ok"
    watch.call_ended(call("connection_refused", 502), 0.1)
    assert (watch.upstream.state, watch.upstream.reason) == ("trouble", "connection_refused")
    watch.upstream_answered(503, 0.1)
    assert (watch.upstream.state, watch.upstream.reason) == ("ok", None), "an answer is an answer"


def test_a_call_that_was_turned_away_here_is_not_the_upstreams_fault() -> None:
    clock = FakeClock()
    watch = Watch(clock)
    watch.call_ended(call("dns_error", 502), 0.1)
    watch.upstream_answered(0, 0.1)
    watch.call_ended(call("held calls", 503), 0.1)
    moved(clock, BLAMED + 0.1)
    watch.call_ended(call("dns_error", 502), 0.1)
    assert watch.upstream.state == "unknown"


def test_polls_of_the_upstreams_own_monitors_tell_of_it_as_well() -> None:
    watch = Watch(FakeClock())
    trouble = Trouble(Ailment.TIMEOUT)
    watch.upstream_answered(0, 30.0)
    watch.poll_troubled(running(monitor_credential=False), trouble)
    assert watch.upstream.state == "unknown"
    watch.poll_troubled(running(monitor_credential=True), trouble)
    assert (watch.upstream.state, watch.upstream.reason) == ("trouble", "timeout")


def test_a_token_is_well_again_when_a_request_went_out_with_one_or_nothing_more_is_heard() -> None:
    clock = FakeClock()
    watch = Watch(clock)
    watch.event("credential_trouble", reason="AADSTS7000215", status=502)
    assert (watch.token_health().state, watch.token_health().reason) == ("trouble", "AADSTS7000215")
    watch.upstream_answered(200, 0.1)
    assert watch.token_health().state == "ok"
    watch.event("credential_trouble", reason="timeout", status=503)
    moved(clock, RECOVERY - 1)
    assert watch.token_health().state == "trouble"
    moved(clock, 2)
    assert watch.token_health().state == "unknown"


def test_what_the_store_and_the_start_complain_of_is_kept() -> None:
    watch = Watch(FakeClock())
    watch.event("store_at_risk", reason="appendonly is off")
    watch.event("store_down", reason="the disk is full")
    watch.event("upstream_unreachable", upstream="u", reason="dns_error", hint="h")
    assert watch.store_warning == "appendonly is off"
    assert (watch.store.state, watch.store.reason) == ("trouble", "the disk is full")
    assert watch.upstream.reason == "dns_error"
    watch.upstream_reached()
    assert watch.upstream.state == "ok"


# --- outcomes --------------------------------------------------------------------------------------------


def test_outcomes_are_kept_with_the_last_first_and_bounded() -> None:
    watch = Watch(FakeClock())
    for number in range(RECENT + 5):
        before = running(number)
        watch.operation_changed(before, replace(before, state=State.RESULT, ended_at=START + 3, polls=4))
    problem = Problem(409, "nameAlreadyExists", "{}")
    bad = running(999)
    watch.operation_changed(bad, replace(bad, state=State.FAILED, ended_at=START + 1, problem=problem))
    watch.operation_changed(operation(1000), replace(operation(1000), state=State.REJECTED))
    said = watch.said()
    recent = said["recent"]
    assert isinstance(recent, list)
    assert len(recent) == RECENT
    assert (recent[0]["state"], recent[0]["code"], recent[0]["seconds"]) == (
        "failed",
        "nameAlreadyExists",
        1.0,
    )
    assert (recent[1]["state"], recent[1]["polls"], recent[1]["seconds"]) == ("succeeded", 4, 3.0)
    assert said["outcomes"] == {"succeeded": RECENT + 5, "failed": 1, "unknown": 0, "lost": 0}


def test_polls_are_timed_and_never_early() -> None:
    watch = Watch(FakeClock())
    watch.polled(Poll(running(), -0.001, 0.2, "running"))
    histograms = watch.said()["histograms"]
    assert isinstance(histograms, dict)
    assert histograms["lateness"]["sum"] == 0.0
    assert histograms["monitor"]["sum"] == 0.2


def test_listeners_hear_of_every_record() -> None:
    heard: list[Operation] = []
    watch = Watch(FakeClock())
    watch.listen(heard.append)
    watch.operation_changed(None, operation())
    assert heard == [operation()]
