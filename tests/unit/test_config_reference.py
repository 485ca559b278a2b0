"""The reference page and the shipped files cannot disagree with the shape."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.config import Config, Tls, load, parse, schema
from gateway.config.reference import PAGE, SAMPLE, SCHEMA, first_sentence, main, page, sample

ROOT = Path(__file__).parents[2]
FIELDS = [
    pytest.param(section, name, id=f"{section}.{name}")
    for section in Config.model_fields
    for name, field in type(getattr(Config.default(), section)).model_fields.items()
    if not isinstance(field.default, BaseModel)
]


def test_page_is_up_to_date() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run python -m gateway.config.reference"


def test_sample_is_up_to_date() -> None:
    assert (ROOT / SAMPLE).read_text(encoding="utf-8") == sample(), "run python -m gateway.config.reference"


def test_schema_is_up_to_date() -> None:
    assert (ROOT / SCHEMA).read_text(encoding="utf-8") == schema.text(), (
        "run python -m gateway.config.reference"
    )


def test_all_are_written_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (PAGE, SAMPLE):
        (tmp_path / path).parent.mkdir()  # the schema stands beside the sample
    monkeypatch.chdir(tmp_path)
    main()
    assert capsys.readouterr().out == f"{PAGE}\n{SAMPLE}\n{SCHEMA}\n"
    assert (tmp_path / SCHEMA).read_text(encoding="utf-8") == schema.text()
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == page()
    assert load(tmp_path / SAMPLE, {}) == parse("", file=str(tmp_path / SAMPLE), environ={})


def test_sample_loads_to_exactly_the_defaults() -> None:
    loaded = load(ROOT / SAMPLE, {})
    assert loaded == parse("", file=str(ROOT / SAMPLE), environ={})
    assert loaded.model_copy(update={"operations": Config.default().operations}) == Config.default()


def test_demo_loads() -> None:
    config = load(ROOT / "config" / "demo.yaml", {})
    assert config.upstream.base_url == "http://127.0.0.1:8901"
    assert (config.listen.port, config.admin.port, config.log.format) == (8900, 9902, "console")
    assert (config.monitor.allow_http, config.monitor.allow_private) == (True, True)
    assert "127.0.0.1" in config.monitor.allowed_hosts


@pytest.mark.parametrize(("section", "name"), FIELDS)
def test_every_key_is_described_everywhere(section: str, name: str) -> None:
    description = type(getattr(Config.default(), section)).model_fields[name].description
    assert description
    assert len(first_sentence(" ".join(description.split()))) <= 110
    assert f"| `{section}.{name}` |" in page()
    block = sample().split(f"\n{section}:\n")[1].split("\n\n")[0]
    lines = block.splitlines()
    at = next(number for number, line in enumerate(lines) if line.split(":")[0] == f"  {name}")
    assert lines[at - 1].startswith(f"  # {first_sentence(' '.join(description.split()))}")


@pytest.mark.parametrize("name", Tls.model_fields)
def test_every_key_of_a_section_in_a_section_is_described(name: str) -> None:
    description = " ".join((Tls.model_fields[name].description or "").split())
    assert f"| `listen.tls.{name}` |" in page()
    assert "\n  tls:\n" in sample()
    assert f"\n    # {first_sentence(description)}\n    {name}: null\n" in sample()


def test_an_empty_list_is_shown_as_one() -> None:
    assert "\n  caller_keys: []\n" in sample()
