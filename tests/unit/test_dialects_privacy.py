"""Personal data: `complete`, progress as text, and monitors of a name of their own."""

import pytest

from unit.dialect_script import Script, planned, reply, reported

EXPORT = "POST /v1.0/users/u%40b.c/exportPersonalData"
OPERATION = "https://graph.microsoft.com/v1.0/dataPolicyOperations/d007e3da"


def test_an_export_from_its_202_to_its_end() -> None:
    (
        Script(EXPORT, {"storageLocation": "https://x.blob.core.windows.net/?sig=1"})
        .graph(202, Location=OPERATION, Retry_After="60")
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "d007e3da", "status": "notStarted", "progress": "0"})
        .we("running 0 %")
        .monitor(200, {"id": "d007e3da", "status": "running", "progress": "50"})
        .we("running 50 %")
        .monitor(200, {"id": "d007e3da", "status": "complete", "storageLocation": "https://x"})
        .we("succeeded: None")
        .plays()
    )


def test_the_operation_itself_is_the_result_and_is_not_kept() -> None:
    """Its storageLocation may be a signed URL."""
    plan = planned(EXPORT, {})
    assert (plan.inside, plan.source) == (True, "/v1.0/users/u@b.c")
    done = reply(200, {"status": "complete", "storageLocation": "https://x.blob.core.windows.net/?sig=1"})
    assert reported(done, EXPORT, {}).body == ""


def test_a_failure() -> None:
    (
        Script("POST /v1.0/users('u')/microsoft.graph.exportPersonalData", {})
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "d007e3da", "status": "failed"})
        .we("failed: 500 generalException")
        .plays()
    )


@pytest.mark.parametrize("line", ["POST /v1.0/users/u", "POST /v1.0/users/u/sendMail", f"GET {EXPORT[5:]}"])
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
