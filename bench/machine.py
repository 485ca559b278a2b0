"""The machine that measures: programs pinned to one core, what they cost, and how quiet everything else is.

    with Program("nginx", ["nginx", "-c", conf], core=PROXY_CORE, log=folder / "nginx.log") as proxy:
        proxy.wait_for(port)
        before = proxy.cpu_seconds()
        …
        print(proxy.cpu_seconds() - before, proxy.rss_kib())

Rules
- Core 0 is the proxy's alone; upstream, load and the bench itself share core 1.
- A program ends with the bench, however that ends, and never lives longer than its `life`. Start programs in the
  main thread: the kernel ends them when the thread that started them does.
- What a program costs is read from /proc: its own threads, and all its children.

What it must not do: end anything that it did not start; talk to anything but loopback.
"""

import atexit
import contextlib
import importlib.metadata
import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PROXY_CORE, LOAD_CORE = 0, 1
HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent
BENCH_VENV = ROOT / ".venv" / "bench"
"""Programs whose pins do not fit beside ours: mitmproxy."""
TICKS = os.sysconf("SC_CLK_TCK")
BELOW_EPHEMERAL = range(20_000, 32_000)
"""Where no connection of ours can take a port that a server is about to listen on."""

_running: set["Program"] = set()


class Failed(Exception):
    """A program did not start, or ended by itself."""


def free_port() -> int:
    for port in random.sample(BELOW_EPHEMERAL, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise Failed("no free port")


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder for a part's files, gone afterwards. nginx's worker may be somebody else, who has to get into it."""
    with tempfile.TemporaryDirectory(prefix="lro-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user - other.user, self.system - other.system)


class Program:
    """One process on one core, with all that it starts."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        core: int,
        log: Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        life: float = 1200.0,
    ) -> None:
        self.name = name
        self.log = log
        output = log.open("wb") if log is not None else None
        try:
            self._process = subprocess.Popen(
                # Both become the program itself: the process id is its own.
                ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # its number is that of the group, children included
            )
        finally:
            if output is not None:
                output.close()
        self.pid = self._process.pid
        self.started = time.perf_counter()
        self._limit = threading.Timer(life, self._kill)
        self._limit.daemon = True
        self._limit.start()
        _running.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_for(self, port: int, *, host: str = HOST, within: float = 30.0) -> float:
        """Seconds from the start to the first connection that `port` takes."""
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
                return time.perf_counter() - self.started
            self.check()
            if time.perf_counter() - self.started > within:
                raise Failed(f"{self.name}: nothing listens on {port} after {within:g} s\n{self.tail()}")
            time.sleep(0.002)

    def check(self) -> None:
        """Raise if it has ended."""
        if self._process.poll() is not None:
            raise Failed(f"{self.name}: ended by itself, code {self._process.returncode}\n{self.tail()}")

    def tail(self, size: int = 2000) -> str:
        """The end of what it printed."""
        if self.log is None or not self.log.exists():
            return ""
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def stop(self) -> None:
        """End it and all that it started; for a second time, nothing."""
        self._limit.cancel()
        _running.discard(self)
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self._kill()
        self._process.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    # --- what it costs -------------------------------------------------------------------------------------

    def cpu(self) -> Cpu:
        """Since its start: all threads, all children, those that have ended too."""
        ticks = [_stat(pid)[11:15] for pid in self._tree()]
        user = sum(int(one[0]) + int(one[2]) for one in ticks)
        system = sum(int(one[1]) + int(one[3]) for one in ticks)
        return Cpu(user / TICKS, system / TICKS)

    def cpu_seconds(self) -> float:
        return self.cpu().total

    def rss_kib(self) -> int:
        """Memory now, children included. What they share with each other counts for each."""
        return sum(_memory(pid, "VmRSS") for pid in self._tree())

    def peak_kib(self) -> int:
        """The most that it had since the start, or since `forget_peak`."""
        return sum(_memory(pid, "VmHWM") for pid in self._tree())

    def forget_peak(self) -> None:
        for pid in self._tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def threads(self) -> int:
        return sum(_memory(pid, "Threads") for pid in self._tree())

    def _tree(self) -> Iterator[int]:
        self.check()
        todo = [self.pid]
        while todo:
            pid = todo.pop()
            yield pid
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text(encoding="ascii").split())


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _memory(pid: int, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text("utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0


@atexit.register
def stop_all() -> None:
    """End every program that still runs."""
    for program in list(_running):
        program.stop()


def prepare() -> None:
    """Put this process on the load's core, and allow as many open files as may be."""
    if (os.cpu_count() or 1) < 2:
        raise Failed("the bench needs two cores: one for the proxy, one for upstream and load")
    os.sched_setaffinity(0, {LOAD_CORE})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- how quiet it is -------------------------------------------------------------------------------------

MOST_BUSY, MOST_STEAL, MOST_SPREAD = 0.10, 0.02, 0.20
UNEVEN = "one and the same loop differed"
"""Nobody else's doing: cores of hired machines are not as fast now as then."""
LOOP = 200_000
TRIES = 9


@dataclass(frozen=True, slots=True)
class Calm:
    """What others did on this machine while we did nothing, and how evenly each core ran one and the same loop."""

    busy: float
    """Share of the time that the cores were not idle in, while the bench slept."""
    steal: float
    """Share of the time that the host gave to others."""
    loop_ms: tuple[float, ...]
    """Median for each core."""
    spread: float
    """(slowest - fastest) / median of the loop, on the worse core."""

    @property
    def troubles(self) -> list[str]:
        """Why figures that are taken now are worth little."""
        limits = (
            ("other programs kept the cores busy", self.busy, MOST_BUSY),
            ("the host took time away (steal)", self.steal, MOST_STEAL),
            (UNEVEN, self.spread, MOST_SPREAD),
        )
        return [f"{what}: {share:.0%}" for what, share, most in limits if share > most]

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "loop_ms": list(self.loop_ms), "troubles": self.troubles}


def calibrate(*, idle: float = 1.0) -> Calm:
    """Sleep for `idle` seconds, then time a fixed loop on each core."""
    before = _machine_time()
    time.sleep(idle)
    rested = _machine_time()
    here = os.sched_getaffinity(0)
    medians, spreads = [], []
    try:
        for core in (PROXY_CORE, LOAD_CORE):
            os.sched_setaffinity(0, {core})
            took = [_loop() for _ in range(TRIES)]
            medians.append(statistics.median(took))
            fast, *_, slow = sorted(took)[1:-1]  # one stray either way is no verdict
            spreads.append((slow - fast) / medians[-1])
    finally:
        os.sched_setaffinity(0, here)
    after = _machine_time()
    return Calm(
        busy=_share(before, rested, "busy"),
        steal=_share(before, after, "steal"),
        loop_ms=tuple(round(one * 1e3, 3) for one in medians),
        spread=max(spreads),
    )


def _loop() -> float:
    started = time.perf_counter()
    total = 0
    for number in range(LOOP):
        total += number & 7
    return time.perf_counter() - started


def _machine_time() -> dict[str, int]:
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, idle, waiting, hard, soft, steal = (int(word) for word in line.split()[1:9])
    busy = user + nice + system + hard + soft
    return {"busy": busy, "steal": steal, "all": busy + idle + waiting + steal}


def _share(before: Mapping[str, int], after: Mapping[str, int], what: str) -> float:
    return (after[what] - before[what]) / max(1, after["all"] - before["all"])


# --- what it is ------------------------------------------------------------------------------------------

SAYS_ITS_VERSION: Mapping[str, tuple[str, ...]] = {
    "nginx": ("nginx", "-v"),
    "haproxy": ("haproxy", "-v"),
    "wrk": ("wrk", "-v"),
    "mitmproxy": (str(BENCH_VENV / "bin" / "mitmdump"), "--version"),
    "openssl": ("openssl", "version"),
}
PACKAGES = ("aiohttp", "httptools", "uvloop")


def facts() -> dict[str, str]:
    """The processor, the kernel, and the version of everything that takes part."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    told = {
        "processor": f"{os.cpu_count()} x {found[1] if found else platform.machine()}",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "lro-gateway": importlib.metadata.version("lro-gateway"),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }
    for name, command in SAYS_ITS_VERSION.items():
        if shutil.which(command[0]):
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            version = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
            told[name] = version[0] if version else "?"
    return told
