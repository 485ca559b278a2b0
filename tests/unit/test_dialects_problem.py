"""Failed operations: the status a synchronous API would have answered, and Graph's own words kept."""

import json

import pytest

from gateway.dialects.problem import problem_of
from gateway.model import Problem

NESTED = {
    "code": "internalServerError",
    "message": "An internal server error occurred while processing the request.",
    "innerError": {
        "code": "internalServerErrorUncategorized",
        "message": "An unspecified error has occurred.",
        "innerError": {"code": "GenericFileOpenError", "message": "The workbook cannot be opened."},
    },
}


def failed(**members: object) -> Problem:
    return problem_of(members, "failed")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("nameAlreadyExists", 409),
        ("NameAlreadyExists", 409),
        ("resourceModified", 409),
        ("accessDenied", 403),
        ("notAllowed", 403),
        ("malwareDetected", 403),
        ("AccessDenied_SharedItem", 403),
        ("itemNotFound", 404),
        ("invalidRequest", 400),
        ("notSupported", 400),
        ("pathIsTooLong", 400),
        ("maxFileSizeExceeded", 413),
        ("lockMismatch", 423),
        ("resourceLocked", 423),
        ("quotaLimitReached", 507),
        # not the statuses that make SDKs send the call again
        ("activityLimitReached", 502),
        ("serviceNotAvailable", 502),
        ("TooManyRequests", 502),
        ("timeout", 502),
        ("unauthenticated", 403),
        # whatever else
        ("generalException", 500),
        ("blockedByPolicy", 500),
        ("20280", 500),
    ],
)
def test_status_of_a_code(code: str, status: int) -> None:
    problem = failed(error={"code": code, "message": "m"})
    assert problem == Problem(status, code, json.dumps({"code": code, "message": "m"}))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "generalException", "innerError": {"code": "quotaLimitReached"}}, 507),
        ({"code": "generalException", "innererror": {"code": "virusSuspicious"}}, 403),
        ({"code": "notAllowed", "innerError": {"code": "resourceLocked"}}, 423),
        ({"code": "accessDenied", "innerError": {"code": "itemNotFound"}}, 403),
        ({"code": "generalException", "innerError": {"innerError": {"code": "nameAlreadyExists"}}}, 409),
        ({"code": "generalException", "innerError": None}, 500),
        (NESTED, 500),
    ],
)
def test_an_inner_code_decides_where_the_outer_says_nothing(error: dict[str, object], status: int) -> None:
    assert failed(error=error).status == status


def test_the_error_object_is_kept_as_it_stands() -> None:
    error = {**NESTED, "target": "x", "details": [{"code": "a", "message": "b", "x": [1, 2.5, None]}]}
    assert failed(error=error).error == json.dumps(
        {
            "code": error["code"],
            "message": error["message"],
            **{key: error[key] for key in ("innerError", "target", "details")},
        }
    )


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        # error first, then resultInfo, errorCode, statusDetail
        ({"error": {"code": "a", "message": "m"}, "resultInfo": {"code": "b"}, "errorCode": "c"}, "a", "m"),
        ({"error": None, "resultInfo": {"code": "b", "message": "n"}, "errorCode": "c"}, "b", "n"),
        ({"error": {}, "errorCode": "c", "statusDescription": "d"}, "c", "d"),
        ({"errorCode": "c", "message": "e"}, "c", "e"),
        ({"statusDetail": "f"}, "generalException", "f"),
        ({"error": "words"}, "generalException", "words"),
        (
            {"error": {"message": "Server error, something went wrong"}},
            "generalException",
            "Server error, something went wrong",
        ),
        ({"error": {"message": "m"}, "errorCode": "accessDenied"}, "accessDenied", "m"),
        ({"error": {"code": "", "message": "m"}}, "generalException", "m"),
        ({"error": {"code": 20280, "message": "Transient error"}}, "20280", "Transient error"),
        (
            {"error": {"code": None, "message": None}},
            "generalException",
            "The operation failed; the service gave no reason.",
        ),
        (
            {"error": {"code": ["x"], "message": 3}},
            "generalException",
            "The operation failed; the service gave no reason.",
        ),
        ({}, "generalException", "The operation failed; the service gave no reason."),
        # the code of the details, where they share one
        ({"error": {"message": "m", "details": [{"code": "x"}, {"code": "X"}, {"message": "y"}]}}, "x", "m"),
        ({"error": {"message": "m", "details": [{"code": "x"}, {"code": "y"}]}}, "generalException", "m"),
        ({"error": {"message": "m", "details": []}}, "generalException", "m"),
        ({"error": {"message": "m", "details": ["x", None]}}, "generalException", "m"),
        ({"error": {"message": "m", "details": {"code": "x"}}}, "generalException", "m"),
    ],
)
def test_code_and_message_are_filled_in(members: dict[str, object], code: str, message: str) -> None:
    problem = failed(**members)
    error = json.loads(problem.error)
    assert (problem.code, error["code"], error["message"]) == (code, code, message)


@pytest.mark.parametrize("word", ["cancelled", "Canceled "])
def test_a_cancelled_operation_says_so(word: str) -> None:
    assert (
        problem_of({}, word).error
        == '{"code": "generalException", "message": "The operation was cancelled."}'
    )


def test_what_is_logged_of_a_code_is_harmless() -> None:
    problem = failed(error={"code": "a\nb\ud800", "message": "m"})
    assert problem.code == "a?b?"
    assert json.loads(problem.error)["code"] == "a\nb\ud800"


def test_nesting_too_deep_to_write_costs_the_details_only() -> None:
    error: dict[str, object] = {"code": "accessDenied", "message": "m"}
    for _ in range(100_000):
        error = {"code": "accessDenied", "message": "m", "innerError": error}
    assert failed(error=error) == Problem(403, "accessDenied", '{"code": "accessDenied", "message": "m"}')
