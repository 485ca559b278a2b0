"""The check of the chaos run, tried on made-up runs: it must see what it is there for."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.fleet import Life
from chaos.graph import Post, Truth
from chaos.history import Send, Story, Verdict, judge
from chaos.wishes import DIRECTIVES, Fault, Wish

LIFE = Life(0, 0, None, url="http://127.0.0.1:1")
KILLED = Life(0, 1, None, url="http://127.0.0.1:1", ended=2.0, why="kill")
GOOD = Send(1.0, 2.0, LIFE, 200, item="i", name="a.txt", drive="d")
UNKNOWN = Send(3.0, 4.0, LIFE, 409, "copyOutcomeUnknown")
BROKEN = Send(1.0, 2.0, KILLED)


def wish(identity: str = "1", **changes: Any) -> Wish:
    plain = Wish(identity, "u00", "a.txt", unique=False, keyed=False, duration=0.1)
    return replace(plain, **changes)


def told(
    sends: list[Send], *, effects: int = 1, posts: int = 1, simulate: str = "", **changes: Any
) -> Verdict:
    """The verdict on one wish. Two users have a drive; the first one's has the item."""
    return told_of([Story(wish(**changes), sends)], effects=effects, posts=posts, simulate=simulate)


def told_of(stories: list[Story], *, effects: int, posts: int = 1, simulate: str = "") -> Verdict:
    truth = Truth(
        drives={"u00": "d", "u01": "e"},
        items={"u00": {"i": "a.txt", "j": "a 1.txt"}, "u01": {"x": "a.txt"}},
        effects={"u00:/a.txt": effects},
        posts=[Post(story.wish.id, simulate, complete=True) for story in stories for _ in range(posts)],
        violations={},
    )
    verdict = judge(stories, [LIFE, KILLED], truth, kills=0, stops=0)
    verdict.missing.clear()
    return verdict


def test_one_copy_one_item_is_right() -> None:
    assert told([BROKEN, GOOD]).wrong == []


@pytest.mark.parametrize("ending", [[GOOD], [BROKEN, UNKNOWN]])
def test_an_item_too_many_is_a_duplicate(ending: list[Send]) -> None:
    assert told(ending, effects=2).duplicates


@pytest.mark.parametrize(
    "send",
    [
        replace(GOOD, item="k"),
        replace(GOOD, status=404, code="itemNotFound"),
        replace(GOOD, status=409, code="nameAlreadyExists"),
    ],
)
def test_a_copy_that_is_not_there_or_was_denied_is_lost(send: Send) -> None:
    assert told([send]).losses


def test_an_item_that_was_told_of_and_never_made_is_lost() -> None:
    assert told([GOOD], effects=0).losses


def test_no_answer_is_a_loss() -> None:
    assert told_of([Story(wish(), [BROKEN], tried="no final answer")], effects=1).losses


@pytest.mark.parametrize(
    "send", [replace(GOOD, item="x"), replace(GOOD, drive="e"), replace(GOOD, name="b.txt")]
)
def test_what_is_somebody_elses_is_seen(send: Send) -> None:
    assert told([send]).strangers


def test_a_second_post_is_seen_where_graph_would_not_refuse_it() -> None:
    assert told([GOOD], posts=2).second_posts
    assert not told([GOOD], posts=2, unique=True).second_posts
    assert told([GOOD], posts=2, unique=True).resent == 1


def test_a_post_that_was_refused_for_certain_does_not_count() -> None:
    assert not told([GOOD], posts=2, simulate="duration=1ms; fault=503(1)").second_posts
    assert {"503(1)", "429(1)"} == set(DIRECTIVES[Fault.BUSY])


def test_an_unknown_outcome_needs_a_reason() -> None:
    assert told([UNKNOWN]).unexplained
    assert not told([BROKEN, UNKNOWN]).unexplained
    assert not told([UNKNOWN], fault=Fault.CUT, simulate="fault=reset").unexplained
    # The fault was meant for it, and never reached Graph.
    assert told([UNKNOWN], fault=Fault.CUT).unexplained


@pytest.mark.parametrize("why", ["end", "kill"])
def test_a_second_copy_is_made_unless_the_first_ones_delivery_died(why: str) -> None:
    life = Life(0, 1, None, url="http://127.0.0.1:1", ended=2.1, why=why)
    first = Story(wish("1"), [replace(GOOD, life=life)])
    verdict = told_of([first, Story(wish("1b"), [replace(GOOD, began=2.5, ended=3.0)])], effects=1)
    forgotten = why == "kill"
    assert bool(verdict.losses) is not forgotten
    assert verdict.joined_second == forgotten


@pytest.mark.parametrize("keyed", [False, True])
def test_a_second_copy_that_says_it_is_a_retry_may_be_taken_for_one(*, keyed: bool) -> None:
    again = Story(wish("1b", keyed=keyed), [BROKEN, replace(GOOD, began=2.5, ended=3.0)])
    verdict = told_of([Story(wish("1"), [GOOD]), again], effects=1)
    assert bool(verdict.losses) is keyed
    assert verdict.joined_second == (not keyed)


def test_two_copies_are_two_items() -> None:
    stories = [Story(wish("1"), [GOOD]), Story(wish("1b"), [replace(GOOD, item="j", name="a 1.txt")])]
    assert told_of(stories, effects=2).wrong == []
    assert told_of(stories, effects=3).duplicates


def test_a_run_that_could_not_inject_its_faults_has_failed() -> None:
    stories = [Story(wish(fault=Fault.CUT), [GOOD])]
    truth = Truth(
        {"u00": "d"}, {"u00": {"i": "a.txt"}}, {"u00:/a.txt": 1}, [Post("1", "", complete=True)], {}
    )
    missing = judge(stories, [LIFE], truth, kills=1, stops=1).missing
    assert {line.partition(":")[0] for line in missing} >= {"cut", "kills", "stops", "callers that leave"}


def test_a_token_at_a_monitor_is_seen() -> None:
    truth = Truth({"u00": "d"}, {"u00": {}}, {}, [], {"authorization-sent": 1, "poll-after-end": 3})
    assert judge([], [], truth, kills=0, stops=0).exposed == ["authorization-sent: 1"]
