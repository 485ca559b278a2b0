"""Completion: what a shell offers when somebody presses the tabulator key.

Bash is the real one; it sources the script and runs the function that the script registers, as it does for a key. Of
the other shells, which are not asked of whoever runs the tests, the scripts are looked at.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.command import PATIENCE, environment
from gateway import cli
from gateway.admin.rows import GROUPS
from gateway.dialects import KNOWN

PRESS = r"""
set -e
eval "$(_LRO_GATEWAY_COMPLETE=source_bash lro-gateway)"
registered=$(complete -p lro-gateway)
[[ $registered =~ -F\ ([a-z_]+) ]]
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"${BASH_REMATCH[1]}" lro-gateway
printf '%s\n' "${COMPREPLY[@]}"
"""


def bash(script: str, *words: str) -> str:
    paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", script, "bash", *words],
        env=environment(PATH=paths),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["che"], ["check-config"]),
        (["run", "--c"], ["--config"]),
        (["check-config", "gateway.yaml", "--pr"], ["--print-effective"]),
        (["operations", "--state", "s"], ["submitting", "succeeded", "stalled"]),
        (["operations", "--dialect", "w"], ["workbook"]),
        (["run", "--config", "gatew"], [""]),
    ],
)
def test_bash_offers(typed: list[str], offered: list[str]) -> None:
    """Nothing, where a file is meant: then bash offers files by itself."""
    assert bash(PRESS, "lro-gateway", *typed).splitlines() == offered


def test_bash_is_told_to_offer_files_where_we_have_nothing() -> None:
    script = bash("_LRO_GATEWAY_COMPLETE=source_bash lro-gateway")
    assert "complete -o default -F " in script


def test_the_shell_that_asks_is_recognised() -> None:
    asked = bash("lro-gateway --show-completion\n:")
    assert asked.split() == bash("_LRO_GATEWAY_COMPLETE=source_bash lro-gateway").split()


@pytest.mark.parametrize(
    ("shell", "words"), [("zsh", "compdef "), ("fish", "complete --command lro-gateway ")]
)
def test_there_is_a_script_for(shell: str, words: str) -> None:
    assert words in bash(f"_LRO_GATEWAY_COMPLETE=source_{shell} lro-gateway")


def test_what_is_offered_for_operations_is_what_the_listener_takes() -> None:
    assert cli.GROUPS == GROUPS
    assert {dialect.name for dialect in KNOWN} < set(cli.dialects(""))
