"""A gateway that is killed with a batch in its hands, and another that goes on: every copy is made once."""

from pathlib import Path
from typing import Any

import pytest

from acceptance.mediums import MEDIUMS
from acceptance.pod import BROKEN, Answer, Graph, ask, opened

NAMES = ("one.txt", "two.txt", "three.txt")
TOKEN = "Bearer sim-ana"


def send(where: str) -> Answer:
    """A batch of three copies and something else."""
    url = "/me/drive/root:/hello.txt:/copy"
    typed = {"Content-Type": "application/json"}
    parts: list[dict[str, Any]] = [
        {"id": name, "method": "POST", "url": url, "headers": typed, "body": {"name": name}} for name in NAMES
    ]
    parts.append({"id": "me", "method": "GET", "url": "/me"})
    return ask(where, "POST", "/v1.0/$batch", {"requests": parts}, {"Authorization": TOKEN})


@pytest.mark.parametrize(
    "point",
    [
        "after_claim",
        "after_writeahead",
        "after_post_sent",
        "after_202",
        "after_running_durable",
        "mid_response",
    ],
)
def test_a_batch_that_is_sent_again_after_a_crash_copies_everything_once(tmp_path: Path, point: str) -> None:
    with MEDIUMS["sqlite"](tmp_path) as medium, Graph() as graph:
        with opened(tmp_path, graph, medium, arm=point) as gateway, pytest.raises(BROKEN):
            send(gateway.url)
        with opened(tmp_path, graph, medium) as gateway:
            answer = send(gateway.url)
            assert answer.status == 200
            parts = {part["id"]: part for part in answer.json["responses"]}
            assert {part["status"] for part in parts.values()} == {200}, answer.json
            for name in NAMES:
                assert parts[name]["body"]["id"] == graph.item(name)
        assert [graph.effects(name) for name in NAMES] == [1, 1, 1]
