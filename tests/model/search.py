"""The search: every state that can be reached, breadth first, and whether each has a way to every client's answer.

Rules: breadth first, so that the first way to a breach is a shortest one; no state is left out for its likelihood.
A breach is kept with the way to it and searched no further, unless another kind is looked for. Whether everybody gets
an answer is asked only where nothing else is wrong. A search that would be cut short raises instead, for it would have
shown nothing.

What this module must not do: know what a state means.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.events import Event
from gateway.model import State
from gateway.sameness import Decision
from model import callers, owners, upstream
from model.world import DONE, Rules, Scene, Step, World

STUCK = "a client that keeps asking can get no final answer"
MOST = 400_000
"""States; a scene that has more is too large for a test."""


@dataclass
class Found:
    """What a search came to."""

    states: int = 0
    steps: int = 0
    depth: int = 0
    answered: int = 0
    """States in which every client has its final answer."""
    arrows: set[tuple[State, type[Event]]] = field(default_factory=set)
    decisions: set[Decision] = field(default_factory=set)
    breaches: dict[str, list[str]] = field(default_factory=dict)
    """A shortest way to each kind of breach."""

    def __str__(self) -> str:
        return f"{self.states:,} states, {self.steps:,} steps, depth {self.depth}"

    def told(self) -> str:
        return "\n\n".join(
            f"{breach}, in {len(way)} steps:\n"
            + "\n".join(f"  {number:2}. {text}" for number, text in enumerate(way, 1))
            for breach, way in self.breaches.items()
        )


class TooManyStates(Exception):
    """The scene is larger than a test may be."""


def steps(scene: Scene, world: World) -> Iterator[Step]:
    yield from callers.steps(scene, world)
    yield from owners.steps(scene, world)
    yield from upstream.steps(scene, world)


def search(rules: Rules, *, until: str = "", most: int = MOST) -> Found:
    """Look at all there is; with `until`, only as far as the first breach of that kind."""
    scene, found = Scene(rules), Found()
    worlds = [scene.beginning()]
    numbers = {worlds[0]: 0}
    parents, depths = array("l", [-1]), array("l", [0])
    sources, targets = array("l"), array("l")
    at = 0
    while at < len(worlds):
        world = worlds[at]
        for step in steps(scene, world):
            found.steps += 1
            if step.breach:
                if step.breach not in found.breaches:
                    found.breaches[step.breach] = [*_way(scene, worlds, parents, at), step.text]
                    if step.breach == until:
                        return _counted(found, scene, worlds, depths)
                if not until:
                    continue
            number = numbers.setdefault(step.world, len(worlds))
            if number == len(worlds):
                if number >= most:
                    raise TooManyStates(f"more than {most:,} states of {rules}")
                worlds.append(step.world)
                parents.append(at)
                depths.append(depths[at] + 1)
            if not step.mishap:
                sources.append(at)
                targets.append(number)
        at += 1
    stuck = _stuck(worlds, sources, targets) if not found.breaches else None
    if stuck is not None:
        found.breaches[STUCK] = _way(scene, worlds, parents, stuck)
    return _counted(found, scene, worlds, depths)


def _counted(found: Found, scene: Scene, worlds: list[World], depths: "array[int]") -> Found:
    found.states, found.depth = len(worlds), depths[-1]
    found.arrows, found.decisions = scene.book.arrows, scene.book.decisions
    found.answered = sum(set(world.clients) == {DONE} for world in worlds)
    return found


def _stuck(worlds: list[World], sources: "array[int]", targets: "array[int]") -> int | None:
    """The first state from which some client cannot get its answer, however well everything goes from there on."""
    before: list[list[int]] = [[] for _ in worlds]
    for source, target in zip(sources, targets, strict=True):
        before[target].append(source)
    first: int | None = None
    for client in range(len(worlds[0].clients)):
        good = bytearray(len(worlds))
        heap = [number for number, world in enumerate(worlds) if world.clients[client] == DONE]
        for number in heap:
            good[number] = 1
        while heap:
            for number in before[heap.pop()]:
                if not good[number]:
                    good[number] = 1
                    heap.append(number)
        bad = good.find(0)
        if bad >= 0 and (first is None or bad < first):
            first = bad
    return first


def _way(scene: Scene, worlds: list[World], parents: "array[int]", number: int) -> list[str]:
    """What happened from the beginning to this state; found again by taking the same steps."""
    way: list[str] = []
    while parents[number] >= 0:
        before, after = worlds[parents[number]], worlds[number]
        way.append(next(step.text for step in steps(scene, before) if step.world == after))
        number = parents[number]
    return way[::-1]
