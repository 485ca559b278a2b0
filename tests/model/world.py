"""One moment of the modelled world, and the rules it moves by.

The world is three or fewer replicas of the gateway, the store they share, an upstream that makes copies, and one or
two clients. Everything in it is a small value, so that two moments that are alike are found to be the same.

What this module must not do: say what happens next; `callers`, `owners` and `upstream` do.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway import sameness
from model.book import Book, Decide, plan_for

NEW, ASKING, AGAIN, DONE = range(4)
"""A client: has asked nothing yet; waits for an answer; has no answer and will ask again; has its answer."""

GONE = -1
"""The client of a call that it no longer waits for."""

UNDECLINED = frozenset({"written", "running", "made"})
"""Fates of a POST of which a copy has come or may still come."""


class Row(NamedTuple):
    """A slot of the store; `number` 0 where it is empty."""

    number: int
    owner: int
    """The replica whose lease it is; 0 where that replica has died, or where there is nothing left to do."""
    replaced: int = 0
    """The slot of the unclear outcome that it was claimed in place of, by the rule of reconciling: the one licence
    for a second POST.
    """


class Post(NamedTuple):
    """A POST that was written, as the upstream knows it."""

    slot: int
    fate: str
    """written, running, made, refused (its job found the name taken), busy (429 or 503), exists (409 at once)."""
    resent: bool


class Task(NamedTuple):
    """What a replica does of its own accord: send a POST, follow an operation, drop what a dead one had reserved."""

    slot: int
    replica: int
    doing: str
    held: int
    """The record it goes by, as it last read or wrote it."""


class Call(NamedTuple):
    """A call that a replica holds."""

    client: int
    replica: int
    doing: str
    slot: int = 0
    held: int = 0
    retry: bool = False


class Left(NamedTuple):
    """How much may still go wrong."""

    crashes: int
    mishaps: int
    """Lost answers, time-outs, clients that leave, refusals, vanished monitors."""
    thefts: int
    """Leases that expire although their owner lives: it was paused, and does not know."""


FEW = Left(crashes=1, mishaps=1, thefts=1)


class World(NamedTuple):
    """One moment."""

    rows: tuple[Row, ...]
    holder: int
    """The slot that answers for the key; -1 where none does."""
    posts: tuple[Post, ...]
    tasks: tuple[Task, ...]
    calls: tuple[Call, ...]
    clients: tuple[int, ...]
    left: Left


class Step(NamedTuple):
    """Something that may happen."""

    text: str
    world: World
    mishap: bool = False
    """Nothing that a promise may be built on."""
    breach: str = ""
    """Which rule it breaks."""


@dataclass(frozen=True)
class Rules:
    """What is searched. The first part is the scene, the second what the gateway keeps to; a mutant breaks one."""

    kind: str = "rename"
    """`fail`, `replace` or `rename`: whether the result's name is certain, and whether the upstream protects it."""
    replicas: int = 2
    clients: int = 1
    keyed: bool = False
    """An Idempotency-Key: however many clients come, one copy is meant."""
    left: Left = FEW
    unseen: bool = False
    """A client's machine may take an answer that the client never sees."""
    hints: bool = False
    """A client that asks again says so (`Retry-Attempt`)."""
    forgets: bool = False
    """Rows that were delivered may be forgotten at any moment."""
    unfollowable: bool = False
    """The upstream may accept with a 202 that leads to no monitor, or to one that is off limits."""
    store_fails: bool = False
    """A write may fail, with or without having been done."""

    claim_compares: bool = True
    save_compares: bool = True
    discard_compares: bool = True
    resend_compares: bool = True
    write_ahead: bool = True
    keeps_active: bool = True
    """No time to live on what is under way."""
    keeps_unclear: bool = True
    """Nor on an outcome that nobody knows."""
    takes_reserved: bool = True
    """What a dead replica had only reserved is dropped by whoever takes it over."""
    presence: bool = True
    """Nothing is started for a client that is seen to have left, between reading the store and claiming."""
    late_evidence: bool = True
    """A 202 that comes after its row was taken over turns the unknown outcome into a running operation."""
    cleans_up: bool = True
    """A write that failed is looked at again, and what it left behind goes on or is dropped."""
    gives_back: bool = True
    """A row that was claimed in place of an unclear outcome and came to nothing gives the key back to it."""
    owns_name: bool = True
    """What was sent again and finds its name taken has not failed: it may be its own copy that has the name."""
    decide: Decide = field(default=sameness.decide)

    @property
    def meant(self) -> int:
        """How many copies are intended at most."""
        return 1 if self.keyed else self.clients


class Scene:
    """The rules, with the book that goes with them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        plan = plan_for(rules.kind)
        self.unique, self.named = plan.unique, plan.named is not None
        self.book = Book(plan, keyed=rules.keyed, decide=rules.decide)

    def beginning(self) -> World:
        rules = self.rules
        return World((), -1, (), (), (), (NEW,) * rules.clients, rules.left)

    def replicas(self, world: World) -> list[int]:
        """Those that may act next: all that have something in hand, and one of the others, which are all alike."""
        busy = {part.replica for group in (world.tasks, world.calls) for part in group}
        busy |= {row.owner for row in world.rows}
        idle = [replica for replica in range(1, self.rules.replicas + 1) if replica not in busy]
        return sorted(busy - {0}) + idle[:1]


def name(replica: int) -> str:
    return "?ABC"[replica]
