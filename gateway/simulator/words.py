"""How single values are written in directives: durations, sizes, numbers, switches, Retry-After, one of a list.

Rules: each function turns text into a value or raises ValueError with a sentence that shows what would be right.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

from gateway.simulator.plan import RetryAfter

Word = TypeVar("Word", bound=StrEnum)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+)(B|kB|KB|MB|GB|KiB|MiB|GiB)?", re.ASCII)
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


def duration(text: str) -> float:
    """Seconds, from `500ms`, `10s`, `2m`, `1h` or a plain number."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 500ms, 10s, 2m or 1h")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def size(text: str) -> int:
    """Bytes, from `64KiB`, `10MB` or a plain number."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no size such as 64KiB, 10MB or 4096")
    return int(match[1]) * _BYTES[match[2] or "B"]


def retry_after(text: str) -> RetryAfter | None:
    """`2`, `2.128`, `date 3` (an HTTP-date three seconds from then), `garbage`, or `none`."""
    if text == "none":
        return None
    if text == "garbage":
        return RetryAfter("garbage", text="a moment, please")
    if text.startswith("date"):
        return RetryAfter("date", seconds=duration(text.removeprefix("date").strip() or "1"))
    if _NUMBER.fullmatch(text):
        return RetryAfter("seconds", seconds=float(text), text=text)
    raise ValueError(f"{text!r} is none of 2, 2.128, date 3, garbage, none")


def status(text: str) -> int:
    if not re.fullmatch(r"[2-5]\d\d", text, re.ASCII):
        raise ValueError(f"{text!r} is no HTTP status from 200 to 599")
    return int(text)


def per_cent(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 <= value <= 100:
        raise ValueError(f"{text!r} is not a number from 0 to 100")
    return value


def switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise ValueError(f"{text!r} is neither on nor off")
    return text == "on"


def word_list(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:
        raise ValueError("needs at least one word, as in notStarted,inProgress")
    return words


def one_of(words: type[Word]) -> Callable[[str], Word]:
    """A reader for the words of an enum."""

    def read(text: str) -> Word:
        try:
            return words(text)
        except ValueError:
            choices = [word.value for word in words]
            hint = did_you_mean(text, choices)
            raise ValueError(f"{text!r} is none of {', '.join(choices)}{hint}") from None

    return read


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f"; did you mean {close[0]}?" if close else ""
