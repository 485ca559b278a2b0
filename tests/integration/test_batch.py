"""Batches: what is in them is held, part by part; what is not touched comes back byte for byte."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import stage as stages
from fakes.origin import Line, answering
from passage import SHIPPED, Passage, passing
from stage import Answer, Stage, passed, play

from gateway.tasks import Tasks

BATCH = "/v1.0/$batch"
COPY = "/me/drive/root:/hello.txt:/copy"
BACKUP = {"path": "/drive/root:/Backup"}

on_every_store = pytest.mark.usefixtures("every_store")

Json = dict[str, Any]


def copy(part: str, name: str, *, simulate: str = "duration=60ms", **more: object) -> Json:
    """A part that copies."""
    headers = {"Content-Type": "application/json", "Simulate": simulate}
    body = {"name": name, "parentReference": BACKUP}
    return {"id": part, "method": "POST", "url": COPY, "headers": headers, "body": body, **more}


def get(part: str, url: str = "/me", **more: object) -> Json:
    return {"id": part, "method": "GET", "url": url, **more}


async def send(
    stage: Stage, *parts: Json, headers: dict[str, str] | None = None, target: str = BATCH
) -> Answer:
    return await stage.call("POST", target, body={"requests": parts}, headers=headers)


def parts_of(answer: Answer) -> dict[str, Json]:
    """The responses by id, in the order in which they stand."""
    assert answer.status == 200, answer.body
    return {response["id"]: response for response in answer.json["responses"]}


def statuses(answer: Answer) -> dict[str, int]:
    return {part: response["status"] for part, response in parts_of(answer).items()}


def sent(stage: Stage) -> list[list[str]]:
    """The ids of the parts of each batch that reached the simulator."""
    return [
        [part["id"] for part in asked.json()["requests"]]  # type: ignore[attr-defined] # a batch has an array
        for asked in stage.simulator.requests()
        if asked.path.lower().endswith("batch")
    ]


def effects(stage: Stage) -> int:
    return sum(stage.simulator.summary().effects.values())


def started(call: Coroutine[Any, Any, Answer]) -> "asyncio.Task[Answer]":
    """A client of its own."""
    return Tasks().start("client", call)


async def delivered(stage: Stage, count: int) -> None:
    """Wait until so many deliveries are on record."""
    await passed(lambda: sum(after.delivered_at is not None for _, after in stage.observer.changes) >= count)


# --- what is held ------------------------------------------------------------------------------------------


@on_every_store
def test_copies_in_a_batch_come_back_finished_and_everything_else_as_it_is() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(
            stage, get("1"), copy("b", "b.txt"), get("3", "/me/drive/root:/nowhere"), copy("a", "a.txt")
        )
        assert statuses(answer) == {"1": 200, "b": 200, "3": 404, "a": 200}
        assert list(parts_of(answer)) == ["1", "b", "3", "a"]
        for part in ("a", "b"):
            response = parts_of(answer)[part]
            assert response["body"]["name"] == f"{part}.txt"
            assert response["headers"]["Gateway-Operation"]
            assert response["headers"]["Content-Location"].endswith(response["body"]["id"])
            assert "Location" not in response["headers"]
            assert "monitor" not in json.dumps(response)
        assert (sent(stage), effects(stage)) == ([["1", "b", "3", "a"]], 2)
        assert answer.header("Gateway-Result") is None
        summary = stage.simulator.summary()
        assert summary.violations == ()
        await delivered(stage, 2)

    observer = play(story)
    assert sorted((call.route, call.relation or "") for call in observer.calls) == [
        ("batch", ""),
        ("hold", "start"),
        ("hold", "start"),
    ]


@pytest.mark.parametrize("target", ["/beta/$batch", "/v1.0/%24batch", "/V1.0/$BATCH/"])
def test_a_batch_is_known_in_every_spelling(target: str) -> None:
    async def story(stage: Stage) -> None:
        if target.startswith("/V"):  # the simulator is particular
            answer = await send(stage, copy("1", "x.txt"))
        else:
            answer = await send(stage, copy("1", "x.txt"), target=target)
        assert statuses(answer) == {"1": 200}

    play(story)


@on_every_store
def test_a_batch_that_is_sent_again_joins_what_runs_and_sends_only_the_rest() -> None:
    async def story(stage: Stage) -> None:
        long = "duration=500ms"
        first = started(send(stage, get("1"), copy("2", "one.txt", simulate=long)))
        await passed(lambda: stage.simulator.summary().copies_started == 1)
        again = await send(stage, get("1"), copy("2", "one.txt", simulate=long))
        assert (statuses(again), statuses(await first)) == ({"1": 200, "2": 200}, {"1": 200, "2": 200})
        ids = {parts_of(answer)["2"]["body"]["id"] for answer in (again, await first)}
        assert len(ids) == 1
        assert (sent(stage), effects(stage)) == ([["1", "2"], ["1"]], 1)

    play(story)


@on_every_store
def test_a_part_joins_a_call_that_came_alone_and_nothing_is_sent() -> None:
    async def story(stage: Stage) -> None:
        body = {"name": "alone.txt", "parentReference": BACKUP}
        alone = started(stage.copy("/v1.0" + COPY, simulate="duration=400ms", body=body))
        await passed(lambda: stage.simulator.summary().copies_started == 1)
        answer = await send(stage, copy("1", "alone.txt"))
        assert parts_of(answer)["1"]["body"]["id"] == (await alone).json["id"]
        assert (sent(stage), effects(stage)) == ([], 1)
        assert answer.header("Content-Type") == "application/json"
        assert answer.header("request-id")

    play(story)


@on_every_store
def test_what_ended_for_a_caller_that_left_is_replayed() -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(TimeoutError):
            await stage.call(
                "POST",
                BATCH,
                body={"requests": [copy("1", "gone.txt", simulate="duration=300ms")]},
                patience=0.15,
            )
        await passed(lambda: any(after.state.value == "result" for _, after in stage.observer.changes))
        answer = await send(stage, get("0"), copy("1", "gone.txt"))
        response = parts_of(answer)["1"]
        assert response["body"]["name"] == "gone.txt"
        assert response["headers"]["Idempotent-Replayed"] == "true"
        assert (sent(stage), effects(stage)) == ([["1"], ["0"]], 1)

    play(story)


def test_two_equal_parts_are_one_operation() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "twin.txt"), copy("2", "twin.txt"))
        one, two = parts_of(answer).values()
        assert (one["status"], two["status"]) == (200, 200)
        assert one["body"]["id"] == two["body"]["id"]
        assert (sent(stage), effects(stage)) == ([["1"]], 1)

    play(story)


def test_the_same_batch_again_and_again_makes_copy_after_copy() -> None:
    async def story(stage: Stage) -> None:
        part = copy("1", "many.txt", url=COPY + "?@microsoft.graph.conflictBehavior=rename")
        names = set()
        for _ in range(4):
            names.add(parts_of(await send(stage, part))["1"]["body"]["name"])
        assert len(names) == 4
        assert effects(stage) == 4

    play(story)


def test_a_part_s_own_idempotency_key_counts() -> None:
    async def story(stage: Stage) -> None:
        def keyed(name: str) -> Json:
            part = copy("1", name)
            part["headers"]["Idempotency-Key"] = "k1"
            return part

        assert statuses(await send(stage, keyed("k.txt"))) == {"1": 200}
        await delivered(stage, 1)
        again = parts_of(await send(stage, keyed("k.txt")))["1"]
        assert (again["status"], again["headers"]["Idempotent-Replayed"]) == (200, "true")
        other = parts_of(await send(stage, keyed("other.txt")))["1"]
        assert (other["status"], other["body"]["error"]["code"]) == (422, "idempotencyKeyReused")
        assert effects(stage) == 1

    play(story)


# --- how it may end ----------------------------------------------------------------------------------------


@on_every_store
def test_a_failed_copy_is_its_error_and_a_refused_one_stays_what_the_upstream_said() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(
            stage,
            copy("1", "ok.txt"),
            copy("2", "no.txt", simulate="duration=50ms; fail=accessDenied"),
            copy("3", "busy.txt", simulate="fault=429(7)"),
        )
        assert statuses(answer) == {"1": 200, "2": 403, "3": 429}
        responses = parts_of(answer)
        assert responses["2"]["body"]["error"]["code"] == "accessDenied"
        assert responses["2"]["headers"]["Gateway-Operation"]
        assert "Gateway-Operation" not in responses["3"]["headers"]
        assert responses["3"]["headers"]["Retry-After"] == "7"
        again = await send(stage, copy("3", "busy.txt"))
        assert statuses(again) == {"3": 200}, "the 429 started nothing"

    play(story)


def test_what_still_runs_at_the_bound_stays_202_with_its_location_here() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(
            stage,
            copy("1", "quick.txt"),
            copy("2", "slow.txt", simulate="duration=900ms"),
            get("3"),
            headers={"Prefer": "wait=0.4"},
        )
        assert statuses(answer) == {"1": 200, "2": 202, "3": 200}
        running = parts_of(answer)["2"]
        assert running["headers"]["Location"].startswith("/_gateway/operations/")
        assert running["body"]["status"] == "inProgress"
        where = running["headers"]["Location"]
        status = await stage.call("GET", where, token=None)
        assert status.status == 202
        result = await stage.call(
            "GET", f"/_gateway/operations/{running['headers']['Gateway-Operation']}/result"
        )
        assert (result.status, result.json["name"]) == (200, "slow.txt")

    play(story)


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0"])
def test_who_does_not_wait_gets_202_and_still_one_post(prefer: str) -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "a.txt"), copy("2", "b.txt"), headers={"Prefer": prefer})
        assert statuses(answer) == {"1": 202, "2": 202}
        assert all("/_gateway/" in part["headers"]["Location"] for part in parts_of(answer).values())
        await passed(lambda: effects(stage) == 2)
        assert sent(stage) == [["1", "2"]]

    play(story)


def test_at_the_bound_there_is_no_redirect_and_no_504_in_a_batch() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "slow.txt", simulate="duration=600ms"))
        assert statuses(answer) == {"1": 202}

    play(story, wait={"max": 0.2, "on_timeout": "error"})


@on_every_store
@pytest.mark.parametrize("fault", ["apply-then-cut", "apply-then-reset"])
def test_a_batch_whose_reply_is_cut_off_leaves_every_part_unknown(fault: str) -> None:
    async def story(stage: Stage) -> None:
        parts = [copy("1", "one.txt"), copy("2", "two.txt")]
        answer = await send(stage, *parts, headers={"Simulate": f"fault={fault}"})
        assert (answer.status, answer.json["error"]["code"]) == (504, "copyOutcomeUnknown")
        states = [after.state.value for _, after in stage.observer.changes]
        assert (states.count("submitting"), states.count("unknown")) == (2, 2)
        await passed(lambda: effects(stage) == 2)
        again = await send(stage, *parts, get("3"))
        assert statuses(again) == {"1": 200, "2": 200, "3": 200}
        assert {part["headers"].get("Gateway-Result") for part in parts_of(again).values()} == {
            "reconciled",
            None,
        }
        assert (sent(stage)[1:], effects(stage)) == ([["3"]], 2), "found, and not sent again"

    play(story)


@pytest.mark.parametrize(("fault", "status"), [("429(5)", 429), ("503(5)", 503), ("401", 401)])
def test_a_batch_that_is_refused_as_a_whole_is_refused_and_started_nothing(fault: str, status: int) -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "x.txt"), get("2"), headers={"Simulate": f"fault={fault}"})
        assert answer.status == status
        assert statuses(await send(stage, copy("1", "x.txt"), get("2"))) == {"1": 200, "2": 200}
        assert effects(stage) == 1

    play(story)


def test_parts_that_join_are_answered_though_the_rest_of_the_batch_is_refused() -> None:
    async def story(stage: Stage) -> None:
        first = started(send(stage, copy("1", "on.txt", simulate="duration=400ms")))
        await passed(lambda: stage.simulator.summary().copies_started == 1)
        parts = [get("0"), copy("1", "on.txt"), copy("2", "new.txt")]
        answer = await send(stage, *parts, headers={"Simulate": "fault=429(5)"})
        assert statuses(answer) == {"0": 429, "1": 200, "2": 429}
        assert parts_of(answer)["0"]["headers"]["Retry-After"] == "5"
        assert "Content-Length" not in parts_of(answer)["0"]["headers"]
        assert statuses(await first) == {"1": 200}

    play(story)


def test_an_upstream_that_is_down_started_nothing() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "x.txt"), get("2"))
        assert (answer.status, answer.json["error"]["code"]) == (503, "serviceNotAvailable")
        assert answer.header("Retry-After")

    play(story, upstream={"base_url": "http://127.0.0.1:9"})


@pytest.mark.parametrize("more", [[], [get("9")]], ids=["nothing else", "something else"])
def test_a_forged_token_learns_nothing_of_what_runs(more: list[Json]) -> None:
    async def story(stage: Stage) -> None:
        head, claims, _ = stage.default_token.split(".")
        forged = f"{head}.{claims}.forged"
        part = copy("1", "mine.txt", simulate="duration=600ms")
        batch = {"requests": [part, *more]}
        before = await stage.call("POST", BATCH, body=batch, token=forged)
        mine = started(send(stage, part))
        await passed(lambda: stage.simulator.summary().copies_started == 1)
        meanwhile = await stage.call("POST", BATCH, body=batch, token=forged)
        assert before.status == meanwhile.status == 401
        assert before.json["error"].keys() == meanwhile.json["error"].keys()
        assert before.json["error"]["code"] == meanwhile.json["error"]["code"]
        assert before.header("WWW-Authenticate") == meanwhile.header("WWW-Authenticate")
        assert {name for name, _ in before.headers} == {name for name, _ in meanwhile.headers}
        assert statuses(await mine) == {"1": 200}
        assert effects(stage) == 1

    play(story)


# --- what is not held --------------------------------------------------------------------------------------


def test_a_batch_in_which_something_depends_on_a_copy_is_passed_on_and_says_so() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("c", "x.txt"), get("2", dependsOn=["C"]))
        assert statuses(answer) == {"c": 202, "2": 200}
        assert answer.header("Gateway-Result") == "batch-not-held"
        assert "/monitor/" in parts_of(answer)["c"]["headers"]["Location"]

    play(story)


def test_a_copy_may_depend_on_something_else() -> None:
    async def story(stage: Stage) -> None:
        parts = [get("1"), copy("2", "dep.txt", dependsOn=["1"]), get("3", "/me/drive/root:/nowhere")]
        answer = await send(stage, *parts, copy("4", "not.txt", dependsOn=["3"]))
        assert statuses(answer) == {"1": 200, "2": 200, "3": 404, "4": 424}
        assert effects(stage) == 1

    play(story)


@pytest.mark.parametrize(
    "parts",
    [
        [get("1"), get("2")],
        [copy("1", "x.txt"), get("1")],
        [copy(str(number), f"{number}.txt") for number in range(21)],
        [{"id": "1"}],
    ],
    ids=["nothing to hold", "an id twice", "too many", "no request"],
)
def test_what_the_gateway_has_no_part_in_is_the_upstream_s_to_answer(parts: list[Json]) -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, *parts)
        direct = [asked for asked in stage.simulator.requests() if asked.path.endswith("batch")]
        assert json.loads(direct[-1].body)["requests"] == parts
        assert answer.status == (200 if len(parts) == 2 and parts[0]["id"] != parts[1]["id"] else 400)
        assert stage.observer.changes == []

    play(story)


# --- lanes, limits, leaving --------------------------------------------------------------------------------


def test_copies_that_queue_for_their_drive_go_with_later_batches() -> None:
    async def story(stage: Stage) -> None:
        parts = [copy(str(number), f"{number}.txt", simulate="duration=100ms") for number in range(4)]
        answer = await send(stage, *parts, get("me"))
        assert set(statuses(answer).values()) == {200}
        batches = sent(stage)
        assert batches[0] == ["0", "me"], "the others do not wait for them"
        assert sorted(part for batch in batches for part in batch) == ["0", "1", "2", "3", "me"]
        assert effects(stage) == 4

    play(story, limits={"running_per_drive": 1})


def test_a_copy_that_queued_past_what_it_depends_on_started_nothing() -> None:
    async def story(stage: Stage) -> None:
        long = "duration=150ms"
        parts = [
            copy("1", "a.txt", simulate=long),
            get("2"),
            copy("3", "b.txt", simulate=long, dependsOn=["2"]),
        ]
        answer = await send(stage, *parts)
        assert statuses(answer) == {"1": 200, "2": 200, "3": 503}
        assert parts_of(answer)["3"]["headers"]["Retry-After"]
        assert (sent(stage), effects(stage)) == ([["1", "2"]], 1)

    play(story, limits={"running_per_drive": 1})


def test_what_does_not_fit_into_the_answer_is_an_error_of_its_own() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "big.txt"), get("2"))
        assert statuses(answer) == {"1": 502, "2": 200}
        assert effects(stage) == 1

    play(story, limits={"body": 1200})


def test_a_batch_takes_one_place_among_held_calls() -> None:
    async def story(stage: Stage) -> None:
        slow = started(
            send(
                stage,
                copy("1", "a.txt", simulate="duration=400ms"),
                copy("2", "b.txt", simulate="duration=400ms"),
            )
        )
        await passed(lambda: stage.simulator.summary().copies_started == 2)
        refused = await send(stage, copy("3", "c.txt"))
        assert (refused.status, refused.json["error"]["code"]) == (503, "serviceNotAvailable")
        assert statuses(await slow) == {"1": 200, "2": 200}

    play(story, limits={"held_calls": 1})


def test_a_store_that_is_full_refuses_the_part_and_not_the_batch() -> None:
    async def story(stage: Stage) -> None:
        answer = await send(stage, copy("1", "a.txt"), copy("2", "b.txt"), get("3"))
        assert sorted(statuses(answer).values()) == [200, 200, 503]
        assert effects(stage) == 1

    play(story, operations={"max_active": 1})


def test_a_gateway_that_is_started_again_knows_the_parts_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "STORE", {"store": "sqlite", "path": tmp_path / "operations.db"})

    async def story(stage: Stage) -> None:
        parts = [
            copy("1", "one.txt", simulate="duration=700ms"),
            copy("2", "two.txt", simulate="duration=700ms"),
        ]
        first = started(send(stage, *parts))
        await passed(lambda: sum(after.state.value == "running" for _, after in stage.observer.changes) >= 2)
        await stage.gateway.stop()
        assert statuses(await first) == {"1": 202, "2": 202}
        second = type(stage.gateway)(stage.gateway.config, stage.gateway.clock, [stage.observer])
        callers, _ = await second.start()
        try:
            stage.host, stage.port = callers.host, callers.port
            again = await send(stage, *parts, get("3"))
            assert statuses(again) == {"1": 200, "2": 200, "3": 200}
            assert (sent(stage), effects(stage)) == ([["1", "2"], ["3"]], 2)
        finally:
            await second.stop()

    play(story)


# --- byte for byte -----------------------------------------------------------------------------------------

ODD = (
    b'{ "@odata.context" : "x\\u00e9",\n "responses" : [\n\t'
    b'{"status":200,"id":"1","body":{"a":1.0,"a":2,"n":1e400,"t":"\xf0\x9f\x98\x80\\/"},"x":[ ]} ,\r\n'
    b'{"headers":{"Operation-Location":"%b/v1.0/me/onenote/operations/1"} , "x-unknown" : {"b" : [1, 2]},"status":202,"id":"2"}'
    b' ], "more":null }\n'
)
BATCH_OF_TWO = b"""{"x": 1, "requests" :[ {"id":"1","method":"GET","url":"/me"},
 {"id":"2","method":"post","url":"/me/onenote/pages/1/copyToSection","body":{"x":1.0},"headers":{"Content-Type":"application/json"}}] }"""


def ok(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def posted(body: bytes) -> bytes:
    return (
        b"POST /v1.0/$batch HTTP/1.1\r\nHost: graph\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


DONE = b'{"id":"1","status":"completed","resourceLocation":"https://graph.microsoft.com/v1.0/me/onenote/pages/9"}'


async def graph(line: Line) -> None:
    """Answers the batch oddly, the operation that it started with its end, and all else with an item."""
    while True:
        request = await line.request()
        first, *_ = request.head.split(b"\r\n")
        if b"$batch" in first:
            await line.send(ok(ODD % line.origin.url.encode()))
        else:
            await line.send(ok(DONE if b"/operations/" in first else b' {"id": "9",\n"a": 1} '))


def test_all_but_the_response_of_the_operation_stays_byte_for_byte() -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(posted(BATCH_OF_TWO))
        before, changed, behind = (ODD % b"").partition(b'{"headers"')
        assert answer.status == 200
        assert answer.body.startswith(before), answer.body
        assert answer.body.endswith(b' ], "more":null }\n')
        assert (
            b' , "x-unknown" : {"b" : [1, 2]},"status":200,"id":"2","body":{"id": "9",\n"a": 1}} ], '
            in answer.body
        )
        assert changed + behind not in answer.body
        batch = next(one for one in passage.origin.requests if b"$batch" in one.head)
        assert batch.body == BATCH_OF_TWO
        assert b"Accept-Encoding: identity" in batch.head
        assert b"\r\nclient-request-id: " in batch.head

    passing(story, graph, loops=SHIPPED)


@pytest.mark.parametrize(
    "reply",
    [
        ok(b'{"responses":[{"id":"1","status":200},{"id":"2","status":429,"headers":{"Retry-After":"3"}}] }'),
        ok(b'{"responses":[{"id":"1","status":200},{"id":"2","status":202}]}'),
        ok(b'{"error":{"code":"BadRequest"}}', b"400 Bad Request"),
        ok(b'{"error":{}}', b"504 Gateway Timeout"),
        ok(b"<html>"),
        ok(b'{"responses":[{"id":"1","status":200},{"id":"2","status":202,"status":200}]}'),
        ok(b'{"responses":[{"id":"1","status":202,"body":"' + b"x" * 9000 + b'"}]}'),
    ],
    ids=["declined", "no monitor", "refused", "unclear", "no json", "ambiguous", "too long"],
)
def test_an_answer_in_which_nothing_is_to_be_changed_is_passed_on_as_it_came(reply: bytes) -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(posted(BATCH_OF_TWO))
        head, _, body = reply.partition(b"\r\n\r\n")
        assert answer.head.startswith(head.split(b"\r\n")[0])
        assert answer.body == body
        while (record := await passage.record()).route != "batch":
            """Each part has a record too."""
        assert record.upstream_status == int(reply.split()[1])
        unclear = reply.startswith(b"HTTP/1.1 504") or b"<html>" in reply or b'202,"status"' in reply
        await passage.gateway.errands.settle()
        kept = [one.state.value for one in await passage.gateway.store.all()]
        assert kept == (["unknown"] if unclear else []), "what was handed over is its caller's"

    passing(story, answering(reply), loops=SHIPPED, limits={"body": 8000})


def test_a_part_without_a_response_is_of_unknown_outcome() -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(posted(BATCH_OF_TWO))
        body = json.loads(answer.body)
        assert [(part["id"], part["status"]) for part in body["responses"]] == [("1", 200), ("2", 504)]
        assert body["responses"][1]["body"]["error"]["code"] == "copyOutcomeUnknown"

    passing(story, answering(ok(b'{"responses":[{"id":"1","status":200}]}')), loops=SHIPPED)


def test_a_batch_longer_than_what_is_captured_is_streamed_through_and_says_so() -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(posted(BATCH_OF_TWO))
        assert b"\r\nGateway-Result: batch-not-held\r\n" in answer.head
        assert passage.origin.requests[0].body == BATCH_OF_TWO

    passing(story, answering(ok(b"{}")), loops=SHIPPED, limits={"body": 100})
