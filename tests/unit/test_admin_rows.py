"""Rows: what operators are told of an operation, and which operations they asked for."""

from dataclasses import fields, replace
from typing import Any

import pytest
from fakes.records import START, operation, running

from gateway.admin.rows import Rows, Wanted, expected_end, foremost, moment
from gateway.model import Operation, Problem, Sample, State

SAMPLES = (Sample(START + 10, 20.0), Sample(START + 20, 40.0))
ROWS = Rows(stalled_after=600.0, waiting_for=lambda _: 2, followed_here=lambda _: True)


def test_nothing_secret_of_a_record_is_in_its_row() -> None:
    secrets: dict[str, Any] = {
        "key": "k-secret",
        "fingerprint": "f-secret",
        "principal": "p-secret",
        "starter": "s-secret",
        "monitor": "https://contoso.sharepoint.com/m?tempauth=m-secret",
        "resource": "/v1.0/r-secret",
        "resource_id": "i-secret",
        "report": "t-secret",
        "client_request_id": b"c-secret",
        "request_ids": ((b"request-id", b"q-secret"),),
        "problem": Problem(409, "nameAlreadyExists", '{"message": "e-secret"}'),
    }
    plan = replace(
        operation().plan, source="/n-secret", named="/n-secret", into="/n-secret", items="/n-secret"
    )
    row = ROWS.row(running(plan=plan, **secrets), START)
    assert "secret" not in repr(row)
    assert row["code"] == "nameAlreadyExists"
    text = {each.name for each in fields(Operation) if "str" in str(each.type)}
    harmless = {"id", "supersedes", "last_trouble", "last_status"}
    assert text - harmless <= {*secrets, "report"}, "a new field: may it be shown?"


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"samples": SAMPLES}, START + 50),
        ({"samples": SAMPLES[1:]}, None),
        ({"samples": (Sample(START + 10, 20.0), Sample(START + 20, 20.0))}, None),
        ({"samples": (Sample(START + 19, 10.0), Sample(START + 20, 40.0))}, None),
        ({"samples": SAMPLES, "state": State.SUCCEEDED}, None),
        ({}, None),
    ],
)
def test_an_end_is_expected_where_two_predictions_agree(changes: dict[str, Any], end: float | None) -> None:
    assert expected_end(running(**changes)) == end


def test_what_passes_with_time_is_in_the_row() -> None:
    at_first, later = (ROWS.row(running(), now) for now in (START + 0.25, START + 600.0))
    assert (at_first["age"], at_first["next_poll_in"], at_first["stalled"]) == (0.25, 0.25, False)
    assert (later["age"], later["next_poll_in"], later["stalled"]) == (600.0, 0.0, True)
    assert (later["callers_waiting"], later["followed_here"]) == (2, True)


def test_moments_are_in_utc_to_the_millisecond() -> None:
    assert moment(0.0) == "1970-01-01T00:00:00.000Z"
    assert moment(START + 0.1234) == "2027-01-15T08:00:00.123Z"
    assert moment(None) is None


def test_an_operation_whose_credential_is_gone_waits_for_its_caller() -> None:
    row = ROWS.row(running(last_trouble="no_credential"), START)
    assert row["waiting_for_caller"] is True
    ended = ROWS.row(operation(state=State.LOST, last_trouble="no_credential"), START)
    assert ended["waiting_for_caller"] is False


@pytest.mark.parametrize("state", [*State, "active", "ended", "stalled", "waiting_for_caller"])
def test_every_state_can_be_asked_for(state: str) -> None:
    wanted = Wanted.of({"state": state})
    taken = {one for one in State if wanted.takes(operation(state=one), stalled=False)}
    groups: dict[str, set[State]] = {
        "active": {State.RESERVED, State.SUBMITTING, State.RUNNING},
        "ended": set(State) - {State.RESERVED, State.SUBMITTING, State.RUNNING},
        "stalled": set(),
        "waiting_for_caller": set(),
    }
    assert taken == groups.get(state, {state})


def test_of_too_many_those_under_way_are_kept() -> None:
    ended = [operation(number, state=State.SUCCEEDED) for number in range(5)]
    under_way = [running(number) for number in range(10, 13)]
    mixed = [*ended[:3], *under_way, *ended[3:]]
    assert foremost(mixed, 4) == [*under_way, ended[0]]
    assert foremost(mixed, 2) == under_way[:2]
    assert foremost(mixed, 8) == [*under_way, *ended]
