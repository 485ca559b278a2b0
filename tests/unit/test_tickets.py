"""Tickets: genuine, for one operation, one purpose and one caller, until they are over."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import Caller
from gateway.http.tickets import Purpose, Tickets

SECRET = b"s" * 32
NOW = 1_800_000_000.0
OPERATION = "ab" * 16
ANA = Caller("11" * 32, "22" * 32)
RENEWED = Caller("11" * 32, "33" * 32)
BEN = Caller("44" * 32, "22" * 32)


def written(ends_at: float = NOW + 60) -> str:
    return Tickets(SECRET).write(OPERATION, Purpose.RESULT, ANA, ends_at)


def read(
    text: str, operation: str = OPERATION, purpose: Purpose = Purpose.RESULT, now: float = NOW
) -> object:
    return Tickets(SECRET).read(text, operation, purpose, now)


def test_a_genuine_ticket_names_its_caller_by_digests() -> None:
    ticket = Tickets(SECRET).read(written(), OPERATION, Purpose.RESULT, NOW)
    assert ticket is not None
    assert ticket.is_of(ANA)
    assert ticket.is_of(RENEWED), "the same principal with a new token"
    assert not ticket.is_of(BEN)
    assert ticket.credential.hex() == ANA.credential[:32]


def test_it_is_for_one_operation_one_purpose_and_a_time() -> None:
    assert read(written(), operation="cd" * 16) is None
    assert read(written(), purpose=Purpose.STATUS) is None
    assert read(written(NOW - 0.001)) is None
    assert read(written(NOW)) is not None


def test_another_secret_makes_other_tickets() -> None:
    assert Tickets(b"t" * 32).read(written(), OPERATION, Purpose.RESULT, NOW) is None


def test_it_fits_into_a_url_as_it_is() -> None:
    assert set(written()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(written()) < 200


@given(st.integers(0, 10_000), st.characters())
def test_one_changed_character_makes_it_worthless(position: int, character: str) -> None:
    text = written()
    position %= len(text)
    changed = text[:position] + character + text[position + 1 :]
    # base64 has spare bits in its last character: another spelling of the very same bytes is the very same ticket
    assert changed == text or position == len(text) - 1 or read(changed) is None


@given(st.text(max_size=300))
def test_junk_is_no_ticket_and_no_error(junk: str) -> None:
    assert read(junk) is None
