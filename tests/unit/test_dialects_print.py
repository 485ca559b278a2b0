"""Universal Print: the status is an object, and the result is in the operation."""

import pytest

from unit.dialect_script import Script, planned, reply, reported

CREATE = "POST /v1.0/print/printers/create"
OPERATION = "https://graph.microsoft.com/v1.0/print/operations/81f4cca3"
DONE: dict[str, object] = {
    "@odata.type": "#microsoft.graph.printerCreateOperation",
    "id": "81f4cca3",
    "certificate": "MIID",
    "status": {"state": "succeeded", "description": "The operation has completed successfully."},
    "printer": {"id": "e56f", "status": {"state": "unknown", "details": [], "description": ""}},
}


def test_a_printer_from_its_202_to_its_end() -> None:
    """(12) The printer in the finished operation has a status of its own, which is not the operation's."""
    (
        Script(CREATE, {"displayName": "P"})
        .graph(202, Operation_Location=OPERATION, Retry_After="5")
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "81f4cca3", "status": {"state": "notStarted", "description": ""}})
        .we("running")
        .monitor(200, {"id": "81f4cca3", "status": {"state": "running", "description": "x"}}, Retry_After="5")
        .we("running, wait 5 s")
        .monitor(200, DONE)
        .we("succeeded: None")
        .plays()
    )


def test_the_operation_itself_is_the_result_and_is_not_kept() -> None:
    plan = planned(CREATE, {})
    assert (plan.inside, plan.source, plan.kind) == (True, "/v1.0/print/printers", "createPrinter")
    assert reported(reply(200, DONE), CREATE, {}).body == ""


def test_a_failure_is_described_in_the_status() -> None:
    failed = {"id": "1", "status": {"state": "failed", "description": "The CSR cannot be read."}}
    report = reported(reply(200, failed), CREATE, {})
    assert report.problem is not None
    assert (report.problem.status, report.problem.code) == (500, "generalException")
    assert "The CSR cannot be read." in report.problem.error


@pytest.mark.parametrize(
    "line", ["POST /v1.0/print/printers", "POST /v1.0/print/printers/p/jobs", f"GET {CREATE[5:]}"]
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
