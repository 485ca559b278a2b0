"""What the page on credentials says in its own words is so."""

import re
from pathlib import Path
from typing import get_args

import pytest
from fakes.authority import application

from gateway.auth.refusals import BAD_ASSERTIONS
from gateway.auth.tokens import AHEAD, FAILED, LONG_LIVED, LONGEST_FAILED
from gateway.config import Config, parse
from gateway.config.shape import AuthMode
from gateway.errors import CallerRefused, CredentialError, TokenUnavailable
from gateway.telemetry.logs import EVENTS

PAGE = (Path(__file__).parents[2] / "docs/credentials.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_is_a_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "application.pem").write_text("".join(application()))
    (tmp_path / "azure-identity-token").write_text("a token")
    config = parse(text, file=str(tmp_path / "gw.yaml"), environ={"CLIENT_SECRET": "hush"})
    assert config.auth != Config.default().auth


def test_there_is_an_example_for_each_mode() -> None:
    modes = {mode for text in BLOCKS for mode in re.findall(r"mode: (\w+)", text)}
    words = set(get_args(AuthMode))
    assert modes == words - {"passthrough"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.split("\n## ")[0], re.MULTILINE)) == words


def test_every_error_has_its_row() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)
    kinds = (CallerRefused, CallerRefused, CredentialError, TokenUnavailable)
    assert rows == [(str(kind.status), kind.code) for kind in kinds]
    assert TokenUnavailable().retry_after is not None
    assert "credential_trouble" in PAGE
    assert "credential_trouble" in EVENTS


def test_every_code_that_is_the_callers_is_on_it() -> None:
    assert set(re.findall(r"AADSTS\d+", PAGE)) >= BAD_ASSERTIONS


def test_times() -> None:
    assert (AHEAD, LONG_LIVED, FAILED, LONGEST_FAILED) == (300, 7200, 5, 60)
    assert "five\nminutes before the end otherwise" in PAGE
    assert "not tried again for 5 s" in PAGE
    assert "no longer than\n60 s" in PAGE
