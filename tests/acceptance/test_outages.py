"""A store that fails while calls are held: what is no operation goes through, nothing new is sent, nothing is lost.

Three copies are under way when the outage begins: one is running, one's POST is with Graph, which has not answered it,
and one comes while the store is down. The last one gets 503, which promises that nothing was sent for it. When the
store is back, all are ended, each with one POST and one item.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.outages import OUTAGES
from acceptance.pod import SOURCE, Client, Graph, ask, opened

PROBES = 5


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph
        summary = graph.told("summary")
        assert summary["violations"] == []
        assert set(summary["effects"].values()) <= {1}


@pytest.mark.parametrize("name", OUTAGES)
def test_nothing_is_sent_and_nothing_is_lost_while_the_store_is_down(
    graph: Graph, tmp_path: Path, name: str
) -> None:
    running, submitted, late = (
        Client(f"{what} {name}.txt", f"Bearer sim-ana-{what}-{name}", simulate=simulate)
        for what, simulate in (
            ("running", "duration=1s"),
            ("submitted", "duration=200ms; fault=delay(1s)"),
            ("late", ""),
        )
    )
    with OUTAGES[name](tmp_path) as outage, opened(tmp_path, graph, outage.medium) as gateway:
        pid = gateway.command.pid
        for client in (running, submitted, late):
            client.moved(gateway.url)
        running.start()
        gateway.command.event("operation_accepted")
        submitted.start()
        graph.wait_for_post(submitted.token)
        outage.begin(pid)
        passing = {"Authorization": late.token}
        refused = late.once(gateway.url)
        assert (refused.status, refused.code) == (503, "serviceNotAvailable"), gateway.command.told
        assert int(refused.headers["retry-after"]) >= 1
        for _ in range(PROBES):
            assert ask(gateway.url, "GET", "/v1.0/me/drive/root:/hello.txt", headers=passing).status == 200
        assert graph.posts(late.token) == []
        assert not submitted.joined(0.0)
        outage.end(pid)

        late.retry()
        for client in (running, submitted, late):
            assert client.joined(), gateway.command.told
            assert client.answer is not None
            assert (client.answer.status, client.answer.json["id"]) == (200, graph.item(client.name))
            assert len(graph.posts(client.token)) == 1
        assert ask(gateway.url, "POST", SOURCE, {"name": f"after {name}.txt"}, passing).status == 200
        assert gateway.command.stop() == 0
