"""Durations and sizes: one spelling in, the same value out, and a hint for nearly right ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.config.sources import Referred
from gateway.config.units import DAY, GIB, HOUR, KIB, MIB, MINUTE, Bytes, Seconds, show_bytes, show_seconds

ANY_DURATION = Seconds(0, 1e12)
ANY_SIZE = Bytes(0, 10**18)

scalars = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("200ms", 0.2),
        ("55s", 55.0),
        ("1.5s", 1.5),
        ("15m", 900.0),
        ("24h", 86400.0),
        ("0s", 0.0),
        (55, 55.0),
        (0.25, 0.25),
        (Referred("55", "env:X"), 55.0),
        (Referred("0.5", "env:X"), 0.5),
        (Referred("15m", "env:X"), 900.0),
    ],
)
def test_duration_reads_as_seconds(written: object, seconds: float) -> None:
    assert ANY_DURATION.read(written) == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("64KiB", 64 * KIB),
        ("4MiB", 4 * MIB),
        ("1GiB", GIB),
        (512, 512),
        (0, 0),
        (Referred("512", "env:X"), 512),
        (Referred("1KiB", "env:X"), KIB),
    ],
)
def test_size_reads_as_bytes(written: object, size: int) -> None:
    assert ANY_SIZE.read(written) == size


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("55 seconds", "write 55s"),
        ("55", "write 55s"),
        ("10 Min", "write 10m"),
        ("1hr", "write 1h"),
        ("200 msec", "write 200ms"),
        ("7 weeks", "write 500ms, 55s, 15m, 24h or a number of seconds"),
        ("-5s", "write 500ms, 55s, 15m, 24h or a number of seconds"),
        ("1h30m", "write 500ms, 55s, 15m, 24h or a number of seconds"),
        ("٣s", "write 500ms, 55s, 15m, 24h or a number of seconds"),
        ("55s\n", "write 55s"),
        (True, "write 500ms, 55s, 15m, 24h or a number of seconds"),
        (float("nan"), "write 500ms, 55s, 15m, 24h or a number of seconds"),
        (float("inf"), "write 500ms, 55s, 15m, 24h or a number of seconds"),
    ],
)
def test_what_is_no_duration_is_told_what_to_write(written: object, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        ANY_DURATION.read(written)
    assert caught.value.context is not None
    assert caught.value.context["message"] == "must be a duration, not {value}"
    assert caught.value.context["hint"] == hint


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("4M", "write 4MiB"),
        ("4 mb", "write 4MiB"),
        ("64k", "write 64KiB"),
        ("1 GB", "write 1GiB"),
        ("512 bytes", "write 512"),
        ("512", "write 512"),
        ("1.5MiB", "write 64KiB, 4MiB, 1GiB or a number of bytes"),
        (1.5, "write 64KiB, 4MiB, 1GiB or a number of bytes"),
        (False, "write 64KiB, 4MiB, 1GiB or a number of bytes"),
        (Referred("1.5", "env:X"), "write 64KiB, 4MiB, 1GiB or a number of bytes"),
    ],
)
def test_what_is_no_size_is_told_what_to_write(written: object, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        ANY_SIZE.read(written)
    assert caught.value.context is not None
    assert caught.value.context["hint"] == hint


def test_range_is_told_in_the_units_people_write() -> None:
    with pytest.raises(PydanticCustomError, match="must be a duration from 1ms to 24h"):
        Seconds(0.001, DAY).read("25h")
    with pytest.raises(PydanticCustomError, match="must be a duration from 0s to 1h"):
        Seconds(0, HOUR).read(-1)
    with pytest.raises(PydanticCustomError, match="must be a size from 512 to 1MiB"):
        Bytes(512, MIB).read(511)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0s"),
        (0.2, "200ms"),
        (1.5, "1.5s"),
        (55.0, "55s"),
        (90.0, "90s"),
        (15 * MINUTE, "15m"),
        (DAY, "24h"),
    ],
)
def test_duration_is_shown_in_the_largest_whole_unit(seconds: float, shown: str) -> None:
    assert show_seconds(seconds) == shown


@given(st.floats(min_value=0.001, max_value=365 * DAY))
def test_shown_duration_reads_back(seconds: float) -> None:
    assert ANY_DURATION.read(show_seconds(seconds)) == seconds


@given(st.integers(min_value=1, max_value=999_999), st.sampled_from(["ms", "s", "m", "h"]))
def test_written_duration_survives_being_shown(count: int, unit: str) -> None:
    seconds = ANY_DURATION.read(f"{count}{unit}")
    assert ANY_DURATION.read(show_seconds(seconds)) == seconds


@given(st.integers(min_value=0, max_value=10**12))
def test_shown_size_reads_back(size: int) -> None:
    shown = show_bytes(size)
    assert ANY_SIZE.read(int(shown) if shown.isdigit() else shown) == size


@given(scalars)
def test_any_value_is_a_duration_or_refused(value: object) -> None:
    try:
        seconds = Seconds(0, DAY).read(value)
    except PydanticCustomError:
        return
    assert 0 <= seconds <= DAY


@given(scalars)
def test_any_value_is_a_size_or_refused(value: object) -> None:
    try:
        size = Bytes(0, GIB).read(value)
    except PydanticCustomError:
        return
    assert 0 <= size <= GIB
