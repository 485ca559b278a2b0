"""Who tells what happens behind the clients' backs: the gateway's admin listener and the simulator's own counts.

Rules: it only asks, over sockets, as any operator or curl could. What it is told is judged here: `prove` is the
demo's proof.

What this module must not do: print.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.client import look
from gateway.demo.stage import Addresses

LOOK_EVERY = 0.05
SOON = 10.0
"""Seconds; what has not happened by then does not happen."""

PAUSE = threading.Event()
"""Never set: its `wait` is a pause that an interrupt ends."""


class NotShown(Exception):
    """The demo cannot show what it promises; the message says what was wrong, in one line."""


@dataclass(frozen=True)
class Copied:
    """A copy that is asked for."""

    source: str
    name: str

    @property
    def target(self) -> str:
        return f"/v1.0/me/drive/root:/{self.source}:/copy"

    @property
    def body(self) -> dict[str, str]:
        return {"name": self.name}

    @property
    def effect(self) -> str:
        """How the simulator counts it."""
        return f"ana:/{self.name}"


@dataclass(frozen=True)
class Witness:
    """Asks both sides."""

    where: Addresses
    known: set[str] = field(default_factory=set)
    """The operations that were met so far."""

    def operations(self) -> dict[str, Any]:
        """By id, what the gateway lists."""
        listed = look(self.where.admin, "/operations")["operations"]
        return {operation["id"]: operation for operation in listed}

    def operation(self, wanted: str) -> Any:
        found = self.operations().get(wanted)
        if found is None:
            raise NotShown(f"the gateway has forgotten operation {wanted}")
        return found

    def begun(self, answering: "Future[Any]") -> str:
        """The id of the operation that a call begins, as soon as the gateway has one."""
        for _ in range(int(SOON / LOOK_EVERY)):
            ended = over(answering)
            new = [
                operation["id"]
                for operation in self.operations().values()
                if operation["id"] not in self.known and operation["state"] not in ("reserved", "submitting")
            ]
            if new:
                self.known.add(new[0])
                return str(new[0])
            if ended:
                raise NotShown(
                    f"a call came back without a copy: {answering.exception() or answering.result()}"
                )
        raise NotShown("a copy did not begin")

    def eventually(self, operation: str, happened: Callable[[Any], bool], otherwise: str) -> Any:
        """The operation as it is once something has happened to it."""
        for _ in range(int(SOON / LOOK_EVERY)):
            now = self.operation(operation)
            if happened(now):
                return now
            PAUSE.wait(LOOK_EVERY)
        raise NotShown(otherwise)

    def job(self) -> Any:
        """The simulator's latest."""
        return look(self.where.graph, "/_simulator/operations")[-1]

    def posts(self, target: str | None = None) -> int:
        """How many POSTs have reached Graph, to `target` or in all."""
        asked = look(self.where.graph, "/_simulator/requests")
        return sum(one["method"] == "POST" and target in (None, one["target"]) for one in asked)

    def summary(self) -> Any:
        return look(self.where.graph, "/_simulator/summary")


def prove(summary: Mapping[str, Any], made: Sequence[Copied]) -> None:
    """Raises `NotShown` unless the simulator's summary says that each copy was made once, and nothing else, and that
    nobody broke a rule of Graph's.
    """
    effects = dict(summary["effects"])
    for copied in made:
        count = effects.pop(copied.effect, 0)
        if count != 1:
            raise NotShown(f"the proof failed: {copied.effect} was made {count} times, not once")
    if effects:
        raise NotShown(f"the proof failed: nobody asked for {', '.join(effects)}")
    if summary["violations"]:
        first, count = summary["violations"][0], len(summary["violations"])
        raise NotShown(f"the proof failed: {count} violations, the first: {first['kind']}: {first['detail']}")


def over(future: "Future[Any]") -> bool:
    """Whether it has ended, after a moment's patience."""
    try:
        future.exception(LOOK_EVERY)
    except TimeoutError:
        return False
    return True
