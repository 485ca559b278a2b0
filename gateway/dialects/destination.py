"""Where a copied or moved item will be: the destination of a call, resolved before the call is sent.

A report that says no more than `resourceId` does not say in which drive, and `/me/drive` is wrong for a copy between
drives. The call's own words say it, in one of these ways (driveItem: copy; itemReference):

 1. No `parentReference`: the source's drive; its folder too, where the source is addressed by path.
 2. `driveId`, with `id`, with a `path` in that drive, or alone (then the folder is not certain).
 3. `path` that names the drive: `/drives/{d}/root:/a`, `/users/{u}/drive/root:/a`.
 4. `path` in "the" drive: `/drive/root:/a` is the one that the call itself goes through, be it `/me/drive`.
 5. `id` alone: a consumer item's id names its drive, any other is in the source's.

Where the words could be read in two ways, nothing is known; a wrong address would be somebody else's item. A path
may come encoded or not (documented as encoded, sent both ways); escapes are kept, what needs one gets one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.dialects.item import (
    Item,
    consumer_drive,
    is_consumer_drive,
    is_consumer_item,
    locate,
    safe_id,
)
from gateway.dialects.target import steps

_OTHER_ADDRESSES = frozenset({"shareid", "sharepointids", "siteid"})
_ADDRESSES = {"driveid": "driveId", "id": "id", "path": "path"}
_OWN_DRIVE: frozenset[tuple[str, ...]] = frozenset({(), ("drive",)})


@dataclass(frozen=True, slots=True)
class Destination:
    """What is known of where the result will be."""

    items: str | None = None
    """Prefix that an id in the destination's drive completes to a target."""
    folder: Item | None = None
    consumer: bool = False
    """Whether it is in a drive of OneDrive for home, which does not know `conflictBehavior`."""


UNKNOWN = Destination()


def resolve(source: Item, parent: object) -> Destination:
    """Return where `parentReference` (None where there is none) leads from a call on `source`."""
    if parent is None or parent == {}:
        return Destination(source.items, source.parent(), is_consumer(source))
    if not isinstance(parent, dict) or not _clear(parent):
        return UNKNOWN
    drive_id, item_id, path = (parent.get(name) or None for name in ("driveId", "id", "path"))
    if path is not None and item_id is None:
        return _by_path(source, drive_id, path)
    return _by_id(source, drive_id, item_id)


def is_consumer(item: Item) -> bool:
    """Whether a path shows that it leads into a consumer drive; `/me/drive/root:/a` shows nothing."""
    if item.drive is not None and item.drive[-2:-1] == ("drives",) and is_consumer_drive(item.drive[-1]):
        return True
    return item.own[0] == "items" and is_consumer_item(item.own[1].partition(":")[0])


def _clear(parent: Mapping[str, object]) -> bool:
    """Whether all addresses in a parentReference are of the kinds above, and spelled as documented."""
    found = False
    for name, value in parent.items():
        folded = name.casefold()
        if folded in _ADDRESSES:
            if name != _ADDRESSES[folded] or not isinstance(value, str | None):
                return False
            found = found or bool(value)
    return found or not any(name.casefold() in _OTHER_ADDRESSES for name in parent)


def _by_id(source: Item, drive_id: str | None, item_id: str | None) -> Destination:
    if item_id is not None and safe_id(item_id) is None:
        return UNKNOWN
    if drive_id is None and item_id is not None:
        drive_id = consumer_drive(item_id)
    drive = source.drive if drive_id is None else _drive(drive_id)
    if drive is None:
        return UNKNOWN
    folder = Item(source.version, drive, drive, ("items", item_id or "root"))
    return Destination(folder.items, folder if item_id else None, is_consumer(folder))


def _by_path(source: Item, drive_id: str | None, path: str) -> Destination:
    words = steps(path if path.startswith("/") else f"/{path}")
    if words[:1] == (source.version,):
        words = words[1:]
    named = locate((source.version, *words))
    if named is None or any(part in {".", ".."} for word in words for part in word.split("/")):
        return UNKNOWN
    drive = source.drive if named.owner in _OWN_DRIVE else named.drive
    if drive_id is not None:
        if named.owner not in _OWN_DRIVE and named.owner != ("drives", drive_id):
            return UNKNOWN
        drive = _drive(drive_id)
    if drive is None:
        return UNKNOWN
    folder = Item(source.version, drive, drive, named.own)
    return Destination(folder.items, folder, is_consumer(folder))


def _drive(drive_id: str) -> tuple[str, ...] | None:
    return None if safe_id(drive_id) is None else ("drives", drive_id)
