"""What callers want, and what goes wrong with it: the plan of a run, made from a seed before anything is sent.

Rules: a name stands once for each caller, but callers use the same names, so that two of them send the same bytes.
Each wish is one logical copy; a second copy of the same name is a wish of its own, which comes after the first.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """Kinds of misbehaviour of the simulated Graph."""

    CUT = "cut"
    TIMED_OUT = "504"
    DELAY = "delay"
    BUSY = "busy"
    POLLS = "polls"
    FINAL = "final"


DIRECTIVES: dict[Fault, tuple[str, ...]] = {
    Fault.CUT: ("reset", "apply-then-reset", "apply-late-then-reset"),
    Fault.TIMED_OUT: ("apply-late", "apply-then-504", "apply-late-then-html(502)"),
    Fault.DELAY: ("delay(2500ms)",),
    Fault.BUSY: ("503(1)", "429(1)"),
    Fault.POLLS: (
        "poll2:503",
        "poll1-2:reset",
        "poll1-3:truncated-json",
        "poll2-4:429(0.2)",
        "poll1:html(502)",
    ),
    Fault.FINAL: ("final1:503", "final1-2:404", "final1:reset"),
}
"""What the `Simulate` header says. The delay is longer than the gateways wait for a reply."""

AMBIGUOUS = frozenset({Fault.CUT, Fault.TIMED_OUT, Fault.DELAY})
"""After these, nobody but Graph knows whether there is a copy."""

ONE_PER_CENT = 0.01
LEAVES = 0.1
"""How many callers hang up at some moment."""
SECONDS = 0.1
"""How many want a second copy of the same name, once they have the first."""


@dataclass(frozen=True)
class Wish:
    """One logical copy."""

    id: str
    user: str
    name: str
    unique: bool
    """Whether Graph is to refuse a second item of that name."""
    keyed: bool
    """Whether it comes with an Idempotency-Key."""
    duration: float
    fault: Fault | None = None
    directive: str = ""
    leaves: tuple[float, ...] = ()
    """Seconds after which the caller hangs up: at its first request, at its second, …"""
    again: "Wish | None" = field(default=None, compare=False)
    """The second copy."""

    @property
    def simulate(self) -> str:
        """The header for the first request."""
        fault = f"; fault={self.directive}" if self.directive else ""
        return f"duration={self.duration * 1000:.0f}ms{fault}"


def users(count: int) -> list[str]:
    return [f"u{number:02}" for number in range(count)]


def wishes(copies: int, people: Sequence[str], chance: random.Random) -> Iterator[Wish]:
    """So many logical copies, second ones included; those of Graph's faults come first, so that none is missed."""
    due = [fault for fault in Fault for _ in range(max(2, round(copies * ONE_PER_CENT)))]
    number = 0
    while copies > 0:
        user, name = people[number % len(people)], f"copy {number // len(people)}.txt"
        fault = due.pop(chance.randrange(len(due))) if due and chance.random() < _share(due, copies) else None
        first = _wish(f"{number}", user, name, fault, chance)
        number, copies = number + 1, copies - 1
        if copies > 0 and not first.unique and chance.random() < 2 * SECONDS:
            second = _wish(f"{number}", user, name, None, chance, like=first)
            first = Wish(**{**vars(first), "again": second})
            copies -= 1
        yield first


def _share(due: list[Fault], copies: int) -> float:
    """So that all that is due has been used up when half of the copies are made."""
    return min(1.0, 2 * len(due) / copies)


def _wish(
    identity: str,
    user: str,
    name: str,
    fault: Fault | None,
    chance: random.Random,
    *,
    like: Wish | None = None,
) -> Wish:
    duration = chance.choice((0.05, 0.1, 0.2, 0.5, 1.0, 2.5))
    return Wish(
        id=f"{identity}{'b' if like is not None else ''}",
        user=user,
        name=name,
        unique=chance.random() < 0.5 if like is None else like.unique,
        keyed=chance.random() < 0.3,
        duration=duration,
        fault=fault,
        directive=chance.choice(DIRECTIVES[fault]) if fault is not None else "",
        leaves=tuple(chance.random() * (duration + 0.3) for _ in range(chance.choice((1, 1, 2))))
        if chance.random() < LEAVES
        else (),
    )
