"""Records as bytes: exact both ways, versioned, and never half of one."""

import json
import re
from dataclasses import fields, replace
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from fakes.records import operation, running
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Operation, Plan, Problem, Sample, State
from gateway.store import StoreDown, record
from gateway.store.record import SCHEMA, RecordUnreadable, decode, encode
from gateway.store.sealed import Seals

CLEAR = Seals(())
SEALED = Seals((b"k" * 32,))

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    # Surrogates too, in pairs and alone: targets carry bytes that are no UTF-8 as such.
    str: st.text(st.characters() | st.sampled_from("\ud83d\ude00\udcff"), max_size=12),
    bytes: st.binary(max_size=12),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    State: st.sampled_from(State),
}


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type that the model uses."""
    options = get_args(kind)
    if get_origin(kind) is UnionType:
        return st.none() | of(options[0])
    if get_origin(kind) is tuple:
        if options[-1] is Ellipsis:
            return st.lists(of(options[0]), max_size=3).map(tuple)
        return st.tuples(*map(of, options))
    if kind in SCALARS:
        return SCALARS[kind]
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: of(hints[field.name]) for field in fields(kind)})


def read(data: object, like: Operation, seals: Seals = CLEAR) -> Operation:
    return decode(data, operation_id=like.id, key=like.key, seals=seals)


def written(content: dict[str, Any], schema: int = SCHEMA) -> bytes:
    """What `encode` would have written, had a record these members."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return b'{"schema":%d,"check":"%b","operation":%b}' % (schema, record._check(text), text)


def members(of_one: Operation) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(encode(of_one, CLEAR))["operation"]
    return content


def why(data: object, like: Operation, seals: Seals = CLEAR) -> str:
    with pytest.raises(RecordUnreadable) as caught:
        read(data, like, seals)
    assert caught.value.operation_id == like.id
    return caught.value.reason


@given(of(Operation), st.sampled_from([CLEAR, SEALED]))
def test_every_field_comes_back_exactly(one: Operation, seals: Seals) -> None:
    back = read(encode(one, seals), one, seals)
    assert back == one
    assert repr(back) == repr(one), "types too"
    assert back.monitor == one.monitor


def test_it_is_json_that_people_can_read() -> None:
    one = running(
        7,
        plan=Plan("drive", "itemCopy", "v1.0", "/s", prefer=b"respond-async"),
        request_ids=((b"request-id", b"\xff"),),
        samples=(Sample(1.5, 40.0),),
        problem=Problem(409, "nameAlreadyExists", "{}"),
    )
    said = json.loads(encode(one, CLEAR))
    assert said["schema"] == SCHEMA
    assert said["operation"]["id"] == f"{7:032x}"
    assert said["operation"]["state"] == "running"
    assert said["operation"]["plan"]["prefer"] == "respond-async"
    assert said["operation"]["request_ids"] == [["request-id", "ÿ"]]
    assert said["operation"]["samples"] == [{"at": 1.5, "percent": 40.0}]
    assert said["operation"]["monitor"] == f"clear:{one.monitor}"


def test_a_sealed_monitor_is_not_there_to_be_read() -> None:
    one = running(monitor="https://contoso.sharepoint.com/_api/monitor?tempauth=hunter2")
    data = encode(one, SEALED)
    assert b"hunter2" not in data
    assert b"monitor?" not in data
    assert read(data, one, SEALED) == one


GOLDEN = (
    b'{"schema":1,"check":"@","operation":{"id":"00000000000000000000000000000001","key":"key 1","fingerprint":'
    b'"fingerprint 1","principal":"11","starter":"22","keyed":false,"plan":{"dialect":"drive","kind":"itemCopy",'
    b'"version":"v1.0","source":"/v1.0/me/drive/items/A","items":"/v1.0/me/drive/items/","named":null,"into":null,"unique":true,"repeatable":false,'
    b'"result_query":"","prefer":"respond-async","inside":false,"way":0,"promised":null},"created_at":1800000000.0,"state":"running","epoch":2,"revision":3,'
    b'"supersedes":null,"first_sent_at":null,"client_request_id":"\xc3\xbf","submitted_at":1800000000.0,"accepted_at":1800000000.0,"ended_at":null,'
    b'"fetched_at":null,"delivered_at":null,"request_ids":[["request-id","r"]],"monitor":"clear:https://h/m","monitor_credential":false,'
    b'"last_heard_at":null,"next_poll_at":1800000000.5,"polls":0,"troubles":0,"last_trouble":null,"missing_since":null,'
    b'"last_status":"","percent":null,"samples":[{"at":1.5,"percent":2.0}],"advanced_at":1800000000.0,"resource":null,'
    b'"resource_id":null,"report":"","problem":{"status":502,"code":"x","error":"{}"},"reconciled":false}}'
).replace(b"@", b"be6c3fd1de09736a")
"""As schema 1 was written. It stays as it is, and stays readable, whatever becomes of the model."""

FROM_GOLDEN = running(
    principal="11",
    starter="22",
    plan=Plan(
        "drive",
        "itemCopy",
        "v1.0",
        "/v1.0/me/drive/items/A",
        items="/v1.0/me/drive/items/",
        unique=True,
        prefer=b"respond-async",
    ),
    epoch=2,
    revision=3,
    client_request_id=b"\xff",
    request_ids=((b"request-id", b"r"),),
    monitor="https://h/m",
    samples=(Sample(1.5, 2.0),),
    problem=Problem(502, "x", "{}"),
)


def test_schema_1_is_read_for_ever() -> None:
    assert read(GOLDEN, FROM_GOLDEN) == FROM_GOLDEN


def test_who_changes_the_fields_counts_the_schema_up() -> None:
    """Once it was, this test has done its duty: let it compare with a record of the new schema."""
    assert SCHEMA == 1
    assert encode(FROM_GOLDEN, CLEAR) == GOLDEN


def test_a_newer_schema_is_named_and_not_guessed_at() -> None:
    data = b'{"schema":%d,"form":"whatever comes to their minds"}' % (SCHEMA + 1)
    assert why(data, operation()) == (
        f"it was written by a newer version of the gateway (schema {SCHEMA + 1}; this one knows {SCHEMA})"
    )


def test_a_field_that_an_older_record_lacks_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    one = running(polls=3)
    content = members(one)
    del content["polls"], content["plan"]["unique"]
    older = written(content)
    assert "fields of a record" in why(older, one), "at today's schema, every field is there"
    monkeypatch.setattr(record, "SCHEMA", SCHEMA + 1)
    assert read(older, one) == replace(one, polls=0, plan=replace(one.plan, unique=False))
    del content["principal"]
    assert "fields of a record" in why(written(content), one), "and that one has no default"


def test_an_unreadable_record_is_a_store_that_is_down() -> None:
    error = RecordUnreadable("abc", "it is damaged")
    assert isinstance(error, StoreDown)
    assert str(error) == "the record of operation abc cannot be read: it is damaged"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        None,
        "text",
        b'{"schema":1}',
        b'{"schema":01,"check":"0000000000000000","operation":{}}',
        b'{"schema":1,"check":"0000000000000000","operation":{}}',
        encode(running(), CLEAR)[:-1],
        encode(running(), CLEAR) + b" ",
    ],
)
def test_what_is_no_record_is_damaged(data: object) -> None:
    assert why(data, running()) == "it is damaged"


@pytest.mark.parametrize("text", [b"{]}", b'{"a":\xff}', b"{" + b'"a":[' * 100_000 + b"}"])
def test_what_is_no_json_is_damaged(text: bytes) -> None:
    data = b'{"schema":1,"check":"%b","operation":%b}' % (record._check(text), text)
    assert why(data, running()) == "it is damaged"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 5),
        ("keyed", 1),
        ("keyed", None),
        ("plan", []),
        ("plan", None),
        ("created_at", "1"),
        ("created_at", True),
        ("state", "flying"),
        ("state", ["running"]),
        ("epoch", 1.5),
        ("epoch", True),
        ("client_request_id", "\u0100"),
        ("client_request_id", 5),
        ("request_ids", [["a"]]),
        ("request_ids", [["a", "b", "c"]]),
        ("request_ids", "ab"),
        ("monitor", 5),
        ("samples", {}),
        ("samples", [{"at": 1.0}]),
        ("samples", [{"at": 1.0, "percent": 1.0, "more": 1}]),
        ("problem", "x"),
        ("surprise", 1),
    ],
)
def test_what_does_not_fit_the_model_is_no_record(field: str, value: object) -> None:
    one = running()
    assert re.match(
        "it holds a value that|it does not have the fields", why(written({**members(one), field: value}), one)
    )


def test_a_record_belongs_to_its_row() -> None:
    data = encode(running(1), CLEAR)
    assert why(data, running(2)) == "it is the record of another operation"
    assert why(data, replace(running(1), key="another")) == "it is the record of another operation"


def test_a_sealed_monitor_does_not_open_in_another_record() -> None:
    mine, theirs = running(1, monitor="https://h/mine"), running(2, monitor="https://h/theirs")
    stolen = {**members(mine), "monitor": json.loads(encode(theirs, SEALED))["operation"]["monitor"]}
    assert why(written(stolen), mine, SEALED) == "what is sealed in it was changed, or belongs elsewhere"


def test_a_record_names_the_key_that_it_lacks() -> None:
    one = running()
    reason = why(encode(one, SEALED), one, Seals((b"n" * 32,)))
    assert reason == f"it is sealed with the key {SEALED.current}, which is not in operations.encryption_key"


@pytest.mark.parametrize("seals", [CLEAR, SEALED], ids=["clear", "sealed"])
def test_a_flipped_bit_is_noticed_or_changes_nothing(seals: Seals) -> None:
    one = running(samples=(Sample(1.5, 2.0),), client_request_id=b"\x00\xff")
    data = encode(one, seals)
    for at in range(len(data)):
        for bit in (1, 4, 32, 128):
            flipped = bytes([*data[:at], data[at] ^ bit, *data[at + 1 :]])
            try:
                assert read(flipped, one, seals) == one
            except RecordUnreadable:
                continue
