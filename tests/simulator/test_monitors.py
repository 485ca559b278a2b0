"""Monitors: every ending and shape, the exact URL, and what is written down about those who poll badly."""

from typing import Any

import pytest

from simulator.loopback import Bench, Reply, cut, run


async def ended(bench: Bench, simulate: str) -> Reply:
    """The report of a copy that is over."""
    accepted = await bench.copy(simulate=simulate)
    bench.clock.time += 10
    return await bench.poll(accepted.header("Location"))


@pytest.mark.parametrize(
    ("ending", "status", "keys", "location"),
    [
        ("200-json", 200, {"percentageComplete", "resourceId", "status"}, ""),
        ("202-json", 202, {"percentageComplete", "resourceId", "status"}, ""),
        ("303-json", 303, {"percentageComplete", "resourceId", "status"}, ""),
        ("200-no-id", 200, {"percentageComplete", "status"}, ""),
        ("303-location", 303, None, "{monitor}/items/{item}"),
        ("303-sharepoint", 303, None, "{monitor}/_api/v2.0/drives/{drive}/items/{item}"),
        ("303-graph", 303, None, "{graph}/v1.0/drives('{drive}')/items('{item}')"),
        ("303-empty-id", 303, None, "{graph}/v1.0/drives('me')/items('')"),
    ],
)
def test_each_ending(ending: str, status: int, keys: set[str] | None, location: str) -> None:
    async def scenario(bench: Bench) -> None:
        report = await ended(bench, f"ending={ending}")
        assert report.status == status
        drive = bench.simulator.drive("ana")
        item = drive.find("Documents/new.docx")
        assert item is not None
        places = {"monitor": bench.simulator.monitor_url, "graph": bench.simulator.graph_url}
        assert report.header("Location") == location.format(drive=drive.id, item=item.id, **places)
        if keys is None:
            assert report.body == b""
        else:
            assert set(report.json()) == keys
            assert report.json().get("resourceId", item.id) == item.id

    run(scenario)


def test_the_ending_with_a_resource_location() -> None:
    async def scenario(bench: Bench) -> None:
        body = (await ended(bench, "ending=resource-location")).json()
        place = f"{bench.simulator.monitor_url}/sites/site2/_api/v2.0/drives/"
        assert body["resourceLocation"].startswith(place)
        assert body["resourceLocation"].endswith(f"/items/{body['resourceId']}")
        assert body["createdDateTime"] == "0001-01-01T00:00:00Z"
        assert body["percentComplete"] == body["percentageComplete"] == 100
        await bench.ask("DELETE", "/v1.0/me/drive/root:/Documents/new.docx")
        only = (await ended(bench, "ending=resource-location-only")).json()
        assert "resourceId" not in only
        assert only["resourceLocation"].startswith(place)

    run(scenario)


def test_an_operation_that_is_not_found_at_the_end_has_made_its_item() -> None:
    async def scenario(bench: Bench) -> None:
        report = await ended(bench, "ending=operation-not-found")
        assert (report.status, report.code) == (500, "operationNotFound")
        assert bench.simulator.summary().items_created == 1

    run(scenario)


@pytest.mark.parametrize(
    ("shape", "beginning"),
    [
        ("monitor", "{monitor}/_api/v2.0/monitor/"),
        ("site", "{monitor}/sites/FromSite/_api/v2.1/monitor/"),
        ("operations", "{monitor}/personal/ana_contoso_com/_api/v2.1/drive/operations/"),
        ("onedrive", "{monitor}/monitor/"),
        ("onedrive-long", "{monitor}/v1.0/monitor/"),
        ("sensitivity", "{monitor}/_api/v2.0/monitor/"),
    ],
)
def test_each_monitor_shape_is_polled_without_a_token(shape: str, beginning: str) -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy(simulate=f"monitor={shape}")
        location = accepted.header("Location")
        assert location.startswith(beginning.format(monitor=bench.simulator.monitor_url))
        assert (await bench.poll(location)).json()["status"] == "inProgress"

    run(scenario)


def test_a_location_that_is_the_item_already() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="monitor=item")).header("Location")
        assert "?force303=1&tempauth=" in location
        item = (await bench.poll(location)).json()
        assert item["name"] == "new.docx"
        assert "status" not in item
        assert f"/items/{item['id']}?" in location

    run(scenario)


def test_no_location_at_all() -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy(simulate="monitor=none")
        assert (accepted.status, accepted.header("Location")) == (202, "")

    run(scenario)


def test_monitors_on_the_graph_origin_need_their_users_token() -> None:
    async def scenario(bench: Bench) -> None:
        absolute = (await bench.copy(simulate="monitor=graph")).header("Location")
        origin, target = cut(absolute)
        assert origin == bench.simulator.graph_url
        relative = (await bench.copy(simulate="monitor=graph-relative")).header("Location")
        assert relative.startswith("/drives('")
        for place in (target, f"/v1.0{relative}"):
            assert (await bench.ask("GET", place)).json()["status"] == "inProgress"
            assert (await bench.ask("GET", place, user=None)).status == 401
            assert (await bench.ask("GET", place, user="ben")).status == 404
        assert bench.violations() == []

    run(scenario)


def test_the_url_must_be_the_one_that_was_given_byte_for_byte() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="monitor=operations")).header("Location")
        assert "%2Es'%21%40%7e+~" in location
        for changed in (
            location.replace("%21", "!"),
            location.replace("%3d", "%3D"),
            location.replace("%7e", "~"),
            location.partition("?")[0],
            location.replace("/operations/", "/operations%2F"),
        ):
            assert (await bench.poll(changed)).status == 404
        assert bench.violations() == ["monitor-url-changed"] * 5
        assert (await bench.poll(location)).status == 202

    run(scenario)


@pytest.mark.parametrize("shape", ["monitor", "onedrive"])
def test_a_token_is_refused_and_written_down(shape: str) -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate=f"monitor={shape}")).header("Location")
        refused = await bench.poll(location, headers=(("Authorization", "Bearer sim-ana"),))
        assert refused.status == 401
        if shape == "monitor":
            audience = "Invalid audience Uri 'https://graph.microsoft.com/'."
            assert refused.json() == {"error_description": audience}
        else:
            assert refused.code == "unauthenticated"
        assert bench.violations() == ["authorization-sent"]
        assert list(bench.simulator.summary().polls.values()) == [1]

    run(scenario)


def test_cookies_and_callers_headers_are_written_down_but_not_the_monitors_own_cookie() -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy(simulate="cookies=on")
        assert accepted.header("Set-Cookie").startswith("SimGraph=")
        location = accepted.header("Location")
        own = (await bench.poll(location)).header("Set-Cookie").partition(";")[0]
        await bench.poll(location, headers=(("Cookie", own), ("User-Agent", "x"), ("Via", "1.1 x")))
        assert bench.violations() == []
        await bench.poll(location, headers=(("Cookie", f"{own}; SimGraph=1"),))
        await bench.poll(location, headers=(("client-request-id", "1"), ("traceparent", "00-1")))
        details = [
            violation.detail.partition(" to ")[0] for violation in bench.simulator.summary().violations
        ]
        assert bench.violations() == ["cookie-sent", "caller-header-sent"]
        assert details == ["SimGraph", "client-request-id, traceparent"]

    run(scenario)


@pytest.mark.parametrize(
    ("value", "header", "too_early", "in_time"),
    [
        ("2", "2", 1.9, 2.0),
        ("2.128", "2.128", 2.1, 2.128),
        ("date 3", "Fri, 15 Jan 2027 08:00:03 GMT", 2.5, 3.0),
    ],
)
def test_polling_before_retry_after_allows_it(
    value: str, header: str, too_early: float, in_time: float
) -> None:
    async def scenario(bench: Bench) -> None:
        for moment, wrong in ((too_early, ["early-poll"]), (in_time, [])):
            bench.clock.time = 0
            bench.simulator.reset()
            location = (await bench.copy(simulate=f"retry-after={value}")).header("Location")
            assert (await bench.poll(location)).header("Retry-After") == header
            bench.clock.time = moment
            await bench.poll(location)
            assert bench.violations() == wrong

    run(scenario)


def test_a_retry_after_that_cannot_be_read_forbids_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="retry-after=garbage")).header("Location")
        assert (await bench.poll(location)).header("Retry-After") == "a moment, please"
        await bench.poll(location)
        assert bench.violations() == []

    run(scenario)


def test_polling_after_the_end_was_told() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="fault=poll1:reset")).header("Location")
        bench.clock.time = 10
        origin, target = cut(location)
        with pytest.raises(ConnectionResetError):
            await bench.poll(location)
        assert (await bench.ask("GET", target, url=origin, user=None)).json()["status"] == "completed"
        assert bench.violations() == []
        await bench.poll(location)
        assert bench.violations() == ["poll-after-end"]

    run(scenario)


def test_following_the_303_is_refused_and_written_down() -> None:
    async def scenario(bench: Bench) -> None:
        for ending in ("303-location", "303-sharepoint"):
            accepted = await bench.copy(body={"name": ending}, simulate=f"ending={ending}")
            bench.clock.time += 10
            report = await bench.poll(accepted.header("Location"))
            assert (await bench.poll(report.header("Location"))).status == 401
        empty = await bench.ask("GET", "/v1.0/drives('me')/items('')")
        assert empty.status == 400
        assert bench.violations() == ["redirect-followed"] * 3

    run(scenario)


def test_unknown_monitors_and_other_methods() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy()).header("Location")
        origin, target = cut(location)
        assert (await bench.ask("DELETE", target, url=origin, user=None)).status == 405
        assert (await bench.ask("GET", "/_api/v2.0/monitor/x", url=origin, user=None)).status == 404
        assert bench.violations() == []

    run(scenario)


@pytest.mark.parametrize(
    ("simulate", "at", "expected"),
    [
        ("progress=linear", 9.999, {"percentageComplete": 99.9}),
        ("progress=jumpy", 3.0, {"percentageComplete": 31.0}),
        ("progress=stuck-at-0", 9.0, {"percentageComplete": 0.0}),
        ("progress=stuck-at-99", 2.5, {"percentageComplete": 99.0}),
        ("percent=null", 5.0, {"percentageComplete": None}),
        ("percent=string", 5.0, {"percentageComplete": "50.0"}),
        ("percent=over", 9.0, {"percentageComplete": 127.0}),
        ("running=updating", 5.0, {"status": "updating"}),
        ("running=notStarted,inProgress,waiting", 1.0, {"status": "notStarted"}),
        ("running=notStarted,inProgress,waiting", 9.0, {"status": "waiting"}),
        ("done=SUCCEEDED", 10.0, {"status": "SUCCEEDED"}),
    ],
)
def test_how_progress_is_told(simulate: str, at: float, expected: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate=simulate)).header("Location")
        bench.clock.time = at
        body = (await bench.poll(location)).json()
        assert {key: body[key] for key in expected} == expected

    run(scenario)


def test_progress_without_a_percentage_and_under_200() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="percent=missing; poll-code=200")).header("Location")
        report = await bench.poll(location)
        assert report.status == 200
        assert report.json() == {"operation": "ItemCopy", "status": "inProgress"}

    run(scenario)


@pytest.mark.parametrize(
    ("shape", "status", "expected"),
    [
        ("error", 200, {"status": "failed", "error.code": "quotaLimitReached"}),
        (
            "details",
            200,
            {"status": "failed", "error.message": "Errors occurred during copy/move operation."},
        ),
        ("description", 200, {"status": "failed", "statusDescription": "Completed 0/0 files; 0/9314 bytes"}),
        ("error-code", 200, {"status": "failed", "errorCode": "quotaLimitReached"}),
        ("http-500", 500, {"status": "failed", "errorCode": "quotaLimitReached", "percentageComplete": 56.0}),
        ("operation-not-found", 500, {"error.code": "operationNotFound"}),
    ],
)
def test_each_failure(shape: str, status: int, expected: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate=f"fail=quotaLimitReached; fail-as={shape}; fail-at=56")).header(
            "Location"
        )
        bench.clock.time = 5.5
        assert (await bench.poll(location)).json()["status"] == "inProgress"
        bench.clock.time = 5.6
        report = await bench.poll(location)
        assert report.status == status
        flat = report.json()
        flat |= {f"error.{key}": value for key, value in flat.get("error", {}).items()}
        assert {key: flat.get(key) for key in expected} == expected
        assert bench.simulator.summary().items_created == 0

    run(scenario)


def test_a_job_can_end_cancelled() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await ended(bench, "fail=generalException; failed=cancelled")).json()["status"] == "cancelled"

    run(scenario)


def test_two_polls_at_a_time_are_written_down() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="fault=poll1:hang")).header("Location")
        operation = bench.simulator.operations()[0]
        async with bench.connection(location) as (reader, writer):
            writer.write(f"GET {cut(location)[1]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await bench.until(lambda: operation.polls_in_flight == 1)
            await bench.poll(location)
            assert bench.violations() == ["overlapping-polls"]
        assert await reader.read() == b""
        await bench.until(lambda: operation.polls_in_flight == 0)
        await bench.poll(location)
        assert bench.violations() == ["overlapping-polls"]

    run(scenario)


def test_a_personal_drive_uses_the_onedrive_shape() -> None:
    async def scenario(bench: Bench) -> None:
        path = "/v1.0/me/drive/root:/video.mp4:/copy"
        accepted = await bench.ask("POST", path, body={"name": "x.mp4"}, user="cleo")
        assert accepted.header("Location").startswith(bench.simulator.monitor_url + "/monitor/")

    run(scenario)
