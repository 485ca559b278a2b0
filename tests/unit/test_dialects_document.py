"""Any answer at all: whatever bytes a monitor sends, what comes out of reading them is harmless."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.drive import Drive
from gateway.model import Ailment, Plan, Progress, Reply, Report, Trouble
from unit.dialect_script import (
    COMPLETED,
    COPY,
    ID,
    MINE,
    TO_DOCUMENTS,
    UNDER_WAY,
    heard,
    planned,
    reply,
    reported,
)

DRIVE = Drive()

# --- the text of a report ------------------------------------------------------------------------------


def test_a_final_report_keeps_its_text_and_a_running_one_does_not() -> None:
    assert reported(reply(200, COMPLETED)) == Report(
        Progress.SUCCEEDED, "completed", 100.0, f"{MINE}/items/{ID}", ID, None, COMPLETED
    )
    assert reported(reply(200, UNDER_WAY)) == Report(Progress.RUNNING, "inProgress", 27.8)
    assert reported(reply(303, "<html>")).body == ""
    assert reported(reply(200, '\ufeff{"status":"completed"}')).body == '{"status":"completed"}'


def test_the_text_of_a_report_is_json_even_where_the_monitors_was_not() -> None:
    report = reported(reply(200, '{"status":"completed","percentageComplete":NaN,"x":"\\ud800"}'))
    assert json.loads(report.body) == {"status": "completed", "percentageComplete": None, "x": "\ud800"}
    assert report.body.isascii()


def test_the_status_word_is_kept_as_it_was_spelled_but_harmless() -> None:
    assert reported(reply(200, {"status": "InProgress"})).status == "InProgress"
    assert reported(reply(200, '{"status":"a\\nb\\ud800é"}')).status == "a?b??"
    assert len(reported(reply(200, {"status": "x" * 1000})).status) == 128


def test_nesting_and_length_blow_nothing_up() -> None:
    deep = (
        '{"status":"failed","error":{"message":"x","innerError":' + '{"innerError":' * 400 + "1" + "}" * 402
    )
    assert reported(reply(200, deep)).progress is Progress.FAILED
    for body in ("[" * 200_000, '{"a":' * 200_000, '{"status":' + "[" * 100_000 + "]" * 100_000 + "}"):
        assert heard(reply(200, body)) == Trouble(Ailment.GARBAGE, 200)
    huge = '{"status":"completed","resourceId":"B","x":' + "9" * 100_000 + "}"
    assert reported(reply(200, huge)).resource == f"{MINE}/items/B"


# --- any answer ----------------------------------------------------------------------------------------


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "status state error resourceId resourceLocation percentageComplete id name parentReference errorCode resultInfo "
    "statusDescription statusDetail message"
)
reports = st.dictionaries(
    st.sampled_from(FIELDS.split(" ")),
    json_values
    | st.sampled_from(["completed", "failed", "inProgress", "b!x", "https://x.test/drives/d/items/i", ".."])
    | st.dictionaries(
        st.sampled_from(["code", "message", "details", "innerError", "state", "driveId"]), json_values
    ),
    max_size=6,
)
replies = st.builds(
    Reply,
    st.integers(0, 999),
    st.lists(
        st.tuples(
            st.sampled_from([b"Location", b"Retry-After", b"retry-after", b"X"]), st.binary(max_size=40)
        ),
        max_size=3,
    ).map(tuple),
    st.binary(max_size=60)
    | reports.map(json.dumps).map(str.encode)
    | json_values.map(json.dumps).map(str.encode),
    st.booleans(),
)
plans = st.sampled_from(
    [
        planned(COPY),
        planned(COPY, TO_DOCUMENTS),
        planned(COPY, b"{"),
        planned("PATCH /v1.0/me/drive/items/A", {"parentReference": {"id": "P"}}),
    ]
)


@given(plans, replies, st.floats(0, 4e9))
def test_any_answer_is_read(plan: Plan, said: Reply, now: float) -> None:
    """Never an exception; what comes out can be stored, sent and logged, and leads nowhere but into the API."""
    said_to_us = DRIVE.read(plan, said, now)
    assert said_to_us.retry_after is None or said_to_us.retry_after >= 0
    if isinstance(said_to_us, Trouble):
        assert said_to_us.code is None or said_to_us.code.isascii()
        return
    said_to_us.body.encode()
    assert said_to_us.status.isascii()
    assert said_to_us.percent is None or 0 <= said_to_us.percent <= 100
    assert (said_to_us.problem is not None) == (said_to_us.progress is Progress.FAILED)
    if said_to_us.problem is not None:
        assert said_to_us.problem.status not in {401, 429, 503, 504}
        assert said_to_us.problem.error.isascii()
        error = json.loads(said_to_us.problem.error)
        assert isinstance(error["code"], str)
        assert isinstance(error["message"], str)
    if said_to_us.resource is not None:
        assert said_to_us.resource.startswith("/v1.0/")
        assert not {".", "..", ""} & set(said_to_us.resource.split("/")[1:])
        assert not set("?#\\% ") & set(said_to_us.resource.replace("%20", ""))
