"""What the upstream answers reaches the caller byte for byte, but for what a proxy has to change."""

import gzip

import pytest
from fakes.origin import Line, Script, answering, closing
from passage import SHIPPED, Passage, passing

from gateway.headers import HOP_BY_HOP

VIA = b"Via: 1.1 lro-gateway\r\n"
GET = b"GET /v1.0/x HTTP/1.1\r\nHost: g\r\n\r\n"
HEAD = b"HEAD /v1.0/x HTTP/1.1\r\nHost: g\r\n\r\n"
GET_1_0 = b"GET /v1.0/x HTTP/1.0\r\n\r\n"


def comes_back(script: Script, expected: bytes, *, asked: bytes = GET, closes: bool = False) -> None:
    """Exactly `expected` is what the caller gets; unless it `closes`, the connection serves another request."""

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(asked)
        if closes:
            assert await caller.rest() == expected
        else:
            assert await caller.reader.readexactly(len(expected)) == expected
            await caller.send(asked)
            assert await caller.reader.readexactly(len(expected)) == expected
        record = await passage.record()
        assert (record.route, record.outcome) == ("forward", "answered")

    passing(story, script, loops=SHIPPED)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"hi"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", b""),
        (b"HTTP/1.1 200 \r\ncontent-length: 002\r\n", b"hi"),
        (b"HTTP/1.1 201 Gemacht \xc3\xa4 \xe4\r\nContent-Length: 2\r\n", b"hi"),
        (b"HTTP/1.1 299 Odd, (very)\r\nContent-Length: 2\r\n", b"hi"),
        (b"HTTP/1.1 599 x\r\nContent-Length: 2\r\n", b"hi"),
        (b"HTTP/1.1 204 No Content\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", b""),
        (b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n", b""),
        (b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 99\r\nDate: then\r\n', b""),
        (b"HTTP/1.1 304 Not Modified\r\n", b""),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n", b'{"a"}'),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n", b"{}"),
        ((b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=""\r\nWWW-Authenticate: Basic\r\n'
         b"Content-Length: 0\r\n"), b""),
        (b"HTTP/1.1 202 Accepted\r\nLocation: https://graph.microsoft.com/v1.0/x\r\nContent-Length: 0\r\n", b""),
        (
            (b"HTTP/1.1 200 OK\r\nset-cookie: a=b; Expires=Wed, 09 Jun 2027 10:18:14 GMT\r\nSet-Cookie: c=d\r\n"
            b"X-Empty: \r\nServer: Kestrel/1\r\nSET-COOKIE: a=b\r\nContent-Type: text/plain; charset=utf-16\r\n"
            b"x-latin: na\xefve \xff\r\nX-Text: \xe2\x82\xac\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
            b"a_b.c!d: e\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 2\r\nAge: 1\r\n"), b"hi",
        ),
    ],
)  # fmt: skip
def test_a_reply_is_not_touched(head: bytes, body: bytes) -> None:
    comes_back(answering(head + b"\r\n" + body), head + VIA + b"\r\n" + body)


def test_a_missing_reason_stays_missing() -> None:
    comes_back(
        answering(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi"),
        b"HTTP/1.1 200 \r\nContent-Length: 2\r\n" + VIA + b"\r\nhi",
    )


def test_a_compressed_body_is_not_decompressed() -> None:
    body = gzip.compress(b"x" * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n" % len(body)
    comes_back(answering(head + b"\r\n" + body), head + VIA + b"\r\n" + body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [b"https://elsewhere.example/x?%63=1#y", b"/v1.0/y", b""])
def test_a_redirect_is_not_followed(status: int, location: bytes) -> None:
    head = b"HTTP/1.1 %d Go\r\nLocation: %b\r\nContent-Length: 0\r\n" % (status, location)

    async def story(passage: Passage) -> None:
        assert (await passage.ask(GET)).raw == head + VIA + b"\r\n"
        assert len(passage.origin.heads) == 1

    passing(story, answering(head + b"\r\n"), loops=SHIPPED)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1.0/me/sendMail",
        b"/v1.0/groups/1/assignLicense",
        b"/v1.0/users/1/authentication/methods/2/resetPassword",
    ],
)
def test_a_look_alike_is_not_an_operation(path: bytes) -> None:
    """A 202 that starts nothing to wait for, whatever it says."""
    reply = (
        b"HTTP/1.1 202 Accepted\r\nLocation: https://graph.microsoft.com/v1.0/monitor\r\nRetry-After: 1\r\n"
        b'Content-Type: application/json\r\nContent-Length: 24\r\n%b\r\n{"newPassword":"secret"}'
    )
    comes_back(
        answering(reply % b""),
        reply % VIA,
        asked=b"POST " + path + b" HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{}",
    )


# --- framing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        b'Content-Length: 1234\r\nETag: "x"\r\n',
        b'ETag: "x"\r\n',
        b"Content-Length: 0\r\n",
    ],
)  # fmt: skip
def test_a_head_has_no_body(lines: bytes) -> None:
    comes_back(
        answering(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n"),
        b"HTTP/1.1 200 OK\r\n" + lines + VIA + b"\r\n",
        asked=HEAD,
    )


def test_a_head_of_what_would_be_in_chunks_has_no_body() -> None:
    comes_back(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\nX: y\r\n" + VIA + b"\r\n",
        asked=HEAD,
    )


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nA: 1\r\ntransfer-encoding: Chunked\r\nB: 2\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n"
)


@pytest.mark.parametrize("end", [b"\r\n", b"Host: evil\r\nSet-Cookie: a=b\r\nX-Sum: 1\r\n\r\n"])
def test_chunks_stay_chunks_and_trailers_are_dropped(end: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for _ in range(3):
            answer = await caller.ask(GET)
            assert answer.head == (
                b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n" + VIA + b"Transfer-Encoding: chunked\r\n\r\n"
            )
            assert (answer.body, answer.trailers) == (b"abcde", [])
        assert len(passage.origin.lines) == 1

    passing(story, answering(CHUNKED.replace(b"A: 1", b"A: 1\r\nTrailer: Set-Cookie") + end))


def test_a_chunk_is_passed_on_when_it_comes() -> None:
    """Nothing waits for more: events that trickle in must trickle out."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for number in b"abc":
            await line.request()  # the caller's word, on another connection, that it has what was sent
            await line.send(b"1\r\n%c\r\n" % number)
        await line.send(b"0\r\n\r\n")

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        assert (await caller.head()).status == 200
        told = passage.origin.lines[0]
        for number in b"abc":
            told.reader.feed_data(GET)
            assert await caller.reader.readexactly(6) == b"1\r\n%c\r\n" % number
        assert await caller.reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"

    passing(story, script)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_what_ends_with_its_connection_is_sent_in_chunks(version: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for _ in range(2):
            answer = await caller.ask(GET)
            assert answer.head == b"HTTP/1.1 200 OK\r\nA: 1\r\n" + VIA + b"Transfer-Encoding: chunked\r\n\r\n"
            assert answer.body == b"abcde"

    passing(story, closing(b"HTTP/" + version + b" 200 OK\r\nA: 1\r\n\r\nabcde"))


@pytest.mark.parametrize(
    ("reply", "lines"),
    [
        (CHUNKED + b"\r\n", b"A: 1\r\nB: 2\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nabcde", b"A: 1\r\n"),
        (b"HTTP/1.0 200 OK\r\nA: 1\r\n\r\nabcde", b"A: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\n\r\nabcde", b"A: 1\r\nContent-Length: 5\r\n"),
    ],
)
@pytest.mark.parametrize("connection", [b"", b"Connection: keep-alive\r\n"])
def test_a_caller_of_http_1_0_gets_no_chunks(reply: bytes, lines: bytes, connection: bytes) -> None:
    comes_back(
        closing(reply),
        b"HTTP/1.1 200 OK\r\n" + lines + VIA + b"Connection: close\r\n\r\nabcde",
        asked=b"GET /v1.0/x HTTP/1.0\r\n" + connection + b"\r\n",
        closes=True,
    )


def test_an_upstream_of_http_1_0_is_understood() -> None:
    comes_back(
        answering(
            b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nhi"
        ),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + VIA + b"\r\nhi",
    )


def test_a_caller_that_wants_to_close_is_closed() -> None:
    comes_back(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + VIA + b"Connection: close\r\n\r\nhi",
        asked=b"GET / HTTP/1.1\r\nHost: g\r\nConnection: foo, CLOSE\r\n\r\n",
        closes=True,
    )


def test_an_upstream_that_closes_does_not_close_the_caller() -> None:
    comes_back(
        closing(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + VIA + b"\r\nhi",
    )


# --- hop by hop --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP - {b"transfer-encoding", b"connection"}))
def test_a_hop_by_hop_line_stays_here(name: bytes) -> None:
    comes_back(
        answering(
            b"HTTP/1.1 200 OK\r\nA: 1\r\n"
            + name.title()
            + b": x\r\nContent-Length: 0\r\n"
            + name
            + b": y\r\n\r\n"
        ),
        b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n" + VIA + b"\r\n",
    )


@pytest.mark.parametrize(
    "connection",
    [
        b"Connection: X-Hop, etag\r\n",
        b"connection: ETAG\r\nConnection: ,x-hop,\r\n",
        b"Connection: keep-alive, x-hop,\tEtag, Via, Content-Length\r\n",
    ],
)
def test_a_nominated_line_stays_here(connection: bytes) -> None:
    comes_back(
        answering(
            b"HTTP/1.1 200 OK\r\nX-Hop: 1\r\n"
            + connection
            + b'ETag: "x"\r\nX-Hop2: 2\r\nContent-Length: 2\r\n\r\nhi'
        ),
        b"HTTP/1.1 200 OK\r\nX-Hop2: 2\r\nContent-Length: 2\r\n" + VIA + b"\r\nhi",
    )


def test_via_is_added_to_what_is_there() -> None:
    comes_back(
        answering(b"HTTP/1.1 200 OK\r\nVia: 1.1 front\r\nContent-Length: 0\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\nVia: 1.1 front\r\nContent-Length: 0\r\n" + VIA + b"\r\n",
    )


# --- interim replies -----------------------------------------------------------------------------------------

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nlink: </b>\r\n\r\n"
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
DONE_HERE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + VIA + b"\r\nhi"


def test_interim_replies_are_passed_on() -> None:
    comes_back(
        answering(
            b"HTTP/1.1 100 Continue\r\n\r\n"
            + HINTS
            + b"HTTP/1.1 102 Processing\r\nConnection: X\r\nX: y\r\n\r\n"
            + HINTS
            + DONE
        ),
        b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + b"HTTP/1.1 102 Processing\r\n\r\n" + HINTS + DONE_HERE,
    )


def test_interim_replies_are_passed_on_when_they_come() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(HINTS)
        await line.request()
        await line.send(DONE)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        assert (await caller.ask(GET)).raw == HINTS
        passage.origin.lines[0].reader.feed_data(GET)
        assert (await caller.answer()).raw == DONE_HERE

    passing(story, script)


def test_a_caller_of_http_1_0_gets_no_interim_reply() -> None:
    comes_back(
        answering(b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + DONE),
        DONE_HERE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        asked=GET_1_0,
        closes=True,
    )
