"""Callers that leave at awkward moments: the operation goes on, and nothing is left behind."""

import asyncio
import json
import socket
from collections.abc import Callable
from functools import partial

import pytest
from stage import Stage, in_thread, play

pytestmark = pytest.mark.usefixtures("every_store")

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
BODY: dict[str, object] = {"parentReference": {"path": "/drive/root:/Backup"}, "name": "l.txt"}


def post(stage: Stage, simulate: str, query: str = "") -> socket.socket:
    """A client that has sent its POST and reads nothing."""
    raw = json.dumps(BODY).encode()
    head = (
        f"POST {SOURCE}{query} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {stage.default_token}\r\nSimulate: {simulate}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    client = socket.create_connection((stage.host, stage.port))
    client.sendall(head.encode() + raw)
    return client


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)


def states(stage: Stage) -> list[str]:
    return [after.state.value for _, after in stage.observer.changes]


def left(stage: Stage) -> bool:
    return any(call.outcome == "left" for call in stage.observer.calls)


def test_before_the_upstream_has_answered_the_post() -> None:
    async def story(stage: Stage) -> None:
        client = post(stage, "latency=300ms; duration=100ms")
        await until(lambda: "submitting" in states(stage))
        client.close()
        await until(lambda: left(stage))
        assert "running" not in states(stage), "it left before the 202"
        await until(lambda: "result" in states(stage))
        answer = await stage.copy(SOURCE, simulate="latency=10ms; duration=100ms", body=BODY)
        assert (answer.status, answer.json["name"]) == (200, "l.txt")
        assert answer.header("Idempotent-Replayed") == "true"
        assert stage.copies_sent == 1

    play(story)


def test_before_an_ordinary_reply_that_nobody_reads_then() -> None:
    async def story(stage: Stage) -> None:
        client = post(stage, "latency=300ms; fault=post:423")
        await until(lambda: "submitting" in states(stage))
        client.close()
        await until(lambda: "rejected" in states(stage))
        await stage.gateway.errands.settle()
        live, idle = stage.gateway.graph.connections
        assert live == idle, "no exchange is left open"
        again = await stage.copy(SOURCE, simulate="duration=50ms", body=BODY)
        assert again.status == 200, "what was turned down is sent again"

    play(story)


def test_while_the_item_is_being_fetched() -> None:
    async def story(stage: Stage) -> None:
        client = post(stage, "duration=50ms; lag=400ms")
        await until(lambda: "result" in states(stage))
        client.close()
        await until(lambda: left(stage))
        answer = await stage.copy(SOURCE, simulate="duration=50ms", body=BODY)
        assert (answer.status, answer.json["name"]) == (200, "l.txt")
        assert stage.copies_sent == 1

    play(story)


async def all_of_many_leave(stage: Stage) -> None:
    """They are held for one operation; it goes on without them."""
    clients = [post(stage, "duration=700ms") for _ in range(50)]
    await until(lambda: "running" in states(stage))
    operation = stage.observer.changes[0][1].id
    await until(lambda: stage.gateway.waiting.waiting_for(operation) == 50)
    for client in clients:
        client.close()
    await until(lambda: stage.gateway.callers.held == 0)
    assert stage.gateway.waiting.waiting_for(operation) == 0
    await until(lambda: "result" in states(stage))
    answer = await stage.copy(SOURCE, simulate="duration=700ms", body=BODY)
    assert answer.status == 200
    assert stage.copies_sent == 1


def test_a_client_that_hangs_up_after_the_last_byte_has_its_answer() -> None:
    """Its next POST asks for a second copy, however fast it was with closing the connection."""

    def client(stage: Stage, count: int) -> set[str]:
        ids = set()
        for _ in range(count):
            with post(stage, "duration=1ms", query="?@microsoft.graph.conflictBehavior=rename") as raw:
                answer = b""
                while not answer.endswith(b"}"):
                    answer += raw.recv(65_536)
            ids.add(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
        return ids

    async def story(stage: Stage) -> None:
        _ = stage.default_token
        assert len(await in_thread(partial(client, stage, 60))) == 60

    observer = play(story)
    assert {call.relation for call in observer.calls} == {"start"}


def test_fifty_at_once() -> None:
    play(all_of_many_leave)


def test_an_answer_that_was_cut_off_is_not_taken_for_delivered() -> None:
    """The client reads the head and hangs up with the body unread: its next POST gets the same item."""

    async def story(stage: Stage) -> None:
        drive = stage.simulator.drive("me")
        for number in range(3000):
            drive.add_file(f"/Big/file-{number:05}.txt", 1)
        client = post(stage, "duration=50ms")
        client.close()
        target = "/v1.0/me/drive/root:/Big:/copy?$expand=children"
        raw = json.dumps({"name": "Big2", "parentReference": {"path": "/drive/root:/Backup"}}).encode()
        head = (
            f"POST {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {stage.default_token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\nSimulate: duration=50ms\r\n\r\n"
        )
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((stage.host, stage.port))
        reader.sendall(head.encode() + raw)
        first = await asyncio.get_running_loop().run_in_executor(None, reader.recv, 15)
        assert first == b"HTTP/1.1 200 OK"
        reader.close()
        await until(lambda: sum(call.outcome == "left" for call in stage.observer.calls) >= 1)
        answer = await stage.call(
            "POST",
            target,
            body={"name": "Big2", "parentReference": {"path": "/drive/root:/Backup"}},
            headers={"Simulate": "duration=50ms"},
        )
        assert (answer.status, answer.json["name"]) == (200, "Big2"), answer.body[:300]
        assert answer.header("Idempotent-Replayed") == "true"

    play(story)
