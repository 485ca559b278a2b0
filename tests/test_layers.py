"""The house has floors, and imports only point down; and some more of the house rules that a machine can check.

The table below is the one of the architecture page. A module that is not in it has no place yet: give it one. The
checks read the sources with `ast` and import nothing; the last part of this file tries them on made-up sources.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gateway"

FLOORS: dict[str, int] = {
    # 0: words
    "copying": 0,
    "crashpoints": 0,
    "model": 0,
    "errors": 0,
    "headers": 0,
    "prefer": 0,
    "config": 0,
    # 1: the pure core
    "dialects": 1,
    "events": 1,
    "guard": 1,
    "lifecycle": 1,
    "pacing": 1,
    "sameness": 1,
    # 2: the edges
    "auth": 2,
    "clock": 2,
    "store": 2,
    "tasks": 2,
    "telemetry": 2,
    "upstream": 2,
    # 3: the shell that drives operations
    "acting": 3,
    "asking": 3,
    "follower": 3,
    "hearing": 3,
    "lanes": 3,
    "records": 3,
    "submission": 3,
    "takeover": 3,
    "turns": 3,
    "bounds": 3,
    # 4: patience
    "waiting": 4,
    # 5: HTTP
    "admin": 5,
    "http": 5,
    # 6: entry
    "app": 6,
    "cli": 6,
    "epilogs": 6,
    "process": 6,
    "running": 6,
    "versions": 6,
    "demo": 6,
    "explain": 6,
    "listing": 6,
    "readings": 6,
    "reloading": 6,
    "__main__": 6,
}
"""Floor of each module or package directly under `gateway`; what is inside a package is on the package's floor."""

BESIDE = {"simulator": {"clock"}}
"""Stand outside the house, so that a misreading of ours cannot cancel out; with what they may import of it."""
ENTRIES_TO_BESIDE = {6}
"""The floors that may import what stands outside."""
FREE_ON_EDGES = {"clock", "tasks"}
"""The only edges that other edges may import."""

IMPURE = {"asyncio", "aiohttp", "time", "random", "logging"}
"""What floors 0 and 1 do without: time and chance are arguments there, and nothing waits or speaks."""
LONGEST = 400
"""Lines of a module; 250 is the habit."""
NO_NAMES = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "misc"}
SPAWNING = {"create_task", "ensure_future"}
"""Ways to start a task that may be lost; `tasks` is the wrapper that keeps them."""

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(module, rule) that is not held to: why. Best empty."""

Sources = dict[str, str]
"""Text by dotted name below `gateway`; a package's own file under the package's name, the topmost under ""."""


def the_sources() -> Sources:
    found: Sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


# --- the checks ------------------------------------------------------------------------------------------


def violations(sources: Sources) -> list[tuple[str, str, str]]:
    """(module, rule, what is wrong) for each breach."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    imports = {name: set(imported(name, tree, sources, typing=True)) for name, tree in trees.items()}
    found = []
    for name, tree in trees.items():
        found += [(name, "floors", text) for text in wrong_floors(name, imports[name])]
        found += [(name, "pure", text) for text in impure_imports(name, imports[name])]
        found += [(name, "tasks", text) for text in spawns(name, tree)]
        if ast.get_docstring(tree) is None:
            found.append((name, "docstring", "opens without saying what it is"))
        if (length := len(sources[name].splitlines())) > LONGEST:
            found.append((name, "length", f"has {length} lines"))
        if NO_NAMES & set(name.lower().split(".")):
            found.append((name, "name", "is called what anything could be called"))
    running = {name: set(imported(name, tree, sources, typing=False)) for name, tree in trees.items()}
    found += [(cycle[0], "cycle", " -> ".join(cycle)) for cycle in cycles(running)]
    return found


def walk(node: ast.AST, *, typing: bool) -> Iterator[ast.AST]:
    """Like `ast.walk`; without `typing`, past what only a type checker reads."""
    yield node
    below: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if (
        isinstance(node, ast.If)
        and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING"
        and not typing
    ):
        below = node.orelse
    for child in below:
        yield from walk(child, typing=typing)


def imported(module: str, tree: ast.Module, sources: Sources, *, typing: bool) -> Iterator[str]:
    """Names of the modules that `module` imports, wherever in it; our own with `gateway.` in front."""
    for node in walk(tree, typing=typing):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield f"relative import in {module}"
                continue
            origin = node.module or ""
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner.removeprefix("gateway.") in sources else origin


def ours(names: set[str]) -> set[str]:
    return {name.removeprefix("gateway.") for name in names if name.startswith("gateway.")}


def top(name: str) -> str:
    return name.partition(".")[0]


def wrong_floors(module: str, names: set[str]) -> Iterator[str]:
    yield from sorted(name for name in names if name.startswith("relative"))
    here = top(module)
    if here not in FLOORS and here not in BESIDE and module:
        yield "has no floor: give it one in FLOORS, and in the architecture page"
        return
    for name in sorted(ours(names)):
        there = top(name)
        if there == here:
            continue
        if not module:
            yield f"imports {name}: what everybody imports must import nothing"
        elif here in BESIDE:
            if there not in BESIDE[here]:
                yield f"imports {name} from the house that it stands outside of"
        elif there in BESIDE:
            if FLOORS[here] not in ENTRIES_TO_BESIDE:
                yield f"imports {name}, which stands outside"
        elif there in FLOORS and FLOORS[there] > FLOORS[here]:
            yield f"imports {name}, which is upstairs"
        elif there in FLOORS and FLOORS[there] == FLOORS[here] == 2 and there not in FREE_ON_EDGES:
            yield f"imports {name}, another edge"


def impure_imports(module: str, names: set[str]) -> Iterator[str]:
    if FLOORS.get(top(module), 9) <= 1:
        yield from (f"imports {name}" for name in sorted(names) if top(name) in IMPURE)


def spawns(module: str, tree: ast.Module) -> Iterator[str]:
    if module == "tasks":
        return
    for node in ast.walk(tree):
        called = (
            node.attr if isinstance(node, ast.Attribute) else node.name if isinstance(node, ast.alias) else ""
        )
        if called in SPAWNING:
            yield f"{called} in line {getattr(node, 'lineno', '?')}; use Tasks.start"


def cycles(imports: dict[str, set[str]]) -> Iterator[list[str]]:
    """Each ring of modules that import one another, once."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> Iterator[list[str]]:
        if name in path:
            yield [*path[path.index(name) :], name]
        elif name not in done:
            for further in sorted(ours(imports[name]) & imports.keys() - {name}):
                yield from visit(further, [*path, name])
            done.add(name)

    for name in sorted(imports):
        yield from visit(name, [])


# --- the house -------------------------------------------------------------------------------------------


def test_the_house_keeps_its_rules() -> None:
    found = [
        f"{name or 'gateway'}: {text}"
        for name, rule, text in violations(the_sources())
        if (name, rule) not in EXCEPTIONS
    ]
    assert not found, "\n" + "\n".join(found)


def test_every_exception_is_still_needed() -> None:
    found = {(name, rule) for name, rule, _ in violations(the_sources())}
    assert not EXCEPTIONS.keys() - found
    assert all(EXCEPTIONS.values())


def test_the_sources_are_found() -> None:
    assert {"", "model", "errors", "clock"} <= the_sources().keys()


# --- the checks, tried on made-up houses -----------------------------------------------------------------

GOOD: Sources = {
    "": '"""The house."""\n__version__ = "1"\n',
    "model": '"""Nouns."""\nfrom dataclasses import dataclass\n',
    "headers": '"""Rules."""\nfrom gateway.model import Headers\n',
    "pacing": '"""When."""\nfrom gateway.model import Sample\n',
    "lifecycle": '"""What."""\nfrom gateway import pacing\nfrom gateway.model import State\n',
    "clock": '"""Time."""\nimport asyncio\nimport time\n',
    "tasks": '"""Keeper."""\nimport asyncio\nasyncio.create_task(x)\n',
    "upstream": '"""Edge."""\nimport aiohttp\nfrom gateway.clock import Clock\nfrom gateway.tasks import Tasks\n',
    "store": '"""Stores."""\nfrom gateway.store.memory import Memory\n',
    "store.memory": '"""One."""\nfrom gateway.model import Operation\n',
    "http.server": '"""Door."""\nfrom gateway.http.hold import hold\nfrom gateway import guard, upstream\n',
    "http.hold": '"""Room."""\nfrom gateway.clock import Clock\n',
    "simulator.graph": '"""Outside."""\nfrom gateway.clock import Clock\nfrom gateway.simulator import plan\n',
    "simulator.plan": '"""Outside."""\n',
    "cli": '"""Words."""\nfrom gateway import __version__\nfrom gateway.simulator import graph\n',
}


def test_a_good_house_passes() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize(
    ("module", "text", "rule"),
    [
        ("model", "from gateway.clock import Clock", "floors"),
        ("model", "import gateway.tasks", "floors"),
        ("pacing", "def f():\n    from gateway import clock", "floors"),
        ("pacing", "from gateway.clock import Clock", "floors"),
        ("pacing", "if TYPE_CHECKING:\n    from gateway.clock import Clock", "floors"),
        ("store.memory", "from gateway.upstream import Upstream", "floors"),
        ("store.memory", "from gateway.http.server import x", "floors"),
        ("store.memory", "from . import x", "floors"),
        ("store.memory", "from ..model import x", "floors"),
        ("simulator.plan", "from gateway.model import State", "floors"),
        ("http.hold", "from gateway.simulator import plan", "floors"),
        ("http.hold", "from gateway.cli import main", "floors"),
        ("", "from gateway.model import State", "floors"),
        ("newcomer", "x = 1", "floors"),
        ("pacing", "import asyncio", "pure"),
        ("pacing", "import asyncio.locks as x", "pure"),
        ("pacing", "from time import monotonic", "pure"),
        ("headers", "import random", "pure"),
        ("lifecycle", "import logging.handlers", "pure"),
        ("dialects.drive", "from aiohttp import web", "pure"),
        ("http.hold", "import asyncio\nasyncio.create_task(x)", "tasks"),
        ("http.hold", "async def f(g):\n    g.create_task(x())", "tasks"),
        ("http.hold", "from asyncio import create_task", "tasks"),
        ("http.hold", "from asyncio import ensure_future as go", "tasks"),
        ("http.hold", "\n" * 400, "length"),
        ("http.utils", "x = 1", "name"),
        ("store.base", "x = 1", "name"),
        ("headers", "from gateway import model\nfrom gateway import prefer", "cycle"),
    ],
)
def test_a_breach_is_seen(module: str, text: str, rule: str) -> None:
    bad = GOOD | {module: f'"""What it is."""\n{text}\n'}
    if rule == "cycle":
        bad["prefer"] = '"""Rules."""\nfrom gateway import headers\n'
    assert {(name, broken) for name, broken, _ in violations(bad)} == {(module, rule)}


def test_a_missing_docstring_is_seen() -> None:
    assert [found[:2] for found in violations(GOOD | {"model": "x = 1\n"})] == [("model", "docstring")]


def test_a_ring_for_types_only_is_none() -> None:
    loop = {
        "http.hold": '"""A."""\nfrom gateway.http.batch import x\n',
        "http.batch": '"""B."""\nif TYPE_CHECKING:\n    from gateway.http.hold import y\nelse:\n    y = None\n',
    }
    assert violations(GOOD | loop) == []


def test_a_longer_ring_is_seen_once() -> None:
    ring = {
        "http.server": '"""A."""\nfrom gateway.http.hold import x\n',
        "http.hold": '"""B."""\nfrom gateway.http.batch import x\n',
        "http.batch": '"""C."""\nfrom gateway.http import server\n',
    }
    assert [found[1] for found in violations(GOOD | ring)] == ["cycle"]
