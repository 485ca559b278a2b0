"""An upstream that fails: the caller learns of it, and never takes a part for the whole."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from fakes.caller import Caller
from fakes.errors import assert_own_error
from fakes.origin import Line, Script, answering
from fakes.wire import Message
from passage import LOOPS, SHIPPED, Passage, passing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def request(method: bytes = b"GET", target: bytes = b"/v1.0/x", *, version: bytes = b"1.1") -> bytes:
    body = b"Content-Length: 2\r\n\r\n{}" if method in (b"POST", b"PUT", b"PATCH") else b"\r\n"
    return method + b" " + target + b" HTTP/" + version + b"\r\nHost: g\r\n" + body


def sending(data: bytes, *, then: Callable[[Line], None] = Line.finish) -> Script:
    """Answers each connection's first request with `data`, and ends it."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(data)
        then(line)

    return script


def fails(
    script: Script, status: int, code: str, *words: str, sent: bytes = b"POST", **sections: dict[str, Any]
) -> None:
    """A call ends in an error of our own, and the caller's connection serves the next one."""

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for _ in range(2):
            await caller.send(request(sent).replace(b"Host", b"client-request-id: a-1\r\nHost"))
            answer = await caller.answer(sent)
            word = (answer.get(b"proxy-status") or b"").decode().rpartition("=")[2]
            assert word in words
            assert_own_error(answer, status, code, word, client_request_id="a-1")
            assert answer.get(b"connection") is None
            record = await passage.record()
            assert (record.status, record.route) == (status, "forward")
            assert record.outcome not in ("answered", "left")
        await passage.at_rest()

    passing(story, script, loops=tuple(LOOPS), **sections)


# --- nobody there ----------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    fails(answering(OK), 502, "badGateway", "connection_refused", upstream={"base_url": "http://127.0.0.1:1"})


def test_the_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def unknown(host: str | bytes | None, *rest: object, **more: object) -> object:
        if host == "graph.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return resolve(host, *rest, **more)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def story(passage: Passage) -> None:
        answer = await passage.ask(request())
        assert_own_error(answer, 502, "badGateway", "dns_error")

    passing(story, answering(OK), loops=("asyncio",), upstream={"base_url": "http://graph.invalid"})


# --- nothing comes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nA: b\r\n", b"HTTP/1.1 103 Early\r\n\r\n"]
)
def test_silence_before_the_reply(said: bytes) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(said)
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(request(b"POST"))
        answer = await caller.answer()
        if answer.status == 103:
            answer = await caller.answer()
        assert_own_error(answer, 504, "gatewayTimeout", "http_response_timeout")
        await passage.at_rest()
        assert len(passage.origin.heads) == 1

    passing(story, script, upstream={"reply_timeout": 0.1})


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_silence_in_a_body(version: bytes) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(request(version=version))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await caller.answer()
        assert (await passage.record()).outcome == "body_idle"
        await passage.at_rest()

    passing(story, script, limits={"idle": 0.2})


# --- cut off -----------------------------------------------------------------------------------------------------

REPLIES = {
    "length": b'HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 13\r\n\r\n{"a":"b\r\n\r\n"}',
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\n{\r\n}\r\nc\r\n0123456789ab\r\n0\r\nA: b\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("then", [Line.finish, Line.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("kind", REPLIES)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_reply_that_is_cut_off_at_any_byte(kind: str, version: bytes, then: Callable[[Line], None]) -> None:
    reply = REPLIES[kind]
    cut = 0

    async def script(line: Line) -> None:
        await line.request()
        await line.send(reply[:cut])
        then(line)

    head = reply.rindex(b"\r\n\r\n", 0, reply.index(b"\r\n\r\n") + 4) + 4
    if kind == "interim":
        head = reply.rindex(b"\r\n\r\n") + 4

    async def story(passage: Passage) -> None:
        nonlocal cut
        for cut in range(len(reply)):
            caller = await passage.caller()
            await caller.send(request(b"POST", version=version))
            answer = await _final(caller)
            if cut < head:
                word = "connection_terminated" if cut == 0 else "http_response_incomplete"
                assert answer is not None
                assert_own_error(answer, 502, "badGateway", word)
            else:
                assert answer is None, f"cut at byte {cut}, taken for whole: {answer}"
            record = await passage.record()
            assert record.outcome not in ("answered", "left")
            await caller.close()
        await passage.at_rest()

    passing(story, script)


async def _final(caller: Caller) -> Message | None:
    """The final answer; None where it is seen to be cut off."""
    try:
        answer = await caller.answer()
        while answer.status < 200:
            answer = await caller.answer()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    return answer


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_reply_that_ends_with_its_connection_and_is_reset(version: bytes) -> None:
    """Closed in order it is whole; reset it is not."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await line.origin.until(lambda: told)
        line.reset()

    told = False

    async def story(passage: Passage) -> None:
        nonlocal told
        told = False
        caller = await passage.caller()
        await caller.send(request(version=version))
        assert (await caller.head()).status == 200
        told = True
        passage.origin.stir()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)) as cut:
            await caller.reader.readuntil(b"0\r\n\r\n")
        if version == b"1.0":
            assert cut.type is ConnectionResetError, "an orderly end would say that this was all"

    passing(story, script)


# --- not HTTP as we know it ----------------------------------------------------------------------------------------

H = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>hello</html>",
        b"ICY 200 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\nabc",
        H + b"Content-Length: 2\nX: y\r\n\r\nok",
        H + b"Content-Length: 2\r\n X: y\r\n\r\nok",
        H + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
        H + b"A : b\r\nContent-Length: 2\r\n\r\nok",
        H + b"A b\r\nContent-Length: 2\r\n\r\nok",
        H + b": b\r\nContent-Length: 2\r\n\r\nok",
        H + b"A: b\rC: d\r\nContent-Length: 2\r\n\r\nok",
        H + b"A: b\x00\r\nContent-Length: 2\r\n\r\nok",
        H + b"A: b\x01\r\nContent-Length: 2\r\n\r\nok",
        H + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        H + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        H + b"Content-Length: 2, 2\r\n\r\nok",
        H + b"Content-Length: -2\r\n\r\nok",
        H + b"Content-Length: +2\r\n\r\nok",
        H + b"Content-Length: 0x2\r\n\r\nok",
        H + b"Content-Length: 2 2\r\n\r\nok",
        H + b"Content-Length: 99999999999999999999\r\n\r\nok",
        H + b"Content-Length: \r\n\r\n",
        H + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: gzip\r\n\r\nok",
        H + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
        H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok",
        H + b"A" * 70_000 + b": b\r\nContent-Length: 2\r\n\r\nok",
        H + b"A: " + b"b" * 1_048_576 + b"\r\nContent-Length: 2\r\n\r\nok",
        H + b"A: b\r\n" * 20_000 + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000 + H + b"Content-Length: 2\r\n\r\nok",
    ],
    ids=lambda reply: reply[:60].replace(H, b"").decode("latin-1").encode("unicode_escape").decode(),
)  # fmt: skip
def test_a_malformed_reply(reply: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(request(b"POST"))
        answer = await _final(caller)
        assert answer is not None
        word = (answer.get(b"proxy-status") or b"").decode().rpartition("=")[2]
        assert word in ("http_protocol_error", "http_response_header_section_size")
        assert (word == "http_response_header_section_size") == (b"xxxx" in reply or len(reply) > 70_000) or (
            b"103" in reply
        )
        assert_own_error(answer, 502, "badGateway", word)
        await passage.at_rest()
        assert len(passage.origin.heads) == 1, "a call is not made again because its reply was no good"

    passing(story, answering(reply), loops=SHIPPED)


@pytest.mark.parametrize(
    "body",
    [
        b"2\r\nabc\r\n0\r\n\r\n",
        b"2\nab\n0\n\n",
        b"zz\r\nab\r\n0\r\n\r\n",
        b"-2\r\nab\r\n0\r\n\r\n",
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"2 \r\nab\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nab\r\n0\r\n\r\n",
        b"2\r\nab\r\n0\r\nA b\r\n\r\n",
        b"2\r\nab\r\n0\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n",
        b"2;" + b"b" * 1_000_000 + b"\r\nab\r\n0\r\n\r\n",
    ],
    ids=lambda body: body[:20].decode("latin-1").encode("unicode_escape").decode(),
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_malformed_body(body: bytes, version: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(request(version=version))
        answer = await _final(caller)
        # Where it is malformed at once, the head may not have left yet; it is an error in any case.
        assert answer is None or answer.status == 502, answer
        await passage.at_rest()

    passing(story, answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body))


def test_what_comes_behind_an_answer_is_nobodys() -> None:
    """The next call gets an answer of its own, on a connection of its own."""
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK + extra)
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for method in (b"GET", b"POST", b"GET"):
            assert (await caller.ask(request(method))).body == b"ok"
        assert len(passage.origin.lines) == 3

    passing(story, script)


def test_an_answer_that_nobody_asked_for_is_nobodys() -> None:
    """It comes while the connection is idle."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK)
        await line.origin.until(lambda: told)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await line.ended()
        line.origin.lines.remove(line)
        line.origin.stir()

    told = False

    async def story(passage: Passage) -> None:
        nonlocal told
        told = False
        caller = await passage.caller()
        assert (await caller.ask(request())).body == b"ok"
        told = True
        passage.origin.stir()
        await passage.origin.until(lambda: not passage.origin.lines)
        assert (await caller.ask(request(b"POST"))).body == b"ok"

    passing(story, script)


def test_a_body_behind_a_head_is_nobodys() -> None:
    """An upstream that answers a HEAD with a body."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await line.ended()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for _ in range(3):
            answer = await caller.ask(request(b"HEAD"))
            assert answer.head.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n")
        await passage.at_rest()

    passing(story, script)


# --- connections that were kept, and ended -------------------------------------------------------------------------


def once_then(end: Callable[[Line], None]) -> Script:
    """The first connection serves one call, and ends with the next one unanswered; the others serve on."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(EMPTY)
        if line.number == 0:
            await line.request()
            end(line)
            return
        while True:
            await line.request()
            await line.send(EMPTY)

    return script


@pytest.mark.parametrize("end", [Line.finish, Line.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_stale_connection_costs_a_safe_call_nothing(method: bytes, end: Callable[[Line], None]) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for number in range(3):
            assert (await caller.ask(request(method, b"/%d" % number))).status == 200
        assert [got.target for got in passage.origin.requests] == [b"/0", b"/1", b"/1", b"/2"]

    passing(story, once_then(end))


@pytest.mark.parametrize("end", [Line.finish, Line.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE"])
def test_a_stale_connection_does_not_make_any_other_call_twice(
    method: bytes, end: Callable[[Line], None]
) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        answers = [await caller.ask(request(method, b"/%d" % number)) for number in range(3)]
        assert [answer.status for answer in answers] == [200, 502, 200]
        assert_own_error(answers[1], 502, "badGateway", "connection_terminated")
        assert [got.target for got in passage.origin.requests] == [b"/0", b"/1", b"/2"]

    passing(story, once_then(end))


def test_a_safe_call_with_a_body_is_not_made_twice() -> None:
    """The body is gone: it was streamed."""

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        with_body = request().replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n{}")
        assert [(await caller.ask(with_body)).status for _ in range(3)] == [200, 502, 200]
        assert len(passage.origin.requests) == 3

    passing(story, once_then(Line.finish))


def test_a_safe_call_is_made_twice_and_no_more() -> None:
    async def script(line: Line) -> None:
        await line.request()
        if line.number == 0:
            await line.send(OK)
            await line.request()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert [(await caller.ask(request())).status for _ in range(2)] == [200, 502]
        assert len(passage.origin.requests) == 3

    passing(story, script)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_connection_that_was_closed_while_idle_is_not_used(method: bytes) -> None:
    """The upstream's end has arrived, told or untold."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK)
        line.finish()

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for _ in range(20):
            assert (await caller.ask(request(method))).status == 200

    passing(story, script)


def test_a_call_that_was_begun_to_be_answered_is_not_made_again() -> None:
    async def script(line: Line) -> None:
        await line.request()
        if line.number == 0:
            await line.send(OK)
            await line.request()
            await line.send(b"HTTP/1.1 200 OK\r\n")
        else:
            await line.send(OK)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert [(await caller.ask(request())).status for _ in range(2)] == [200, 502]
        assert len(passage.origin.requests) == 2

    passing(story, script)
