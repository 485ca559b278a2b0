"""JSON pointers (RFC 6901): from a document to what stands in it.

Rules: a pointer that leads nowhere leads to None, whatever the document holds; nothing here raises.
"""

from gateway.dialects.document import object_of

_LONGEST_INDEX = 6
"""Digits; no list that a monitor sends is longer."""


def value_at(document: object, pointer: str) -> object:
    """Return what a pointer leads to through objects and lists."""
    value = document
    for step in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = _item(value, step)
        else:
            value = object_of(value).get(step.replace("~1", "/").replace("~0", "~"))
    return value


def word_at(document: object, pointer: str) -> str | None:
    """Return the text, number, true or false that a pointer leads to, as a word."""
    value = value_at(document, pointer)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value) if str(value).strip() else None
    return None


def _item(items: list[object], step: str) -> object:
    plain = step == "0" or (step.isascii() and step.isdigit() and step[0] != "0")
    if not plain or len(step) > _LONGEST_INDEX or int(step) >= len(items):
        return None
    return items[int(step)]
