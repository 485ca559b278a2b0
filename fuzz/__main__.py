"""`python -m fuzz [TARGET …] [--seconds N] [--runs N] [--keep DIRECTORY]`: all targets, or those named, one by one;
`every` is all of them in one run.

What is found is written to a file, whose name libFuzzer prints; `python -m fuzz.one TARGET FILE` shows it again. With
`--runs` and no `--keep` it does the same each time.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.targets import TARGETS, seeds

NOT_HERE = (
    "fuzz: atheris is not installed: it has wheels for Linux on x86-64 and arm64 alone. The targets are tried by "
    "Hypothesis everywhere: .venv/bin/pytest tests/unit/test_fuzz.py"
)


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m fuzz")
    reader.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join([*TARGETS, "every"]))
    reader.add_argument("--seconds", type=int, default=0, help="for each target; 0: no limit but --runs")
    reader.add_argument("--runs", type=int, default=-1, help="of each target; -1: no limit but --seconds")
    reader.add_argument("--keep", type=Path, help="where the inputs that reach something new are kept")
    asked = reader.parse_args()
    unknown = sorted(set(asked.targets) - TARGETS.keys() - {"every"})
    if unknown:
        reader.error(f"no such target: {', '.join(unknown)}")
    if importlib.util.find_spec("atheris") is None:
        print(NOT_HERE, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        found = [name for name in asked.targets or TARGETS if fuzz(name, asked, Path(scratch))]
    if found:
        print(f"fuzz: found something in {', '.join(found)}", file=sys.stderr)
    return int(bool(found))


def fuzz(name: str, asked: argparse.Namespace, scratch: Path) -> int:
    """Try one target; libFuzzer's exit code, which is 0 where nothing was found."""
    begin = scratch / name
    begin.mkdir()
    for number, seed in enumerate(seeds(name)):
        (begin / str(number)).write_bytes(seed)
    kept = []
    if asked.keep is not None:
        kept = [asked.keep / name]
        kept[0].mkdir(parents=True, exist_ok=True)
    options = [
        f"-runs={asked.runs}",
        f"-max_total_time={asked.seconds}",
        "-seed=1",
        "-max_len=2048",
        "-timeout=10",
        "-verbosity=0",
        "-print_final_stats=0",
    ]
    print(f"fuzz: {name}", flush=True)
    return subprocess.run(
        [sys.executable, "-m", "fuzz.one", name, *map(str, kept), str(begin), *options], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
