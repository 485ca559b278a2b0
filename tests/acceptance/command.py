"""A `lro-gateway` process: started, listened to, stopped.

    with Command("simulate", "--port", "0", "--monitor-port", "0") as simulator:
        url = simulator.line("Graph").split()[1]

Rules: it waits for what a process says, never for a while. `PATIENCE` is for noisy machines; nothing here measures.
Whatever was started is ended, by its id, and its pipes are closed.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

PATIENCE = 60.0


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change how output looks or where requests go."""
    cut = (
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR",
        "TTY_",
        "COLUMNS",
        "LINES",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    )
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(cut)}
    return kept | more


def words(*args: str | Path) -> list[str]:
    """The command line of `lro-gateway`, whether it is on the PATH or not."""
    return [sys.executable, "-m", "gateway", *map(str, args)]


@dataclass(frozen=True)
class Ended:
    """What became of a command that ends by itself."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it complained about. A traceback is never among it."""
        assert "Traceback" not in self.err + self.out, self.err + self.out
        return self.err.splitlines()


def ended(*args: str | Path, cwd: Path | None = None, **more: str) -> Ended:
    """Run to the end."""
    done = subprocess.run(
        words(*args),
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Command:
    """A command that runs until it is told to stop. A context manager, which kills what is left."""

    def __init__(
        self,
        *args: str | Path,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """`env`: what it finds in its environment besides the usual. `program`: in the place of this tree's."""
        self._process = subprocess.Popen(
            words(*args) if program is None else [*program, *map(str, args)],
            cwd=cwd,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._unseen: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            self._reader(self._process.stdout, self.out, self._unseen),
            self._reader(self._process.stderr, self.err, None),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is still there."""
        self._process.send_signal(number)

    def gone(self, within: float) -> bool:
        """Whether it has ended, after at most so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        return self._process.poll() is not None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self.send(number)
        return self.code()

    def code(self) -> int:
        """The exit code, once it has ended and all that it said is here."""
        code = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        assert not any("Traceback" in line for line in (*self.out, *self.err)), self.told
        return code

    @property
    def told(self) -> str:
        return "\n".join((*self.out, "--- stderr", *self.err))

    def line(self, start: str) -> str:
        """The next line of standard output that begins so."""
        return next(line for line in self._lines() if line.startswith(start))

    def event(self, name: str) -> dict[str, Any]:
        """The next event of this name in a log of JSON lines."""
        for line in self._lines():
            event = json.loads(line)
            if event["event"] == name:
                return dict(event)
        raise AssertionError("unreachable: _lines ends by an error")

    def _lines(self) -> Iterator[str]:
        """Lines of standard output that nobody has asked for yet, as they come."""
        while True:
            try:
                line = self._unseen.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"it fell silent:\n{self.told}") from None
            if line is None:
                raise AssertionError(f"it ended with {self._process.wait(PATIENCE)}:\n{self.told}")
            yield line

    def _reader(
        self, pipe: IO[str] | None, lines: list[str], unseen: "queue.Queue[str | None] | None"
    ) -> threading.Thread:
        def read() -> None:
            for line in pipe or ():
                lines.append(line.rstrip("\n"))
                if unseen is not None:
                    unseen.put(lines[-1])
            if unseen is not None:
                unseen.put(None)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread


def curl(*args: str) -> subprocess.CompletedProcess[str]:
    """What curl prints, its own exit code checked."""
    return subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--max-time", str(PATIENCE), *args],
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=2 * PATIENCE,
        check=True,
    )
