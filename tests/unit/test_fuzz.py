"""The fuzz targets: Hypothesis tries each a little, and atheris all of them in one short run that is always the same.

`make fuzz` goes on for longer.
"""

import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS, every, seeds

ROOT = Path(__file__).parents[2]
RUNS = 5_000
HAS_WHEELS = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}
"""Where atheris can be had; `pyproject.toml` says the same."""


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    target, own = TARGETS[name]
    for seed in own:
        target(seed)
        for at in range(len(seed)):
            target(seed[:at])
            target(seed[:at] + b"\xff" + seed[at + 1 :])


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    target, own = TARGETS[name]
    pieces = st.sampled_from([seed[at : at + 7] for seed in own for at in range(0, len(seed), 5)])
    mixed = st.lists(pieces | st.binary(max_size=3), max_size=12).map(b"".join)

    @settings(max_examples=60)
    @given(st.binary(max_size=60) | mixed)
    def run(data: bytes) -> None:
        target(data)

    run()


def test_every_target_has_its_turn() -> None:
    assert {seed[0] for seed in seeds("every")} == set(range(len(TARGETS)))
    for seed in seeds("every"):
        every(seed)
    every(b"")


def fuzzed(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *args],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_short_run_of_atheris_finds_nothing(tmp_path: Path) -> None:
    done = fuzzed("every", "--runs", str(RUNS), cwd=tmp_path)
    if HAS_WHEELS:
        assert done.returncode == 0, done.stderr[-3000:]
        assert list(tmp_path.iterdir()) == []
    elif importlib.util.find_spec("atheris") is None:
        assert (done.returncode, "atheris is not installed" in done.stderr) == (1, True)


if HAS_WHEELS:

    def test_a_run_that_finds_something_fails(tmp_path: Path) -> None:
        """The Retry-After parser, with a flaw: it does not look at how long a number is."""
        (tmp_path / "sitecustomize.py").write_text(
            "import fuzz.targets as t\nt.retry_after_header.parse = lambda value, now: float(value)\n",
            encoding="utf-8",
        )
        done = subprocess.run(
            [sys.executable, "-m", "fuzz", "retry_after", "--runs", "50"],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 1
        assert "found something in retry_after" in done.stderr
        assert [path.name[:6] for path in tmp_path.glob("crash-*")] == ["crash-"]


def test_an_unknown_target_is_named(tmp_path: Path) -> None:
    done = fuzzed("nothing", cwd=tmp_path)
    assert (done.returncode, "no such target: nothing" in done.stderr) == (2, True)
