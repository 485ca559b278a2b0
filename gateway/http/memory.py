"""The memory watermark: tells when no more calls should be taken on, before the kernel ends the process for it.

Rules:
1. Without `limits.memory` the mark is nine tenths of the container's limit (its cgroup's or the smallest above it);
   without such a limit there is no mark.
2. Once over the mark, it stays full until well below it: callers that were sent away come back at once.
3. Where it is full, what the allocator holds back is given back to the kernel first; the C library keeps freed
   memory for itself, and a gateway that shed calls for ever would be worse than one that ended.

What this module must not do: decide which calls are turned away.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from gateway.telemetry import Observer

SHARE = 0.9
"""Of the container's limit."""

LOW = 0.95
"""Of the mark: where calls are taken on again."""

LOOK = 0.25
"""Seconds for which a look is good."""

TRIM = 5.0
"""Seconds between two attempts to give memory back; each takes some milliseconds."""

UNLIMITED = 1 << 60
"""From this many bytes on a limit is none; version 1 of cgroups writes one near 2**63."""


class Memory:
    """Whether there is room for one more call."""

    def __init__(
        self,
        mark: int | None,
        *,
        monotonic: Callable[[], float],
        observer: Observer,
        resident: Callable[[], int] | None = None,
        trim: Callable[[], None] | None = None,
    ) -> None:
        """`mark` in bytes; None is never full."""
        self._mark = mark
        self._monotonic = monotonic
        self._observer = observer
        self._resident = resident or resident_bytes
        self._trim = trim or give_back
        self._full = False
        self._looked_at = float("-inf")
        self._trimmed_at = float("-inf")

    def full(self) -> bool:
        """Looks, unless it did a moment ago."""
        if self._mark is None:
            return False
        now = self._monotonic()
        if now - self._looked_at >= LOOK:
            self._looked_at = now
            self._look(self._mark, now)
        return self._full

    def _look(self, mark: int, now: float) -> None:
        bound = mark * LOW if self._full else mark
        taken = self._resident()
        if taken > bound and now - self._trimmed_at >= TRIM:
            self._trimmed_at = now
            self._trim()
            taken = self._resident()
        if (taken > bound) != self._full:
            self._full = not self._full
            self._observer.event("memory_full" if self._full else "memory_freed", bytes=taken, mark=mark)


def watermark(setting: int | None, root: Path = Path("/")) -> int | None:
    """The mark in bytes: what is set, or what follows from the container's limit."""
    if setting is not None:
        return setting
    limit = container_limit(root)
    return None if limit is None else int(limit * SHARE)


def container_limit(root: Path = Path("/")) -> int | None:
    """The smallest memory limit of our cgroups, of version 1 or 2; None where there is none."""
    try:
        lines = (root / "proc/self/cgroup").read_text("ascii", "replace").splitlines()
    except OSError:  # no Linux
        return None
    limits = [limit for line in lines for limit in _limits(root / "sys/fs/cgroup", line)]
    return min(limits, default=None)


def _limits(mounted: Path, line: str) -> list[int]:
    """The limits on the way from a cgroup, a line of /proc/self/cgroup, up to the root; a container sees its own as
    the root, whatever its path is called outside.
    """
    _, controllers, path = line.split(":", 2)
    if controllers == "":
        name = "memory.max"
    elif "memory" in controllers.split(","):
        name, mounted = "memory.limit_in_bytes", mounted / "memory"
    else:
        return []
    here = Path(path.lstrip("/"))
    found = []
    for place in (here, *here.parents):
        try:
            text = (mounted / place / name).read_text("ascii").strip()
        except (OSError, ValueError):
            continue
        if text.isdigit() and int(text) < UNLIMITED:
            found.append(int(text))
    return found


def resident_bytes() -> int:
    """What the process takes of the machine's memory; 0 where the platform does not tell."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Let the C library return what it has no use for (glibc's malloc_trim; others do that by themselves)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
