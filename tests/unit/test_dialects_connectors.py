"""Connectors: the result is where the operation does not say."""

import pytest

from unit.dialect_script import Script, planned

SCHEMA = "/v1.0/external/connections/contosohr/schema"
OPERATION = "https://graph.microsoft.com/v1.0/external/connections/contosohr/operations/616bfeed"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_schema(method: str) -> None:
    (
        Script(f"{method} {SCHEMA}", {"baseType": "microsoft.graph.externalItem"})
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "616bfeed", "status": "unspecified"})
        .we("running")
        .monitor(200, {"id": "616bfeed", "status": "inprogress"})
        .we("running")
        .monitor(200, {"id": "616bfeed", "status": "completed"})
        .we(f"succeeded: {SCHEMA}")
        .plays()
    )


def test_a_schema_that_is_made_at_once_is_passed_on() -> None:
    Script(f"POST {SCHEMA}", {}).graph(201, {"id": "s"}).we("pass it on").plays()


def test_an_error_that_is_a_message_and_nothing_else() -> None:
    (
        Script(f"POST {SCHEMA}", {})
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": "failed", "error": {"message": "Server error, something went wrong"}})
        .we("failed: 500 generalException")
        .plays()
    )


def test_respond_async_is_asked_for_where_it_is_documented() -> None:
    post, patch = planned(f"POST {SCHEMA}", {}), planned(f"PATCH {SCHEMA}", {})
    assert (post.kind, post.prefer, post.repeatable) == ("createSchema", b"respond-async", False)
    assert (patch.kind, patch.prefer, patch.repeatable) == ("updateSchema", None, True)
    assert post.source == patch.source == "/v1.0/external/connections/contosohr"


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1.0/external/connections",
        "DELETE /v1.0/external/connections/contosohr",
        "PUT /v1.0/external/connections/contosohr/items/schema",
        f"GET {SCHEMA}",
    ],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
