"""More than one message on a connection: reuse, pipelining, expectations, and upgrades that are ignored."""

import asyncio

import pytest
from fakes.origin import Line, answering
from passage import Passage, passing

from gateway.upstream import upload

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FULL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"


async def echo(line: Line) -> None:
    """Answers with what was asked for."""
    while True:
        got = await line.request()
        said = got.target + b" " + got.body
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))


def get(target: bytes, lines: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: g\r\n" + lines + b"\r\n"


def post(target: bytes, body: bytes, lines: bytes = b"") -> bytes:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n" % len(body)
    return head + lines + b"\r\n" + body


def post_in_chunks(target: bytes, body: bytes, lines: bytes = b"") -> bytes:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n"
    return head + lines + b"\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


# --- reuse and pipelining ------------------------------------------------------------------------------------


def test_one_connection_serves_a_hundred_calls() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for number in range(100):
            body = b"%d" % number
            answer = await caller.ask(post(b"/a", body) if number % 2 else post_in_chunks(b"/a", body))
            assert answer.body == b"/a " + body
        assert len(passage.origin.lines) == 1
        assert passage.gateway.callers.connections == 1

    passing(story, echo)


def test_pipelined_calls_are_answered_in_order() -> None:
    """More of them than are queued, of every kind, at once."""
    calls = []
    for number in range(100):
        target, body = b"/%d" % number, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"[: number % 24]
        calls.append([get(target), post(target, body), post_in_chunks(target, body or b"x")][number % 3])

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(b"".join(calls))
        for number in range(100):
            answer = await caller.answer()
            assert answer.body.split(b" ", 1)[0] == b"/%d" % number
        assert [got.target for got in passage.origin.requests] == [b"/%d" % number for number in range(100)]

    passing(story, echo)


def test_pipelined_calls_are_answered_however_they_are_cut() -> None:
    calls = get(b"/1") + post(b"/2", b"body") + post_in_chunks(b"/3", b"body") + b"\r\n" + get(b"/4")

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for byte in calls:
            await caller.send(bytes([byte]))
        answers = [(await caller.answer()).body for _ in range(4)]
        assert answers == [b"/1 ", b"/2 body", b"/3 body", b"/4 "]

    passing(story, echo)


def test_a_slow_answer_is_not_overtaken() -> None:
    async def script(line: Line) -> None:
        while True:
            got = await line.request()
            if got.target == b"/slow":
                await line.origin.until(lambda: len(line.origin.heads) == 3)
            await line.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(got.target), got.target)
            )

    async def story(passage: Passage) -> None:
        first, second = await passage.caller(), await passage.caller()
        await first.send(get(b"/slow") + get(b"/quick"))
        await passage.origin.until(lambda: len(passage.origin.heads) == 1)
        assert (await second.ask(get(b"/other"))).body == b"/other"
        await second.send(get(b"/another"))
        assert [(await first.answer()).body for _ in range(2)] == [b"/slow", b"/quick"]
        assert (await second.answer()).body == b"/another"

    passing(story, script)


def test_calls_behind_one_that_closes_are_not_made() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(get(b"/1", b"Connection: close\r\n") + get(b"/2"))
        assert (await caller.answer()).get(b"connection") == b"close"
        assert await caller.rest() == b""
        assert [got.target for got in passage.origin.requests] == [b"/1"]

    passing(story, echo)


def test_callers_are_served_side_by_side() -> None:
    async def story(passage: Passage) -> None:
        callers = [await passage.caller() for _ in range(20)]
        answers = await asyncio.gather(
            *(caller.ask(post(b"/a", b"%d" % number)) for number, caller in enumerate(callers))
        )
        assert [answer.body for answer in answers] == [b"/a %d" % number for number in range(20)]

    passing(story, echo)


# --- Expect: 100-continue ------------------------------------------------------------------------------------

HELLO = b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def test_the_upstreams_leave_to_go_on_is_passed_on() -> None:
    async def script(line: Line) -> None:
        head = await line.head()
        assert head.get(b"expect") == b"100-continue"
        await line.send(CONTINUE)
        assert await line.reader.readexactly(5) == b"hello"
        await line.send(OK)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert (await caller.ask(HELLO)).raw == CONTINUE
        await caller.send(b"hello")
        assert (await caller.answer()).body == b"ok"

    passing(story, script)


def test_an_upstream_that_says_nothing_gets_the_body_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "EXPECT_PATIENCE", 0.05)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert (await caller.ask(HELLO)).raw == CONTINUE
        assert len(passage.origin.heads) == 1, "the upstream was there before the caller was told to go on"
        await caller.send(b"hello")
        assert (await caller.answer()).body == b"ok"
        assert (await caller.ask(get(b"/y"))).status == 200

    passing(story, answering(OK))


def test_a_late_leave_to_go_on_is_not_passed_on_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "EXPECT_PATIENCE", 0.05)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert (await caller.ask(HELLO)).raw == CONTINUE
        await caller.send(b"hello")
        assert (await caller.answer()).status == 200

    passing(story, answering(CONTINUE + OK))


def test_a_caller_that_does_not_wait_is_served() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(HELLO + b"hello")
        answers = [await caller.answer()]
        while answers[-1].status == 100:
            answers.append(await caller.answer())
        assert answers[-1].body == b"/x hello"
        assert len(answers) <= 2

    async def script(line: Line) -> None:
        while True:
            await line.head()
            await line.send(CONTINUE)
            said = b"/x " + await line.reader.readexactly(5)
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    passing(story, script)


def test_an_answer_before_the_body_is_relayed_and_the_body_not_asked_for() -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.send(FULL)
        assert await line.ended() == b"", "nothing of the body went upstream"

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        answer = await caller.ask(HELLO)
        assert (answer.status, answer.body) == (413, b"{}")
        assert answer.get(b"connection") == b"close", "or the next request would be taken for the body"
        await caller.send(get(b"/smuggled")[:5] + get(b"/smuggled"))
        await caller.ended()
        await passage.at_rest()
        assert [head.target for head in passage.origin.heads] == [b"/x"]

    passing(story, script)


@pytest.mark.parametrize("path", [b"/x", b"/v1.0/me/drive/items/A/copy"])
def test_nobody_is_told_to_go_on_while_the_upstream_is_down(path: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(HELLO.replace(b"/x", path))
        head = await caller.head()
        assert head.status in (502, 503)
        assert head.get(b"connection") == b"close"
        assert head.get(b"proxy-status") == b"lro-gateway; error=connection_refused"

    passing(story, echo, upstream={"base_url": "http://127.0.0.1:1"})


def test_a_caller_of_http_1_0_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "EXPECT_PATIENCE", 0.05)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        answer = await caller.ask(HELLO.replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello")
        assert answer.body == b"ok"

    passing(story, answering(CONTINUE + OK))


def test_a_refused_call_is_not_told_to_go_on() -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(HELLO.replace(b"Host", b"A_b: 1\r\nHost"))
        assert answer.status == 400
        answer = await passage.ask(HELLO.replace(b"/x", b"/_gateway/unknown"))
        assert answer.status == 404
        assert passage.origin.heads == []

    passing(story, echo)


# --- an answer that comes early --------------------------------------------------------------------------------


def test_an_answer_in_the_middle_of_a_body_is_relayed_and_the_connection_closed() -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.reader.readexactly(100)
        await line.send(FULL)
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100)
        answer = await caller.answer()
        assert (answer.status, answer.get(b"connection")) == (413, b"close")
        await caller.ended()
        await passage.at_rest()

    passing(story, script)


# --- Upgrade ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.0, HTTP/1.1", b"WebSocket", b"tcp"])
@pytest.mark.parametrize("whole", [True, False], ids=["at once", "byte by byte"])
def test_an_upgrade_is_ignored_and_what_comes_behind_it_served(protocol: bytes, *, whole: bool) -> None:
    lines = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "
        + protocol
        + b"\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
    )
    calls = (
        get(b"/1", lines),
        post(b"/2", b"\r\n\r\nGET /no HTTP/1.1\r\n\r\n", lines),
        get(b"/3", lines),
        get(b"/4", lines),
        post(b"/5", b"", lines),
        post_in_chunks(b"/6", b"abc"),
        get(b"/7"),
    )

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        raw = b"".join(calls)
        for piece in [raw] if whole else [bytes([byte]) for byte in raw]:
            await caller.send(piece)
        for number in range(1, 8):
            answer = await caller.answer()
            assert answer.body.split(b" ", 1)[0] == b"/%d" % number
            assert answer.get(b"connection") is None
        for got in passage.origin.requests:
            assert got.get(b"upgrade") is None
            assert got.get(b"connection") is None
            assert got.get(b"http2-settings") is None

    passing(story, echo)


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_where_the_end_of_an_upgrade_is_not_known_the_connection_closes(protocol: bytes) -> None:
    """A body in chunks: what came behind it may be lost, so the caller is told to send it again."""
    lines = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(get(b"/1") + post_in_chunks(b"/2", b"abc", lines) + get(b"/3"))
        assert (await caller.answer()).body == b"/1 "
        answer = await caller.answer()
        assert (answer.body, answer.get(b"connection")) == (b"/2 abc", b"close")
        assert await caller.ended() == b""
        assert [got.target for got in passage.origin.requests] == [b"/1", b"/2"]

        caller = await passage.caller()
        await caller.send(post_in_chunks(b"/1", b"abc") + get(b"/2", lines) + get(b"/3"))
        assert (await caller.answer()).body == b"/1 abc"
        answer = await caller.answer()
        assert (answer.body, answer.get(b"connection")) == (b"/2 ", b"close")
        assert await caller.ended() == b""

    passing(story, echo)


def test_a_flood_behind_an_upgrade_waits_its_turn() -> None:
    """More than is read ahead: reading stops, and goes on."""
    lines = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    body = b"x" * 1_500_000

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        calls = (
            get(b"/1", lines) + post(b"/2", body, lines) + get(b"/3", lines) + post(b"/4", body) + get(b"/5")
        )
        caller.writer.write(calls)
        for number in range(1, 6):
            answer = await caller.answer()
            assert answer.body.split(b" ", 1)[0] == b"/%d" % number

    passing(story, echo)


def test_a_tunnel_is_refused() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n" + get(b"/in"))
        answer = await caller.answer()
        assert (answer.status, answer.get(b"connection")) == (405, b"close")
        assert answer.get(b"allow") == b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        await caller.ended()
        assert passage.origin.heads == []

    passing(story, echo)
