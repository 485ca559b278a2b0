"""Requests as bytes, and URLs taken apart."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Headers
from gateway.upstream.wire import (
    Origin,
    Outgoing,
    RequestUnsendable,
    UrlUnusable,
    compose,
    split_authority,
    split_url,
)

HOST = (b"Host", b"graph.example")


async def stream() -> AsyncIterator[bytes]:
    yield b""  # pragma: no cover - never pulled here


def test_the_head_is_written_as_it_stands() -> None:
    headers: Headers = (
        (b"hOsT", b"graph.example"),
        (b"X-Two", b"b"),
        (b"x-two", b"a"),
        (b"X-Empty", b""),
        (b"X-Raw", b"\xff\x80 \t caf\xc3\xa9"),
    )
    request = compose(Outgoing("GET", "/v1.0/a%2Fb/%63opy/caf\udcc3\udca9/é?", headers))
    assert request.opening == (
        b"GET /v1.0/a%2Fb/%63opy/caf\xc3\xa9/\xc3\xa9? HTTP/1.1\r\n"
        b"hOsT: graph.example\r\nX-Two: b\r\nx-two: a\r\nX-Empty: \r\nX-Raw: \xff\x80 \t caf\xc3\xa9\r\n\r\n"
    )


def test_head_and_body_in_one() -> None:
    request = compose(Outgoing("POST", "/", (HOST, (b"content-length", b"2")), b"{}"))
    assert request.opening == b"POST / HTTP/1.1\r\nHost: graph.example\r\ncontent-length: 2\r\n\r\n{}"
    assert request.upload is None
    chunked = (HOST, (b"Transfer-Encoding", b"Chunked"))
    assert compose(Outgoing("POST", "/", chunked, b"x" * 18)).opening.endswith(
        b"\r\n\r\n12\r\nxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n"
    )
    assert compose(Outgoing("POST", "/", chunked, b"")).opening.endswith(b"\r\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "body", "repeatable"),
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("OPTIONS", None, True),
        ("POST", None, False),
        ("PUT", None, False),
        ("DELETE", None, False),
        ("PATCH", None, False),
        ("GET", b"", False),
    ],
)
def test_what_may_be_sent_again(method: str, body: bytes | None, repeatable: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert compose(Outgoing(method, "/", (HOST,), body)).repeatable is repeatable


def test_what_starts_an_operation_is_sent_once_also_by_get() -> None:
    assert not compose(Outgoing("GET", "/", (HOST,), None, permit=lambda: True)).repeatable


@pytest.mark.parametrize(
    "headers",
    [
        (HOST, (b"X", b"a\rb")),
        (HOST, (b"X", b"a\nb")),
        (HOST, (b"X", b"a\0b")),
        (HOST, (b"X\r\nY", b"a")),
        (HOST, (b"X\n", b"a")),
        (HOST, (b"\0", b"a")),
        (),
        (HOST, HOST),
        (HOST, (b"Content-Length", b"3")),
        (HOST, (b"Content-Length", b"")),
        (HOST, (b"Content-Length", b"+2")),
        (HOST, (b"Content-Length", b"2"), (b"Content-Length", b"2")),
        (HOST, (b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked")),
        (HOST, (b"Transfer-Encoding", b"gzip, chunked")),
        (HOST, (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")),
        (HOST,),
    ],
)
def test_what_could_be_read_as_something_else_is_not_sent(headers: Headers) -> None:
    with pytest.raises(RequestUnsendable):
        compose(Outgoing("POST", "/", headers, b"{}"))


@pytest.mark.parametrize(
    "target", ["", "x", "http://h/", "/a b", "/a\r\nX: y", "/\0", "/\x7f", "/\t", "/é /", "/\ud800"]
)
def test_unfit_targets(target: str) -> None:
    with pytest.raises(RequestUnsendable):
        compose(Outgoing("GET", target, (HOST,)))


@pytest.mark.parametrize("method", ["", "GET ", "GET /x HTTP/1.1\r\n", "GÉT", "G\nT"])
def test_unfit_methods(method: str) -> None:
    with pytest.raises(RequestUnsendable):
        compose(Outgoing(method, "/", (HOST,)))


def test_bodies_that_do_not_fit_their_framing() -> None:
    with pytest.raises(RequestUnsendable):
        compose(Outgoing("POST", "/", (HOST,), stream()))
    with pytest.raises(RequestUnsendable):
        compose(Outgoing("GET", "/", (HOST, (b"Content-Length", b"1"))))


@given(st.lists(st.tuples(st.binary(min_size=1), st.binary()), max_size=5))
def test_a_head_is_never_more_lines_than_it_was_given(lines: list[tuple[bytes, bytes]]) -> None:
    try:
        opening = compose(Outgoing("GET", "/", (HOST, *lines))).opening
    except RequestUnsendable:
        return
    assert opening.splitlines(keepends=True)[-1] == b"\r\n"
    assert opening.count(b"\r") == opening.count(b"\n") == opening.count(b"\r\n") == len(lines) + 3
    assert b"\0" not in opening


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://graph.example", Origin(tls=True, host="graph.example", port=443), "/"),
        ("https://Graph.Example/", Origin(tls=True, host="graph.example", port=443), "/"),
        ("HTTP://h:8080?x", Origin(tls=False, host="h", port=8080), "/?x"),
        (
            "https://h:443/a/../%2e%2e//b?c=%2F&d=é#frag",
            Origin(tls=True, host="h", port=443),
            "/a/../%2e%2e//b?c=%2F&d=é",
        ),
        ("https://h#frag", Origin(tls=True, host="h", port=443), "/"),
        ("https://h/?", Origin(tls=True, host="h", port=443), "/?"),
        ("http://[::1]:81/a@b:c", Origin(tls=False, host="::1", port=81), "/a@b:c"),
        ("https://[2001:DB8::0]/", Origin(tls=True, host="2001:db8::", port=443), "/"),
        ("https://a_b.example/x", Origin(tls=True, host="a_b.example", port=443), "/x"),
    ],
)
def test_urls(url: str, origin: Origin, target: str) -> None:
    assert split_url(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "graph.example/x",
        "//graph.example/x",
        "ftp://h/",
        "https:/h",
        "https://",
        "https:///x",
        "https://user@h/",
        "https://user:pw@h/",
        "https://evil\\@h/",
        "https://h\\.evil/",
        "https://h:/",
        "https://h:0/",
        "https://h:65536/",
        "https://h:+80/",
        "https://h:８０/",
        "https://h:80:80/",
        "https://[::1/",
        "https://::1/",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[1.2.3.4]/",
        "https://ｇraph.example/",
        "https://h /",
        " https://h/",
        "https://h/a b",
        "https://h/a\tb",
        "https://h/\r\nX: y",
        "https://h%2eevil/",
    ],
)
def test_urls_that_cannot_be_dialled(url: str) -> None:
    with pytest.raises(UrlUnusable):
        split_url(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://h/", b"h"),
        ("https://h:443/", b"h"),
        ("https://h:80/", b"h:80"),
        ("http://h:80/", b"h"),
        ("http://[::1]:8080/", b"[::1]:8080"),
        ("http://[::1]/", b"[::1]"),
    ],
)
def test_the_host_line(url: str, host: bytes) -> None:
    assert split_url(url)[0].host_header == host


def test_addresses_to_connect_to() -> None:
    assert split_authority("10.0.0.1:8443") == ("10.0.0.1", 8443)
    assert split_authority("[::1]:443") == ("::1", 443)
    for text in ("h", "[::1]", "::1:443", ":443", "h:x"):
        with pytest.raises(UrlUnusable):
            split_authority(text)
