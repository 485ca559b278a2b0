"""The page on dialects of one's own: its example is loaded, explained as it says, and played through the gateway."""

import json
import re
from pathlib import Path

from fakes.api import api, says
from passage import SHIPPED, Passage, passing
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.config import parse
from gateway.config.declaration import Declaration, Error, Match, Monitor, Progress, Start, Status
from gateway.config.presets import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "custom-dialects.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_explained_as_the_page_says(tmp_path: Path) -> None:
    (command, *told) = blocks("console")[0].splitlines()
    (tmp_path / "gateway.yaml").write_text(blocks("yaml")[0])
    for name, text in zip(("reply.http", "poll1.http", "poll2.http"), blocks("http"), strict=True):
        (tmp_path / name).write_text(text)
    words = command.removeprefix("$ lro-gateway ").split()
    here = [str(tmp_path / word) if (tmp_path / word).is_file() else word for word in words]
    result = CliRunner().invoke(cli, here)
    assert (result.exit_code, result.output.splitlines()) == (0, told)


def test_the_example_plays() -> None:
    section = parse(blocks("yaml")[0], file="f", environ={}).dialects
    _, *polls = (json.loads(text.partition("\n\n")[2] or "null") for text in blocks("http"))
    routes = {
        "POST /api/reports": [says(202, Location="/api/jobs/17?sig=5f2c")],
        "GET /api/jobs/17?sig=5f2c": [says(200, poll) for poll in polls],
        "GET /api/reports/2024-11": [says(200, {"title": "November"})],
    }

    async def story(passage: Passage) -> None:
        answer = await passage.ask(
            b"POST /api/reports HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nContent-Length: 0\r\n\r\n"
        )
        assert (answer.status, json.loads(answer.body)) == (200, {"title": "November"})
        assert len(passage.origin.requests) == 4

    quick = [one.model_copy(update={"monitor": Monitor(credential=True)}) for one in section.custom]
    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": [], "custom": quick})


def test_the_page_tells_of_every_key_and_preset() -> None:
    for section, shape in (
        ("match", Match), ("start", Start), ("monitor", Monitor), ("status", Status),
        ("progress", Progress), ("error", Error),
    ):  # fmt: skip
        for key in shape.model_fields:
            listed = key in {"running", "succeeded", "failed"}
            assert f"`{section}.{key}" in PAGE or (listed and f"`{key}`" in PAGE), f"{section}.{key}"
    for key in Declaration.model_fields:
        assert f"{key}:" in PAGE or f"`{key}`" in PAGE, key
    for name in NAMES:
        assert f"| `{name}` |" in PAGE
