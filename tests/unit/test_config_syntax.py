"""The parser's errors, in words that help, at the place to look; nothing else ever comes out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.problems import Place
from gateway.config.syntax import LONGEST_TEXT, Events, Malformed

LOOK = "check the indentation, the quotes and the brackets up to this place"


@pytest.mark.parametrize(
    ("text", "place", "message", "fix"),
    [
        ("wait:\n\tmax: 5\n", (2, 1), "a tab character may not stand here", "use spaces"),
        ("wait:\n  max:\t5\n", (2, 7), "a tab character may not stand here", "use spaces"),
        (
            "a: 'x\nb: 1\n",
            (1, 4),
            "not valid YAML: found unexpected end of stream",
            "close the quote that opens here",
        ),
        (
            "a: [1,\n  2\n",
            (1, 4),
            "not valid YAML: expected ',' or ']', but got '<stream end>'",
            "close the bracket that opens here",
        ),
        (
            "a: 1\nb\nc: 1\n",
            (2, 1),
            "not valid YAML: could not find expected ':'",
            "write `key: value`, with a space after the colon",
        ),
        (
            "a: b: c\n",
            (1, 5),
            "not valid YAML: mapping values are not allowed here",
            "check the indentation, and quote a value that holds a colon",
        ),
        (
            "a: @x\n",
            (1, 4),
            "not valid YAML: found character '@' that cannot start any token",
            "quote a value that begins with a special character",
        ),
        (
            "a: *\n",
            (1, 5),
            r"not valid YAML: expected alphabetic or numeric character, but found '\n'",
            "quote a value that begins with a special character",
        ),
        ("a: 1\n- b\n", (2, 1), "not valid YAML: expected <block end>, but found '-'", LOOK),
        (
            "%YAML 3.0\n---\n",
            (1, 1),
            "not valid YAML: found incompatible YAML document (version 1.* is required)",
            LOOK,
        ),
        (
            "%YAML 1.3\n---\n",
            (1, 1),
            "not valid YAML after this place (AssertionError)",
            "look for a wrong escape or directive in what follows",
        ),
        (
            'a: 1\nb: "\\U00110000"\n',
            (2, 2),
            "not valid YAML after this place (ValueError)",
            "look for a wrong escape or directive in what follows",
        ),
        (
            "a: 1\r\nb: é\x01\n",
            (2, 5),
            "the character '\\x01' (U+0001) may not stand in a YAML file",
            "remove it",
        ),
        ("a: \ud800\n", (1, 4), "the character '\\ud800' (U+D800) may not stand in a YAML file", "remove it"),
        ("a: [[[[[[[[[\n", (1, 11), "nested too deeply", "no key is that deep: look for a stray bracket"),
        ("[" * 60_000, (1, 9), "nested too deeply", "no key is that deep: look for a stray bracket"),
        ("a" * (LONGEST_TEXT + 1), (1, 1), "the file is longer than 256 KiB", "make it shorter"),
    ],
)
def test_syntax_error_is_told_where_to_look(
    text: str, place: tuple[int, int], message: str, fix: str
) -> None:
    with pytest.raises(Malformed) as caught:
        list(Events(text))
    assert (caught.value.place, caught.value.message, caught.value.fix) == (Place(*place), message, fix)


@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="ab:-?,[]{}#&*!|>'\"%@`\\ \n\t0<=~.", max_size=60),
    )
)
def test_any_text_is_events_or_malformed(text: str) -> None:
    place, message = Place(1, 1), ""
    try:
        list(Events(text))
    except Malformed as error:
        place, message = error.place, error.message
    assert place >= (1, 1)
    assert len(message.splitlines()) <= 1
