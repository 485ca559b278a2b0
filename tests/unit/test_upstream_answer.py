"""Answers, read whole, byte by byte, and cut off everywhere; no socket."""

from typing import NamedTuple

import pytest

from gateway.errors import UpstreamBroken, UpstreamMalformed
from gateway.model import Headers
from gateway.upstream.answer import MAX_INTERIM, Answer

MAX_HEADER = 400


def answer(*, head: bool = False, seen: list[tuple[int, Headers]] | None = None) -> Answer:
    def on_interim(status: int, headers: Headers) -> None:
        if seen is not None:
            seen.append((status, headers))

    return Answer(bodiless=head, max_header=MAX_HEADER, on_interim=on_interim)


def fed(data: bytes, *, head: bool = False, step: int = 0) -> Answer:
    one = answer(head=head)
    for at in range(0, len(data), step or len(data)):
        one.feed(data[at : at + (step or len(data))])
    return one


def body_of(one: Answer) -> bytes:
    return b"".join(one.pieces)


class Good(NamedTuple):
    data: bytes
    status: int
    body: bytes
    reused: bool
    head: bool = False


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = OK + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nx"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\n"

GOOD = [
    Good(OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", reused=True),
    Good(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b"", reused=True),
    Good(CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", 200, b"hello", reused=True),
    Good(CHUNKED + b"0\r\nX: y\r\nHost: evil\r\n\r\n", 200, b"", reused=True),
    Good(OK + b"transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", 200, b"", reused=True),
    Good(OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok", 200, b"ok", reused=False),
    Good(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", reused=False),
    Good(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", reused=True
    ),
    Good(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", reused=True),
    Good(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, b"", reused=True),
    Good(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b"", reused=True),
    Good(OK + b"Content-Length: 99\r\n\r\n", 200, b"", reused=True, head=True),
    Good(OK + b"\r\n", 200, b"", reused=True, head=True),
    Good(OK + b"Connection: x, Close\r\n\r\n", 200, b"", reused=False, head=True),
    Good(b"HTTP/1.0 200 OK\r\n\r\n", 200, b"", reused=False, head=True),
    Good(CHUNKED, 200, b"", reused=True, head=True),
    Good(INTERIM + b"HTTP/1.1 201 C\r\nContent-Length: 1\r\n\r\nx", 201, b"x", reused=True),
    Good(UPGRADE, 200, b"x", reused=True),
]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("good", GOOD)
def test_good_answers(good: Good, step: int) -> None:
    one = fed(good.data, head=good.head, step=step)
    assert one.failure is None
    assert (one.complete, one.status, body_of(one)) == (True, good.status, good.body)
    assert (one.keep_alive, one.excess) == (good.reused, False)


@pytest.mark.parametrize("good", GOOD)
def test_cut_off_anywhere_is_never_a_success(good: Good) -> None:
    for at in range(len(good.data)):
        for step in (0, 1):
            one = fed(good.data[:at], head=good.head, step=step) if at else answer(head=good.head)
            one.end()
            assert isinstance(one.failure, UpstreamBroken), good.data[:at]
            assert not one.complete


@pytest.mark.parametrize("good", GOOD)
@pytest.mark.parametrize("behind", [b"H", OK + b"Content-Length: 0\r\n\r\n", b"\0", b"xyz"])
def test_what_comes_behind_is_seen(good: Good, behind: bytes) -> None:
    for feeds in ([good.data + behind], [good.data, behind]):
        one = answer(head=good.head)
        for feed in feeds:
            one.feed(feed)
        assert (one.complete, one.status, body_of(one), one.failure) == (True, good.status, good.body, None)
        assert one.excess or not good.reused


def test_a_body_behind_a_head_request_is_excess() -> None:
    for framing, body in (
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"0\r\nX: y\r\n\r\n"),
    ):
        one = fed(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + body, head=True)
        assert (one.complete, one.excess, body_of(one)) == (True, True, b"")


def test_headers_are_raw_and_trailers_are_dropped() -> None:
    one = fed(
        b"HTTP/1.1 200 Fine \xfc\r\nX-B: 1\r\nx-a:  \xff v \r\nX-B: 2\r\nSet-Cookie: a\r\nset-cookie: b\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: t\r\n\r\n"
    )
    assert one.reason == b"Fine \xfc"
    assert one.headers == (
        (b"X-B", b"1"),
        (b"x-a", b"\xff v "),
        (b"X-B", b"2"),
        (b"Set-Cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"Transfer-Encoding", b"chunked"),
    )
    assert (one.chunked, one.content_length, one.has_body) == (True, None, True)


def test_interim_answers_are_passed_on() -> None:
    seen: list[tuple[int, Headers]] = []
    one = answer(seen=seen)
    one.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (one.continued, one.headed) == (True, False)
    one.feed(
        b"HTTP/1.1 103 Hints\r\nLink: a\r\nlink: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n"
    )
    assert seen == [(100, ()), (103, ((b"Link", b"a"), (b"link", b"b")))]
    assert (one.complete, one.reason, one.interims) == (True, b"OK", 2)
    assert one.headers == ((b"Content-Length", b"0"), (b"X", b"y"))


def test_what_on_interim_raises_is_the_failure() -> None:
    def on_interim(status: int, headers: Headers) -> None:
        raise LookupError

    one = Answer(bodiless=False, max_header=MAX_HEADER, on_interim=on_interim)
    one.feed(b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert isinstance(one.failure, LookupError)


BAD = {
    "no HTTP": b"SSH-2.0-x\r\n",
    "blank line first": b"\r\n" + OK + b"\r\n",
    "another protocol": b"RTSP/1.0 200 OK\r\n\r\n",
    "yet another": b"ICE/1.0 200 OK\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\n\r\n",
    "version 0.9": b"HTTP/0.9 200 OK\r\n\r\n",
    "version 1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "version 2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status 0": b"HTTP/1.1 000 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "control character in the reason": b"HTTP/1.1 200 O\x01K\r\n\r\n",
    "both framings": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both framings, swapped": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length list": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": OK + b"Content-Length: +3\r\n\r\nabc",
    "endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "empty length": OK + b"Content-Length: \r\n\r\n",
    "coding": OK + b"Transfer-Encoding: gzip\r\n\r\n",
    "coding and chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": OK + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n",
    "204 chunked": b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "unasked 101": b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\0",
    "bare 101": b"HTTP/1.1 101 x\r\n\r\n" + OK + b"\r\n",
    "103 with a length": b"HTTP/1.1 103 x\r\nContent-Length: 1\r\n\r\n",
    "100 that closes": b"HTTP/1.1 100 x\r\nConnection: close\r\n\r\n" + OK + b"\r\n",
    "folded line": OK + b"A: b\r\n c\r\n\r\n",
    "NUL in a value": OK + b"A: b\0c\r\n\r\n",
    "NUL in a name": OK + b"A\0: b\r\n\r\n",
    "control character in a value": OK + b"A: b\x01\r\n\r\n",
    "space before the colon": OK + b"A : b\r\n\r\n",
    "no name": OK + b": b\r\n\r\n",
    "no colon": OK + b"A\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nA: b\n\n",
    "bare LF behind a value": OK + b"A: b\n\r\n",
    "bare CR": OK + b"A: b\rX: c\r\n\r\n",
    "no number": CHUNKED + b"x\r\n",
    "space behind the size": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "endless size": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\na",
    "no line end behind a chunk": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "long value": OK + b"A: " + b"a" * MAX_HEADER + b"\r\n\r\n",
    "endless value": OK + b"A: " + b"a" * 2 * MAX_HEADER,
    "endless name": OK + b"a" * 2 * MAX_HEADER,
    "endless reason": b"HTTP/1.1 200 " + b"a" * 2 * MAX_HEADER,
    "many lines": OK + b"A: b\r\n" * MAX_HEADER,
    "endless trailer": CHUNKED + b"0\r\nA: " + b"a" * 2 * MAX_HEADER,
    "many trailers": CHUNKED + b"0\r\n" + b"A: b\r\n" * MAX_HEADER,
    "endless chunk extension": CHUNKED + b"1;" + b"a" * 2 * MAX_HEADER,
    "flood of 1xx": b"HTTP/1.1 102 x\r\n\r\n" * (MAX_INTERIM + 1),
}


@pytest.mark.parametrize("step", [0, 1, 5])
@pytest.mark.parametrize("name", BAD)
def test_bad_answers(name: str, step: int) -> None:
    one = fed(BAD[name], step=step)
    if name.startswith("endless") and not one.over:
        one.feed(b"a" * 2 * MAX_HEADER)
    assert not one.complete
    assert isinstance(one.failure, UpstreamMalformed)


def test_the_word_for_a_large_header() -> None:
    one = fed(BAD["long value"])
    assert isinstance(one.failure, UpstreamMalformed)
    assert one.failure.proxy_word == "http_response_header_section_size"


def test_a_large_body_is_no_large_header() -> None:
    body = b"x" * 10 * MAX_HEADER
    for step in (0, 50):
        one = fed(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body, step=step)
        assert (one.complete, body_of(one)) == (True, body)
        one = fed(CHUNKED + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n", step=step)
        assert (one.complete, body_of(one)) == (True, b"x" * 1000)


def test_a_head_up_to_the_bound_passes() -> None:
    head = OK + b"Content-Length: 0\r\nA: "
    head += b"a" * (MAX_HEADER - len(head) - 4) + b"\r\n\r\n"
    assert len(head) == MAX_HEADER
    for step in (0, 1):
        assert fed(head, step=step).complete


def test_a_body_that_ends_with_the_connection() -> None:
    one = fed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert (one.has_body, one.until_end, one.complete) == (True, True, False)
    one.end()
    assert (one.complete, one.keep_alive, body_of(one)) == (True, False, b"hello")
    torn = fed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    torn.cut_off()
    assert isinstance(torn.failure, UpstreamBroken)


def test_the_first_failure_stands() -> None:
    one = fed(OK + b"A : b\r\n\r\n")
    first = one.failure
    one.cut_off()
    one.feed(b"x")
    assert one.failure is first
