"""Coming back for an operation, and never copying twice, over real sockets."""

import asyncio
import http.client
import json
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar

import pytest
from stage import Answer, Stage, exchange, follow, in_thread, passed, play

pytestmark = pytest.mark.usefixtures("every_store")

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
BACKUP = {"path": "/drive/root:/Backup"}


def effects(stage: Stage) -> int:
    return sum(stage.simulator.summary().effects.values())


class Dropped:
    """A client that sends a POST and hangs up when told to, without having read anything."""

    def __init__(
        self, stage: Stage, target: str, body: Mapping[str, object], headers: dict[str, str]
    ) -> None:
        raw = json.dumps(body).encode()
        lines = [
            f"POST {target} HTTP/1.1",
            f"Host: {stage.host}:{stage.port}",
            f"Authorization: {stage.default_token}",
            "Content-Type: application/json",
            f"Content-Length: {len(raw)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._socket = socket.create_connection((stage.host, stage.port))
        self._socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    def hang_up(self) -> None:
        self._socket.close()


async def until(stage: Stage, what: str, count: int = 1) -> None:
    """Wait until the observer has seen `count` operations come to a state, or calls end with an outcome."""

    def seen() -> int:
        states = sum(after.state.value == what for _, after in stage.observer.changes)
        return states + sum(call.outcome == what for call in stage.observer.calls)

    async with asyncio.timeout(20):
        while seen() < count:
            await stage.gateway.clock.sleep(0.005)


def test_an_identical_call_joins_the_one_that_is_running() -> None:
    async def story(stage: Stage) -> None:
        answers = await asyncio.gather(
            *(
                stage.copy(
                    SOURCE, simulate="duration=500ms", body={"parentReference": BACKUP, "name": "one.txt"}
                )
                for _ in range(5)
            )
        )
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json["id"] for answer in answers}) == 1
        assert len({answer.header("Gateway-Operation") for answer in answers}) == 1
        assert all(answer.header("Idempotent-Replayed") is None for answer in answers), "a join is no replay"
        assert (stage.copies_sent, effects(stage)) == (1, 1)

    observer = play(story)
    assert sorted(str(call.relation) for call in observer.calls) == ["join"] * 4 + ["start"]


def test_a_client_that_dropped_gets_its_item_when_it_comes_back_while_running() -> None:
    async def story(stage: Stage) -> None:
        body = {"parentReference": BACKUP, "name": "back.txt"}
        client = Dropped(stage, SOURCE, body, {"Simulate": "duration=600ms"})
        await until(stage, "running")
        client.hang_up()
        await until(stage, "left")
        answer = await stage.copy(SOURCE, simulate="duration=600ms", body=body)
        assert (answer.status, answer.json["name"]) == (200, "back.txt")
        assert (stage.copies_sent, effects(stage)) == (1, 1)

    observer = play(story)
    assert [call.relation for call in observer.calls] == ["start", "join"]


def test_a_client_that_dropped_gets_its_item_when_it_comes_back_after_the_end() -> None:
    async def story(stage: Stage) -> None:
        body = {"parentReference": BACKUP, "name": "late.txt"}
        client = Dropped(stage, SOURCE, body, {"Simulate": "duration=200ms"})
        await until(stage, "running")
        client.hang_up()
        await until(stage, "result")
        answer = await stage.copy(SOURCE, simulate="duration=200ms", body=body)
        assert (answer.status, answer.json["name"]) == (200, "late.txt")
        assert answer.header("Idempotent-Replayed") == "true"
        assert answer.header("Cache-Status") == "lro-gateway; hit"
        assert (stage.copies_sent, effects(stage)) == (1, 1)

    play(story)


def test_a_script_that_copies_ten_times_in_a_row_gets_ten_copies() -> None:
    async def story(stage: Stage) -> None:
        target = SOURCE + "?@microsoft.graph.conflictBehavior=rename"
        ids = set()
        for _ in range(10):
            answer = await stage.copy(target, simulate="duration=20ms", body={"parentReference": BACKUP})
            assert answer.status == 200
            ids.add(answer.json["id"])
        assert len(ids) == 10
        assert effects(stage) == 10

    play(story)


def test_ten_times_in_a_row_on_one_kept_alive_connection_too() -> None:
    def script(stage: Stage) -> set[str]:
        connection = http.client.HTTPConnection(stage.host, stage.port, timeout=30)
        ids = set()
        for _ in range(10):
            connection.request(
                "POST",
                SOURCE + "?@microsoft.graph.conflictBehavior=rename",
                json.dumps({"parentReference": BACKUP}).encode(),
                {
                    "Authorization": stage.default_token,
                    "Content-Type": "application/json",
                    "Simulate": "duration=20ms",
                },
            )
            reply = connection.getresponse()
            ids.add(json.loads(reply.read())["id"])
        connection.close()
        return ids

    async def story(stage: Stage) -> None:
        _ = stage.default_token
        assert len(await in_thread(partial(script, stage))) == 10

    play(story)


@pytest.mark.parametrize(
    "hint", [{"Retry-Attempt": "1"}, {"client-request-id": "5f0c3a2e-0000-4000-8000-000000000001"}]
)
def test_a_delivered_answer_is_replayed_to_a_call_that_says_it_is_a_retry(hint: dict[str, str]) -> None:
    async def story(stage: Stage) -> None:
        body = {"parentReference": BACKUP, "name": "again.txt"}
        first_headers = hint if "client-request-id" in hint else {}
        first = await stage.copy(SOURCE, headers=first_headers, simulate="duration=50ms", body=body)
        again = await stage.copy(SOURCE, headers=hint, simulate="duration=50ms", body=body)
        assert (first.status, again.status) == (200, 200)
        assert again.json["id"] == first.json["id"]
        assert again.header("Idempotent-Replayed") == "true"
        assert effects(stage) == 1

    play(story)


class TestIdempotencyKey:
    KEY: ClassVar = {"Idempotency-Key": '"order-4711"'}

    def test_a_key_replays_a_delivered_answer(self) -> None:
        async def story(stage: Stage) -> None:
            body = {"parentReference": BACKUP, "name": "key.txt"}
            answers = [
                await stage.copy(SOURCE, headers=self.KEY, simulate="duration=50ms", body=body)
                for _ in range(3)
            ]
            assert [answer.status for answer in answers] == [200] * 3
            assert len({answer.json["id"] for answer in answers}) == 1
            assert [answer.header("Idempotent-Replayed") for answer in answers] == [None, "true", "true"]
            assert effects(stage) == 1

        play(story)

    def test_a_key_with_another_request_is_a_422(self) -> None:
        async def story(stage: Stage) -> None:
            await stage.copy(
                SOURCE,
                headers=self.KEY,
                simulate="duration=50ms",
                body={"parentReference": BACKUP, "name": "a.txt"},
            )
            other = await stage.copy(
                SOURCE, headers=self.KEY, body={"parentReference": BACKUP, "name": "b.txt"}
            )
            assert (other.status, other.json["error"]["code"]) == (422, "idempotencyKeyReused")
            assert stage.copies_sent == 1

        play(story)

    def test_two_keys_are_two_copies_even_at_once(self) -> None:
        async def story(stage: Stage) -> None:
            target = SOURCE + "?@microsoft.graph.conflictBehavior=rename"
            answers = await asyncio.gather(
                *(
                    stage.copy(target, headers={"Idempotency-Key": key}, simulate="duration=300ms")
                    for key in ("one", "two")
                )
            )
            assert len({answer.json["id"] for answer in answers}) == 2

        play(story)

    def test_a_key_that_is_no_key_is_refused_before_anything_is_sent(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.copy(SOURCE, headers={"Idempotency-Key": "x" * 256}, body={"name": "a.txt"})
            assert (answer.status, stage.copies_sent) == (400, 0)

        play(story)

    def test_with_reconnect_key_only_keys_are_remembered(self) -> None:
        async def story(stage: Stage) -> None:
            target = SOURCE + "?@microsoft.graph.conflictBehavior=rename"
            plain = await asyncio.gather(*(stage.copy(target, simulate="duration=300ms") for _ in range(2)))
            assert len({answer.json["id"] for answer in plain}) == 2
            keyed = [await stage.copy(target, headers=self.KEY, simulate="duration=50ms") for _ in range(2)]
            assert len({answer.json["id"] for answer in keyed}) == 1

        play(story, operations={"reconnect": "key"})


def test_with_reconnect_off_nothing_is_the_same() -> None:
    async def story(stage: Stage) -> None:
        target = SOURCE + "?@microsoft.graph.conflictBehavior=rename"
        answers = await asyncio.gather(
            *(
                stage.copy(target, headers={"Idempotency-Key": "same"}, simulate="duration=300ms")
                for _ in range(2)
            )
        )
        assert len({answer.json["id"] for answer in answers}) == 2

    play(story, operations={"reconnect": "off"})


@pytest.mark.parametrize(
    "spelling",
    [
        "/v1.0/me/drive/root:/hello.txt:/%63opy",
        "/v1.0/me/drive/root:/hello.txt:/copy/",
        "/v1.0/me/drive/root:/hello.txt:/microsoft.graph.copy",
        "/V1.0/Me/Drive/root:/hello.txt:/Copy",
    ],
)
def test_different_spellings_of_one_target_are_one_operation(spelling: str) -> None:
    async def story(stage: Stage) -> None:
        answers = await asyncio.gather(
            *(
                stage.copy(
                    target, simulate="duration=400ms", body={"parentReference": BACKUP, "name": "same.txt"}
                )
                for target in (SOURCE, spelling)
            )
        )
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json["id"] for answer in answers}) == 1
        assert stage.copies_sent == 1

    play(story)


class TestRejected:
    def test_what_the_upstream_turned_down_is_sent_again_when_the_caller_asks_again(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:429(5)", times=1)
            first = await stage.copy(SOURCE, body={"parentReference": BACKUP, "name": "r.txt"})
            assert (first.status, first.header("Retry-After")) == (429, "5")
            assert first.header("Gateway-Operation") is None
            second = await stage.copy(
                SOURCE, simulate="duration=20ms", body={"parentReference": BACKUP, "name": "r.txt"}
            )
            assert second.status == 200
            assert stage.copies_sent == 2

        play(story)

    def test_those_who_joined_a_call_that_is_turned_down_are_sent_themselves(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:503(1); latency=200ms", times=1)
            answers = await asyncio.gather(
                *(stage.copy(SOURCE, body={"parentReference": BACKUP, "name": "j.txt"}) for _ in range(3))
            )
            assert sorted(answer.status for answer in answers) == [200, 200, 503]
            assert effects(stage) == 1

        play(story)


class TestUnknown:
    """The POST was sent and nobody said what became of it."""

    BODY: ClassVar[dict[str, object]] = {"parentReference": BACKUP, "name": "unknown.txt"}

    @pytest.mark.parametrize("fault", ["apply-then-504", "apply-then-reset", "apply-then-500"])
    def test_the_item_is_there_when_the_caller_asks_again(self, fault: str) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm(f"duration=20ms; fault=post:{fault}", times=1)
            first = await stage.copy(SOURCE, body=self.BODY)
            assert first.status in (500, 504)
            assert first.header("Gateway-Operation") is not None
            again = await stage.copy(SOURCE, body=self.BODY)
            assert again.status == 200, again.body
            assert again.header("Gateway-Result") == "reconciled"
            assert again.json["name"] == "unknown.txt"
            assert (stage.copies_sent, effects(stage)) == (1, 1)

        play(story)

    def test_the_item_is_not_there_and_graph_would_refuse_a_second_one(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:reset", times=1)
            first = await stage.copy(SOURCE, body=self.BODY)
            assert (first.status, first.json["error"]["code"]) == (504, "copyOutcomeUnknown")
            again = await stage.copy(SOURCE, simulate="duration=20ms", body=self.BODY)
            assert again.status == 200
            assert (stage.copies_sent, effects(stage)) == (2, 1)

        play(story)

    @pytest.mark.parametrize(
        "query", ["?@microsoft.graph.conflictBehavior=rename", "?%40microsoft.graph.conflictBehavior=rename"]
    )
    def test_it_cannot_be_known_and_is_not_sent_again(self, query: str) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:reset", times=1)
            await stage.copy(SOURCE + query, body=self.BODY)
            again = await stage.copy(SOURCE + query, body=self.BODY)
            assert (again.status, again.json["error"]["code"]) == (409, "copyOutcomeUnknown")
            assert stage.copies_sent == 1

        play(story)

    def test_with_report_it_is_never_looked_for(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:apply-then-504; duration=20ms", times=1)
            await stage.copy(SOURCE, body=self.BODY)
            again = await stage.copy(SOURCE, body=self.BODY)
            assert again.status == 409
            assert stage.copies_sent == 1

        play(story, operations={"resolve_unknown": "report"})

    def test_an_older_item_of_that_name_is_not_taken_for_the_result(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.drive("me").add_file("/Backup/unknown.txt", data=b"old", now=1_600_000_000.0)
            stage.simulator.arm("fault=post:reset", times=1)
            await stage.copy(SOURCE, body=self.BODY)
            again = await stage.copy(SOURCE, body=self.BODY)
            assert (again.status, again.json["error"]["code"]) == (409, "copyOutcomeUnknown")

        play(story)

    OLD = "/v1.0/me/drive/root:/old.txt:/copy"
    NAMELESS: ClassVar[dict[str, object]] = {"parentReference": BACKUP}

    def test_a_copy_that_keeps_the_sources_name_is_found_by_it(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.drive("me").add_file("/old.txt", data=b"x", now=1_600_000_000.0)
            stage.simulator.arm("duration=20ms; fault=post:apply-then-504", times=1)
            await stage.copy(self.OLD, body=self.NAMELESS)
            again = await stage.copy(self.OLD, body=self.NAMELESS)
            assert (again.status, again.json["name"]) == (200, "old.txt")
            assert again.header("Gateway-Result") == "reconciled"
            assert (stage.copies_sent, effects(stage)) == (1, 1)

        play(story)

    def test_a_copy_that_keeps_the_sources_name_and_is_not_there_is_sent_again(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.drive("me").add_file("/old.txt", data=b"x", now=1_600_000_000.0)
            stage.simulator.arm("fault=post:reset", times=1)
            await stage.copy(self.OLD, body=self.NAMELESS)
            again = await stage.copy(self.OLD, simulate="duration=20ms", body=self.NAMELESS)
            assert again.status == 200
            assert (stage.copies_sent, effects(stage)) == (2, 1)

        play(story)

    def test_where_the_source_was_renamed_since_nobody_knows(self) -> None:
        """The first copy, if there is one, has the old name: sent again, there would be two."""

        async def story(stage: Stage) -> None:
            source = stage.simulator.drive("me").add_file("/Old.txt", data=b"x", now=1_600_000_000.0)
            target = f"/v1.0/me/drive/items/{source.id}/copy"
            stage.simulator.arm("fault=post:reset", times=1)
            await stage.copy(target, body=self.NAMELESS)
            renamed = await stage.call("PATCH", f"/v1.0/me/drive/items/{source.id}", body={"name": "New.txt"})
            assert renamed.status == 200
            again = await stage.copy(target, body=self.NAMELESS)
            assert (again.status, again.json["error"]["code"]) == (409, "copyOutcomeUnknown")
            assert stage.copies_sent == 1

        play(story)

    def test_a_newer_item_of_that_name_and_another_size_is_not_taken_for_the_result(self) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:reset", times=1)
            await stage.copy(SOURCE, body=self.BODY)
            stage.simulator.drive("me").add_file("/Backup/unknown.txt", data=b"somebody else's")
            again = await stage.copy(SOURCE, body=self.BODY)
            assert (again.status, again.json["error"]["code"]) == (409, "copyOutcomeUnknown")

        play(story)

    def test_a_move_is_sent_again_for_a_second_one_changes_nothing(self) -> None:
        async def story(stage: Stage) -> None:
            source = stage.simulator.drive("me").add_file("/Move.txt", data=b"x")
            target = f"/v1.0/me/drive/items/{source.id}"
            folder = await stage.call("GET", "/v1.0/me/drive/root:/Backup")
            move = {"parentReference": {"id": folder.json["id"]}}
            fault = {"Simulate": "move=async; duration=20ms; fault=post:apply-then-504"}
            first = await stage.call("PATCH", target, body=move, headers=fault)
            again = await stage.call("PATCH", target, body=move)
            assert (first.status, again.status) == (504, 200)

        play(story)


def test_nothing_was_sent_is_said_by_503_and_the_call_may_come_again() -> None:
    async def story(stage: Stage) -> None:
        await stage.simulator.stop()
        answer = await stage.call("POST", SOURCE, body={"name": "x"}, token="Bearer sim-ana")
        assert (answer.status, answer.json["error"]["code"]) == (503, "serviceNotAvailable")
        assert answer.header("Retry-After") is not None
        assert "error=connection_refused" in str(answer.header("Proxy-Status")) or answer.header(
            "Proxy-Status"
        )
        again = await stage.call("POST", SOURCE, body={"name": "x"}, token="Bearer sim-ana")
        assert again.status == 503

    play(story)


class TestExpiredToken:
    def test_the_401_is_relayed_and_a_new_token_gets_the_item(self) -> None:
        async def story(stage: Stage) -> None:
            body = {"parentReference": BACKUP, "name": "expired.txt"}
            stage.simulator.arm("duration=50ms; fault=final1:expired", times=1)
            first = await stage.copy(SOURCE, body=body)
            assert first.status == 401
            assert first.header("WWW-Authenticate") is not None
            renewed = stage.token()
            again = await stage.copy(SOURCE, token=renewed, body=body)
            assert (again.status, again.json["name"]) == (200, "expired.txt")
            assert (stage.copies_sent, effects(stage)) == (1, 1)

        play(story)


def test_two_hundred_copies_at_once_have_one_poller_each_and_leave_nothing_behind() -> None:
    async def story(stage: Stage) -> None:
        token = stage.default_token

        def one(number: int) -> Answer:
            raw = json.dumps({"parentReference": BACKUP, "name": f"many-{number}.txt"}).encode()
            headers = {
                "Authorization": token,
                "Content-Type": "application/json",
                "Simulate": "duration=800ms; retry-after=0.1",
            }
            return exchange((stage.host, stage.port), "POST", SOURCE, raw, headers, 60.0)

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(200) as pool:
            answers = await asyncio.gather(*(loop.run_in_executor(pool, one, n) for n in range(200)))
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json["id"] for answer in answers}) == 200
        summary = stage.simulator.summary()
        assert summary.violations == (), "polled too early, with a token, or by two at once"
        assert (summary.items_created, len(summary.polls)) == (200, 200)
        assert len(stage.gateway.follower) == 0
        await passed(lambda: stage.gateway.callers.held == 0)

    play(story)


def test_the_redirect_chain_ends_at_the_item() -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.copy(
            SOURCE, simulate="duration=1500ms", body={"parentReference": BACKUP, "name": "chain.txt"}
        )
        assert answer.status == 303
        answer, hops = await follow(stage, answer)
        assert (answer.status, answer.json["name"]) == (200, "chain.txt")
        assert hops >= 3
        assert (stage.copies_sent, effects(stage)) == (1, 1)

    play(story, wait={"max": 0.4})


def test_an_end_is_there_for_those_who_wait_however_shortly_ends_are_kept() -> None:
    async def story(stage: Stage) -> None:
        body = {"parentReference": BACKUP, "name": "short.txt"}
        answers = await asyncio.gather(
            *(stage.copy(SOURCE, simulate="duration=100ms", body=body) for _ in range(3))
        )
        assert [answer.status for answer in answers] == [200] * 3
        assert stage.copies_sent == 1

    play(story, operations={"keep_finished": 0.0})
