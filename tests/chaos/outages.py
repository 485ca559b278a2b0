"""Every way in which a store can fail, for half a minute each: `python -m chaos.outages --seconds 30`.

Before the outage, copies are begun that end in the middle of it, and some whose POST Graph has not answered. While it
lasts, calls that are no operation are made, and new copies are asked for. Afterwards all of them are.

Rules: prints for each outage how many of what there were, and how long the first new copy took after its end; 1 for an
exit code where a call that is no operation failed, a POST was sent without a record, or a copy was lost or made twice.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from acceptance.outages import OUTAGES
from acceptance.pod import Client, Graph, ask, opened

from gateway.clock import SystemClock

RUNNING, SUBMITTED = 20, 5
ITEM = "/v1.0/me/drive/root:/hello.txt"
PACE = 0.2
"""Seconds between two calls."""
PROMPT = 2.0
"""Seconds within which copies are made again."""


@dataclass
class Course:
    """What happened in one outage."""

    name: str
    passed: int = 0
    refused: int = 0
    recovered: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def line(self, copies: int) -> str:
        return (
            f"{self.name}: {self.passed} calls passed through, {self.refused} new copies refused, first new copy "
            f"{self.recovered:.2f} s after the end, {copies} copies in all, {len(self.wrong)} went wrong"
        )


def course(name: str, seconds: float, folder: Path) -> tuple[Course, int]:
    """One outage, from before its beginning to after its end; and how many copies were wanted."""
    found, clock = Course(name), SystemClock()
    with (
        Graph("0ms") as graph,
        OUTAGES[name](folder) as outage,
        opened(folder, graph, outage.medium) as gateway,
    ):
        pid = gateway.command.pid

        def wanted(what: str, simulate: str = "") -> Client:
            client = Client(f"{what}.txt", f"Bearer sim-ana-{what}", simulate=simulate)
            client.moved(gateway.url)
            return client

        running = [
            wanted(f"running-{n}", f"duration={(n + 1) * seconds / RUNNING:.2f}s") for n in range(RUNNING)
        ]
        submitted = [wanted(f"submitted-{n}", "fault=delay(3s)") for n in range(SUBMITTED)]
        for client in (*running, *submitted):
            client.start()
        for _ in running:
            gateway.command.event("operation_accepted")
        for client in submitted:
            graph.wait_for_post(client.token)
        outage.begin(pid)
        sent = graph.started
        until, late = clock.monotonic() + seconds, list[Client]()
        while clock.monotonic() < until:
            if ask(gateway.url, "GET", ITEM, headers={"Authorization": "Bearer sim-ana"}).status == 200:
                found.passed += 1
            else:
                found.wrong.append("a call that is no operation failed")
            late.append(wanted(f"late-{len(late)}"))
            status = late[-1].once(gateway.url).status
            found.refused += status == 503
            if status != 503:
                found.wrong.append(f"a new copy was answered {status}")
            time.sleep(PACE)
        if graph.started > sent:
            found.wrong.append(f"{graph.started - sent} were sent without a record")
        outage.end(pid)
        ended = clock.monotonic()
        first = wanted("first")
        first.retry()
        for client in late:
            client.retry()
        first.joined()
        found.recovered = clock.monotonic() - ended
        if found.recovered > PROMPT:
            found.wrong.append(f"recovered after {found.recovered:.1f} s")
        copies = [*running, *submitted, *late, first]
        found.wrong += [f"{client.name}: {what}" for client in copies if (what := _missing(client, graph))]
        if graph.started != len(copies):
            found.wrong.append(f"{graph.started} POSTs for {len(copies)} copies")
    return found, len(copies)


def _missing(client: Client, graph: Graph) -> str:
    """What is wrong about one copy; nothing, in the best case."""
    if not client.joined() or client.answer is None:
        return "no answer"
    if client.answer.status != 200 or client.answer.json["id"] != graph.item(client.name):
        return f"answered {client.answer.status} {client.answer.code}"
    effects = graph.effects(client.name)
    return "" if effects == 1 else f"{effects} items"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.outages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each outage lasts")
    parser.add_argument("--only", choices=OUTAGES, action="append", help="one kind; may be given again")
    given = parser.parse_args()
    failed = False
    for name in given.only or OUTAGES:
        with tempfile.TemporaryDirectory() as folder:
            found, copies = course(name, given.seconds, Path(folder))
        print(found.line(copies), *found.wrong[:10], sep="\n  ", flush=True)
        failed = failed or bool(found.wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
