"""From YAML text to plain values, with the line and column of every key and value.

The values are YAML 1.2's whatever the file says about its version: `off`, `yes` and `no` are words. They are built
from the parser's events, not by its constructor, because a constructor stops at the first duplicate key, expands
aliases and knows tags.

Rules: one document of mappings, lists and scalars. Anchors, aliases, merge keys and tags are refused: a file of this
size needs none, and without them no text becomes larger than itself. A value with a problem is left out of the
content and its place is marked as doubtful, so that everything else can still be checked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

from gateway.config.problems import ConfigProblem, Place, Where, spelled
from gateway.config.sources import Unresolved
from gateway.config.syntax import Events, Malformed, start_of, unprintable

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True)
class Document:
    """What stands in a file, and where. The keys of its tables are paths from the top."""

    file: str
    content: dict[str, Any] = field(default_factory=dict)
    keys: dict[Where, Place] = field(default_factory=dict)
    values: dict[Where, Place] = field(default_factory=dict)
    """Where there is no value, the place of its key."""
    doubtful: set[Where] = field(default_factory=set)
    """Where the content is not what the file says, because that is a problem."""
    problems: list[ConfigProblem] = field(default_factory=list)

    def complain(self, where: Where, place: Place, message: str, fix: str) -> None:
        self.doubtful.add(where)
        self.problems.append(ConfigProblem(spelled(where), self.file, *place, message, fix))


def read(text: str, file: str, resolve: Callable[[str], str]) -> Document:
    """Read YAML text; whatever is wrong with it becomes a problem of the document."""
    document = Document(file)
    try:
        _Builder(document, Events(text), resolve).build()
    except Malformed as error:
        document.complain((), error.place, error.message, error.fix)
    return document


class _Left:
    """Stands for a value that is left out."""


_LEFT_OUT = _Left()


class _Builder:
    def __init__(self, document: Document, events: Events, resolve: Callable[[str], str]) -> None:
        self._document = document
        self._events = events
        self._resolve = resolve

    def build(self) -> None:
        seen = False
        for event in self._events:
            if not isinstance(event, DocumentStartEvent):
                continue
            if seen:
                message = "a second document begins here"
                raise Malformed(start_of(event), message, "keep one document and remove this line")
            seen = True
            self._top(next(self._events))

    def _top(self, event: Any) -> None:
        place = start_of(event)
        content = self._node(event, (), place)
        if isinstance(content, dict):
            self._document.content = content
        elif content not in (None, _LEFT_OUT):
            self._document.complain(
                (), place, "the file must hold a mapping of keys", "write `key: value` lines, such as wait:"
            )

    def _node(self, event: Any, where: Where, key: Place) -> Any:
        place = start_of(event)
        if isinstance(event, AliasEvent):
            self._document.complain(
                where,
                place,
                "aliases (*name) are not supported",
                "quote a text that begins with *, or write it out",
            )
            return _LEFT_OUT
        self._refuse_decoration(event, where, place)
        if isinstance(event, ScalarEvent):
            # Where there is no value, the parser tells the place of what comes next.
            absent = event.value == "" and event.implicit[0]
            self._document.values[where] = key if absent else place
            return self._scalar(event, where, place)
        self._document.values[where] = place
        return self._mapping(where) if isinstance(event, MappingStartEvent) else self._sequence(where)

    def _sequence(self, where: Where) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), CollectionEndEvent):
            item = self._node(event, (*where, len(items)), start_of(event))
            if item is not _LEFT_OUT:
                items.append(item)
        return items

    def _mapping(self, where: Where) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), CollectionEndEvent):
            place = start_of(event)
            key = self._key(event, where, place)
            value = next(self._events)
            if key is None:
                self._skip(value)
            elif (*where, key) in self._document.keys:
                first = self._document.keys[*where, key].line
                self._document.complain(
                    (*where, key), place, f"the key is there already, in line {first}", "keep one of them"
                )
                self._skip(value)
            else:
                self._document.keys[*where, key] = place
                content = self._node(value, (*where, key), place)
                if content is not _LEFT_OUT:
                    mapping[key] = content
        return mapping

    def _key(self, event: Any, where: Where, place: Place) -> str | None:
        if not isinstance(event, ScalarEvent):
            self._document.complain(
                where, place, "a key must be a word", "write `key: value`, and quote a value in brackets"
            )
            self._skip(event)
            return None
        self._refuse_decoration(event, where, place)
        key: str = event.value
        if key == "<<" and event.implicit[0]:
            self._document.complain(where, place, "merge keys (<<) are not supported", "write the keys out")
            return None
        return key if self._printable(key, where, place) else None

    def _scalar(self, event: Any, where: Where, place: Place) -> Any:
        text: str = event.value
        if event.implicit[0] and text in _WORDS:
            return _WORDS[text]
        if event.implicit[0] and _INT.fullmatch(text):
            return int(text)
        if event.implicit[0] and _FLOAT.fullmatch(text):
            return float(text)
        if not self._printable(text, where, place):
            return _LEFT_OUT
        try:
            return self._resolve(text)
        except Unresolved as error:
            self._document.complain(where, place, error.message, error.fix)
            return _LEFT_OUT

    def _refuse_decoration(self, event: Any, where: Where, place: Place) -> None:
        if event.anchor is not None:
            self._document.complain(
                where,
                place,
                "anchors (&name) are not supported",
                "quote a text that begins with &, or remove the anchor",
            )
        if event.tag is not None:
            self._document.complain(
                where,
                place,
                "tags (!name) are not supported",
                "quote a text that begins with !, or remove the tag",
            )

    def _printable(self, text: str, where: Where, place: Place) -> bool:
        odd = unprintable(text)
        if odd:
            self._document.complain(where, place, f"{odd} may not stand in a text", "remove it")
        return odd is None

    def _skip(self, event: Any) -> None:
        depth = self._events.depth - isinstance(event, CollectionStartEvent)
        while self._events.depth > depth:
            next(self._events)
