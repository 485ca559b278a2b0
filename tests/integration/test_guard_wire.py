"""What is malformed is refused on the wire: exact status, connection closed, nothing forwarded, nothing repeated."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.command import Command
from fakes.errors import assert_own_error
from fakes.origin import Line, answering
from passage import SHIPPED, Passage, passing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECRET = b"C4N4RY"
"""Stands in each refused request, wherever it can."""
NEXT = b"GET /next-" + SECRET + b" HTTP/1.1\r\nHost: g\r\n\r\n"

CODES = {
    400: "invalidRequest",
    405: "methodNotAllowed",
    414: "uriTooLong",
    417: "expectationFailed",
    431: "requestHeaderFieldsTooLarge",
    501: "notImplemented",
    505: "httpVersionNotSupported",
}


def start(line: bytes) -> bytes:
    """A request with this request line."""
    return line + b"\r\nHost: g\r\nAuthorization: Bearer C4N4RY\r\nclient-request-id: C4N4RY\r\n\r\n"


def header(lines: bytes, body: bytes = b"") -> bytes:
    """A request with these header lines."""
    return b"POST /C4N4RY HTTP/1.1\r\nHost: g\r\nclient-request-id: C4N4RY\r\n" + lines + b"\r\n\r\n" + body


REFUSED: dict[str, tuple[int, bytes]] = {
    # request line: version
    "http/0.9": (505, start(b"GET /C4N4RY")),
    "http/0.9 spelled": (505, start(b"GET /C4N4RY HTTP/0.9")),
    "http/1.2": (505, start(b"GET /C4N4RY HTTP/1.2")),
    "http/2.0": (505, start(b"GET /C4N4RY HTTP/2.0")),
    "http/3.0": (505, start(b"GET /C4N4RY HTTP/3.0")),
    "http/11": (400, start(b"GET /C4N4RY HTTP/11")),
    "http/1": (400, start(b"GET /C4N4RY HTTP/1")),
    "http in lower case": (400, start(b"GET /C4N4RY http/1.1")),
    "another protocol": (400, start(b"GET /C4N4RY FTP/1.1")),
    "rtsp": (400, start(b"OPTIONS C4N4RY RTSP/1.0")),
    "ice": (501, start(b"SOURCE /C4N4RY ICE/1.0")),
    "a preface of http/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nC4N4RY"),
    "tls": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03C4N4RY"),
    "zeros": (400, b"\x00" * 64 + b"C4N4RY"),
    # request line: method
    "an unknown method": (501, start(b"C4N4RY / HTTP/1.1")),
    "a longer method": (501, start(b"GETC4N4RY / HTTP/1.1")),
    "a method in lower case": (501, start(b"get /C4N4RY HTTP/1.1")),
    "a method of webdav": (501, start(b"PROPFIND /C4N4RY HTTP/1.1")),
    "trace": (405, start(b"TRACE /C4N4RY HTTP/1.1")),
    "connect": (405, b"CONNECT C4N4RY:443 HTTP/1.1\r\nHost: C4N4RY:443\r\n\r\n"),
    "no method": (400, start(b" /C4N4RY HTTP/1.1")),
    "a method that is no word": (400, start(b"G(T /C4N4RY HTTP/1.1")),
    # request line: target
    "no target": (400, start(b"GET HTTP/1.1")),
    "a space in the target": (400, start(b"GET /C4N4RY x HTTP/1.1")),
    "a tab for a space": (400, start(b"GET\t/C4N4RY\tHTTP/1.1")),
    "space at the end": (400, start(b"GET /C4N4RY HTTP/1.1 ")),
    "a control in the target": (400, start(b"GET /C4N4RY\x01 HTTP/1.1")),
    "nul in the target": (400, start(b"GET /C4N4RY\x00 HTTP/1.1")),
    "del in the target": (400, start(b"GET /C4N4RY\x7f HTTP/1.1")),
    "a relative target": (400, start(b"GET C4N4RY HTTP/1.1")),
    "a star": (400, start(b"GET * HTTP/1.1")),
    "a star for options": (400, start(b"OPTIONS * HTTP/1.1")),
    "somebody else's authority": (400, start(b"GET http://C4N4RY/x HTTP/1.1")),
    "an authority in raw utf-8": (400, start("GET http://é/C4N4RY HTTP/1.1".encode())),
    "userinfo": (400, start(b"GET http://C4N4RY@g/x HTTP/1.1")),
    "another scheme": (400, start(b"GET ftp://g/C4N4RY HTTP/1.1")),
    "a fragment": (400, start(b"GET /C4N4RY#x HTTP/1.1")),
    "a backslash": (400, start(b"GET /C4N4RY\\x HTTP/1.1")),
    "an encoded backslash": (400, start(b"GET /C4N4RY%5cx HTTP/1.1")),
    "a dot segment": (400, start(b"GET /C4N4RY/../x HTTP/1.1")),
    "an encoded dot segment": (400, start(b"GET /C4N4RY/.%2e/x HTTP/1.1")),
    "a dot segment behind an encoded slash": (400, start(b"GET /C4N4RY%2f..%2fx HTTP/1.1")),
    "an encoded control": (400, start(b"GET /C4N4RY%00 HTTP/1.1")),
    "a target of 8193": (414, start(b"GET /C4N4RY" + b"a" * 8186 + b" HTTP/1.1")),
    "a target of 20000": (414, start(b"GET /C4N4RY" + b"a" * 19_993 + b" HTTP/1.1")),
    "an endless target": (414, b"GET /C4N4RY" + b"a" * 200_000),
    # header lines
    "a control in a value": (400, header(b"Authorization: Bearer C4N4RY\x01")),
    "nul in a value": (400, header(b"Authorization: Bearer C4N4RY\x00")),
    "del in a value": (400, header(b"Authorization: Bearer C4N4RY\x7f")),
    "a value that is not utf-8": (400, header(b"Authorization: Bearer C4N4RY\xff")),
    "a bare line feed": (400, header(b"Authorization: Bearer C4N4RY\nX: y")),
    "a bare carriage return": (400, header(b"Authorization: Bearer C4N4RY\rX: y")),
    "bare line feeds": (400, b"GET /C4N4RY HTTP/1.1\nHost: g\nAuthorization: C4N4RY\n\n"),
    "a folded line": (400, header(b"Authorization: Bearer\r\n C4N4RY")),
    "a folded first line": (400, b"GET / HTTP/1.1\r\n Authorization: C4N4RY\r\nHost: g\r\n\r\n"),
    "a space before the colon": (400, header(b"Authorization : C4N4RY")),
    "a tab before the colon": (400, header(b"Authorization\t: C4N4RY")),
    "a space in a name": (400, header(b"Authori zation: C4N4RY")),
    "no colon": (400, header(b"C4N4RY")),
    "no name": (400, header(b": C4N4RY")),
    "an underscore": (400, header(b"Content_Length: C4N4RY")),
    "a dot in a name": (400, header(b"X.Y: C4N4RY")),
    "a name outside of ascii": (400, header("Authoriz\u00e4tion: C4N4RY".encode())),
    "no host": (400, b"GET /C4N4RY HTTP/1.1\r\nAuthorization: C4N4RY\r\n\r\n"),
    "two hosts": (400, header(b"Host: C4N4RY")),
    "a host that is none": (400, b"GET /C4N4RY HTTP/1.1\r\nHost: C4N4RY/x\r\n\r\n"),
    "an empty host": (400, b"GET /C4N4RY HTTP/1.1\r\nHost: \r\n\r\n"),
    "a host with a port that is none": (400, b"GET /C4N4RY HTTP/1.1\r\nHost: g:99999\r\n\r\n"),
    "two credentials": (400, header(b"Authorization: C4N4RY\r\nauthorization: C4N4RY")),
    "two content types": (400, header(b"Content-Type: C4N4RY/a\r\nContent-Type: C4N4RY/b")),
    "two idempotency keys": (400, header(b"Idempotency-Key: C4N4RY\r\nIdempotency-Key: C4N4RY")),
    "a line too long": (431, header(b"Authorization: Bearer C4N4RY" + b"a" * 17_000)),
    "an endless line": (431, b"GET / HTTP/1.1\r\nHost: g\r\nX: C4N4RY" + b"a" * 300_000),
    "an endless name": (431, b"GET / HTTP/1.1\r\nHost: g\r\nC4N4RY" + b"a" * 300_000),
    "lines too long together": (431, header(b"X: C4N4RY" + b"a" * 9000 + b"\r\nY: " + b"a" * 9000)),
    "too many lines": (431, header(b"\r\n".join(b"X-%d: C4N4RY" % number for number in range(200)))),
    "endless lines": (431, b"GET / HTTP/1.1\r\nHost: g\r\n" + b"X: C4N4RY\r\n" * 20_000),
    # framing
    "two lengths": (400, header(b"Content-Length: 6\r\nContent-Length: 6", SECRET)),
    "two lengths that differ": (400, header(b"Content-Length: 6\r\nContent-Length: 7", SECRET)),
    "a list of lengths": (400, header(b"Content-Length: 6, 6", SECRET)),
    "a signed length": (400, header(b"Content-Length: +6", SECRET)),
    "a negative length": (400, header(b"Content-Length: -6", SECRET)),
    "a length in hex": (400, header(b"Content-Length: 0x6", SECRET)),
    "a length with a space": (400, header(b"Content-Length: 6 6", SECRET)),
    "an empty length": (400, header(b"Content-Length: ", SECRET)),
    "a length past all bounds": (400, header(b"Content-Length: 18446744073709551622", SECRET)),
    "a length of 19 digits": (400, header(b"Content-Length: 0000000000000000006", SECRET)),
    "length and chunks": (400, header(b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    "chunks and length": (400, header(b"Transfer-Encoding: chunked\r\nContent-Length: 6", b"0\r\n\r\n")),
    "chunks twice": (400, header(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    "chunks, then something": (400, header(b"Transfer-Encoding: chunked, C4N4RY", b"0\r\n\r\n")),
    "something, then chunks": (501, header(b"Transfer-Encoding: C4N4RY, chunked", b"0\r\n\r\n")),
    "no chunks": (400, header(b"Transfer-Encoding: C4N4RY", b"0\r\n\r\n")),
    "chunks misspelled": (400, header(b"Transfer-Encoding: xchunked", b"0\r\n\r\n")),
    "chunks in a list": (501, header(b"Transfer-Encoding: , chunked", b"0\r\n\r\n")),
    "chunks with a control": (400, header(b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n")),
    "chunks with a space": (400, header(b"Transfer-Encoding : chunked", b"0\r\n\r\n")),
    "chunks of http/1.0": (
        400,
        b"POST /C4N4RY HTTP/1.0\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "options of http/1.0": (501, b"OPTIONS /C4N4RY HTTP/1.0\r\nHost: g\r\n\r\n"),
    "an expectation": (417, header(b"Expect: C4N4RY\r\nContent-Length: 6", SECRET)),
    "two expectations": (
        400,
        header(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 6", SECRET),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request(name: str) -> None:
    status, raw = REFUSED[name]

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(raw)
        answer = await caller.answer()
        assert_own_error(answer, status, CODES[status], "http_request_error")
        assert answer.get_all(b"connection") == [b"close"]
        assert SECRET not in answer.raw
        await caller.send(NEXT)
        assert await caller.ended() == b"", "the connection is closed"
        record = await passage.record()
        assert SECRET.decode() not in repr(record)
        assert (record.route, record.status, record.method, record.path) == ("refused", status, "", "")
        assert passage.origin.heads == []

    passing(story, answering(OK), loops=SHIPPED)


@pytest.mark.parametrize("name", ["a bare line feed", "a dot segment", "two lengths", "an unknown method"])
def test_a_refused_request_does_not_harm_the_one_before(name: str) -> None:
    """In one segment: the first is answered, the second refused, and a third not read."""
    status, raw = REFUSED[name]

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(b"POST /first HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\nhi" + raw + NEXT)
        assert (await caller.answer()).body == b"ok"
        assert (await caller.answer()).status == status
        assert await caller.ended() == b""
        assert [got.target for got in passage.origin.requests] == [b"/first"]

    passing(story, answering(OK))


@pytest.mark.parametrize(
    "name", ["a control in the target", "a bare line feed", "a line too long", "two lengths"]
)
def test_a_refused_request_is_refused_however_it_is_cut(name: str) -> None:
    status, raw = REFUSED[name]

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for at in range(0, len(raw), 1 if len(raw) < 500 else 500):
            await caller.send(raw[at : at + (1 if len(raw) < 500 else 500)])
        answer = await caller.answer()
        assert answer.status == status
        assert SECRET not in answer.raw
        assert passage.origin.heads == []

    passing(story, answering(OK))


# --- a body that is none ---------------------------------------------------------------------------------------

BAD_CHUNKS = {
    "no number": b"C4N4RY\r\n",
    "negative": b"-1\r\n",
    "in another notation": b"0x1\r\n",
    "too large": b"fffffffffffffffff\r\n",
    "longer than it says": b"3\r\nabcC4N4RY\r\n0\r\n\r\n",
    "bare line feed": b"3\nabc\n0\n\n",
    "a space behind the number": b"3 \r\nabc\r\n0\r\n\r\n",
    "a control in an extension": b"3;C4N4RY=\x01\r\nabc\r\n0\r\n\r\n",
    "a trailer without a colon": b"0\r\nC4N4RY\r\n\r\n",
    "a length for a trailer": b"0\r\nContent-Length: 6\r\n\r\nC4N4RY",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
@pytest.mark.parametrize("path", [b"/x", b"/v1.0/me/drive/items/A/copy"], ids=["forwarded", "held"])
def test_a_body_that_is_malformed(name: str, path: bytes) -> None:
    """The upstream may have seen its beginning, but never a whole request; the caller learns at once."""

    async def script(line: Line) -> None:
        await line.head()
        assert await line.reader.readexactly(10) == b"5\r\nhello\r\n"
        begun.append(line)
        line.origin.stir()
        assert b"0\r\n\r\n" not in await line.ended()

    begun: list[Line] = []

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(
            b"POST " + path + b" HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        )
        if path == b"/x":
            await passage.origin.until(lambda: bool(begun))
            begun.clear()
        else:
            await passage.ask(b"GET /_gateway/unknown HTTP/1.1\r\nHost: g\r\n\r\n")
            await passage.record()
        await caller.send(BAD_CHUNKS[name] + NEXT)
        answer = await caller.answer()
        assert_own_error(answer, 400, "invalidRequest", "http_request_error")
        assert answer.get(b"connection") == b"close"
        assert SECRET not in answer.raw
        await caller.ended()
        record = await passage.record()
        assert (record.status, record.outcome) == (400, "body")
        assert SECRET.decode() not in repr(record)
        await passage.at_rest()
        assert passage.origin.requests == []

    passing(story, script, loops=SHIPPED, limits={"body_read": 20.0})


# --- nothing of it in what a process prints ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """All that a gateway process printed that was sent every refused request."""
    file = tmp_path_factory.mktemp("gateway") / "gateway.yaml"
    file.write_text(
        "listen: {port: 0}\nadmin: {port: 0}\nupstream: {base_url: 'http://127.0.0.1:1'}\n", encoding="utf-8"
    )
    with Command("run", "--config", Path(file)) as gateway:
        host, _, port = str(gateway.event("listening")["address"]).rpartition(":")
        raws = [raw for _, raw in REFUSED.values()]
        begun = b"POST /x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n"
        raws += [begun + chunks for chunks in BAD_CHUNKS.values()]
        for raw in raws:
            with socket.create_connection((host, int(port)), timeout=20) as caller:
                caller.sendall(raw)
                got = b""
                while piece := caller.recv(65_536):
                    got += piece
                assert got.startswith(b"HTTP/1.1 ")
                assert SECRET not in got
        assert gateway.stop() == 0
        yield [*gateway.out, *gateway.err]


def test_nothing_of_a_refused_request_is_printed(printed: list[str]) -> None:
    assert SECRET.decode() not in "\n".join(printed)


def test_each_refused_request_is_one_line(printed: list[str]) -> None:
    """No library has a word in it, and nothing crashed."""
    events: list[dict[str, Any]] = [json.loads(line) for line in printed]
    assert not {event["event"] for event in events} & {"foreign", "crashed"}
    refused = [event for event in events if event["event"] == "call"]
    assert len(refused) == len(REFUSED) + len(BAD_CHUNKS)
    assert {event["status"] for event in refused} == {*CODES, 400} | {502}
