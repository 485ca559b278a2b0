"""Declared dialects: what an API said, and what we conclude by what was declared."""

import json
from typing import Any

import pytest

from gateway.config.declaration import Declaration
from gateway.dialects import Capture, MonitorRules
from gateway.dialects.declared import Declared
from gateway.model import Ailment, Call, Plan, Progress, Receipt, Reply, Report, Trouble

ORIGIN = "https://api.example"
RULES = MonitorRules(ORIGIN, ("jobs.example",))
CALL = Call("POST", "/jobs/new?x=1", ())
FIELD = {"field": "/state", "running": ["at work"], "succeeded": ["done"], "failed": ["broken"]}
BY_CODE = {"by_code": True}


def dialect(**changes: Any) -> Declared:
    said = {"name": "jobs", "match": {"path": "^/jobs/"}, "status": FIELD, **changes}
    return Declared(Declaration.model_validate(said), ORIGIN)


def answer(status: int, body: object = None, **headers: str) -> Reply:
    lines = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, lines, data)


def started(one: Declared, reply: Reply, call: Call = CALL) -> Receipt | None:
    plan = one.plan(call)
    assert plan is not None
    return one.receipt(plan, call, reply, RULES)


def read(one: Declared, reply: Reply, **known: Any) -> Report | Trouble:
    return one.read(Plan("jobs", "jobs", "", "/jobs/new?x=1", **known), reply, 0.0)


def reported(one: Declared, reply: Reply, **known: Any) -> Report:
    report = read(one, reply, **known)
    assert isinstance(report, Report), report
    return report


# --- the call --------------------------------------------------------------------------------------------


def test_a_call_is_known_by_method_and_raw_path() -> None:
    one = dialect(match={"methods": ["PUT"], "path": "^/jobs/[^/]+$"})
    assert one.needs_body(Call("PUT", "/jobs/1?y=/", ())) is Capture.REQUIRED
    assert one.needs_body(Call("POST", "/jobs/1", ())) is Capture.NO
    assert one.needs_body(Call("PUT", "/jobs/1/2", ())) is Capture.NO
    assert one.needs_body(Call("PUT", "/JOBS/1", ())) is Capture.NO
    assert one.plan(Call("PUT", "/JOBS/1", ())) is None


@pytest.mark.parametrize(("method", "repeatable"), [("PUT", True), ("DELETE", True), ("POST", False)])
def test_what_is_idempotent_may_be_sent_again(method: str, repeatable: bool) -> None:  # noqa: FBT001 - expected
    plan = dialect(match={"methods": [method], "path": "^/"}).plan(Call(method, "/a?b=1", ()))
    assert plan == Plan("jobs", "jobs", "", "/a?b=1", repeatable=repeatable)


def test_calls_that_rarely_start_something_may_be_sent_again_and_be_large() -> None:
    one = dialect(match={"path": "^/", "rarely": True})
    plan = one.plan(CALL)
    assert plan is not None
    assert plan.repeatable
    assert one.needs_body(CALL) is Capture.IF_FITS


# --- the first reply -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monitor", "reply", "url"),
    [
        (["header:Location"], answer(202, Location="/jobs/1"), f"{ORIGIN}/jobs/1"),
        (["header:location"], answer(202, Location="1?s=a%2F"), f"{ORIGIN}/jobs/1?s=a%2F"),
        (["header:Location"], answer(202, Location="https://jobs.example/1"), "https://jobs.example/1"),
        (["header:Location"], answer(202, Location="https://evil.example/1"), None),
        (["header:Location"], answer(202, Location="https://jobs.example:444/1"), None),
        (["header:Location"], answer(202, Location="http://api.example/1"), None),
        (["header:Location"], answer(202, Location=""), None),
        (["header:Location"], answer(200, Location="/1"), None),
        (["header:Location"], answer(404, Location="/1"), None),
        (["header:A", "header:B"], answer(202, B="/b", A="/a"), f"{ORIGIN}/a"),
        (["header:A", "header:B"], answer(202, B="/b"), f"{ORIGIN}/b"),
        (["header:A", "header:B"], answer(202, B="/b", A="https://evil.example"), f"{ORIGIN}/b"),
        (["body:/links/0/url"], answer(202, {"links": [{"url": "/b"}]}), f"{ORIGIN}/b"),
        (["body:/url"], answer(202, {"url": 7}), None),
        (["body:/url"], answer(202, b"[1"), None),
        (["self"], answer(202), f"{ORIGIN}/jobs/new?x=1"),
    ],
)
def test_where_the_monitor_is(monitor: list[str], reply: Reply, url: str | None) -> None:
    receipt = started(dialect(start={"monitor": monitor}), reply)
    assert (receipt.monitor if receipt else None) == url


def test_a_header_that_says_two_things_says_nothing() -> None:
    twice = Reply(202, ((b"Location", b"/1"), (b"location", b"/2")))
    assert started(dialect(), twice) is None
    assert started(dialect(), Reply(202, ((b"Location", b"/1"), (b"location", b"/1")))) is not None


@pytest.mark.parametrize(
    ("source", "body", "starts"),
    [
        ("self", {"state": "at work"}, True),
        ("self", {"state": "whatever"}, True),
        ("self", {"state": "done"}, False),
        ("self", {"state": "broken"}, False),
        ("self", {}, False),
        ("self", b"", False),
        ("body:/url", {"state": "at work", "url": "/1"}, True),
        ("body:/url", {"state": "done", "url": "/1"}, False),
        ("body:/url", {"url": "/1"}, True),
    ],
)
@pytest.mark.parametrize("status", [200, 201])
def test_a_200_starts_something_while_its_state_is_not_final(
    source: str,
    body: object,
    starts: bool,  # noqa: FBT001 - what is expected
    status: int,
) -> None:
    one = dialect(start={"status": [200, 201], "monitor": [source]})
    assert (started(one, answer(status, body)) is not None) is starts
    assert status in one.peeks


def test_bodies_are_read_only_where_they_decide() -> None:
    assert dialect().peeks == frozenset()
    assert dialect(start={"monitor": ["self"]}).peeks == frozenset()
    assert dialect(start={"monitor": ["body:/x"]}).peeks == {202}


@pytest.mark.parametrize(
    ("said", "where", "credential"),
    [(True, "/1", True), (False, "/1", False), (True, "https://jobs.example/1", False)],
)
def test_the_credential_goes_to_the_upstreams_own_monitors_alone(
    said: bool,  # noqa: FBT001 - what is said
    where: str,
    credential: bool,  # noqa: FBT001 - what is expected
) -> None:
    receipt = started(dialect(monitor={"credential": said}), answer(202, Location=where))
    assert receipt is not None
    assert receipt.credential is credential


def test_a_result_is_inside_only_of_a_monitor_that_can_be_asked_for_each_caller() -> None:
    for credential, where in ((False, "/1"), (True, "https://jobs.example/1")):
        one = dialect(monitor={"credential": credential}, result={"from": "monitor_body"})
        receipt = started(one, answer(202, Location=where))
        assert receipt is not None
        assert receipt.plan is not None
        assert not receipt.plan.inside


def test_what_the_reply_adds_to_the_plan() -> None:
    one = dialect(
        monitor={"credential": True},
        result={"from": ["location", "monitor_body"]},
        otherwise=[{"start": {"status": [202], "monitor": ["header:Other"]}}],
    )
    receipt = started(one, answer(202, Other="/1"))
    assert receipt is not None
    assert receipt.plan == Plan("jobs", "jobs", "", CALL.target, way=1, inside=True)
    receipt = started(one, answer(202, Operation_Location="/1", Location="result"))
    assert receipt is not None
    assert receipt.plan == Plan("jobs", "jobs", "", CALL.target, promised="/jobs/result", inside=True)


# --- the monitor's answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "progress"),
    [
        (200, {"state": "AT WORK"}, Progress.RUNNING),
        (200, {"state": "Done"}, Progress.SUCCEEDED),
        (202, {"state": "done"}, Progress.SUCCEEDED),
        (200, {"state": "broken"}, Progress.FAILED),
        (500, {"state": "broken"}, Progress.FAILED),
        (200, {"state": "novel"}, Progress.RUNNING),
        (202, None, Progress.RUNNING),
        (204, None, Progress.SUCCEEDED),
        (303, None, Progress.SUCCEEDED),
        (400, {"error": {"code": "x"}}, Progress.FAILED),
        (200, {"other": 1}, Ailment.GARBAGE),
        (200, b"<html>", Ailment.GARBAGE),
        (400, None, Ailment.GARBAGE),
        (500, {"error": {"code": "x"}}, Ailment.SERVER_ERROR),
        (500, {"state": "novel"}, Ailment.SERVER_ERROR),
        (429, {"state": "at work"}, Ailment.THROTTLED),
        (401, {"error": {"code": "x"}}, Ailment.UNAUTHORISED),
        (404, {"error": {"code": "x"}}, Ailment.MISSING),
        (302, None, Ailment.GARBAGE),
    ],
)
def test_by_field(status: int, body: object, progress: Progress | Ailment) -> None:
    reading = read(dialect(), answer(status, body))
    assert (reading.progress if isinstance(reading, Report) else reading.ailment) is progress


@pytest.mark.parametrize(
    ("status", "body", "progress"),
    [
        (202, {"state": "done"}, Progress.RUNNING),
        (200, b"not json", Progress.SUCCEEDED),
        (201, None, Progress.SUCCEEDED),
        (204, None, Progress.SUCCEEDED),
        (303, None, Progress.SUCCEEDED),
        (307, None, Progress.RUNNING),
        (400, None, Progress.FAILED),
        (409, {"error": {"code": "x"}}, Progress.FAILED),
        (500, {"error": {"code": "x"}}, Progress.FAILED),
        (500, {"error": {"code": "busy"}}, Ailment.SERVER_ERROR),
        (500, None, Ailment.SERVER_ERROR),
        (503, {"error": {"code": "x"}}, Ailment.SERVER_ERROR),
        (404, None, Ailment.MISSING),
        (425, None, Ailment.GARBAGE),
        (302, None, Ailment.GARBAGE),
    ],
)
def test_by_code(status: int, body: object, progress: Progress | Ailment) -> None:
    reading = read(dialect(status=BY_CODE, error={"transient": ["BUSY"]}), answer(status, body))
    assert (reading.progress if isinstance(reading, Report) else reading.ailment) is progress


def test_policies_for_what_is_not_listed() -> None:
    strict = dialect(status={**FIELD, "unknown": "failed", "missing": "succeeded"})
    assert reported(strict, answer(200, {"state": "novel"})).progress is Progress.FAILED
    assert reported(strict, answer(200, {"x": 1})).progress is Progress.SUCCEEDED
    assert isinstance(read(strict, answer(200, b"<html>")), Trouble)
    patient = dialect(status={**FIELD, "missing": "running"})
    assert reported(patient, answer(200, {"x": 1})).progress is Progress.RUNNING


def test_words_may_be_truths_and_numbers() -> None:
    one = dialect(status={"field": "/done", "running": [False, 1], "succeeded": [True], "failed": [2]})
    found = [reported(one, answer(200, {"done": said})).progress for said in (False, True, 1, 2)]
    assert found == [Progress.RUNNING, Progress.SUCCEEDED, Progress.RUNNING, Progress.FAILED]


def test_progress_and_pace() -> None:
    one = dialect(progress={"field": "/job/percent"}, monitor={"min_interval": "2s"})
    report = reported(one, answer(200, {"state": "at work", "job": {"percent": "40"}}, Retry_After="7"))
    assert (report.percent, report.retry_after, one.floor) == (40.0, 7.0, 2.0)


@pytest.mark.parametrize(
    ("source", "reply", "target"),
    [
        ("field:/url", answer(200, {"state": "done", "url": "/r?x=1"}), "/r?x=1"),
        ("field:/url", answer(200, {"state": "done", "url": "https://api.example/r"}), "/r"),
        ("field:/url", answer(200, {"state": "done", "url": "https://jobs.example/r"}), None),
        ("field:/url", answer(200, {"state": "done", "url": "r"}), None),
        ("field:/url", answer(200, {"state": "done"}), None),
        ("header:X-Result", answer(200, {"state": "done"}, X_Result="/r"), "/r"),
        ("header:Location", answer(303, Location="/r"), "/r"),
        ("original_url", answer(200, {"state": "done"}), "/jobs/new?x=1"),
        ("location", answer(200, {"state": "done"}), "/promised"),
        ("monitor_body", answer(200, {"state": "done"}), None),
        ("none", answer(200, {"state": "done"}, Location="/r"), None),
        (["field:/url", "location"], answer(200, {"state": "done"}), "/promised"),
        (["field:/url", "location"], answer(200, {"state": "done", "url": "/r"}), "/r"),
    ],
)
def test_where_the_result_is(source: object, reply: Reply, target: str | None) -> None:
    assert reported(dialect(result={"from": source}), reply, promised="/promised").resource == target


def test_a_result_inside_is_not_kept_in_the_record() -> None:
    one, done = dialect(result={"from": "monitor_body"}), answer(200, {"state": "done", "secret": 1})
    assert reported(one, done, inside=True).body == ""
    assert json.loads(reported(one, done).body)["secret"] == 1


@pytest.mark.parametrize(
    ("keys", "body", "code", "message"),
    [
        ({}, {"error": {"code": "Conflict", "message": "m", "x": 1}}, "Conflict", "m"),
        ({}, {"error": "out of paper"}, "generalException", "out of paper"),
        ({"field": "/issue/0", "code": "/issue/0/kind", "message": "/issue/0/text"},
         {"issue": [{"kind": 7, "text": "m"}]}, "7", "m"),
        ({"field": "/a/b"}, {"a": 1}, "generalException", "The operation failed; the service gave no reason."),
    ],
)  # fmt: skip
def test_why_it_failed(keys: dict[str, str], body: dict[str, Any], code: str, message: str) -> None:
    report = reported(dialect(error=keys), answer(200, {"state": "broken", **body}))
    assert report.problem is not None
    said = json.loads(report.problem.error)
    assert (report.problem.code, said["code"], said["message"]) == (code, code, message)


@pytest.mark.parametrize(("status", "told"), [(400, 400), (409, 409), (422, 422), (500, 500)])
def test_a_failure_by_code_has_the_status_that_told_of_it(status: int, told: int) -> None:
    report = reported(dialect(status=BY_CODE), answer(status, {"error": {"code": "x"}}))
    assert report.problem is not None
    assert report.problem.status == told


def test_a_monitor_that_moves_says_so_in_the_header_it_was_found_by() -> None:
    one = dialect(start={"monitor": ["header:Location"]}, status=BY_CODE)
    assert reported(one, answer(202, Location="/2", Operation_Location="/3")).moved == "/2"
    assert reported(one, answer(202)).moved is None
    assert reported(one, answer(308, Location="/4")).moved == "/4"


def test_a_record_of_a_way_that_is_no_longer_declared_is_still_read() -> None:
    assert reported(dialect(), answer(200, {"state": "done"}), way=9).progress is Progress.SUCCEEDED


@pytest.mark.parametrize(
    ("status", "progress"), [(200, Progress.SUCCEEDED), (202, Progress.RUNNING), (409, Progress.FAILED)]
)
def test_what_goes_on_too_long_is_not_read(status: int, progress: Progress) -> None:
    long = Reply(status, (), b"", oversized=True)
    assert isinstance(read(dialect(status={**FIELD, "missing": "succeeded"}), long), Trouble)
    assert reported(dialect(status=BY_CODE), long).progress is progress


def test_who_knows_the_call_and_not_the_reply_leaves_it_to_the_next() -> None:
    other = dialect(name="other", start={"monitor": ["header:B"]})
    elsewhere = dialect(name="elsewhere", match={"path": "^/x"}, start={"monitor": ["header:B"]})
    one = Declared(dialect(start={"monitor": ["header:A"]}).declaration, ORIGIN, (elsewhere, other))
    receipt = started(one, answer(202, B="/1"))
    assert receipt is not None
    assert receipt.plan is not None
    assert receipt.plan.dialect == "other"
