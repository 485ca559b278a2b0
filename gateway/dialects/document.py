"""JSON that somebody else wrote: read without ever blowing up.

Two readers for two purposes. A monitor's answer is read generously (an unreadable word in a message must not cost us
the status beside it). A caller's body is read strictly: Graph will read it as well, and where two readers could
disagree (keys given twice, for one) we had better know nothing than something else.

Bounds on size are the business of whoever received the bytes; depth and the length of numbers are bounded here.
"""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import NamedTuple

_LONGEST_NUMBER = 300
"""Digits. Python itself refuses to read integers of more than 4300, and takes quadratic time for them."""


class Document(NamedTuple):
    """A JSON object and its text, which is valid JSON."""

    members: Mapping[str, object]
    text: str


class _Ambiguous(ValueError):
    """A key stands twice in one object."""


class _Foreign(Exception):
    """A word that JavaScript writes and JSON forbids."""


def read_answer(body: bytes) -> Document | None:
    """Read the JSON object that a monitor sent; None where it is no JSON object.

    Bytes that are not UTF-8 become replacement characters. Numbers that no double can hold become null, as do the
    words NaN and Infinity, which JavaScript writes and JSON forbids.
    """
    body = body.removeprefix(BOM_UTF8)
    text = body.decode("utf-8", "replace")
    try:
        try:
            value = (_SHORT_JSON if len(text) <= _LONGEST_NUMBER else _JSON).decode(text)
        except _Foreign:
            value = _MORE_THAN_JSON.decode(text)
            text = json.dumps(value)
    except (ValueError, RecursionError):
        return None
    return Document(value, text) if isinstance(value, dict) else None


def read_body(body: bytes) -> Mapping[str, object] | None:
    """Read the JSON object that a caller sent; None where it is none, or could be understood in two ways."""
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_int=_int,
            parse_float=_float,
            parse_constant=_refuse,
            object_pairs_hook=_unambiguous,
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(value: object) -> str | None:
    """Return a value that is text and not empty."""
    return value if isinstance(value, str) and value.strip() else None


def object_of(value: object) -> Mapping[str, object]:
    """Return a value that is an object; an empty one in place of everything else."""
    return value if isinstance(value, dict) else {}


def plain(word: str, longest: int = 128) -> str:
    """Return a foreign word so that it can be logged, stored and encoded: printable ASCII, bounded."""
    word = word[:longest]
    if word.isascii() and word.isprintable():
        return word
    return "".join(char if " " <= char <= "~" else "?" for char in word)


def _int(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


def _float(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _foreign(word: str) -> None:
    raise _Foreign(word)


def _refuse(word: str) -> None:
    raise _Ambiguous(word)


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Ambiguous
    return members


_JSON = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_foreign)
"""Made once: there is a monitor's answer for each poll."""
_SHORT_JSON = json.JSONDecoder(parse_float=_float, parse_constant=_foreign)
"""For what is too short to hold a number that is too long."""
_MORE_THAN_JSON = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=lambda _: None)
