"""Attack simulation training; no page shows its 202, so these are read off the resource's page."""

import pytest

from unit.dialect_script import Script, planned

SIMULATIONS = "/v1.0/security/attackSimulation/simulations"
OPERATION = "https://graph.microsoft.com/v1.0/security/attackSimulation/operations/f1b13829"


def test_a_new_simulation() -> None:
    (
        Script(f"POST {SIMULATIONS}", {"displayName": "S"})
        .graph(202, location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "f1b13829", "status": "running", "percentageCompleted": 40})
        .we("running 40 %")
        .monitor(
            200,
            {
                "id": "f1b13829",
                "type": "createSimulation",
                "status": "succeeded",
                "percentageCompleted": 100,
                "resourceLocation": f"https://graph.microsoft.com{SIMULATIONS}/2f55",
            },
        )
        .we(f"succeeded: {SIMULATIONS}/2f55")
        .plays()
    )


@pytest.mark.parametrize("location", ["", None, "not an address", "https://elsewhere.example/simulations/1"])
def test_an_update_results_in_the_simulation_itself(location: str | None) -> None:
    (
        Script(f"PATCH {SIMULATIONS}/2f55", {"status": "scheduled"})
        .graph(202, location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": "succeeded", "resourceLocation": location})
        .we(f"succeeded: {SIMULATIONS}/2f55")
        .plays()
    )


def test_without_the_tracking_header_it_is_passed_on() -> None:
    Script(f"PATCH {SIMULATIONS}/2f55", {}).graph(202).we("pass it on").plays()


def test_a_failure_is_told_by_the_status_detail() -> None:
    (
        Script(f"POST {SIMULATIONS}", {})
        .graph(202, location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": "failed", "statusDetail": "The payload is gone."})
        .we("failed: 500 generalException")
        .plays()
    )


def test_which_calls() -> None:
    assert planned(f"POST {SIMULATIONS}", {}).kind == "createSimulation"
    plan = planned("PATCH /beta/security/attacksimulation/Simulations('2f55')", {})
    assert (plan.kind, plan.source) == (
        "updateSimulation",
        "/beta/security/attackSimulation/simulations/2f55",
    )


@pytest.mark.parametrize(
    "line",
    ["POST /v1.0/security/attackSimulation/payloads", f"DELETE {SIMULATIONS}/1", f"POST {SIMULATIONS}/1/x"],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
