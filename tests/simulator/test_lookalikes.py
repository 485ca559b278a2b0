"""202s that start nothing, and batches."""

import json

import pytest

from simulator.loopback import Bench, run


def test_send_mail_is_a_202_with_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        for place in ("/v1.0/me/sendMail", "/beta/users/ana@contoso.com/sendmail"):
            reply = await bench.ask("POST", place, body={"message": {}})
            assert (reply.status, reply.body, reply.header("Location")) == (202, b"", "")
        assert (await bench.ask("GET", "/v1.0/me/sendMail")).status == 400
        assert bench.simulator.summary().copies_started == 0

    run(scenario)


def test_assign_license_has_a_body_and_a_location_that_is_no_monitor() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("POST", "/v1.0/groups/1132b215/assignLicense", body={"addLicenses": []})
        assert reply.status == 202
        assert reply.json()["id"] == "1132b215"
        location = dict(reply.headers)["location"]
        assert location.startswith("https://graph.microsoft.com/v2/")
        assert location.endswith("/directoryObjects/1132b215/Microsoft.DirectoryServices.Group")

    run(scenario)


def test_reset_password_holds_the_password_in_its_202() -> None:
    async def scenario(bench: Bench) -> None:
        place = "/beta/users/ben/authentication/methods/28c10230/resetPassword"
        reply = await bench.ask("POST", place)
        assert reply.status == 202
        assert reply.json()["newPassword"]
        assert reply.header("Location").endswith("?aadgdc=DUB02P&aadgsu=ssprprod-a")

    run(scenario)


def test_a_batch_answers_each_part_and_a_copy_in_it_with_202() -> None:
    async def scenario(bench: Bench) -> None:
        item = "/me/drive/root:/Documents/report.docx:"
        parts = [
            {"id": "1", "method": "GET", "url": "/me"},
            {"id": "2", "method": "POST", "url": f"{item}/copy", "body": {"name": "new.docx"}},
            {"id": "3", "method": "GET", "url": "me/drive/root:/nowhere"},
            {"id": "4", "method": "GET", "url": "/me", "dependsOn": ["3"]},
            {
                "id": "5",
                "method": "GET",
                "url": "/me",
                "dependsOn": ["2"],
                "headers": {"Authorization": "Bearer sim-ben"},
            },
            {"id": "6", "method": "GET", "url": "/me", "headers": {"Simulate": "fault=get:reset"}},
            {"id": "7", "method": "PUT", "url": "/me/drive/root:/x.bin:/content", "body": "AQID"},
            {"id": "8", "method": "GET", "url": "/me/drive/root:/x.bin"},
        ]
        reply = await bench.ask("POST", "/v1.0/$batch", body={"requests": parts})
        assert reply.status == 200
        answers = {answer["id"]: answer for answer in reply.json()["responses"]}
        assert list(answers) == ["1", "2", "3", "4", "5", "6", "7", "8"]
        statuses = {key: answer["status"] for key, answer in answers.items()}
        assert statuses == {"1": 200, "2": 202, "3": 404, "4": 424, "5": 200, "6": 500, "7": 201, "8": 200}
        assert answers["5"]["body"]["displayName"] == "Ben"
        assert answers["8"]["body"]["size"] == 3
        assert "body" not in answers["2"]
        report = await bench.poll(answers["2"]["headers"]["Location"])
        assert report.json()["status"] == "inProgress"

    run(scenario)


def test_a_monitor_that_is_read_in_a_batch_counts_as_polled() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="monitor=graph-relative")).header("Location")
        part = {"id": "1", "method": "GET", "url": location}
        await bench.ask("POST", "/v1.0/$batch", body={"requests": [part]})
        operation = bench.simulator.operations()[0]
        assert (len(operation.polls), operation.polls_in_flight) == (1, 0)

    run(scenario)


GOOD = {"id": "1", "method": "GET", "url": "/me"}


@pytest.mark.parametrize(
    "requests",
    [
        None,
        [],
        [GOOD] * 2,
        [{**GOOD, "id": str(number)} for number in range(21)],
        [{"id": "1"}],
        [7],
        [{**GOOD, "url": "/$batch"}],
        [{**GOOD, "body": "no base64, odd"}],
    ],
)
def test_batches_that_are_refused(requests: object) -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.ask("POST", "/v1.0/$batch", body={"requests": requests})
        assert (refused.status, refused.code) == (400, "BadRequest")
        assert (await bench.ask("GET", "/v1.0/$batch")).status == 405

    run(scenario)


def test_respond_async_is_ignored_inside_a_batch() -> None:
    async def scenario(bench: Bench) -> None:
        part = {
            "id": "1",
            "method": "POST",
            "url": "/me/drive/root:/Documents/budget.xlsx:/workbook/createSession",
            "headers": {"Prefer": "respond-async"},
            "body": {"persistChanges": True},
        }
        reply = await bench.ask("POST", "/v1.0/$batch", body={"requests": [part]})
        assert json.loads(reply.body)["responses"][0]["status"] == 201

    run(scenario)
