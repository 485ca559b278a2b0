"""Each workload once through the running gateway: what the documentation shows is what the caller gets.

The clock hurries, as teams are asked about twice a minute and printers after five seconds.
"""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from fakes.hasty import HastyClock
from fakes.records import Remembering
from stage import Answer, Stage, play

from gateway.simulator import SimulatorSettings
from gateway.simulator.wire import Asked

PACE = 200.0
MAX_WAIT = {"max": 3600.0}
QUICK = "duration=10s"


@dataclass(frozen=True)
class Case:
    """A call, and what comes of it."""

    method: str
    target: str
    dialect: str
    kind: str
    result: str | None
    """What the result's target begins with; None where the operation itself is the result."""
    body: dict[str, Any] = field(default_factory=dict)
    polls_at_least_apart: float = 0.0
    asks_for_async: bool = False


BOOK = "/v1.0/me/drive/root:/Documents/budget.xlsx:"
CASE = "/v1.0/security/cases/ediscoveryCases('c')"
ASSIGNMENT = "/v1.0/tenantRelationships/delegatedAdminRelationships/r/accessAssignments/a"
SIMULATIONS = "/v1.0/security/attackSimulation/simulations"
CASES = [
    Case("POST", f"{BOOK}/workbook/createSession", "workbook", "createSession",
         f"{BOOK}/workbook/sessionInfoResource(key=", {"persistChanges": True}, asks_for_async=True),
    Case("POST", f"{BOOK}/workbook/tables/1/rows", "workbook", "addTableRow",
         f"{BOOK}/workbook/tableRowOperationResult(key=", {"values": [[1]]}, asks_for_async=True),
    Case("POST", "/v1.0/me/onenote/notebooks/1/copyNotebook", "onenote", "copyNotebook",
         "/v1.0/me/onenote/notebooks/1-"),
    Case("POST", "/v1.0/teams", "teams", "createTeam", "/v1.0/teams('", {"displayName": "T"},
         polls_at_least_apart=30),
    Case("POST", "/beta/teams('1')/microsoft.graph.clone", "teams", "cloneTeam", "/beta/teams('"),
    Case("POST", "/v1.0/groups/1/team/archive", "teams", "archive", "/v1.0/teams('1')"),
    Case("POST", "/v1.0/teams/1/channels/2/unarchive", "teams", "unarchive", "/v1.0/teams/1/channels/2"),
    Case("POST", "/v1.0/chats", "teams", "createChat", "/v1.0/chats('19:", {"installedApps": [{"x": "y"}]}),
    Case("POST", "/v1.0/sites/s/contentTypes/addCopyFromContentTypeHub", "sites", "contentTypeCopy",
         "/v1.0/sites/s/contentTypes/0x0101"),
    Case("POST", "/beta/sites", "sites", "createSite", "/beta/sites/contoso.sharepoint.com,"),
    Case("POST", "/v1.0/external/connections/c/schema", "connectors", "createSchema",
         "/v1.0/external/connections/c/schema", asks_for_async=True),
    Case("PATCH", "/v1.0/external/connections/c/schema", "connectors", "updateSchema",
         "/v1.0/external/connections/c/schema"),
    Case("POST", "/v1.0/print/printers/create", "print", "createPrinter", None, polls_at_least_apart=0),
    Case("POST", f"{CASE}/searches/s/estimateStatistics", "ediscovery", "estimateStatistics", None),
    Case("POST", "/beta/compliance/ediscovery/cases/c/reviewSets/r/export", "ediscovery", "export", None),
    Case("POST", "/v1.0/users('u')/exportPersonalData", "privacy", "exportPersonalData", None),
    Case("PATCH", ASSIGNMENT, "gdap", "updateAccessAssignment", ASSIGNMENT),
    Case("POST", SIMULATIONS, "attacksimulation", "createSimulation", f"{SIMULATIONS}/"),
    Case("PATCH", f"{SIMULATIONS}/1", "attacksimulation", "updateSimulation", f"{SIMULATIONS}/1"),
    Case("POST", "/beta/external/industryData/dataConnectors/d/validate", "industrydata", "validateData", None,
         polls_at_least_apart=5),
]  # fmt: skip


def hurry(
    story: Callable[[Stage], Awaitable[None]], *, pace: float = PACE, **sections: dict[str, Any]
) -> Remembering:
    settings = SimulatorSettings(base_duration=10, bytes_per_second=0)
    return play(story, settings=settings, clock=HastyClock(pace), wait=MAX_WAIT, **sections)


async def held(stage: Stage, case: Case, simulate: str = QUICK, **headers: str) -> Answer:
    sent = {"Simulate": simulate, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await stage.call(case.method, case.target, body=case.body, headers=sent)


def gets(stage: Stage) -> list[Asked]:
    return [asked for asked in stage.simulator.requests() if asked.method == "GET"]


def forged(token: str) -> str:
    """A token with the claims of another that Graph has never issued."""
    payload = token.split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256"}).encode()).rstrip(b"=").decode()
    return f"Bearer {head}.{payload}.forged"


def named(name: str) -> Case:
    return next(case for case in CASES if case.kind == name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.dialect}-{case.kind}")
def test_an_operation_from_its_call_to_its_answer(case: Case) -> None:
    async def story(stage: Stage) -> None:
        answer = await held(stage, case, "duration=70s" if case.polls_at_least_apart > 10 else QUICK)
        assert answer.status == 200, answer.body
        assert answer.header("Gateway-Operation")
        assert answer.header("Location") is None
        final = gets(stage)[-1].target
        if case.result is None:
            assert "perations" in final, "the operation itself, asked for once more"
            assert answer.header("Content-Location") is None, "that would be the monitor"
            assert answer.json["status"]
        else:
            assert final.startswith(case.result)
            assert answer.header("Content-Location") == final
            assert answer.json["displayName"] == "Made by the simulator" or case.body
        post = stage.simulator.requests()[0]
        assert (post.header("Prefer") == "respond-async") == case.asks_for_async
        (job,) = stage.simulator.operations()
        times = [poll.at for poll in job.polls[: -1 if case.result is None else None]]
        apart = [later - earlier for earlier, later in pairwise(times)]
        assert all(gap >= case.polls_at_least_apart - 0.01 for gap in apart), apart
        assert len(times) > 1 or case.polls_at_least_apart < 10
        assert stage.simulator.summary().violations == ()

    observer = hurry(story)
    assert {(after.plan.dialect, after.plan.kind) for _, after in observer.changes} == {
        (case.dialect, case.kind)
    }


# --- what is in the answers ------------------------------------------------------------------------------


def test_a_printer_comes_with_its_certificate_and_no_record_keeps_it() -> None:
    async def story(stage: Stage) -> None:
        answer = await held(stage, named("createPrinter"))
        assert answer.json["printer"]["displayName"] == "Test Printer"
        assert answer.json["certificate"]
        (record,) = await stage.gateway.store.all()
        assert "Test Printer" not in str(record)
        assert answer.json["certificate"] not in str(record)

    hurry(story)


def test_an_operation_that_is_gone_when_it_is_asked_for_as_the_result() -> None:
    async def story(stage: Stage) -> None:
        answer = await held(stage, named("estimateStatistics"), "duration=1s; fault=poll2-:404")
        assert (answer.status, answer.header("Gateway-Result")) == (200, "report")
        assert answer.json == {
            "operation": "estimateStatistics",
            "status": "completed",
            "percentageComplete": 100.0,
        }

    hurry(story, polling={"first_delay": 5.0})


def test_a_partial_success_is_a_success_with_a_report() -> None:
    """(47)"""

    async def story(stage: Stage) -> None:
        answer = await held(stage, named("estimateStatistics"), f"{QUICK}; done=partiallySucceeded")
        assert (answer.status, answer.json["status"]) == (200, "partiallySucceeded")

    hurry(story)


@pytest.mark.parametrize(
    ("kind", "simulate", "status", "code"),
    [
        ("createSession", "fail=itemNotFound", 404, "itemNotFound"),
        ("createTeam", "fail=TeamUnavailable", 500, "TeamUnavailable"),
        ("createSchema", "fail=x", 500, "generalException"),
        ("estimateStatistics", "fail=x; failed=submissionFailed", 500, "500"),
        ("createPrinter", "fail=x", 500, "generalException"),
        ("updateAccessAssignment", "fail=conflict", 409, "conflict"),
    ],
)
def test_a_failure_has_its_status_and_its_words(kind: str, simulate: str, status: int, code: str) -> None:
    async def story(stage: Stage) -> None:
        answer = await held(stage, named(kind), f"{QUICK}; {simulate}")
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert answer.json["error"]["message"]

    hurry(story)


def test_unknown_words_and_trouble_are_polled_on() -> None:
    async def story(stage: Stage) -> None:
        simulate = (
            "duration=60s; running=unknownFutureValue,waiting; fault=poll1:503(2); fault=poll2:html(200)"
        )
        answer = await held(stage, named("copyNotebook"), simulate)
        assert answer.status == 200
        assert stage.simulator.summary().violations == ()

    hurry(story)


def test_a_result_that_is_late() -> None:
    async def story(stage: Stage) -> None:
        answer = await held(stage, named("contentTypeCopy"), "duration=1s; lag=2")
        assert answer.status == 200
        assert answer.header("Gateway-Result") is None

    hurry(story, pace=5)


# --- whose credential, and which session -----------------------------------------------------------------


def test_the_session_id_goes_along_and_is_in_no_record() -> None:
    session = "cluster=US5&session=12.d3-hunter2"

    async def story(stage: Stage) -> None:
        answer = await held(stage, named("addTableRow"), workbook_session_id=session)
        assert answer.status == 200
        assert len(gets(stage)) >= 2
        assert {asked.header("workbook-session-id") for asked in stage.simulator.requests()} == {session}
        (record,) = await stage.gateway.store.all()
        assert "hunter2" not in str(record)

    hurry(story)


def test_other_headers_of_a_call_do_not_go_along_on_polls() -> None:
    async def story(stage: Stage) -> None:
        await held(stage, named("createTeam"), "duration=60s", workbook_session_id="x", X_Mine="1")
        polls = [asked for asked in gets(stage) if "/operations(" in asked.target]
        assert polls
        for asked in polls:
            assert (
                asked.header("workbook-session-id")
                is asked.header("X-Mine")
                is asked.header("Simulate")
                is None
            )
            assert asked.header("Authorization") == stage.default_token

    hurry(story)


def test_whoever_joins_with_another_token_is_let_in_by_the_operation_itself() -> None:
    """A team that is being made has nothing else yet that Graph could be asked about."""

    async def story(stage: Stage) -> None:
        case = named("createTeam")
        sent = {"Simulate": "duration=900s", "Prefer": "respond-async"}
        first = await stage.call(case.method, case.target, body=case.body, headers=sent)
        assert (first.status, first.header("Preference-Applied")) == (202, "respond-async")
        before = len(stage.simulator.requests())
        renewed = stage.token("ana")
        joined = await stage.call(case.method, case.target, body=case.body, headers=sent, token=renewed)
        assert joined.header("Gateway-Operation") == first.header("Gateway-Operation")
        asked = [one for one in stage.simulator.requests()[before:] if one.header("Authorization") == renewed]
        assert ["/operations('" in one.target for one in asked[:1]] == [True]
        assert stage.copies_sent == 1
        refused = await stage.call(
            case.method, case.target, body=case.body, headers=sent, token=forged(renewed)
        )
        assert (refused.status, refused.header("Gateway-Operation")) == (401, None)

    hurry(story)


# --- what is passed on -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/v1.0/me/sendMail", {"message": {}}, 202),
        ("POST", "/v1.0/groups/g/assignLicense", {"addLicenses": []}, 202),
        ("POST", "/v1.0/users/u/authentication/methods/m/resetPassword", {}, 202),
        ("POST", "/v1.0/chats", {"chatType": "group"}, 201),
    ],
)
def test_look_alikes_are_passed_on_untouched(
    method: str, target: str, body: dict[str, Any], status: int
) -> None:
    """(13, 14, 15) The 202 of resetPassword holds the only copy of the password, beside what looks like a monitor."""

    async def story(stage: Stage) -> None:
        answer = await stage.call(method, target, body=body)
        assert (answer.status, answer.header("Gateway-Operation")) == (status, None)
        assert ("newPassword" in answer.json if target.endswith("resetPassword") else True) is True
        assert (answer.header("Location") is None) == (status == 201 or target.endswith("sendMail"))
        assert [asked.method for asked in stage.simulator.requests()] == ["POST"]
        assert await stage.gateway.store.all() == []

    hurry(story)


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.dialect)
def test_a_dialect_that_is_not_enabled_recognises_nothing(case: Case) -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.call(
            case.method, case.target, body=case.body, headers={"Prefer": "respond-async"}
        )
        assert (answer.status, answer.header("Gateway-Operation")) == (202, None)
        assert answer.header("Location") or answer.header("Operation-Location")
        assert len(stage.simulator.requests()) == 1

    hurry(story, dialects={"enabled": ["drive"]})


@pytest.mark.parametrize("monitor", ["none", "site", "item"])
@pytest.mark.parametrize("kind", ["createTeam", "createPrinter", "copyNotebook"])
def test_a_202_that_does_not_fit_is_passed_on(kind: str, monitor: str) -> None:
    """Without a monitor, with one on another origin, or with an address that is no operation: nobody is asked."""

    async def story(stage: Stage) -> None:
        answer = await held(stage, named(kind), f"monitor={monitor}")
        assert (answer.status, answer.header("Gateway-Operation")) == (202, None)
        told = answer.header("Location") or answer.header("Operation-Location")
        assert (told is None) == (monitor == "none")
        assert [asked.method for asked in stage.simulator.requests()] == ["POST"]
        assert await stage.gateway.store.all() == []

    hurry(story)
