"""Teams: relative addresses without a version, half a minute between two polls."""

import pytest

from gateway.dialects.teams import TEAMS
from unit.dialect_script import Script, planned

TEAM = "/teams('79afc64f')"
OPERATION = f"{TEAM}/operations('8ad1effa')"
POLL = f"https://graph.microsoft.com/v1.0{OPERATION}"


def said(status: str, **more: object) -> dict[str, object]:
    body: dict[str, object] = {"id": "8ad1effa", "operationType": "createTeam", "status": status}
    return body | {"targetResourceId": None, "targetResourceLocation": None, "error": None} | more


def test_a_team_from_its_202_to_its_result() -> None:
    """(10) The Location has no version: that of the call is meant."""
    (
        Script("POST /v1.0/teams", {"displayName": "T"})
        .graph(202, Location=OPERATION, Content_Location=TEAM, Content_Length="0")
        .we(f"poll {POLL} with the credential")
        .monitor(200, said("notStarted"))
        .we("running")
        .monitor(200, said("inProgress"))
        .we("running")
        .monitor(200, said("succeeded", targetResourceId="79afc64f", targetResourceLocation=TEAM))
        .we(f"succeeded: /v1.0{TEAM}")
        .plays()
    )


def test_a_clone_without_quotes_in_its_location() -> None:
    place = "/teams({old})/operations({op})".format(old="6bf5f3a2", op="be9f0c0a")
    (
        Script("POST /beta/teams/6bf5f3a2/clone", {"displayName": "L"})
        .graph(202, location=place, Content_Type="text/plain")
        .we(f"poll https://graph.microsoft.com/beta{place} with the credential")
        .monitor(200, said("succeeded", targetResourceLocation="/teams('new')"))
        .we("succeeded: /beta/teams('new')")
        .plays()
    )


def test_an_archived_team_is_the_team_itself() -> None:
    (
        Script("POST /v1.0/groups/g/team/archive")
        .graph(202, Location="/teams('g')/operations('1')")
        .we("poll https://graph.microsoft.com/v1.0/teams('g')/operations('1') with the credential")
        .monitor(200, said("succeeded"))
        .we("succeeded: /v1.0/groups/g/team")
        .plays()
    )


def test_a_channel() -> None:
    channel = "/v1.0/teams/t/channels/19:4b6b@thread.tacv2"
    (
        Script("POST /v1.0/teams/t/channels/19%3A4b6b%40thread.tacv2/unarchive")
        .graph(202, Location="/teams/t/operations/1")
        .we("poll https://graph.microsoft.com/v1.0/teams/t/operations/1 with the credential")
        .monitor(200, said("succeeded"))
        .we(f"succeeded: {channel}")
        .plays()
    )


def test_a_chat_with_apps() -> None:
    """The status line of the finished operation is 202 in the documentation."""
    chat = "/chats('19:82fe@thread.v2')"
    (
        Script("POST /beta/chats", {"chatType": "group", "installedApps": [{"teamsApp@odata.bind": "x"}]})
        .graph(202, Location=f"{chat}/operations('2432')")
        .we(f"poll https://graph.microsoft.com/beta{chat}/operations('2432') with the credential")
        .monitor(202, said("succeeded", operationType="createChat", targetResourceLocation=chat))
        .we(f"succeeded: /beta{chat}")
        .plays()
    )


@pytest.mark.parametrize("body", [{"chatType": "group"}, {"installedApps": []}, "{", b""])
def test_a_chat_without_apps_is_made_at_once(body: dict[str, object] | str | bytes) -> None:
    Script("POST /v1.0/chats", body).we("not an operation").plays()


@pytest.mark.parametrize(
    ("error", "conclusion"),
    [
        ({"code": "TeamUnavailable", "message": "The team was not found."}, "failed: 500 TeamUnavailable"),
        ({"code": "Forbidden", "message": "x"}, "failed: 403 Forbidden"),
        (None, "failed: 500 generalException"),
    ],
)
def test_a_failure(error: dict[str, str] | None, conclusion: str) -> None:
    (
        Script("POST /v1.0/teams", {})
        .graph(202, Location=OPERATION)
        .we(f"poll {POLL} with the credential")
        .monitor(200, said("failed", error=error))
        .we(conclusion)
        .plays()
    )


def test_a_status_that_nobody_knows_yet() -> None:
    """(29)"""
    (
        Script("POST /v1.0/teams", {})
        .graph(202, Location=OPERATION)
        .we(f"poll {POLL} with the credential")
        .monitor(200, said("unknownFutureValue"))
        .we("running")
        .monitor(200, said("provisioning"))
        .we("running")
        .plays()
    )


def test_half_a_minute_between_two_polls() -> None:
    assert TEAMS.floor == 30


@pytest.mark.parametrize(
    ("line", "kind", "source"),
    [
        ("POST /v1.0/teams/", "createTeam", "/v1.0/teams"),
        ("POST /V1.0/Teams('1')/microsoft.graph.Archive", "archive", "/v1.0/teams/1"),
        ("POST /v1.0/teams/1/un%61rchive", "unarchive", "/v1.0/teams/1"),
        ("POST /v1.0/groups('g')/team/clone", "cloneTeam", "/v1.0/groups/g/team"),
        ("POST /v1.0/groups/g/team/channels/c/archive", "archive", "/v1.0/groups/g/team/channels/c"),
    ],
)
def test_which_calls(line: str, kind: str, source: str) -> None:
    plan = planned(line)
    assert (plan.dialect, plan.kind, plan.source, plan.repeatable) == ("teams", kind, source, False)


@pytest.mark.parametrize(
    "line",
    [
        "PUT /v1.0/groups/g/team",
        "POST /v1.0/teams/t/channels",
        "POST /v1.0/teams/t/channels/c/messages",
        "POST /v1.0/teams/t/completeMigration",
        "POST /v1.0/chats/19:1@thread.v2/messages",
        "GET /v1.0/teams",
        "POST /teams",
    ],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
