"""Trials: a gateway that is killed, or that stands still for longer than its lease, at a named point.

A killed one (`killed_at`) is followed by another that goes on with what it has stored; beside one that stands still
(`stopped_at`) another shares its store, takes over, and sees it come back. A client wants one copy all the while. What
it got, and what the simulated Graph saw, is `Seen`; `wrong` says what should have been otherwise.

Rules: a trial in which the point was not reached fails. Nothing here waits for a while.
"""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from acceptance.command import PATIENCE
from acceptance.mediums import MEDIUMS
from acceptance.pod import Answer, Client, Gateway, Graph, ask, opened

NOTHING_SENT = ("after_accept", "after_claim")
AMBIGUOUS = ("after_writeahead", "mid_post_bytes", "after_post_sent", "after_202")
ON_RECORD = (
    "after_running_durable",
    "mid_poll",
    "after_completed_seen",
    "after_result_durable",
    "after_item_get",
    "mid_response",
    "after_delivered_mark",
)
HAS_SENT = ("after_post_sent", "after_202")
"""Of those that are ambiguous, after which Graph has the POST."""
RENAME = "?@microsoft.graph.conflictBehavior=rename"
REACHED_WITHIN = 15.0
"""Seconds after the client's answer until a point that was not reached counts as such; only failures wait so long."""


@dataclass(frozen=True)
class Trial:
    """Where it ends, what remembers, and whether Graph itself would refuse a second item."""

    point: str
    store: str
    unique: bool = True
    stop: bool = False
    """Whether it stands still there, instead of being killed."""

    @property
    def name(self) -> str:
        how = "stop" if self.stop else "kill"
        return f"{how} {self.point} {self.store} {'fail' if self.unique else 'rename'}"


def trials(store: str) -> list[Trial]:
    """Every point at which an operation can be cut short by a kill."""
    return [
        Trial(point, store, unique)
        for point in (*NOTHING_SENT, *AMBIGUOUS, *ON_RECORD)
        for unique in ((True, False) if point in AMBIGUOUS else (True,))
    ]


@dataclass(frozen=True)
class Seen:
    """What came of a trial, by the client and by the simulated Graph."""

    answer: Answer
    sent: int
    whole: int
    """POSTs that arrived complete."""
    broken: int
    effects: int
    item: str | None

    @property
    def got_its_item(self) -> bool:
        return self.answer.status == 200 and self.answer.json["id"] == self.item


def killed_at(trial: Trial, graph: Graph, folder: Path) -> Seen:
    """Kill one gateway at the point, and let another one go on."""
    client = wanting(trial)
    with MEDIUMS[trial.store](folder) as medium:
        with opened(folder, graph, medium, arm=trial.point) as first:
            client.moved(first.url)
            client.start()
            die(first, client)
        with opened(folder, graph, medium) as second:
            client.moved(second.url)
            assert client.joined(), second.command.told
            answered = seen(client, graph)
            assert second.command.stop() == 0
            return answered


def stopped_at(trial: Trial, graph: Graph, folder: Path) -> Seen:
    """Let one gateway stand still at the point until another one, which shares the store, is done."""
    client = wanting(trial)
    with (
        MEDIUMS[trial.store](folder) as medium,
        opened(folder, graph, medium, arm=f"{trial.point}=stop") as first,
        opened(folder, graph, medium) as second,
    ):
        with client.asking(first.url):
            stand_still(first)
        client.moved(second.url)
        client.start()
        assert client.joined(), second.command.told
        answered, records = seen(client, graph), settled(second)
        first.command.send(signal.SIGCONT)
        assert first.command.stop() == 0  # not before all that it was about to do is done
        after = seen(client, graph)
        if trial.point == "mid_post_bytes":  # the other half of its POST was with the kernel, or is sent now
            assert after.effects <= 1, "there are two items"
        else:
            assert after == answered, "it has sent something"
        assert all(record in settled(second) for record in records), "it has changed something"
        assert second.command.stop() == 0
        return answered


def settled(gateway: Gateway) -> list[dict[str, object]]:
    """The records of the store, as they are told, but for their age and for those whose outcome is unknown: one that
    comes back may know better, and evidence wins.
    """
    found = ask(gateway.admin, "GET", "/operations").json["operations"]
    return [one | {"age": None} for one in found if one["state"] != "unknown"]


def wanting(trial: Trial) -> Client:
    return Client(trial.name, f"Bearer sim-ana-{trial.name}", "" if trial.unique else RENAME)


def die(gateway: Gateway, client: Client) -> None:
    """Wait until it has killed itself."""
    while not gateway.command.gone(0.1):
        if client.joined(0.0):
            assert gateway.command.gone(REACHED_WITHIN), f"the point was not reached\n{gateway.command.told}"
    assert gateway.command.code() == -9, gateway.command.told


def stand_still(gateway: Gateway) -> None:
    """Wait until it has stopped itself."""
    status = Path(f"/proc/{gateway.command.pid}/stat")
    until = time.monotonic() + PATIENCE  # noqa: TID251 - a process, which knows no clock of ours
    while status.read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < until, f"the point was not reached\n{gateway.command.told}"  # noqa: TID251 - as above
        time.sleep(0.01)


def seen(client: Client, graph: Graph) -> Seen:
    assert client.answer is not None
    posts = graph.posts(client.token)
    whole = sum(post["body"]["complete"] for post in posts)
    name = client.name
    return Seen(client.answer, client.sent, whole, len(posts) - whole, graph.effects(name), graph.item(name))


def wrong(trial: Trial, found: Seen) -> list[str]:
    """What should have been otherwise."""
    if trial.point in AMBIGUOUS and not trial.unique:
        effects, whole = (1, 1) if trial.point in HAS_SENT else (0, 0)
        expected = {
            "an honest answer": (found.answer.status, found.answer.code) == (409, "copyOutcomeUnknown"),
            "no word on when to try again": "retry-after" not in found.answer.headers,
            f"{effects} items": found.effects == effects,
            f"{whole} POSTs": found.whole == whole,
        }
    else:
        # A second one may be the client's own, sent on where nothing was found: Graph would refuse a second item.
        most = 2 if trial.point in AMBIGUOUS else 1
        expected = {
            "the item": found.got_its_item,
            "one item": found.effects == 1,
            f"1 to {most} POSTs": 1 <= found.whole <= most,
            "no half POST": trial.point == "mid_post_bytes" or not found.broken,
        }
    if trial.point == "after_delivered_mark" and not trial.stop:
        tries = {1}
    elif trial.point in AMBIGUOUS and trial.store != "sqlite":
        # The second may join, until the lease is over and the outcome turns out to be unknown; or come after that.
        tries = {2, 3}
    else:
        tries = {2}
    expected[f"a client that sends {tries} times"] = found.sent in tries
    return [what for what, held in expected.items() if not held]
