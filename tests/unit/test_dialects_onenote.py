"""OneNote: copies, which name their monitor in Operation-Location."""

import pytest

from unit.dialect_script import Script, planned

COPY = "POST /v1.0/me/onenote/notebooks/1-abc/copyNotebook"
OPERATION = "https://graph.microsoft.com/v1.0/me/onenote/operations/copy-1b2c"
PAGE = "/v1.0/me/onenote/notebooks/1-new"


def test_a_copy_from_its_202_to_its_result() -> None:
    """(11) The 202 holds an operation too, with a status that no enumeration has; it is not what counts."""
    (
        Script(COPY, {"groupId": "g", "renameAs": "b"})
        .graph(202, {"id": "copy-1b2c", "status": "Not Started"}, Operation_Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "copy-1b2c", "status": "notStarted"})
        .we("running")
        .monitor(200, {"id": "copy-1b2c", "status": "Running", "percentComplete": "27"})
        .we("running 27 %")
        .monitor(
            200,
            {
                "id": "copy-1b2c",
                "status": "Completed",
                "percentComplete": "100",
                "resourceLocation": f"https://graph.microsoft.com{PAGE}",
                "resourceId": "1-new",
            },
        )
        .we(f"succeeded: {PAGE}")
        .plays()
    )


def test_both_headers() -> None:
    """Location is the new resource then; only an operation is polled."""
    (
        Script(COPY, {})
        .graph(
            202,
            Location="https://graph.microsoft.com/v1.0/me/onenote/notebooks/1",
            Operation_Location=OPERATION,
        )
        .we(f"poll {OPERATION} with the credential")
        .plays()
    )
    Script(COPY, {}).graph(202, Location="https://graph.microsoft.com/v1.0/me/onenote/notebooks/1").we(
        "pass it on"
    ).plays()


def test_a_copy_that_fails_and_says_so_with_a_number() -> None:
    (
        Script(COPY, {})
        .graph(202, Operation_Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(
            200,
            {
                "status": "failed",
                "@api.diagnostics": "0001, x",
                "error": {"code": "20280", "message": "Transient error has occurred."},
            },
        )
        .we("failed: 500 20280")
        .plays()
    )


def test_throttling_without_retry_after() -> None:
    """OneNote's 429s carry none."""
    (
        Script(COPY, {})
        .graph(202, Operation_Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(429, {"error": {"code": "20166", "message": "Too many requests"}})
        .we("trouble: throttled 429 20166")
        .plays()
    )


def test_a_result_on_another_service_is_none() -> None:
    (
        Script(COPY, {})
        .graph(202, Operation_Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(
            200, {"status": "completed", "resourceLocation": "https://www.onenote.com/api/v1.0/me/notes/x"}
        )
        .we("succeeded: None")
        .plays()
    )


@pytest.mark.parametrize(
    ("line", "kind", "source"),
    [
        (COPY, "copyNotebook", "/v1.0/me/onenote/notebooks/1-abc"),
        (
            "POST /beta/users('a@b.c')/onenote/sections('0-x!1')/copyToNotebook",
            "copyToNotebook",
            "/beta/users/a@b.c/onenote/sections/0-x!1",
        ),
        (
            "POST /v1.0/groups/g/onenote/sections/s/microsoft.graph.copyToSectionGroup/",
            "copyToSectionGroup",
            "/v1.0/groups/g/onenote/sections/s",
        ),
        (
            "POST /v1.0/sites/c.sharepoint.com,1,2/onenote/pages/p/COPYTOSECTION",
            "copyToSection",
            "/v1.0/sites/c.sharepoint.com,1,2/onenote/pages/p",
        ),
    ],
)
def test_which_calls(line: str, kind: str, source: str) -> None:
    plan = planned(line, {})
    assert (plan.dialect, plan.kind, plan.source, plan.prefer) == ("onenote", kind, source, None)


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1.0/me/onenote/pages",
        "POST /v1.0/me/onenote/sections/s/copyToSection",
        "POST /v1.0/me/onenote/notebooks/n/copyNotebook/x",
        "GET /v1.0/me/onenote/notebooks/n/copyNotebook",
    ],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
