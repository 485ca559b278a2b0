"""Status words and percentages: what they mean, and which are ignored."""

import json

import pytest

from unit.dialect_script import (
    MINE,
    accepted,
    reply,
    reported,
)

# --- cases 28 to 30 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        ("27.8", " 27.8 %"),
        ('"27.8"', " 27.8 %"),
        ('" 100 "', " 100 %"),
        ("0", " 0 %"),
        ("100", " 100 %"),
        ("100.0", " 100 %"),
        ("null", ""),
        ("100.1", ""),
        ("-1", ""),
        ("true", ""),
        ('"many"', ""),
        ('"١"', ""),
        ('"1e1"', ""),
        ("NaN", ""),
        ("Infinity", ""),
        ("1e400", ""),
        ("9" * 5000, ""),
        ("{}", ""),
    ],
)
def test_case_28_percentages(value: str, percent: str) -> None:
    for field in (
        "percentageComplete",
        "percentComplete",
        "percentageCompleted",
        "percentProgress",
        "progress",
    ):
        accepted().monitor(200, f'{{"{field}":{value},"status":"inProgress"}}').we(
            f"running{percent}"
        ).plays()


def test_the_first_usable_percentage_counts() -> None:
    accepted().monitor(200, {"percentageComplete": None, "percentComplete": 5, "status": "running"}).we(
        "running 5 %"
    ).plays()


@pytest.mark.parametrize(
    "word",
    [
        "notStarted",
        "inProgress",
        "inprogress",
        "In Progress",
        "running",
        "waiting",
        "updating",
        "cancelPending",
        "deletePending",
        "unspecified",
        "unknownFutureValue",
        "somethingNew",
        "completing",
        "notFailed",
    ],
)
def test_case_29_running_and_unknown_words(word: str) -> None:
    accepted().monitor(200, {"status": word}).we("running").plays()


def test_an_unknown_word_is_not_believed_against_an_http_error() -> None:
    (
        accepted()
        .monitor(500, {"status": "error"})
        .we("trouble: server_error 500")
        .monitor(401, {"status": "401", "title": "Unauthorized"})
        .we("trouble: unauthorised 401")
        .monitor(500, {"status": "inProgress"})
        .we("running")
        .plays()
    )


@pytest.mark.parametrize(
    "word", ["Completed", "SUCCEEDED", "complete", "success", " completed ", "partiallySucceeded"]
)
def test_case_30_words_for_success(word: str) -> None:
    accepted().monitor(200, {"status": word, "resourceId": "B"}).we(f"succeeded: {MINE}/items/B").plays()


@pytest.mark.parametrize(
    "word", ["failed", "Failed", "deleteFailed", "submissionFailed", "cancelled", "canceled", "invalid"]
)
def test_words_for_failure(word: str) -> None:
    accepted().monitor(200, {"status": word}).we("failed: 500 generalException").plays()


def test_status_may_be_an_object_and_is_read_at_the_top_only() -> None:
    accepted().monitor(200, {"status": {"state": "succeeded"}, "resourceId": "B"}).we(
        f"succeeded: {MINE}/items/B"
    ).plays()
    accepted().monitor(200, {"status": {"state": "running"}, "printer": {"status": "failed"}}).we(
        "running"
    ).plays()
    failed = reported(reply(200, {"status": {"state": "failed", "description": "Out of paper."}}))
    assert failed.problem is not None
    assert json.loads(failed.problem.error)["message"] == "Out of paper."


def test_a_2xx_without_a_status_is_under_way() -> None:
    for body in ("{}", '{"status":null}', '{"status":7}', '{"status":""}', '{"status":{}}', '{"error":null}'):
        accepted().monitor(200, body).we("running").plays()
    accepted().monitor(200, {"percentageComplete": 3}).we("running 3 %").plays()
    accepted().monitor(202).we("running").monitor(202, "Accepted").we("running").plays()
