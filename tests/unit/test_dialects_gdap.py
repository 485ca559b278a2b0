"""Delegated admin privileges: 200 where nothing changes, the assignment itself where something does."""

import pytest

from unit.dialect_script import Script, planned

RELATIONSHIP = "/v1.0/tenantRelationships/delegatedAdminRelationships/5e5594d3-0001"
ASSIGNMENT = f"{RELATIONSHIP}/accessAssignments/da9d6cf9"
OPERATION = f"https://graph.microsoft.com{RELATIONSHIP}/operations/d8dbb27b"


def test_an_update() -> None:
    (
        Script(f"PATCH {ASSIGNMENT}", {"accessDetails": {"unifiedRoles": []}})
        .graph(202, "{}", Location=OPERATION, Retry_After="10")
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "d8dbb27b", "status": "running"}, Retry_After="10")
        .we("running, wait 10 s")
        .monitor(200, {"id": "d8dbb27b", "status": "succeeded"})
        .we(f"succeeded: {ASSIGNMENT}")
        .plays()
    )


def test_an_update_that_changes_nothing_is_passed_on() -> None:
    Script(f"PATCH {ASSIGNMENT}", {}).graph(200, {"id": "da9d6cf9"}).we("pass it on").plays()


def test_a_failure() -> None:
    (
        Script(f"PATCH {ASSIGNMENT}", {})
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": "failed", "error": {"code": "conflict", "message": "x"}})
        .we("failed: 409 conflict")
        .plays()
    )


def test_the_assignment_is_source_and_result_in_every_spelling() -> None:
    spelt = "PATCH /V1.0/tenantrelationships/delegatedAdminRelationships('5e5594d3-0001')/accessAssignments('da9d6cf9')"
    plan = planned(spelt, {})
    assert (plan.dialect, plan.source, plan.repeatable) == ("gdap", ASSIGNMENT, True)


@pytest.mark.parametrize(
    "line",
    [
        f"DELETE {ASSIGNMENT}",  # its page says 204
        f"POST {RELATIONSHIP}/accessAssignments",
        f"PATCH {RELATIONSHIP}",
    ],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
