"""Counting: numbers that cost next to nothing to count and are spelt out only when somebody asks.

    Counter     how often, by label              Cell    one series of it: `cell.value += 1`
    Durations   how long, by label, in buckets   Spread  one series of it: `spread.note(seconds)`

Rules:
1. Everything is counted on the event loop, in plain Python numbers: a call takes no lock and makes
   no string and no mapping, which prometheus-client's own counters would.
2. Each label has a closed list of values; what is not in it is counted as `OTHER`. So a series can never be made of
   what somebody sent, and their number has a bound that is known beforehand.

What this module must not do: know what is counted.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

OTHER = "other"
"""The value of a label for everything that is not in its list."""


class Cell:
    """One counted number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Spread:
    """One distribution of durations."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


S = TypeVar("S", Cell, Spread)


class Family(Generic[S]):
    """What is counted under one name, by labels with closed lists of values."""

    kind = ""

    def __init__(self, name: str, meaning: str, labels: dict[str, Sequence[str]]) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self._series: dict[tuple[str, ...], S] = {}
        if not labels:
            self.at()
        elif len(labels) == 1:  # so that what has not happened yet is seen as a zero
            for value in next(iter(labels.values())):
                self.at(value)

    def at(self, *values: str) -> S:
        """The series of these values, one for each label."""
        found = self._series.get(values)
        return found if found is not None else self._known(values)

    def _known(self, values: tuple[str, ...]) -> S:
        kept = tuple(
            value if value in known else OTHER
            for value, known in zip(values, self.labels.values(), strict=True)
        )
        found = self._series.get(kept)
        if found is None:
            found = self._series[kept] = self._new()
        return found

    @property
    def bound(self) -> int:
        """How many series there can be."""
        return _combinations(self.labels)

    def series(self) -> Iterator[tuple[tuple[str, ...], S]]:
        return iter(self._series.items())

    def _new(self) -> S:
        raise NotImplementedError

    def collected(self) -> Metric:
        """In prometheus-client's words."""
        raise NotImplementedError


def _combinations(labels: Mapping[str, Sequence[str]]) -> int:
    return math.prod(len({*values, OTHER}) for values in labels.values())


class Counter(Family[Cell]):
    """How often something happened."""

    kind = "counter"

    def _new(self) -> Cell:
        return Cell()

    def collected(self) -> Metric:
        family = CounterMetricFamily(self.name, self.meaning, labels=list(self.labels))
        for values, cell in self.series():
            family.add_metric(values, cell.value)
        return family


class Durations(Family[Spread]):
    """How long something took, in seconds."""

    kind = "histogram"

    def __init__(
        self, name: str, meaning: str, labels: dict[str, Sequence[str]], bounds: Sequence[float]
    ) -> None:
        self.bounds = tuple(bounds)
        super().__init__(name, meaning, labels)

    def _new(self) -> Spread:
        return Spread(self.bounds)

    def collected(self) -> Metric:
        family = HistogramMetricFamily(self.name, self.meaning, labels=list(self.labels))
        for values, spread in self.series():
            reached, buckets = 0, []
            for bound, count in zip((*self.bounds, float("inf")), spread.counts, strict=True):
                reached += count
                buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(reached)))
            family.add_metric(values, buckets, spread.total)
        return family
