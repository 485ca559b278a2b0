"""The store that the configuration asks for, and what is said where its library is missing."""

import sys

import pytest
from fakes.clock import FakeClock
from fakes.records import Remembering

from gateway.config import Operations
from gateway.store import Store, StoreDown
from gateway.store.chosen import chosen


def choose(**settings: object) -> Store:
    observer = Remembering()
    operations = Operations.model_validate(settings)
    return chosen(operations, clock=FakeClock(), tell=observer.event, crashed=observer.crashed)


@pytest.mark.parametrize(
    ("name", "kind", "shared"),
    [("memory", "MemoryStore", False), ("sqlite", "SqliteStore", False), ("redis", "RedisStore", True)],
)
def test_each_store_can_be_chosen(name: str, kind: str, shared: bool) -> None:  # noqa: FBT001 - of the table
    store = choose(store=name)
    assert (type(store).__name__, store.shared) == (kind, shared)


def test_a_missing_library_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("gateway.store.redis")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreDown, match=r"pip install lro-gateway\[redis\]"):
        choose(store="redis")
