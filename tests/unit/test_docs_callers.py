"""What the page on callers says in its own words is so."""

import re
from pathlib import Path

import pytest
from fakes.papers import Papers

from gateway.config import Config, Limits, Tls, parse
from gateway.config.callers import SHORTEST_KEY
from gateway.errors import CallNotAllowed, KeyNeeded
from gateway.http.memory import LOW, SHARE
from gateway.http.server import DAY, EXPIRES_SOON
from gateway.telemetry.logs import DETAILS, EVENTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/callers.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_is_a_configuration(text: str, tmp_path: Path) -> None:
    paper = Papers(tmp_path, "callers").issue("gateway")
    paper.certificate.rename(tmp_path / "gateway.pem")
    paper.key.rename(tmp_path / "gateway.key")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/payroll").write_text("a-key-of-payroll's")
    config = parse(text, file=str(tmp_path / "gw.yaml"), environ={"KEY_OF_BILLING": "b" * SHORTEST_KEY})
    assert (config.listen, config.auth) != (Config().listen, Config().auth)


def test_every_way_to_know_callers_has_its_example() -> None:
    text = "".join(BLOCKS)
    for key in (*Tls.model_fields, "caller_keys", "allow"):
        assert f"{key}:" in text


def test_every_limit_that_is_named_is_one() -> None:
    said = set(re.findall(r"`limits\.(\w+)`", PAGE))
    assert len(said) == 9
    assert said <= set(Limits.model_fields)


def test_statuses_and_events_are_those_of_the_code() -> None:
    for kind in (KeyNeeded, CallNotAllowed):
        assert f"`{kind.status}` `{kind.code}`" in PAGE
    for name in ("turned_away", "memory_full", "memory_freed", "certificate_expires"):
        assert f"`{name}`" in PAGE
        assert name in EVENTS
    assert "turned_away" in DETAILS


def test_figures() -> None:
    assert f"A key has {SHORTEST_KEY} visible ASCII characters" in PAGE
    assert f"ends within {EXPIRES_SOON / DAY:.0f} days" in PAGE
    assert SHARE == 0.9
    assert "nine tenths" in PAGE
    assert f"takes {1 - LOW:.0%}".replace("%", " %") in PAGE
