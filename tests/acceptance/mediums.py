"""What gateways that are processes keep their operations in: an entry for each kind of store, each fresh and empty.

    with MEDIUMS["sqlite"](folder) as medium:
        settings = f"operations: {{{medium.settings}}}"

Rules: whatever was started is ended, by its id. A program that is missing fails; it is installed by `make test`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakes.redis import RedisProcess

LASTING = ("--appendonly", "yes", "--appendfsync", "always")
"""Everything is in a file before it is confirmed, so that a server that was killed comes back with all of it."""


@dataclass(frozen=True)
class Medium:
    """A store that gateways can be pointed at."""

    settings: str
    """Words for the section `operations`."""
    shared: bool
    """Whether several gateways may use it at a time."""
    server: RedisProcess | None = None


@contextmanager
def sqlite(folder: Path) -> Iterator[Medium]:
    yield Medium(f"store: sqlite, path: '{folder / 'operations.db'}'", shared=False)


@contextmanager
def redis(folder: Path) -> Iterator[Medium]:
    server = RedisProcess(folder, *LASTING)
    server.start()
    try:
        yield Medium(f"store: redis, url: '{server.url}'", shared=True, server=server)
    finally:
        server.kill()


MEDIUMS: dict[str, Callable[[Path], AbstractContextManager[Medium]]] = {"sqlite": sqlite, "redis": redis}
"""By the name in `operations.store`; the path is of a directory of its own."""
