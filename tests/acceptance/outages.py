"""Ways in which a store's medium fails, begun and ended while gateways use it.

Rules: `begin` returns when the medium fails, `end` when it works again. Where a small disk cannot be mounted, the
kernel's limit on file sizes stands in for a full one; that one is tried everywhere.
"""

import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.mediums import MEDIUMS, Medium


@dataclass(frozen=True)
class Outage:
    """A medium, and how it fails. Both are given the process id of the gateway."""

    medium: Medium
    begin: Callable[[int], None]
    end: Callable[[int], None]


@contextmanager
def locked(folder: Path) -> Iterator[Outage]:
    """Somebody else, a backup perhaps, keeps the file from being written."""
    with MEDIUMS["sqlite"](folder) as medium:
        others: list[sqlite3.Connection] = []

        def begin(_: int) -> None:
            others.append(sqlite3.connect(folder / "operations.db", timeout=20.0))
            others[0].execute("BEGIN IMMEDIATE")

        def end(_: int) -> None:
            others.pop().close()

        yield Outage(medium, begin, end)
        for other in others:
            other.close()


@contextmanager
def limited(folder: Path) -> Iterator[Outage]:
    """No file can be written to: each write fails, as on a full disk."""
    with MEDIUMS["sqlite"](folder) as medium:

        def limit(pid: int, size: int) -> None:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

        yield Outage(medium, lambda pid: limit(pid, 0), lambda pid: limit(pid, resource.RLIM_INFINITY))


@contextmanager
def full(folder: Path) -> Iterator[Outage]:
    """A disk without a free byte."""
    disk, ballast = folder / "disk", folder / "disk" / "ballast"
    disk.mkdir()
    if not _mounted(disk):
        with limited(folder) as outage:
            yield outage
        return
    try:
        with MEDIUMS["sqlite"](disk) as medium:

            def begin(_: int) -> None:
                with ballast.open("wb", buffering=0) as file:
                    while os.statvfs(disk).f_bavail:
                        file.write(bytes(min(os.statvfs(disk).f_bavail, 256) * 4096))

            yield Outage(medium, begin, lambda _: ballast.unlink())
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _mounted(disk: Path) -> bool:
    """Whether this machine lets us have a disk of 16 MiB: room for a write-ahead log before it is checkpointed."""
    words = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "none", str(disk)]
    return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 0


@contextmanager
def silent(folder: Path) -> Iterator[Outage]:
    """A server that takes what is sent and does not answer."""
    with MEDIUMS["redis"](folder) as medium:
        server = medium.server
        assert server is not None
        yield Outage(medium, lambda _: server.signal(signal.SIGSTOP), lambda _: server.signal(signal.SIGCONT))


@contextmanager
def dead(folder: Path) -> Iterator[Outage]:
    """A server that is gone, and comes back with all that it had acknowledged."""
    with MEDIUMS["redis"](folder) as medium:
        server = medium.server
        assert server is not None
        yield Outage(medium, lambda _: server.kill(), lambda _: server.start())


OUTAGES: dict[str, Callable[[Path], AbstractContextManager[Outage]]] = {
    outage.__name__: outage
    for outage, store in (
        (locked, "sqlite"),
        (limited, "sqlite"),
        (full, "sqlite"),
        (silent, "redis"),
        (dead, "redis"),
    )
    if store in MEDIUMS
}
"""By name; the path is of a directory of its own."""
