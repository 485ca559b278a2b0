"""Directives and scripts: what is understood, and what is said about what is not."""

from pathlib import Path

import pytest

from gateway.simulator import DIRECTIVE_KEYS, DirectiveError, ScriptError, load_script, read_script
from gateway.simulator.directives import read_fault, read_header, read_mapping
from gateway.simulator.plan import Apply, Ending, FaultKind, MonitorShape, Plan, RetryAfter, Where


def test_a_header_becomes_a_plan() -> None:
    plan = read_header("ending=303-location; duration=10s ;monitor=operations;; Fault=poll2:500").applied_to(
        Plan()
    )
    assert (plan.ending, plan.duration, plan.monitor) == (Ending.LOCATION_303, 10.0, MonitorShape.OPERATIONS)
    assert plan.fault_at(Where.POLL, 2) is not None
    assert plan.fault_at(Where.POLL, 3) is None


def test_later_directives_win_and_their_faults_come_first() -> None:
    plan = Plan()
    for text in ("duration=1s; fault=poll:500", "duration=2s; fault=poll2:502"):
        plan = read_header(text).applied_to(plan)
    assert plan.duration == 2.0
    assert [fault.status for fault in (plan.fault_at(Where.POLL, n) for n in (1, 2, 3)) if fault] == [
        500,
        502,
        500,
    ]


def test_a_mapping_may_have_numbers_switches_and_lists() -> None:
    mapping = {"duration": 3, "cookies": True, "fault": ["poll1:500", "429(2.128)"], "poll-code": 200}
    plan = read_mapping(mapping).applied_to(Plan())
    assert (plan.duration, plan.cookies, plan.poll_code, len(plan.faults)) == (3.0, True, 200, 2)


@pytest.mark.parametrize(
    ("text", "where", "tries"),
    [
        ("500", Where.POST, (1, None)),
        ("post:500", Where.POST, (1, None)),
        ("get:500", Where.GET, (1, None)),
        ("poll:500", Where.POLL, (1, None)),
        ("poll3:500", Where.POLL, (3, 3)),
        ("poll3-:500", Where.POLL, (3, None)),
        ("poll-3:500", Where.POLL, (1, 3)),
        ("poll3-5:500", Where.POLL, (3, 5)),
        ("final1:500", Where.FINAL, (1, 1)),
    ],
)
def test_where_a_fault_hits(text: str, where: Where, tries: tuple[int, int | None]) -> None:
    fault = read_fault(text)
    assert (fault.where, (fault.first, fault.last)) == (where, tries)


def test_what_a_fault_is() -> None:
    assert read_fault("apply-then-reset").apply is Apply.AT_ONCE
    late = read_fault("apply-late")
    assert (late.apply, late.kind, late.status) == (Apply.LATE, FaultKind.STATUS, 504)
    assert read_fault("apply-late-then-hang").kind is FaultKind.HANG
    assert read_fault("huge(10MB)").size == 10_000_000
    assert read_fault("delay(500ms)").seconds == 0.5
    assert read_fault("429(date 3)").retry_after == RetryAfter("date", seconds=3.0)
    assert read_fault("503(serviceNotAvailable, 2)").code == "serviceNotAvailable"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("endng=x", "endng: unknown directive; did you mean ending?"),
        ("ending", "ending: a directive is written key=value"),
        ("ending=303", "ending: '303' is none of 200-json"),
        ("monitor=monitr", "did you mean monitor?"),
        ("duration=soon", "duration: 'soon' is no duration such as 500ms, 10s, 2m or 1h"),
        ("fail-at=120", "fail-at: '120' is not a number from 0 to 100"),
        ("cookies=yes", "cookies: 'yes' is neither on nor off"),
        ("running=,", "running: needs at least one word"),
        ("poll-code=42", "poll-code: '42' is no HTTP status"),
        ("retry-after=later", "retry-after: 'later' is none of 2, 2.128, date 3, garbage, none"),
        ("fault=429(later-on)", "fault: 'later-on' is none of 2, 2.128"),
        ("fault=rset", "fault: 'rset' is no fault; did you mean reset?"),
        ("fault=200", "fault: 200 is not a status from 400 to 599"),
        ("fault=reset(1)", "fault: reset takes no argument"),
        ("fault=poll0:500", "tries are counted from 1"),
        ("fault=poll5-2:500", "the last is not before the first"),
        ("fault=poll1:apply-then-500", "only post can be applied"),
        ("fault=poll 1:500", "is not [WHERE:]KIND[(ARGUMENT)]"),
        ("fault=huge(lots)", "'lots' is no size"),
    ],
)
def test_what_is_not_understood_is_named(text: str, problem: str) -> None:
    with pytest.raises(DirectiveError) as caught:
        read_header(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("value", [None, {"a": 1}])
def test_a_directive_takes_a_word(value: object) -> None:
    with pytest.raises(DirectiveError, match="duration"):
        read_mapping({"duration": value})


def test_every_key_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert [key for key in DIRECTIVE_KEYS if f"`{key}`" not in page] == []


def test_a_script_has_defaults_and_rules(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        """
defaults: {ending: 303-location, duration: 2s, cookies: on}
rules:
  - name: busy at first
    match: {method: POST, path: "/copy$", user: ana}
    skip: 1
    times: 2
    fault: ["429(2.128)"]
  - fault: poll3-:404
""",
        encoding="utf-8",
    )
    script = load_script(path)
    plan = script.defaults.applied_to(Plan())
    assert (plan.ending, plan.duration, plan.cookies) == (Ending.LOCATION_303, 2.0, True)
    busy, gone = script.rules
    assert (busy.name, busy.user, busy.skip, busy.times) == ("busy at first", "ana", 1, 2)
    assert gone.matches("POST", "/v1.0/me/drive/items/1/microsoft.graph.copy/", None)
    assert not gone.matches("GET", "/v1.0/me/drive/root:/copy:/children", None)


def test_an_empty_script_says_nothing() -> None:
    assert read_script("").rules == ()
    assert read_script("defaults:\nrules:\n").rules == ()


def test_all_problems_of_a_script_are_told_at_once_with_their_places() -> None:
    text = """default: {}
defaults:
  ending: 303
  duration: soon
rules:
  - fault: poll0:500
    tims: 2
    match: {pth: x}
  - 7
  - match: {path: "("}
  - times: -1
  - skip: yes please
  - match: [1]
  - name: 5
"""
    with pytest.raises(ScriptError) as caught:
        read_script(text, "faults.yaml")
    problems = caught.value.problems
    assert [problem.split(" ")[0] for problem in problems] == [
        "faults.yaml:1:1:",
        "faults.yaml:3:3:",
        "faults.yaml:4:3:",
        "faults.yaml:6:5:",
        "faults.yaml:7:5:",
        "faults.yaml:8:5:",
        "faults.yaml:9:5:",
        "faults.yaml:10:5:",
        "faults.yaml:11:5:",
        "faults.yaml:12:5:",
        "faults.yaml:13:5:",
        "faults.yaml:14:5:",
    ]
    assert "did you mean defaults?" in problems[0]
    assert "tims: neither a key of a rule nor a directive; did you mean times?" in problems[4]
    assert "did you mean path?" in problems[5]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [", "faults.yaml:1:"),
        ("defaults: {a: 1, a: 2}", "faults.yaml:1:"),
        ("- 1", "faults.yaml:1:1: a script is a mapping"),
        ("defaults: 1", "faults.yaml:1:1: defaults: takes directives"),
        ("rules: 1", "faults.yaml:1:1: rules: takes a list"),
    ],
)
def test_a_text_that_is_no_script(text: str, place: str) -> None:
    with pytest.raises(ScriptError) as caught:
        read_script(text, "faults.yaml")
    assert caught.value.problems[0].startswith(place)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(ScriptError, match="not UTF-8"):
        load_script(path)
