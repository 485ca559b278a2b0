"""Microsoft's Graph client for JavaScript. It sends tokens over https alone, so the gateway has a certificate here."""

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from fakes.hasty import HastyClock
from fakes.papers import Papers
from stage import Stage, play

from gateway.simulator import SimulatorSettings

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("graph_client.js")
PACKAGES = ROOT / ".venv/clients/node_modules"


@pytest.fixture
def house(tmp_path: Path) -> Papers:
    return Papers(tmp_path, "house")


def over(house: Papers) -> dict[str, Any]:
    """The section `listen`."""
    server = house.issue("gateway", addresses=["127.0.0.1"])
    return {"port": 0, "tls": {"certificate_file": server.certificate, "private_key_file": server.key}}


async def client(stage: Stage, house: Papers, case: str) -> Any:
    """What the client says of one case of its script."""
    assert PACKAGES.exists(), "make tools installs it"
    node = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPT),
        f"https://{stage.host}:{stage.port}",
        stage.default_token.removeprefix("Bearer "),
        case,
        env=os.environ | {"NODE_PATH": str(PACKAGES), "NODE_EXTRA_CA_CERTS": str(house.file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await node.communicate()
    assert node.returncode == 0, err.decode()
    return json.loads(out)


def test_a_copy_is_the_finished_item(house: Papers) -> None:
    async def story(stage: Stage) -> None:
        told = await client(stage, house, "copy")
        assert told["got"]["name"] == "js.txt", told

    play(story, listen=over(house))


LONG = SimulatorSettings(base_duration=0.8, bytes_per_second=0)


def test_it_waits_past_the_bound_by_sending_its_call_again(
    house: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unmoved(random.SystemRandom):
        def random(self) -> float:
            return 0.0  # the shortest Retry-After

    monkeypatch.setattr(random, "SystemRandom", Unmoved)

    async def story(stage: Stage) -> None:
        told = await client(stage, house, "copy")
        assert told["got"]["name"] == "js.txt", told
        assert sum(stage.simulator.summary().effects.values()) == 1

    observer = play(story, listen=over(house), wait={"max": 0.2, "on_timeout": "error"}, settings=LONG)
    assert [(call.status, call.relation) for call in observer.calls] == [(504, "start"), (200, "replay")]


def test_of_a_redirect_it_takes_the_method_and_not_the_address(house: Papers) -> None:
    """Its RedirectHandler keeps the URL on a 303. Where this fails it has learned better: see docs/clients.md."""

    async def story(stage: Stage) -> None:
        assert (await client(stage, house, "copy"))["status"] == 405

    observer = play(story, listen=over(house), wait={"max": 0.2}, settings=LONG)
    assert [(call.method, call.route, call.status) for call in observer.calls] == [
        ("POST", "hold", 303),
        ("GET", "forward", 405),
    ]


def test_a_failed_copy_is_its_error(house: Papers) -> None:
    async def story(stage: Stage) -> None:
        told = await client(stage, house, "failed")
        assert (told["status"], told["code"]) == (409, "nameAlreadyExists")

    play(story, listen=over(house))


def test_an_excel_session_is_there_when_the_call_returns(house: Papers) -> None:
    async def story(stage: Stage) -> None:
        told = await client(stage, house, "session")
        assert told["got"]["id"], told

    observer = play(story, listen=over(house))
    assert [(call.route, call.relation) for call in observer.calls] == [("hold", "start")]


def test_a_team_is_there_when_the_call_returns(house: Papers) -> None:
    async def story(stage: Stage) -> None:
        told = await client(stage, house, "team")
        assert told["got"]["id"], told

    observer = play(story, listen=over(house), clock=HastyClock(60.0))  # Teams wants 30 s between two polls
    assert (observer.calls[0].route, observer.calls[0].relation) == ("hold", "start")


def test_a_batch_comes_back_with_its_copies_finished(house: Papers) -> None:
    async def story(stage: Stage) -> None:
        told = await client(stage, house, "batch")
        responses = {part["id"]: (part["status"], part["body"]["name"]) for part in told["got"]["responses"]}
        assert responses == {name: (200, name) for name in ("one.txt", "two.txt")}

    observer = play(story, listen=over(house))
    assert sorted(call.route for call in observer.calls) == ["batch", "hold", "hold"]
