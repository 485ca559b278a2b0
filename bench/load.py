"""Load by wrk: so many connections, each with one call under way, for a few seconds; closed-loop, one thread.

What it must not do: accept a run with an error in it. An answer that is not a 2xx or 3xx, a connection that broke or
timed out, and the run is `Failed`.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.call import TOKEN
from bench.machine import LOAD_CORE, Failed

SCRIPT = Path(__file__).parent / "load.lua"
TOLERANCE = 15.0
"""Seconds beyond its time after which wrk is stuck."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def rps(self) -> float:
        return self.requests / self.seconds


def wrk(
    url: str, *, connections: int, seconds: float, method: str = "GET", body: int = 0, keep: bool = True
) -> Load:
    # wrk takes whole seconds only
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "8s", "--script", str(SCRIPT), url]
    command += ["--", method, str(body), "1" if keep else "0"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + TOLERANCE,
        env={**os.environ, "BENCH_TOKEN": TOKEN},
    )
    found = re.search(r"^FIGURES (.+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise Failed(f"wrk told nothing: {done.stdout[-500:]}{done.stderr[-500:]}")
    requests, micros, p50, p99, *errors = map(float, found[1].split())
    if any(errors) or not requests:
        connect, read, write, timeout, status = map(int, errors)
        raise Failed(
            f"wrk, {connections} connections, {int(requests)} answers: {connect} not connected, {read} cut off, {write} not written, {timeout} timed out, {status} not 2xx or 3xx"
        )
    return Load(int(requests), micros / 1e6, p50, p99)
