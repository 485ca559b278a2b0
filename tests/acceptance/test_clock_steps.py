"""A wall clock that steps by an hour while the gateway runs, or between two lives of it: nothing expires, nothing waits.

The gateway runs under libfaketime, which reads how far the clock is off from a file whenever it is asked for the time;
the monotonic clock is left alone, as it is on a machine whose clock is set.
"""

import json
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from acceptance.mediums import sqlite
from acceptance.pod import Client, Gateway, Graph, launched

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1")
HOUR = 3600


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph
        assert set(graph.told("summary")["effects"].values()) <= {1}


class WallClock:
    """The wall clock of a process that is started with `environment`."""

    def __init__(self, folder: Path) -> None:
        found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern.removeprefix("/"))]
        assert found, "libfaketime is missing: `make test` installs it"
        self._file = folder / "clock"
        self.step(0)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """From now on it is so far off."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_steps_changes_nothing(graph: Graph, tmp_path: Path, hours: int) -> None:
    clock = WallClock(tmp_path)
    running, lonely = (
        Client(f"{what} {hours}", f"Bearer sim-ana-{what}-{hours}", simulate="duration=1s")
        for what in ("running", "lonely")
    )
    with (
        sqlite(tmp_path) as medium,
        launched(tmp_path, graph, medium, env=clock.environment) as command,
    ):
        gateway = Gateway(command)
        with lonely.asking(gateway.url):
            command.event("operation_accepted")
        running.moved(gateway.url)
        running.start()
        command.event("operation_accepted")
        clock.step(hours * HOUR)
        assert running.joined(), command.told
        for _ in range(2):  # the lonely one began first, but its end may be heard of later
            command.event("operation_ended")
        # What nobody has got yet waits for its caller still, and is no older and no younger than it is.
        lonely.moved(gateway.url)
        lonely.start()
        assert lonely.joined(), command.told
        for client in (running, lonely):
            assert client.answer is not None
            assert (client.answer.status, client.answer.json["id"]) == (200, graph.item(client.name))
            assert len(graph.posts(client.token)) == 1
        assert lonely.answer is not None
        assert lonely.answer.headers["idempotent-replayed"] == "true"
        assert command.stop() == 0
        first, last = (datetime.fromisoformat(json.loads(command.out[n])["timestamp"]) for n in (0, -1))
        assert abs((last - first).total_seconds() - hours * HOUR) < HOUR / 2, "its clock did not step"


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_stepped_while_the_gateway_was_gone_puts_nothing_off(
    graph: Graph, tmp_path: Path, hours: int
) -> None:
    clock = WallClock(tmp_path)
    client = Client(f"gone {hours}", f"Bearer sim-ana-gone-{hours}", simulate="duration=1500ms")
    with sqlite(tmp_path) as medium:
        with launched(tmp_path, graph, medium, env=clock.environment) as command:
            client.moved(Gateway(command).url)
            client.start()
            command.event("operation_accepted")
            command.stop(signal.SIGKILL)
        clock.step(hours * HOUR)
        with launched(tmp_path, graph, medium, env=clock.environment) as command:
            client.moved(Gateway(command).url)
            assert client.joined(20.0), command.told
            assert client.answer is not None
            assert (client.answer.status, client.answer.json["id"]) == (200, graph.item(client.name))
            assert len(graph.posts(client.token)) == 1
            assert command.stop() == 0
