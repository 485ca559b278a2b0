"""From starting a proxy to its first answer from upstream, and what that costs; how much of it is installed."""

import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from packaging.requirements import Requirement

from bench.call import TARGET, Place, vet
from bench.machine import HOST, Failed, Program, workplace
from bench.peers import CALLED, running
from bench.rounds import Part, Tell, median, note, run, table
from bench.upstreams import small

CONTESTANTS = ("nginx", "haproxy", "nginx_lua", "ours", "naive", "mitmproxy")
PATIENCE = 20.0
BETWEEN = 0.005


def measured(*, quick: bool, tell: Tell) -> Part:
    with workplace() as folder, small(folder) as upstream:
        measure = partial(one, upstream=upstream.place, folder=folder / "proxy")
        return run(CONTESTANTS, measure, rounds=1 if quick else 3, tell=tell)


def one(name: str, *, upstream: Place, folder: Path) -> dict[str, float]:
    with running(name, upstream, folder) as proxy:
        if proxy.program is None:
            raise Failed(f"{name} is no program")
        answered(proxy.place, proxy.program)
        figures = {"answer_ms": (time.perf_counter() - proxy.program.started) * 1e3}
        if proxy.admin_port is not None:
            ready(proxy.admin_port, proxy.program)
            figures["ready_ms"] = (time.perf_counter() - proxy.program.started) * 1e3
            figures["installed_mb"] = installed("lro-gateway") / 1e6
        figures["cpu_s"] = proxy.program.cpu_seconds()
        figures["rss"] = proxy.program.rss_kib() / 1024
        figures["threads"] = proxy.program.threads()
        vet(proxy.place)
        return figures


def answered(place: Place, program: Program) -> None:
    """Until the first call comes back from upstream."""
    while time.perf_counter() - program.started < PATIENCE:
        program.check()
        if place.ask("GET", TARGET)[0] == 200:
            return
        time.sleep(BETWEEN)
    raise Failed(f"{program.name} answers nothing after {PATIENCE:g} s")


def ready(port: int, program: Program) -> None:
    while time.perf_counter() - program.started < PATIENCE:
        program.check()
        try:
            with urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
                return
        except URLError:
            time.sleep(BETWEEN)
    raise Failed(f"{program.name} is not ready after {PATIENCE:g} s")


def installed(package: str) -> int:
    """Bytes of what pip installs with a package, without its extras; Python itself does not count."""
    seen: set[str] = set()
    todo = [package]
    size = 0
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another system, or another Python
            continue
        paths = (Path(str(file.locate())) for file in found.files or ())
        size += sum(path.stat().st_size for path in paths if path.is_file())
        for line in found.requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                todo.append(wanted.name)
    return size


# --- what is made of it ------------------------------------------------------------------------------------

COLUMNS = (
    median("first answer, ms", "answer_ms", spread=True),
    median("`/readyz`, ms", "ready_ms"),
    median("CPU, s", "cpu_s", digits=2),
    median("memory then, MiB", "rss"),
    median("threads", "threads"),
    median("installed, MB", "installed_mb"),
)


def blocks(part: Part) -> Mapping[str, str]:
    return {"startup": table(part, COLUMNS, names=CALLED) + "\n" + note(part)}


def plots(_: Part) -> Mapping[str, str]:
    return {}
