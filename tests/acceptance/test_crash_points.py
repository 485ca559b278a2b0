"""kill -9 and SIGSTOP at each named point of an operation's life: its client gets its item, and there is one item.

Where the outcome of the POST is not known and the name is not protected by Graph (`conflictBehavior=rename`), the
honest answer is 409 `copyOutcomeUnknown`, and nothing is ever sent again. `make chaos` tries more of them, and more often.
"""

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes.stores import sql

from acceptance.mediums import MEDIUMS
from acceptance.pod import Client, Graph, launched, opened
from acceptance.trials import REACHED_WITHIN, Seen, Trial, killed_at, seen, stopped_at, trials, wrong
from gateway.crashpoints import POINTS

KILLS = [trial for store in ("redis", "sqlite") for trial in trials(store)]
"""Those first that take longest."""
STOPS = [Trial(point, "redis", stop=True) for point in ("after_writeahead", "mid_poll")]
"""Few: each waits until the lease of the one that stands still is over."""

AT_ONCE = 12
"""Trials at a time: most of them wait for the lease of the one that was killed."""


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph
        summary = graph.told("summary")
        # One that died before it had put the end down asks for it again.
        assert {wrong["kind"] for wrong in summary["violations"]} <= {"poll-after-end"}
        assert set(summary["effects"].values()) <= {1}


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Trial, "Future[Seen]"]]:
    """Of those that were chosen, several at a time."""
    here = [item.name for item in request.session.items if item.path == Path(__file__)]
    chosen = [trial for trial in (*STOPS, *KILLS) if any(name.endswith(f"[{trial.name}]") for name in here)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            trial: pool.submit(
                stopped_at if trial.stop else killed_at, trial, graph, tmp_path_factory.mktemp("trial")
            )
            for trial in chosen
        }


def test_every_point_is_tried() -> None:
    assert {trial.point for trial in KILLS} | {"during_purge"} == POINTS.keys()


@pytest.mark.parametrize("trial", [*KILLS, *STOPS], ids=lambda trial: trial.name)
def test_a_gateway_that_is_cut_short_copies_once(outcomes: dict[Trial, "Future[Seen]"], trial: Trial) -> None:
    found = outcomes[trial].result()
    assert wrong(trial, found) == [], found


@pytest.mark.parametrize("store", ["sqlite"])  # what a Redis expires, it removes by itself
def test_a_gateway_that_dies_while_it_removes_what_has_expired_loses_nothing_else(
    graph: Graph, tmp_path: Path, store: str
) -> None:
    old, running = (
        Client(f"{name} {store}", f"Bearer sim-ana-{name}-{store}", simulate=simulate)
        for name, simulate in (("expired", ""), ("running", "duration=3s"))
    )
    with MEDIUMS[store](tmp_path) as medium:
        with opened(tmp_path, graph, medium) as first:
            for client in (running, old):
                client.moved(first.url)
                client.start()
            assert old.joined()
            assert old.answer is not None
            assert old.answer.status == 200
            first.command.event("operation_accepted")
            first.command.event("operation_accepted")
            first.command.stop(signal.SIGKILL)
        sql(
            tmp_path / "operations.db",
            "UPDATE operations SET ended_at = ended_at - 86400 WHERE ended_at IS NOT NULL",
        )
        with launched(tmp_path, graph, medium, arm="during_purge") as second:
            assert second.gone(REACHED_WITHIN), f"the point was not reached\n{second.told}"
            assert second.code() == -9
        with opened(tmp_path, graph, medium) as third:
            running.moved(third.url)
            assert running.joined(), third.command.told
            found = seen(running, graph)
            assert found.got_its_item, found
            assert (found.effects, found.whole, found.sent) == (1, 1, 2)
            assert seen(old, graph).effects == 1
            assert third.command.stop() == 0
