"""`python -m bench`: measures the parts that are asked for, keeps the results, and writes the page that shows them.

Each part is a module of this package with three functions: `measured(quick=, tell=)` gives a `rounds.Part`,
`blocks(part)` the made parts of docs/performance.md, `plots(part)` its pictures; its name is entered in `page.PARTS`.
It is bounded: after `LONGEST` seconds all of it is ended.
"""

import argparse
import importlib
import signal
import subprocess
import sys
from typing import NoReturn

from bench import page
from bench.machine import Failed, calibrate, prepare
from bench.page import PARTS
from bench.rounds import keep

LONGEST = 45 * 60
STORES = "stores"
"""A part with a page and a program of its own."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", default="", help=f"parts, with commas between: {', '.join((*PARTS, STORES))}"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="once and briefly, to see that it works; nothing is kept for the page",
    )
    parser.add_argument("--must-be-quiet", action="store_true", help="do not begin on a machine that is busy")
    options = parser.parse_args()
    wanted = [part for part in options.only.split(",") if part] or list(PARTS)
    unknown = set(wanted) - {*PARTS, STORES}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join((*PARTS, STORES))}")
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    prepare()
    troubles = calibrate().troubles
    if troubles:
        print(
            f"bench: THIS MACHINE IS NOT QUIET, the figures will be worth little: {'; '.join(troubles)}",
            flush=True,
        )
        if options.must_be_quiet:
            raise SystemExit(1)
    failed = [name for name in wanted if not measure(name, quick=options.quick)]
    if not options.quick:
        page.write()
    if failed:
        raise SystemExit(f"bench: without figures: {', '.join(failed)}")


def measure(name: str, *, quick: bool) -> bool:
    """Whether everything was measured."""
    print(f"bench: {name}", flush=True)
    if name == STORES:
        more = ["--rounds", "1", "--sizes", "1000"] if quick else ["--write"]
        return subprocess.run([sys.executable, "-m", "bench.stores", *more], check=False).returncode == 0
    module = importlib.import_module(f"bench.{name}")
    try:
        part = module.measured(quick=quick, tell=lambda text: print(f"  {text}", flush=True))
    except Failed as problem:
        print(f"bench: {name} FAILED: {problem}", flush=True)
        return False
    keep(name, part, quick=quick)
    for made in module.blocks(part).values():
        print(made, flush=True)
    return all(figures is not None for rounds in part.rounds.values() for figures in rounds)


def stop(number: int, _: object) -> NoReturn:
    raise SystemExit(f"bench: ended by {signal.Signals(number).name}")


if __name__ == "__main__":
    main()
