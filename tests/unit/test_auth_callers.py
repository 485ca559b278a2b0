"""Who may call, and under which name."""

import asyncio
from typing import Any

import pytest

from gateway.auth.callers import LOCAL, KnownCallers
from gateway.config.callers import CallerKey
from gateway.errors import KeyNeeded
from gateway.model import Headers

ONE, TWO = b"a key of sixteen or more", b"another key of sixteen or more"


class Line(asyncio.BaseTransport):
    """A connection with a certificate, in the form of `ssl`."""

    def __init__(self, certificate: dict[str, Any] | None) -> None:
        super().__init__({"peercert": certificate})


def keys(*texts: bytes) -> list[CallerKey]:
    return [CallerKey.of(text) for text in texts]


def shows(key: bytes, name: bytes = b"Gateway-Key") -> Headers:
    return ((b"Host", b"g"), (name, key), (b"Accept", b"*/*"))


def subject(name: str, **more: Any) -> Line:
    return Line({"subject": ((("organizationName", "contoso"),), (("commonName", name),)), **more})


def test_whoever_reaches_a_gateway_that_asks_for_nothing_is_local() -> None:
    known = KnownCallers([])
    assert {known.name(line, shows(ONE)) for line in (None, Line(None), Line({}))} == {LOCAL}
    assert not known.lacks_key(())


def test_a_key_is_a_caller_wherever_it_stands_in_the_list() -> None:
    names = {
        KnownCallers(keys(*listed)).name(Line(None), shows(ONE, name))
        for listed in ([ONE], [TWO, ONE], [ONE, TWO])
        for name in (b"Gateway-Key", b"gateway-key", b"GATEWAY-KEY")
    }
    assert len(names) == 1
    assert names != {KnownCallers(keys(ONE, TWO)).name(Line(None), shows(TWO))}
    assert names != {LOCAL}


def test_space_around_a_key_does_not_count() -> None:
    known = KnownCallers(keys(ONE))
    assert known.name(None, shows(b" \t" + ONE + b"\t ")) == known.name(None, shows(ONE))


@pytest.mark.parametrize(
    "presented",
    [(), shows(b""), shows(TWO), shows(ONE[:-1]), shows(ONE + b"x"), shows(ONE.upper()), shows(ONE, b"Key")],
)
def test_no_key_or_a_wrong_one_is_turned_away(presented: Headers) -> None:
    known = KnownCallers(keys(ONE))
    for line in (None, Line(None), subject("billing")):
        with pytest.raises(KeyNeeded):
            known.name(line, presented)


def test_the_digest_of_a_key_is_no_key() -> None:
    """Whoever reads it somewhere cannot present it."""
    (digest,) = keys(ONE)
    for shown in (bytes(digest), digest.hex().encode()):
        with pytest.raises(KeyNeeded):
            KnownCallers([digest]).name(None, shows(shown))


def test_a_call_lacks_a_key_only_where_one_is_asked_for() -> None:
    known = KnownCallers(keys(ONE))
    assert known.lacks_key(())
    assert not known.lacks_key(shows(TWO)), "a wrong one is no missing one"


def test_keys_are_rotated_by_the_list() -> None:
    known = KnownCallers(keys(ONE))
    before = known.name(None, shows(ONE))
    known.reload(keys(TWO, ONE))
    assert known.name(None, shows(ONE)) == before
    assert known.name(None, shows(TWO)) != before
    known.reload(keys(TWO))
    with pytest.raises(KeyNeeded):
        known.name(None, shows(ONE))


def test_a_certificate_is_its_subject_whoever_issued_it() -> None:
    known = KnownCallers([])
    billing = known.name(subject("billing"), ())
    renewed = subject(
        "billing", serialNumber="02", notAfter="Jan  1 00:00:00 2031 GMT", issuer=((("commonName", "b"),),)
    )
    assert known.name(renewed, shows(ONE)) == billing
    assert known.name(subject("payroll"), ()) != billing
    assert billing != LOCAL


def test_subjects_do_not_run_together() -> None:
    known = KnownCallers([])
    subjects = [
        ((("commonName", "a"),), (("commonName", "b"),)),
        ((("commonName", "b"),), (("commonName", "a"),)),
        ((("commonName", "acommonNameb"),),),
        ((("organizationName", "a"),), (("commonName", "b"),)),
    ]
    assert len({known.name(Line({"subject": one}), ()) for one in subjects}) == len(subjects)


def test_without_a_subject_the_alternative_names_count() -> None:
    """SPIFFE's certificates have none; they would all be one caller."""
    known = KnownCallers([])
    names = [
        known.name(Line({"subject": (), "subjectAltName": (("URI", f"spiffe://contoso/{who}"),)}), ())
        for who in ("billing", "payroll", "billing")
    ]
    assert names[0] == names[2] != names[1]


def test_certificate_and_key_are_one_name() -> None:
    known = KnownCallers(keys(ONE, TWO))
    names = {
        known.name(line, shows(key))
        for line in (subject("billing"), subject("payroll"), Line(None))
        for key in (ONE, TWO)
    }
    assert len(names) == 6
