"""Metrics: what is counted of what the gateway is told, and that the number of series is bounded."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.records import PLAN, operation, running
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from gateway import guard
from gateway.dialects import KNOWN
from gateway.errors import GatewayError, Overloaded
from gateway.model import Ailment, Operation, State, Trouble
from gateway.telemetry import CallRecord, Poll
from gateway.telemetry.counting import Durations
from gateway.telemetry.logs import EVENTS
from gateway.telemetry.metrics import BOUNDS, PREFIX, READINGS, REASONS, Counted, Metrics

ROOT = Path(__file__).parents[2]
DIALECTS = [dialect.name for dialect in KNOWN]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(store="memory", dialects=DIALECTS)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Of the sample of this name and these labels, as a scraper reads it."""
    page = metrics.page("")[0].decode()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == PREFIX + name and sample.labels == labels:
                return float(sample.value)
    return None


def ended(**changes: Any) -> CallRecord:
    return replace(CallRecord("POST", "/v1.0/secret", 0.0, "request id", status=200), **changes)


# --- calls -----------------------------------------------------------------------------------------------


def test_a_call_is_counted_by_route_class_and_outcome(metrics: Metrics) -> None:
    metrics.call_ended(ended(route="hold", status=200, bytes_in=3, bytes_out=5), 0.2)
    metrics.call_ended(ended(route="hold", status=0, outcome="left"), 2.0)
    metrics.call_ended(ended(route="forward", status=502, outcome="connection_refused"), 0.1)
    assert value(metrics, "calls_total", route="hold", status="2xx", outcome="answered") == 1
    assert value(metrics, "calls_total", route="hold", status="none", outcome="left") == 1
    assert value(metrics, "calls_total", route="forward", status="5xx", outcome="failed") == 1
    assert value(metrics, "call_seconds_count", route="hold") == 2
    assert value(metrics, "call_seconds_sum", route="hold") == 2.2
    assert value(metrics, "body_bytes_total", direction="in") == 3
    assert value(metrics, "body_bytes_total", direction="out") == 5


def test_a_refusal_is_counted_by_the_guards_word(metrics: Metrics) -> None:
    metrics.call_ended(ended(route="refused", status=400, outcome="host_missing"), 0.0)
    assert value(metrics, "refusals_total", reason="host_missing") == 1
    assert value(metrics, "calls_total", route="refused", status="4xx", outcome="refused") == 1
    assert set(guard.REASONS) <= set(REASONS)


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_call_past_a_bound_is_counted_by_it(metrics: Metrics, bound: str) -> None:
    metrics.call_ended(ended(route="hold", status=503, outcome=Overloaded(bound).reason), 0.0)
    assert value(metrics, "shed_total", bound=bound) == 1


def test_every_bound_and_every_word_of_a_refusal_is_in_its_list() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    assert set(re.findall(r'Overloaded\("([^"]+)"\)', source)) == set(BOUNDS)
    refusals = "|".join(kind.__name__ for kind in kinds(GatewayError) if kind.__module__ == "gateway.errors")
    assert "MalformedRequest" in refusals
    words = r'(?:MalformedRequest|HeadersTooLarge|MethodUnknown|MethodNotAllowed|TargetTooLong|VersionUnsupported|ExpectationFailed|TooEarly)\(\s*"([^"]+)"'
    assert set(re.findall(words, source)) <= set(REASONS)


def kinds(root: type[GatewayError]) -> list[type[GatewayError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def test_how_a_call_came_to_its_operation_is_counted(metrics: Metrics) -> None:
    for relation in ("start", "join", "join"):
        metrics.call_ended(ended(route="hold", operation="id", relation=relation), 0.1)
    assert value(metrics, "admissions_total", relation="join") == 2
    assert value(metrics, "admissions_total", relation="replay") == 0


def test_lag_and_queue_of_a_call_are_counted(metrics: Metrics) -> None:
    record = ended(route="hold")
    record.took("answer_lag_ms", 0.25)
    record.took("queued_ms", 3.0)
    metrics.call_ended(record, 4.0)
    assert value(metrics, "answer_lag_seconds_sum") == 0.25
    assert value(metrics, "queued_seconds_sum") == 3.0


# --- operations, polls, and the rest -----------------------------------------------------------------------


def test_an_operation_is_counted_in_each_state_it_comes_into(metrics: Metrics) -> None:
    reserved, under_way = operation(), running()
    result = running(state=State.RESULT, ended_at=(under_way.accepted_at or 0.0) + 7.0)
    for before, after in (
        (None, reserved),
        (reserved, under_way),
        (under_way, under_way),
        (under_way, result),
    ):
        metrics.operation_changed(before, after)
    for state in ("reserved", "running", "result"):
        labels = {"dialect": "drive", "state": state, "store": "memory"}
        assert value(metrics, "operations_total", **labels) == 1, state
    assert value(metrics, "operation_seconds_sum", dialect="drive", state="result") == 7.0


def test_a_later_change_of_an_ended_operation_does_not_count_its_time_again(metrics: Metrics) -> None:
    result = running(state=State.RESULT, ended_at=1.0)
    metrics.operation_changed(result, replace(result, state=State.SUCCEEDED))
    assert value(metrics, "operation_seconds_count", dialect="drive", state="succeeded") is None


def test_a_poll_is_counted_by_what_it_said(metrics: Metrics) -> None:
    metrics.polled(Poll(running(), 0.02, 0.1, "running"))
    metrics.polled(Poll(running(), -0.001, 0.1, Ailment.THROTTLED))
    metrics.poll_troubled(running(), Trouble(Ailment.THROTTLED))
    assert value(metrics, "polls_total", dialect="drive", reading="running") == 1
    assert value(metrics, "polls_total", dialect="drive", reading="throttled") == 1
    assert value(metrics, "poll_late_seconds_count") == 2
    assert value(metrics, "poll_late_seconds_sum") == 0.02


def test_events_and_bugs_are_counted_by_name(metrics: Metrics) -> None:
    metrics.event("store_down", reason="disk full")
    metrics.crashed("forward", ValueError("secret"))
    assert value(metrics, "events_total", event="store_down") == 1
    assert value(metrics, "events_total", event="crashed") == 1


def test_store_and_upstream_are_timed(metrics: Metrics) -> None:
    metrics.store_used("claim", 0.003, failed=False)
    metrics.store_used("claim", 0.5, failed=True)
    metrics.upstream_answered(202, 0.04)
    metrics.monitor_answered(0, 30.0)
    assert value(metrics, "store_seconds_count", store="memory", method="claim") == 2
    assert value(metrics, "store_failures_total", store="memory", method="claim") == 1
    assert value(metrics, "head_seconds_count", side="upstream", status="2xx") == 1
    assert value(metrics, "head_seconds_count", side="monitor", status="none") == 1


def test_what_is_looked_at_comes_from_whoever_was_named(metrics: Metrics) -> None:
    metrics.look_at(lambda: (("held_calls", (), 7.0), ("limit", ("held_calls",), 100.0)))
    assert value(metrics, "held_calls") == 7
    assert value(metrics, "limit", limit="held_calls") == 100


def test_both_formats_are_spoken(metrics: Metrics) -> None:
    assert metrics.page("")[1].startswith("text/plain; version=0.0.4")
    page, content_type = metrics.page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert page.endswith(b"# EOF\n")


# --- the bound on series -----------------------------------------------------------------------------------


def flood(metrics: Metrics, number: int) -> None:
    """Tell of things whose every word a caller or an upstream has chosen."""
    word = f"/v1.0/users/{number}/secret?ticket={number}"
    strange: Operation = operation(number, plan=replace(PLAN, dialect=word, kind=word), principal=word)
    metrics.call_ended(
        ended(
            method=word,
            path=word,
            request_id=word,
            route=word if number % 2 else "refused",
            status=number,
            outcome=word,
            operation=word,
            relation=word,
        ),
        float(number),
    )
    metrics.operation_changed(None, strange)
    under_way = replace(strange, state=State.RUNNING, accepted_at=0.0)
    metrics.operation_changed(under_way, replace(under_way, state=State.FAILED, ended_at=1.0))
    metrics.polled(Poll(strange, float(number), 0.0, word))
    metrics.event(word, fact=word)
    metrics.store_used(word, 0.0, failed=True)
    metrics.upstream_answered(number, 0.0)


def test_nothing_that_anybody_sends_makes_a_series(metrics: Metrics) -> None:
    for number in range(1000):
        flood(metrics, number)
    page = metrics.page("")[0].decode()
    series = page.count("\n")
    assert "/v1.0" not in page
    assert "secret" not in page
    for number in range(1000, 3000):
        flood(metrics, number)
    assert metrics.page("")[0].decode().count("\n") == series


def test_the_bound_on_series_is_known_and_small(metrics: Metrics) -> None:
    lines = {
        family.name: family.bound * (len(family.bounds) + 3 if isinstance(family, Durations) else 1)
        for family in metrics.counted.families
    }
    assert sum(lines.values()) < 7000, lines
    for family in metrics.counted.families:
        assert len(list(family.series())) <= family.bound


# --- what is shipped with it -------------------------------------------------------------------------------

NAME = re.compile(rf"\b{PREFIX}\w+")
SELECTOR = re.compile(rf"({PREFIX}\w+)\{{([^}}]*)\}}")
LABEL = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"([^\"]*)\"")


def known() -> dict[str, dict[str, set[str] | None]]:
    """By the name of a sample, its labels, each with its values; None for any."""
    found: dict[str, dict[str, set[str] | None]] = {}
    for family in Counted(DIALECTS).families:
        labels: dict[str, set[str] | None] = {name: {*values} for name, values in family.labels.items()}
        if isinstance(family, Durations):
            found |= {f"{family.name}_{end}": labels for end in ("bucket", "sum", "count")}
        else:
            found[f"{family.name}_total"] = labels
    for reading in READINGS:
        name = PREFIX + reading.name + ("_total" if reading.kind == "counter" else "")
        found[name] = dict.fromkeys(reading.labels)
    return found


def expressions() -> list[Any]:
    rules = YAML(typ="safe").load(ROOT / "deploy/prometheus/alerts.yml")
    alerts = [
        pytest.param(rule["expr"], id=rule["alert"]) for group in rules["groups"] for rule in group["rules"]
    ]
    board = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text("utf-8"))
    panels = [
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    return alerts + panels


def unknown(expression: str) -> list[str]:
    """What an expression names that no metric has."""
    metrics = known()
    wrong = [name for name in NAME.findall(expression) if name not in metrics]
    for name, selector in SELECTOR.findall(expression):
        for label, text in LABEL.findall(selector):
            values = metrics.get(name, {}).get(label)
            if label == "instance":
                continue
            if label not in metrics.get(name, {}):
                wrong.append(f"{name}{{{label}}}")
            elif values is not None and not {*text.split("|")} <= values:
                wrong.append(f"{name}{{{label}={text}}}")
    return wrong


@pytest.mark.parametrize("expression", expressions())
def test_alerts_and_dashboard_name_what_there_is(expression: str) -> None:
    assert unknown(expression) == []
    assert expression.count("(") == expression.count(")")


def test_a_wrong_name_would_be_seen() -> None:
    assert unknown("rate(lro_gateway_call_total[5m])") == ["lro_gateway_call_total"]
    assert unknown('lro_gateway_polls_total{reading="late"}') == ["lro_gateway_polls_total{reading=late}"]
    assert unknown('lro_gateway_polls_total{path="x"}') == ["lro_gateway_polls_total{path}"]


def test_every_metric_is_on_the_dashboard() -> None:
    board = (ROOT / "deploy/grafana/dashboard.json").read_text("utf-8")
    shown = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in NAME.findall(board)}
    names = {family.name for family in Counted(DIALECTS).families} | {PREFIX + one.name for one in READINGS}
    assert names - shown == {PREFIX + "limit", PREFIX + "certificate_expires_timestamp_seconds"}


def test_every_alert_tells_what_is_wrong() -> None:
    rules = YAML(typ="safe").load(ROOT / "deploy/prometheus/alerts.yml")
    for rule in rules["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
    events = re.findall(r'event=~?\\?"([^"\\]+)', (ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
    assert {name for one in events for name in one.split("|")} <= set(EVENTS)
