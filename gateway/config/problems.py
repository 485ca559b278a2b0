"""What is wrong with a configuration, where, and what to write instead.

Rules: a problem is one line of text, whatever was in the file; it never repeats a value that an environment
variable or another file supplied. An error carries every problem that was found, not the first one.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

Step = str | int
"""A key of a mapping, or the index of a list item."""

Where = tuple[Step, ...]
"""The way to a value from the top of the file: ("monitor", "allowed_hosts", 2)."""


class Place(NamedTuple):
    """A position in a text, both numbers counted from 1."""

    line: int
    column: int


_PLAIN_KEY = re.compile(r"[\w-]{1,64}", re.ASCII)
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    path: str
    """The key, from the top: `wait.max`; empty where the problem is not about one key."""
    file: str
    line: int
    """Counted from 1; 0 where the problem is the file itself."""
    column: int
    message: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path + ': ' if self.path else ''}{self.message}; {self.fix}"


class ConfigError(Exception):
    """The configuration cannot be used."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def spelled(where: Where) -> str:
    """The path as people write it: `monitor.allowed_hosts[2]`."""
    path = ""
    for step in where:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + (step if _PLAIN_KEY.fullmatch(step) else quoted(step))
    return path


def quoted(text: str) -> str:
    """Text as it may stand in a message: on one line, escaped, not endless."""
    return repr(str(text) if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")
