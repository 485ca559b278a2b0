"""JSON pointers: RFC 6901's own examples, and anything at all."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.config.spelling import POINTER, Pointer
from gateway.dialects.pointer import value_at, word_at

RFC: dict[str, Any] = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3), ("/g|h", 4),
        ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
        ("/foo/00", None), ("/foo/2", None), ("/foo/-", None), ("/foo/-1", None), ("/foo/0/x", None), ("/x/y", None),
        ("/foo/" + "9" * 5000, None), ("/foo/²", None),
    ],
)  # fmt: skip
def test_where_a_pointer_leads(pointer: str, value: object) -> None:
    assert value_at(RFC, pointer) == value


@pytest.mark.parametrize(
    ("value", "word"),
    [("a", "a"), (7, "7"), (True, "true"), (False, "false"), (" ", None), (None, None), ({}, None), ([], None), (1.5, None)],
)  # fmt: skip
def test_a_word_is_text_a_number_or_a_truth(value: object, word: str | None) -> None:
    assert word_at({"x": value}, "/x") == word


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~0", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def places(document: object, pointer: str = "") -> list[tuple[str, object]]:
    """Every place in a document by its pointer, worked out the other way round."""
    found = [(pointer, document)] if pointer else []
    inner: list[tuple[str, object]] = []
    if isinstance(document, dict):
        inner = [(name.replace("~", "~0").replace("/", "~1"), value) for name, value in document.items()]
    elif isinstance(document, list):
        inner = [(str(number), value) for number, value in enumerate(document)]
    return found + [place for step, value in inner for place in places(value, f"{pointer}/{step}")]


@given(DOCUMENTS)
def test_every_place_has_a_pointer_that_leads_there(document: object) -> None:
    for pointer, value in places(document):
        assert POINTER.fullmatch(pointer)
        assert Pointer().read(pointer) == pointer
        assert json.dumps(value_at(document, pointer)) == json.dumps(value)


@given(DOCUMENTS, st.text(max_size=8))
def test_no_pointer_raises(document: object, text: str) -> None:
    value_at(document, text)
    word_at(document, text)


@given(st.text("/~01ab", max_size=8))
def test_a_pointer_is_read_or_refused_by_the_grammar(text: str) -> None:
    """RFC 6901 section 3; the empty one is the whole document, in which nothing can be looked for."""
    steps = text.split("/")
    good = text.startswith("/") and all(
        step.replace("~0", "").replace("~1", "").count("~") == 0 for step in steps
    )
    with nullcontext() if good else pytest.raises(PydanticCustomError):
        Pointer().read(text)
