"""The examples of headers in docs/behaviour.md look like what callers get."""

import re
from pathlib import Path

import pytest
from stage import Answer, Stage, play

PAGE = (Path(__file__).parents[2] / "docs" / "behaviour.md").read_text("utf-8")
EXAMPLES: dict[str, str] = dict(
    re.findall(
        r"^\| `([\w-]+)` \| `([^`]+)` \|",
        PAGE.split("| header | example | on |")[1].split("\n\n")[0],
        re.MULTILINE,
    )
)
SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
RENAME = "?@microsoft.graph.conflictBehavior=rename"


def shape(value: str) -> str:
    """A value without what is different every time."""
    value = re.sub(
        r"\b[0-9a-f]{32}\b|(?<=items/)\w+|(?<=operations/)[0-9a-f]+|(?<=ticket=)[\w-]+", "*", value
    )
    return re.sub(r"\d+", "0", value)


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """By header, an answer that has it."""
    found: dict[str, Answer] = {}

    async def story(stage: Stage) -> None:
        plain = await stage.copy(SOURCE, body={"name": "plain.txt"})
        assert plain.status == 200
        for name in ("Via", "Gateway-Operation", "Content-Location", "Server-Timing"):
            found[name] = plain
        found["Preference-Applied"] = await stage.copy(
            SOURCE, body={"name": "minimal.txt"}, headers={"Prefer": "return=minimal"}
        )
        assert found["Preference-Applied"].status == 204
        for _ in range(2):
            again = await stage.copy(SOURCE, body={"name": "keyed.txt"}, headers={"Idempotency-Key": "k"})
        found["Idempotent-Replayed"] = found["Cache-Status"] = again
        found["Gateway-Result"] = await stage.copy(
            SOURCE + RENAME, body={"name": "report.txt"}, simulate="ending=200-no-id"
        )
        assert found["Gateway-Result"].status == 200
        found["Location"] = found["Cache-Control"] = await stage.copy(
            SOURCE, body={"name": "long.txt"}, headers={"Prefer": "wait=0"}, simulate="duration=60s"
        )
        assert found["Location"].status == 303

    async def bounded(stage: Stage) -> None:
        still = await stage.copy(SOURCE, body={"name": "long.txt"}, simulate="duration=60s")
        assert still.status == 504
        found["Retry-After"] = found["Proxy-Status"] = still

    play(story)
    play(bounded, wait={"max": 0.1, "on_timeout": "error"})
    return found


def test_every_header_is_tried(answers: dict[str, Answer]) -> None:
    assert set(EXAMPLES) == set(answers)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_looks_like_what_a_caller_gets(answers: dict[str, Answer], name: str) -> None:
    value = answers[name].header(name)
    assert value is not None
    assert shape(value) == shape(EXAMPLES[name])
