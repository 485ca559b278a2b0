"""The Retry-After header: seconds, seconds with a fraction, or a date.

The fraction is in Graph's own throttling documentation (`2.128`) although RFC 9110 section 10.2.3 knows whole
seconds only. What cannot be read counts as absent: pacing has a rhythm of its own to fall back on.

This module does not bound the wait; how long is too long is for pacing and the operation's deadline to say.
"""

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(rb"([+-]?)(\d+(?:\.\d*)?|\.\d+)")
_LONGEST = 64
"""Bytes; the longest of the three date forms of RFC 9110 section 5.6.7 has 33."""


def parse(value: bytes, now: float) -> float | None:
    """Return the seconds to stay away, counted from `now` (seconds since 1970); never negative.

    None where the value is neither a number nor a date. A moment in the past is 0.
    """
    text = value.strip(b" \t")
    if not text or len(text) > _LONGEST:
        return None
    number = _SECONDS.fullmatch(text)
    if number is not None:
        return 0.0 if number[1] == b"-" else _usable(float(number[2]))
    return _until(text, now)


def _until(text: bytes, now: float) -> float | None:
    if text[:1].isdigit():
        # The standard library reads dates without a weekday as well; so it would take `6 7 8` for one.
        return None
    try:
        moment = parsedate_to_datetime(text.decode("ascii"))
        if moment.tzinfo is None:
            # The asctime form carries no zone; HTTP dates are in GMT.
            moment = moment.replace(tzinfo=UTC)
        return _usable(moment.timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _usable(seconds: float) -> float | None:
    return max(0.0, seconds) if math.isfinite(seconds) else None
