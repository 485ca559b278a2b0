"""CHANGELOG.md, read strictly: https://keepachangelog.com/en/1.1.0/ and what this project wants besides.

    ## [Unreleased]             or     ## [1.2.0] - 2026-11-21
    ### Added                          one of KINDS, each once, in their order
    - One line for each change.        ends with a full stop

Rules: the newest comes first, by version and by date. What is empty is left out, `Unreleased` too. Anything else is
`Unfit`, with its line.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from packaging.version import InvalidVersion, Version

TITLE = "# Changelog"
UNRELEASED = "Unreleased"
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")

_SECTION = re.compile(r"## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?")


class Unfit(Exception):
    """A line that does not belong where it is."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"CHANGELOG.md:{number}: {reason}")


@dataclass(frozen=True, slots=True)
class Section:
    """A release, or what is to be the next one: then it has neither version nor date."""

    line: int
    version: Version | None
    date: date | None
    changes: dict[str, list[str]] = field(default_factory=dict)
    """Entries by kind."""


def read(text: str) -> list[Section]:
    """The sections, newest first. Raises `Unfit`."""
    lines = text.splitlines()
    if not lines or lines[0] != TITLE:
        raise Unfit(1, f"the first line is {TITLE!r}")
    found: list[Section] = []
    for number, line in enumerate(lines[1:], start=2):
        if line.startswith("## "):
            found.append(_section(number, line))
        elif found:
            _take(number, line, found[-1])
        elif line.startswith(("#", "- ")):
            raise Unfit(number, "belongs below a section")
    for section in found:
        _whole(section)
    for newer, older in pairwise(found):
        _in_order(newer, older)
    if not found:
        raise Unfit(len(lines), "there is no section")
    return found


def _section(number: int, line: str) -> Section:
    parts = _SECTION.fullmatch(line)
    if parts is None:
        raise Unfit(number, f"a section is '## [{UNRELEASED}]' or '## [1.2.0] - 2026-11-21'")
    if parts["name"] == UNRELEASED:
        if parts["date"] is not None:
            raise Unfit(number, "what is not released has no date")
        return Section(number, None, None)
    try:
        version = Version(parts["name"])
    except InvalidVersion:
        raise Unfit(number, f"{parts['name']!r} is no version by PEP 440") from None
    if str(version) != parts["name"]:
        raise Unfit(number, f"write {version}, which is how others will spell it")
    try:
        day = date.fromisoformat(parts["date"] or "")
    except ValueError:
        raise Unfit(number, "a release has its date, as 2026-11-21") from None
    return Section(number, version, day)


def _take(number: int, line: str, section: Section) -> None:
    """A line below the heading of a section."""
    changes = section.changes
    if line.startswith("### "):
        kind = line.removeprefix("### ")
        if kind not in KINDS:
            raise Unfit(number, f"{kind!r} is none of {', '.join(KINDS)}")
        if any(KINDS.index(kind) <= KINDS.index(before) for before in changes):
            raise Unfit(number, f"each once, in this order: {', '.join(KINDS)}")
        changes[kind] = []
    elif line.startswith("- "):
        if not changes:
            raise Unfit(number, "an entry stands below its kind, such as '### Fixed'")
        if not line.endswith("."):
            raise Unfit(number, "an entry is one line, and ends with a full stop")
        changes[list(changes)[-1]].append(line.removeprefix("- "))
    elif line:
        raise Unfit(number, "an entry is one line that begins with '- '")


def _whole(section: Section) -> None:
    if not section.changes:
        raise Unfit(section.line, "the section is empty; leave it out")
    for kind, entries in section.changes.items():
        if not entries:
            raise Unfit(section.line, f"nothing stands below its {kind!r}; leave it out")


def _in_order(newer: Section, older: Section) -> None:
    if older.version is None or older.date is None:
        raise Unfit(older.line, f"{UNRELEASED} comes first, and once")
    if newer.version is None or newer.date is None:
        return
    if newer.version <= older.version:
        raise Unfit(older.line, f"{older.version} is not older than {newer.version}, which stands above it")
    if newer.date < older.date:
        raise Unfit(older.line, f"{older.date} is later than {newer.date}, which stands above it")
