"""Excel: sessions and table rows (the numbers are those of the project's list of awkward cases)."""

import pytest

from gateway.dialects.workbook import WORKBOOK
from unit.dialect_script import Script, planned

ITEM = "/v1.0/me/drive/items/A"
SESSION = f"POST {ITEM}/workbook/createSession"
OPERATION = f"https://graph.microsoft.com{ITEM}/workbook/operations/0195cfac"
RESULT = f"{ITEM}/workbook/sessionInfoResource(key='0195cfac')"
EXCEL_ERROR = {
    "code": "internalServerError",
    "message": "An internal server error occurred while processing the request.",
    "innerError": {
        "code": "internalServerErrorUncategorized",
        "message": "An unspecified error has occurred.",
        "innerError": {"code": "GenericFileOpenError", "message": "The workbook cannot be opened."},
    },
}


def test_a_session_that_takes_long() -> None:
    (
        Script(SESSION, {"persistChanges": True})
        .graph(202, "{}", Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "0195cfac", "status": "notStarted"})
        .we("running")
        .monitor(200, {"id": "0195cfac", "status": "running"})
        .we("running")
        .monitor(
            200,
            {
                "id": "0195cfac",
                "status": "succeeded",
                "resourceLocation": f"https://graph.microsoft.com{RESULT}",
            },
        )
        .we(f"succeeded: {RESULT}")
        .plays()
    )


def test_a_session_that_is_quick_is_passed_on() -> None:
    """(45)"""
    Script(SESSION, {}).graph(201, {"id": "cluster=US5&session=1", "persistChanges": True}).we(
        "pass it on"
    ).plays()


def test_a_session_that_fails() -> None:
    """(46) The resource's page spells the status with a capital, and the code says nothing but 500."""
    (
        Script(SESSION, {})
        .graph(202, "{}", Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "0195cfac", "status": "Failed", "error": EXCEL_ERROR})
        .we("failed: 500 internalServerError")
        .plays()
    )


@pytest.mark.parametrize(
    "path", ["tables/1/rows", "tables('T1')/rows/add", "worksheets/{6C1}/tables/T1/rows"]
)
def test_a_row(path: str) -> None:
    result = f"{ITEM}/workbook/tableRowOperationResult(key='0195cfac')"
    (
        Script(f"POST {ITEM}/workbook/{path}", {"values": [[1, 2]]})
        .graph(202, location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": "succeeded", "resourceLocation": f"https://graph.microsoft.com{result}"})
        .we(f"succeeded: {result}")
        .plays()
    )


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (SESSION, ITEM),
        ("POST /beta/drives('b!d')/items('A')/workbook/createSession", "/beta/drives/b!d/items/A"),
        (
            "POST /v1.0/me/drive/root:/Documents/my%20book.xlsx:/WORKBOOK/microsoft.graph.createSession",
            "/v1.0/me/drive/root:/Documents/my%20book.xlsx",
        ),
        (f"POST {ITEM}/workbook/worksheets('Sheet%201')/createSession", ITEM),
    ],
)
def test_the_workbook_is_an_item(line: str, source: str) -> None:
    plan = planned(line, {})
    assert (plan.dialect, plan.kind, plan.source) == ("workbook", "createSession", source)
    assert plan.prefer == b"respond-async"


def test_a_second_session_does_no_harm_and_a_second_row_does() -> None:
    assert planned(SESSION, {}).repeatable
    assert not planned(f"POST {ITEM}/workbook/tables/1/rows", {}).repeatable


def test_the_session_of_the_call_is_that_of_its_polls() -> None:
    assert WORKBOOK.repeats == {b"workbook-session-id"}


@pytest.mark.parametrize(
    "line",
    [
        f"GET {ITEM}/workbook/tables/1/rows",
        f"PATCH {ITEM}/workbook/tables/1/rows/1",
        f"POST {ITEM}/workbook/tables/1/columns",
        f"POST {ITEM}/workbook/closeSession",
        f"POST {ITEM}/workbook/refreshSession",
        "POST /v1.0/me/drive/root:/workbook/createSession",
        "POST /v1.0/me/drive/root:/tables/1/rows:/workbook",
        "POST /v1.0/workbook/createSession",
    ],
)
def test_other_calls_to_a_workbook(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
