"""Durations and sizes: `55s` is 55.0 seconds, `64KiB` is 65536 bytes.

Rules: a unit is one of few, spelled one way, because `5M` has been minutes, months and megabytes; a bare number is
seconds or bytes. What is shown reads back as the same value. The arithmetic is decimal, so that `200ms` is exactly
the 0.2 that a program would write.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from gateway.config.kinds import Kind, unfit
from gateway.config.sources import Referred

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_BYTES = {"KiB": KIB, "MiB": MIB, "GiB": GIB}

# Twelve digits are 30 000 years; the bound keeps a text of digits from becoming a large computation.
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?)(ms|s|m|h)")
_SIZE = re.compile(r"([0-9]{1,12})(KiB|MiB|GiB)")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?")
_NEARLY = re.compile(r"([0-9]{1,9}) *([a-z]*)")

_MEANT_SECONDS = {
    unit: factor
    for words, factor in (
        ("ms msec msecs millis millisecond milliseconds", "{}ms"),
        ("s sec secs second seconds", "{}s"),
        ("m min mins minute minutes", "{}m"),
        ("h hr hrs hour hours", "{}h"),
    )
    for unit in words.split()
}
_MEANT_BYTES = {
    unit: factor
    for words, factor in (
        ("b byte bytes", "{}"),
        ("k kb ki kib", "{}KiB"),
        ("m mb mi mib", "{}MiB"),
        ("g gb gi gib", "{}GiB"),
    )
    for unit in words.split()
}


@dataclass(frozen=True)
class Seconds(Kind):
    """A duration, as seconds."""

    at_least: float
    at_most: float

    def accepts(self) -> str:
        return f"a duration from {show_seconds(self.at_least)} to {show_seconds(self.at_most)}"

    def read(self, value: object) -> float:
        seconds = _read_seconds(value)
        if not self.at_least <= seconds <= self.at_most:
            raise unfit(f"must be {self.accepts()}, not {{value}}", "choose a duration in that range")
        return seconds

    def show(self, value: float) -> str:
        return show_seconds(value)


@dataclass(frozen=True)
class Bytes(Kind):
    """A size, as bytes."""

    at_least: int
    at_most: int

    def accepts(self) -> str:
        return f"a size from {show_bytes(self.at_least)} to {show_bytes(self.at_most)}"

    def read(self, value: object) -> int:
        size = _read_bytes(value)
        if not self.at_least <= size <= self.at_most:
            raise unfit(f"must be {self.accepts()}, not {{value}}", "choose a size in that range")
        return size

    def show(self, value: int) -> str:
        return show_bytes(value)


def show_seconds(seconds: float) -> str:
    """The shortest spelling in the largest unit that needs no fraction; below a second, milliseconds."""
    exact = Decimal(repr(seconds))
    for unit in ("h", "m", "s"):
        count = exact / _SECONDS[unit]
        if exact and count == count.to_integral_value():
            return f"{int(count)}{unit}"
    if 0 < exact < 1:
        return f"{_plain(exact / _SECONDS['ms'])}ms"
    return f"{_plain(exact)}s"


def show_bytes(size: int) -> str:
    for unit, factor in reversed(_BYTES.items()):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _read_seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        if spelled := _DURATION.fullmatch(value):
            return float(Decimal(spelled[1]) * _SECONDS[spelled[2]])
        if isinstance(value, Referred) and _NUMBER.fullmatch(value):
            return float(value)
    raise unfit(
        "must be a duration, not {value}",
        "write 500ms, 55s, 15m, 24h or a number of seconds",
        hint=_meant(value, _MEANT_SECONDS, without_unit="{}s"),
    )


def _read_bytes(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        if spelled := _SIZE.fullmatch(value):
            return int(spelled[1]) * _BYTES[spelled[2]]
        if isinstance(value, Referred) and _NUMBER.fullmatch(value) and value.isdigit():
            return int(value)
    raise unfit(
        "must be a size, not {value}",
        "write 64KiB, 4MiB, 1GiB or a number of bytes",
        hint=_meant(value, _MEANT_BYTES, without_unit="{}"),
    )


def _meant(value: object, units: dict[str, str], *, without_unit: str) -> str | None:
    nearly = _NEARLY.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if nearly is None:
        return None
    spelling = units.get(nearly[2]) if nearly[2] else without_unit
    return f"write {spelling.format(nearly[1])}" if spelling else None


def _plain(number: Decimal) -> str:
    """Without an exponent and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
