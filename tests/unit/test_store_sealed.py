"""Seals: only the right key opens, only in the right place, and nothing shows what it hides."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.sealed import CLEAR, KeyMissing, Seals, Unsealable, key_name, sealed_with

OLD, NEW = b"o" * 32, b"n" * 32
TEXT = "https://contoso.sharepoint.com/_api/monitor?tempauth=hunter2"


@given(st.text(st.characters()), st.lists(st.text(st.characters()), max_size=3))
def test_what_was_sealed_opens_in_its_place(text: str, place: list[str]) -> None:
    for seals in (Seals((NEW,)), Seals(())):
        assert seals.unseal(seals.seal(text, *place), *place) == text


def test_it_cannot_be_read_and_differs_each_time() -> None:
    seals = Seals((NEW,))
    one, other = seals.seal(TEXT, "a"), seals.seal(TEXT, "a")
    assert one != other
    assert "hunter2" not in one
    assert b"hunter2" not in base64.b64decode(one.rpartition(":")[2])


def test_without_a_key_it_is_in_the_clear_and_says_so() -> None:
    sealed = Seals(()).seal(TEXT, "a")
    assert sealed == f"clear:{TEXT}"
    assert sealed_with(sealed) == Seals(()).current == CLEAR
    assert Seals((NEW,)).unseal(sealed, "a") == TEXT, "a key may be added later"


def test_the_first_key_seals_and_each_opens() -> None:
    before = Seals((OLD,)).seal(TEXT, "a")
    both = Seals((NEW, OLD))
    assert both.unseal(before, "a") == TEXT
    after = both.seal(TEXT, "a")
    assert (sealed_with(before), sealed_with(after)) == (key_name(OLD), key_name(NEW))
    assert Seals((NEW,)).unseal(after, "a") == TEXT


def test_a_missing_key_is_named() -> None:
    sealed = Seals((OLD,)).seal(TEXT, "a")
    for seals in (Seals((NEW,)), Seals(())):
        with pytest.raises(KeyMissing, match=key_name(OLD)):
            seals.unseal(sealed, "a")


@pytest.mark.parametrize("place", [(), ("b",), ("a", "b"), ("a", ""), ('a", "b',)])
def test_it_opens_nowhere_else(place: tuple[str, ...]) -> None:
    seals = Seals((NEW,))
    with pytest.raises(Unsealable, match="belongs elsewhere"):
        seals.unseal(seals.seal(TEXT, "a"), *place)


def test_every_flipped_bit_is_noticed() -> None:
    seals = Seals((NEW,))
    head, _, encoded = seals.seal(TEXT, "a").rpartition(":")
    content = base64.b64decode(encoded)
    for at in range(len(content)):
        for bit in range(8):
            flipped = bytes([*content[:at], content[at] ^ (1 << bit), *content[at + 1 :]])
            with pytest.raises(Unsealable):
                seals.unseal(f"{head}:{base64.b64encode(flipped).decode()}", "a")


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "a256gcm",
        "a256gcm:",
        "other:stuff",
        f"a256gcm:{key_name(NEW)}:",
        f"a256gcm:{key_name(NEW)}:AAAA",
        f"a256gcm:{key_name(NEW)}:***",
        f"a256gcm:{key_name(NEW)}:é",
    ],
)
def test_what_is_not_sealed_at_all_does_not_open(sealed: str) -> None:
    with pytest.raises(Unsealable):
        Seals((NEW,)).unseal(sealed, "a")


@pytest.mark.parametrize("key", [b"", b"k" * 16, b"k" * 31, b"k" * 33])
def test_a_key_has_32_bytes(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seals((key,))


def test_no_error_shows_what_was_sealed_or_the_key() -> None:
    sealed = Seals((OLD,)).seal(TEXT, "a")
    told = []
    for seals, place in ((Seals((OLD,)), "b"), (Seals((NEW,)), "a")):
        with pytest.raises(Unsealable) as caught:
            seals.unseal(sealed, place)
        told += [str(caught.value), repr(seals)]
    for text in told:
        assert "hunter2" not in text
        assert "ooooo" not in text
        assert OLD.hex() not in text
