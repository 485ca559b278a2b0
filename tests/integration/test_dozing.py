"""What a held call keeps, and that its connection goes on as if it had kept everything."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Callable, Iterable

from stage import Stage, play

from gateway.http.connection import Connection

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"


def post(
    stage: Stage, name: str, *, padding: int = 0, chunked: bool = False, simulate: str = "duration=9s"
) -> bytes:
    """A copy as bytes; `padding` makes its body as long."""
    raw = json.dumps({"parentReference": {"path": "/drive/root:/Backup"}, "name": name}).encode()
    raw += b" " * padding
    head = (
        f"POST {SOURCE} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {stage.default_token}\r\n"
        f"Content-Type: application/json\r\nX-Long: {'x' * 1500}\r\nSimulate: {simulate}\r\n"
    ).encode()
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(raw), raw)
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw)


def get(stage: Stage) -> bytes:
    return (
        f"GET /v1.0/me/drive/root:/hello.txt HTTP/1.1\r\nHost: gateway\r\n"
        f"Authorization: {stage.default_token}\r\n\r\n"
    ).encode()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)


class Client:
    """One connection, on the event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, object]]:
        """Status and JSON of the next answer."""
        async with asyncio.timeout(20):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            body = await self._reader.readexactly(int(lengths[0].split(b":")[1]))
        return int(head.split()[1]), json.loads(body)


async def connect(stage: Stage) -> Client:
    return Client(*await asyncio.open_connection(stage.host, stage.port))


async def held(stage: Stage, number: int) -> None:
    def waiting() -> int:
        return sum(map(stage.gateway.waiting.waiting_for, {one.id for _, one in stage.observer.changes}))

    await until(lambda: len(stage.gateway.follower) == number and waiting() == number)


def live(stage: Stage) -> set[Connection]:
    return stage.gateway.callers._server.live


def dozing(stage: Stage) -> int:
    return sum(connection.dozes for connection in live(stage))


def test_the_connection_serves_the_next_call_as_if_it_had_never_slept() -> None:
    async def story(stage: Stage) -> None:
        client = await connect(stage)
        for number in range(3):
            client.writer.write(post(stage, f"{number}.txt", simulate="duration=50ms"))
            assert (await client.answer())[0] == 200
            client.writer.write(get(stage))
            status, item = await client.answer()
            assert (status, item["name"]) == (200, "hello.txt")
        client.writer.close()

    play(story)


def test_what_comes_while_it_sleeps_is_answered_in_its_turn() -> None:
    """Whole, cut in two, and behind each other."""

    async def story(stage: Stage) -> None:
        client = await connect(stage)
        client.writer.write(post(stage, "held.txt", simulate="duration=400ms"))
        await held(stage, 1)
        assert dozing(stage) == 1
        second = get(stage)
        client.writer.write(second[:30])
        await until(lambda: dozing(stage) == 0)
        client.writer.write(second[30:] + second)
        names = [(await client.answer())[1]["name"] for _ in range(3)]
        assert names == ["held.txt", "hello.txt", "hello.txt"]
        client.writer.close()

    play(story)


def test_nonsense_that_comes_while_it_sleeps_is_refused_behind_the_answer() -> None:
    async def story(stage: Stage) -> None:
        client = await connect(stage)
        client.writer.write(post(stage, "held.txt", simulate="duration=300ms"))
        await held(stage, 1)
        client.writer.write(b"NON\x00SENSE\r\n\r\n")
        assert (await client.answer())[1]["name"] == "held.txt"
        assert (await client.answer())[0] == 400
        client.writer.close()

    play(story)


def test_a_parser_that_may_hold_some_of_the_next_request_stays() -> None:
    """Only it knows where a body in chunks ends."""

    async def story(stage: Stage) -> None:
        client = await connect(stage)
        second = get(stage)
        client.writer.write(post(stage, "held.txt", chunked=True, simulate="duration=300ms") + second[:40])
        await held(stage, 1)
        assert dozing(stage) == 0
        client.writer.write(second[40:])
        assert (await client.answer())[1]["name"] == "held.txt"
        assert (await client.answer())[1]["name"] == "hello.txt"
        client.writer.close()

    play(story)


def test_a_caller_that_leaves_while_it_sleeps_is_noticed() -> None:
    async def story(stage: Stage) -> None:
        client = await connect(stage)
        client.writer.write(post(stage, "held.txt"))
        await held(stage, 1)
        client.writer.transport.abort()
        await until(lambda: stage.gateway.callers.held == 0)
        assert [call.outcome for call in stage.observer.calls] == ["left"]

    play(story)


def test_a_held_call_keeps_neither_its_body_nor_its_headers_twice_and_costs_two_tasks() -> None:
    """What is counted was allocated on behalf of the gateway's code, aiohttp's part of it included, for calls with
    2.5 KB of headers: 17 to 20 KB each when this was written. The body alone would be 100 KB.
    """
    number = 20

    async def story(stage: Stage) -> None:
        warm = await connect(stage)
        warm.writer.write(post(stage, "warm.txt", simulate="duration=20ms"))
        await warm.answer()
        gc.collect()
        tracemalloc.start(16)
        try:
            clients = [await connect(stage) for _ in range(number)]
            for at, client in enumerate(clients):
                client.writer.write(post(stage, f"{at}.txt", padding=100_000))
            await held(stage, number)
            gc.collect()
            kept = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
        assert dozing(stage) == number + 1, "the first one has had no reason to wake up"
        each = sum(trace.size for trace in kept.traces if _is_ours(trace.traceback)) / number
        assert 4 * 1024 < each < 26 * 1024
        decoded = [one._current_request.headers for one in live(stage) if one._current_request is not None]
        assert [len(lines) for lines in decoded] == [0] * number, "header lines are kept once"
        assert len(stage.gateway.errands) == 0, "the POSTs have been sent"
        assert len(stage.gateway.tasks) <= stage.gateway.config.limits.concurrent_polls + 2
        for client in clients:
            client.writer.transport.abort()
        warm.writer.close()

    play(story)


def _is_ours(frames: Iterable[tracemalloc.Frame]) -> bool:
    files = [frame.filename for frame in frames]
    ours = any("/gateway/" in file and "/simulator/" not in file for file in files)
    return ours and not any("/simulator/" in file for file in files)


def test_monitors_that_hang_take_the_places_of_polls_and_never_those_of_calls() -> None:
    async def story(stage: Stage) -> None:
        for number in range(6):
            answer = await stage.copy(
                SOURCE,
                body={"parentReference": {"path": "/drive/root:/Backup"}, "name": f"{number}.txt"},
                headers={"Prefer": "respond-async"},
                simulate="fault=poll1-99:hang",
            )
            assert answer.status == 202

        def polls() -> int:
            """Polls that are under way; most have no task."""
            live, idle = stage.gateway.monitors.connections
            return live - idle

        await until(lambda: polls() == 2)
        for _ in range(10):
            assert (await stage.call("GET", "/v1.0/me/drive/root:/hello.txt")).status == 200
        assert polls() == 2
        assert len(stage.gateway.follower) == 6

    play(story, limits={"concurrent_polls": 2})
