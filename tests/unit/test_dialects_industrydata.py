"""Industry data: validations, five seconds between two polls; no page shows the 202's header."""

import pytest

from gateway.dialects.industrydata import INDUSTRYDATA
from unit.dialect_script import Script, planned

VALIDATE = "POST /beta/external/industryData/dataConnectors/8c010e87/validate"
OPERATION = "https://graph.microsoft.com/beta/external/industryData/operations/1"


def test_a_validation_from_its_202_to_its_end() -> None:
    (
        Script(VALIDATE)
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "1", "status": "running", "errors": [], "warnings": []})
        .we("running")
        .monitor(200, {"id": "1", "status": "succeeded", "errors": [], "warnings": [{"code": "x"}]})
        .we("succeeded: None")
        .plays()
    )


def test_files_that_are_not_valid() -> None:
    (
        Script(VALIDATE)
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(
            200, {"id": "1", "status": "failed", "errors": [{"code": "missingFile"}], "statusDetail": "x"}
        )
        .we("failed: 500 generalException")
        .plays()
    )


def test_five_seconds_between_two_polls() -> None:
    assert INDUSTRYDATA.floor == 5


@pytest.mark.parametrize(
    "line",
    [
        VALIDATE,
        "POST /beta/external/industryData/dataConnectors('1')/microsoft.graph.industryData.validate",
        "POST /beta/external/industryData/inboundFlows/f/dataConnector/validate",
        "POST /beta/industryData/dataConnectors/1/validate",
    ],
)
def test_which_calls(line: str) -> None:
    plan = planned(line)
    assert (plan.dialect, plan.kind, plan.inside) == ("industrydata", "validateData", True)
    assert plan.source.rpartition("/")[2] in {"8c010e87", "1", "dataConnector"}


@pytest.mark.parametrize(
    "line",
    ["POST /v1.0/external/industryData/dataConnectors/1/validate", "POST /beta/external/industryData/runs"],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
