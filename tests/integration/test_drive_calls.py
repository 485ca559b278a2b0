"""The other drive calls that may start an operation, and those that only look like it."""

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from functools import partial

import pytest
from stage import Answer, Stage, in_thread, play

from gateway.simulator import SimulatorSettings

pytestmark = pytest.mark.usefixtures("every_store")

BACKUP = {"path": "/drive/root:/Backup"}


async def item_id(stage: Stage, path: str) -> str:
    answer = await stage.call("GET", f"/v1.0/me/drive/root:/{path}")
    return str(answer.json["id"])


class TestMove:
    def test_a_move_that_is_answered_202_is_held(self) -> None:
        async def story(stage: Stage) -> None:
            moved = await item_id(stage, "hello.txt")
            folder = await item_id(stage, "Backup")
            headers = {"Simulate": "move=async; duration=100ms"}
            answer = await stage.call(
                "PATCH",
                f"/v1.0/me/drive/items/{moved}",
                body={"parentReference": {"id": folder}},
                headers=headers,
            )
            assert (answer.status, answer.json["id"]) == (200, moved)
            assert answer.header("Gateway-Operation")
            assert (await stage.call("GET", "/v1.0/me/drive/root:/Backup/hello.txt")).status == 200

        play(story)

    def test_a_move_that_is_answered_200_and_a_rename_are_passed_on(self) -> None:
        async def story(stage: Stage) -> None:
            moved = await item_id(stage, "hello.txt")
            for body in (
                {"parentReference": {"id": await item_id(stage, "Backup")}},
                {"name": "renamed.txt"},
            ):
                answer = await stage.call("PATCH", f"/v1.0/me/drive/items/{moved}", body=body)
                assert answer.status == 200
                assert answer.header("Gateway-Operation") is None

        play(story)

    def test_a_chunked_body_is_understood_too(self) -> None:
        """.NET's JsonContent sends no Content-Length."""

        def client(stage: Stage, path: str, body: Iterator[bytes]) -> Answer:
            connection = http.client.HTTPConnection(stage.host, stage.port, timeout=30)
            try:
                headers = {
                    "Authorization": stage.default_token,
                    "Content-Type": "application/json; charset=utf-8",
                    "Simulate": "move=async; duration=100ms",
                    "Transfer-Encoding": "chunked",
                }
                connection.request("PATCH", path, body, headers, encode_chunked=True)
                reply = connection.getresponse()
                return Answer(reply.status, reply.getheaders(), reply.read())
            finally:
                connection.close()

        async def story(stage: Stage) -> None:
            moved = await item_id(stage, "hello.txt")
            raw = json.dumps({"parentReference": {"id": await item_id(stage, "Backup")}}).encode()
            pieces = iter([raw[:10], raw[10:]])
            answer = await in_thread(partial(client, stage, f"/v1.0/me/drive/items/{moved}", pieces))
            assert (answer.status, answer.json["id"]) == (200, moved)
            assert answer.header("Gateway-Operation")

        play(story)

    def test_a_patch_too_long_to_be_a_move_is_streamed_through(self) -> None:
        async def story(stage: Stage) -> None:
            renamed = await item_id(stage, "hello.txt")
            body = {"name": "long.txt", "description": "x" * 200_000}
            answer = await stage.call("PATCH", f"/v1.0/me/drive/items/{renamed}", body=body)
            assert (answer.status, answer.json["name"]) == (200, "long.txt")

        play(story)


class TestUploadFromUrl:
    def test_it_is_held(self) -> None:
        async def story(stage: Stage) -> None:
            body = {"@microsoft.graph.sourceUrl": "https://example.org/x.bin", "name": "x.bin", "file": {}}
            headers = {"Simulate": "duration=100ms"}
            token = stage.token("cleo")
            answer = await stage.call(
                "POST", "/v1.0/me/drive/root/children", body=body, headers=headers, token=token
            )
            assert (answer.status, answer.json["name"]) == (200, "x.bin"), answer.body
            assert answer.header("Gateway-Operation")

        play(story)

    def test_creating_a_folder_is_passed_on_each_time(self) -> None:
        async def story(stage: Stage) -> None:
            body = {"name": "New", "folder": {}, "@microsoft.graph.conflictBehavior": "rename"}
            answers = await asyncio.gather(
                *(stage.call("POST", "/v1.0/me/drive/root/children", body=body) for _ in range(3))
            )
            assert {answer.status for answer in answers} == {201}
            assert len({answer.json["id"] for answer in answers}) == 3

        play(story)


def test_a_sensitivity_label_answers_with_the_same_item() -> None:
    async def story(stage: Stage) -> None:
        labelled = await item_id(stage, "hello.txt")
        answer = await stage.call(
            "POST",
            f"/v1.0/me/drive/items/{labelled}/assignSensitivityLabel",
            body={
                "sensitivityLabelId": "5feba255-812e-446a-ac59-a7044ef827b5",
                "assignmentMethod": "standard",
            },
            headers={"Simulate": "duration=100ms"},
        )
        assert (answer.status, answer.json["id"]) == (200, labelled), answer.body

    play(story)


class TestLookAlikes:
    """202s that are no operations: passed on at once, with zero polls."""

    @pytest.mark.parametrize(
        ("target", "body"),
        [
            ("/v1.0/me/sendMail", {"message": {"subject": "x"}}),
            ("/v1.0/groups/g1/assignLicense", {"addLicenses": [], "removeLicenses": []}),
        ],
    )
    def test_are_passed_on_untouched(self, target: str, body: dict[str, object]) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.call("POST", target, body=body)
            assert answer.status == 202, answer.body
            assert answer.header("Gateway-Operation") is None
            assert stage.simulator.summary().monitor_requests == 0

        play(story)

    def test_a_copy_without_a_monitor_is_passed_on_each_time(self) -> None:
        async def story(stage: Stage) -> None:
            for number in range(3):
                answer = await stage.copy(
                    "/v1.0/me/drive/root:/hello.txt:/copy?@microsoft.graph.conflictBehavior=rename",
                    simulate="monitor=none; duration=1ms",
                )
                assert (answer.status, answer.header("Location")) == (202, None)
                assert stage.copies_sent == number + 1

        play(story)

    @pytest.mark.parametrize("hosts", [["graph.microsoft.com"], ["127.0.0.2"]])
    def test_a_monitor_that_is_not_allowed_is_not_polled_and_the_202_is_passed_on(
        self, hosts: list[str]
    ) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy("/v1.0/me/drive/root:/hello.txt:/copy", body={"name": "x.txt"})
            assert answer.status == 202
            assert str(answer.header("Location")).startswith(stage.simulator.monitor_url)
            assert answer.header("Gateway-Operation") is None
            assert stage.simulator.summary().monitor_requests == 0

        play(story, monitor={"allowed_hosts": hosts})

    def test_an_address_that_is_refused_only_at_connect_time_is_the_same(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy("/v1.0/me/drive/root:/hello.txt:/copy", body={"name": "x.txt"})
            assert (answer.status, answer.header("Gateway-Operation")) == (202, None)
            assert "localhost" in str(answer.header("Location"))
            assert stage.simulator.summary().monitor_requests == 0
            await stage.gateway.errands.settle()
            assert await stage.gateway.store.all() == []

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = SimulatorSettings(monitor_name="localhost", monitor_port=port, base_duration=0.1)
        observer = play(
            story, settings=settings, monitor={"allowed_hosts": [f"localhost:{port}"], "allow_private": False}
        )
        assert [after.state.value for _, after in observer.changes] == [
            "reserved",
            "submitting",
            "running",
            "unknown",
            "rejected",
        ]


def test_select_and_expand_apply_to_the_final_get() -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.copy(
            "/v1.0/me/drive/root:/hello.txt:/copy?$select=id,name",
            simulate="duration=50ms",
            body={"parentReference": BACKUP, "name": "sel.txt"},
        )
        assert answer.status == 200
        assert {name for name in answer.json if not name.startswith("@")} == {"id", "name"}
        final = [asked.target for asked in stage.simulator.requests() if asked.method == "GET"][-1]
        assert final.endswith("?$select=id,name")

    play(story)


def test_the_request_ids_are_those_of_the_post() -> None:
    async def story(stage: Stage) -> None:
        mine = "5f0c3a2e-0000-4000-8000-00000000000a"
        answer = await stage.copy(
            "/v1.0/me/drive/root:/hello.txt:/copy",
            headers={"client-request-id": mine},
            simulate="duration=50ms",
            body={"name": "ids.txt"},
        )
        assert answer.status == 200
        assert answer.header("client-request-id") == mine
        assert len([name for name, _ in answer.headers if name.lower() == "request-id"]) == 1

    play(story)
