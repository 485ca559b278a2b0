"""A caller's connection: its deadlines, its bounds, how it is dismissed and how it ends."""

import asyncio

import pytest
from acceptance.command import ended
from aiohttp.web_protocol import RequestHandler
from fakes.errors import assert_own_error
from fakes.origin import Line, answering
from passage import Passage, passing, turn

from gateway.http import connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n"
BAD = b"GET /x HTTP/1.1\r\nHost: g\r\nA : b\r\n\r\n"


async def past(seconds: float) -> None:
    """Let real time pass: what is waited for is that something does not happen."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        await turn()


async def nobody_left(passage: Passage) -> None:
    while passage.gateway.callers.connections:
        await turn()


def test_the_names_that_we_use_of_aiohttp_are_there() -> None:
    """Private ones, all of them; a release that drops one is not to be found out in production."""
    for name in (
        "_request_count", "_current_request", "_messages", "_max_msg_queue_size", "_waiter", "_task_handler",
        "_close", "_force_close", "_upgraded", "_reading_paused", "_buffer_paused", "_read_bufsize",
        "_pause_reading_for_buffer", "_resume_reading_if_drained", "finish_response", "handle_error",
    ):  # fmt: skip
        assert hasattr(RequestHandler, name), name


# --- the deadline of a head --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun", [b"G", b"GET /C4N4RY HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: g\r\nX: C4N4RY\r\n\r"]
)
def test_a_head_that_stays_unfinished(begun: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(begun)
        answer = await caller.answer()
        assert_own_error(answer, 408, "requestTimeout", "http_request_error")
        assert answer.get(b"connection") == b"close"
        assert b"C4N4RY" not in answer.raw
        assert await caller.rest() == b""
        record = await passage.record()
        assert (record.route, record.status, record.path) == ("refused", 408, "")
        await caller.close()
        await nobody_left(passage)
        assert passage.origin.heads == []

    passing(story, answering(OK), limits={"header_read": 0.1})


def test_a_head_that_trickles_in_has_no_more_time() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        began = asyncio.get_running_loop().time()
        await caller.send(b"GET / HTTP/1.1\r\nHost: g\r\nX: ")
        reading = passage.gateway.tasks.start("reading", caller.answer())
        while not reading.done():
            await caller.send(b"y")
            await turn()
        assert reading.result().status == 408
        assert asyncio.get_running_loop().time() - began < 5

    passing(story, answering(OK), limits={"header_read": 0.2})


def test_a_connection_on_which_nothing_comes_is_closed_without_a_word() -> None:
    """A caller that connects ahead of its need would take a 408 for its answer."""

    async def story(passage: Passage) -> None:
        callers = [await passage.caller() for _ in range(2)]
        await callers[1].send(b"\r\n")
        for caller in callers:
            assert await caller.rest() == b""
        assert passage.observer.calls == []

    passing(story, answering(OK), limits={"header_read": 0.1})


def test_a_second_head_has_a_deadline_of_its_own() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert (await caller.ask(GET)).status == 200
        await past(0.3)
        assert (await caller.ask(GET)).status == 200, "the time between two calls does not count"
        await caller.send(GET[:10])
        assert (await caller.answer()).status == 408

    passing(story, answering(OK), limits={"header_read": 0.2})


@pytest.mark.parametrize("behind", [b"", b"GET /y HT"])
def test_a_call_that_is_being_served_has_no_deadline(behind: bytes) -> None:
    """Neither its body, however it comes in, nor the beginning of another head behind it is a late head."""

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await past(0.25)
            await line.send(OK)

    async def story(passage: Passage) -> None:
        for _ in range(2):
            caller = await passage.caller()
            await caller.send(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 6\r\n\r\n")
            await caller.send(b"abc")
            await turn()
            await caller.send(b"def" + behind)
            assert (await caller.answer()).body == b"ok"
            if behind:
                assert (await caller.answer()).status == 408
            await caller.close()

    passing(story, script, limits={"header_read": 0.1})


def test_a_body_that_comes_right_behind_its_head_is_no_late_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """It arrives while the call is still on its way to its handler: one turn of the event loop later."""
    received = connection.Connection.data_received

    def in_two(self: connection.Connection, data: bytes) -> None:
        head, end, body = data.partition(b"\r\n\r\n")
        received(self, head + end)
        if body:
            asyncio.get_running_loop().call_soon(received, self, body)

    monkeypatch.setattr(connection.Connection, "data_received", in_two)

    async def script(line: Line) -> None:
        await line.request()
        await past(0.2)
        await line.send(OK)

    async def story(passage: Passage) -> None:
        answer = await passage.ask(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 6\r\n\r\nabcdef")
        assert answer.body == b"ok"

    passing(story, script, limits={"header_read": 0.1})


def test_an_idle_connection_is_closed_without_a_word() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert (await caller.ask(GET)).status == 200
        assert await caller.rest() == b""
        await nobody_left(passage)

    passing(story, answering(OK), limits={"idle": 0.2})


# --- bounds ------------------------------------------------------------------------------------------------------


def test_a_connection_too_many_is_told_so() -> None:
    async def story(passage: Passage) -> None:
        here = [await passage.caller() for _ in range(2)]
        assert [(await caller.ask(GET)).status for caller in here] == [200, 200]
        late = await passage.caller()
        await late.send(b"PUT /x HTTP/1.1\r\nHost: g\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 1_000_000)
        answer = await late.answer()
        assert_own_error(answer, 503, "serviceNotAvailable", "connection_limit_reached")
        assert answer.get(b"retry-after") == b"2"
        assert answer.get(b"connection") == b"close"
        await late.close()
        assert (await here[0].ask(GET)).status == 200
        await here[1].close()
        while passage.gateway.callers.connections > 1:
            await turn()
        assert (await passage.ask(GET)).status == 200
        assert all(got.method == b"GET" for got in passage.origin.heads)

    passing(story, answering(OK), limits={"connections": 2})


@pytest.mark.parametrize("at", [8192, 512, 65_536])
def test_the_bound_of_the_header_is_a_setting(at: int) -> None:
    """And tells a target from a line, whatever it is."""

    async def story(passage: Passage) -> None:
        def with_line(size: int) -> bytes:
            return b"GET /x HTTP/1.1\r\nHost: g\r\nX: " + b"x" * size + b"\r\n\r\n"

        assert (await passage.ask(with_line(at - 50))).status == 200
        assert (await passage.ask(with_line(at))).status == 431
        assert (await passage.ask(with_line(3 * at))).status == 431
        assert (await passage.ask(GET.replace(b"/x", b"/" + b"x" * 9000))).status == 414
        assert (await passage.ask(GET.replace(b"/x", b"/" + b"x" * 8000))).status == 200

    passing(story, answering(OK), limits={"header": at})


# --- dismissal ---------------------------------------------------------------------------------------------------


def test_whoever_is_dismissed_can_read_why() -> None:
    """It goes on sending; closing at once would reset the connection under our answer."""

    async def story(passage: Passage) -> None:
        for _ in range(5):
            caller = await passage.caller()
            caller.writer.write(BAD + b"x" * 3_000_000)
            assert (await caller.answer()).status == 400
            assert await caller.ended() == b""
            await caller.close()
        await nobody_left(passage)

    passing(story, answering(OK))


def test_whoever_is_dismissed_and_stays_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.1)

    async def story(passage: Passage) -> None:
        callers = [await passage.caller() for _ in range(3)]
        for caller in callers:
            assert (await caller.ask(BAD)).status == 400
        assert passage.gateway.callers.connections == 3
        await nobody_left(passage)

    passing(story, answering(OK))


def test_not_everybody_who_is_dismissed_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_LINGERING", 1)

    async def story(passage: Passage) -> None:
        callers = [await passage.caller() for _ in range(3)]
        for caller in callers:
            assert (await caller.ask(BAD)).status == 400
        while passage.gateway.callers.connections > 1:
            await turn()
        await callers[0].close()
        await nobody_left(passage)

    passing(story, answering(OK))


def test_a_caller_that_says_no_more_is_gone() -> None:
    """Half a connection is none: whoever closes its half while it waits gets nothing, which it has asked for."""

    async def script(line: Line) -> None:
        await line.request()
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        await passage.origin.until(lambda: len(passage.origin.requests) == 1)
        caller.writer.write_eof()
        assert await caller.rest() == b""
        assert (await passage.record()).outcome == "left"

    passing(story, script)


# --- the end of the gateway --------------------------------------------------------------------------------------


def test_calls_that_are_under_way_are_served_to_their_end() -> None:
    """An upload and a download, with the gateway stopping between; idle connections go at once."""
    told = False

    async def script(line: Line) -> None:
        while (await line.head()).method == b"GET":
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            await line.origin.until(lambda: told)
            await line.send(b"def")
        assert await line.reader.readexactly(300_000) == b"x" * 300_000
        await line.send(OK)
        await line.ended()

    async def story(passage: Passage) -> None:
        nonlocal told
        told = False
        idle, up, down, queued = [await passage.caller() for _ in range(4)]
        await up.send(b"PUT /x HTTP/1.1\r\nHost: g\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100_000)
        await down.send(GET)
        assert (await down.head()).get(b"connection") is None
        await queued.send(GET + GET)
        await queued.head()
        await passage.origin.until(lambda: len(passage.origin.heads) == 3)
        stopping = passage.gateway.tasks.start("stop", passage.gateway.callers.stop(20.0))
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await passage.caller()
        await up.send(b"x" * 200_000)
        answer = await up.answer()
        assert (answer.body, answer.get(b"connection")) == (b"ok", b"close")
        assert await up.rest() == b""
        assert not stopping.done()
        told = True
        passage.origin.stir()
        assert await down.rest() == b"abcdef"
        assert (await queued.reader.readexactly(6)) == b"abcdef"
        answer = await queued.answer()
        assert (answer.body, answer.get(b"connection")) == (b"abcdef", b"close")
        await stopping
        assert {record.outcome for record in passage.observer.calls} == {"answered"}

    passing(story, script)


def test_what_does_not_end_in_time_is_cut() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await line.ended()

    async def story(passage: Passage) -> None:
        caller, old, stuck = [await passage.caller() for _ in range(3)]
        await caller.send(GET)
        await caller.head()
        await old.send(GET.replace(b"1.1", b"1.0"))
        await old.head()
        await stuck.send(b"GET /x HT")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await passage.gateway.callers.stop(0.2)
        assert loop.time() - began < 5
        for one in (caller, old):
            with pytest.raises(ConnectionResetError):
                await one.rest()
        assert await stuck.ended() == b""
        assert [record.outcome for record in passage.observer.calls] == ["aborted", "aborted"]
        assert passage.gateway.callers.connections == 0
        await passage.at_rest()

    passing(story, script)


def test_a_gateway_without_grace_stops_at_once() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        await passage.origin.until(lambda: len(passage.origin.requests) == 1)
        await passage.gateway.callers.stop(0)
        assert passage.gateway.callers.connections == 0
        assert [record.outcome for record in passage.observer.calls] == ["aborted"]

    passing(story, script)


# --- the parser --------------------------------------------------------------------------------------------------


def test_without_the_strict_parser_it_does_not_start() -> None:
    done = ended("run", AIOHTTP_NO_EXTENSIONS="1")
    assert done.code == 1
    assert len(done.lines) == 1
    assert "C parser" in done.lines[0]
    assert "AIOHTTP_NO_EXTENSIONS" in done.lines[0]
    assert done.out == ""
