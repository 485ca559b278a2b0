"""Retry-After: seconds, fractions, dates; what cannot be read is absent, and nothing is ever negative."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.retry_after import parse

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"41", 41.0),
        (b"2.128", 2.128),  # the sample in Graph's throttling guidance
        (b"315", 315.0),
        (b"0", 0.0),
        (b" 7\t", 7.0),
        (b"+5", 5.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"-3", 0.0),
        (b"-0.5", 0.0),
        # the three forms of an HTTP date
        (b"Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        (b"Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        (b"Sun Nov  6 08:49:47 1994", 10.0),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        (b"Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        (b"Sun, 06 Nov 1994 09:49:47 +0100", 10.0),
        (b"Sun, 06 Nov 1994 08:49:47 -0000", 10.0),
        # garbage
        (b"", None),
        (b"soon", None),
        (b"NaN", None),
        (b"inf", None),
        (b"1e3", None),
        (b"12s", None),
        (b"1,5", None),
        (b"5, 5", None),
        (b"0x10", None),
        ("٣".encode(), None),
        (b"6 7 8", None),
        (b"06 Nov 1994", None),
        (b"Sun, 99 Nov 1994 08:49:47 GMT", None),
        (b"Sun, 06 Nov 99999 08:49:47 GMT", None),
        (b"\xff\xfe", None),
        (b"9" * 400, None),
        (b"Sun, 06 Nov 1994 08:49:47 GMT" + b" " * 100 + b"x", None),
    ],
)
def test_value_is_read_as(value: bytes, expected: float | None) -> None:
    assert parse(value, NOW) == (None if expected is None else pytest.approx(expected))


@given(
    st.binary(max_size=80) | st.from_regex(rb"[A-Za-z0-9 ,:+.-]{0,40}", fullmatch=True),
    st.floats(0, 1e11),
)
def test_never_negative_and_never_raises(value: bytes, now: float) -> None:
    seconds = parse(value, now)
    assert seconds is None or 0 <= seconds < float("inf")


@given(st.floats(0, 1e6), st.floats(0, 4e9))
def test_seconds_do_not_depend_on_the_clock(seconds: float, now: float) -> None:
    assert parse(f"{seconds:.3f}".encode(), now) == pytest.approx(seconds, abs=0.001)
