"""Where a drive item is: in the path of a call, and in what Graph says about a result.

An `Item` is read from canonical steps (`gateway.dialects.target`), so every spelling Graph takes has been dealt with
before. A `Reference` is what a report tells of a result. It comes from another host and ends in a request with the
caller's credential: an id that could be anything but one path segment is no id.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from gateway.dialects.document import object_of, text_of
from gateway.dialects.target import steps

_ITEM_COLLECTIONS = frozenset({"items", "special", "following", "bundles"})
_SHAREPOINT_VERSIONS = frozenset({"v2.0", "v2.1"})
_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9!$,.=@_~-]{1,512}")
_CONSUMER_ITEM = re.compile(r"(?P<drive>[0-9A-Fa-f]{10,16})!.+")
_CONSUMER_DRIVE = re.compile(r"[0-9A-Fa-f]{10,16}")
_MONITOR_WORDS = frozenset({"monitor", "operations"})
_EMPTY_ID = frozenset({"items", "items('')", "items()"})


@dataclass(frozen=True, slots=True)
class Item:
    """A drive item as a path addresses it."""

    version: str
    """`v1.0`, `beta`, or everything up to `_api/v2.x` where the upstream is SharePoint itself."""
    drive: tuple[str, ...] | None
    """Steps of its drive: `me, drive` or `drives, {id}`; None where the path does not tell (`/shares/…`)."""
    owner: tuple[str, ...]
    """Steps before the item's own; those of the drive, except for `driveItem` of a list or a share."""
    own: tuple[str, ...]
    """The item's own steps: `items, {id}`, `root`, `root:/a/b`, `special, documents:/a`, `driveItem`."""

    @property
    def target(self) -> str:
        return "/" + "/".join((self.version, *self.owner, *self.own))

    @property
    def items(self) -> str | None:
        """Prefix of all items of its drive; None where the drive is not known."""
        return None if self.drive is None else "/" + "/".join((self.version, *self.drive, "items", ""))

    @property
    def by_path(self) -> bool:
        return ":" in self.own[-1]

    @property
    def name(self) -> str | None:
        """The last segment of its path, still encoded; None for one addressed by id."""
        return self.own[-1].rpartition("/")[2] if self.by_path else None

    def child(self, name: str) -> str:
        """Return the target of what is called `name` (one encoded segment) in this folder."""
        return f"{self.target}/{name}" if self.by_path else f"{self.target}:/{name}"

    def parent(self) -> "Item | None":
        """Return the folder of an item addressed by path; None where only Graph knows it."""
        if not self.by_path:
            return None
        return replace(self, own=(*self.own[:-1], _bare(self.own[-1].rpartition("/")[0])))


def locate(path: tuple[str, ...]) -> Item | None:
    """Return the drive item that canonical steps, version included, address."""
    split = _version(path)
    if split is None:
        return None
    version, rest = split
    length = _length(rest)
    if length == 0:
        return None
    owner, own = rest[:-length], rest[-length:]
    if own[0] == "items" and (owner[-2:-1] == ("lists",) or owner[-1:] == ("list",)):
        return None  # a list item, which is something else under the same word
    return Item(version, _drive(owner), owner, (*own[:-1], _bare(own[-1])))


def is_consumer_item(item_id: str) -> bool:
    """Whether an id is one of OneDrive for home: `5F663FB20714AA03!11000`. Drives of SharePoint start with `b!`."""
    return _CONSUMER_ITEM.fullmatch(item_id) is not None


def is_consumer_drive(drive_id: str) -> bool:
    return _CONSUMER_DRIVE.fullmatch(drive_id) is not None


def consumer_drive(item_id: str) -> str | None:
    """Return the drive that a consumer item's id names: what stands before the exclamation mark."""
    found = _CONSUMER_ITEM.fullmatch(item_id)
    return None if found is None else found["drive"]


def safe_id(value: object) -> str | None:
    """Return an id that can be put into a path as it is; None for everything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class Reference:
    """What a report tells of a result; either part may be missing."""

    drive: str | None = None
    item: str | None = None

    def target(self, version: str, items: str | None) -> str | None:
        """Return the item's target. `items` is the prefix of the drive that the result was meant for.

        1. The reference names the drive: that one. It is the only source that knows where the item really is.
        2. The call named it by id.
        3. A consumer item's id names it, and wherever `/me/drive` leads, that is where the item is.
        4. The call's own drive.
        """
        if self.item is None:
            return None
        if self.drive is not None:
            return f"/{version}/drives/{self.drive}/items/{self.item}"
        drive = consumer_drive(self.item)
        if drive is not None and (items is None or "/drives/" not in items):
            return f"/{version}/drives/{drive}/items/{self.item}"
        return None if items is None else f"{items}{self.item}"


def refer_to_url(url: object) -> Reference:
    """Read `…/drives/{d}/items/{i}` out of a URL or a target, in Graph's spelling or SharePoint's, keys included.

    Source: driveItem: copy, examples 2 and 10 (`_api/v2.0`); OneDrive/onedrive-api-docs#545 (`drives('me')/items('')`).
    """
    text = text_of(url)
    if text is None:
        return Reference()
    path = steps(_path(text))
    for place in range(len(path) - 3):
        if (path[place], path[place + 2]) == ("drives", "items"):
            drive = None if path[place + 1] == "me" else safe_id(path[place + 1])
            return Reference(drive, safe_id(path[place + 3]))
    # No drive: `api.onedrive.com/items/{id}`, `_api/v2.0/drive/items/{id}`. The last one, as a site may be called so.
    return Reference(item=next((safe_id(item) for before, item in _pairs(path) if before == "items"), None))


def refer_to_resource(members: Mapping[str, object]) -> Reference:
    """Read the address of a driveItem out of itself."""
    drive = safe_id(object_of(members.get("parentReference")).get("driveId"))
    return Reference(drive, safe_id(members.get("id")))


def is_item_url(url: str) -> bool:
    """Whether a URL ends at an item, with or without its id, and so is no monitor."""
    path = steps(_path(url))
    return (
        not _MONITOR_WORDS.intersection(path)
        and path[-1:] != ()
        and (path[-1] in _EMPTY_ID or path[-2:-1] == ("items",))
    )


def is_item(members: Mapping[str, object]) -> bool:
    """Whether a JSON object is a driveItem, not a report on one (both have an `id`)."""
    if "status" in members or text_of(members.get("id")) is None:
        return False
    return any(field in members for field in ("name", "parentReference", "file", "folder"))


def _pairs(path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each two neighbours, the last ones first."""
    yield from reversed(list(pairwise(path)))


def _path(url: str) -> str:
    """Return the path of an absolute or origin-form URL, still encoded."""
    text = url.partition("#")[0].partition("?")[0]
    _, scheme, rest = text.partition("://")
    return f"/{rest.partition('/')[2]}" if scheme else text


def _version(path: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    if path[:1] in {("v1.0",), ("beta",)}:
        return path[0], path[1:]
    for place in range(len(path) - 1):
        if path[place] == "_api" and path[place + 1] in _SHAREPOINT_VERSIONS:
            return "/".join(path[: place + 2]), path[place + 2 :]
    return None


def _length(path: tuple[str, ...]) -> int:
    """Return how many steps at the end address an item; 0 for none."""
    if path[-1:] == ("driveItem",):
        return 1
    if path[-2:-1] == ("children",):
        before = _length(path[:-2])
        return before + 2 if before else 0
    if path[-2:-1] and path[-2] in _ITEM_COLLECTIONS:
        return 2
    return 1 if path and path[-1].partition(":")[0] == "root" else 0


def _drive(owner: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the steps of the drive that an item's owner is or belongs to."""
    if owner[-1:] == ("drive",) or owner[-2:-1] == ("drives",):
        return owner
    if owner[-3:-1] == ("list", "items"):
        return _drive(owner[:-3])
    if owner[-4:-3] == ("lists",) and owner[-2] == "items":
        return (*owner[:-2], "drive")
    return None


def _bare(step: str) -> str:
    """Return a step without the marks that end a path: `root:/a/b:` → `root:/a/b`, `root:/:` → `root`."""
    head, colon, path = step.partition(":")
    if not colon:
        return step
    path = path.rstrip(":").strip("/")
    return f"{head}:/{path}" if path else head
