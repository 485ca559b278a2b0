"""The YAML parser's events, bounded in size and depth, and its complaints in words that help.

Rules: whatever stands in the text, this yields events or raises `Malformed`; a message names the place where a
person has to look, which for an unclosed quote is the quote and not the end of the file. Text is never repeated.
"""

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from gateway.config.problems import Place, quoted

LONGEST_TEXT = 256 * 1024
"""Characters; ten thousand times an ordinary file would fit."""

_DEEPEST = 8
"""Levels of nesting; the shape has three. The parser takes quadratic time over the depth."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile(r"\r\n|\r|\n")


class Malformed(Exception):
    """The text cannot be read further."""

    def __init__(self, place: Place, message: str, fix: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.fix = fix


class Events:
    """An iterator of the parser's events that knows how deep it is."""

    def __init__(self, text: str) -> None:
        self.depth = 0
        self._reached = Place(1, 1)
        self._text = text.removeprefix("\ufeff")
        self._events = self._parsed()

    def __iter__(self) -> Iterator[Any]:
        return self._events

    def __next__(self) -> Any:
        return next(self._events)

    def _parsed(self) -> Iterator[Any]:
        if len(self._text) > LONGEST_TEXT:
            raise Malformed(
                Place(1, 1), f"the file is longer than {LONGEST_TEXT // 1024} KiB", "make it shorter"
            )
        odd = _UNPRINTABLE.search(self._text)
        if odd is not None:
            before = _LINE_END.split(self._text[: odd.start()])
            place = Place(len(before), len(before[-1]) + 1)
            raise Malformed(place, f"{_named(odd[0])} may not stand in a YAML file", "remove it")
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._reached = _place(event.end_mark, self._reached)
                self._count(event)
                yield event
        except MarkedYAMLError as error:
            raise _explained(error, self._reached) from None
        except Malformed:
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # The parser asserts what a text may violate, and does not check what it hands to chr(): its own bugs,
            # which in front of an operator are still problems of the file.
            message = f"not valid YAML after this place ({type(error).__name__})"
            raise Malformed(
                self._reached, message, "look for a wrong escape or directive in what follows"
            ) from None

    def _count(self, event: Any) -> None:
        if isinstance(event, CollectionStartEvent):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise Malformed(
                    start_of(event), "nested too deeply", "no key is that deep: look for a stray bracket"
                )
        elif isinstance(event, CollectionEndEvent):
            self.depth -= 1


def start_of(event: Any) -> Place:
    return _place(event.start_mark, Place(1, 1))


def unprintable(text: str) -> str | None:
    """The first character, named, that may not stand in a text; escapes in double quotes can make any."""
    odd = _UNPRINTABLE.search(text)
    return None if odd is None else _named(odd[0])


def _explained(error: MarkedYAMLError, reached: Place) -> Malformed:
    problem, context = " ".join((error.problem or "").split()), error.context or ""
    mark, fix = error.problem_mark, "check the indentation, the quotes and the brackets up to this place"
    if r"'\t'" in problem:
        return Malformed(_place(mark, reached), "a tab character may not stand here", "use spaces")
    if "quoted scalar" in context and "end of stream" in problem:
        mark, fix = error.context_mark, "close the quote that opens here"
    elif "could not find expected ':'" in problem:
        mark, fix = error.context_mark, "write `key: value`, with a space after the colon"
    elif "mapping values are not allowed" in problem:
        fix = "check the indentation, and quote a value that holds a colon"
    elif "cannot start any token" in problem or "an alias" in context or "an anchor" in context:
        fix = "quote a value that begins with a special character"
    elif "while parsing a flow" in context and "stream end" in problem:
        mark, fix = error.context_mark, "close the bracket that opens here"
    return Malformed(_place(mark, reached), f"not valid YAML: {problem or 'unreadable'}", fix)


def _place(mark: Any, otherwise: Place) -> Place:
    return otherwise if mark is None else Place(mark.line + 1, mark.column + 1)


def _named(character: str) -> str:
    return f"the character {quoted(character)} (U+{ord(character):04X})"
