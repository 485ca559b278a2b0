"""Sameness: principals, fingerprints, keys, and every cell of the table that says what a repeated call means."""

import base64
import json
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sameness
from gateway.model import ACTIVE, FINISHED, Operation, Plan, State
from gateway.sameness import Ask, Decision, ReplayRules

HEX = 64
ENTRA = {"tid": "t1", "oid": "o1", "sub": "s1", "appid": "a1", "exp": 1_795_000_000}


def segment(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def raw_token(payload: str, signature: str = "c2ln") -> bytes:
    return f"Bearer {segment('{}')}.{segment(payload)}.{signature}".encode()


def token(claims: object, signature: str = "c2ln") -> bytes:
    return raw_token(json.dumps(claims), signature)


def without(name: str) -> dict[str, object]:
    return {claim: value for claim, value in ENTRA.items() if claim != name}


# --- who -------------------------------------------------------------------------------------------------


def test_a_renewed_token_is_the_same_caller_with_another_credential() -> None:
    before, after = token(ENTRA), token(ENTRA | {"exp": 1_795_009_999}, "other")
    assert sameness.principal_of(before) == sameness.principal_of(after)
    assert sameness.credential_digest(before) != sameness.credential_digest(after)
    assert sameness.principal_of(before) != sameness.credential_digest(before)


@pytest.mark.parametrize("claim", ["tid", "oid", "appid"])
def test_another_tenant_user_or_app_is_another_caller(claim: str) -> None:
    assert sameness.principal_of(token(ENTRA)) != sameness.principal_of(token(ENTRA | {claim: "x"}))


def test_claims_do_not_run_together() -> None:
    one = {"tid": "ab", "oid": "c", "appid": ""}
    other = {"tid": "a", "oid": "bc", "appid": ""}
    assert sameness.principal_of(token(one)) != sameness.principal_of(token(other))


def test_sub_stands_in_for_oid_and_azp_for_appid() -> None:
    assert sameness.principal_of(token(without("oid"))) == sameness.principal_of(
        token(without("oid") | {"x": 1})
    )
    by_azp = without("appid") | {"azp": "a1"}
    assert sameness.principal_of(token(by_azp)) == sameness.principal_of(token(ENTRA))
    by_sub = without("oid") | {"sub": "o1"}
    assert sameness.principal_of(token(by_sub)) != sameness.principal_of(token(ENTRA))


def test_a_token_without_an_app_names_its_user() -> None:
    plain = token(without("appid"))
    assert sameness.principal_of(plain) == sameness.principal_of(token(without("appid"), "other"))
    assert sameness.principal_of(plain) != sameness.principal_of(token(ENTRA))


def test_scheme_and_space_do_not_count() -> None:
    exact = token(ENTRA)
    for other in (exact.replace(b"Bearer", b"bEARER"), exact.replace(b" ", b"   "), b" " + exact + b" "):
        assert sameness.principal_of(other) == sameness.principal_of(exact)
        assert sameness.credential_digest(other) == sameness.credential_digest(exact)


def test_nobody_is_one_caller_and_not_somebody_called_so() -> None:
    assert sameness.principal_of(None) == sameness.credential_digest(None)
    for value in (b"", b"anonymous", b"Bearer", b"Bearer ", b"Bearer anonymous"):
        assert sameness.principal_of(value) != sameness.principal_of(None)


JUNK = [
    b"",
    b"Bearer",
    b"Bearer opaque-consumer-token",
    b"Bearer a.b",
    b"Bearer a.b.c.d.e",
    b"Bearer ..",
    b"Bearer a.*.c",
    b"Bearer a.bbbbb.c",
    b"Bearer \xff\xfe.\x00.c",
    b"Bearer " + token(ENTRA)[7:] + b" x",
    b"Basic " + token(ENTRA)[7:],
    token(ENTRA)[7:],
    raw_token("[]"),
    raw_token("null"),
    raw_token("{"),
    raw_token('"\ud800"'.encode("utf-8", "backslashreplace").decode()),
    raw_token("[" * 100_000),
    raw_token("[" * 20_000),
    raw_token('{"a":' * 10_000),
    raw_token('{"tid":"t1","oid":"o1","x":' + "9" * 10_000 + "}"),
    raw_token('{"tid":"t1","oid":"o1","appid":"a1","oid":"o2"}'),
    raw_token('{"tid":"t1","oid":"o1","appid":"a1","x":{"y":1,"y":2}}'),
    b"Bearer a." + base64.b64encode(b"\xff\xfe\xfd") + b".c",
    token(without("tid")),
    token(without("tid") | {"iss": "x"}),
    token({"tid": "t1"}),
    token(ENTRA | {"tid": 1}),
    token(ENTRA | {"tid": ""}),
    token(ENTRA | {"oid": None}),
    token(ENTRA | {"oid": ["o1"]}),
    token(ENTRA | {"oid": "x" * 300}),
    token(ENTRA | {"appid": {"a": 1}}),
]


@pytest.mark.parametrize("authorization", JUNK, ids=range(len(JUNK)))
def test_what_names_nobody_plainly_stands_for_itself(authorization: bytes) -> None:
    assert sameness.principal_of(authorization) == sameness.credential_digest(authorization)


@given(st.binary(max_size=200) | st.text(max_size=50).map(raw_token))
def test_any_credential_has_digests(authorization: bytes) -> None:
    assert len(sameness.principal_of(authorization)) == HEX
    assert len(sameness.credential_digest(authorization)) == HEX


# --- which call ------------------------------------------------------------------------------------------


def fp(
    body: bytes = b"{}",
    content_type: bytes | None = b"application/json",
    method: str = "POST",
    origin: str = "https://graph.microsoft.com",
    target: str = "/v1.0/me/drive/items/A/copy",
) -> str:
    return sameness.fingerprint(method, origin, target, content_type, body)


def test_each_part_counts() -> None:
    prints = [
        fp(),
        fp(method="PATCH"),
        fp(origin="https://graph.microsoft.us"),
        fp(target="/v1.0/me/drive/items/B/copy"),
        fp(content_type=b"text/plain"),
        fp(content_type=None),
        fp(body=b'{"name":"x"}'),
        fp(body=b""),
    ]
    assert len(set(prints)) == len(prints)


def test_parts_do_not_run_together() -> None:
    assert fp(method="POST", origin="https://a") != fp(method="POSThttps://a", origin="")
    assert fp(origin="https://a", target="/b") != fp(origin="https://a/", target="b")


def test_every_target_has_a_print_even_one_that_is_no_text() -> None:
    assert len({fp(target=target) for target in ("/\udce4", "/\ud800", "/ä", "/\ufffd")}) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":[true,null]}', b' { "b" : [ true , null ] ,\r\n\t"a" : 1 } '),
        (b'{"a":{"c":1,"b":2}}', b'{"a":{"b":2,"c":1}}'),
        (b'{"n":"\\u00fc\\/"}', '{"n":"ü/"}'.encode()),
        (b'{"\\u0061":1}', b'{"a":1}'),
        (b"[]", b" [ ] "),
        (b'"\\ud83d\\ude00"', '"😀"'.encode()),
    ],
)
def test_spellings_of_one_json_are_one(one: bytes, other: bytes) -> None:
    assert fp(one) == fp(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":0}', b'{"a":-0}'),
        (b'{"a":0}', b'{"a":false}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":1e2}', b'{"a":100}'),
        (b'{"a":12345678901234567890}', b'{"a":12345678901234567891}'),
        (b'{"a":0.1}', b'{"a":0.10000000000000000001}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":"x"}', b'{"a":"X"}'),
        (b'{"a":"x"}', b'{"a":"x "}'),
        (b'{"a":"\\u00fc"}', b'{"a":"u\\u0308"}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":1,"a":2}', b'{"a":2,"a":1}'),
        (b'{"a":1,"a":2}', b'{"a":1, "a":2}'),
        (b'{"a":NaN}', b'{"a": NaN}'),
        (b'{"a":Infinity}', b'{"a": Infinity}'),
        (b"{'a':1}", b"{'a': 1}"),
        (b"\xff", b"\xfe"),
        (b"\xef\xbb\xbf{}", b"{}"),
        (b"", b"{}"),
        (b"", b'""'),
        (b"{}", b"[]"),
    ],
)
def test_what_might_mean_something_else_is_something_else(one: bytes, other: bytes) -> None:
    assert fp(one) != fp(other)


def test_deep_large_and_long_numbered_bodies_are_compared_as_they_are() -> None:
    deepest = b"[" * 63 + b"1" + b"]" * 63
    assert fp(deepest) == fp(deepest.replace(b"1", b" 1"))
    named = b'{"a":' * 63 + b"1" + b"}" * 63
    assert fp(named) == fp(named.replace(b"1", b" 1"))
    for body in (
        b"[" * 64 + b"1" + b"]" * 64,
        b'{"a":' * 64 + b"1" + b"}" * 64,
        b"[" * 900 + b"1" + b"]" * 900,
        b"[" * 100_000,
        b"[1" + b",1" * 100_000 + b"]",
    ):
        assert fp(body) == fp(body)
        assert fp(body) != fp(body + b" ")
    long_number = b"[" + b"9" * 20_000 + b"]"
    assert fp(long_number) == fp(long_number + b" ")


@pytest.mark.parametrize(
    "spelling",
    [
        b"application/json",
        b" Application/JSON ",
        b"application/json;charset=utf-8",
        b'application/json; Charset="UTF-8"',
        b"application/json;",
        b"application/json ; charset=utf-8 ;",
    ],
)
def test_spellings_of_one_content_type_are_one(spelling: bytes) -> None:
    assert fp(content_type=spelling) == fp()


def test_order_of_parameters_does_not_count_but_they_do() -> None:
    one = b"application/json;IEEE754Compatible=true; odata.metadata=full"
    other = b'application/json; odata.metadata="full"; ieee754compatible=true'
    assert fp(content_type=one) == fp(content_type=other)
    different = [
        b"application/json",
        one,
        b"application/json;odata.metadata=full",
        b"application/json;charset=latin1",
        b"multipart/mixed;boundary=a",
        b"multipart/mixed;boundary=A",
        b"application/json;junk",
        b'application/json;a="open',
        b"text/json",
        b"",
    ]
    assert len({fp(content_type=value) for value in different}) == len(different)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value: object, rng: random.Random) -> object:
    """The same JSON with its names in another order."""
    if isinstance(value, dict):
        names = list(value)
        rng.shuffle(names)
        return {name: shuffled(value[name], rng) for name in names}
    if isinstance(value, list):
        return [shuffled(item, rng) for item in value]
    return value


@given(json_values, st.randoms(use_true_random=False), st.sampled_from([None, 0, 3]))
def test_order_white_space_and_escapes_do_not_count(
    value: object, rng: random.Random, indent: int | None
) -> None:
    one = json.dumps(value).encode()
    other = json.dumps(shuffled(value, rng), ensure_ascii=False, indent=indent)
    assert fp(one) == fp(other.encode("utf-8"))


@given(json_values, json_values)
def test_different_json_is_different(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fp(json.dumps(one).encode()) == fp(json.dumps(other).encode())) is same


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_any_body_and_type_have_a_print(body: bytes, content_type: bytes) -> None:
    assert len(fp(body, content_type)) == HEX


# --- keys ------------------------------------------------------------------------------------------------


def key(
    secret: bytes = b"secret",
    mode: str = "passthrough",
    principal: str = "p",
    idempotency_key: bytes | None = None,
    fingerprint: str = "f",
) -> str:
    return sameness.dedupe_key(
        secret, mode, principal, idempotency_key=idempotency_key, fingerprint=fingerprint
    )


def test_a_key_depends_on_all_that_matters() -> None:
    keys = [
        key(),
        key(secret=b"other"),
        key(mode="on_behalf_of"),
        key(principal="q"),
        key(fingerprint="g"),
        key(idempotency_key=b"f"),
        key(idempotency_key=b"k"),
        key(mode="passthroughp", principal=""),
    ]
    assert len(set(keys)) == len(keys)
    assert {len(one) for one in keys} == {HEX}


def test_under_an_idempotency_key_the_fingerprint_does_not_count() -> None:
    assert key(idempotency_key=b"k", fingerprint="f") == key(idempotency_key=b"k", fingerprint="g")


@pytest.mark.parametrize(
    "value",
    [
        b"k",
        b"8e03978e-40d5-43dd-bc93-6894a57f9324",
        b'"8e03"',
        b'"a b"',
        rb'"a\"\\"',
        b"x" * 255,
        b"!~",
        b'a"b',
    ],
)
def test_idempotency_keys_that_are_taken(value: bytes) -> None:
    assert sameness.valid_idempotency_key(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"a b",
        b"x" * 256,
        b'""',
        b'"',
        b'"a',
        b'"a"b',
        b'"a";p=1',
        b'"\\x"',
        b"a\x00",
        b"a\n",
        b"\xc3\xa4",
    ],
)
def test_idempotency_keys_that_are_not(value: bytes) -> None:
    assert not sameness.valid_idempotency_key(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1", True),
        (b" 2 ", True),
        (b"007", True),
        (None, False),
        (b"", False),
        (b"0", False),
        (b"-1", False),
        (b"1.5", False),
        (b"yes", False),
        (b"1, 2", False),
        (b"9" * 5000, False),
        ("١".encode(), False),
    ],
)
def test_retry_attempts(*, value: bytes | None, expected: bool) -> None:
    assert sameness.retry_attempt(value) is expected


# --- what follows ----------------------------------------------------------------------------------------

RULES = ReplayRules(keep_finished=900.0, keep_keyed=86_400.0, replay_grace=0.0)
GRACE = ReplayRules(keep_finished=900.0, keep_keyed=86_400.0, replay_grace=5.0)
PLAN = Plan("drive", "itemCopy", "v1.0", "/v1.0/me/drive/items/A")
NOW = 1_700_000_000.0
UNSURE = {State.UNKNOWN, State.LOST}


def record(
    state: State,
    *,
    keyed: bool = False,
    ended: float | None = None,
    delivered: float | None = None,
    client_request_id: bytes | None = b"c1",
) -> Operation:
    """`ended` and `delivered`: seconds ago."""
    return Operation(
        id="0" * 32,
        key="k",
        fingerprint="f",
        principal="p",
        starter="s",
        keyed=keyed,
        plan=PLAN,
        created_at=NOW - 100_000,
        state=state,
        client_request_id=client_request_id,
        ended_at=None if ended is None else NOW - ended,
        delivered_at=None if delivered is None else NOW - delivered,
    )


def decide(existing: Operation | None, ask: Ask, rules: ReplayRules = RULES) -> Decision:
    return sameness.decide(existing, ask, NOW, rules)


PLAIN = Ask("f")
KEYED = Ask("f", keyed=True)
OTHER = Ask("g", keyed=True)
RETRY = Ask("f", retry_attempt=True)
SAME_ID = Ask("f", client_request_id=b"c1")
OTHER_ID = Ask("f", client_request_id=b"c2")
START, JOIN, REPLAY = Decision.START, Decision.JOIN, Decision.REPLAY
MISMATCH, RECONCILE = Decision.MISMATCH, Decision.RECONCILE


@pytest.mark.parametrize("ask", [PLAIN, KEYED, OTHER, RETRY, SAME_ID])
def test_row_1_nothing_there_or_rejected(ask: Ask) -> None:
    assert decide(None, ask) is START
    assert decide(record(State.REJECTED, keyed=ask.keyed, ended=1.0), ask) is START


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_row_2_running(state: State) -> None:
    assert decide(record(state, keyed=True), KEYED) is JOIN
    assert decide(record(state, keyed=True), OTHER) is MISMATCH
    for ask in (PLAIN, RETRY, SAME_ID):
        assert decide(record(state), ask) is JOIN


@pytest.mark.parametrize("state", sorted(FINISHED))
@pytest.mark.parametrize(
    ("ask", "ended", "expected"),
    [
        (KEYED, 0.0, REPLAY),
        (KEYED, 86_399.0, REPLAY),
        (KEYED, 86_400.0, START),
        (OTHER, 0.0, MISMATCH),
        (OTHER, 86_399.0, MISMATCH),
        (OTHER, 86_400.0, START),
        (PLAIN, 0.0, REPLAY),
        (PLAIN, 899.0, REPLAY),
        (PLAIN, 900.0, START),
        (RETRY, 899.0, REPLAY),
        (RETRY, 900.0, START),
        (SAME_ID, 900.0, START),
    ],
)
def test_row_3_finished_and_never_delivered(state: State, ask: Ask, ended: float, expected: Decision) -> None:
    assert decide(record(state, keyed=ask.keyed, ended=ended), ask) is expected


@pytest.mark.parametrize("state", sorted(FINISHED))
@pytest.mark.parametrize(
    ("ask", "delivered", "rules", "expected"),
    [
        (KEYED, 0.0, RULES, REPLAY),
        (KEYED, 80_000.0, RULES, REPLAY),
        (OTHER, 10.0, RULES, MISMATCH),
        (PLAIN, 0.0, RULES, START),
        (PLAIN, 10.0, RULES, START),
        (PLAIN, -10.0, RULES, START),
        (PLAIN, 4.9, GRACE, REPLAY),
        (PLAIN, 5.0, GRACE, START),
        (RETRY, 0.0, RULES, REPLAY),
        (RETRY, 179.0, RULES, REPLAY),
        (RETRY, 180.0, RULES, START),
        (SAME_ID, 179.0, RULES, REPLAY),
        (SAME_ID, 180.0, RULES, START),
        (OTHER_ID, 10.0, RULES, START),
        (OTHER_ID, 4.0, GRACE, REPLAY),
    ],
)
def test_row_4_finished_and_delivered(
    state: State, ask: Ask, delivered: float, rules: ReplayRules, expected: Decision
) -> None:
    """Long after its end; only the key looks at that."""
    existing = record(state, keyed=ask.keyed, ended=delivered + 1000.0, delivered=delivered)
    assert decide(existing, ask, rules) is expected


@pytest.mark.parametrize("state", sorted(UNSURE))
@pytest.mark.parametrize("delivered", [None, 10.0])
def test_row_5_unknown_or_lost(state: State, delivered: float | None) -> None:
    for ended in (0.0, 1e6):
        for ask in (PLAIN, KEYED, RETRY, SAME_ID):
            existing = record(state, keyed=ask.keyed, ended=ended, delivered=delivered)
            assert decide(existing, ask) is RECONCILE
        assert decide(record(state, keyed=True, ended=ended, delivered=delivered), OTHER) is MISMATCH


def test_two_calls_without_a_client_request_id_do_not_have_the_same() -> None:
    existing = record(State.SUCCEEDED, ended=10.0, delivered=5.0, client_request_id=None)
    assert decide(existing, PLAIN) is START


def test_ten_copies_in_a_row_are_ten_copies() -> None:
    """A script that sends one and the same POST again after each answer."""
    existing = None
    for _ in range(10):
        assert decide(existing, PLAIN) is START
        existing = record(State.SUCCEEDED, ended=0.1, delivered=0.05)


def test_a_record_without_its_end_counts_as_new() -> None:
    assert decide(record(State.RESULT), PLAIN) is REPLAY


def test_a_clock_that_was_set_back_loses_nothing() -> None:
    assert decide(record(State.SUCCEEDED, ended=-3600.0), PLAIN) is REPLAY


ages = st.none() | st.floats(-1e5, 1e6)


@given(
    state=st.sampled_from(State),
    ended=ages,
    delivered=ages,
    ask=st.builds(
        Ask, st.sampled_from(["f", "g"]), st.booleans(), st.booleans(), st.sampled_from([None, b"c1", b"c2"])
    ),
    rules=st.sampled_from([RULES, GRACE]),
)
def test_every_call_gets_a_decision_that_fits_the_state(
    state: State, ended: float | None, delivered: float | None, ask: Ask, rules: ReplayRules
) -> None:
    decision = decide(record(state, keyed=ask.keyed, ended=ended, delivered=delivered), ask, rules)
    allowed = {MISMATCH} if ask.fingerprint == "g" else set()
    if state is State.REJECTED:
        allowed = {START}
    elif state in ACTIVE:
        allowed = allowed or {JOIN}
    elif state in FINISHED:
        allowed = (allowed or {REPLAY}) | {START}
    else:
        allowed = allowed or {RECONCILE}
    assert decision in allowed


def test_only_an_ended_or_missing_operation_lets_another_start() -> None:
    """What must never happen: a second POST while the first may still be carried out."""
    for state, ask in product(ACTIVE | UNSURE, (PLAIN, KEYED, OTHER, RETRY, SAME_ID, OTHER_ID)):
        assert decide(record(state, keyed=ask.keyed, ended=1e9), ask) is not START
