"""What a start loads: only what the configuration asks for, because everything else costs every start and every replica.

Each names what is left out, and one that is loaded, so that a name that is spelled wrong does not pass for left out.
"""

import re
from pathlib import Path

import pytest

from acceptance.command import Command, ended

LEFT_OUT = {
    "msal": "auth.mode: passthrough",
    "requests": "msal's",
    "redis": "operations.store: memory",
    "sqlite3": "operations.store: memory",
    "cryptography": "no certificate, and nothing is sealed",
    "opentelemetry": "no tracing.otlp_endpoint",
    "rich.live": "`operations` and `demo` draw, `run` does not",
    "rich.progress": "likewise",
    "gateway.demo": "another command",
    "gateway.explain": "another command",
    "gateway.listing": "another command",
    "gateway.simulator": "another command",
    "gateway.config.effective": "another command",
    "gateway.config.schema": "another command",
    "gateway.versions": "another command",
}
"""What a plain `run` does not import, and why it need not."""

HEAVY = ("aiohttp", "asyncio", "rich", "ruamel", "structlog", "gateway.app", "gateway.config")
"""What a command line that runs nothing does without."""


TOLD: dict[str, str] = {
    "PYTHONPROFILEIMPORTTIME": "1",
    "COVERAGE_PROCESS_START": "",
    "COVERAGE_PROCESS_CONFIG": "",
}
"""Imports are told, and coverage, which imports things of its own, stays out of it."""


def imported(lines: list[str]) -> set[str]:
    """What was imported, with the packages that it is in; of `-X importtime`'s lines."""
    names = [found[1] for line in lines if (found := re.fullmatch(r"import time:.*\| +(\S+)", line))]
    return {
        ".".join(parts[: n + 1]) for name in names for parts in [name.split(".")] for n in range(len(parts))
    }


def started(file: Path, text: str) -> set[str]:
    file.write_text(f"listen: {{port: 0}}\nadmin: {{port: 0}}\n{text}", "utf-8")
    with Command("run", "--config", str(file), env=TOLD) as gateway:
        gateway.event("listening")
        assert gateway.stop() == 0
        return imported(gateway.err)


def test_a_plain_run_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    loaded = started(tmp_path / "gateway.yaml", "")
    assert {"gateway.app", "aiohttp", "uvloop"} <= loaded
    assert loaded & LEFT_OUT.keys() == set()


def test_what_is_asked_for_is_loaded(tmp_path: Path) -> None:
    """So the names above are spelled right."""
    asked = "operations: {store: sqlite}\ntracing: {otlp_endpoint: 'http://127.0.0.1:9/v1/traces'}\n"
    loaded = started(tmp_path / "gateway.yaml", asked)
    assert {"sqlite3", "cryptography", "opentelemetry", "requests"} <= loaded


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["operations", "--help"]])
def test_help_is_there_at_once(words: list[str]) -> None:
    done = ended(*words, PYTHONPROFILEIMPORTTIME="1", COVERAGE_PROCESS_START="", COVERAGE_PROCESS_CONFIG="")
    assert done.code == 0
    loaded = imported(done.lines)
    assert {"gateway.cli", "typer"} <= loaded
    assert loaded & set(HEAVY) == set()
