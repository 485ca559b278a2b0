"""Every crash point, several times, and every point at which a gateway can stand still: `python -m chaos.crashes`.

Rules: prints how many trials there were and which of them went wrong; 1 for an exit code where any did.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from acceptance.mediums import MEDIUMS
from acceptance.pod import Graph
from acceptance.trials import AMBIGUOUS, NOTHING_SENT, ON_RECORD, Trial, killed_at, stopped_at, trials, wrong

STANDING = tuple(point for point in (*NOTHING_SENT, *AMBIGUOUS, *ON_RECORD) if point != "after_accept")
"""One that stands still before it has claimed anything owns nothing."""


def result(trial: Trial, folder: Path) -> list[str]:
    """What went wrong in one trial, with a Graph of its own."""
    try:
        with Graph() as graph:
            found = (stopped_at if trial.stop else killed_at)(trial, graph, folder)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and the other trials go on
        return [f"{type(error).__name__}: {error}"]
    return wrong(trial, found)


def planned(store: str, times: int, stops: int) -> Iterator[Trial]:
    for _ in range(times):
        yield from trials(store)
    for _ in range(stops if store != "sqlite" else 0):
        yield from (
            Trial(point, store, unique, stop=True)
            for point in STANDING
            for unique in ((True, False) if point in AMBIGUOUS else (True,))
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.crashes", description=__doc__)
    parser.add_argument("--store", choices=MEDIUMS, default="sqlite")
    parser.add_argument("--times", type=int, default=5, help="how often each point is tried")
    parser.add_argument(
        "--stops", type=int, default=1, help="how often each standstill is tried, in shared stores"
    )
    parser.add_argument("--at-once", type=int, default=4, help="trials at a time")
    given = parser.parse_args()
    chosen = list(planned(given.store, given.times, given.stops))
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(given.at_once) as pool:
        folders = [Path(temporary, str(number)) for number in range(len(chosen))]
        for folder in folders:
            folder.mkdir()
        results = list(pool.map(result, chosen, folders))
    failed = [
        f"{trial.name}: {'; '.join(found)}" for trial, found in zip(chosen, results, strict=True) if found
    ]
    print(f"{given.store}: {len(chosen)} trials, {len(failed)} went wrong")
    print(*failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
