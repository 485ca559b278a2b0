"""Rounds: every contestant once in each, so that a noisy minute hits all alike; and what is kept of them.

    taken = run(("nginx", "ours"), measure, rounds=5, tell=print)      # measure(name) -> {"rps": 88_500.0, …}
    keep("passage", taken, quick=False, calm=calm, seconds=431)        # into results/latest.json
    kept = load()["passage"]
    kept.median("ours", "rps"), kept.spread("ours", "rps"), kept.ratio("ours", "nginx", "rps")

Rules
- Figures are compared within one run only: a ratio is the median of the ratios of each round.
- A contestant that fails in a round is said, and has no figure there; the others go on.
- A part that is measured again replaces what was kept of it, with the time and the machine of its own.

What it must not do: measure anything, or know what is measured.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import UNEVEN, Calm, Failed, calibrate, facts

RESULTS = Path(__file__).parent / "results"
LATEST, QUICK = RESULTS / "latest.json", RESULTS / "quick.json"

Figures = Mapping[str, float]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """All that is kept of one part of the bench."""

    rounds: Mapping[str, Sequence[Figures | None]]
    """Contestant to its figures in each round; None where it failed."""
    taken: str = ""
    seconds: float = 0.0
    quick: bool = False
    troubles: Sequence[str] = ()
    """Why these figures are worth little; empty where the machine was quiet."""
    facts: Mapping[str, str] = field(default_factory=dict)
    loop_ms: Sequence[float] = ()
    """The fixed loop on the proxy's core before each round."""

    def values(self, name: str, figure: str) -> list[float]:
        return [one[figure] for one in self.rounds.get(name, ()) if one is not None and figure in one]

    def median(self, name: str, figure: str) -> float | None:
        values = self.values(name, figure)
        return statistics.median(values) if values else None

    def spread(self, name: str, figure: str) -> float | None:
        """(most - least) / median over the rounds."""
        values = self.values(name, figure)
        middle = statistics.median(values) if values else 0.0
        return (max(values) - min(values)) / middle if middle else None

    def ratio(self, name: str, against: str, figure: str) -> float | None:
        """Median of the ratios within each round, or None where no round has both."""
        ratios = [one / other for one, other in self._pairs(name, against, figure) if other]
        return statistics.median(ratios) if ratios else None

    def difference(self, name: str, against: str, figure: str) -> float | None:
        """Median of the differences within each round, or None where no round has both."""
        differences = [one - other for one, other in self._pairs(name, against, figure)]
        return statistics.median(differences) if differences else None

    def _pairs(self, name: str, against: str, figure: str) -> Iterator[tuple[float, float]]:
        for one, other in zip(self.rounds.get(name, ()), self.rounds.get(against, ()), strict=False):
            if one is not None and other is not None and figure in one and figure in other:
                yield one[figure], other[figure]


def run(contestants: Sequence[str], measure: Callable[[str], Figures], *, rounds: int, tell: Tell) -> Part:
    """Measure each contestant once a round; the order turns by one each time."""
    taken: dict[str, list[Figures | None]] = {name: [] for name in contestants}
    loops: list[float] = []
    worst: list[Calm] = []
    started = time.perf_counter()
    for number in range(rounds):
        calm = calibrate()
        worst.append(calm)
        loops.append(calm.loop_ms[0])
        turn = number % max(1, len(contestants))
        for name in (*contestants[turn:], *contestants[:turn]):
            try:
                figures = measure(name)
            except (Failed, OSError) as problem:
                tell(f"round {number + 1} of {rounds}: {name} FAILED: {problem}")
                taken[name].append(None)
            else:
                said = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
                tell(f"round {number + 1} of {rounds}: {name}: {said}")
                taken[name].append(dict(figures))
    worst.append(calibrate())
    return Part(
        rounds=taken,
        taken=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        seconds=round(time.perf_counter() - started, 1),
        troubles=troubles(worst),
        facts=facts(),
        loop_ms=loops,
    )


def troubles(calms: Sequence[Calm]) -> list[str]:
    """What was wrong with the machine: only one of a kind, the worst."""
    return Calm(
        busy=max(one.busy for one in calms),
        steal=max(one.steal for one in calms),
        loop_ms=(),
        spread=max(one.spread for one in calms),
    ).troubles


# --- what is kept ----------------------------------------------------------------------------------------


def keep(name: str, part: Part, *, quick: bool) -> None:
    """Put a part into the results of all; a quick run has a file of its own, which no page is made from."""
    path = QUICK if quick else LATEST
    path.parent.mkdir(exist_ok=True)
    everything = json.loads(path.read_text("utf-8")) if path.exists() else {}
    everything[name] = {
        "taken": part.taken,
        "seconds": part.seconds,
        "quick": quick,
        "troubles": list(part.troubles),
        "facts": dict(part.facts),
        "loop_ms": list(part.loop_ms),
        "rounds": {one: [rounded(figures) for figures in all_of] for one, all_of in part.rounds.items()},
    }
    path.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", "utf-8")


def load(path: Path = LATEST) -> dict[str, Part]:
    """Everything that was kept, by part."""
    return parse(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def parse(everything: Mapping[str, Mapping[str, Any]]) -> dict[str, Part]:
    return {name: Part(**kept) for name, kept in everything.items()}


def rounded(figures: Figures | None) -> dict[str, float] | None:
    """Five digits are more than any of these is good for."""
    return None if figures is None else {key: float(f"{value:.5g}") for key, value in figures.items()}


# --- tables ----------------------------------------------------------------------------------------------

Cell = Callable[[Part, str], str]
"""From all that was kept and the row's contestant to what stands in the cell."""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    cell: Cell


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def median(title: str, figure: str, *, digits: int = 0, scale: float = 1.0, spread: bool = False) -> Column:
    """The median over the rounds; with its spread, where that is asked for."""

    def cell(part: Part, name: str) -> str:
        middle = part.median(name, figure)
        wide = part.spread(name, figure) if spread else None
        told = number(None if middle is None else middle * scale, digits)
        return f"{told} ± {wide / 2:.0%}" if wide else told

    return Column(title, cell)


def ratio(title: str, figure: str, *, against: str, digits: int = 2) -> Column:
    """How many times the figure of `against`."""
    return Column(title, lambda part, name: number(part.ratio(name, against, figure), digits))


def table(part: Part, columns: Sequence[Column], *, names: Mapping[str, str], head: str = "proxy") -> str:
    """A table in Markdown: one row for each of `names` (contestant to what it is called) that was measured."""
    lines = [
        f"| {' | '.join([head, *(column.title for column in columns)])} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, called in names.items():
        if name in part.rounds:
            lines.append(f"| {' | '.join([called, *(column.cell(part, name) for column in columns)])} |")
    return "\n".join([*lines, ""])


def note(part: Part) -> str:
    """When and how a part was measured, and loudly where that was no way to measure."""
    rounds = max((len(all_of) for all_of in part.rounds.values()), default=0)
    took = f"{part.seconds / 60:.0f} min" if part.seconds >= 90 else f"{part.seconds:.0f} s"
    told = f"Medians of {rounds} round{'' if rounds == 1 else 's'}, {part.taken}, {took}.\n"
    doubts = ["one brief round was measured, to see that the bench works"] if part.quick else []
    doubts += [trouble for trouble in part.troubles if not trouble.startswith(UNEVEN)]
    if doubts:
        told += f"\n> **These figures are worth little:** {'; '.join(doubts)}.\n"
    elif part.troubles:
        told += f"\n> **An uneven machine:** {'; '.join(part.troubles)}. Within a round all proxies had the same; take the ratios.\n"
    return told
