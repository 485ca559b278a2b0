"""Path patterns: which calls a description means, and what it calls the parts of their paths.

    teams/{team}/archive|unarchive                           two actions
    {item...}/workbook/tables/{table}/rows                   one or more steps, then known ones

A pattern stands behind the version and is compared with canonical steps (`gateway.dialects.target`), so it is written
in the documentation's spelling, and key syntax, namespaces, case and escapes of a call have been dealt with before.
A template has the names of its pattern: `{item...}` gives back the steps that were found.

What this module must not do: know a workload.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache

_NAME = re.compile(r"\{([a-z]+)(\.\.\.)?\}")
_BETWEEN = "\n"
"""Joins steps; a canonical step cannot hold one, though it can hold a slash."""


def match(pattern: str, path: Sequence[str]) -> Mapping[str, str] | None:
    """Return what the names of a pattern stand for in canonical steps (version left out); None if it does not fit."""
    found = _compiled(pattern).fullmatch(_BETWEEN.join(path))
    if found is None:
        return None
    return {name: steps.replace(_BETWEEN, "/") for name, steps in found.groupdict().items()}


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with the steps that its names stand for."""
    return _NAME.sub(lambda name: parts[name[1]], template)


def words(pattern: str) -> frozenset[str]:
    """Return the steps that a pattern spells out; canonical steps have to know each of them."""
    steps = (step for step in pattern.split("/") if not _NAME.fullmatch(step))
    return frozenset(word for step in steps for word in step.split("|"))


def ending(pattern: str) -> frozenset[str]:
    """Return the words that a path which fits ends in; none where it may end in anything."""
    return words(pattern.rpartition("/")[2])


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_BETWEEN.join(_step(step) for step in pattern.split("/")))


def _step(step: str) -> str:
    name = _NAME.fullmatch(step)
    if name is None:
        return f"(?:{'|'.join(re.escape(word) for word in step.split('|'))})"
    return f"(?P<{name[1]}>[^\n]+(?:\n[^\n]+)*?)" if name[2] else f"(?P<{name[1]}>[^\n]+)"
