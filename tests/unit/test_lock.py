"""The lock files hold what `pyproject.toml` asks for, by hash and without a word about where it comes from."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway.http.server import OLDEST, ParserTooOld, require_strict_parser

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PIN = re.compile(r"([a-z0-9-]+)==([^\s;]+)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
FIX = "run make lock"

EXTRAS: dict[str, list[str]] = PROJECT["project"].get("optional-dependencies", {})
WANTED: dict[str, list[str]] = {
    "requirements.lock": [
        *PROJECT["project"]["dependencies"],
        *(one for extra in EXTRAS.values() for one in extra),
    ],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}
locks = pytest.mark.parametrize("name", WANTED)


def pins(name: str) -> dict[str, str]:
    """What is pinned, by its normal name."""
    found: dict[str, str] = {}
    hashed = True
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        pin = PIN.fullmatch(line)
        if pin is None:
            assert HASH.fullmatch(line), line
            hashed = True
            continue
        assert hashed, f"no hash before {line}"
        assert pin[1] not in found, line
        found[pin[1]], hashed = pin[2], False
    assert found
    assert hashed
    return found


@locks
def test_nothing_but_pins_and_hashes(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-r|-c|-e|-i|--(?!hash=))", text, re.MULTILINE)
    pins(name)


@locks
def test_what_is_asked_for_is_there_in_a_version_that_will_do(name: str) -> None:
    pinned = pins(name)
    for text in WANTED[name]:
        wanted = Requirement(text)
        version = pinned.get(canonicalize_name(wanted.name))
        assert version is not None, f"{wanted.name} is not locked: {FIX}"
        assert wanted.specifier.contains(version), f"{wanted} is not {version}: {FIX}"


@locks
def test_nothing_else_is_there(name: str) -> None:
    pinned = pins(name)
    needed = {canonicalize_name(Requirement(text).name) for text in WANTED[name]}
    assert pinned.keys() <= needed | set(needs(pinned)), FIX


def needs(names: Iterable[str]) -> Iterator[str]:
    """What the installed ones of these need, on whichever platform."""
    for name in names:
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        yield from (canonicalize_name(Requirement(text).name) for text in wanted)


def test_the_image_takes_nothing_without_its_hash() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    installs = [
        " ".join(options.split())
        for options in re.findall(r"/pip (?:--python \S+ )?(?:install|wheel) ([^&\n]*)", dockerfile)
    ]
    assert len(installs) == 4
    for options in installs:
        locked = "--require-hashes --requirement requirements" in options
        ours = "--no-deps" in options and ("--no-index" in options or "--no-build-isolation" in options)
        assert locked or ours, options
    assert {name for name in WANTED for options in installs if name in options} == WANTED.keys()
    assert "!requirements*.lock" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("version", "taken"), [("3.14.3", False), ("3.14.5", True), ("3.9.0b1", False), ("3.15.0", True)]
)
def test_an_older_parser_is_refused_at_the_start(
    version: str, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    """Whoever installed past the lock file and `pyproject.toml`."""
    monkeypatch.setattr(aiohttp, "__version__", version)
    if taken:
        require_strict_parser()
    else:
        with pytest.raises(ParserTooOld, match=r"older than 3\.14\.5"):
            require_strict_parser()


def test_the_oldest_parser_is_the_oldest_that_is_asked_for() -> None:
    (wanted,) = [one for one in map(Requirement, PROJECT["project"]["dependencies"]) if one.name == "aiohttp"]
    assert f">={'.'.join(map(str, OLDEST))}" in str(wanted.specifier).split(",")
