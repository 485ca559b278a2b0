"""Prefer: what is understood, what is ignored, and that bytes which are not ours stay as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import prefer
from gateway.model import Headers
from gateway.prefer import Preferences


def lines(*values: bytes) -> Headers:
    return tuple((b"Prefer", value) for value in values)


def read(*values: bytes) -> Preferences:
    return prefer.preferences(lines(*values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Preferences()),
        ([b""], Preferences()),
        ([b" , ,"], Preferences()),
        ([b"respond-async"], Preferences(respond_async=True)),
        ([b"Respond-Async"], Preferences(respond_async=True)),
        ([b'respond-async=""'], Preferences(respond_async=True)),
        ([b"respond-async="], Preferences(respond_async=True)),
        ([b"respond-async; foo=bar"], Preferences(respond_async=True)),
        ([b"respond-async, wait=10"], Preferences(respond_async=True, wait=10.0)),
        ([b"respond-async", b"wait=10"], Preferences(respond_async=True, wait=10.0)),
        ([b"wait=0"], Preferences(wait=0.0)),
        ([b"WAIT = 7"], Preferences(wait=7.0)),
        ([b'wait="7"'], Preferences(wait=7.0)),
        ([b"wait=2.5"], Preferences(wait=2.5)),
        ([b"wait=1000000000"], Preferences(wait=1e9)),
        ([b"wait=" + b"9" * 300], Preferences(wait=1e9)),
        ([b"wait=3, wait=9"], Preferences(wait=3.0)),
        ([b"wait=0, wait=9"], Preferences(wait=0.0)),
        ([b"return=minimal"], Preferences(return_minimal=True)),
        ([b'Return="Minimal"'], Preferences(return_minimal=True)),
        ([b"return=representation"], Preferences()),
        ([b"return=representation, return=minimal"], Preferences()),
        ([b"return=minimal, return=representation"], Preferences(return_minimal=True)),
        ([b"return=tiny, return=minimal"], Preferences(return_minimal=True)),
        ([b'IdType="ImmutableId"'], Preferences(others=(b'IdType="ImmutableId"',))),
        (
            [b'IdType="ImmutableId", wait=1, odata.maxpagesize=5;q=1'],
            Preferences(wait=1.0, others=(b'IdType="ImmutableId"', b"odata.maxpagesize=5;q=1")),
        ),
        ([b'foo="a, respond-async", wait=2'], Preferences(wait=2.0, others=(b'foo="a, respond-async"',))),
        ([b'foo="a\\", wait=9", wait=2'], Preferences(wait=2.0, others=(b'foo="a\\", wait=9"',))),
    ],
)
def test_what_is_understood(values: list[bytes], expected: Preferences) -> None:
    assert read(*values) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"wait",
        b"wait=",
        b"wait=soon",
        b"wait=-1",
        b"wait=+1",
        b"wait=1e3",
        b"wait=0x10",
        b"wait=1 2",
        b"wait=nan",
        b"wait=inf",
        b"wait==5",
        b'wait="5',
        b"wait=" + b"9" * 5000,
        "wait=٣".encode(),
        b"respond-async=yes",
        b"respond async",
        b"return",
        b"return=minimal x",
        b'"respond-async"',
        b"=respond-async",
        b'respond-async="',
        b"\xff\xfe, @@@",
    ],
)
def test_junk_is_no_preference_and_does_no_harm(value: bytes) -> None:
    assert read(value) == Preferences()
    assert read(value, b"wait=5, respond-async, return=minimal") == Preferences(True, 5.0, True)


def test_an_open_quote_hides_only_what_follows_it() -> None:
    assert read(b'wait=5, foo="bar, respond-async') == Preferences(wait=5.0)


def test_other_headers_are_not_looked_at() -> None:
    assert prefer.preferences(((b"Preference", b"wait=1"), (b"X-Prefer", b"respond-async"))) == Preferences()


def test_adding_puts_a_line_of_its_own_at_the_end() -> None:
    given_headers = ((b"prefer", b'IdType = "x" ,'), (b"Accept", b"*/*"))
    assert prefer.add(given_headers, b"respond-async") == (*given_headers, (b"Prefer", b"respond-async"))


@pytest.mark.parametrize("value", [b"respond-async", b"wait=1,  RESPOND-ASYNC ;x=1", b'respond-async=""'])
def test_adding_what_is_there_changes_nothing(value: bytes) -> None:
    assert prefer.add(lines(value), b"respond-async") == lines(value)


def test_taking_away_keeps_untouched_lines_as_they_are() -> None:
    headers = (
        (b"Prefer", b'IdType = "ImmutableId" ,, x'),
        (b"PREFER", b"wait=5 , odata.maxpagesize=2,respond-async"),
        (b"prefer", b"return=minimal"),
        (b"Accept", b"*/*"),
    )
    assert prefer.without(headers, prefer.OURS) == (
        headers[0],
        (b"PREFER", b"odata.maxpagesize=2"),
        headers[3],
    )


def test_what_was_applied_is_said() -> None:
    assert prefer.applied() is None
    assert prefer.applied(respond_async=True) == b"respond-async"
    assert prefer.applied(return_minimal=True) == b"return=minimal"
    assert prefer.applied(respond_async=True, return_minimal=True) == b"respond-async, return=minimal"


pieces = st.sampled_from(
    [
        b"respond-async",
        b"wait",
        b"return",
        b"minimal",
        b"=",
        b",",
        b";",
        b'"',
        b"\\",
        b" ",
        b"\t",
        b"7",
        b"x",
        b"\xff",
    ]
)
values = st.lists(st.lists(pieces, max_size=12).map(b"".join), max_size=4)


@given(values)
def test_anything_can_be_read(sent: list[bytes]) -> None:
    found = read(*sent)
    assert found.wait is None or 0 <= found.wait <= prefer.LONGEST_WAIT


@given(values)
def test_what_was_taken_away_is_gone_and_nothing_else_is(sent: list[bytes]) -> None:
    left = prefer.without(lines(*sent), prefer.OURS)
    assert prefer.preferences(left) == Preferences(others=read(*sent).others)
    assert prefer.without(left, prefer.OURS) == left


@given(values)
def test_what_was_added_is_there_after_what_was_there(sent: list[bytes]) -> None:
    once = prefer.add(lines(*sent), b"respond-async")
    assert once[: len(sent)] == lines(*sent)
    assert prefer.preferences(once).respond_async
    assert prefer.add(once, b"respond-async") == once


@pytest.mark.timeout(2)
@pytest.mark.parametrize(
    "value",
    [
        b'"' + b'\\"' * 8000,
        b"a" + b" " * 16_000 + b"x",
        b'a="' * 5000,
        b"," * 16_000,
        b"a;" * 8000,
        b"=" * 16_000,
    ],
)
def test_no_value_takes_long(value: bytes) -> None:
    for _ in range(20):
        read(value)
        prefer.without(lines(value), prefer.OURS)
