"""The life of an operation: what Graph said, and what we do next."""

import json
from dataclasses import fields, replace

import pytest
from fakes.records import START, operation, running
from hypothesis import given
from hypothesis import strategies as st

from gateway import events, lifecycle
from gateway.events import Event
from gateway.lifecycle import TRANSITIONS, IllegalTransition
from gateway.model import ACTIVE, Ailment, Operation, Problem, Progress, Receipt, Report, State, Trouble
from gateway.pacing import Polling

POLLING = Polling()
MONITOR = "https://contoso.sharepoint.com/_api/v2.0/monitor/1"
BUSY = Report(Progress.RUNNING, "inProgress", 27.8)
DONE = Report(
    Progress.SUCCEEDED, "completed", 100.0, "/v1.0/me/drive/items/B", "B", body='{"status":"completed"}'
)
CONFLICT = Problem(409, "nameAlreadyExists", '{"code":"nameAlreadyExists","message":"Name already exists"}')
BROKEN = Report(Progress.FAILED, "failed", problem=CONFLICT)
GONE = Trouble(Ailment.MISSING, 404, "itemNotFound")

EVENTS: tuple[Event, ...] = (
    events.Sending(),
    events.Accepted(Receipt(MONITOR), ((b"request-id", b"r"),), 0.5),
    events.AcceptedDone("/v1.0/me/drive/items/B", ()),
    events.TakenOver(),
    events.Declined(),
    events.Unsent(),
    events.Unclear(),
    events.Untracked(),
    events.HandedOver(),
    events.Progressed(BUSY, 0.5),
    events.Troubled(Trouble(Ailment.BROKEN), 0.5),
    events.Completed(DONE),
    events.Failed(BROKEN, CONFLICT),
    events.Vanished(GONE),
    events.Expired(),
    events.Fetched(),
    events.Delivered(),
    events.Reconciled("/v1.0/me/drive/items/B", "B"),
)


def at(state: State) -> Operation:
    return replace(running(), state=state)


def advance(record: Operation, event: Event, now: float = START + 1.0) -> Operation:
    return lifecycle.advance(record, event, now, polling=POLLING)


class TestTable:
    def test_every_event_is_in_the_list_of_this_test(self) -> None:
        assert {type(event) for event in EVENTS} == set(Event.__args__)

    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
    def test_a_pair_leads_where_the_table_says_or_raises_and_changes_nothing(
        self, state: State, event: Event
    ) -> None:
        before = at(state)
        copy = replace(before)
        if (state, type(event)) in TRANSITIONS:
            after = advance(before, event)
            assert after.state is TRANSITIONS[state, type(event)]
            assert after.revision == before.revision + 1
        else:
            with pytest.raises(IllegalTransition):
                advance(before, event)
        assert before == copy

    def test_only_reserved_permits_the_post_and_nothing_leads_back_to_it(self) -> None:
        assert [pair for pair in TRANSITIONS if pair[1] is events.Sending] == [
            (State.RESERVED, events.Sending)
        ]
        leading_there = [pair for pair, state in TRANSITIONS.items() if state is State.RESERVED]
        assert leading_there == [(State.RESERVED, events.TakenOver)], "from where nothing was sent"

    def test_an_event_never_touches_who_the_operation_is(self) -> None:
        same = {"id", "key", "fingerprint", "principal", "starter", "keyed", "plan", "created_at"}
        for state, kind in TRANSITIONS:
            before = at(state)
            after = advance(before, next(event for event in EVENTS if type(event) is kind))
            changed = {f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name)}
            assert not changed & same

    @given(st.lists(st.sampled_from(EVENTS), max_size=12))
    def test_whatever_happens_the_post_is_permitted_once(self, happens: list[Event]) -> None:
        record, permitted = operation(), 0
        for event in happens:
            try:
                after = advance(record, event)
            except IllegalTransition:
                continue
            permitted += after.state is State.SUBMITTING
            record = after
        assert permitted <= 1


class TestSteps:
    def step(self, record: Operation, now: float = START + 1.0) -> lifecycle.Step:
        return lifecycle.next_step(record, now, deadline=100.0)

    def test_a_reserved_operation_is_to_be_submitted(self) -> None:
        assert self.step(operation()) == lifecycle.Submit()

    def test_a_running_one_is_polled_when_it_is_due(self) -> None:
        assert self.step(running()) == lifecycle.Poll(MONITOR, credential=False, not_before=START + 0.5)

    def test_no_poll_is_put_off_past_the_deadline(self) -> None:
        step = self.step(running(next_poll_at=START + 1000))
        assert isinstance(step, lifecycle.Poll)
        assert step.not_before == START + 100.0

    def test_at_the_deadline_it_is_given_up(self) -> None:
        assert self.step(running(), START + 100.0) == lifecycle.GiveUp()

    @pytest.mark.parametrize("state", sorted(set(State) - {State.RESERVED, State.RUNNING}))
    def test_in_every_other_state_there_is_nothing_to_drive(self, state: State) -> None:
        assert self.step(at(state)) == lifecycle.Rest()

    def test_a_running_record_without_a_monitor_is_a_bug_that_shows(self) -> None:
        with pytest.raises(ValueError, match="lacks a field"):
            self.step(running(monitor=None))


class TestStories:
    """What Graph said -> what we do next."""

    def test_accepted_then_progress_then_completed(self) -> None:
        record = advance(operation(), events.Sending(), START)
        assert record.submitted_at == START
        record = advance(record, EVENTS[1], START + 0.3)
        assert (record.monitor, record.accepted_at) == (MONITOR, START + 0.3)
        assert record.next_poll_at == pytest.approx(START + 0.8, abs=0.03)
        record = advance(record, events.Progressed(BUSY, 0.5), START + 0.8)
        assert (record.polls, record.percent, record.last_status) == (1, 27.8, "inProgress")
        assert record.next_poll_at is not None
        assert record.next_poll_at > START + 0.8
        record = advance(record, events.Completed(DONE), START + 2.0)
        assert (record.state, record.resource, record.polls) == (State.RESULT, "/v1.0/me/drive/items/B", 2)
        assert (record.ended_at, record.next_poll_at) == (START + 2.0, None)
        record = advance(record, events.Fetched(), START + 2.1)
        record = advance(record, events.Delivered(), START + 2.2)
        assert (record.state, record.delivered_at) == (State.SUCCEEDED, START + 2.2)

    def test_retry_after_on_the_202_puts_the_first_poll_off(self) -> None:
        accepted = events.Accepted(Receipt(MONITOR), (), 0.0, retry_after=5.0)
        record = advance(at(State.SUBMITTING), accepted, START)
        assert record.next_poll_at is not None
        assert record.next_poll_at >= START + 5.0

    def test_retry_after_on_a_report_is_obeyed(self) -> None:
        wish = replace(BUSY, retry_after=41.0)
        record = advance(running(), events.Progressed(wish, 0.0), START + 1)
        assert record.next_poll_at is not None
        assert record.next_poll_at >= START + 42.0

    def test_trouble_is_counted_and_forgotten_by_the_next_report(self) -> None:
        record = advance(running(), events.Troubled(Trouble(Ailment.THROTTLED, 429, retry_after=2.128), 0.0))
        assert (record.troubles, record.last_trouble) == (1, "throttled")
        assert record.next_poll_at is not None
        assert record.next_poll_at >= START + 1.0 + 2.128
        record = advance(record, events.Progressed(BUSY, 0.5), START + 5)
        assert (record.troubles, record.last_trouble, record.polls) == (0, None, 2)

    def test_a_monitor_that_stays_gone_is_lost_and_one_that_comes_back_is_not(self) -> None:
        record = running()
        for moment in (1.0, 30.0, 60.9):
            event = lifecycle.hear(record, GONE, START + moment, polling=POLLING, chance=0.5)
            assert isinstance(event, events.Troubled)
            record = advance(record, event, START + moment)
        assert record.missing_since == START + 1.0
        back = advance(
            record, lifecycle.hear(record, BUSY, START + 61, polling=POLLING, chance=0.5), START + 61
        )
        assert back.missing_since is None
        event = lifecycle.hear(record, GONE, START + 61.0, polling=POLLING, chance=0.5)
        lost = advance(record, event, START + 61.0)
        assert lost.state is State.LOST
        assert lost.problem is not None
        assert (lost.problem.status, lost.problem.code) == (502, "operationNotFound")

    def test_other_trouble_never_ends_an_operation(self) -> None:
        for ailment in set(Ailment) - {Ailment.MISSING}:
            record = running(missing_since=START - 1000.0)
            event = lifecycle.hear(record, Trouble(ailment), START + 1, polling=POLLING, chance=0.5)
            assert advance(record, event).state is State.RUNNING

    def test_failed_keeps_graphs_own_words(self) -> None:
        event = lifecycle.hear(running(), BROKEN, START + 1, polling=POLLING, chance=0.5)
        record = advance(running(), event)
        assert (record.state, record.problem) == (State.FAILED, CONFLICT)

    def test_failed_without_words_is_a_502_that_can_be_read(self) -> None:
        event = lifecycle.hear(running(), Report(Progress.FAILED), START + 1, polling=POLLING, chance=0.5)
        problem = advance(running(), event).problem
        assert problem is not None
        assert (problem.status, json.loads(problem.error)["code"]) == (502, "generalException")

    def test_past_the_deadline_it_is_lost_with_a_code_of_its_own(self) -> None:
        record = advance(running(), events.Expired(), START + 100)
        assert record.problem is not None
        assert (record.state, record.problem.code) == (State.LOST, "operationDeadlineExceeded")
        assert json.loads(record.problem.error)["message"]

    def test_the_location_already_was_the_item(self) -> None:
        record = advance(at(State.SUBMITTING), events.AcceptedDone("/v1.0/drives/d/items/B", ()))
        assert (record.state, record.resource) == (State.RESULT, "/v1.0/drives/d/items/B")

    def test_a_late_202_after_an_unknown_outcome_counts(self) -> None:
        unknown = advance(at(State.SUBMITTING), events.Unclear())
        record = advance(replace(unknown, monitor=None), EVENTS[1])
        assert (record.state, record.ended_at, record.monitor) == (State.RUNNING, None, MONITOR)

    def test_a_dead_owners_submission_is_unknown_and_its_running_operation_goes_on(self) -> None:
        sent = advance(at(State.SUBMITTING), events.TakenOver(), START + 9)
        assert (sent.state, sent.epoch, sent.ended_at) == (State.UNKNOWN, 2, START + 9)
        going = advance(running(), events.TakenOver())
        assert (going.state, going.epoch, going.next_poll_at) == (State.RUNNING, 2, START + 0.5)
        assert advance(operation(), events.TakenOver()).state is State.RESERVED

    def test_found_by_looking_for_it(self) -> None:
        unknown = advance(at(State.SUBMITTING), events.Unclear())
        record = advance(unknown, events.Reconciled("/v1.0/me/drive/items/B", "B"))
        assert (record.state, record.reconciled, record.resource_id) == (State.SUCCEEDED, True, "B")

    def test_a_huge_report_is_not_kept(self) -> None:
        huge = replace(DONE, body="x" * (lifecycle.LONGEST_REPORT + 1))
        assert advance(running(), events.Completed(huge)).report == ""


class TestStalled:
    def test_only_without_progress_for_as_long_as_it_says(self) -> None:
        assert not lifecycle.stalled(running(), START + 599, 600)
        assert lifecycle.stalled(running(), START + 600, 600)
        assert not lifecycle.stalled(replace(running(), state=State.RESULT), START + 600, 600)

    def test_progress_and_a_new_word_both_count_as_moving(self) -> None:
        record = advance(running(), events.Progressed(BUSY, 0.5), START + 100)
        assert record.advanced_at == START + 100
        same = advance(record, events.Progressed(BUSY, 0.5), START + 200)
        assert same.advanced_at == START + 100
        word = advance(same, events.Progressed(replace(BUSY, status="updating"), 0.5), START + 300)
        assert word.advanced_at == START + 300


def test_active_is_what_a_driver_or_a_sender_still_has_in_hand() -> None:
    assert {state for state in State if state in ACTIVE} == {State.RESERVED, State.SUBMITTING, State.RUNNING}


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (START + 10, START + 30),  # the same clock, and another one that is a little behind
        (START + 4, START + 29),
        (START - 3600, START - 3600 + 25),  # set back by an hour: the wait that was meant, no more
        (START + 3600, START + 30),
    ],
)
def test_a_clock_that_was_set_back_puts_no_poll_off(now: float, due: float) -> None:
    left = replace(running(), last_heard_at=START + 5, next_poll_at=START + 30)
    assert advance(left, events.TakenOver(), now).next_poll_at == due
