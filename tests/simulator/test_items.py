"""Drives and items over HTTP: reading, listing, content, creating, changing, deleting."""

import base64
import dataclasses

import pytest

from simulator.loopback import SECOND, Bench, run


def test_an_item_looks_like_graphs() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("GET", "/v1.0/me/drive/root:/Documents/report.docx")
        item = reply.json()
        assert item["id"].startswith("01")
        assert len(item["id"]) == 34
        assert item["parentReference"]["driveId"].startswith("b!")
        assert item["parentReference"]["path"].endswith("/root:/Documents")
        assert item["size"] == 480_000
        assert reply.header("ETag") == item["eTag"]
        assert item["@odata.context"].startswith(f"{bench.simulator.graph_url}/v1.0/$metadata#drives(")

    run(scenario)


@pytest.mark.parametrize(
    "path",
    [
        "root:/Documents/a%20b",
        "root:/Documents/a%20b:",
        "root:/Documents/a%20b:/",
        "root%3A/Documents/a%20b%3A",
        "root:/documents/A%20B",
    ],
)
def test_paths_with_and_without_their_last_colon(path: str) -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask("GET", f"/v1.0/me/drive/{path}")).json()["name"] == "a b"
        assert (await bench.ask("GET", f"/v1.0/me/drive/{path.replace('%20', '%2F')}")).status == 404

    run(scenario)


def test_select_and_expand() -> None:
    async def scenario(bench: Bench) -> None:
        place = "/v1.0/me/drive/root:/LargeFolder1"
        chosen = (await bench.ask("GET", f"{place}?$select=id,Name")).json()
        assert set(chosen) == {"@odata.context", "@odata.etag", "id", "name"}
        expanded = (await bench.ask("GET", f"{place}?$select=id&%24expand=children($select=name)")).json()
        assert [child["name"] for child in expanded["children"]] == ["part-1.bin", "part-2.bin", "below"]
        assert set(expanded["children"][0]) == {"@odata.etag", "name"}

    run(scenario)


def test_children_and_drives() -> None:
    async def scenario(bench: Bench) -> None:
        listed = (await bench.ask("GET", "/v1.0/me/drive/root/children?$select=name")).json()
        assert {"name": "Backup"}.items() <= listed["value"][-1].items()
        assert (await bench.ask("GET", "/v1.0/me/drive")).json()["driveType"] == "business"
        assert (await bench.ask("GET", "/v1.0/drive", user="cleo")).json()["driveType"] == "personal"
        assert (await bench.ask("GET", "/v1.0/groups/team/drive")).json()["driveType"] == "documentLibrary"
        assert (await bench.ask("GET", "/v1.0/me/drive/root:/empty.txt:/children")).status == 400

    run(scenario)


def test_a_shared_item_by_its_url() -> None:
    async def scenario(bench: Bench) -> None:
        item = (await bench.ask("GET", "/v1.0/me/drive/root:/video.mp4")).json()
        token = "u!" + base64.urlsafe_b64encode(item["webUrl"].encode()).decode().rstrip("=")
        assert (await bench.ask("GET", f"/v1.0/shares/{token}/driveItem")).json()["id"] == item["id"]
        assert (await bench.ask("GET", f"/v1.0/shares/{token}/driveItem", user="ben")).status == 403
        assert (await bench.ask("GET", "/v1.0/shares/u!aGk/driveItem")).status == 404
        assert (await bench.ask("GET", "/v1.0/shares/u!x/driveItem")).status == 400

    run(scenario)


def test_personal_ids_have_an_exclamation_mark_that_may_be_escaped() -> None:
    async def scenario(bench: Bench) -> None:
        item = bench.simulator.drive("cleo").find("video.mp4")
        assert item is not None
        assert "!" in item.id
        for spelled in (item.id, item.id.replace("!", "%21")):
            assert (await bench.ask("GET", f"/v1.0/me/drive/items/{spelled}", user="cleo")).status == 200

    run(scenario)


def test_content_is_a_redirect_to_a_place_that_needs_no_token() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("GET", "/v1.0/me/drive/root:/hello.txt:/content")
        assert (reply.status, reply.body) == (302, b"")
        assert (await bench.poll(reply.header("Location"))).body == b"Hello from the simulator.\n"
        assert (await bench.poll(reply.header("Location").replace("UniqueId=", "UniqueId=x"))).status == 404
        assert (await bench.ask("GET", "/v1.0/me/drive/root/content")).status == 400

    run(scenario)


def test_content_can_be_direct_and_survives_a_copy() -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.ask("GET", "/v1.0/me/drive/root:/Documents/report.docx:/content")
        assert len(first.body) == 480_000
        await bench.copy()
        bench.clock.time = 10
        second = await bench.ask("GET", "/v1.0/me/drive/root:/Documents/new.docx:/content")
        assert second.body == first.body

    run(scenario, dataclasses.replace(SECOND, content="direct"))


def test_put_makes_a_file_and_then_changes_it() -> None:
    async def scenario(bench: Bench) -> None:
        place = "/v1.0/me/drive/root:/New/deep/note.txt:/content"
        made = await bench.ask("PUT", place, body=b"one")
        assert (made.status, made.json()["size"]) == (201, 3)
        assert (await bench.ask("PUT", place, body=b"three")).status == 200
        item = bench.simulator.drive("ana").find("New/deep/note.txt")
        assert item is not None
        changed = await bench.ask("PUT", f"/v1.0/me/drive/items/{item.id}/content", body=b"fifteen")
        assert (changed.status, changed.json()["size"]) == (200, 7)
        assert changed.header("ETag") != made.header("ETag")
        assert (await bench.ask("PUT", "/v1.0/me/drive/root/content", body=b"x")).status == 400
        assert (
            await bench.ask("PUT", f"{place}?@microsoft.graph.conflictBehavior=fail", body=b"x")
        ).status == 409

    run(scenario)


def test_folders_are_made_under_each_conflict_behaviour() -> None:
    async def scenario(bench: Bench) -> None:
        place, body = "/v1.0/me/drive/root/children", {"name": "Backup", "folder": {}}
        assert (await bench.ask("POST", place, body=body)).status == 409
        body["@microsoft.graph.conflictBehavior"] = "rename"
        made = await bench.ask("POST", place, body=body)
        assert (made.status, made.json()["name"]) == (201, "Backup 1")
        assert (await bench.ask("POST", place, body={"name": "x"})).status == 400
        assert (await bench.ask("POST", "/v1.0/me/drive/root:/empty.txt:/children", body=body)).status == 400

    run(scenario)


def test_rename_move_and_their_conditions() -> None:
    async def scenario(bench: Bench) -> None:
        place = "/v1.0/me/drive/root:/video.mp4"
        tag = (await bench.ask("GET", place)).header("ETag")
        stale = (("If-Match", '"{x},1"'),)
        assert (await bench.ask("PATCH", place, body={"name": "film.mp4"}, headers=stale)).status == 412
        renamed = await bench.ask("PATCH", place, body={"name": "film.mp4"}, headers=(("If-Match", tag),))
        assert (renamed.status, renamed.json()["name"]) == (200, "film.mp4")
        place = f"/v1.0/me/drive/items/{renamed.json()['id']}"
        assert (await bench.ask("PATCH", place, body={"name": "empty.txt"})).status == 409
        moved = await bench.ask("PATCH", place, body={"parentReference": {"path": "/drive/root:/Backup"}})
        assert moved.json()["parentReference"]["name"] == "Backup"
        team = {"parentReference": {"driveId": bench.simulator.drive("team").id, "id": "root"}}
        assert (await bench.ask("PATCH", place, body=team)).status == 400
        assert (await bench.ask("PATCH", "/v1.0/me/drive/root", body={"name": "x"})).status == 400

    run(scenario)


def test_an_asynchronous_move_onto_a_taken_name_fails_in_the_monitor() -> None:
    async def scenario(bench: Bench) -> None:
        bench.simulator.drive("ana").add_file("Backup/video.mp4", 1)
        body = {"parentReference": {"path": "/drive/root:/Backup"}}
        accepted = await bench.ask(
            "PATCH", "/v1.0/me/drive/root:/video.mp4", body=body, simulate="move=async"
        )
        bench.clock.time = 10
        assert (await bench.poll(accepted.header("Location"))).code == "nameAlreadyExists"

    run(scenario)


def test_delete_and_not_modified() -> None:
    async def scenario(bench: Bench) -> None:
        place = "/v1.0/me/drive/root:/empty.txt"
        tag = (await bench.ask("GET", place)).header("ETag")
        unchanged = await bench.ask("GET", place, headers=(("If-None-Match", tag),))
        assert (unchanged.status, unchanged.body) == (304, b"")
        head = await bench.ask("HEAD", place)
        assert (head.status, head.body) == (200, b"")
        assert int(head.header("Content-Length")) > 0
        deleted = await bench.ask("DELETE", place)
        assert (deleted.status, deleted.header("Content-Length")) == (204, "")
        assert (await bench.ask("GET", place)).code == "itemNotFound"
        assert (await bench.ask("DELETE", "/v1.0/me/drive/root")).status == 400

    run(scenario)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 400),
        ("GET", "/v2.0/me", 400),
        ("GET", "/v1.0/", 400),
        ("GET", "/v1.0/nowhere", 400),
        ("GET", "/v1.0/me/drive/nowhere", 400),
        ("GET", "/v1.0/me/drive/root/nowhere", 400),
        ("GET", "/v1.0/me/drive/root/children/x", 400),
        ("PUT", "/v1.0/me/drive/root/copy", 405),
        ("GET", "/v1.0/me/drive/items", 400),
    ],
)
def test_what_is_not_there(method: str, path: str, status: int) -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask(method, path)).status == status

    run(scenario)


def test_a_sensitivity_label_is_for_files() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask("POST", "/v1.0/me/drive/root:/Backup:/assignSensitivityLabel")).status == 400

    run(scenario)
