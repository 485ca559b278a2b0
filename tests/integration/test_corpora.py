"""Requests by the thousand: those that gunicorn's authors collected, and every byte in every place of the framing.

Malformed ones never arrive complete upstream, well-formed ones are never refused, and nothing is ever smuggled in
another's body. Where we and gunicorn see something differently on purpose, it is listed here with the reason.
"""

import asyncio
import re
from contextlib import suppress

from fakes import corpus
from fakes.origin import Line
from passage import SHIPPED, Passage, passing

INVALID = corpus.requests("invalid")
VALID = corpus.requests("valid")
del VALID["099"]  # announces a longer body than it has: gunicorn's test reads the head alone

TOLERATED = {
    "006": "gunicorn's own bound on a request line; ours is 8 KiB",
    "007": "gunicorn's own bound on a header line; ours is on the whole header",
    "008": "gunicorn's own bound on the header; ours is 16 KiB",
    "009": "gunicorn's own bound on the number of lines, of 100 in that test; ours is on the whole header",
    "limit_header_default_01": "gunicorn's own bound on a header line",
    "rfc9110_trailer_forbidden_host_01": "a trailer is dropped, whatever it is (RFC 9110 section 6.5.1)",
    "rfc9112_leading_crlf_02": "one empty line before a request, or two, delimit nothing (RFC 9112 section 2.2)",
    "rfc9112_target_non_ascii_01": "a raw target goes on byte for byte, and Graph judges it",
    "rfc9112_target_non_ascii_02": "Graph takes raw UTF-8 in a path, and curl sends it",
}
"""Held to be invalid there, and passed on here."""

REFUSED = {
    "002": (400, "`0.0.0.0=5000` is no host"),
    "003": (400, "`0.0.0.0=5000` is no host"),
    "025": (400, "a second Transfer-Encoding line"),
    "013": (400, "space in a chunk's extension, which RFC 9112 section 7.1.1 calls bad"),
    "025_line": (501, "a coding besides chunked"),
    "028": (400, "a space before the colon; gunicorn takes it only when told to"),
    "029": (400, "a second Transfer-Encoding line"),
    "030": (400, "a second Transfer-Encoding line"),
    "031": (501, "a method that nobody knows"),
    "031compat": (501, "a method that nobody knows"),
    "031compat2": (501, "a method that nobody knows"),
    "040": (400, "underscores in names; gunicorn drops such lines"),
    "040_compat": (400, "underscores in names; gunicorn takes them only when told to"),
    "compat_obs_fold": (400, "a folded line; gunicorn takes it only when told to"),
    "compat_obs_fold_huge": (400, "a folded line; gunicorn takes it only when told to"),
    "pp_01": (400, "the PROXY protocol is not spoken"),
    "pp_02": (400, "the PROXY protocol is not spoken"),
    "pp_04": (400, "the PROXY protocol is not spoken"),
    "pp_05": (400, "the PROXY protocol is not spoken"),
    "rfc9110_field_name_special_chars_01": (400, "a name with more than letters, digits and hyphens"),
    "rfc9112_smuggle_gzip_chunked_01": (501, "a coding besides chunked"),
    "rfc9112_smuggle_te_identity_chunked_01": (501, "a coding besides chunked"),
    "rfc9112_target_absolute_userinfo_01": (400, "userinfo in a target: another authority than Host's"),
    "rfc9112_target_asterisk_options_01": (
        400,
        "`*` is about a server, and ours is not the one that is meant",
    ),
    "rfc9112_target_authority_connect_01": (405, "no tunnels"),
    "rfc9112_target_authority_ipv6_01": (405, "no tunnels"),
}
"""Held to be valid there, and refused here."""

LAST = b"GET /the-last HTTP/1.1\r\nHost: g\r\n\r\n"


async def telling(line: Line) -> None:
    """Answers each request with its target."""
    while True:
        target = (await line.request()).target
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


async def answers(passage: Passage, raw: bytes) -> list[int]:
    """The statuses of all answers to what is sent, up to the end of the connection or a last request's."""
    caller = await passage.caller()
    got = bytearray()

    async def read() -> None:
        with suppress(ConnectionError):
            while b"/the-last" not in got and (piece := await caller.reader.read(65_536)):
                got.extend(piece)

    try:
        await caller.send(raw)
        reading = passage.gateway.errands.start("read", read())
        await passage.record()
        with suppress(ConnectionError):  # it may have been closed by then
            await caller.send(LAST)
        await reading
    finally:
        await caller.close()
    while not passage.observer.records.empty():
        passage.observer.records.get_nowait()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3})", bytes(got))]


def with_host(raw: bytes) -> bytes:
    """Many of gunicorn's are HTTP/1.1 without a Host, which is beside their point."""
    if b"\r\nhost:" in raw.lower():
        return raw
    return re.sub(rb"( HTTP/1\.1\r\n)", rb"\1Host: g\r\n", raw)


def test_the_corpus_is_as_large_as_it_was() -> None:
    assert (len(INVALID), len(VALID)) == (81, 61)
    assert INVALID.keys() >= TOLERATED.keys()
    assert VALID.keys() >= REFUSED.keys()


def test_invalid_requests_do_not_arrive() -> None:
    async def story(passage: Passage) -> None:
        whole = {}
        for name, raw in INVALID.items():
            before = len(passage.origin.requests)
            statuses = await answers(passage, raw)
            arrived = [one.target for one in passage.origin.requests[before:] if one.target != b"/the-last"]
            if arrived:
                whole[name] = arrived
            else:
                assert statuses[-1:] != [200], name
                assert set(statuses) <= {400, 405, 408, 414, 431, 501, 505}, name
        assert whole.keys() == TOLERATED.keys()
        heads = [one for one in passage.origin.heads if b"evil" in one.raw]
        assert heads == [], "no trailer arrives"

    passing(story, telling, loops=SHIPPED, limits={"header_read": 1.0, "body_read": 1.0})


def test_valid_requests_are_not_refused() -> None:
    async def story(passage: Passage) -> None:
        refused = {}
        for name, raw in VALID.items():
            statuses = await answers(passage, with_host(raw))
            if set(statuses) != {200}:
                refused[name] = statuses[-1]
        assert refused == {name: status for name, (status, _) in REFUSED.items()}

    passing(story, telling, loops=SHIPPED)


# --- every byte in every place ---------------------------------------------------------------------------------------

PLACES = (
    b"%bTransfer-Encoding: chunked",
    b"Transfer%bEncoding: chunked",
    b"Transfer-Encoding%b: chunked",
    b"Transfer-Encoding:%bchunked",
    b"Transfer-Encoding: %bchunked",
    b"Transfer-Encoding: chunked%b",
    b"Transfer-Encoding: chu%bnked",
    b"Transfer-Encoding: chunked,%b",
    b"Transfer-Encoding: identity%bchunked",
    b"X: y%bTransfer-Encoding: chunked",
    b"X: y\r%bTransfer-Encoding: chunked",
    b"X: y\n%bTransfer-Encoding: chunked",
)
BODY = b"0\r\n\r\nGET /smuggled/%d HTTP/1.1\r\nHost: g\r\n\r\n"


def mutated() -> list[bytes]:
    """A body by its length, and a line that somebody might take for chunks: then the body is a request."""
    found: list[bytes] = []
    for place in PLACES:
        for byte in range(256):
            line, body = place % bytes([byte]), BODY % len(found)
            found.append(
                b"POST /case/%d HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n%b\r\n\r\n%b"
                % (len(found), len(body), line, body)
            )
    return found


def lookalike(name: bytes) -> bool:
    """Whether some reader might take a name for one that frames a message."""
    return re.sub(rb"[^a-z0-9-]", b"", name.lower()) in {b"transfer-encoding", b"content-length"}


def test_nothing_is_smuggled() -> None:
    cases = mutated()
    assert len(cases) == 3072

    async def story(passage: Passage) -> None:
        left = iter(cases)

        async def work() -> None:
            for raw in left:
                caller = await passage.caller()
                passage.callers.remove(caller)
                await caller.send(raw.replace(b"Host: g\r\n", b"Host: g\r\nConnection: close\r\n", 1))
                await caller.ended()
                await caller.close()

        await asyncio.gather(*(work() for _ in range(16)))
        await passage.at_rest()
        targets = [head.target for head in passage.origin.heads]
        assert [target for target in targets if not target.startswith(b"/case/")] == []
        for head in passage.origin.heads:
            assert [name for name, _ in head.headers if lookalike(name)] == [b"Content-Length"], head.head
        # what is passed on names another header, or says so within a value: that is no framing to anybody
        assert 0 < len(targets) < len(cases) // 4
        print(f"{len(cases)} sent, {len(targets)} passed on, 0 smuggled")

    passing(story, telling, loops=SHIPPED)


def test_a_smuggled_request_would_be_seen() -> None:
    """As if somebody in between took the length for the chunks'."""

    async def story(passage: Passage) -> None:
        raw = mutated()[0].partition(b"\r\n\r\n")[2]
        caller = await passage.caller()
        await caller.send(b"POST /case/0 HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
        for _ in range(2):
            await caller.answer()
        assert [head.target for head in passage.origin.heads] == [b"/case/0", b"/smuggled/0"]

    passing(story, telling, loops=SHIPPED)
