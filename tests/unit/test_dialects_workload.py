"""What all described dialects have in common, over all of their patterns."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import KNOWN, Capture, find
from gateway.dialects.pattern import fill, match, words
from gateway.dialects.status import GRAPH
from gateway.dialects.target import steps
from gateway.dialects.workload import MONITOR_BODY, Start, Words, Workload, target_of, value_at, vocabulary
from gateway.model import Progress, Receipt
from gateway.simulator.workload_rows import ROWS
from unit.dialect_script import RULES, Script, call, reply

WORKLOADS = tuple(dialect for dialect in KNOWN if isinstance(dialect, Workload))
STARTS = [(one, start) for one in WORKLOADS for start in one.starts]
MONITOR = "https://graph.microsoft.com/v1.0/x/operations/1"


def lines(start: Start) -> list[str]:
    """A call for each way to read a pattern."""
    choices = [step.split("|") for step in re.sub(r"\{[a-z]+\.\.\.\}", "me/drive", start.path).split("/")]
    paths = ("/".join(re.sub(r"\{[a-z]+\}", "x1", step) for step in steps) for steps in product(*choices))
    return [f"{start.method} /{version}/{path}" for path in paths for version in start.versions]


def body_of(start: Start) -> dict[str, object] | None:
    return None if start.needs is None else {start.needs: [1]}


ALL = [(one, start, line) for one, start in STARTS for line in lines(start)]


def test_there_is_a_dialect_for_each_workload() -> None:
    assert len(WORKLOADS) == len(KNOWN) - 1
    assert len(ALL) > 80


# --- which calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "start", "line"), ALL, ids=[line for _, _, line in ALL])
def test_a_call_has_one_dialect(one: Workload, start: Start, line: str) -> None:
    asked = call(line, body_of(start))
    assert [dialect.name for dialect in KNOWN if dialect.needs_body(asked)] == [one.name]
    version, *path = steps(asked.path)
    meant = [
        known
        for known in one.starts
        if known.method == asked.method and known.parts(version, path) is not None
    ]
    assert meant == [start], "two patterns of one dialect mean this call"
    plan = one.plan(asked)
    assert plan is not None
    assert plan.kind in start.kinds
    assert plan.source.startswith(f"/{plan.version}/")
    assert one.needs_body(asked) is (Capture.REQUIRED if start.needs is None else Capture.IF_SMALL)


@pytest.mark.parametrize(("one", "start", "line"), ALL, ids=[line for _, _, line in ALL])
def test_case_key_syntax_and_escapes_do_not_matter(one: Workload, start: Start, line: str) -> None:
    plan = one.plan(call(line, body_of(start)))
    method, _, path = line.partition(" ")
    keyed = re.sub(r"/([A-Za-z]+)/x1(?=/|$)", r"/\1('x1')", path)
    action, last = path.rsplit("/", 1)
    escaped = f"{action}/%{ord(last[0]):02x}{last[1:]}/" if last != "x1" else path
    for spelt in (keyed, escaped, f"{path}/"):
        assert one.plan(call(f"{method} {spelt}", body_of(start))) == plan, spelt
    for word in words(start.path):
        assert steps(f"/v1.0/{word.upper()}") == ("v1.0", word), "target.py does not know the word"


@pytest.mark.parametrize(("one", "start", "line"), ALL, ids=[line for _, _, line in ALL])
def test_another_method_is_another_call(one: Workload, start: Start, line: str) -> None:
    path = line.partition(" ")[2]
    for method in ("GET", "PUT", "DELETE", "HEAD", "post"):
        assert one.needs_body(call(f"{method} {path}", body_of(start))) is Capture.NO


def test_every_row_of_the_simulator_has_its_dialect() -> None:
    """Whatever the simulator answers with an operation is recognised, and by one dialect alone."""
    heard = {(start.method, kind) for _, start in STARTS for kind in start.kinds}
    spelt = {
        "archiveTeam": "archive",
        "archiveChannel": "archive",
        "contentTypeCopy": "contentTypeCopy",
        "ediscovery": "estimateStatistics",
    }
    assert {(row.method, spelt.get(row.name, row.name)) for row in ROWS} <= heard


LOOK_ALIKES = (
    "POST /v1.0/me/sendMail",
    "POST /v1.0/users/u/microsoft.graph.sendMail",
    "POST /v1.0/me/messages/m/reply",
    "POST /v1.0/me/messages/m/forward",
    "POST /v1.0/me/events/e/accept",
    "POST /v1.0/me/events/e/cancel",
    "POST /v1.0/groups/g/assignLicense",
    "POST /v1.0/users/u/authentication/methods/m/resetPassword",
    "POST /v1.0/communications/calls/c/playPrompt",
    "PUT /v1.0/me/drive/items/A:/a.bin:/uploadSession",
    "DELETE /v1.0/external/connections/c",
    "POST /v1.0/deviceManagement/reports/exportJobs",
    "POST /v1.0/$batch",
    "GET /v1.0/users/u",
    "GET /v1.0/me/drive/items/A/content",
    "POST /v1.0",
    "POST /",
    "POST *",
    "POST ",
)


@pytest.mark.parametrize("line", LOOK_ALIKES)
def test_look_alikes_are_nobodys(line: str) -> None:
    assert find(KNOWN, call(line, {})) is None


@given(
    st.lists(st.sampled_from(["v1.0", "teams", "x", "a:", "onenote", "copyNotebook", "", ".."]), max_size=9)
)
def test_no_path_upsets_them(path: list[str]) -> None:
    one = call(f"POST /{'/'.join(path)}", {})
    for dialect in WORKLOADS:
        assert (dialect.plan(one) is None) == (
            dialect.needs_body(one) is Capture.NO
        ) or dialect.name == "teams"


# --- what the reply must look like -----------------------------------------------------------------------


def received(one: Workload, start: Start, status: int, **headers: str) -> Receipt | None:
    asked = call(lines(start)[0], body_of(start))
    plan = one.plan(asked)
    assert plan is not None
    return one.receipt(plan, asked, reply(status, **headers), RULES)


@pytest.mark.parametrize(("one", "start"), STARTS)
def test_only_an_operation_on_the_upstream_itself_is_polled(one: Workload, start: Start) -> None:
    header = one.monitor[0].replace("-", "_")
    monitor = MONITOR.replace("operations", one.monitor_steps[0])
    assert received(one, start, 202, **{header: monitor}) == Receipt(monitor, credential=True)
    assert received(one, start, 202, **{header.lower(): f"{monitor},"}) == Receipt(monitor, credential=True)
    for other in (
        "https://contoso.sharepoint.com/v1.0/x/operations/1",
        "https://api.onedrive.com/v1.0/monitor/1",
        "https://graph.microsoft.com.evil.example/v1.0/x/operations/1",
        "http://graph.microsoft.com/v1.0/x/operations/1",
        "https://graph.microsoft.com:444/v1.0/x/operations/1",
        "https://graph.microsoft.com/v2/84df/directoryObjects/g/Microsoft.DirectoryServices.Group",
        "https://graph.microsoft.com/v1.0/teams/1",
        "https://graph.microsoft.com/v1.0/x?operations=1",
        "//graph.microsoft.com/v1.0/operations/1",
        "operations/1",
        "",
    ):
        assert received(one, start, 202, **{header: other}) is None, other
    assert received(one, start, 202) is None
    for status in {200, 201, 204, 303, 400, 500} - set(one.accepted):
        assert received(one, start, status, **{header: monitor}) is None, status


def test_two_addresses_are_none() -> None:
    Script("POST /v1.0/teams", {}).graph(202, Location="/operations/1", location="/operations/2").we(
        "pass it on"
    ).plays()


# --- words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", WORKLOADS)
def test_every_documented_word_has_its_meaning_in_any_case(one: Workload) -> None:
    heard = vocabulary(one.words)
    for group, progress in (
        (one.words.running, Progress.RUNNING),
        (one.words.succeeded, Progress.SUCCEEDED),
        (one.words.failed, Progress.FAILED),
    ):
        for word in group:
            assert heard.meaning(word) is heard.meaning(f" {word.upper()} ") is progress
            assert GRAPH.meaning(word) is progress, "the shared table has it as well"


def test_a_workloads_own_words_come_first() -> None:
    heard = vocabulary(Words(running=("Completed",), succeeded=("all done",), failed=()))
    assert heard.meaning("completed") is Progress.RUNNING
    assert heard.meaning("ALLDONE") is Progress.SUCCEEDED
    assert heard.meaning("failed") is Progress.FAILED
    assert heard.meaning("brand new") is None


# --- results ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://graph.microsoft.com/v1.0/sites/1", "/v1.0/sites/1"),
        ("https://graph.microsoft.com/V1.0/sites/1?x=%2F", "/V1.0/sites/1?x=%2F"),
        ("http://127.0.0.1:8080/beta/teams('1')", "/beta/teams('1')"),
        ("/teams('1')", "/beta/teams('1')"),
        ("/v1.0/teams('1')", "/v1.0/teams('1')"),
        ("https://graph.microsoft.com/teams('1')", None),
        ("https://contoso.sharepoint.com/sites/x", None),
        ("https://www.onenote.com/api/v1.0/me", None),
        ("ftp://graph.microsoft.com/v1.0/x", None),
        ("//evil.example/v1.0/x", None),
        ("teams('1')", None),
        ("/", None),
        ("https://graph.microsoft.com", None),
        ("/v1.0/../secret", None),
        ("/v1.0/%2e%2E/secret", None),
        ("/v1.0/a/./b", None),
        ("/v1.0/root:/a/../b:", None),
        ("/v1.0/a b", None),
        ("/v1.0/a\r\nX: y", None),
        ("/v1.0/a#b", None),
        ("/v1.0/a\\b", None),
        ("/v1.0/\u00e4", None),
        ("", None),
        (None, None),
        (7, None),
        (["/v1.0/x"], None),
    ],
)
def test_an_address_as_a_target_of_the_upstreams(address: object, target: str | None) -> None:
    assert target_of(address, "beta") == target


@given(st.text() | st.text("/.%2e:?#ab'()", max_size=30))
def test_no_address_becomes_a_dangerous_target(address: str) -> None:
    target = target_of(address, "v1.0")
    if target is not None:
        path = target.partition("?")[0]
        assert re.fullmatch(r"/(?:v1\.0|beta)(?:/[\x21-\x7e]*)?", path, re.IGNORECASE)
        assert not any(part in {".", ".."} for step in steps(path) for part in step.split("/"))
        assert target.isascii()
        assert target.isprintable()


def test_the_report_is_asked_for_the_place_first_and_its_location_last() -> None:
    one = Workload("x", (Start("things", "-", kind="k", source="things", result=("field:/a/b", "field:/c")),))
    plan = one.plan(call("POST /v1.0/things", {}))
    assert plan is not None

    def resource(body: dict[str, object], **headers: str) -> object:
        read = one.read(plan, reply(200, {"status": "succeeded"} | body, **headers), 0.0)
        return getattr(read, "resource", None)

    assert resource({"a": {"b": "/one"}, "c": "/two"}, Location="/three") == "/v1.0/one"
    assert resource({"a": {"b": ""}, "c": "/two"}, Location="/three") == "/v1.0/two"
    assert resource({"a": 1}, Location="/three") == "/v1.0/three"
    assert resource({}) is None


def test_a_303_is_an_end_and_is_not_followed() -> None:
    operation = "https://graph.microsoft.com/beta/sites/getOperationStatus(operationId='1')"
    (
        Script("POST /beta/sites", {})
        .graph(202, Location=operation)
        .we(f"poll {operation} with the credential")
        .monitor(303, Location="https://graph.microsoft.com/beta/sites/1")
        .we("succeeded: /beta/sites/1")
        .plays()
    )


@pytest.mark.parametrize(("one", "start"), STARTS)
def test_rules_for_results_are_of_a_known_kind(one: Workload, start: Start) -> None:
    assert start.result
    assert all(re.fullmatch(r"field:/\w+|source:(?:/\w+)?|monitor_body", rule) for rule in start.result)
    assert MONITOR_BODY not in start.result or start.result == (MONITOR_BODY,), "it stands alone"
    same = {other.result for other in one.starts for kind in other.kinds if kind in start.kinds}
    assert len(same) == 1, "operations of one kind have one result"


def test_a_kind_that_is_not_known_any_more_has_no_result() -> None:
    plan = WORKLOADS[0].plan(call("POST /v1.0/me/drive/items/A/workbook/createSession", {}))
    assert plan is not None
    read = WORKLOADS[1].read(plan, reply(200, {"status": "succeeded", "resourceLocation": "/x"}), 0.0)
    assert getattr(read, "resource", "") is None


def test_select_is_for_the_result_and_not_for_an_operation() -> None:
    query = "?$select=id&x=1"
    team = find(KNOWN, call("POST /v1.0/teams"))
    printer = find(KNOWN, call("POST /v1.0/print/printers/create"))
    assert team is not None
    assert printer is not None
    plans = (
        team.plan(call(f"POST /v1.0/teams{query}")),
        printer.plan(call(f"POST /v1.0/print/printers/create{query}")),
    )
    assert [plan.result_query for plan in plans if plan is not None] == ["$select=id", ""]


# --- patterns and pointers -------------------------------------------------------------------------------


def test_patterns() -> None:
    assert match("teams/{team}/a|b", ("teams", "x", "b")) == {"team": "x"}
    assert match("teams/{team}/a|b", ("teams", "x", "c")) is None
    assert match("teams/{team}/a|b", ("teams", "b")) is None
    assert match("{item...}/rows", ("me", "root:/a/b:", "rows")) == {"item": "me/root:/a/b:"}
    assert match("{item...}/rows", ("rows",)) is None
    assert match("a.c", ("abc",)) is None
    assert fill("x/{item...}/y/{id}", {"item": "a/b", "id": "1"}) == "x/a/b/y/1"
    assert words("a|b/{c}/d") == {"a", "b", "d"}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/a/b", 1), ("/a", {"b": 1}), ("/x/b", None), ("/a/b/c", None), ("/~1~0", 2), ("/", None)],
)
def test_pointers(pointer: str, value: object) -> None:
    assert value_at({"a": {"b": 1}, "/~": 2}, pointer) == value
