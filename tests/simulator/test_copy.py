"""Copies: they take time, come to be once, and fail as Graph's pages say."""

import dataclasses

import pytest

from simulator.loopback import SECOND, Bench, run


def test_a_copy_runs_reports_progress_and_creates_the_item_at_its_end() -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy()
        assert (accepted.status, accepted.body) == (202, b"")
        location = accepted.header("Location")
        assert location.startswith(bench.simulator.monitor_url + "/_api/v2.0/monitor/")
        bench.clock.time = 2.78
        report = await bench.poll(location)
        assert report.status == 202
        assert report.json() == {"operation": "ItemCopy", "percentageComplete": 27.8, "status": "inProgress"}
        assert "new.docx" not in bench.simulator.drive("ana").names("Documents")
        bench.clock.time = 10.0
        end = (await bench.poll(location)).json()
        assert end["status"] == "completed"
        item = await bench.ask("GET", f"/v1.0/me/drive/items/{end['resourceId']}")
        assert item.json()["name"] == "new.docx"
        assert item.json()["createdDateTime"] == "2027-01-15T08:00:10.000Z"
        summary = bench.simulator.summary()
        assert (summary.copies_started, summary.copies_finished, summary.items_created) == (1, 1, 1)
        assert summary.effects == {"ana:/Documents/new.docx": 1}
        assert list(summary.polls.values()) == [2]
        assert summary.violations == ()

    run(scenario)


def test_a_copy_takes_time_in_proportion_to_its_size() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.copy("LargeFolder1", body={"name": "F"})
        assert bench.simulator.operations()[0].duration == pytest.approx(1 + 100)

    run(scenario, dataclasses.replace(SECOND, base_duration=1.0, bytes_per_second=1e6))


def test_a_folder_is_copied_with_all_below_it_as_it_was_at_the_start() -> None:
    async def scenario(bench: Bench) -> None:
        drive = bench.simulator.drive("ana")
        await bench.copy("LargeFolder1", body={"name": "F"})
        drive.add_file("LargeFolder1/late.bin", 5)
        bench.clock.time = 10
        await bench.ask("GET", "/v1.0/me")
        assert drive.names("F") == ["below", "part-1.bin", "part-2.bin"]
        assert drive.names("F/below") == ["part-3.bin"]

    run(scenario)


@pytest.mark.parametrize(
    "target",
    [
        "/v1.0/me/drive/items/{item}/copy",
        "/v1.0/me/drive/items/{item}/copy/",
        "/V1.0/ME/Drive/Items/{item}/COPY",
        "/beta/me/drive/items/{item}/microsoft.graph.copy",
        "/v1.0/me/drive/items/{item}/oneDrive.copy",
        "/v1.0/me/drive/items/{item}/%63opy",
        "/v1.0/drive/items/{item}/copy?",
        "/v1.0/drives/{drive}/items/{item}/copy",
        "/v1.0/drives('{drive}')/items('{item}')/copy",
        "/v1.0/drives(%27{drive}%27)/items(%27{item}%27)/microsoft.graph.copy",
        "/v1.0/users/ana/drive/items/{item}/copy",
        "/v1.0/users/ana@contoso.com/drives/{drive}/items/{item}/copy",
        "/v1.0/me/drive/root:/Documents/report.docx:/copy",
        "/v1.0/me/drive/items/root:/Documents/report.docx:/copy",
        "/v1.0/me/drive/items/root%3A%2FDocuments%2Freport.docx%3A/copy",
        "/v1.0/drives/{drive}/root:/documents/REPORT.docx:/copy",
        "/v1.0/me/drive/items/{folder}:/report.docx:/copy",
        "/v1.0/me/drive/special/documents:/report.docx:/copy",
        "/v1.0/storage/fileStorage/containers/{drive}/drive/items/{item}/copy",
    ],
)
def test_every_form_of_address_reaches_the_same_item(target: str) -> None:
    async def scenario(bench: Bench) -> None:
        drive = bench.simulator.drive("ana")
        item, folder = drive.find("Documents/report.docx"), drive.find("Documents")
        assert item is not None
        assert folder is not None
        path = target.format(item=item.id, drive=drive.id, folder=folder.id)
        accepted = await bench.ask("POST", path, body={"name": "new.docx"})
        assert accepted.status == 202
        bench.clock.time = 10
        assert bench.simulator.summary().effects == {"ana:/Documents/new.docx": 1}

    run(scenario)


def test_a_file_that_is_called_copy_is_not_the_action() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask("POST", "/v1.0/me/drive/root:/Documents/copy")).status == 405
        path = "/v1.0/me/drive/root:/Documents/copy:/copy"
        assert (await bench.ask("POST", path, body={"name": "again"})).status == 202

    run(scenario)


def test_odd_names_are_found_by_their_escaped_path() -> None:
    async def scenario(bench: Bench) -> None:
        path = "/v1.0/me/drive/root:/Documents/a%20b/%C3%BCn%C3%AF%231%20100%25's%20(x).txt:/copy"
        assert (await bench.ask("POST", path, body={"name": "plain.txt"})).status == 202

    run(scenario)


@pytest.mark.parametrize(
    ("reference", "effect"),
    [
        ({"path": "/drive/root:/Backup"}, "ana:/Backup/report.docx"),
        ({"path": "/me/drive/root:/Backup"}, "ana:/Backup/report.docx"),
        ({"path": "/drives/{ana}/root:/Backup"}, "ana:/Backup/report.docx"),
        ({"path": "/drive/root:"}, "ana:/report.docx"),
        ({"path": "/drives/{team}/root:/General"}, "team:/General/report.docx"),
        ({"driveId": "{team}", "path": "/drive/root:/General"}, "team:/General/report.docx"),
        ({"driveId": "{team}", "id": "{general}"}, "team:/General/report.docx"),
        ({"driveId": "{team}", "id": "root"}, "team:/report.docx"),
        ({"driveId": "{team}"}, "team:/report.docx"),
        ({"id": "{backup}"}, "ana:/Backup/report.docx"),
    ],
)
def test_the_destination_is_named_by_id_or_path(reference: dict[str, str], effect: str) -> None:
    async def scenario(bench: Bench) -> None:
        ana, team = bench.simulator.drive("ana"), bench.simulator.drive("team")
        ids = {"ana": ana.id, "team": team.id}
        ids |= {"backup": ana.add_folder("Backup").id, "general": team.add_folder("General").id}
        filled = {key: value.format(**ids) for key, value in reference.items()}
        assert (await bench.copy(body={"parentReference": filled})).status == 202
        bench.clock.time = 10
        assert list(bench.simulator.summary().effects) == [effect]

    run(scenario)


def test_a_taken_name_that_was_given_is_refused_at_the_post() -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.copy(body={"name": "REPORT.docx"})
        assert (refused.status, refused.code) == (409, "nameAlreadyExists")
        assert refused.json()["error"]["message"] == "The specified item name already exists."
        assert bench.simulator.summary().copies_started == 0

    run(scenario)


@pytest.mark.parametrize("body", [{}, None, {"parentReference": {"path": "/drive/root:/Documents"}}])
def test_a_taken_name_that_was_not_given_fails_in_the_monitor(body: object) -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy(body=body)
        assert accepted.status == 202
        bench.clock.time = 10
        report = await bench.poll(accepted.header("Location"))
        assert report.json()["status"] == "failed"
        assert report.code == "nameAlreadyExists"
        assert bench.simulator.summary().copies_failed == 1

    run(scenario)


def test_of_two_copies_at_a_time_the_second_fails_and_rename_makes_two() -> None:
    async def scenario(bench: Bench) -> None:
        first, second = await bench.copy(), await bench.copy()
        bench.clock.time = 10
        assert (await bench.poll(first.header("Location"))).json()["status"] == "completed"
        assert (await bench.poll(second.header("Location"))).code == "nameAlreadyExists"
        item = bench.simulator.drive("ana").find("Documents/report.docx")
        assert item is not None
        for key in ("@microsoft.graph.conflictBehavior", "%40microsoft.graph.conflictBehavior"):
            path = f"/v1.0/me/drive/items/{item.id}/copy?{key}=rename"
            assert (await bench.ask("POST", path, body={"name": "new.docx"})).status == 202
        bench.clock.time = 20
        assert bench.simulator.summary().effects == {"ana:/Documents/new.docx": 3}
        names = bench.simulator.drive("ana").names("Documents")
        assert {"new.docx", "new 1.docx", "new 2.docx"} < set(names)

    run(scenario)


def test_replace_replaces_files_and_not_folders() -> None:
    async def scenario(bench: Bench) -> None:
        behaviour = "?@microsoft.graph.conflictBehavior=replace"
        path = "/v1.0/me/drive/root:/Documents/report.docx:/copy" + behaviour
        assert (await bench.ask("POST", path, body={"name": "budget.xlsx"})).status == 202
        bench.clock.time = 10
        report = await bench.ask("GET", "/v1.0/me/drive/root:/Documents/budget.xlsx")
        assert report.json()["size"] == 480_000
        path = "/v1.0/me/drive/root:/LargeFolder1:/copy" + behaviour
        assert (await bench.ask("POST", path, body={"name": "Backup"})).status == 409

    run(scenario)


def test_an_unknown_conflict_behaviour_is_refused_and_one_in_the_body_is_ignored() -> None:
    async def scenario(bench: Bench) -> None:
        path = "/v1.0/me/drive/root:/Documents/report.docx:/copy"
        query = "?@microsoft.graph.conflictBehavior=guess"
        assert (await bench.ask("POST", path + query, body={"name": "x"})).status == 400
        body = {"name": "report.docx", "@microsoft.graph.conflictBehavior": "rename"}
        assert (await bench.ask("POST", path, body=body)).status == 409

    run(scenario)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("root", {"name": "x"}, 400, "Cannot copy the root folder."),
        ("root:/video.mp4:", {"childrenOnly": True}, 400, "childrenOnly option is not valid for file items."),
        (
            "root",
            {"childrenOnly": True, "name": "x"},
            400,
            "Cannot use name parameter alongside childrenOnly.",
        ),
        ("root:/video.mp4:", {"name": "a/b"}, 400, "The provided name cannot contain special characters."),
        ("root:/video.mp4:", {"parentReference": {"id": "nope"}}, 404, "The resource could not be found."),
        (
            "root:/video.mp4:",
            {"parentReference": {"driveId": "b!x"}},
            404,
            "The resource could not be found.",
        ),
        (
            "root:/video.mp4:",
            {"parentReference": {"path": "?"}},
            400,
            "The path of the parentReference is malformed.",
        ),
        (
            "root:/video.mp4:",
            {"parentReference": {"path": "/drive/root:/empty.txt"}},
            400,
            "The destination is not a folder.",
        ),
        ("root:/nowhere:", {"name": "x"}, 404, "The resource could not be found."),
        ("items/01NOPE", {"name": "x"}, 404, "The resource could not be found."),
        ("special/nope:/x:", {}, 400, "The special folder identifier isn't valid"),
    ],
)
def test_what_is_refused_at_the_post(path: str, body: object, status: int, message: str) -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.ask("POST", f"/v1.0/me/drive/{path}/copy", body=body)
        assert (refused.status, refused.json()["error"]["message"]) == (status, message)
        assert bench.simulator.summary().copies_started == 0

    run(scenario)


def test_a_body_that_is_no_json_object_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        for body in (b"{", b"[]"):
            refused = await bench.copy(body=body)
            assert (refused.status, refused.code) == (400, "BadRequest")

    run(scenario)


def test_children_only_fills_the_destination_and_names_it_as_the_result() -> None:
    async def scenario(bench: Bench) -> None:
        drive = bench.simulator.drive("ana")
        backup = drive.add_folder("Backup")
        accepted = await bench.copy(
            "LargeFolder1", body={"childrenOnly": True, "parentReference": {"id": backup.id}}
        )
        bench.clock.time = 10
        assert (await bench.poll(accepted.header("Location"))).json()["resourceId"] == backup.id
        assert drive.names("Backup") == ["below", "part-1.bin", "part-2.bin"]

    run(scenario)


def test_children_only_that_meets_taken_names_fails_with_details_and_copies_the_rest() -> None:
    async def scenario(bench: Bench) -> None:
        drive = bench.simulator.drive("ana")
        there = drive.add_file("Backup/part-1.bin", 1)
        body = {"childrenOnly": True, "parentReference": {"path": "/drive/root:/Backup"}}
        accepted = await bench.copy("LargeFolder1", body=body)
        bench.clock.time = 10
        error = (await bench.poll(accepted.header("Location"))).json()["error"]
        assert "code" not in error
        assert [detail.get("target") for detail in error["details"]] == [None, there.id]
        assert drive.names("Backup") == ["below", "part-1.bin", "part-2.bin"]

    run(scenario)


def test_a_destination_that_is_gone_at_the_end_fails_the_copy() -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy(body={"parentReference": {"path": "/drive/root:/Backup"}})
        assert (await bench.ask("DELETE", "/v1.0/me/drive/root:/Backup")).status == 204
        bench.clock.time = 10
        assert (await bench.poll(accepted.header("Location"))).code == "itemNotFound"

    run(scenario)


def test_a_move_can_be_asynchronous() -> None:
    async def scenario(bench: Bench) -> None:
        path, body = "/v1.0/me/drive/root:/video.mp4", {"parentReference": {"path": "/drive/root:/Backup"}}
        accepted = await bench.ask("PATCH", path, body=body, simulate="move=async")
        assert accepted.status == 202
        bench.clock.time = 10
        report = (await bench.poll(accepted.header("Location"))).json()
        assert report["resourceId"] in bench.simulator.drive("ana").items
        assert "video.mp4" in bench.simulator.drive("ana").names("Backup")

    run(scenario)


def test_a_sensitivity_label_takes_time_and_makes_no_item() -> None:
    async def scenario(bench: Bench) -> None:
        path = "/v1.0/me/drive/root:/Documents/report.docx"
        label = {"sensitivityLabelId": "b7d4", "assignmentMethod": "standard"}
        accepted = await bench.ask("POST", f"{path}:/assignSensitivityLabel", body=label)
        assert accepted.status == 202
        assert "?tempAuth=" in accepted.header("Location")
        bench.clock.time = 10
        assert (await bench.poll(accepted.header("Location"))).json()["status"] == "completed"
        item = (await bench.ask("GET", path)).json()
        assert item["sensitivityLabel"] == {"sensitivityLabelId": "b7d4"}
        assert bench.simulator.summary().items_created == 0

    run(scenario)


def test_upload_from_a_url_needs_respond_async_and_then_takes_time() -> None:
    async def scenario(bench: Bench) -> None:
        path = "/v1.0/me/drive/root/children"
        body = {"@microsoft.graph.sourceUrl": "https://example.com/x", "name": "x.jpg", "file": {}}
        assert (await bench.ask("POST", path, body=body, user="cleo")).status == 400
        prefer = (("Prefer", "respond-async"),)
        accepted = await bench.ask("POST", path, body=body, user="cleo", headers=prefer)
        assert accepted.header("Location").startswith(bench.simulator.monitor_url + "/monitor/")
        bench.clock.time = 5
        assert (await bench.poll(accepted.header("Location"))).json()["operation"] == "DownloadUrl"
        bench.clock.time = 10
        assert bench.simulator.summary().effects == {"cleo:/x.jpg": 1}

    run(scenario)
