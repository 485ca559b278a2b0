"""Where the finished item is: what a report says of it, and what the call said before.

The numbers are those of the project's list of awkward cases.
"""

import pytest

from unit.dialect_script import (
    COMPLETED,
    COPY,
    ID,
    MINE,
    TO_DOCUMENTS,
    TO_OTHER_DRIVE,
    Body,
    Script,
    accepted,
    reply,
    reported,
)

# --- cases 27, 34 to 37 --------------------------------------------------------------------------------


def test_case_27_completed_without_an_id() -> None:
    completed: Body = {"status": "completed"}
    named = f"{MINE}/root:/Documents/Copy%20of%20LargeFolder1"
    url = "https://contoso.sharepoint.com/sites/site2/_api/v2.0/drives/b!1Ywm/items/016OG"
    accepted().monitor(200, {"status": "completed", "resourceLocation": url}).we(
        "succeeded: /v1.0/drives/b!1Ywm/items/016OG"
    ).plays()
    accepted().monitor(303, completed, Location=url).we("succeeded: /v1.0/drives/b!1Ywm/items/016OG").plays()
    accepted().monitor(200, completed).we(f"succeeded: {named}").plays()
    accepted(b"").monitor(200, completed).we("succeeded: None").plays()
    for bad in ("", " ", None, 7, ["B"], "..", "a/b", "a?b", "a%2Fb", "B\n", "é", "x" * 600):
        accepted().monitor(200, {"status": "completed", "resourceId": bad}).we(f"succeeded: {named}").plays()


def test_case_34_a_copy_to_another_drive() -> None:
    accepted(TO_OTHER_DRIVE).monitor(200, COMPLETED).we(f"succeeded: /v1.0/drives/b!dest/items/{ID}").plays()


def test_the_location_of_the_resource_wins_over_its_id() -> None:
    """driveItem: copy, example 2."""
    context = (
        "https://contoso.sharepoint.com/sites/site1/_api/v2.1/$metadata#drives('driveId')/operations/$entity"
    )
    (
        accepted(TO_OTHER_DRIVE)
        .monitor(
            200,
            {
                "@odata.context": context,
                "id": "049af13f-d177-4c67-aed0-15bdc7ee1e1a",
                "createdDateTime": "0001-01-01T00:00:00Z",
                "lastActionDateTime": "0001-01-01T00:00:00Z",
                "percentageComplete": 100,
                "percentComplete": 100,
                "resourceId": "016OGUCSF6Y2GOVW7725BZO354PWSELRRZ",
                "resourceLocation": "https://contoso.sharepoint.com/sites/site2/_api/v2.0/drives/b!1YwmIVM/items/016OGUCSF6Y2GOVW7725BZO354PWSELRRZ",
                "status": "completed",
            },
        )
        .we("succeeded: /v1.0/drives/b!1YwmIVM/items/016OGUCSF6Y2GOVW7725BZO354PWSELRRZ")
        .plays()
    )


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://graph.microsoft.com/v1.0/drives/b!x/items/01X", "/v1.0/drives/b!x/items/01X"),
        ("https://graph.microsoft.com/beta/drives('b!x')/items('01X')", "/v1.0/drives/b!x/items/01X"),
        (
            "https://c.sharepoint.com/_api/v2.1/DRIVES/b%21x/Items/01X?a=/items/y",
            "/v1.0/drives/b!x/items/01X",
        ),
        ("/drives/b!x/items/01X", "/v1.0/drives/b!x/items/01X"),
        ("https://graph.microsoft.com/v1.0/me/drive/items/01X", f"{MINE}/items/01X"),
        ("https://c.sharepoint.com/sites/items/_api/v2.0/drives/b!x/items/01X", "/v1.0/drives/b!x/items/01X"),
        ("https://c.sharepoint.com/sites/items/_api/v2.0/drive/items/01X", f"{MINE}/items/01X"),
        ("https://c.sharepoint.com/_api/v2.0/drives//items/01X", f"{MINE}/items/01X"),
        # what cannot be one segment is no id
        ("https://graph.microsoft.com/v1.0/drives/../items/01X", f"{MINE}/items/01X"),
        ("https://graph.microsoft.com/v1.0/drives/b!x/items/..", f"{MINE}/items/FALLBACK"),
        ("https://graph.microsoft.com/v1.0/drives/b!x/items/a%2F..%2F..%2Fme", f"{MINE}/items/FALLBACK"),
        ("https://graph.microsoft.com/v1.0/drives/b!x", f"{MINE}/items/FALLBACK"),
        ("", f"{MINE}/items/FALLBACK"),
        (None, f"{MINE}/items/FALLBACK"),
        (17, f"{MINE}/items/FALLBACK"),
    ],
)
def test_resource_locations(location: object, expected: str) -> None:
    body: Body = {"status": "completed", "resourceLocation": location, "resourceId": "FALLBACK"}
    accepted().monitor(200, body).we(f"succeeded: {expected}").plays()


def test_case_35_relative_destinations() -> None:
    users = "POST /v1.0/users/u/drive/items/A/copy"
    for body in (TO_DOCUMENTS, {"name": "b"}, b"", {"parentReference": {"id": "P"}}):
        accepted(body, users).monitor(200, COMPLETED).we(f"succeeded: /v1.0/users/u/drive/items/{ID}").plays()
    # nothing can be made of an id alone where the drive is not known
    shared = "POST /v1.0/shares/u!tok/driveItem/copy"
    accepted(b"", shared).monitor(200, COMPLETED).we("succeeded: None").plays()
    accepted(b"{", COPY).monitor(200, COMPLETED).we("succeeded: None").plays()
    assert reported(reply(200, COMPLETED), shared, b"").resource_id == ID


def test_consumer_ids_name_their_drive() -> None:
    body: Body = {"status": "completed", "resourceId": "5F663FB20714AA03!11000"}
    consumer = "succeeded: /v1.0/drives/5F663FB20714AA03/items/5F663FB20714AA03!11000"
    accepted().monitor(200, body).we(consumer).plays()
    accepted(b"{").monitor(200, body).we(consumer).plays()
    accepted(TO_OTHER_DRIVE).monitor(200, body).we(
        "succeeded: /v1.0/drives/b!dest/items/5F663FB20714AA03!11000"
    ).plays()


def test_case_36_children_only_results_in_the_destination_folder() -> None:
    body: Body = {"parentReference": {"driveId": "b!dest", "id": "P"}, "childrenOnly": True}
    accepted(body).monitor(200, {"status": "completed", "resourceId": "P"}).we(
        "succeeded: /v1.0/drives/b!dest/items/P"
    ).plays()


def test_case_37_no_path_is_guessed_after_renaming() -> None:
    line = f"{COPY}?@microsoft.graph.conflictBehavior=rename"
    accepted(TO_OTHER_DRIVE, line).monitor(200, {"status": "completed"}).we("succeeded: None").plays()


def test_a_monitor_that_answers_with_the_item_itself() -> None:
    item: Body = {"id": "01X", "name": "b", "parentReference": {"driveId": "b!x"}}
    accepted().monitor(200, item).we("succeeded: /v1.0/drives/b!x/items/01X").plays()
    accepted().monitor(200, {"id": "01X", "folder": {}}).we(f"succeeded: {MINE}/items/01X").plays()
    accepted().monitor(200, {"id": "049af13f"}).we("running").plays()
    accepted().monitor(404, item).we("trouble: missing 404").plays()


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("PATCH /v1.0/me/drive/items/A", {"parentReference": {"driveId": "b!dest", "id": "P"}}),
        ("POST /v1.0/me/drive/items/A/assignSensitivityLabel", {"sensitivityLabelId": "x"}),
    ],
)
def test_a_move_and_a_label_end_in_the_same_item(line: str, body: Body) -> None:
    url = "https://contoso.sharepoint.com/_api/v2.0/monitor/QXNz?tempAuth=eyJ"
    (
        Script(line, body)
        .graph(202, Location=url)
        .we(f"poll {url}")
        .monitor(200, {"status": "completed", "resourceId": "other"})
        .we(f"succeeded: {MINE}/items/A")
        .monitor(303, Location="https://contoso.sharepoint.com/_api/v2.0/drives/x/items/y")
        .we(f"succeeded: {MINE}/items/A")
        .plays()
    )


def test_a_move_by_path_ends_at_the_new_path() -> None:
    body: Body = {"parentReference": {"path": "/drive/root:/e"}}
    (
        accepted(body, "PATCH /v1.0/me/drive/root:/d/a.txt")
        .monitor(200, {"status": "completed"})
        .we(f"succeeded: {MINE}/root:/e/a.txt")
        .monitor(200, COMPLETED)
        .we(f"succeeded: {MINE}/items/{ID}")
        .plays()
    )


def test_an_upload_from_a_url() -> None:
    url = "https://api.onedrive.com/monitor/4A3407B5"
    (
        Script(
            "POST /v1.0/me/drive/items/P/children", {"@content.sourceUrl": "https://x.test/a", "name": "a"}
        )
        .graph(202, Location=url)
        .we(f"poll {url}")
        .monitor(202, {"operation": "DownloadUrl", "percentageComplete": 40, "status": "inProgress"})
        .we("running 40 %")
        .monitor(303, Location="https://api.onedrive.com/items/5F663FB20714AA03!7")
        .we("succeeded: /v1.0/drives/5F663FB20714AA03/items/5F663FB20714AA03!7")
        .plays()
    )
