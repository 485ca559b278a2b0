"""A simulated Graph as a process, with a drive for each caller: `python -m chaos.graph FILE USERS`.

Rules: it prints where it listens, and when it is told to end it writes the truth to FILE: every POST of a copy that it
saw, every item there is, and how many came to be for each name that was asked for.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.wishes import users
from gateway.clock import SystemClock
from gateway.process import run_until_signalled
from gateway.simulator import Simulator, SimulatorSettings

NOBODY = "nobody"
"""The last user's drive is a personal one, which knows no conflictBehavior; it is left alone."""


@dataclass(frozen=True)
class Post:
    """A POST of a copy, as it arrived."""

    wish: str
    simulate: str
    complete: bool


@dataclass(frozen=True)
class Truth:
    """What came to be."""

    drives: dict[str, str]
    """The drive's id of each user."""
    items: dict[str, dict[str, str]]
    """By user: names of items in the root, by their ids."""
    effects: dict[str, int]
    posts: list[Post]
    violations: dict[str, int]

    @classmethod
    def read(cls, file: Path) -> "Truth":
        told = json.loads(file.read_text("utf-8"))
        posts = [Post(**post) for post in told.pop("posts")]
        return cls(**told, posts=posts)


def truth(simulator: Simulator, people: list[str]) -> dict[str, Any]:
    drives = {user: simulator.drive(user) for user in people}
    kinds = [violation.kind.value for violation in simulator.summary().violations]
    return {
        "drives": {user: drive.id for user, drive in drives.items()},
        "items": {
            user: {item.id: item.name for item in drive.root.children.values()}
            for user, drive in drives.items()
        },
        "effects": dict(simulator.summary().effects),
        "posts": [
            {
                "wish": asked.header("client-request-id") or "",
                "simulate": asked.header("Simulate") or "",
                "complete": asked.complete,
            }
            for asked in simulator.requests()
            if asked.method == "POST"
        ],
        "violations": {kind: kinds.count(kind) for kind in set(kinds)},
    }


def main(file: Path, count: int) -> None:
    people = users(count)
    settings = SimulatorSettings(
        users=(*people, NOBODY), base_duration=0.1, bytes_per_second=0, keep_requests=10**7
    )

    async def serve(stop: asyncio.Event) -> None:
        async with Simulator(settings, SystemClock()) as simulator:
            print(simulator.graph_url, flush=True)
            await stop.wait()
            told.update(truth(simulator, people))

    told: dict[str, Any] = {}
    run_until_signalled(serve)
    file.write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
