"""Cutting a stream of requests into pieces: the parser behind it is played here, one message at a time."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.http.intake import END_OF_HEAD, Intake, Piece


@dataclass
class Body:
    """What aiohttp's StreamReader would say."""

    length: int
    total_bytes: int = 0

    def is_eof(self) -> bool:
        return self.total_bytes >= self.length


@dataclass(frozen=True)
class Request:
    target: bytes
    body: bytes

    @property
    def head(self) -> bytes:
        return b"POST " + self.target + b" HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9" + END_OF_HEAD

    @property
    def raw(self) -> bytes:
        return self.head + self.body


def run(
    intake: Intake, requests: list[Request], segments: list[bytes]
) -> tuple[list[Piece], list[bytes | None]]:
    """Feed the segments through, playing the parser; the pieces, and the targets that stood in for."""
    pieces: list[Piece] = []
    targets: list[bytes | None] = []
    waiting = list(requests)
    seen, body = b"", Body(0)
    for segment in segments:
        left = segment
        while left:
            in_head = intake.in_head
            piece, left = intake.cut(left)
            pieces.append(piece)
            if not in_head:
                body.total_bytes += len(piece.data)
                continue
            seen += piece.data
            if seen.lstrip(b"\r\n").endswith(END_OF_HEAD):
                targets.append(intake.target)
                body = Body(len(waiting[0].body))
                intake.begun(body, len(waiting.pop(0).body))
                seen = b""
    return pieces, targets


targets = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=12).map(
    lambda text: b"/" + text.encode()
)
requests = st.builds(
    Request, targets, st.sampled_from([b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 40])
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Request], list[bytes]]:
    """Requests, blank lines before some, and the segments that the network makes of them."""
    sent = draw(st.lists(requests, min_size=1, max_size=4))
    raw = b"".join(draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n"])) + request.raw for request in sent)
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    edges = [0, *cuts, len(raw)]
    return sent, [raw[a:b] for a, b in pairwise(edges) if a != b]


@given(streams())
def test_every_message_ends_with_a_piece_and_no_byte_is_lost(
    stream: tuple[list[Request], list[bytes]],
) -> None:
    sent, segments = stream
    pieces, restored = run(Intake(), sent, segments)
    raw = b"".join(segments)
    assert len(b"".join(piece.data for piece in pieces)) == len(raw)
    assert all(piece.exact for piece in pieces)
    assert restored == [None if request.target.isascii() else request.target for request in sent]
    position, ends = 0, set()
    for piece in pieces:
        position += len(piece.data)
        ends.add(position)
    where = 0
    for request in sent:
        where = raw.index(request.raw, where) + len(request.head)
        assert where in ends, "a head ends a piece"
        where += len(request.body)
        assert where in ends, "a body ends a piece"


@given(streams())
def test_only_a_request_line_is_stood_in_for(stream: tuple[list[Request], list[bytes]]) -> None:
    sent, segments = stream
    pieces, _ = run(Intake(), sent, segments)
    shown, raw = b"".join(piece.data for piece in pieces), b"".join(segments)
    for theirs, ours in zip(shown, raw, strict=True):
        assert theirs == ours or (ours > 127 and theirs == ord("~"))
    assert shown.count("é".encode()) >= len(sent), "header values are as they came"
    assert all(line.isascii() for line in shown.split(b"\r\n") if line.startswith(b"POST "))


def test_what_is_behind_a_body_in_chunks_cannot_be_told_from_it() -> None:
    intake = Intake()
    head, rest = intake.cut(b"POST / HTTP/1.1\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert head == (b"POST / HTTP/1.1\r\n\r\n", True)
    intake.begun(Body(1), None)
    assert intake.cut(rest) == ((rest, False), b"")


def test_a_head_has_begun_with_its_first_letter() -> None:
    intake = Intake()
    begun = [intake.head_begun]
    for segment in (b"\r\n", b"G", b"ET / HTTP/1.1\r\n", b"\r\n"):
        intake.cut(segment)
        begun.append(intake.head_begun)
    intake.begun(Body(0), 0)
    assert [*begun, intake.head_begun] == [False, False, True, True, True, False]


def test_a_target_is_what_stands_between_the_first_space_and_the_last() -> None:
    for line in (b"GET /\xe4 HTTP/1.1", b"GET   /\xe4 HTTP/1.1"):
        intake = Intake()
        intake.cut(line + END_OF_HEAD)
        assert intake.target == b"/\xe4"
