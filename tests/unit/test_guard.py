"""The guard: a row for each refusal, a table of real calls that must get through, and what holds for any request."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import guard
from gateway.errors import (
    ExpectationFailed,
    HeadersTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    MethodUnknown,
    Refusal,
    TargetTooLong,
    TooEarly,
    VersionUnsupported,
)
from gateway.guard import RequestHead
from gateway.model import Headers

HOST = (b"Host", b"localhost:8080")


def head(
    method: str = "GET",
    target: str = "/v1.0/me",
    version: tuple[int, int] = (1, 1),
    headers: Headers = (HOST,),
) -> RequestHead:
    return RequestHead(method, target, version, headers)


def plus(*lines: tuple[bytes, bytes], method: str = "POST") -> RequestHead:
    return head(method=method, headers=(HOST, *lines))


def at(target: str) -> RequestHead:
    return head(target=target)


BAD_NAME, CONTROL, ENCODING = "field_name", "field_value_control", "field_value_encoding"

REFUSED: list[tuple[str, type[Refusal], RequestHead]] = [
    ("version", VersionUnsupported, head(version=(2, 0))),
    ("version", VersionUnsupported, head(version=(0, 9))),
    ("version", VersionUnsupported, head(version=(1, 2))),
    ("version", VersionUnsupported, head(method="PRI", target="*", version=(2, 0), headers=())),
    ("method_not_allowed", MethodNotAllowed, head(method="CONNECT", target="graph.microsoft.com:443")),
    ("method_not_allowed", MethodNotAllowed, head(method="TRACE")),
    ("method_unknown", MethodUnknown, head(method="SOURCE", version=(1, 0))),
    ("method_unknown", MethodUnknown, head(method="get")),
    ("method_unknown", MethodUnknown, head(method="PROPFIND")),
    ("method_unknown", MethodUnknown, head(method="")),
    ("header_size", HeadersTooLarge, plus((b"Authorization", b"x" * 16_384))),
    ("header_size", HeadersTooLarge, plus(*[(b"A", b"")] * 4000)),
    ("http10_options", MethodUnknown, head(method="OPTIONS", version=(1, 0))),
    (
        "http10_transfer_encoding",
        MalformedRequest,
        head(method="POST", version=(1, 0), headers=(HOST, (b"transfer-encoding", b"chunked"))),
    ),
    (BAD_NAME, MalformedRequest, plus((b"Content_Length", b"1"))),
    (BAD_NAME, MalformedRequest, plus((b"Transfer.Encoding", b"chunked"))),
    (BAD_NAME, MalformedRequest, plus((b"X A", b"1"))),
    (BAD_NAME, MalformedRequest, plus((b"X\x00A", b"1"))),
    (BAD_NAME, MalformedRequest, plus((b"Host:", b"1"))),
    (BAD_NAME, MalformedRequest, plus((b"", b"1"))),
    (BAD_NAME, MalformedRequest, plus(("Höst".encode(), b"1"))),
    (CONTROL, MalformedRequest, plus((b"Authorization", b"Bearer SECRET\x01"))),
    (CONTROL, MalformedRequest, plus((b"A", b"b\x00"))),
    (CONTROL, MalformedRequest, plus((b"A", b"b\rX-Evil: 1"))),
    (CONTROL, MalformedRequest, plus((b"A", b"b\nX-Evil: 1"))),
    (CONTROL, MalformedRequest, plus((b"A", b"\x7f"))),
    (ENCODING, MalformedRequest, plus((b"A", b"X\xa0Y"))),
    (ENCODING, MalformedRequest, plus((b"A", "ä".encode("latin-1")))),
    (ENCODING, MalformedRequest, plus((b"A", b"\xc3"), (b"B", b"\xa4"))),
    (ENCODING, MalformedRequest, plus((b"A", b"\xed\xa0\x80"))),
    ("field_repeated", MalformedRequest, head(headers=(HOST, HOST))),
    ("field_repeated", MalformedRequest, plus((b"host", b"other"))),
    ("field_repeated", MalformedRequest, plus((b"Authorization", b"a"), (b"authorization", b"b"))),
    ("field_repeated", MalformedRequest, plus((b"Content-Type", b"a/b"), (b"CONTENT-TYPE", b"c/d"))),
    ("field_repeated", MalformedRequest, plus((b"Idempotency-Key", b"a"), (b"Idempotency-Key", b"a"))),
    ("field_repeated", MalformedRequest, plus((b"Content-Length", b"5"), (b"Content-Length", b"5"))),
    ("field_repeated", MalformedRequest, plus((b"Expect", b"100-continue"), (b"Expect", b"100-continue"))),
    (
        "field_repeated",
        MalformedRequest,
        plus((b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"x")),
    ),
    ("field_repeated", MalformedRequest, plus((b"Gateway-Key", b"a"), (b"Gateway-Key", b"b"))),
    ("host_missing", MalformedRequest, head(headers=())),
    *[
        ("host_syntax", MalformedRequest, head(headers=((b"Host", value),)))
        for value in (
            b"",
            b" ",
            b":80",
            b"a b",
            b"a,b",
            b"a/b",
            b"a?b",
            b"a#b",
            b"u@a",
            b"a:b",
            b"a:80:80",
            b"a:65536",
            b"a:-1",
            b"[::1",
            b"::1",
            b"[]",
            b"[zz]",
            b"a\\b",
            b"http://a",
            b"%61",
            b"a\tb",
            "ä".encode(),
        )
    ],
    ("target_length", TargetTooLong, at("/" + "a" * 8192)),
    ("target_length", TargetTooLong, at("/?" + "a" * 8191)),
    ("target_length", TargetTooLong, at("/" + "ä" * 5000)),
    ("target_length", TargetTooLong, at("/" + "\udce4" * 8192)),
    ("target_control", MalformedRequest, at("/a b")),
    ("target_control", MalformedRequest, at("/a\x00")),
    ("target_control", MalformedRequest, at("/a?b\r\nc")),
    ("target_control", MalformedRequest, at("/a?\x7f")),
    ("target_form", MalformedRequest, at("")),
    ("target_form", MalformedRequest, at("v1.0/me")),
    ("target_form", MalformedRequest, at("?a")),
    ("target_form", MalformedRequest, at("*")),
    ("target_form", MalformedRequest, head(method="OPTIONS", target="*")),
    ("target_form", MalformedRequest, at("localhost:8080")),
    ("target_form", MalformedRequest, at("ftp://localhost:8080/a")),
    ("target_form", MalformedRequest, at("http:/localhost:8080/a")),
    ("target_form", MalformedRequest, at("http:\\\\localhost:8080/a")),
    ("target_form", MalformedRequest, at("httpſ://localhost:8080/a")),
    ("target_authority", MalformedRequest, at("http://evil/x")),
    ("target_authority", MalformedRequest, at("http://localhost/x")),
    ("target_authority", MalformedRequest, at("http://localhost:8081/x")),
    ("target_authority", MalformedRequest, at("http://u@localhost:8080/x")),
    ("target_authority", MalformedRequest, at("http:///x")),
    ("target_authority", MalformedRequest, head(target="http://a/x", version=(1, 0), headers=())),
    ("path_fragment", MalformedRequest, at("/v1.0/me#top")),
    ("path_fragment", MalformedRequest, at("http://localhost:8080#top")),
    ("path_backslash", MalformedRequest, at("/v1.0\\..\\me")),
    ("path_backslash", MalformedRequest, at("/v1.0/%5cme")),
    ("path_backslash", MalformedRequest, at("/v1.0/me%5C")),
    ("path_control", MalformedRequest, at("/v1.0/%00")),
    ("path_control", MalformedRequest, at("/v1.0/a%0d%0ab")),
    ("path_control", MalformedRequest, at("/v1.0/%1F")),
    ("path_control", MalformedRequest, at("/v1.0/%7f")),
    *[
        ("path_dot_segment", MalformedRequest, at(target))
        for target in (
            "/.",
            "/..",
            "/./v1.0",
            "/v1.0/../beta/me",
            "/v1.0/me/..",
            "/v1.0/me/.?a=b",
            "/v1.0/%2e%2e/me",
            "/v1.0/%2E./me",
            "/v1.0/.%2e/me",
            "/v1.0/%2e/me",
            "//../me",
            "/v1.0/..%2fme",
            "/v1.0%2F..%2Fme",
            "/v1.0%2f%2e%2e",
            "http://localhost:8080/..",
        )
    ],
    *[
        ("length_syntax", MalformedRequest, plus((b"Content-Length", value)))
        for value in (b"", b"-1", b"+1", b"0x1", b"1,1", b"1 1", b"1_0", "١".encode(), b"9" * 19)
    ],
    (
        "length_and_transfer_encoding",
        MalformedRequest,
        plus((b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")),
    ),
    *[
        ("transfer_encoding", MethodUnknown, plus((b"Transfer-Encoding", value)))
        for value in (
            b"gzip",
            b"gzip, chunked",
            b"chunked, chunked",
            b"chunked,",
            b"identity",
            b"",
            b"xchunked",
            b"chunked;a=b",
        )
    ],
    ("expect", ExpectationFailed, plus((b"Expect", b"200-ok"))),
    ("expect", ExpectationFailed, plus((b"Expect", b"100-continue, x"))),
    ("expect", ExpectationFailed, plus((b"Expect", b""))),
]


@pytest.mark.parametrize(("reason", "error", "request_head"), REFUSED)
def test_refused(reason: str, error: type[Refusal], request_head: RequestHead) -> None:
    found = guard.check(request_head)
    assert found is not None
    assert (type(found), found.reason) == (error, reason)


def test_every_reason_is_known_and_has_a_row() -> None:
    assert {reason for reason, _, _ in REFUSED} | {"early_data"} == set(guard.REASONS)
    assert len(set(guard.REASONS)) == len(guard.REASONS)


def test_checks_come_in_the_order_of_the_reasons() -> None:
    """A request with many faults, which are mended one after the other."""
    faults: list[tuple[str, tuple[bytes, bytes]]] = [
        ("header_size", (b"A", b"x" * 20_000)),
        ("field_name", (b"A_B", b"1")),
        ("field_value_control", (b"A", b"\x01")),
        ("field_value_encoding", (b"A", b"\xff")),
        ("field_repeated", (b"Expect", b"y")),
        ("host_syntax", (b"Host", b"a b")),
        ("length_and_transfer_encoding", (b"Content-Length", b"1")),
        ("transfer_encoding", (b"Transfer-Encoding", b"gzip")),
        ("expect", (b"Expect", b"x")),
    ]
    method, target, version = "TRACE", "/..", (2, 0)
    seen = []
    while faults:
        lines = tuple(line for _, line in faults)
        if not any(name == b"Host" for name, _ in lines):
            lines = (HOST, *lines)
        found = guard.check(RequestHead(method, target, version, lines))
        assert found is not None
        seen.append(found.reason)
        if found.reason == "version":
            version = (1, 1)
        elif found.reason == "method_not_allowed":
            method = "POST"
        elif found.reason == "path_dot_segment":
            target = "/"
        else:
            assert faults.pop(0)[0] == found.reason
    assert seen == [reason for reason in guard.REASONS if reason in seen]
    assert len(seen) == 12


def test_nothing_of_the_request_is_repeated() -> None:
    for _, _, request_head in REFUSED:
        found = guard.check(request_head)
        assert found is not None
        assert re.fullmatch("[a-z0-9_]+", str(found))
        assert "SECRET" not in found.message


def test_the_bound_of_the_header_is_a_setting() -> None:
    big = plus((b"Authorization", b"Bearer " + b"x" * 900))
    assert guard.check(big, header_limit=1024) is None
    assert isinstance(guard.check(big, header_limit=900), HeadersTooLarge)


def test_what_is_exactly_at_a_bound_gets_through() -> None:
    filled = guard.HEADER_LIMIT - len(b"Host: localhost:8080\r\n") - len(b"A: \r\n")
    assert guard.check(plus((b"A", b"x" * filled))) is None
    assert guard.check(plus((b"A", b"x" * (filled + 1)))) is not None
    assert guard.check(at("/" + "a" * (guard.TARGET_LIMIT - 1))) is None
    assert guard.check(at("/" + "ä" * (guard.TARGET_LIMIT // 2 - 1) + "a")) is None
    assert guard.check(head(headers=((b"Host", b"a:65535"),))) is None


# --- what must get through -------------------------------------------------------------------------------

GUID = "b8c1f1a0-6f3e-4d8a-9a52-1b2c3d4e5f60"
SIGNED = "c=ZGF0YQ%3D%3D&v=2.0&tempauth=eyJ0eXAi.eyJhdWQi.c2ln"
REAL = [
    "GET /v1.0/me",
    "GET /beta/me/drive/root/children?$top=5&$select=id,name",
    "GET /v1.0/me/drive",
    "GET /",
    "GET /v1.0",
    "POST /v1.0/me/drive/items/01BYE5RZ6QN3ZWBTUFOFD3GSPGOHDJD36K/copy",
    "POST /v1.0/drives/b!t18F8ybsHUq1z3LTz8xvZqP8XaR3/items/01BYE5RZ/copy",
    "POST /v1.0/drives/b%21t18F8ybsHUq1z3LTz8xvZqP8XaR3/items/01BYE5RZ/copy?@microsoft.graph.conflictBehavior=rename",
    "POST /v1.0/me/drive/items/5F663FB20714AA03!11000/copy/",
    "POST /v1.0/me/drive/items/5F663FB20714AA03%2111000/microsoft.graph.copy",
    "POST /v1.0/users/adele@contoso.com/drive/items/01BYE5RZ/copy",
    "POST /v1.0/users/adele%40contoso.com/drive/root:/Reports/Q3%20%26%20Q4.docx:/copy",
    "POST /v1.0/me/drive/root:/a%23b%25c.docx:/copy",
    "POST /v1.0/me/drive/root:/It's%20(final)%20[1].docx:/copy",
    "POST /v1.0/me/drive/root:/Dokumente/%C3%9Cbersicht.docx:/copy",
    "POST /v1.0/me/drive/root:/Dokumente/Übersicht.docx:/copy",
    "PUT /v1.0/me/drive/root:/latin\udce4.txt:/content",
    "PUT /v1.0/me/drive/root:/.gitignore:/content",
    "PUT /v1.0/me/drive/root:/..hidden/...:/content",
    "PUT /v1.0/me/drive/root:/a..b/c./d%2e.txt:/content",
    "PUT /v1.0/me/drive/root:/100%25%20sure;v=2,+$&'()*!~=.txt:/content",
    "PUT /v1.0/me/drive/items/01BYE5RZ:/new.txt:/content",
    "PUT /v1.0/me/drive/root:/literal%252e%252e/%255c/x:/content",
    "PATCH /v1.0/drives('b!t18F')/items('01BYE5RZ')",
    "GET /v1.0/sites/contoso.sharepoint.com:/sites/Team%20A:/drive/root",
    "GET /v1.0/sites/contoso.sharepoint.com,2C712604-1370-44E7-A1F5-426573FDA80A,2D2244C3/lists",
    "GET /v1.0/sites/root/lists/Documents/items?expand=fields(select=Name,Color)",
    "GET /v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL2IvcyFB/driveItem",
    "GET /v1.0/users?$filter=startswith(displayName,'O''Neil')%20and%20accountEnabled%20eq%20true",
    "GET /v1.0/users?$search=%22displayName:al%22&$count=true",
    "GET /v1.0/me/drive/root/search(q='{Contoso%20Project}')",
    "GET /v1.0/me/drive/root/search(q='..%2F..')?$top=1",
    "GET /v1.0/me/messages?$filter=subject%20eq%20'a/../b\\c%5c%00#x'",
    "GET /v1.0/users/delta?$deltatoken=" + "A" * 4000,
    "GET /v1.0/me/calendarView?startDateTime=2026-11-21T00:00:00.0000000&endDateTime=2026-11-22T00:00:00Z",
    "GET /v1.0/me/photos/48x48/$value",
    "GET /v1.0/$metadata",
    "POST /v1.0/$batch",
    "POST /v1.0/me/sendMail",
    "POST /v1.0/teams",
    "POST /v1.0/teams('fbe2bf47-16c8-47cf-b4a5-4b9b187c508b')/archive",
    f"GET /v1.0/teams('{GUID}')/operations('{GUID}')",
    f"GET /v1.0/me/onenote/operations/copy-1-{GUID}",
    "POST /v1.0/me/drive/items/01BYE5RZ/workbook/worksheets('Sheet%201')/range(address='A1:B2')/clear",
    "POST /v1.0/me/drive/items/01BYE5RZ/workbook/createSession",
    "GET /v1.0/directoryObjects/microsoft.graph.user?$top=1",
    "DELETE /v1.0/groups/02bd9fd6-8f93-4758-87c3-1fb73740a315/members/x/$ref",
    "HEAD /v1.0/me/drive/items/01BYE5RZ/content",
    "OPTIONS /v1.0/me",
    "GET //v1.0//me",
    "GET /v1.0/me?",
    "GET /v1.0/me?a=b?c=d/..",
    "GET /v1.0/odd%zzpercent%",
    f"GET /_gateway/operations/{GUID}/result?ticket=abc-_def&hop=2",
    f"GET /sites/FromSite/_api/v2.1/drive/operations/{GUID}?{SIGNED}",
    "GET http://localhost:8080/v1.0/me",
    "GET HTTP://LOCALHOST:8080/v1.0/me?$select=id",
    "OPTIONS http://localhost:8080",
]
LINES: Headers = (
    HOST,
    (b"Authorization", b"Bearer " + b"x" * 4000),
    (b"Accept", b"application/json;odata.metadata=minimal, */*;q=0.5"),
    (b"Prefer", b'IdType="ImmutableId"'),
    (b"Prefer", b"respond-async"),
    (b"X-Forwarded-For", b"10.0.0.1"),
    (b"X-Forwarded-For", b"10.0.0.2"),
    (b"x-ms-client-tracking-id", b"a\tb"),
    (b"Slug", "Übersicht 日本.docx".encode()),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (b"client-request-id", GUID.encode()),
    (b"SdkVersion", b"graph-python/1.5.2 (x; y)"),
    (b"Empty", b""),
    (b"Expect", b"100-Continue"),
)


@pytest.mark.parametrize("line", REAL)
def test_real_calls_get_through(line: str) -> None:
    method, target = line.split(" ", 1)
    assert guard.check(head(method, target, headers=LINES)) is None


@pytest.mark.parametrize(
    "framing",
    [(), ((b"Content-Length", b"0"),), ((b"content-length", b" 12"),), ((b"Transfer-Encoding", b"Chunked"),)],
)
def test_framing_that_gets_through(framing: Headers) -> None:
    assert guard.check(plus(*framing)) is None


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:",
        b"127.0.0.1:8080",
        b"[::1]:8080",
        b"[::1]",
        b"my_service:80",
        b"gw.example.com.",
    ],
)
def test_hosts_that_get_through(host: bytes) -> None:
    assert guard.check(head(headers=((b"Host", host),))) is None
    assert guard.check(head(target=f"http://{host.decode()}/a", headers=((b"Host", host),))) is None


def test_http10_gets_through_without_a_host() -> None:
    assert guard.check(head(version=(1, 0), headers=())) is None
    assert guard.check(head("POST", version=(1, 0), headers=((b"Content-Length", b"2"),))) is None


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://gw/x", b"gw:80"),
        ("http://gw:80/x", b"gw"),
        ("https://gw/x", b"GW:443"),
        ("http://GW:/x", b"gw"),
        ("http://[::1]/x", b"[::1]:80"),
    ],
)
def test_a_default_port_is_no_difference(target: str, host: bytes) -> None:
    assert guard.check(head(target=target, headers=((b"Host", host),))) is None


@pytest.mark.parametrize(("target", "host"), [("https://gw/x", b"gw:80"), ("http://[::1]/x", b"[::2]")])
def test_another_port_or_address_is_one(target: str, host: bytes) -> None:
    assert guard.check(head(target=target, headers=((b"Host", host),))) is not None


@pytest.mark.parametrize(
    ("target", "origin"),
    [
        ("/a%2Fb?c", "/a%2Fb?c"),
        ("//a", "//a"),
        ("/http://a/b", "/http://a/b"),
        ("http://gw/a//b?c=d", "/a//b?c=d"),
        ("HTTPS://gw", "/"),
        ("http://gw?", "/?"),
        ("http://gw?a=/b", "/?a=/b"),
    ],
)
def test_the_target_that_is_forwarded(target: str, origin: str) -> None:
    assert guard.origin_form(target) == origin


@pytest.mark.parametrize("value", [b"1", b"0", b"", b"junk"])
def test_early_data_is_too_early_for_operations_only(value: bytes) -> None:
    line = (b"Early-Data", value)
    assert guard.check(plus(line)) is None
    found = guard.too_early((HOST, line))
    assert isinstance(found, TooEarly)
    assert found.reason == "early_data"
    assert guard.too_early((HOST,)) is None


# --- what holds for any request --------------------------------------------------------------------------

fragments = st.sampled_from(
    [
        "/",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%7F",
        "#",
        "?",
        "a",
        "%",
        "%25",
        "ä",
        "\udc80",
        " ",
        ":",
    ]
)
targets = st.lists(fragments, max_size=10).map(lambda parts: "/" + "".join(parts)) | st.text(max_size=30)
field_lines = st.tuples(
    st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"A_B", b"A"])
    | st.binary(max_size=5),
    st.sampled_from([b"a", b"1", b"chunked", b"100-continue"]) | st.binary(max_size=8),
)
heads = st.builds(
    RequestHead,
    st.sampled_from([*guard.METHODS, "TRACE", "x"]),
    targets,
    st.sampled_from([(1, 0), (1, 1), (2, 0)]),
    st.lists(field_lines, max_size=6).map(tuple),
)


@given(heads)
def test_the_guard_never_raises_and_gives_a_known_reason(request_head: RequestHead) -> None:
    found = guard.check(request_head)
    assert found is None or found.reason in guard.REASONS


@given(targets)
def test_an_accepted_path_reads_the_same_for_everybody(target: str) -> None:
    """Decoded once or not at all, it has no dot segment, no backslash, no control character and no fragment."""
    if guard.check(at(target)) is not None:
        return
    path = guard.origin_form(target).partition("?")[0]
    assert path.startswith("/")
    for reading in (path, unquote(path, errors="replace")):
        assert not {".", ".."} & set(reading.split("/"))
        assert "\\" not in reading
        assert not re.search("[\x00-\x1f\x7f]", reading)
    assert "#" not in path


@given(heads)
def test_an_accepted_request_is_framed_in_one_way(request_head: RequestHead) -> None:
    if guard.check(request_head) is not None:
        return
    names = [name.lower() for name, _ in request_head.headers]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert names.count(b"host") == 1 or request_head.version == (1, 0)
    assert request_head.method in guard.METHODS


@pytest.mark.timeout(2)
def test_no_target_takes_long() -> None:
    for piece in ("/.", "%2f", "%2e", "//", "/%2e%2e%2", ":", "%"):
        for _ in range(50):
            guard.check(at("/" + piece * (8000 // len(piece))))
