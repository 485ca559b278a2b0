"""The threat table names every threat once, and controls and tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")
ROW = re.compile(r"^\| (T[0-9]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([^`]+)`")
FILE = re.compile(r"[\w/.-]+/[\w.-]+\.\w+|Dockerfile|requirements\.lock")
DEFINED = ast.FunctionDef | ast.ClassDef
ROWS = {number: (control, tests) for number, _, control, tests in ROW.findall(PAGE)}


def test_every_threat_has_its_row() -> None:
    assert list(ROWS) == [f"T{number}" for number in range(1, 25)]


@pytest.mark.parametrize("number", ROWS)
def test_its_control_is_there(number: str) -> None:
    files = [name for name in NAMED.findall(ROWS[number][0]) if FILE.fullmatch(name)]
    assert files
    for name in files:
        assert (ROOT / name).is_file(), name


@pytest.mark.parametrize("number", ROWS)
def test_its_tests_are_there(number: str) -> None:
    named = NAMED.findall(ROWS[number][1])
    assert named
    for name in named:
        path, *names = name.split("::")
        assert names, name
        body = ast.parse((ROOT / path).read_text("utf-8")).body
        for one in names:
            found = [node for node in body if isinstance(node, DEFINED) and node.name == one]
            assert found, name
            body = found[0].body
