"""The version: it has one home, `gateway/__init__.py`, and this finds whoever spells it out besides.

Rules: only what must name a version names one: tags of the image, in what is deployed. Everything that is made from
the package asks the package.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PLACES = ("README.md", "Dockerfile", "Makefile", "config", "deploy", "docs")
"""Where a version may be spelled out; sources and tests ask the package, the changelog has its own checks."""

_VERSION = r"v?(?P<version>\d+\.\d+\.\d+(?:(?:a|b|rc|\.dev|\.post)\d+)?)"
_SPELLED = (
    re.compile(rf"\blro[-_]gateway(?:\[\w+\])?(?:[:@-]|==| ){_VERSION}"),  # a tag, a pin, output
    re.compile(rf"\bnewTag: *[\"']?{_VERSION}"),  # Kustomize
    re.compile(rf"\b(?:image\.version|/version)[\"']?[=:] *[\"']?{_VERSION}"),  # labels
)


def spelled(text: str) -> Iterator[str]:
    """Each version of the gateway that a text names."""
    for pattern in _SPELLED:
        yield from (found["version"] for found in pattern.finditer(text))


def everywhere(root: Path) -> Iterator[tuple[str, str]]:
    """Each file that names a version of the gateway, and which."""
    for place in PLACES:
        top = root / place
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if not path.is_file() or path.suffix in {".png", ".pyc"}:
                continue
            for version in spelled(path.read_text("utf-8")):
                yield path.relative_to(root).as_posix(), version
