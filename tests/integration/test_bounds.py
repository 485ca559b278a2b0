"""What a caller gets at the bound of its patience, and what its preferences change."""

import asyncio
import re
import socket
from functools import partial

import pytest
import requests
from stage import Answer, Stage, follow, in_thread, passed, play

from gateway.model import State

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
BODY: dict[str, object] = {"parentReference": {"path": "/drive/root:/Backup"}, "name": "b.txt"}
LONG = "duration=60s"
SHORT = {"max": 0.15}


def own_path(location: str | None) -> str:
    """Path and query of a Location at the gateway."""
    assert location is not None
    assert location.startswith("/_gateway/operations/"), "relative: right behind whatever stands between"
    return location


class TestRedirect:
    def test_303_with_a_ticket_and_a_hop(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate=LONG, body=BODY)
            assert answer.status == 303
            location = own_path(answer.header("Location"))
            operation = answer.header("Gateway-Operation")
            assert re.fullmatch(rf"/_gateway/operations/{operation}/result\?ticket=[\w-]+&hop=1", location)
            further = await stage.call("GET", location)
            assert further.status == 303
            assert own_path(further.header("Location")).endswith("&hop=2")
            assert further.header("Location") != location, "the ticket is renewed at each hop"

        play(story, wait=SHORT)

    def test_no_answer_names_the_monitor(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate="duration=400ms", body=BODY)
            seen = [answer]
            while answer.status == 303:
                answer = await stage.call("GET", own_path(answer.header("Location")))
                seen.append(answer)
            status = await stage.call("GET", f"/_gateway/operations/{answer.header('Gateway-Operation')}")
            text = "".join(f"{one.headers} {one.body!r}" for one in [*seen, status])
            polled = {asked.target for asked in stage.simulator.requests() if "/monitor/" in asked.target}
            assert polled
            assert not [target for target in polled if target in text]

        play(story, wait=SHORT)

    def test_requests_follows_the_chain_by_itself(self) -> None:
        def client(url: str, token: str) -> tuple[int, str, int]:
            with requests.Session() as session:
                headers = {"Authorization": token, "Simulate": "duration=900ms"}
                reply = session.post(url + SOURCE, json=BODY, headers=headers, timeout=30)
                return reply.status_code, str(reply.json()["name"]), len(reply.history)

        async def story(stage: Stage) -> None:
            status, name, hops = await in_thread(partial(client, stage.url, stage.default_token))
            assert (status, name) == (200, "b.txt")
            assert hops >= 2

        play(story, wait={"max": 0.3})

    def test_a_client_that_drops_its_authorization_on_the_redirect_gets_its_item(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate="duration=500ms", body=BODY)
            answer, _ = await follow(stage, answer, token=None)
            assert (answer.status, answer.json["name"]) == (200, "b.txt")

        play(story, wait=SHORT)

    def test_a_client_that_repeats_its_post_on_the_redirect_gets_its_item_too(self) -> None:
        """`curl -L -X POST -d …` does, and so does what Postman exports."""

        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate="duration=500ms", body=BODY)
            while answer.status == 303:
                answer = await stage.call("POST", own_path(answer.header("Location")), body=BODY)
            assert (answer.status, answer.json["name"]) == (200, "b.txt")
            assert stage.copies_sent == 1

        play(story, wait=SHORT)

    def test_public_url_makes_the_location_absolute(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate=LONG, body=BODY)
            assert str(answer.header("Location")).startswith("https://gw.example/graph/_gateway/operations/")

        play(story, wait=SHORT, listen={"public_url": "https://gw.example/graph"})


class TestAccepted:
    def test_202_with_a_status_url_that_needs_no_authorization(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate="duration=600ms", body=BODY)
            assert answer.status == 202
            assert re.fullmatch(r"[1-9]\d*", str(answer.header("Retry-After")))
            location = own_path(answer.header("Location"))
            status = await stage.call("GET", location, token=None)
            assert status.status == 202
            assert (status.json["operation"], status.json["status"]) == ("itemCopy", "inProgress")
            async with asyncio.timeout(20):
                while (status := await stage.call("GET", location, token=None)).status == 202:
                    pass
            assert (status.status, status.json["status"], status.json["percentageComplete"]) == (
                200,
                "completed",
                100,
            )
            item = await stage.call("GET", f"/v1.0/me/drive/items/{status.json['resourceId']}")
            assert item.json["name"] == "b.txt"

        play(story, wait={**SHORT, "on_timeout": "accepted"})


class TestError:
    def test_504_still_running_with_a_jittered_integer_retry_after_and_a_rejoin(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, simulate="duration=600ms", body=BODY)
            assert (answer.status, answer.json["error"]["code"]) == (504, "operationStillRunning")
            assert str(answer.header("Retry-After")) in {"1", "2", "3", "4", "5"}
            assert answer.header("Gateway-Operation")
            async with asyncio.timeout(20):
                while answer.status == 504:
                    answer = await stage.copy(
                        SOURCE, simulate="duration=600ms", headers={"Retry-Attempt": "1"}, body=BODY
                    )
            assert (answer.status, answer.json["name"]) == (200, "b.txt")
            assert stage.copies_sent == 1

        play(story, wait={**SHORT, "on_timeout": "error"})


class TestPrefer:
    def test_respond_async_is_not_held(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, headers={"Prefer": "respond-async"}, simulate=LONG, body=BODY)
            assert answer.status == 202
            assert answer.header("Preference-Applied") == "respond-async"
            assert own_path(answer.header("Location"))

        play(story)

    def test_wait_lowers_the_bound_and_then_on_timeout_decides(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, headers={"Prefer": "wait=0"}, simulate=LONG, body=BODY)
            assert answer.status == 303

        play(story)

    def test_wait_does_not_raise_the_bound(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, headers={"Prefer": "wait=1000000000"}, simulate=LONG, body=BODY)
            assert answer.status == 303

        play(story, wait=SHORT)

    def test_both_together_hold_for_that_long_and_then_say_202(self) -> None:
        async def story(stage: Stage) -> None:
            quick = await stage.copy(
                SOURCE, headers={"Prefer": "respond-async, wait=20"}, simulate="duration=50ms", body=BODY
            )
            assert quick.status == 200
            slow = await stage.copy(
                SOURCE, headers={"Prefer": "respond-async, wait=0"}, simulate=LONG, body={"name": "slow.txt"}
            )
            assert slow.status == 202

        play(story)

    @pytest.mark.parametrize("junk", ["wait=soon", ",,;;=", "wait", 'wait="', "respond-asynchronously"])
    def test_junk_is_ignored(self, junk: str) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, headers={"Prefer": junk}, simulate="duration=50ms", body=BODY)
            assert answer.status == 200

        play(story)

    def test_return_minimal_is_204_with_the_items_place(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(
                SOURCE, headers={"Prefer": "return=minimal"}, simulate="duration=50ms", body=BODY
            )
            assert (answer.status, answer.body) == (204, b"")
            assert answer.header("Preference-Applied") == "return=minimal"
            item = await stage.call("GET", str(answer.header("Content-Location")))
            assert item.json["name"] == "b.txt"

        play(story)

    def test_upstream_is_asked_for_respond_async_whatever_the_caller_prefers(self) -> None:
        async def story(stage: Stage) -> None:
            await stage.copy(
                SOURCE, headers={"Prefer": 'IdType="ImmutableId"'}, simulate="duration=20ms", body=BODY
            )
            post = next(asked for asked in stage.simulator.requests() if asked.method == "POST")
            sent = [value for name, value in post.headers if name.lower() == "prefer"]
            assert sent == ['IdType="ImmutableId"', "respond-async"]

        play(story)


class TestHeartbeat:
    def test_102_is_sent_while_holding_when_asked_for(self) -> None:
        def client(stage: Stage, version: str) -> bytes:
            with socket.create_connection((stage.host, stage.port), timeout=30) as raw:
                raw.sendall(
                    (
                        f"POST {SOURCE}?@microsoft.graph.conflictBehavior=rename HTTP/{version}\r\nHost: x\r\nAuthorization: {stage.default_token}\r\n"
                        "Simulate: duration=500ms\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    ).encode()
                )
                return b"".join(iter(partial(raw.recv, 65536), b""))

        async def story(stage: Stage) -> None:
            _ = stage.default_token
            heard = await in_thread(partial(client, stage, "1.1"))
            assert heard.startswith(b"HTTP/1.1 102 Processing\r\n\r\n")
            assert b"HTTP/1.1 200 OK\r\n" in heard
            old = await in_thread(partial(client, stage, "1.0"))
            assert b" 102 " not in old

        play(story, wait={"heartbeat": "interim", "heartbeat_interval": 0.1})

    def test_off_by_default(self) -> None:
        async def story(stage: Stage) -> None:
            assert stage.gateway.config.wait.heartbeat == "off"

        play(story)


class TestBoundsOnCalls:
    def test_held_calls_beyond_the_bound_are_503_before_anything_is_sent(self) -> None:
        async def story(stage: Stage) -> None:
            first = asyncio.ensure_future(stage.copy(SOURCE, simulate="duration=2s", body=BODY))  # noqa: TID251 - gathered at the end of the story
            async with asyncio.timeout(10):
                while stage.gateway.callers.held == 0:
                    await stage.gateway.clock.sleep(0.005)
            second = await stage.copy(SOURCE, body={"name": "other.txt"})
            assert (second.status, second.json["error"]["code"]) == (503, "serviceNotAvailable")
            assert second.header("Retry-After")
            await first
            assert stage.copies_sent == 1

        play(story, limits={"held_calls": 1})

    def test_active_operations_beyond_the_bound_are_503_before_anything_is_sent(self) -> None:
        async def story(stage: Stage) -> None:
            await stage.copy(SOURCE, headers={"Prefer": "respond-async"}, simulate=LONG, body=BODY)
            second = await stage.copy(SOURCE, body={"name": "other.txt"})
            assert second.status == 503
            assert stage.copies_sent == 1

        play(story, operations={"max_active": 1})

    def test_one_caller_cannot_take_all_the_room(self) -> None:
        async def story(stage: Stage) -> None:
            first = asyncio.ensure_future(stage.copy(SOURCE, simulate="duration=1s", body=BODY))  # noqa: TID251 - gathered at the end of the story
            async with asyncio.timeout(10):
                while stage.gateway.callers.held == 0:
                    await stage.gateway.clock.sleep(0.005)
            same = await stage.copy(SOURCE, body={"name": "other.txt"})
            other = await stage.copy(
                SOURCE, token=stage.token("ben"), simulate="duration=20ms", body={"name": "bens.txt"}
            )
            assert (same.status, other.status) == (503, 200)
            await first

        play(story, limits={"calls_per_caller": 1})

    def test_a_body_beyond_the_bound_is_413_before_anything_is_sent(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, body={"name": "x" * 5000})
            assert answer.status == 413
            assert stage.copies_sent == 0

        play(story, limits={"body": 4096})


def test_stopping_answers_held_calls_at_their_on_timeout() -> None:
    async def story(stage: Stage) -> None:
        held = [
            asyncio.ensure_future(stage.copy(SOURCE, simulate=LONG, body={"name": f"h{n}.txt"}))  # noqa: TID251 - gathered at the end of the story
            for n in range(5)
        ]
        async with asyncio.timeout(10):
            while sum(after.state == "running" for _, after in stage.observer.changes) < 5:
                await stage.gateway.clock.sleep(0.005)
        await stage.gateway.stop()
        assert {answer.status for answer in await asyncio.gather(*held)} == {303}

    play(story)


def test_copies_into_one_drive_queue_and_all_are_made() -> None:
    async def story(stage: Stage) -> None:
        async def one(number: int) -> Answer:
            body = {"parentReference": {"path": "/drive/root:/Backup"}, "name": f"lane-{number}.txt"}
            return await stage.copy(SOURCE, simulate="duration=100ms", body=body)

        answers = await asyncio.gather(*(one(number) for number in range(6)))
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json["id"] for answer in answers}) == 6
        assert stage.gateway.lanes.queued == 0

    observer = play(story, limits={"running_per_drive": 2})
    under_way: set[str] = set()
    most = 0
    for _, after in observer.changes:
        sent = after.state in {State.SUBMITTING, State.RUNNING}
        under_way = under_way | {after.id} if sent else under_way - {after.id}
        most = max(most, len(under_way))
    assert most == 2


def test_a_call_that_queues_is_held_like_one_that_runs() -> None:
    async def story(stage: Stage) -> None:
        first = asyncio.gather(stage.copy(SOURCE, simulate="duration=600ms", body=BODY))
        await passed(lambda: stage.gateway.lanes.queued == 0 and len(stage.observer.changes) >= 2)
        second = await stage.copy(SOURCE, simulate="duration=50ms", body={**BODY, "name": "queued.txt"})
        assert second.status == 303
        ended, _ = await follow(stage, second)
        assert (ended.status, ended.json["name"]) == (200, "queued.txt")
        await first

    observer = play(story, wait=SHORT, limits={"running_per_drive": 1})
    sent = [number for number, (_, after) in enumerate(observer.changes) if after.state is State.SUBMITTING]
    ended = [number for number, (_, after) in enumerate(observer.changes) if after.state is State.RESULT]
    assert sent[0] < ended[0] < sent[1], "nothing was sent while the first was running"
