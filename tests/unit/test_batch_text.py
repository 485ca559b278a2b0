"""Batches as text: what is read, what is refused, and that splicing touches nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.batch_text import (
    NOTHING,
    Content,
    Unreadable,
    read_requests,
    read_responses,
    response,
)

JSON = (b"Content-Type", b"application/json")
DONE = Content(200, (JSON, (b"ETag", b'"1"')), b' {"id": "B",\n "n": 1.0} ')

# --- JSON in all its spellings -----------------------------------------------------------------------------

SPACES = st.text(" \t\r\n", max_size=2)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(st.text(max_size=3), inner), max_size=3).map(tuple)
    ),
    max_leaves=6,
)
"""A tuple stands for an object, of which members may come twice."""


def spelled(draw: Any, value: object) -> str:
    """One of the texts that mean this value."""

    def space() -> str:
        return str(draw(SPACES))

    if isinstance(value, tuple):
        members = (f"{text(draw, name)}{space()}:{space()}{spelled(draw, item)}" for name, item in value)
        return f"{{{space()}{f'{space()},{space()}'.join(members)}{space()}}}"
    if isinstance(value, list):
        return f"[{space()}{f'{space()},{space()}'.join([spelled(draw, item) for item in value])}{space()}]"
    return text(draw, value) if isinstance(value, str) else json.dumps(value)


def text(draw: Any, value: str) -> str:
    """Raw where that can be written as UTF-8, escaped, or with escapes that nobody needs."""
    if draw(st.booleans()) or not value.isprintable():
        return json.dumps(value)
    return json.dumps(value, ensure_ascii=False).replace("/", "\\/")


NAMES = st.text(max_size=6).filter(
    lambda name: name.casefold() not in {"id", "status", "headers", "body"} and name.isprintable()
)
IDS = st.lists(
    st.text(min_size=1, max_size=5).filter(str.isprintable), unique_by=str.casefold, min_size=1, max_size=5
)


@st.composite
def answers(draw: Any) -> tuple[list[tuple[str, str]], str, str, str]:
    """The text before the responses, each response by id, between them, and what comes after."""
    parts = []
    for name in draw(IDS):
        members: list[tuple[str, object]] = [("id", name), ("status", draw(st.integers(100, 599)))]
        if draw(st.booleans()):
            members.append(("headers", (("Location", "https://x/1"), ("X", draw(st.text(max_size=3))))))
        if draw(st.booleans()):
            members.append(("body", draw(VALUES)))
        others = draw(st.lists(NAMES, max_size=2, unique=True))
        members += [(other, draw(VALUES)) for other in others]
        parts.append((name, spelled(draw, tuple(draw(st.permutations(members))))))
    more = spelled(draw, tuple((f"_{name}", draw(VALUES)) for name in draw(st.lists(NAMES, max_size=1))))
    before = f'{draw(SPACES)}{{{draw(SPACES)}"responses"{draw(SPACES)}:{draw(SPACES)}[{draw(SPACES)}'
    inner = more.strip()[1:-1]
    behind = f"{draw(SPACES)}]{',' + inner if inner.strip() else ''}}}{draw(SPACES)}"
    return parts, before, f"{draw(SPACES)},{draw(SPACES)}", behind


@given(answers(), st.data())
def test_splicing_changes_what_it_was_told_to_and_not_a_character_more(
    answer: tuple[list[tuple[str, str]], str, str, str], data: st.DataObject
) -> None:
    parts, before, between, behind = answer
    whole = before + between.join(part for _, part in parts) + behind
    read = read_responses(whole.encode())
    assert [found.id for found in read.all.values()] == [name for name, _ in parts]
    assert [read.text_of(found) for found in read.all.values()] == [part for _, part in parts]
    assert read.spliced({}, []) == whole
    changed = data.draw(st.sets(st.sampled_from([name for name, _ in parts])))
    added = response("new one", DONE)
    spliced = read.spliced({name.casefold(): DONE for name in changed}, [added])
    assert spliced.startswith(before)
    again = read_responses(spliced.encode())
    assert [again.text_of(found) for found in again.all.values()][-1] == added
    for (name, part), found in zip(parts, again.all.values(), strict=False):
        assert found.id == name
        if name not in changed:
            assert again.text_of(found) == part
            continue
        assert (found.status, found.body) == (200, DONE.body.strip())
        assert dict(found.headers) == dict(DONE.headers)
        old = read.all[name.casefold()].members
        for other in old.keys() - {"status", "headers", "body"}:
            member, kept = old[other], found.members[other]
            assert again.text[kept.start : kept.end] == read.text[member.start : member.end]
    assert spliced.endswith(added + behind.lstrip())


@st.composite
def batches(draw: Any) -> tuple[list[tuple[str, str]], str]:
    """Each request by id, and the whole text."""
    parts = []
    for name in draw(IDS):
        members: list[tuple[str, object]] = [
            ("id", name),
            ("method", "get"),
            ("url", draw(st.text(max_size=5))),
        ]
        if draw(st.booleans()):
            members.append(("body", draw(VALUES)))
        parts.append((name, spelled(draw, tuple(draw(st.permutations(members))))))
    joined = f"{draw(SPACES)},{draw(SPACES)}".join(part for _, part in parts)
    return parts, f'{draw(SPACES)}{{"x":1.0,{draw(SPACES)}"requests":{draw(SPACES)}[{joined}]{draw(SPACES)}}}'


@given(batches(), st.data())
def test_what_is_left_of_a_batch_is_what_its_caller_wrote(
    batch: tuple[list[tuple[str, str]], str], data: st.DataObject
) -> None:
    parts, whole = batch
    try:
        raw = whole.encode()
    except UnicodeEncodeError:
        return  # nobody could have sent it
    read = read_requests(raw)
    assert [(request.id, request.text) for request in read.all] == parts
    assert {request.method for request in read.all} == {"GET"}
    kept = [request for request in read.all if data.draw(st.booleans())]
    less = read_requests(read.only(kept).encode())
    assert [(request.id, request.text) for request in less.all] == [(one.id, one.text) for one in kept]
    assert read.only(kept).startswith(whole.split('"requests"')[0])


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_else_comes_is_unreadable_and_nothing_worse(body: bytes) -> None:
    for read in (read_requests, read_responses):
        with pytest.raises(Unreadable):
            read(body)


# --- requests ------------------------------------------------------------------------------------------


def requests(*parts: str) -> bytes:
    return f'{{"requests":[{",".join(parts)}]}}'.encode()


def test_a_request_is_read() -> None:
    (read,) = read_requests(
        requests(
            '{"id":"A","method":"post","url":"/x","headers":{"A-b":"ü","n":1},"body":{"a":1.0},"dependsOn":["1"]}'
        )
    ).all
    assert (read.id, read.method, read.url, read.needs) == ("A", "POST", "/x", ("1",))
    assert read.headers == ((b"A-b", "ü".encode()),)
    assert read.body == b'{"a":1.0}'


@pytest.mark.parametrize(
    ("body", "means"),
    [
        ('"aGk="', b"hi"),
        ('"no base64"', b"no base64"),
        ("null", b""),
        ("[1, 2]", b"[1, 2]"),
        ("0", b"0"),
    ],
)
def test_the_body_of_a_request(body: str, means: bytes) -> None:
    (read,) = read_requests(requests(f'{{"id":"1","method":"PUT","url":"/x","body":{body}}}')).all
    assert read.body == means


GET = '{"id":"1","method":"GET","url":"/me"}'


@pytest.mark.parametrize(
    "body",
    [
        requests(GET, GET),
        requests(GET, '{"id":"2","method":"GET"}'),
        requests('{"id":1,"method":"GET","url":"/me"}'),
        requests('{"id":"1","method":"GET","url":"/me","url":"/you"}'),
        requests('{"id":"1","method":"GET","url":"/me","URL":"/you"}'),
        requests('{"id":"1","method":"GET","url":"/me","dependsOn":"2"}'),
        requests('{"id":"1","method":"GET","url":"/me","headers":{"a":"1","a":"2"}}'),
        requests('{"id":"1","method":"GET","url":"/me","headers":["a"]}'),
        requests('{"id":"1","method":"GET","url":"/me","headers":{"a":"\\ud800"}}'),
        requests('{"id":"1","method":"GET","url":"/me","body":NaN}'),
        requests("7"),
        b'{"requests":[],"requests":[]}',
        b'{"requests":{}}',
        b'{"requests":[]}{}',
        b"\xef\xbb\xbf" + requests(GET),
        requests(GET).replace(b"GET", b"G\xffT"),
        requests(f'{{"id":"1","method":"GET","url":"/me","body":{"[" * 100_000}{"]" * 100_000}}}'),
        requests(f'{{"id":"1","method":"GET","url":"/me","body":{"9" * 5000}}}'),
    ],
    ids=range(18),
)
def test_what_could_be_read_in_two_ways_is_no_batch(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_requests(body)


def test_ids_are_compared_without_case() -> None:
    with pytest.raises(Unreadable):
        read_requests(requests('{"id":"a","method":"GET","url":"/"}', '{"id":"A","method":"GET","url":"/"}'))


# --- responses -----------------------------------------------------------------------------------------


def spliced(old: str, new: Content) -> str:
    read = read_responses(f'{{"responses":[{old}]}}'.encode())
    return read.spliced({"1": new}, [])[len('{"responses":[') : -len("]}")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '{"id":"1","status":202,"headers":{"Location":"m"}}',
            '{"id":"1","status":200,"headers":{"A": "b"},"body":{"x": 1}}',
        ),
        ('{"id":"1", "status" : 202 }', '{"id":"1", "status" : 200 ,"headers":{"A": "b"},"body":{"x": 1}}'),
        (
            '{"body":null,"x":[{}],"headers":{},"status":202,"id":"1"}',
            '{"body":{"x": 1},"x":[{}],"headers":{"A": "b"},"status":200,"id":"1"}',
        ),
    ],
)
def test_a_response_is_changed_in_its_place(old: str, new: str) -> None:
    assert spliced(old, Content(200, ((b"A", b"b"),), b"x")) == new.replace('{"x": 1}', '"eA=="')
    with_json = Content(200, ((b"A", b"b"), (b"content-type", b"text/x+json; charset=utf-8")), b'{"x": 1}')
    assert spliced(old, with_json) == new.replace(
        '{"A": "b"}', '{"A": "b", "content-type": "text/x+json; charset=utf-8"}'
    )


def test_an_answer_without_a_body_takes_an_old_one_away() -> None:
    assert spliced('{"id":"1","status":202,"body":{}}', Content(204, (), b"")) == (
        '{"id":"1","status":204,"body":null,"headers":{}}'
    )


def test_lines_of_one_name_become_one() -> None:
    assert json.loads(response("1", Content(204, ((b"A", b"1"), (b"a", b"\xff")), b"")))["headers"] == {
        "A": "1, \\xff"
    }


@pytest.mark.parametrize("body", [b'{"a":', b'{"a":NaN}', b"\xff", b"{} {}"])
def test_a_body_that_only_says_that_it_is_json_becomes_base64(body: bytes) -> None:
    told = json.loads(response('q"', Content(200, (JSON,), body)))
    assert told["id"] == 'q"'
    assert isinstance(told["body"], str)


def test_what_is_added_to_nothing_is_an_answer() -> None:
    read = read_responses(NOTHING.encode())
    text = read.spliced({}, [response("1", DONE), response("2", DONE)])
    assert [part["id"] for part in json.loads(text)["responses"]] == ["1", "2"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"responses":[{"id":"1"}]}',
        b'{"responses":[{"id":"1","status":true}]}',
        b'{"responses":[{"id":"1","status":99}]}',
        b'{"responses":[{"id":"1","status":200,"status":202}]}',
        b'{"responses":[{"id":"a","status":200},{"id":"A","status":202}]}',
        b'{"responses":7}',
    ],
)
def test_an_answer_that_could_be_read_in_two_ways_is_none(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_responses(body)
