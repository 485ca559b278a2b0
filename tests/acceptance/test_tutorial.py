"""Every command of the tutorial is run, from top to bottom, and what the text says of it is looked at."""

import json
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from acceptance.command import Ended
from acceptance.reader import NAME_OF_YAML, Walk, commands
from acceptance.test_readme import REASONS
from gateway import __version__

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text("utf-8")
SERVERS = {"lro-gateway simulate": "Try ", f"lro-gateway run --config {NAME_OF_YAML}": "listening"}

GRAPH = "curl -i http://127.0.0.1:8901"
GATEWAY = "curl -i http://127.0.0.1:8080"


def body(done: Ended) -> dict[str, Any]:
    """The body of an answer, behind its head where there is one."""
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out.rpartition("\n\n")[2])
    return found


def status(done: Ended) -> str:
    return done.out.split()[1]


def only_a_monitor(done: Ended) -> None:
    assert status(done) == "202"
    assert "\nContent-Length: 0" in done.out
    assert re.search(r"\nLocation: http://127\.0\.0\.1:\d+/_api/", done.out)


def the_item(done: Ended) -> None:
    assert (status(done), body(done)["name"]) == ("200", "by the gateway.txt")
    assert "\nGateway-Operation: " in done.out
    assert "\nServer-Timing: follow;dur=" in done.out


def gave_up(done: Ended) -> None:
    assert done.code == 28


def each_once(done: Ended) -> None:
    summary = body(done)
    assert summary["effects"] == {
        "ana:/by Graph.txt": 1,
        "ana:/by the gateway.txt": 1,
        "ana:/patience.txt": 1,
    }
    assert summary["violations"] == []


def no_room(done: Ended) -> None:
    assert (status(done), body(done)["error"]["code"]) == ("507", "quotaLimitReached")


def not_waited_for(done: Ended) -> None:
    assert status(done) == "202"
    assert "\nLocation: /_gateway/operations/" in done.out


def listed(done: Ended) -> None:
    assert done.code == 0
    assert done.out.startswith("1 under way")
    lines = done.out.splitlines()[2:]
    assert [line.split()[2] for line in lines] == ["running", "failed", "succeeded", "succeeded"]


def says(code: int, out: str) -> Callable[[Ended], None]:
    def look(done: Ended) -> None:
        assert (done.code, done.out.splitlines()[0]) == (code, out)

    return look


OUTCOMES: dict[str, Callable[[Ended], None]] = {
    "lro-gateway --version": says(0, f"lro-gateway {__version__}"),
    GRAPH: only_a_monitor,
    "lro-gateway check-config": says(0, f"{NAME_OF_YAML}: ok"),
    f"{GATEWAY}/v1.0/me/drive/root:/hello.txt:/copy -H 'Authorization: Bearer sim-ana' -H 'Content-Type: application/json' -d": the_item,
    "curl --max-time 0.5 ": gave_up,
    "curl http://127.0.0.1:8080": lambda done: says_name(done, "patience.txt"),
    "curl http://127.0.0.1:8901/_simulator/summary": each_once,
    f"{GATEWAY}/v1.0/me/drive/root:/hello.txt:/copy -H 'Authorization: Bearer sim-ana' -H 'Content-Type: application/json' -H": no_room,
    f"{GATEWAY}/v1.0/me/drive/root:/archive.tar": not_waited_for,
    "lro-gateway operations": listed,
}
"""How a command begins, and what has to come of it."""


def says_name(done: Ended, name: str) -> None:
    assert body(done)["name"] == name


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "config", folder / "config")
    with ExitStack() as terminals:
        walked = Walk(folder, terminals, SERVERS, OUTCOMES)
        walked.through(PAGE)
        yield walked


@pytest.mark.parametrize("beginning", OUTCOMES)
def test_it_does_what_the_tutorial_says(walk: Walk, beginning: str) -> None:
    (done,) = [done for step, done in walk.done.items() if step.startswith(beginning)]
    OUTCOMES[beginning](done)


def test_the_dashboard_is_there(walk: Walk) -> None:
    assert "<http://127.0.0.1:9901/>" in PAGE
    with urllib.request.urlopen(f"http://{walk.addresses['127.0.0.1:9901']}/") as answer:
        assert "<title>lro-gateway</title>" in answer.read().decode()


def test_every_command_is_run_or_has_a_reason() -> None:
    for step in commands(PAGE):
        known = [step in REASONS, step in SERVERS, *(step.startswith(beginning) for beginning in OUTCOMES)]
        assert sum(known) == 1, f"run it, or say why not: {step}"


def test_whatever_was_started_stops_cleanly(walk: Walk) -> None:
    simulator, gateway = walk.servers
    assert [gateway.stop(), simulator.stop()] == [0, 0]
    told = [line.split("]")[1].split()[0] for line in gateway.out if "by the gateway" not in line]
    assert told[:4] == ["listening", "operation_accepted", "operation_ended", "call"]
    assert "Wrong    0 violations" in simulator.out, simulator.told
