"""Kinds of values: how each is read, what is said when it cannot be, and how it is shown.

A kind stands in the annotation of a field of `shape` and does all of that field's validation, so that a message
comes from one place and the reference page can tell what the field accepts.

Rules: a message tells what is accepted; `{value}` in it is filled in later, by whoever knows whether the value may
be shown. What is made out of the value itself (a guess at what was meant) is the hint, which is dropped for a value
that a reference supplied. Reading a value that is already typed returns it.
"""

import difflib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.config.sources import Referred

UNFIT = "unfit"
"""The type of the errors that kinds raise; their context holds `message`, `fix` and perhaps `hint`."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NEARLY_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")


def unfit(message: str, fix: str, hint: str | None = None) -> PydanticCustomError:
    context = {"message": message, "fix": fix, "hint": hint or fix}
    return PydanticCustomError(UNFIT, "{message}; {fix}", context)


class Kind(ABC):
    @abstractmethod
    def read(self, value: object) -> object:
        """The typed value; raises what `unfit` makes."""

    @abstractmethod
    def accepts(self) -> str:
        """What may stand here, as a phrase."""

    def show(self, value: Any) -> str:
        """The value as it would stand in the file."""
        return str(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number."""

    at_least: int
    at_most: int

    def accepts(self) -> str:
        return f"a whole number from {self.at_least} to {self.at_most}"

    def read(self, value: object) -> int:
        if isinstance(value, Referred) and _WHOLE.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            meant = _NEARLY_WHOLE.fullmatch(str(value))
            raise unfit(
                f"must be {self.accepts()}, not {{value}}",
                f"write a number such as {max(self.at_least, 1)}",
                hint=f"write {meant[1]}, without quotes and fraction" if meant else None,
            )
        if not self.at_least <= value <= self.at_most:
            raise unfit(f"must be {self.accepts()}, not {{value}}", "choose a number in that range")
        return value


@dataclass(frozen=True)
class Flag(Kind):
    """Yes or no, in YAML 1.2's words."""

    def accepts(self) -> str:
        return "`true` or `false`"

    def read(self, value: object) -> bool:
        if isinstance(value, Referred) and value in {"true", "false"}:
            value = value == "true"
        if not isinstance(value, bool):
            raise unfit("must be true or false, not {value}", "write true or false, without quotes")
        return value

    def show(self, value: bool) -> str:  # noqa: FBT001 - it is the value
        return str(value).lower()


@dataclass(frozen=True)
class Word(Kind):
    """One of a few words. `off` may also come as the boolean that YAML 1.1 makes of it."""

    of: Any
    """A `Literal`."""

    @property
    def words(self) -> tuple[str, ...]:
        return get_args(self.of)

    def accepts(self) -> str:
        *others, last = (f"`{word}`" for word in self.words)
        return f"{', '.join(others)} or {last}" if others else last

    def read(self, value: object) -> str:
        if value is False and "off" in self.words:
            return "off"
        if isinstance(value, str) and value in self.words:
            return str(value)
        listed = ", ".join(self.words)
        near = difflib.get_close_matches(str(value).lower(), self.words, n=1)
        raise unfit(
            f"must be {'one of ' if len(self.words) > 1 else ''}{listed}, not {{value}}",
            f"write {'one of these' if len(self.words) > 1 else listed}",
            hint=f"did you mean {near[0]}?" if near else None,
        )


@dataclass(frozen=True)
class Listed(Kind):
    """A list, each item of which has a kind of its own; an item may stand in it once."""

    example: str

    def accepts(self) -> str:
        return "a list"

    def read(self, value: object) -> object:
        if not isinstance(value, list | tuple):
            raise unfit("must be a list, not {value}", f"write it in brackets, such as [{self.example}]")
        return tuple(value)

    def once(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        for index, item in enumerate(items):
            if item in items[:index]:
                raise unfit(
                    f"has one item twice, as number {items.index(item) + 1} and {index + 1}",
                    "keep one of them",
                )
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items = core_schema.no_info_before_validator_function(self.read, handler(source))
        return core_schema.no_info_after_validator_function(self.once, items)
