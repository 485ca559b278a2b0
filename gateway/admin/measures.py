"""What charts are made of: counts and seconds of the last few minutes, and histograms since the start.

Rules: bounded whatever happens; adding costs next to nothing. Time is an argument: monotonic seconds.

What this module must not do: know what is measured.
"""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field

STEP = 5.0
"""Seconds of one slot."""

SLOTS = 60
"""Slots that are kept: five minutes."""

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: upper bounds of a histogram's classes, the last of which is open."""


class Histogram:
    """How many took how long."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def said(self) -> dict[str, object]:
        return {
            "bounds": list(BOUNDS),
            "counts": list(self._counts),
            "count": sum(self._counts),
            "sum": round(self._sum, 6),
        }


@dataclass(slots=True)
class Measured:
    """What was measured in a slot, under one name."""

    number: int = 0
    sum: float = 0.0
    greatest: float = 0.0


@dataclass(slots=True)
class Slot:
    """A few seconds."""

    number: int
    counts: Counter[str] = field(default_factory=Counter)
    measured: dict[str, Measured] = field(default_factory=dict)


class Series:
    """What happened in each slot of the last few minutes."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque(maxlen=SLOTS)
        self._newest = Slot(-1)
        self._ends_at = float("-inf")

    def count(self, what: str, now: float) -> None:
        self._slot(now).counts[what] += 1

    def measure(self, what: str, seconds: float, now: float) -> None:
        slot = self._slot(now)
        measured = slot.measured.get(what)
        if measured is None:
            measured = slot.measured[what] = Measured()
        measured.number += 1
        measured.sum += seconds
        measured.greatest = max(measured.greatest, seconds)

    def counted(self, what: str, now: float) -> list[int]:
        """By slot, the oldest first, the present one last."""
        return [slot.counts[what] if slot else 0 for slot in self._all(now)]

    def measured(self, what: str, now: float) -> dict[str, list[float | None]]:
        """Mean and greatest by slot; None where there was nothing to measure."""
        means: list[float | None] = []
        greatest: list[float | None] = []
        for slot in self._all(now):
            measured = slot.measured.get(what) if slot else None
            means.append(round(measured.sum / measured.number, 6) if measured else None)
            greatest.append(round(measured.greatest, 6) if measured else None)
        return {"mean": means, "max": greatest}

    def _slot(self, now: float) -> Slot:
        if now >= self._ends_at:
            number = int(now // STEP)
            self._newest = Slot(number)
            self._slots.append(self._newest)
            self._ends_at = (number + 1) * STEP
        return self._newest

    def _all(self, now: float) -> list[Slot | None]:
        kept = {slot.number: slot for slot in self._slots}
        last = int(now // STEP)
        return [kept.get(number) for number in range(last - SLOTS + 1, last + 1)]
