"""The store of the model: `claim`, `save` and `discard` on a `World`, compared and atomic as `gateway.store` has it.

Rules: a record is what was read only if id, epoch and revision are. Whatever a write does to a row that is under way
and not the writer's is a breach, and is said to be one even where a mutant lets it happen. `test_store` holds this
against the memory store.

What this module must not do: know who writes, or why.
"""

from typing import NamedTuple

from gateway.model import ACTIVE, State
from model.world import Post, Row, Scene, World

LOST_KEY = "a row that was under way lost its key"
REMOVED = "a row that was under way was removed"
OVERWRITTEN = "a row was written over that somebody else had changed"


class Write(NamedTuple):
    """What came of a write; `done` False where the comparison failed."""

    done: bool
    world: World
    breach: str = ""


def stored(world: World, slot: int) -> int:
    return world.rows[slot - 1].number if 0 < slot <= len(world.rows) else 0


def found(world: World) -> int:
    """The record that answers for the key; 0 where none does."""
    return stored(world, world.holder)


def free_slot(world: World) -> int:
    """The lowest slot that is empty and that nobody speaks of any more."""
    spoken = {part.slot for group in (world.tasks, world.calls, world.posts) for part in group}
    for slot, row in enumerate(world.rows, 1):
        if row.number == 0 and slot not in spoken:
            return slot
    return len(world.rows) + 1


def claim(
    scene: Scene, world: World, slot: int, replica: int, *, replaces: int, licence: bool, compares: bool
) -> Write:
    """Insert the draft of `slot` as the key's holder, if the holder still is what was read."""
    held, book = found(world), scene.book
    if compares and book.versions[held] != book.versions[replaces]:
        return Write(False, world)
    breach = LOST_KEY if held and book.states[held] in ACTIVE else ""
    row = Row(book.draft(slot), replica, world.holder if licence else 0)
    return Write(True, with_row(world, slot, row)._replace(holder=slot), breach)


def save(scene: Scene, world: World, number: int, *, slot: int, previous: int, owner: int) -> Write:
    """Write over `previous`, provided it still is what is stored."""
    book, held = scene.book, stored(world, slot)
    same = book.versions[held] == book.versions[previous]
    if not same and scene.rules.save_compares:
        return Write(False, world)
    ended = book.states[number] not in ACTIVE
    replaced = world.rows[slot - 1].replaced if slot <= len(world.rows) else 0
    world = with_row(world, slot, Row(number, 0 if ended else owner, replaced))
    return Write(True, world, "" if same else OVERWRITTEN)


def discard(scene: Scene, world: World, *, slot: int, previous: int) -> Write:
    """Forget a record that came to nothing."""
    book, held = scene.book, stored(world, slot)
    same = book.versions[held] == book.versions[previous]
    if not same and scene.rules.discard_compares:
        return Write(False, world)
    breach = REMOVED if not same and held and book.states[held] in ACTIVE else ""
    replaced = world.rows[slot - 1].replaced if slot <= len(world.rows) else 0
    gone = without_row(world, slot)
    if scene.rules.gives_back and world.holder == slot and stored(world, replaced):
        gone = gone._replace(holder=replaced)
    return Write(True, gone, breach)


def apply(
    scene: Scene, world: World, event: str, *, slot: int, previous: int, owner: int
) -> tuple[Write, int]:
    """As `Records.apply`: the record after the event, stored. With number 0 the table has no such arrow."""
    number = scene.book.move(previous, event)
    if number == 0:
        return Write(False, world), 0
    if scene.book.states[number] is State.REJECTED:
        return discard(scene, world, slot=slot, previous=previous), number
    return save(scene, world, number, slot=slot, previous=previous, owner=owner), number


def with_row(world: World, slot: int, row: Row) -> World:
    rows = world.rows
    return world._replace(rows=(*rows[: slot - 1], row, *rows[slot:]))


def without_row(world: World, slot: int) -> World:
    world = with_row(world, slot, Row(0, 0))
    return world._replace(holder=-1) if world.holder == slot else world


def with_post(world: World, old: Post, *new: Post) -> World:
    """The world with a POST in another fate, or gone where its fate no longer matters to anybody."""
    posts = list(world.posts)
    posts.remove(old)
    return world._replace(posts=tuple(sorted((*posts, *new))))
