"""Reads raw Graph paths: which drive, which item, and what is to be done with it.

Rules: pure; works on the raw path and decodes one segment at a time, after it has been cut out, so that `%2F`
inside a name stays inside that name. Keywords are matched without case. No look-ups: whether a drive or an item
exists is not known here. Sources: "Addressing driveItems", "OData key syntax" and what clients send (`%3A` for the
colon and a whole `root:/path:` in one segment come from SDKs that expand URL templates).
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

VERSION = re.compile(r"/(v1\.0|beta)(?=/|$)(.*)", re.IGNORECASE | re.DOTALL)
_KEY = re.compile(r"([A-Za-z.]+)\('((?:[^']|'')*)'\)")
_NAMESPACE = re.compile(r"(microsoft\.graph|action|onedrive)\.", re.IGNORECASE)

Names = tuple[str, ...]
DriveKind = Literal["me", "user", "group", "site", "drive", "share"]
_OWNERS: dict[str, DriveKind] = {"users": "user", "groups": "group", "sites": "site"}


@dataclass(frozen=True)
class DriveRef:
    kind: DriveKind
    key: str = ""


@dataclass(frozen=True)
class ItemRef:
    """An item by id, or the root, and then a path below it."""

    start: str  # an id, "root", or "special:documents"
    path: Names = ()


@dataclass(frozen=True)
class Address:
    version: str
    words: Names  # the decoded segments of a path that is none of a drive
    drive: DriveRef | None = None
    item: ItemRef | None = None
    tail: Names = ()  # what follows the item, or the drive

    @property
    def action(self) -> str:
        """The first word after the item, without case and namespace: `copy`, `children`, `content`, …"""
        return _NAMESPACE.sub("", self.tail[0], count=1).lower() if self.tail else ""


def read_address(raw_path: str) -> Address | None:
    """The address in a raw path; None where it does not begin with a version."""
    match = VERSION.fullmatch(raw_path)
    if match is None:
        return None
    version = match[1].lower()
    tokens = _tokens(match[2])
    words = tuple(token if isinstance(token, str) else "/".join(token) for token in tokens)
    found = _drive(tokens)
    if found is None:
        return Address(version, words)
    drive, rest = found
    if drive.kind == "share":
        item: ItemRef | None = ItemRef("root")
    else:
        item, rest = _item(rest)
    tail = tuple(token if isinstance(token, str) else "/".join(token) for token in rest)
    return Address(version, words, drive, item, tail)


def reference(path: str) -> tuple[DriveRef | None, ItemRef] | None:
    """The drive and item in an itemReference's path, such as `/drive/root:/Documents` or `/drives/{id}/root:`."""
    found = _drive(_tokens(path if path.startswith("/") else f"/{path}"))
    if found is None:
        item, rest = _item(_tokens(path))
        return (None, item) if item is not None and not rest else None
    item, rest = _item(found[1])
    return (found[0], item or ItemRef("root")) if not rest else None


def _tokens(path: str) -> list[str | Names]:
    """Decoded segments; what stands between two colons becomes one tuple of names."""
    left = [segment for segment in path.split("/") if segment]
    tokens: list[str | Names] = []
    while left:
        segment = unquote(left.pop(0))
        if ":/" in segment:
            left[:0] = [quote(part, safe="") for part in segment.split("/")]
        elif segment.endswith(":") and segment != ":":
            tokens += [segment[:-1], _until_colon(left)]
        elif (key := _KEY.fullmatch(segment)) is not None:
            tokens += [key[1], key[2].replace("''", "'")]
        else:
            tokens.append(segment)
    return tokens


def _until_colon(left: list[str]) -> Names:
    names: list[str] = []
    while left:
        name = unquote(left.pop(0))
        if name.endswith(":"):
            names += [name[:-1]] if name != ":" else []
            break
        names.append(name)
    return tuple(names)


def _drive(tokens: list[str | Names]) -> tuple[DriveRef, list[str | Names]] | None:
    match tokens:
        case [str(first), *rest] if first.lower() == "drive":
            return DriveRef("me"), rest
        case [str(first), str(key), *rest] if first.lower() == "drives":
            return DriveRef("drive", key), rest
        case [str(first), *rest] if first.lower() == "me":
            return _drive_of(DriveRef("me"), rest)
        case [str(first), str(key), *rest] if first.lower() in _OWNERS:
            kind = _OWNERS[first.lower()]
            if rest and isinstance(rest[0], tuple):  # sites/{host}:/sites/{name}:
                key, rest = "/".join(rest[0]), rest[1:]
            return _drive_of(DriveRef(kind, key), rest)
        case [str(first), str(key), str(last), *rest] if first.lower() == "shares" and last.lower() in {
            "driveitem",
            "root",
        }:
            return DriveRef("share", key), rest
        case [str(first), str(second), str(third), str(key), str(last), *rest] if (
            first + second + third
        ).lower() == "storagefilestoragecontainers" and last.lower() == "drive":
            return DriveRef("drive", key), rest
        case _:
            return None


def _drive_of(owner: DriveRef, rest: list[str | Names]) -> tuple[DriveRef, list[str | Names]] | None:
    match rest:
        case [str(word), *more] if word.lower() == "drive":
            return owner, more
        case [str(word), str(key), *more] if word.lower() == "drives":
            return DriveRef("drive", key), more
        case _:
            return None


def _item(tokens: list[str | Names]) -> tuple[ItemRef | None, list[str | Names]]:
    match tokens:
        case [str(word), *rest] if word.lower() == "root":
            start = "root"
        case [str(word), str(key), *rest] if word.lower() == "items":
            start = "root" if key.lower() == "root" else key
        case [str(word), str(key), *rest] if word.lower() == "special":
            start = f"special:{key.lower()}"
        case _:
            return None, tokens
    if rest and isinstance(rest[0], tuple):
        return ItemRef(start, rest[0]), rest[1:]
    return ItemRef(start), rest
