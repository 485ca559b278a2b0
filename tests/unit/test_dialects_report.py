"""What a monitor said, and what we conclude from it: endings, failures, and polls that tell nothing.

The numbers are those of the project's list of awkward cases; bodies are literal from Microsoft's documentation and
from public issues.
"""

import json
from collections.abc import Mapping

import pytest

from gateway.dialects import report
from gateway.dialects.report import Found, read_report
from gateway.model import Progress, Report
from unit.dialect_script import (
    COMPLETED,
    COPY,
    ID,
    MINE,
    MONITOR,
    NOW,
    TO_DOCUMENTS,
    TO_OTHER_DRIVE,
    UNDER_WAY,
    Script,
    accepted,
    heard,
    reply,
    reported,
    told,
)

NAME_EXISTS = {"code": "nameAlreadyExists", "message": "Name already exists"}

# --- the starting documents ----------------------------------------------------------------------------


def test_the_graph_document() -> None:
    """long-running-actions, Microsoft Graph: ends with 202 and JSON (case 2)."""
    (
        Script("POST /beta/me/drive/items/F/copy", TO_DOCUMENTS)
        .graph(202, Location="https://api.onedrive.com/monitor/4A3407B5-88FC-4504-8B21-0AABD3412717")
        .we("poll https://api.onedrive.com/monitor/4A3407B5-88FC-4504-8B21-0AABD3412717")
        .monitor(202, UNDER_WAY, Content_type="application/json")
        .we("running 27.8 %")
        .monitor(202, COMPLETED, Content_type="application/json")
        .we(f"succeeded: /beta/me/drive/items/{ID}")
        .plays()
    )


def test_the_onedrive_document() -> None:
    """Ends with 303 and JSON, without a Location (case 4)."""
    (
        accepted()
        .monitor(202, UNDER_WAY)
        .we("running 27.8 %")
        .monitor(303, COMPLETED)
        .we(f"succeeded: {MINE}/items/{ID}")
        .plays()
    )


def test_the_old_onedrive_document() -> None:
    """Ends with 303 and Location, without a body (case 3)."""
    (
        accepted()
        .monitor(202, UNDER_WAY)
        .we("running 27.8 %")
        .monitor(303, Location=f"https://api.onedrive.com/items/{ID}")
        .we(f"succeeded: {MINE}/items/{ID}")
        .plays()
    )


# --- cases 1 to 6: endings -----------------------------------------------------------------------------


def test_case_1_done_at_the_first_poll() -> None:
    accepted().monitor(200, COMPLETED).we(f"succeeded: {MINE}/items/{ID}").plays()


def test_case_2_a_202_that_says_completed() -> None:
    accepted().monitor(202, {"status": "completed", "resourceId": "B"}).we(
        f"succeeded: {MINE}/items/B"
    ).plays()


def test_case_3_a_303_with_nothing_but_a_location() -> None:
    (
        accepted(TO_OTHER_DRIVE)
        .monitor(303, Location="https://contoso.sharepoint.com/_api/v2.0/drives/b!x/items/01X?tempauth=eyJ")
        .we("succeeded: /v1.0/drives/b!x/items/01X")
        .plays()
    )


def test_case_4_a_303_with_json_and_no_location() -> None:
    accepted(TO_OTHER_DRIVE).monitor(303, COMPLETED).we(f"succeeded: /v1.0/drives/b!dest/items/{ID}").plays()
    # without a status word, the 303 has to be enough
    accepted(TO_OTHER_DRIVE).monitor(303, {"resourceId": "B"}).we(
        "succeeded: /v1.0/drives/b!dest/items/B"
    ).plays()


def test_case_5_a_303_location_with_an_empty_id() -> None:
    """OneDrive/onedrive-api-docs#545: never to be fetched."""
    for location in (
        "https://api.onedrive.com/v1.0/drives('me')/items('')",
        "https://api.onedrive.com/v1.0/drives/me/items/",
        "https://api.onedrive.com/items/",
        "",
    ):
        accepted().monitor(303, Location=location).we(
            f"succeeded: {MINE}/root:/Documents/Copy%20of%20LargeFolder1"
        ).plays()
        accepted(b"").monitor(303, Location=location).we("succeeded: None").plays()
    (
        accepted()
        .monitor(303, COMPLETED, Location="https://api.onedrive.com/v1.0/drives('me')/items('')")
        .we(f"succeeded: {MINE}/items/{ID}")
        .plays()
    )


def test_case_6_a_303_to_sharepoint_is_read_and_not_followed() -> None:
    """O365/python-o365#872."""
    (
        accepted(TO_OTHER_DRIVE)
        .monitor(
            303, Location="https://contoso.sharepoint.com/sites/s/_api/v2.0/drives('b%21x')/items('01X')"
        )
        .we("succeeded: /v1.0/drives/b!x/items/01X")
        .plays()
    )


# --- cases 16 to 20: failures --------------------------------------------------------------------------


def test_case_16_a_name_conflict_seen_by_the_job() -> None:
    """driveItem: copy, example 3."""
    (
        accepted({"parentReference": {"id": "P"}})
        .monitor(
            200,
            {
                "id": "46cf980a-28e1-4623-b8d0-11fc5278efe6",
                "createdDateTime": "0001-01-01T00:00:00Z",
                "lastActionDateTime": "0001-01-01T00:00:00Z",
                "status": "failed",
                "error": NAME_EXISTS,
            },
        )
        .we("failed: 409 nameAlreadyExists")
        .plays()
    )


def test_case_17_a_name_conflict_at_once() -> None:
    error = {"error": {"code": "nameAlreadyExists", "message": "The specified item name already exists."}}
    Script(COPY, TO_DOCUMENTS).graph(409, error, Location=MONITOR).we("pass it on").plays()


def test_case_18_details_without_a_code_of_its_own() -> None:
    """driveItem: copy, example 5."""
    error = {
        "message": "Errors occurred during copy/move operation.",
        "details": [NAME_EXISTS, {**NAME_EXISTS, "target": "01E4CGZM4FGUVRMKSJWBCLZQTWNFGHOTXG"}],
    }
    accepted().monitor(200, {"id": "e410fb22", "status": "failed", "error": error}).we(
        "failed: 409 nameAlreadyExists"
    ).plays()
    report = reported(reply(200, {"status": "failed", "error": error}))
    assert report.problem is not None
    assert json.loads(report.problem.error) == {**error, "code": "nameAlreadyExists"}


def test_case_19_a_500_with_a_status_is_a_failed_job() -> None:
    """rclone/rclone#1224: at once, not after retries."""
    (
        accepted()
        .monitor(
            500,
            {
                "operation": "ItemCopy",
                "percentageComplete": 0,
                "status": "failed",
                "errorCode": "AccessDenied_X",
            },
        )
        .we("failed: 403 AccessDenied_X")
        .plays()
    )


def test_case_20_a_500_for_an_operation_nobody_knows() -> None:
    """OneDrive/onedrive-api-docs#766."""
    (
        accepted()
        .monitor(500, {"error": {"code": "operationNotFound", "message": "The operation does not exist."}})
        .we("trouble: missing 500 operationNotFound")
        .plays()
    )


def test_a_consumer_failure_with_a_description_only() -> None:
    """OneDrive/onedrive-api-docs#666."""
    said = reply(
        200,
        '{"operation":"ItemCopy","percentageComplete":0,"status":"failed","statusDescription":"Completed 0/0 files; 0/9314 bytes"}',
    )
    assert told(reported(said)) == "failed: 500 generalException"
    problem = reported(said).problem
    assert problem is not None
    assert json.loads(problem.error) == {
        "code": "generalException",
        "message": "Completed 0/0 files; 0/9314 bytes",
    }


# --- cases 21, 22, 25, 26, 49, 53: polls that tell nothing ---------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504, 509])
def test_case_21_a_plain_server_error_says_nothing_about_the_job(status: int) -> None:
    accepted().monitor(status, "<html>").we(f"trouble: server_error {status}").plays()
    accepted().monitor(status, {"error": {"code": "generalException"}}).we(
        f"trouble: server_error {status} generalException"
    ).plays()


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("2.128", ", wait 2.128 s"),
        ("41", ", wait 41 s"),
        ("Tue, 14 Nov 2023 22:13:30 GMT", ", wait 10 s"),
        ("-1", ", wait 0 s"),
        ("soon", ""),
    ],
)
def test_case_22_throttling(value: str, wait: str) -> None:
    accepted().monitor(429, Retry_After=value).we(f"trouble: throttled 429{wait}").plays()


def test_throttling_in_its_other_spellings() -> None:
    (
        accepted()
        .monitor(429)
        .we("trouble: throttled 429")
        .monitor(503, Retry_After="5")
        .we("trouble: throttled 503, wait 5 s")
        .monitor(503, {"error": {"code": "activityLimitReached"}})
        .we("trouble: throttled 503 activityLimitReached")
        .monitor(429, {"status": "inProgress"}, Retry_After="5")
        .we("trouble: throttled 429, wait 5 s")
        .monitor(429, COMPLETED, Retry_After="5")
        .we(f"succeeded: {MINE}/items/{ID}, wait 5 s")
        .monitor(202, UNDER_WAY, Retry_After="30")
        .we("running 27.8 %, wait 30 s")
        .plays()
    )


def test_case_25_a_tokenless_monitor_says_401() -> None:
    """OneDrive/onedrive-api-docs#1057."""
    (
        accepted()
        .monitor(401, {"error": {"code": "unauthenticated", "message": "Authentication failed"}})
        .we("trouble: unauthorised 401 unauthenticated")
        .monitor(403, "<html>")
        .we("trouble: unauthorised 403")
        .monitor(302, Location="https://login.microsoftonline.com/common/oauth2/authorize?items=1")
        .we("trouble: garbage 302")
        .plays()
    )


def test_case_26_the_monitor_is_gone() -> None:
    for status in (404, 410):
        accepted().monitor(status).we(f"trouble: missing {status}").plays()
        accepted().monitor(status, "<html>", oversized=True).we(f"trouble: missing {status}").plays()


def test_case_49_garbage_with_a_200() -> None:
    for body in (
        "<html>",
        "",
        " ",
        "[]",
        "null",
        "3",
        '"completed"',
        '{"status":',
        b"\xff\xfe{",
        b"\x1f\x8b\x08",
        "NaN",
    ):
        accepted().monitor(200, body).we("trouble: garbage 200").plays()
    accepted().monitor(204).we("trouble: garbage 204").plays()
    accepted().monitor(400, {"error": {"code": "invalidRequest"}}).we(
        "trouble: garbage 400 invalidRequest"
    ).plays()
    accepted().monitor(200, COMPLETED, oversized=True).we("trouble: oversized 200").plays()
    accepted().monitor(202, oversized=True).we("trouble: oversized 202").plays()
    accepted().monitor(200, {"error": {"code": "x\ny" + "z" * 500}}).we(
        f"trouble: garbage 200 x?y{'z' * 125}"
    ).plays()


def test_case_53_nothing_we_conclude_holds_the_monitor_url() -> None:
    for said in (reply(200, COMPLETED), reply(200, UNDER_WAY), reply(401), reply(200, {"status": "failed"})):
        assert "monitor/" not in repr(heard(said))


# --- what other dialects build on ----------------------------------------------------------------------


def test_a_dialect_may_have_no_result_to_look_for() -> None:
    """What other dialects build on."""

    def nowhere(_members: object, _location: str | None) -> Found:
        return Found()

    assert read_report(reply(200, {"status": "succeeded"}), NOW, nowhere) == Report(
        Progress.SUCCEEDED, "succeeded", body='{"status": "succeeded"}'
    )
    assert read_report(reply(200, {"id": "1", "name": "n"}), NOW, nowhere) == Report(Progress.RUNNING)


def test_only_what_goes_on_is_remembered() -> None:
    def nowhere(_members: Mapping[str, object], _location: str | None) -> Found:
        return Found()

    report._running.cache_clear()
    running = reply(202, {"status": "inProgress", "percentageComplete": 12.5})
    first, second = (read_report(running, NOW, nowhere) for _ in range(2))
    assert first is second
    assert first == Report(Progress.RUNNING, "inProgress", 12.5)
    for ended in (reply(200, {"status": "completed", "resourceId": "01A"}), reply(404, {"error": {}})):
        read_report(ended, NOW, nowhere)
    assert report._running.cache_info().currsize == 1, "an end names an item"
    assert read_report(reply(429, {"status": "inProgress"}), NOW, nowhere) != first
