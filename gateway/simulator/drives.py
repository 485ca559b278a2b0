"""Drives, folders and files in memory: a tree whose names are unique per folder, case ignored.

Rules: no HTTP, no JSON, no clock; times come in as arguments. Contents are a block that is repeated up to the
file's size, so that a file of 40 GB costs nothing. Whoever may see a drive is decided by the drive
(`visible_to`), never by the caller of a method.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from gateway.simulator.ids import Ids
from gateway.simulator.wire import Stream

FORBIDDEN_IN_NAMES = frozenset('/\\*<>?:|"')


class Conflict(StrEnum):
    """`@microsoft.graph.conflictBehavior`."""

    FAIL = "fail"
    REPLACE = "replace"
    RENAME = "rename"


class NameTakenError(Exception):
    """There is an item of that name, and the conflict behaviour is to fail."""

    def __init__(self, item: "Item") -> None:
        super().__init__(item.name)
        self.item = item


@dataclass(frozen=True)
class Content:
    size: int
    block: bytes

    @classmethod
    def of(cls, data: bytes) -> "Content":
        return cls(len(data), data)

    @classmethod
    def made_up(cls, size: int, seed: int) -> "Content":
        return cls(size, random.Random(seed).randbytes(min(size, 64 * 1024)))

    def stream(self) -> Stream:
        return Stream(self.size, self.block)

    @property
    def digest(self) -> str:
        """Stands in for the quickXorHash: same content, same text."""
        return base64.b64encode(hashlib.sha1(self.block + str(self.size).encode()).digest()).decode()  # noqa: S324 - 20 bytes, like the real one; no secret


@dataclass(frozen=True)
class Blueprint:
    """What a copy will be made of: an item and all below it, as they were when the copy was asked for."""

    name: str
    content: Content | None
    children: tuple["Blueprint", ...] = ()

    @property
    def size(self) -> int:
        own = self.content.size if self.content is not None else 0
        return own + sum(child.size for child in self.children)


@dataclass(eq=False)
class Item:
    id: str
    name: str
    drive: "Drive"
    parent: "Item | None"
    content: Content | None  # None: a folder
    created: float
    modified: float
    author: str
    version: int = 1
    label: str | None = None  # the sensitivity label
    children: dict[str, "Item"] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        return self.content is None

    @property
    def size(self) -> int:
        return self.blueprint().size

    @property
    def path(self) -> str:
        """`/Documents/report.docx`; the root is `/`."""
        if self.parent is None:
            return "/"
        return self.parent.path.rstrip("/") + "/" + self.name

    def child(self, name: str) -> "Item | None":
        return self.children.get(name.casefold())

    def blueprint(self) -> Blueprint:
        below = tuple(child.blueprint() for child in self.children.values())
        return Blueprint(self.name, self.content, below)

    def touch(self, now: float) -> None:
        self.modified = now
        self.version += 1


@dataclass(eq=False)
class Drive:
    id: str
    name: str  # how a script and the summary call it
    owner: str | None  # the user whose own drive it is
    members: set[str]  # users who see it, besides its owner
    personal: bool
    ids: Ids
    now: Callable[[], float]  # wall time, for what is added without a date
    prefix: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    root: Item = field(init=False)

    def __post_init__(self) -> None:
        self.prefix = f"{self.id}!" if self.personal else self.ids.item_prefix()
        identity = f"{self.prefix}101" if self.personal else self.ids.root(self.prefix)
        self.root = Item(identity, "root", self, None, None, self.now(), self.now(), "SharePoint")
        self.items[identity] = self.root

    def visible_to(self, user: str) -> bool:
        return user == self.owner or user in self.members

    def share(self, user: str) -> None:
        self.members.add(user)

    def find(self, path: str) -> Item | None:
        """The item at a path such as `Documents/report.docx`; `""` and `/` are the root."""
        return self.walk(self.root, tuple(part for part in path.split("/") if part))

    @staticmethod
    def walk(start: Item, names: tuple[str, ...]) -> Item | None:
        item: Item | None = start
        for name in names:
            item = item.child(name) if item is not None else None
        return item

    def names(self, path: str = "") -> list[str]:
        """The names in a folder, sorted."""
        folder = self.find(path)
        return sorted(child.name for child in folder.children.values()) if folder is not None else []

    def add_folder(self, path: str, now: float | None = None) -> Item:
        """The folder at this path, made with all above it where it is missing; `now` is when."""
        folder, now = self.root, self.now() if now is None else now
        for name in (part for part in path.split("/") if part):
            folder = folder.child(name) or self.place(Blueprint(name, None), folder, now)
        return folder

    def add_file(
        self, path: str, size: int = 0, *, data: bytes | None = None, now: float | None = None
    ) -> Item:
        """A file at this path, of so many made-up bytes or of `data`; one that is there is replaced."""
        where, now = PurePosixPath(path), self.now() if now is None else now
        content = Content.of(data) if data is not None else Content.made_up(size, self.ids.number())
        parent = self.add_folder("" if str(where.parent) == "." else str(where.parent), now)
        return self.place(Blueprint(where.name, content), parent, now, conflict=Conflict.REPLACE)

    def conflict_for(self, plan: Blueprint, folder: Item, conflict: Conflict) -> Item | None:
        """The item that would make `place` fail. Folders are never replaced ("driveItem: copy")."""
        there = folder.child(plan.name)
        if there is None or conflict is Conflict.RENAME:
            return None
        if conflict is Conflict.REPLACE and plan.content is not None and not there.is_folder:
            return None
        return there

    def place(
        self,
        plan: Blueprint,
        folder: Item,
        now: float,
        *,
        conflict: Conflict = Conflict.FAIL,
        author: str = "SharePoint",
    ) -> Item:
        """Make an item, and all below it, in a folder of this drive."""
        taken = self.conflict_for(plan, folder, conflict)
        if taken is not None:
            raise NameTakenError(taken)
        name = plan.name
        if (there := folder.child(name)) is not None:
            if conflict is Conflict.REPLACE:
                self.remove(there)
            else:
                name = next(free for free in _numbered(name) if folder.child(free) is None)
        identity = f"{self.prefix}{self.ids.number()}" if self.personal else self.ids.item(self.prefix)
        item = Item(identity, name, self, folder, plan.content, now, now, author)
        self.items[identity] = item
        folder.children[name.casefold()] = item
        for child in plan.children:
            self.place(child, item, now, author=author)
        return item

    def remove(self, item: Item) -> None:
        for child in list(item.children.values()):
            self.remove(child)
        if item.parent is not None:
            del item.parent.children[item.name.casefold()]
        del self.items[item.id]

    @staticmethod
    def move(item: Item, folder: Item, name: str, now: float) -> None:
        """Rename or move within the drive. Raises NameTakenError."""
        there = folder.child(name)
        if there is not None and there is not item:
            raise NameTakenError(there)
        if item.parent is not None:
            del item.parent.children[item.name.casefold()]
        item.name, item.parent = name, folder
        folder.children[name.casefold()] = item
        item.touch(now)


def _numbered(name: str) -> Iterator[str]:
    """`report 1.docx`, `report 2.docx`, … as OneDrive numbers them."""
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    number = 0
    while True:
        number += 1
        yield f"{stem} {number}{suffix}"
