"""`python -m chaos`: one run, its verdict, and 1 for an exit code where anything is wrong."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from acceptance.mediums import MEDIUMS

from chaos.run import Chaos, run
from gateway.clock import SystemClock


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--store", choices=MEDIUMS, default="sqlite")
    parser.add_argument("--copies", type=int, default=10_000, help="logical copies")
    parser.add_argument("--seed", type=int, default=1, help="chooses what is wanted and what goes wrong")
    parser.add_argument("--callers", type=int, default=30, help="identities")
    parser.add_argument("--at-once", type=int, default=60, help="copies at a time")
    parser.add_argument(
        "--stops", type=int, default=5, help="gateways that stand still, where they share a store"
    )
    parser.add_argument("--folder", type=Path, help="where logs and the truth are left; nowhere without one")
    given = parser.parse_args()
    chaos = Chaos(given.store, given.copies, given.seed, given.callers, given.at_once, given.stops)
    clock = SystemClock()
    began = clock.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        verdict = asyncio.run(run(chaos, folder))
        if given.folder is not None:
            (folder / "verdict.json").write_text(json.dumps(vars(verdict), indent=1), "utf-8")
    print(f"{chaos.store}, seed {chaos.seed}, {clock.monotonic() - began:.0f} s")
    print(*verdict.lines(), sep="\n")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
