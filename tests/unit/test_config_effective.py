"""The configuration in force: means the same when it is read again, and shows no secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from gateway.config import Cautions, Config, parse
from gateway.config.effective import HARMLESS, effective, quoted
from gateway.config.kinds import Kind, Listed
from gateway.config.syntax import LONGEST_TEXT

SECRET = {"SecretText", "CertificatePem", "KeyText", "EncryptionKeys", "RedisUrl"}
"""Kinds whose values are not shown; of a Redis's URL, only those with a password in it."""

DECLARED = """
dialects:
  custom:
    - name: reports
      match: {path: "^/api/reports$"}
      monitor: {min_interval: env:PAUSE}
      status: {by_code: true}
"""


def kinds(shape: type[BaseModel]) -> Iterator[type[Kind]]:
    for field in shape.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from kinds(field.annotation)
            continue
        parts = [*field.metadata, *walked(field.annotation)]
        yield from {type(part) for part in parts if isinstance(part, Kind) and not isinstance(part, Listed)}


def walked(annotation: object) -> Iterator[object]:
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from walked(inner)


def printed(text: str, **environ: str) -> str:
    cautions = Cautions(now=0.0)
    config = parse(text, file="gateway.yaml", environ=environ, cautions=cautions)
    return effective(config, cautions.written)


def test_every_kind_is_known_to_be_a_secret_or_not() -> None:
    found = {kind for name in Config.model_fields for kind in kinds(type(getattr(Config.default(), name)))}
    assert len(found) > 15
    assert {kind.__name__ for kind in found - set(HARMLESS)} == SECRET


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "wait: {max: 31s, on_timeout: accepted}\nlog: {level: debug}\n",
        "listen: {host: '::1'}\nmonitor: {allowed_hosts: ['*.example.com', '[::1]:8443'], allow_private: true}\n",
        "limits: {body: 1MiB, running_per_drive: 3}\ndialects: {enabled: []}\n",
        DECLARED,
    ],
)
def test_it_means_the_same_when_it_is_read_again(text: str, tmp_path: Path) -> None:
    again = printed(text, PAUSE="2s")
    assert parse(again, file="gateway.yaml", environ={"PAUSE": "2s"}) == parse(
        text, file="gateway.yaml", environ={"PAUSE": "2s"}
    )
    assert len(again) < LONGEST_TEXT


def test_what_a_reference_supplied_is_shown_as_the_reference() -> None:
    text = "upstream: {base_url: env:GRAPH}\nmonitor: {allowed_hosts: [env:HOST, b.example]}\n" + DECLARED
    shown = printed(text, GRAPH="https://hidden.example", HOST="hidden.example", PAUSE="2.718s")
    assert "hidden.example" not in shown
    assert "2.718" not in shown
    assert "  base_url: env:GRAPH\n" in shown
    assert "    - env:HOST\n    - b.example\n" in shown


def test_a_password_in_a_url_is_not_shown() -> None:
    assert "  url: redis://127.0.0.1:6379/1\n" in printed("operations: {url: 'redis://127.0.0.1:6379/1'}\n")
    assert "hush" not in printed("operations: {url: 'redis://:hush@127.0.0.1:6379/1'}\n")


@pytest.mark.parametrize("text", ["123", "true", "null", "*.a", "a: b", "- a", "", " a", "a #b", "é", "1e3"])
def test_what_yaml_would_take_for_something_else_is_quoted(text: str) -> None:
    assert quoted(text).startswith('"')
    assert quoted("10", words=True) == "10"
