"""That the search would notice: each of these breaks one rule of the protocol, and a way to the harm is found.

A rule that can be left out without harm would be one too many, or one that the model does not understand.
"""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway import events, lifecycle, sameness
from gateway.model import Operation, State
from gateway.sameness import Ask, Decision, ReplayRules
from model.callers import BROKEN_PROMISE, FALSE_NO, NO_ITEM
from model.owners import NO_ARROW
from model.search import STUCK, search
from model.store import LOST_KEY, OVERWRITTEN, REMOVED
from model.upstream import POSTED_TWICE, TWICE
from model.world import Left, Rules

Table = dict[tuple[State, type[events.Event]], State]


@dataclass(frozen=True)
class Mutant:
    """A protocol with one thing wrong, and the harm that comes of it."""

    rules: Rules
    harm: str
    table: tuple[tuple[State, type[events.Event], State], ...] = ()


def starts_blindly(existing: Operation | None, ask: Ask, now: float, rules: ReplayRules) -> Decision:
    if existing is not None and existing.state is State.UNKNOWN:
        return Decision.START
    return sameness.decide(existing, ask, now, rules)


NOTHING, CRASH, MISHAP, THEFT = Left(0, 0, 0), Left(1, 0, 0), Left(0, 1, 0), Left(0, 0, 1)
SHARED = {"clients": 2, "keyed": True}
"""Two callers of one Idempotency-Key, at once."""
OFF_LIMITS: dict[str, Any] = {"unfollowable": True}
FORGETFUL = (
    (State.SUBMITTING, events.Untracked, State.REJECTED),
    (State.RUNNING, events.Untracked, State.REJECTED),
)

MUTANTS: dict[str, Mutant] = {
    "looks, then inserts": Mutant(Rules(left=NOTHING, clients=2, keyed=True, claim_compares=False), TWICE),
    "looks, then inserts: the loser's row": Mutant(
        Rules(left=NOTHING, clients=2, keyed=True, claim_compares=False), LOST_KEY
    ),
    "writes the row after the POST": Mutant(Rules(left=CRASH, write_ahead=False), TWICE),
    "says 503 after the POST": Mutant(
        Rules(left=MISHAP, write_ahead=False, store_fails=True), BROKEN_PROMISE
    ),
    "saves without comparing": Mutant(Rules(left=THEFT._replace(mishaps=1), save_compares=False), TWICE),
    "saves without comparing: the row": Mutant(Rules(left=THEFT, save_compares=False), OVERWRITTEN),
    "takes over what was sent as if it were not": Mutant(
        Rules(left=CRASH), TWICE, ((State.SUBMITTING, events.TakenOver, State.RESERVED),)
    ),
    "forgets what is under way": Mutant(Rules(left=MISHAP, keeps_active=False), TWICE),
    "takes an unknown outcome for a refusal": Mutant(
        Rules(left=MISHAP), TWICE, ((State.SUBMITTING, events.Unclear, State.REJECTED),)
    ),
    "starts where the outcome is unknown": Mutant(Rules(left=MISHAP, decide=starts_blindly), TWICE),
    "forgets an unknown outcome": Mutant(Rules(left=MISHAP, keeps_unclear=False), TWICE),
    "sends again without comparing": Mutant(
        Rules("fail", left=Left(0, 2, 0), resend_compares=False), POSTED_TWICE
    ),
    "sends again without comparing: the row": Mutant(
        Rules("fail", left=Left(0, 2, 0), resend_compares=False), LOST_KEY
    ),
    "discards without comparing": Mutant(
        Rules(left=Left(0, 1, 1), discard_compares=False, **OFF_LIMITS), REMOVED, FORGETFUL
    ),
    "forgets what could not be followed": Mutant(Rules(left=Left(0, 2, 0), **OFF_LIMITS), TWICE, FORGETFUL),
    "forgets the unknown outcome behind a refused re-send": Mutant(
        Rules("fail", left=Left(0, 2, 0), gives_back=False), POSTED_TWICE
    ),
    "takes its own copy for somebody else's": Mutant(Rules("fail", left=MISHAP, owns_name=False), FALSE_NO),
    "starts for a client that has left": Mutant(Rules(left=MISHAP, presence=False), TWICE),
    "leaves alone what a dead replica had reserved": Mutant(Rules(left=CRASH, takes_reserved=False), STUCK),
    "leaves behind what a failed write left": Mutant(
        Rules(left=MISHAP, store_fails=True, cleans_up=False), STUCK
    ),
    "takes every 202 for the end": Mutant(
        Rules(left=NOTHING), NO_ITEM, ((State.SUBMITTING, events.Accepted, State.RESULT),)
    ),
    "sends without leaving the first state": Mutant(
        Rules(left=NOTHING), NO_ARROW, ((State.RESERVED, events.Sending, State.RESERVED),)
    ),
    "knows no way on from a dead owner's submission": Mutant(
        Rules(left=CRASH), STUCK, ((State.SUBMITTING, events.TakenOver, State.SUBMITTING),)
    ),
}

LIMITS: dict[str, Rules] = {
    "an answer that a machine took and its client never saw": Rules(left=MISHAP, unseen=True),
    "a call that was paused until its successor's record had been forgotten": Rules(
        left=MISHAP, forgets=True
    ),
}
"""What the protocol does not promise without an Idempotency-Key; that it holds with one, `test_protocol` shows."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    for state, event, to in mutant.table:
        monkeypatch.setitem(lifecycle.TRANSITIONS, (state, event), to)
    found = search(mutant.rules, until=mutant.harm)
    assert mutant.harm in found.breaches, f"{found}: not noticed"
    way = found.breaches[mutant.harm]
    print(f"\n{name}: {mutant.harm}, in {len(way)} steps of {found.states:,} states")
    assert way[0].startswith("client")


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_where_it_is_said_to_be(name: str) -> None:
    found = search(LIMITS[name], until=TWICE)
    assert TWICE in found.breaches
    keyed = search(replace(LIMITS[name], keyed=True, forgets=False))
    assert not keyed.breaches, keyed.told()


def test_a_way_can_be_read() -> None:
    found = search(Rules(left=CRASH, write_ahead=False), until=TWICE)
    way = found.breaches[TWICE]
    assert f"{TWICE}, in {len(way)} steps:\n   1. client 1: sends its request to A\n" in found.told()
    assert [text for text in way if "POST" in text or "killed" in text or "copy" in text] == [
        "replica A, record 1: writes the POST",
        "replica A: is killed",
        "replica A, record 2: writes the POST",
        "upstream, record 1: accepts the POST",
        "upstream, record 1: makes the copy",
        "upstream, record 2: accepts the POST",
        "upstream, record 2: makes the copy",
    ]
