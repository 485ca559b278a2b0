"""Every command in the README is run, from top to bottom as a reader would, or has its reason here why not.

What differs from the reader's machine is said in `reader`. A command that is neither run nor in `REASONS`, and one
whose outcome nobody states, fails.
"""

import inspect
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from acceptance.command import Ended
from acceptance.reader import NAME_OF_YAML, Walk, blocks, commands
from gateway import __version__, cli
from gateway.config import Config, load
from gateway.simulator import SimulatorSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")

REASONS: dict[str, str] = {
    "make demo": "installs; tests/acceptance/test_demo.py runs the demo, here the target is looked at",
    "make test": "this test is part of it; the target is looked at",
    "python3 -m venv ~/.lro-gateway": "writes into the reader's home, for the installation",
    "~/.lro-gateway/bin/pip install .": "needs a package index; what it would be told is looked at",
    'export PATH="$HOME/.lro-gateway/bin:$PATH"': "the PATH here is that of the environment that runs the tests",
    "docker build --tag lro-gateway .": "needs a daemon and base images; the Dockerfile is read",
    "docker run --rm --network host lro-gateway": "needs the image; entry point and configuration are looked at",
}
"""Commands that are not run, and why; test_readme_setup.py looks at what they would do."""

LANGUAGES: dict[str, str] = {
    "sh": "run line by line",
    "python": "run as a script",
    "yaml": "saved as the file that the commands after it use",
    "text": "a picture",
    "csharp": "there is no .NET where the tests run; its URL is looked at",
    "java": "a part of a program; its URL is looked at, and tests/clients runs the whole of one",
}
"""What becomes of a block, by its language."""

SERVERS = {
    "lro-gateway simulate": "Try ",
    "lro-gateway run --config config/demo.yaml": "listening",
    f"lro-gateway run --config {NAME_OF_YAML}": "listening",
}
"""Commands that go on in a terminal of their own, and what they say when they are ready."""

# --- the outcomes ----------------------------------------------------------------------------------------


def item(done: Ended) -> dict[str, Any]:
    """The body of an answer; `curl -i` shows each head of a chain before it."""
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out.rpartition("\n\n")[2])
    return found


def shows_a_200(done: Ended, name: str) -> None:
    assert item(done)["name"] == name
    heads = re.findall(r"^HTTP/1\.1 (\d+)", done.out, re.MULTILINE)
    assert heads[-1] == "200"


def gave_up(done: Ended) -> None:
    assert done.code == 28
    assert "exits with 28" in README


def one_copy_each(done: Ended) -> None:
    summary = item(done)
    assert summary["effects"] == {"ana:/hello 2.txt": 1, "ana:/video 2.mp4": 1}
    assert summary["violations"] == []


def lists_the_copy(done: Ended) -> None:
    (operation,) = item(done)["operations"]
    assert (operation["operation"], operation["status"]) == ("itemCopy", "completed")
    assert operation["delivered"] is True


OUTCOMES: dict[str, Callable[[Ended], None]] = {
    "lro-gateway --version": lambda done: same(done.out.splitlines()[0], f"lro-gateway {__version__}"),
    "curl -iL http://127.0.0.1:8900": lambda done: shows_a_200(done, "hello 2.txt"),
    "curl -L --max-time 2 http://127.0.0.1:8900": gave_up,
    "curl -L http://127.0.0.1:8900": lambda done: same(item(done)["name"], "video 2.mp4"),
    "curl http://127.0.0.1:8901/_simulator/summary": one_copy_each,
    "lro-gateway check-config": lambda done: same((done.code, done.out), (0, f"{NAME_OF_YAML}: ok\n")),
    "curl -iL http://127.0.0.1:8080": lambda done: shows_a_200(done, "report 2.docx"),
    "curl http://127.0.0.1:9901/operations": lists_the_copy,
    "curl http://127.0.0.1:9901/readyz": lambda done: same(item(done), {"status": "ready"}),
    "import os": lambda done: same((done.code, done.out, done.err), (0, "report 3.docx\n", "")),
}
"""How a command begins, and what has to come of it."""


def same(found: object, expected: object) -> None:
    assert found == expected


# --- walking through it ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "config", folder / "config")
    with ExitStack() as terminals:
        walked = Walk(folder, terminals, SERVERS, OUTCOMES)  # what is in neither is not run, but fails below
        walked.through(README)
        yield walked


@pytest.mark.parametrize("beginning", OUTCOMES)
def test_it_does_what_the_readme_says(walk: Walk, beginning: str) -> None:
    (done,) = [done for step, done in walk.done.items() if step.startswith(beginning)]
    OUTCOMES[beginning](done)


def test_everything_that_was_run_was_meant_to_be(walk: Walk) -> None:
    assert len(walk.servers) == len(SERVERS)
    assert len(walk.done) == len(OUTCOMES)


def test_whatever_was_started_stops_cleanly(walk: Walk) -> None:
    simulator, *gateways = walk.servers
    assert [server.stop() for server in (*gateways, simulator)] == [0] * len(SERVERS)
    assert "Wrong    0 violations" in simulator.out, simulator.told
    warned = [line for gateway in gateways for line in gateway.out if "[warning" in line or "[error" in line]
    assert warned == []


# --- nothing is left out ---------------------------------------------------------------------------------


def test_every_command_is_run_or_has_a_reason() -> None:
    for step in commands(README):
        known = [step in REASONS, step in SERVERS, *(step.startswith(beginning) for beginning in OUTCOMES)]
        assert sum(known) == 1, f"run it, or say why not: {step}"


def test_every_reason_and_outcome_is_of_a_command_that_is_there() -> None:
    found = commands(README)
    assert [step for step in (*REASONS, *SERVERS) if step not in found] == []
    assert [one for one in OUTCOMES if not any(step.startswith(one) for step in found)] == []
    assert all(REASONS.values())


def test_every_block_is_in_a_language_that_something_is_done_about() -> None:
    assert {block.language for block in blocks(README)} == set(LANGUAGES)


def test_commands_are_read_as_a_shell_would_read_them() -> None:
    text = "a\n```sh\n# no\none \\\n   two\nthree\n```\n```python\nfour\n```\n```java\nfive\n```\n"
    assert commands(text) == ["one two", "three", "four\n"]


# --- ports and defaults that the text relies on ----------------------------------------------------------


def test_the_ports_are_the_defaults() -> None:
    default, demo = Config.default(), load(ROOT / "config" / "demo.yaml", {})
    assert (default.listen.port, default.admin.port) == (8080, 9901)
    assert demo.listen.port == 8900
    assert demo.upstream.base_url == "http://127.0.0.1:8901"
    assert "-port 8901" not in README
    simulator = {name: one.default for name, one in inspect.signature(cli.simulate).parameters.items()}
    assert (simulator["port"], simulator["monitor_port"]) == (8901, 8902)


def test_the_video_takes_the_six_seconds_that_the_text_says() -> None:
    settings = SimulatorSettings()
    assert settings.base_duration + 250e6 / settings.bytes_per_second == pytest.approx(6.0)
    assert "one that takes six seconds" in README


@pytest.mark.parametrize("language", ["csharp", "java", "python"])
def test_the_snippets_call_what_the_curl_command_calls(language: str) -> None:
    (snippet,) = [block.text for block in blocks(README) if block.language == language]
    base, path = "http://127.0.0.1:8080", "/v1.0/me/drive/root:/Documents/report.docx:/copy"
    assert any(base + path in step for step in commands(README) if step.startswith("curl"))
    assert base in snippet
    assert path.removeprefix("/v1.0") in snippet
