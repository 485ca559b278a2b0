"""SharePoint: content types of the hub, and new sites."""

import pytest

from unit.dialect_script import Script, planned

SITE = "/v1.0/sites/c.sharepoint.com,1,2"
ADD = f"POST {SITE}/contentTypes/addCopyFromContentTypeHub"
OPERATION = f"https://graph.microsoft.com{SITE}/operations/contentTypeCopy,0x0101"


def test_a_content_type_that_is_there_at_once_is_passed_on() -> None:
    Script(ADD, {"contentTypeId": "0x0101"}).graph(200, {"id": "0x0101", "name": "Document"}).we(
        "pass it on"
    ).plays()


def test_a_content_type_that_takes_an_hour() -> None:
    result = f"{SITE}/contentTypes/0x0101"
    (
        Script(ADD, {"contentTypeId": "0x0101"})
        .graph(202, location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "contentTypeCopy,0x0101", "status": "running", "percentageComplete": 30})
        .we("running 30 %")
        .monitor(
            200,
            {
                "id": "contentTypeCopy,0x0101",
                "resourceId": "0x0101",
                "resourceLocation": f"https://graph.microsoft.com{result}",
                "status": "succeeded",
                "type": "contentTypeCopy",
            },
        )
        .we(f"succeeded: {result}")
        .plays()
    )


def test_a_new_site() -> None:
    monitor = "https://graph.microsoft.com/beta/sites/getOperationStatus(operationId='T3Bl')"
    (
        Script("POST /beta/sites", {"name": "Marketing"})
        .graph(202, {"displayName": "Marketing"}, Location=monitor)
        .we(f"poll {monitor} with the credential")
        .monitor(200, {"id": "T3Bl", "status": "notStarted"})
        .we("running")
        .monitor(
            200,
            {
                "id": "T3Bl",
                "status": "succeeded",
                "resourceLocation": "https://graph.microsoft.com/beta/sites/1",
            },
        )
        .we("succeeded: /beta/sites/1")
        .plays()
    )


def test_a_failed_one() -> None:
    (
        Script(ADD, {})
        .graph(202, location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": "failed", "error": {"code": "accessDenied", "message": "x"}})
        .we("failed: 403 accessDenied")
        .plays()
    )


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (ADD, SITE),
        (f"POST {SITE}/lists('l')/contentTypes/addCopyFromContentTypeHub", f"{SITE}/lists/l"),
        (
            "POST /v1.0/sites/c.sharepoint.com:/sites/x:/contentTypes/microsoft.graph.addCopyFromContentTypeHub",
            "/v1.0/sites/c.sharepoint.com:/sites/x",
        ),
        (
            "POST /beta/groups/g/sites/root/contentTypes/addCopyFromContentTypeHub",
            "/beta/groups/g/sites/root",
        ),
    ],
)
def test_which_calls(line: str, source: str) -> None:
    plan = planned(line, {})
    assert (plan.dialect, plan.kind, plan.source) == ("sites", "contentTypeCopy", source)


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1.0/sites",
        f"POST {SITE}/contentTypes",
        f"POST {SITE}/lists",
        f"POST {SITE}/contentTypes/addCopy",
    ],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
