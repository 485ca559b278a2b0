"""Path expressions: what they match is what `re` matches, in no more than linear time; and what two have in common."""

import re
import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.expression import LONGEST_PATH, Expression, Unsuited


@pytest.mark.parametrize(
    ("text", "path", "matches"),
    [
        ("^/api/reports$", "/api/reports", True),
        ("^/api/reports$", "/api/reports/", False),
        ("^/api/reports", "/api/reports/7", True),
        ("^/", "/", True),
        ("^/a/[^/]+/b$", "/a/x.y/b", True),
        ("^/a/[^/]+/b$", "/a/x/y/b", False),
        (r"^/fhir/.*\$export$", "/fhir/Group/1/$export", True),
        (r"^/a\.b$", "/aXb", False),
        (r"^/\d{2,3}$", "/123", True),
        (r"^/\d{2,3}$", "/1", False),
        ("^/(?:a|b)+/c$", "/abba/c", True),
        ("^/x?y*$", "/", True),
        ("^/a{0}b$", "/b", True),
        ("^/[]a]$", "/]", True),
        ("^/é", "/é", None),
        ("^/[^a]$", "/é", True),
        (r"^/price\$", "/price$", True),
        (r"^/price\\$", "/price\\", True),
    ],
)
def test_what_matches(text: str, path: str, matches: bool | None) -> None:  # noqa: FBT001 - what is expected
    if matches is None:
        with pytest.raises(Unsuited):
            Expression(text)
    else:
        assert Expression(text).matches(path) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/a", "must begin with ^, or it would match in the middle of a path"),
        ("^(a", "has a ( that is not closed"),
        ("^a)", "has a ) that closes nothing"),
        ("^*", "has a * with nothing before it"),
        ("^/a|*", "has a * with nothing before it"),
        ("^[a", "has a [ that is not closed"),
        ("^[z-a]", "has [z-a], which is no set of characters"),
        (r"^[^\x00-\x7e\xe9]", r"has [^\x00-\x7e\xe9], which no character of a path fits"),
        ("^(?=a)", "has (?=, which is not in the language of paths"),
        ("^(?P<a>b)", "has (?P, which is not in the language of paths"),
        (r"^(a)\1", r"has \1, which is not in the language of paths"),
        (r"^\b", r"has \b, which is not in the language of paths"),
        ("^a**", "has **"),
        ("^a+?", "has +?"),
        ("^a{3,2}", "has {3,2}, which nothing can fulfil"),
        ("^a{x", "has a { that says no number"),
        ("^a b", "has a character that no raw path holds"),
        ("^a#", "has a character that no raw path holds"),
        ("^a^", "has a ^ in the middle"),
        ("^a$b", "has a $ in the middle"),
        ("^(a{99}){99}", "is too long, its repetitions written out"),
    ],
)
def test_what_is_no_expression(text: str, message: str) -> None:
    with pytest.raises(Unsuited) as caught:
        Expression(text)
    assert caught.value.message == message
    assert caught.value.fix


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("^/a$", "^/a$", "/a"),
        ("^/a$", "^/b$", None),
        ("^/a", "^/ab", "/ab"),
        ("^/[^/]+/b$", "^/a/.*$", "/a/b"),
        ("^/(a|b)$", "^/[b-z]$", "/b"),
        ("^/a+$", "^/(aa)+b?$", "/aa"),
        ("^/x{5}$", "^/x{6,}$", None),
    ],
)
def test_what_two_have_in_common(one: str, other: str, shared: str | None) -> None:
    assert Expression(one).meets(Expression(other)) == shared
    assert Expression(other).meets(Expression(one)) == shared


def test_the_catastrophes_of_backtracking_are_none() -> None:
    """Each of these takes `re` longer than the universe is old."""
    path = "/" + "a" * (LONGEST_PATH - 2) + "!"
    for text in ("^/(a*)*$", "^/(a|a)*$", "^/(a|aa)+$", "^/(a+)+$", "^/a?a?a?a?a?.*.*.*.*b$"):
        assert not Expression(text).matches(path)


def test_a_path_that_is_too_long_matches_nothing() -> None:
    anything = Expression("^/")
    assert anything.matches("/" * LONGEST_PATH)
    assert not anything.matches("/" * (LONGEST_PATH + 1))


LETTERS = st.sampled_from("ab/")
ATOMS = st.one_of(LETTERS, st.sampled_from([".", "[ab]", "[^a]", r"\w", r"\."]))


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    times = st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}", "{0}"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda both: f"(?:{both[0]}|{both[1]})"),
        st.tuples(inner, times).map(lambda both: f"({both[0]}){both[1]}"),
    )


@given(st.recursive(ATOMS, larger, max_leaves=6), st.text("ab/._", max_size=6), st.booleans())
def test_it_means_what_it_means_in_re(inner: str, path: str, closed: bool) -> None:  # noqa: FBT001 - chosen
    text = f"^{inner}{'$' if closed else ''}"
    assert Expression(text).matches(path) == (re.search(text, path) is not None)


@given(st.text(string.printable, max_size=12))
def test_any_text_is_an_expression_or_says_why_not(text: str) -> None:
    with suppress(Unsuited):
        Expression(f"^{text}").matches("/a")


@given(st.recursive(ATOMS, larger, max_leaves=5), st.recursive(ATOMS, larger, max_leaves=5))
def test_a_shared_path_is_one(one: str, other: str) -> None:
    first, second = Expression(f"^{one}$"), Expression(f"^{other}$")
    shared = first.meets(second)
    if shared is not None:
        assert first.matches(shared)
        assert second.matches(shared)
