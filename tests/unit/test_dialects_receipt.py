"""What Graph answered to the POST, and what we conclude from it: is there a monitor, where, and may it be polled.

The numbers are those of the project's list of awkward cases.
"""

import pytest

from gateway.dialects.drive import Drive
from gateway.model import Headers, Reply
from unit.dialect_script import (
    COMPLETED,
    COPY,
    ID,
    MINE,
    MONITOR,
    RULES,
    TO_DOCUMENTS,
    Script,
    accepted,
    call,
    planned,
)

DRIVE = Drive()

# --- cases 7 to 9: odd locations -----------------------------------------------------------------------


def test_case_7_the_location_of_the_202_is_the_item() -> None:
    """OneDrive/onedrive-api-docs#762: done, although this is a 202."""
    base = "https://contoso-my.sharepoint.com/personal/u_contoso_com/_api/v2.0"
    (
        Script(COPY, TO_DOCUMENTS)
        .graph(202, Location=f"{base}/drives/b!x/items/01NEW?force303=1&tempauth=eyJ")
        .we("already there: /v1.0/drives/b!x/items/01NEW")
        .plays()
    )
    Script(COPY).graph(202, Location=f"{base}/drive/items/01NEW").we(
        f"already there: {MINE}/items/01NEW"
    ).plays()
    (
        Script(COPY, TO_DOCUMENTS)
        .graph(202, Location=f"{base}/drives('x')/items('')")
        .we(f"already there: {MINE}/root:/Documents/Copy%20of%20LargeFolder1")
        .plays()
    )
    Script(COPY).graph(202, Location=f"{base}/drives('x')/items('')").we("pass it on").plays()
    # what is called a monitor or an operation is one
    for tail in ("items/01NEW/operations/1", "operations/items/1", "monitor/items/1"):
        url = f"{base}/drives/b!x/{tail}"
        Script(COPY).graph(202, Location=url).we(f"poll {url}").plays()


def test_case_8_a_monitor_without_monitor_in_it_is_polled_byte_for_byte() -> None:
    """O365/python-o365#628: the guid is no item's id."""
    url = (
        "https://contoso-my.sharepoint.com/personal/u/_api/v2.1/drive/operations/9d4a-4f?"
        "c=a%3D%2F%2b&v=2.0&t=e%2Ds%27&tempauth=eyJ0.eyJh.%21"
    )
    (
        Script(COPY, TO_DOCUMENTS)
        .graph(202, location=url)
        .we(f"poll {url}")
        .monitor(200, {"id": "9d4a-4f", "status": "completed"})
        .we(f"succeeded: {MINE}/root:/Documents/Copy%20of%20LargeFolder1")
        .plays()
    )


def test_case_9_a_202_without_location() -> None:
    """OneDrive/onedrive-api-docs#1769."""
    Script(COPY).graph(202).we("pass it on").plays()
    Script(COPY).graph(202, Location="").we("pass it on").plays()
    Script(COPY).graph(202, Content_Location=MONITOR).we("pass it on").plays()


# --- headers of the 202 --------------------------------------------------------------------------------


def test_only_a_202_is_an_operation() -> None:
    for status in (200, 201, 204, 303, 400, 409, 429, 500, 503):
        Script(COPY).graph(status, Location=MONITOR).we("pass it on").plays()


def test_header_names_have_no_case_and_operation_location_is_preferred() -> None:
    other = "https://contoso.sharepoint.com/_api/v2.0/monitor/2"
    Script(COPY).graph(202, LOCATION=MONITOR).we(f"poll {MONITOR}").plays()
    Script(COPY).graph(202, Operation_Location=other).we(f"poll {other}").plays()
    Script(COPY).graph(202, Location=MONITOR, operation_location=other).we(f"poll {other}").plays()
    Script(COPY).graph(202, Operation_Location="https://evil.test/", Location=MONITOR).we(
        f"poll {MONITOR}"
    ).plays()


def test_a_location_given_twice_must_say_the_same() -> None:
    plan, one = planned(COPY), call(COPY)
    same: Headers = ((b"Location", MONITOR.encode()), (b"location", MONITOR.encode()))
    receipt = DRIVE.receipt(plan, one, Reply(202, same), RULES)
    assert receipt is not None
    assert receipt.monitor == MONITOR
    differing: Headers = (*same, (b"Location", b"https://contoso.sharepoint.com/_api/v2.0/monitor/2"))
    assert DRIVE.receipt(plan, one, Reply(202, differing), RULES) is None


def test_a_trailing_comma_and_white_space_are_trimmed() -> None:
    Script(COPY).graph(202, Location=f" {MONITOR}, ").we(f"poll {MONITOR}").plays()


def test_relative_monitors_are_the_upstreams_in_the_version_of_the_call() -> None:
    graph = "https://graph.microsoft.com"
    for location, url in (
        ("/me/drive/operations('1')", f"{graph}/v1.0/me/drive/operations('1') with the credential"),
        ("/beta/operations/1", f"{graph}/beta/operations/1 with the credential"),
        ("/teams('beta')/operations('1')", f"{graph}/v1.0/teams('beta')/operations('1') with the credential"),
        ("/_api/v2.0/monitor/1", f"{graph}/_api/v2.0/monitor/1"),
    ):
        Script(COPY).graph(202, Location=location).we(f"poll {url}").plays()
    for location in ("//evil.test/monitor/1", "monitor/1", "?x", "/a b", "/a\\b", "/@evil.test\r\nx"):
        Script(COPY).graph(202, Location=location).we("pass it on").plays()


# --- cases 38 to 41, 51, 52: what goes where -----------------------------------------------------------


def test_case_38_files_called_copy_and_names_with_escapes() -> None:
    Script("POST /v1.0/me/drive/root:/d/copy", TO_DOCUMENTS).we("not an operation").plays()
    (
        accepted(
            {"name": "b"},
            "POST /v1.0/me/drive/root:/a%20b%23c%27(1)/copy:/copy?%40microsoft.graph.conflictBehavior=fail",
        )
        .monitor(200, {"status": "completed"})
        .we(f"succeeded: {MINE}/root:/a%20b%23c'(1)/b")
        .plays()
    )


def test_case_39_other_spellings_of_copy() -> None:
    for line in (
        "POST /V1.0/Users/a@b.c/Drive/Items/A/Copy/",
        "POST /v1.0/users/a@b.c/drive/items/A/microsoft.graph.copy",
    ):
        accepted(TO_DOCUMENTS, line).monitor(200, COMPLETED).we(
            f"succeeded: /v1.0/users/a@b.c/drive/items/{ID}"
        ).plays()


def test_case_40_monitors_that_may_not_be_polled() -> None:
    for url in (
        "https://evil.test/monitor/1",
        "http://contoso.sharepoint.com/monitor/1",
        "https://169.254.169.254/monitor/1",
        "https://contoso.sharepoint.com.evil.test/drives/b!x/items/01X",
        "https://u@contoso.sharepoint.com/monitor/1",
        "https://contoso.sharepoint.com/monitor/é",
    ):
        Script(COPY, TO_DOCUMENTS).graph(202, Location=url).we("pass it on").plays()


def test_case_41_monitors_elsewhere_take_no_credential() -> None:
    for url in (
        MONITOR,
        "https://api.onedrive.com/v1.0/monitor/1",
        "https://contoso.sharepoint.com/v1.0/operations/1",
    ):
        Script(COPY).graph(202, Location=url).we(f"poll {url}").plays()
    hosted = "https://graph.microsoft.com/v1.0/me/drive/operations/1"
    Script(COPY).graph(202, Location=hosted).we(f"poll {hosted} with the credential").plays()


def test_case_51_downloads_are_not_ours() -> None:
    Script("GET /v1.0/me/drive/items/A/content").we("not an operation").plays()


@pytest.mark.parametrize("body", ["{}", "Accepted", b"\x1f\x8b\x08\x00", b"", b"\xff" * 100])
def test_case_52_the_body_of_a_202_does_not_matter(body: bytes | str) -> None:
    Script(COPY).graph(202, body, Location=MONITOR, Content_Type="text/plain").we(f"poll {MONITOR}").plays()


# --- the script itself ---------------------------------------------------------------------------------


def test_a_script_that_is_not_played_as_written_shows_the_difference() -> None:
    with pytest.raises(AssertionError) as failure:
        accepted().monitor(200, COMPLETED).we("running").plays()
    shown = str(failure.value).splitlines()
    assert "-    we: running" in shown
    assert f"+    we: succeeded: {MINE}/items/{ID}" in shown
    assert f"     we: poll {MONITOR}" in shown
