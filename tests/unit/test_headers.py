"""Header rules: what goes on, what stays here, what is added; order, case and repeats survive all of it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import headers as rules
from gateway.model import Headers

CALL: Headers = (
    (b"Host", b"127.0.0.1:8080"),
    (b"User-Agent", b"python-requests/2.32"),
    (b"Authorization", b"Bearer x.y.z"),
    (b"X-Twice", b"one"),
    (b"Content-Type", b"application/json"),
    (b"x-twice", b"two"),
    (b"Content-Length", b"2"),
)


# --- looking ---------------------------------------------------------------------------------------------


def test_lookups_ignore_case_and_see_repeats() -> None:
    assert rules.get(CALL, b"x-twice") == b"one"
    assert rules.get_all(CALL, b"x-twice") == (b"one", b"two")
    assert rules.get(CALL, b"accept") is None
    assert rules.get_all(CALL, b"accept") == ()
    assert rules.has(CALL, b"authorization")
    assert not rules.has(CALL, b"accept")


def test_tokens_are_read_over_all_lines() -> None:
    headers = ((b"Connection", b" Close ,, X-A"), (b"Accept", b"x"), (b"connection", b"x-b,\tkeep-alive"))
    assert rules.tokens(headers, b"connection") == (b"close", b"x-a", b"x-b", b"keep-alive")
    assert rules.tokens(headers, b"trailer") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"0", 0), (b" 10 ", 10), (b"", None), (b"-1", None), (b"x", None), (b"1,2", None), (b"9" * 40, None)],
)
def test_max_forwards(value: bytes, expected: int | None) -> None:
    assert rules.forwards_left(((b"Max-Forwards", value),)) == expected


# --- changing --------------------------------------------------------------------------------------------


def test_replacing_keeps_the_place_and_leaves_one_line() -> None:
    assert rules.replaced(CALL, b"X-TWICE", b"three") == (
        *CALL[:3],
        (b"X-Twice", b"three"),
        CALL[4],
        CALL[6],
    )
    assert rules.replaced(CALL, b"Accept", b"*/*") == (*CALL, (b"Accept", b"*/*"))


def test_taking_away() -> None:
    assert rules.without(CALL, {b"x-twice", b"accept"}) == (*CALL[:3], CALL[4], CALL[6])


# --- hop by hop ------------------------------------------------------------------------------------------

HOP_BY_HOP = [
    b"Connection",
    b"Keep-Alive",
    b"Proxy-Authenticate",
    b"Proxy-Authentication-Info",
    b"Proxy-Authorization",
    b"Proxy-Connection",
    b"TE",
    b"Trailer",
    b"Transfer-Encoding",
    b"Upgrade",
]


@pytest.mark.parametrize("name", HOP_BY_HOP)
@pytest.mark.parametrize("spelled", [bytes.lower, bytes.upper, bytes.title])
def test_hop_by_hop_lines_stay_here(name: bytes, spelled: Callable[[bytes], bytes]) -> None:
    line = (spelled(name), b"x")
    assert rules.end_to_end((CALL[0], line, *CALL[1:], line)) == CALL


@pytest.mark.parametrize(
    "line",
    [
        (b"Upgrade-Insecure-Requests", b"1"),
        (b"Proxy-Status", b"x"),
        (b"TE-Like", b"x"),
        (b"Connection-Id", b"x"),
        (b"X-Keep-Alive", b"x"),
        (b"Cookie", b"a=b"),
        (b"Forwarded", b"for=x"),
        (b"X-Forwarded-For", b"x"),
    ],
)
def test_what_only_looks_like_it_goes_on(line: tuple[bytes, bytes]) -> None:
    assert rules.end_to_end((*CALL, line)) == (*CALL, line)


@pytest.mark.parametrize(
    ("nominations", "gone"),
    [
        ([b"close"], set()),
        ([b"close, X-Twice"], {b"x-twice"}),
        ([b"x-TWICE", b"authorization"], {b"x-twice", b"authorization"}),
        ([b"close, X-Not-There"], set()),
        ([b", ,x-twice,"], {b"x-twice"}),
        ([b"content-length, host"], set()),
        ([b"x-twice;q=1"], set()),
    ],
)
def test_nominated_lines_stay_here_but_framing_does_not_go_missing(
    nominations: list[bytes], gone: set[bytes]
) -> None:
    headers = (*CALL, *((b"Connection", value) for value in nominations))
    assert rules.end_to_end(headers) == rules.without(CALL, gone)


# --- forwarding ------------------------------------------------------------------------------------------

VIA = (b"Via", b"1.1 lro-gateway")


def test_a_request_goes_on_with_the_upstreams_host_and_our_via() -> None:
    forwarded = rules.for_upstream(CALL, host=b"graph.microsoft.com", chunked=False)
    assert forwarded == ((b"Host", b"graph.microsoft.com"), *CALL[1:], VIA)


def test_host_stays_in_its_place_and_spelling() -> None:
    headers = ((b"Accept", b"*/*"), (b"HOST", b"x"), (b"A", b"b"), (b"host", b"y"))
    assert rules.for_upstream(headers, host=b"up", chunked=False) == (
        (b"Accept", b"*/*"),
        (b"HOST", b"up"),
        (b"A", b"b"),
        VIA,
    )


def test_a_missing_host_comes_first() -> None:
    assert rules.for_upstream((), host=b"up", chunked=False) == ((b"Host", b"up"), VIA)


def test_chunked_stands_in_the_place_of_the_callers() -> None:
    headers = ((b"Host", b"x"), (b"transfer-encoding", b"Chunked"), (b"TE", b"trailers"), (b"A", b"b"))
    assert rules.for_upstream(headers, host=b"up", chunked=True) == (
        (b"Host", b"up"),
        (b"transfer-encoding", b"chunked"),
        (b"A", b"b"),
        VIA,
    )


def test_chunked_stands_once_and_never_beside_a_length() -> None:
    headers = (
        (b"Content-Length", b"5"),
        (b"Transfer-Encoding", b"gzip"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"transfer-encoding"),
    )
    line = (b"Transfer-Encoding", b"chunked")
    assert rules.for_upstream(headers, host=b"up", chunked=True) == ((b"Host", b"up"), line, VIA)
    assert rules.for_upstream((), host=b"up", chunked=True) == ((b"Host", b"up"), line, VIA)


def test_a_body_that_is_not_chunked_keeps_its_length_only() -> None:
    headers = (*CALL, (b"Transfer-Encoding", b"chunked"))
    assert rules.for_upstream(headers, host=b"up", chunked=False)[1:] == (*CALL[1:], VIA)


def test_the_gateway_key_goes_nowhere() -> None:
    headers = ((b"Gateway-Key", b"secret"), (b"gateway-key", b"other"))
    assert rules.for_upstream(headers, host=b"up", chunked=False) == ((b"Host", b"up"), VIA)


@pytest.mark.parametrize(
    "nominated", [b"via", b"host", b"transfer-encoding", b"content-length", b"gateway-key"]
)
def test_nobody_nominates_ours_away(nominated: bytes) -> None:
    headers = ((b"Host", b"x"), (b"Via", b"1.0 fred"), (b"Connection", b"close, " + nominated))
    forwarded = rules.for_upstream(headers, host=b"up", chunked=True)
    assert rules.get_all(forwarded, b"host") == (b"up",)
    assert rules.get_all(forwarded, b"transfer-encoding") == (b"chunked",)
    assert forwarded[-1] == VIA


def test_via_of_others_stays_and_ours_comes_last() -> None:
    headers = ((b"via", b"1.0 fred, 1.1 p.example.net"), (b"A", b"b"))
    assert rules.for_upstream(headers, host=b"up", chunked=False) == ((b"Host", b"up"), *headers, VIA)


def test_a_response_goes_on_with_our_via_and_nothing_else() -> None:
    headers = (
        (b"server", b"Microsoft-IIS/10.0"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"a=b"),
        (b"Keep-Alive", b"timeout=5"),
        (b"set-cookie", b"c=d"),
        (b"Host", b"odd"),
    )
    server, framing, cookie, _, another, odd = headers
    assert rules.for_caller(headers, chunked=False) == (server, cookie, another, odd, VIA)
    assert rules.for_caller(headers, chunked=True) == (server, framing, cookie, another, odd, VIA)


@pytest.mark.parametrize(
    ("via", "been_here"),
    [
        (b"1.1 lro-gateway", True),
        (b"1.1 LRO-Gateway", True),
        (b"HTTP/1.1 lro-gateway", True),
        (b"1.0 fred, 1.1 lro-gateway (x), 1.1 p", True),
        (b"1.1 fred (a (nested \\) , 1.1 x) comment), 2 lro-gateway", True),
        (b"1.1\tlro-gateway", True),
        (b"1.1 lro-gateway:8080", False),
        (b"1.1 lro-gateway-2", False),
        (b"1.1 x-lro-gateway", False),
        (b"1.1 fred (was 1.1 lro-gateway)", False),
        (b"1.1 fred (a, 1.1 lro-gateway", False),
        (b"1.1 fred (a \\), 1.1 lro-gateway )", False),
        (b"1.1 fred (a \\\\), 1.1 lro-gateway", True),
        (b"lro-gateway", False),
        (b"lro-gateway fred", False),
        (b"", False),
    ],
)
def test_loops_are_seen(*, via: bytes, been_here: bool) -> None:
    assert rules.passed_here(((b"VIA", b"1.0 first"), (b"via", via))) is been_here


def test_what_we_forward_is_seen_as_a_loop_when_it_comes_back() -> None:
    assert not rules.passed_here(CALL)
    assert rules.passed_here(rules.for_upstream(CALL, host=b"up", chunked=False))


@pytest.mark.timeout(2)
def test_hostile_comments_take_no_time() -> None:
    for value in (b"(" * 16_000, b"(\\(" * 5_000, b"()" * 8_000):
        for _ in range(20):
            rules.passed_here(((b"Via", b"lro-gateway" + value),))


# --- results ---------------------------------------------------------------------------------------------


def test_the_final_get_is_made_of_what_describes_the_caller() -> None:
    kept: Headers = (
        (b"Host", b"127.0.0.1:8080"),
        (b"authorization", b"Bearer x.y.z"),
        (b"Accept", b"application/json;odata.metadata=full"),
        (b"Accept-Language", b"de"),
        (b"Accept-Encoding", b"gzip"),
        (b"client-request-id", b"c1"),
        (b"SdkVersion", b"graph-python/1.0"),
        (b"workbook-session-id", b"w"),
        (b"ConsistencyLevel", b"eventual"),
        (b"Via", b"1.0 fred"),
    )
    left: Headers = (
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"12"),
        (b"content-encoding", b"gzip"),
        (b"Content-MD5", b"x"),
        (b"Content-Disposition", b"x"),
        (b"Digest", b"x"),
        (b"If-Match", b'"1"'),
        (b"If-None-Match", b"*"),
        (b"if-modified-since", b"x"),
        (b"If-Range", b"x"),
        (b"Range", b"bytes=0-1"),
        (b"Expect", b"100-continue"),
        (b"Idempotency-Key", b"k"),
        (b"Retry-Attempt", b"1"),
        (b"Cookie", b"a=b"),
        (b"Gateway-Key", b"secret"),
        (b"X-HTTP-Method-Override", b"DELETE"),
        (b"X-HTTP-Method", b"DELETE"),
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"x"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Prefer", b"respond-async, wait=5"),
        (b"Prefer", b"return=minimal"),
    )
    mixed = tuple(line for pair in zip(left, kept, strict=False) for line in pair) + left[len(kept) :]
    assert rules.for_result_get(mixed) == kept


def test_other_preferences_go_along_with_the_final_get() -> None:
    headers = (
        (b"Prefer", b'respond-async, IdType="ImmutableId", wait=5'),
        (b"prefer", b"outlook.timezone=x"),
    )
    assert rules.for_result_get(headers) == ((b"Prefer", b'IdType="ImmutableId"'), headers[1])


def test_the_result_is_the_final_gets_under_the_posts_ids() -> None:
    post = ((b"Request-Id", b"p1"), (b"client-request-id", b"c1"), (b"Location", b"secret"))
    got = (
        (b"Content-Type", b"application/json"),
        (b"request-id", b"g1"),
        (b"ETag", b'"1"'),
        (b"Connection", b"close"),
    )
    assert rules.merge_result(rules.request_ids(post), got) == (
        (b"Content-Type", b"application/json"),
        (b"request-id", b"p1"),
        (b"ETag", b'"1"'),
        (b"client-request-id", b"c1"),
    )
    assert rules.request_ids(post) == post[:2]


def test_without_ids_of_the_post_the_final_gets_stay() -> None:
    assert rules.merge_result((), ((b"request-id", b"g1"),)) == ((b"request-id", b"g1"),)


# --- properties ------------------------------------------------------------------------------------------

names = st.sampled_from(
    [
        b"Host",
        b"Accept",
        b"X-A",
        b"x-a",
        b"X-B",
        b"Via",
        b"TE",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Upgrade",
    ]
)
options = st.lists(
    st.sampled_from([b"close", b"x-a", b"X-B", b"host", b"Content-Length", b"via", b""]), max_size=4
)
plain = st.tuples(names, st.sampled_from([b"", b"1", b"chunked"]))
connection = st.tuples(st.just(b"Connection"), options.map(b", ".join))
any_headers = st.lists(plain | connection, max_size=12).map(tuple)


def is_subsequence(some: Headers, of: Headers) -> bool:
    rest = iter(of)
    return all(line in rest for line in some)


@given(any_headers)
def test_end_to_end_takes_away_and_does_nothing_else(headers: Headers) -> None:
    kept = rules.end_to_end(headers)
    assert is_subsequence(kept, headers)
    assert rules.end_to_end(kept) == kept
    nominated = set(rules.tokens(headers, b"connection")) - {b"host", b"content-length"}
    kept_names = {name.lower() for name, _ in kept}
    assert not kept_names & (nominated | {name.lower() for name in HOP_BY_HOP})
    dropped_names = {name.lower() for name, _ in headers} - kept_names
    assert dropped_names <= nominated | {name.lower() for name in HOP_BY_HOP}


@given(headers=any_headers, chunked=st.booleans())
def test_what_goes_upstream_is_framed_once_named_once_and_signed_once(
    *, headers: Headers, chunked: bool
) -> None:
    forwarded = rules.for_upstream(headers, host=b"up", chunked=chunked)
    assert rules.get_all(forwarded, b"host") == (b"up",)
    assert rules.get_all(forwarded, b"transfer-encoding") == ((b"chunked",) if chunked else ())
    assert not (chunked and rules.has(forwarded, b"content-length"))
    assert forwarded[-1] == VIA
    ours = {b"host", b"transfer-encoding", b"content-length"}
    theirs = rules.without(forwarded[:-1], ours)
    assert theirs == rules.without(rules.end_to_end(headers), ours)


@given(headers=any_headers, chunked=st.booleans())
def test_what_goes_to_the_caller_keeps_order_and_bytes(*, headers: Headers, chunked: bool) -> None:
    forwarded = rules.for_caller(headers, chunked=chunked)
    framing = {b"transfer-encoding", b"content-length"}
    assert rules.without(forwarded[:-1], framing) == rules.without(rules.end_to_end(headers), framing)
    if not chunked:
        assert forwarded == (*rules.end_to_end(headers), VIA)


@given(any_headers)
def test_the_final_gets_lines_are_some_of_the_calls(headers: Headers) -> None:
    kept = rules.for_result_get(headers)
    assert is_subsequence(kept, headers)
    assert rules.for_result_get(kept) == kept


@given(st.binary(max_size=60))
def test_any_via_can_be_read(value: bytes) -> None:
    rules.passed_here(((b"Via", b"lro-gateway" + value),))
