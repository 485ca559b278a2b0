"""The page with the results, docs/performance.md, and its pictures: `python -m bench.page` writes them anew.

The page marks what is made by `<!-- made: NAME -->` before and `<!-- end: NAME -->` after.

What it must not do: measure; show a figure that is not in the results file.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path

from bench.machine import ROOT
from bench.rounds import Part, load

PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
PARTS = ("passage", "bodies", "tls", "startup", "held", "mixed", "pacing")
"""In the order of the page; each is a module of this package."""

MARKED = re.compile(r"<!-- made: (?P<name>[\w-]+) -->\n(?P<text>.*?)<!-- end: (?P=name) -->", re.DOTALL)


def blocks(results: Mapping[str, Part]) -> dict[str, str]:
    """Every made part of the page, by its name."""
    made: dict[str, str] = {"machine": machine(results)}
    for name in PARTS:
        if name in results:
            made |= importlib.import_module(f"bench.{name}").blocks(results[name])
    return made


def plots(results: Mapping[str, Part]) -> dict[Path, str]:
    """Every picture, by its file."""
    made: dict[Path, str] = {}
    for name in PARTS:
        if name in results:
            pictures: Mapping[str, str] = importlib.import_module(f"bench.{name}").plots(results[name])
            made |= {IMAGES / file: picture for file, picture in pictures.items()}
    return made


def machine(results: Mapping[str, Part]) -> str:
    """What it was measured on; where parts were measured on different ones, each of them."""
    told: dict[str, list[str]] = {}
    for name, part in results.items():
        told.setdefault(", ".join(f"{what} {version}" for what, version in part.facts.items()), []).append(
            name
        )
    if len(told) == 1:
        return f"{next(iter(told))}.\n"
    return "\n".join(f"- {', '.join(names)}: {facts}." for facts, names in told.items()) + "\n"


def renewed(page: str, results: Mapping[str, Part]) -> str:
    """The page's text with all that is made, made anew. Raises KeyError for a name that nothing measured makes."""
    made = blocks(results)
    return MARKED.sub(
        lambda found: f"<!-- made: {found['name']} -->\n{made[found['name']]}<!-- end: {found['name']} -->",
        page,
    )


def write() -> None:
    results = load()
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), results), "utf-8")
    for file, picture in plots(results).items():
        file.write_text(picture, "utf-8")
    print(f"bench: {PAGE.relative_to(ROOT)} is made anew", flush=True)


if __name__ == "__main__":
    write()
