"""Operations of Graph's other workloads: each is accepted, polled with a token, and names its result."""

from typing import Any

import pytest

from simulator.loopback import Bench, cut, run

ASYNC = (("Prefer", "respond-async"),)
BOOK = "/v1.0/me/drive/root:/Documents/budget.xlsx:"
CASES: list[tuple[str, str, dict[str, Any], str, str, str]] = [
    ("POST", f"{BOOK}/workbook/createSession", {}, "Location", "running", "succeeded"),
    ("POST", f"{BOOK}/workbook/tables/1/rows", {}, "Location", "running", "succeeded"),
    ("POST", "/v1.0/me/onenote/notebooks/1/copyNotebook", {}, "Operation-Location", "running", "completed"),
    ("POST", "/v1.0/me/onenote/pages/1/copyToSection", {}, "Operation-Location", "running", "completed"),
    ("POST", "/v1.0/teams", {"displayName": "T"}, "Location", "inProgress", "succeeded"),
    ("POST", "/v1.0/teams/1/clone", {}, "Location", "inProgress", "succeeded"),
    ("POST", "/v1.0/teams('1')/archive", {}, "Location", "inProgress", "succeeded"),
    ("POST", "/v1.0/groups/1/team/unarchive", {}, "Location", "inProgress", "succeeded"),
    ("POST", "/v1.0/teams/1/channels/2/archive", {}, "Location", "inProgress", "succeeded"),
    ("POST", "/beta/chats", {"installedApps": [1]}, "Location", "inProgress", "succeeded"),
    ("POST", "/v1.0/sites/s/contentTypes/addCopyFromContentTypeHub", {}, "Location", "running", "succeeded"),
    ("POST", "/beta/sites", {}, "Location", "running", "succeeded"),
    ("POST", "/v1.0/external/connections/c/schema", {}, "Location", "inprogress", "completed"),
    ("POST", "/v1.0/print/printers/create", {}, "Operation-Location", "running", "succeeded"),
    ("POST", "/v1.0/users/u/exportPersonalData", {}, "Location", "running", "complete"),
    (
        "POST",
        "/v1.0/security/cases/ediscoveryCases/c/searches/s/estimateStatistics",
        {},
        "Location",
        "running",
        "succeeded",
    ),
    (
        "PATCH",
        "/v1.0/tenantRelationships/delegatedAdminRelationships/r/accessAssignments/a",
        {},
        "Location",
        "running",
        "succeeded",
    ),
    ("POST", "/v1.0/security/attackSimulation/simulations", {}, "Location", "running", "succeeded"),
    ("PATCH", "/v1.0/security/attackSimulation/simulations/1", {}, "Location", "running", "succeeded"),
    ("PATCH", "/v1.0/external/connections/c/schema", {}, "Location", "inprogress", "completed"),
    ("POST", "/v1.0/groups('1')/team/microsoft.graph.clone", {}, "Location", "inProgress", "succeeded"),
    (
        "POST",
        "/beta/compliance/ediscovery/cases/c/reviewSets/s/export",
        {},
        "Location",
        "running",
        "succeeded",
    ),
    (
        "POST",
        "/beta/external/industryData/inboundFlows/f/dataConnector/validate",
        {},
        "Location",
        "running",
        "succeeded",
    ),
    ("POST", "/beta/external/industryData/dataConnectors/d/validate", {}, "Location", "running", "succeeded"),
]


def status_of(body: dict[str, Any]) -> str:
    status = body["status"]
    return str(status["state"] if isinstance(status, dict) else status)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
def test_an_operation_from_its_202_to_its_result(
    case: tuple[str, str, dict[str, Any], str, str, str],
) -> None:
    method, path, body, header, running, done = case

    async def scenario(bench: Bench) -> None:
        accepted = await bench.ask(method, path, body=body, headers=ASYNC, simulate="duration=20s")
        assert accepted.status == 202
        bench.clock.time = 10
        place, version = accepted.header(header), path[: path.index("/", 1)]
        place = version + place if place.startswith("/") else cut(place.rstrip(","))[1]
        assert (await bench.ask("GET", place, user=None)).status == 401
        report = await bench.ask("GET", place)
        assert (report.status, status_of(report.json())) == (200, running)
        bench.clock.time = 20
        end = (await bench.ask("GET", place)).json()
        assert status_of(end) == done
        result = end.get("targetResourceLocation") or end.get("resourceLocation")
        if result is not None:
            result = version + result if result.startswith("/") else cut(result)[1]
            assert (await bench.ask("GET", result)).status == 200
            assert bench.simulator.summary().items_created == 1
        assert bench.violations() == []

    run(scenario)


def test_the_oddities_of_each_body() -> None:
    async def scenario(bench: Bench) -> None:
        ends: dict[str, Any] = {}
        for method, path, body, header, _, _ in CASES:
            bench.clock.time = 0
            accepted = await bench.ask(method, path, body=body, headers=ASYNC)
            place, version = accepted.header(header), path[: path.index("/", 1)]
            bench.clock.time = 10
            target = version + place if place.startswith("/") else cut(place.rstrip(","))[1]
            ends[path.rpartition("/")[2]] = (await bench.ask("GET", target)).json()
        assert ends["copyNotebook"]["percentComplete"] == "100"
        assert ends["create"]["printer"]["status"]["state"] == "unknown"
        assert ends["create"]["certificate"]
        assert ends["exportPersonalData"]["storageLocation"].startswith("https://")
        assert ends["clone"]["targetResourceLocation"].startswith("/teams('")
        assert ends["estimateStatistics"]["percentProgress"] == 100

    run(scenario)


def test_a_plan_has_its_own_words() -> None:
    async def scenario(bench: Bench) -> None:
        path = "/v1.0/security/cases/ediscoveryCases/c/searches/s/purgeData"
        for words, status in (
            ("done=partiallySucceeded", "partiallySucceeded"),
            ("fail=x; failed=submissionFailed", "submissionFailed"),
        ):
            accepted = await bench.ask("POST", path, simulate=f"duration=2s; running=queued; {words}")
            place = accepted.header("Location")
            assert place.endswith("'),")
            target = cut(place.rstrip(","))[1]
            assert (await bench.ask("GET", target)).json()["status"] == "queued"
            bench.clock.time += 2
            assert (await bench.ask("GET", target)).json()["status"] == status

    run(scenario)


def test_the_first_answer_of_teams_and_onenote() -> None:
    async def scenario(bench: Bench) -> None:
        team = await bench.ask("POST", "/v1.0/teams", body={})
        assert team.body == b""
        assert team.header("Location").startswith(team.header("Content-Location") + "/operations('")
        notebook = await bench.ask("POST", "/v1.0/me/onenote/notebooks/1/copyNotebook")
        assert notebook.json()["status"] == "running"
        assert notebook.header("Location") == ""
        printer = await bench.ask("POST", "/v1.0/print/printers/create")
        assert printer.header("Retry-After") == "5"
        await bench.ask("GET", cut(printer.header("Operation-Location"))[1])
        assert bench.violations() == ["early-poll"]

    run(scenario)


def test_what_answers_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask("POST", f"{BOOK}/workbook/createSession")).status == 201
        assert (await bench.ask("POST", "/v1.0/chats", body={"chatType": "group"})).status == 201
        assert (await bench.ask("POST", "/v1.0/sites")).status == 400
        missing = "/v1.0/me/drive/root:/nowhere.xlsx:/workbook/createSession"
        assert (await bench.ask("POST", missing, headers=ASYNC)).status == 404

    run(scenario)


@pytest.mark.parametrize(
    ("path", "header", "key"),
    [
        ("/v1.0/teams/1/archive", "Location", "error"),
        ("/v1.0/me/onenote/notebooks/1/copyNotebook", "Operation-Location", "error"),
        ("/v1.0/security/cases/ediscoveryCases/c/searches/s/estimateStatistics", "Location", "resultInfo"),
        ("/v1.0/security/attackSimulation/simulations", "Location", "error"),
    ],
)
def test_a_failure_is_told(path: str, header: str, key: str) -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.ask("POST", path, simulate="fail=TeamUnavailable; duration=3s")
        place = accepted.header(header)
        bench.clock.time = 3
        report = await bench.ask(
            "GET", f"/v1.0{place}" if place.startswith("/") else cut(place.rstrip(","))[1]
        )
        assert report.json()["status"] == "failed"
        assert "TeamUnavailable" in str(report.json()[key])
        assert bench.simulator.summary().items_created == 0

    run(scenario)


def test_faults_and_lag_work_here_too() -> None:
    async def scenario(bench: Bench) -> None:
        simulate = "duration=1s; fault=poll1:503(1); lag=1"
        accepted = await bench.ask("POST", "/v1.0/teams/1/clone", simulate=simulate)
        place = f"/v1.0{accepted.header('Location')}"
        assert (await bench.ask("GET", place)).status == 503
        bench.clock.time = 1
        end = (await bench.ask("GET", place)).json()
        result = f"/v1.0{end['targetResourceLocation']}"
        assert [(await bench.ask("GET", result)).status for _ in range(2)] == [404, 200]

    run(scenario)
