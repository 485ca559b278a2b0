"""Pacing: when the next poll may happen.

With `e` for the time since the operation was accepted, the schedule is

    first poll     after `first_delay`
    blind          0.2 × e, between `min_interval` and `max_interval`: late by a tenth of the duration on average,
                   whatever that is, with a number of polls that grows with its logarithm only
    predicted      where progress rose since the last poll and two predictions of the end agree within 10 %, one
                   from all of the time so far (e × 100 / percent) and one from the last two samples: a moment
                   after the later of them, at least 3 % of e and `min_interval` from now, at most 1 × e and
                   `max_interval`: who sets a bound means it, though 3 × that would save a few polls

Percentages alone deserve no trust: many operations report 0 or 99 for most of their life, or jump. The figures were
chosen by simulation; the unit test repeats it.

Rules:
1. A `Retry-After` and a dialect's floor are obeyed to the letter: neither jitter nor prediction undercuts them, and
   neither of our own limits shortens them. `Retry-After: 0` is no wish. An hour is the most that is believed.
2. Our own delays vary by ±5 % (predicted ones by ±1 %) within their limits, so that operations that began together
   do not poll together.
3. Time and chance are arguments.

What this module must not do: wait; know whether an operation is lost or stalled.
"""

from dataclasses import dataclass
from typing import Final

from gateway.model import Sample

SHARE: Final = 0.2
"""Of the time so far: the blind delay."""
AGREEMENT: Final = 0.1
"""How far two predictions of the end may differ, relative to the later; 20 % trusts accelerating jobs too early."""
MARGIN: Final = 0.002
"""Of the time so far, added to a prediction: just after the end is better than just before."""
SHORTEST_JUMP: Final = 0.03
"""Of the time so far."""
JITTER: Final = 0.05
JUMP_JITTER: Final = 0.01
"""Less for a prediction, whose worth is its precision: 5 % would double the lateness on linear progress."""
LONGEST_WISH: Final = 3600.0
"""Seconds; SharePoint asks for at most 300."""
SAME_MOMENT: Final = 0.001
"""Seconds by which two floats may differ and mean the same poll."""


@dataclass(frozen=True, slots=True)
class Polling:
    """The `polling` section of the configuration; all in seconds."""

    first_delay: float = 0.5
    min_interval: float = 0.2
    max_interval: float = 10.0
    lost_after: float = 60.0
    stalled_after: float = 600.0


def first_poll(*, floor: float, policy: Polling, chance: float, retry_after: float | None = None) -> float:
    """Seconds from the acceptance to the first poll."""
    return max(policy.first_delay * _factor(JITTER, chance), _wish(floor, retry_after, chance))


def next_delay(
    *,
    elapsed: float,
    accepted_at: float,
    samples: tuple[Sample, ...],
    floor: float,
    retry_after: float | None,
    policy: Polling,
    chance: float,
) -> float:
    """Seconds from a poll that said "still running" to the next one.

    `samples` are the last few, this poll's included where it told a percentage; `chance` is in [0, 1).
    """
    jump = _jump(elapsed, accepted_at, samples, policy)
    if jump is None:
        own = _within(SHARE * elapsed, policy.min_interval, policy.max_interval, JITTER, chance)
    else:
        longest = min(max(elapsed, policy.min_interval), policy.max_interval)
        own = _within(jump, policy.min_interval, longest, JUMP_JITTER, chance)
    return max(own, _wish(floor, retry_after, chance))


def delay_after_trouble(
    *, troubles: int, elapsed: float, floor: float, retry_after: float | None, policy: Polling, chance: float
) -> float:
    """Seconds from a poll that told us nothing, the `troubles`-th in a row, to the next one.

    It begins at the present pace and doubles, up to `max_interval`.
    """
    pace = max(SHARE * elapsed, policy.min_interval)
    doubled = pace * 2.0 ** min(max(troubles - 1, 0), 32)
    own = _within(doubled, policy.min_interval, policy.max_interval, JITTER, chance)
    return max(own, _wish(floor, retry_after, chance))


def whole_duration(accepted_at: float, samples: tuple[Sample, ...]) -> float | None:
    """Seconds from the acceptance to the predicted end, or None where no prediction deserves trust."""
    if len(samples) < 2:
        return None
    before, latest = samples[-2:]
    elapsed = latest.at - accepted_at
    rise, took = latest.percent - before.percent, latest.at - before.at
    if not (rise > 0 and took > 0 and 0 < latest.percent < 100):
        return None
    by_all = elapsed * 100 / latest.percent
    by_last = elapsed + (100 - latest.percent) * took / rise
    end = max(by_all, by_last)
    return end if end - min(by_all, by_last) <= AGREEMENT * end else None


def _jump(elapsed: float, accepted_at: float, samples: tuple[Sample, ...], policy: Polling) -> float | None:
    """Seconds until just after the predicted end; None where there is no prediction, or one of an earlier poll."""
    end = whole_duration(accepted_at, samples)
    if end is None or abs(samples[-1].at - accepted_at - elapsed) > SAME_MOMENT:
        return None
    return max(end - elapsed + MARGIN * elapsed, SHORTEST_JUMP * elapsed, policy.min_interval)


def _factor(jitter: float, chance: float) -> float:
    return 1 - jitter + 2 * jitter * chance


def _within(delay: float, shortest: float, longest: float, jitter: float, chance: float) -> float:
    """`delay` with jitter, within the limits even so: near a limit, the whole range of the jitter moves inside it."""
    inside = min(max(delay, shortest / (1 - jitter)), longest / (1 + jitter))
    return min(max(inside * _factor(jitter, chance), shortest), longest)


def _wish(floor: float, retry_after: float | None, chance: float) -> float:
    """The delay that others ask for: never less, and up to 5 % more, so that all do not come at one moment."""
    if not retry_after and not floor:
        return 0.0
    asked = max(floor, min(retry_after or 0.0, LONGEST_WISH), 0.0)
    return max(asked, min(asked * (1 + JITTER * chance), LONGEST_WISH))
