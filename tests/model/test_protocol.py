"""What holds in every interleaving of the scenes below: nothing is made twice, and everybody gets an answer.

`pytest -s tests/model` prints what was searched. A scene is as large as a few seconds allow; together they have every
combination that matters of three crashes, lost answers, stolen leases, clients that leave, refusals and vanished
monitors. The floors keep a search from becoming empty unnoticed: they are about half of what it has now.
"""

import pytest

from gateway import events
from gateway.lifecycle import TRANSITIONS
from gateway.model import State
from gateway.sameness import Decision
from model.search import Found, search
from model.world import Left, Rules

SCENES: dict[str, tuple[Rules, int]] = {
    "rename, three crashes": (Rules(left=Left(3, 1, 1)), 25_000),
    "rename, two mishaps": (Rules(left=Left(1, 2, 0)), 5_000),
    "rename, three replicas, two thefts": (Rules(left=Left(1, 1, 2), replicas=3), 35_000),
    "rename, two clients": (Rules(left=Left(1, 1, 0), clients=2), 35_000),
    "rename, two clients of one key": (Rules(left=Left(1, 1, 0), clients=2, keyed=True), 25_000),
    "rename, answers unseen by clients that say so": (
        Rules(left=Left(1, 2, 0), unseen=True, hints=True),
        5_000,
    ),
    "rename, answers unseen, stragglers, one key": (
        Rules(left=Left(1, 2, 0), unseen=True, keyed=True, presence=False),
        4_000,
    ),
    "rename, a store that fails": (Rules(left=Left(1, 2, 0), store_fails=True), 4_000),
    "rename, monitors that cannot be followed": (Rules(left=Left(1, 2, 0), unfollowable=True), 5_000),
    "replace": (Rules("replace", left=Left(1, 1, 1)), 5_000),
    "fail": (Rules("fail", left=Left(1, 1, 1)), 35_000),
    "fail, three crashes": (Rules("fail", left=Left(3, 0, 1)), 35_000),
    "fail, two mishaps": (Rules("fail", left=Left(0, 2, 0)), 4_000),
    "fail, two clients": (Rules("fail", left=Left(0, 1, 0), clients=2), 15_000),
    "fail, answers unseen, stragglers, one key": (
        Rules("fail", left=Left(0, 2, 0), unseen=True, keyed=True, presence=False),
        4_000,
    ),
    "fail, a store that fails": (Rules("fail", left=Left(0, 2, 0), store_fails=True), 4_000),
    "fail, monitors that cannot be followed": (Rules("fail", left=Left(0, 2, 0), unfollowable=True), 6_000),
}
"""Each with the least number of states it must have."""

SAY_NOTHING_NEW = {events.Progressed, events.Troubled, events.Expired}
"""See `book.EVENTS`."""
NOT_HERE = {
    (State.UNKNOWN, events.HandedOver): "a call after its answer has arrived is another intention",
    (State.UNKNOWN, events.Declined): "a refusal that is heard after a takeover; owners give up at once here",
    (State.UNKNOWN, events.Unsent): "the same",
    (State.FAILED, events.Reconciled): "a taken name of one's own stands as an unclear outcome here",
}


@pytest.fixture(scope="module", name="searched")
def _searched() -> dict[str, Found]:
    return {}


@pytest.mark.parametrize("scene", SCENES)
def test_the_protocol_holds(scene: str, searched: dict[str, Found]) -> None:
    rules, floor = SCENES[scene]
    found = search(rules)
    searched[scene] = found
    print(f"\n{scene}: {found}")
    assert not found.breaches, "\n" + found.told()
    assert found.states >= floor, "the search has become smaller: is something never tried any more?"
    assert found.answered >= floor // 100


def test_every_arrow_and_every_decision_was_tried(searched: dict[str, Found]) -> None:
    for scene in SCENES.keys() - searched.keys():  # where they were not asked for, or one failed
        searched[scene] = search(SCENES[scene][0])
    arrows = {arrow for found in searched.values() for arrow in found.arrows}
    assert {arrow for arrow in TRANSITIONS.keys() - arrows if arrow[1] not in SAY_NOTHING_NEW} == set(
        NOT_HERE
    )
    decisions = {decision for found in searched.values() for decision in found.decisions}
    assert decisions == set(Decision) - {Decision.MISMATCH}, "another request under one key is another test's"
    states, steps = (sum(getattr(found, what) for found in searched.values()) for what in ("states", "steps"))
    deepest = max(found.depth for found in searched.values())
    print(
        f"\nModel check: {len(SCENES)} scenes, {states:,} states, {steps:,} steps, up to {deepest} deep; no breach."
    )


def test_the_search_itself_is_the_same_every_time() -> None:
    first, second = (search(Rules(left=Left(1, 1, 0))) for _ in range(2))
    assert str(first) == str(second)
