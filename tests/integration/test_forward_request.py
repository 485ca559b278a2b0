"""What a caller sends reaches the upstream byte for byte, but for what a proxy has to change."""

import re
import string

import pytest
from fakes.origin import answering
from fakes.wire import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from passage import SHIPPED, Passage, passing

from gateway.headers import HOP_BY_HOP

NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
VIA = b"Via: 1.1 lro-gateway\r\n"


def arrives(sent: bytes, expected: bytes, *, method: bytes = b"GET") -> None:
    """`sent` reaches the upstream as `expected`, in which `{host}` is the upstream's name."""

    async def story(passage: Passage) -> None:
        answer = await passage.ask(sent)
        assert answer.status == 204, answer.raw
        assert [got.raw for got in passage.origin.requests] == [
            expected.replace(b"{host}", passage.origin.authority)
        ]

    passing(story, answering(NOTHING), loops=SHIPPED)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/v1.0/me?",
        b"/v1.0/me??",
        b"/v1.0/me?a=b?c&&=&[d]=1;e",
        b"/v1.0/me?$filter=startswith(name,'..')&$search=%22a%5Cb%22",
        b"/v1.0/me/drive/root:/a%2Fb%20c.docx:/children",
        b"/v1.0/me/drive/items/A/%63opx",
        b"/v1.0//me///drive/",
        b"//not-a-host.example/v1.0",
        b"//user@not-a-host.example:80/",
        b"/v1.0/users/ana%40contoso.com/drive",
        b"/v1.0/users/ana@contoso.com/drive",
        b"/v1.0/sites/contoso.sharepoint.com,1,2/lists('x')/items(3)!4*5+6~7",
        b"/v1.0/x:y=z;p,q",
        b'/a"b<c>d{e}f|g^h`i',
        b"/v1.0/%zz%",
        b"/v1.0/.x/..y/z./...",
        "/v1.0/me/drive/root:/Übersicht 日本🎉.docx".replace(" ", "_").encode(),
        "/v1.0/me?q=é".encode(),
        b"/v1.0/latin-\xe4?\xff",
        b"/" + b"a" * 8191,
    ],
    ids=lambda target: target[:40].decode("latin-1"),
)
def test_a_target_is_not_touched(target: bytes) -> None:
    arrives(
        b"GET " + target + b" HTTP/1.1\r\nHost: gateway\r\n\r\n",
        b"GET " + target + b" HTTP/1.1\r\nHost: {host}\r\n" + VIA + b"\r\n",
    )


def test_a_target_outside_of_ascii_survives_any_way_it_is_cut() -> None:
    raw = "GET /v1.0/é/日?é HTTP/1.1\r\nHost: gateway\r\nX: é\r\n\r\n".encode()

    async def story(passage: Passage) -> None:
        for cut in range(1, len(raw)):
            caller = await passage.caller()
            await caller.send(raw[:cut])
            # The gateway has read the first part once it has answered on another connection.
            assert (await passage.ask(b"GET /between HTTP/1.1\r\nHost: gateway\r\n\r\n")).status == 204
            await caller.send(raw[cut:])
            assert (await caller.answer()).status == 204
            assert passage.origin.requests[-1].target == "/v1.0/é/日?é".encode()
            assert passage.origin.requests[-1].get(b"x") == "é".encode()
            await caller.close()

    passing(story, answering(NOTHING))


def test_a_path_that_is_not_utf8_can_be_logged() -> None:
    async def story(passage: Passage) -> None:
        assert (await passage.ask(b"GET /a\xe4\xc3\xa4 HTTP/1.1\r\nHost: gateway\r\n\r\n")).status == 204
        assert (await passage.record()).path == "/a\\xe4ä"

    passing(story, answering(NOTHING))


def test_an_absolute_target_is_sent_in_origin_form() -> None:
    arrives(
        b"GET HTTP://Gateway:80/v1.0/me? HTTP/1.1\r\nHost: gateway\r\n\r\n",
        b"GET /v1.0/me? HTTP/1.1\r\nHost: {host}\r\n" + VIA + b"\r\n",
    )


def test_lines_keep_order_case_and_number() -> None:
    lines = (
        b"x-first: 1\r\n"
        b"Accept: application/json;odata.metadata=minimal\r\n"
        b"X-Repeated: a\r\n"
        b"x-repeated: b, c\r\n"
        b"%b"
        b"X-REPEATED: a\r\n"
        b"Cookie: a=b\r\n"
        b"Cookie: c=d\r\n"
        b"Authorization: Bearer abc.def\r\n"
        b"ConsistencyLevel: eventual\r\n"
        b'If-None-Match: "x", W/"y"\r\n'
        b"Content-Encoding: gzip\r\n"
        b"1-2-3: 4\r\n"
        b'X-Quoted: "a\\"b", (c), <d>; {e}|[f]@g=h?i/j\\k\r\n'
        b"X-Inner:  a \t b\r\n"
        b"X-Empty: \r\n"
        b"X-Text: na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x89\r\n"
    )  # fmt: skip
    arrives(
        b"GET / HTTP/1.1\r\n" + lines.replace(b"%b", b"HOST: gateway\r\n") + b"\r\n",
        # Whitespace around a value is not part of it (RFC 9112 section 5.1).
        b"GET / HTTP/1.1\r\n"
        + lines.replace(b"%b", b"HOST: {host}\r\n").replace(b"Inner:  a", b"Inner: a")
        + VIA
        + b"\r\n",
    )


def test_nothing_is_added_to_a_bare_request() -> None:
    arrives(
        b"POST /v1.0/x HTTP/1.1\r\nHost: g\r\n\r\n",
        b"POST /v1.0/x HTTP/1.1\r\nHost: {host}\r\n" + VIA + b"\r\n",
    )


def test_a_request_of_http_1_0_is_sent_as_1_1_and_gets_a_host() -> None:
    arrives(b"GET /v1.0/x HTTP/1.0\r\n\r\n", b"GET /v1.0/x HTTP/1.1\r\nHost: {host}\r\n" + VIA + b"\r\n")


def test_whitespace_around_a_value_is_not_part_of_it() -> None:
    arrives(
        b"GET / HTTP/1.1\r\nHost:g\r\nA:b\r\nC: \t d \t\r\nE:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\nA: b\r\nC: d\r\nE: \r\n" + VIA + b"\r\n",
    )


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD"])
@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b"Content-Length: 0\r\n", b""),
        (b"Content-Length: 5\r\n", b"a\r\n\r\n"),
        (b"content-length: 00005\r\n", b"\x00\xff\x1f\x8b\n"),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ],
    ids=["empty", "length", "odd length", "chunks", "no chunks"],
)
def test_a_body_goes_with_any_method(method: bytes, line: bytes, body: bytes) -> None:
    arrives(
        method + b" /v1.0/x HTTP/1.1\r\nHost: g\r\n" + line + b"X: y\r\n\r\n" + body,
        method + b" /v1.0/x HTTP/1.1\r\nHost: {host}\r\n" + line + b"X: y\r\n" + VIA + b"\r\n" + body,
        method=method,
    )


def test_chunks_lose_their_extensions_and_trailers() -> None:
    """Neither is merged into anything, and the line that announces trailers goes with them."""
    arrives(
        b"POST /x HTTP/1.1\r\nHost: g\r\nTrailer: X-Sum, Authorization\r\nTE: trailers\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b'3;a=b;c="d"\r\nabc\r\n0\r\nX-Sum: 1\r\nAuthorization: evil\r\nX: y\r\n\r\n',
        b"POST /x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n" + VIA + b"\r\n"
        b"3\r\nabc\r\n0\r\n\r\n",
    )  # fmt: skip


def test_a_body_that_was_read_for_an_operation_is_passed_on_untouched() -> None:
    """The path is one of an operation's, the body says that it is an ordinary call."""
    body = b' {"name" : "x\\u00e9",  "name":"y" }\r\n'
    line = b"Content-Length: %d\r\n" % len(body)
    for method, path in ((b"PATCH", b"/v1.0/me/drive/items/A"), (b"PATCH", b"/v1.0/me/drive/root:/a/b.txt:")):
        arrives(
            method + b" " + path + b" HTTP/1.1\r\nHost: g\r\nx-a: 1\r\n" + line + b"X-A: 2\r\n\r\n" + body,
            method + b" " + path + b" HTTP/1.1\r\nHost: {host}\r\nx-a: 1\r\n" + line + b"X-A: 2\r\n" + VIA
            + b"\r\n" + body,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["a", "%C3%A9", "é", "\udce4"], ids=["plain", "encoded", "raw", "not utf-8"])
def test_an_operation_gets_what_is_documented_and_nothing_else(name: str) -> None:
    """Its refusal comes back as any other reply does."""
    target = f"/v1.0/me/drive/root:/{name}.txt:/copy?".encode("utf-8", "surrogateescape")
    body = b'{"name": "x"}'
    line = b"Content-Length: %d\r\n" % len(body)
    refusal = b'HTTP/1.1 404 Nicht da\r\nx-A: 1\r\nX-a: 2\r\nContent-Length: 12\r\n%b\r\n{"error":{}}'

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        answer = await caller.ask(
            b"POST " + target + b" HTTP/1.1\r\nHost: g\r\nx-b: 1\r\n" + line + b"X-B: 2\r\n\r\n" + body
        )
        assert answer.raw == refusal % VIA
        got = passage.origin.requests[0]
        assert (got.target, got.body) == (target, body)
        kept = [item for item in got.headers if item[0].lower() not in (b"client-request-id", b"prefer")]
        length = (b"Content-Length", b"%d" % len(body))
        host = (b"Host", passage.origin.authority)
        assert kept == [host, (b"x-b", b"1"), length, (b"X-B", b"2"), (b"Via", b"1.1 lro-gateway")]
        assert got.get_all(b"prefer") == [b"respond-async"]
        assert re.fullmatch(rb"[0-9a-f-]{36}", got.get(b"client-request-id") or b"")

    passing(story, answering(refusal % b""), loops=SHIPPED)


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP - {b"transfer-encoding", b"connection"}))
def test_a_hop_by_hop_line_stays_here(name: bytes) -> None:
    arrives(
        b"GET / HTTP/1.1\r\nA: 1\r\n" + name.title() + b": x\r\nHost: g\r\n" + name + b": y\r\nB: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: 1\r\nHost: {host}\r\nB: 2\r\n" + VIA + b"\r\n",
    )


@pytest.mark.parametrize(
    "connection",
    [
        b"Connection: close, Authorization, x-hop\r\n",
        b"connection: X-HOP\r\nConnection:authorization,,\r\n",
        b"Connection: keep-alive,\tx-hop , AUTHORIZATION\r\n",
        b"Connection: x-hop, authorization, via, Host, Content-Length, Transfer-Encoding\r\n",
    ],
)
def test_a_nominated_line_stays_here(connection: bytes) -> None:
    """What delimits a message, names the upstream or is ours cannot be nominated away."""
    arrives(
        b"POST / HTTP/1.1\r\nHost: g\r\nX-Hop: 1\r\n" + connection
        + b"Authorization: Bearer x\r\nX-Hop2: 2\r\nx-hop: 3\r\nContent-Length: 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: {host}\r\nX-Hop2: 2\r\nContent-Length: 2\r\n" + VIA + b"\r\nhi",
    )  # fmt: skip


def test_a_callers_key_is_never_forwarded() -> None:
    arrives(
        b"GET / HTTP/1.1\r\nHost: g\r\nGateway-Key: secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\n" + VIA + b"\r\n",
    )


def test_via_is_a_line_of_its_own() -> None:
    arrives(
        b"GET / HTTP/1.1\r\nHost: g\r\nVia: 1.0 fred, 1.1 other (lro-gateway)\r\nX: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\nVia: 1.0 fred, 1.1 other (lro-gateway)\r\nX: 1\r\n"
        + VIA
        + b"\r\n",
    )


@pytest.mark.parametrize(
    "via", [b"1.1 lro-gateway", b"1.0 fred, 1.1 LRO-Gateway (x)", b"HTTP/1.1 lro-gateway"]
)
@pytest.mark.parametrize("path", [b"/v1.0/me", b"/v1.0/me/drive/items/A/copy"])
def test_a_call_that_comes_back_is_a_loop(via: bytes, path: bytes) -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(
            b"POST " + path + b" HTTP/1.1\r\nHost: g\r\nVia: " + via + b"\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert answer.status == 502
        assert answer.get(b"proxy-status") == b"lro-gateway; error=proxy_loop_detected"
        assert passage.origin.heads == []

    passing(story, answering(NOTHING))


def test_max_forwards_of_an_options_counts_down() -> None:
    arrives(
        b"OPTIONS / HTTP/1.1\r\nHost: g\r\nmax-forwards: 7\r\nX: 1\r\n\r\n",
        b"OPTIONS / HTTP/1.1\r\nHost: {host}\r\nmax-forwards: 6\r\nX: 1\r\n" + VIA + b"\r\n",
    )
    arrives(
        b"GET / HTTP/1.1\r\nHost: g\r\nMax-Forwards: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 0\r\n" + VIA + b"\r\n",
    )


def test_an_options_that_may_go_no_further_is_answered_here() -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(b"OPTIONS /v1.0/me HTTP/1.1\r\nHost: g\r\nMax-Forwards: 0\r\n\r\n")
        assert answer.raw == (
            b"HTTP/1.1 200 OK\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nVia: 1.1 lro-gateway\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        assert passage.origin.heads == []

    passing(story, answering(NOTHING))


def test_many_lines_pass() -> None:
    lines = b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(120))
    arrives(
        b"GET / HTTP/1.1\r\nHost: g\r\n" + lines + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\n" + lines + VIA + b"\r\n",
    )


def test_a_long_line_passes() -> None:
    line = b"Authorization: Bearer " + b"x" * 15_000 + b"\r\n"
    arrives(
        b"GET / HTTP/1.1\r\nHost: g\r\n" + line + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: {host}\r\n" + line + VIA + b"\r\n",
    )


# --- any request at all ------------------------------------------------------------------------------------

OURS = {b"host", b"via", b"expect", b"content-length", b"max-forwards", b"gateway-key", *HOP_BY_HOP}
SINGLE = {b"authorization", b"content-type", b"idempotency-key", b"content-location", b"content-range", b"etag",
          b"server", b"user-agent"}  # fmt: skip
"""What the guard or the parser takes no two of."""

names = (
    st.sampled_from(["X-A", "x-a", "Accept", "Cookie", "If-Match", "Range", "client-request-id", "Prefer"])
    | st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12)
).map(str.encode).filter(lambda name: name.lower() not in OURS | SINGLE)  # fmt: skip
values = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20
).map(lambda text: text.strip(" \t").encode())  # fmt: skip
targets = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "/%2F%41-._~!$&'()*+,;=:@[]?\"<>^`{|}éß日"), max_size=40
).map(lambda text: ("/t" + text).encode())  # fmt: skip


def test_any_request_passes() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()

        async def one(target: bytes, lines: list[tuple[bytes, bytes]], body: bytes | None) -> Message:
            sent = list(lines)
            if body is not None:
                sent.append((b"Content-Length", b"%d" % len(body)))
            head = b"".join(b"%b: %b\r\n" % line for line in sent)
            answer = await caller.ask(
                b"PUT " + target + b" HTTP/1.1\r\nHost: g\r\n" + head + b"\r\n" + (body or b"")
            )
            assert answer.status == 204, answer.raw
            got = passage.origin.requests[-1]
            assert got.target == target
            assert got.headers[1:-1] == sent
            assert got.body == (body or b"")
            return got

        for target, lines, body in examples:
            await one(target, lines, body)
        assert len(passage.origin.lines) == 1, "one connection serves them all"

    examples: list[tuple[bytes, list[tuple[bytes, bytes]], bytes | None]] = []

    @settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(
        targets.filter(_accepted), st.lists(st.tuples(names, values), max_size=12), st.none() | st.binary()
    )
    def gather(target: bytes, lines: list[tuple[bytes, bytes]], body: bytes | None) -> None:
        examples.append((target, lines, body))

    gather()
    passing(story, answering(NOTHING))


def _accepted(target: bytes) -> bool:
    """No dot segments and no encoded control characters: the guard has its own tests."""
    if re.search(rb"%([01][0-9A-Fa-f]|7[Ff])", target):
        return False
    path = (
        target.partition(b"?")[0]
        .replace(b"%2F", b"/")
        .replace(b"%2E", b".")
        .replace(b"%2e", b".")
        .split(b"/")
    )
    return not any(segment in (b".", b"..") for segment in path)
