"""Destinations: what a parentReference says about where the result will be, and what it leaves open."""

import pytest

from gateway.dialects.destination import UNKNOWN, resolve
from gateway.dialects.item import Item, locate
from gateway.dialects.target import steps

MINE = "/v1.0/me/drive/items/A"
SHARED = "/v1.0/shares/u!t/driveItem"
CONSUMER = "5F663FB20714AA03"


def source(path: str) -> Item:
    item = locate(steps(path))
    assert item is not None
    return item


@pytest.mark.parametrize(
    ("path", "parent", "items", "folder"),
    [
        # 1. no parentReference
        (MINE, None, "/v1.0/me/drive/items/", None),
        ("/v1.0/me/drive/root:/d/a", {}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/d"),
        ("/v1.0/me/drive/items/X:/a", None, "/v1.0/me/drive/items/", "/v1.0/me/drive/items/X"),
        (
            "/v1.0/me/drive/special/music:/d/a",
            None,
            "/v1.0/me/drive/items/",
            "/v1.0/me/drive/special/music:/d",
        ),
        # 2. driveId
        (MINE, {"driveId": "b!d", "id": "P"}, "/v1.0/drives/b!d/items/", "/v1.0/drives/b!d/items/P"),
        (MINE, {"driveId": "b!d", "id": "root"}, "/v1.0/drives/b!d/items/", "/v1.0/drives/b!d/items/root"),
        (MINE, {"driveId": "b!d"}, "/v1.0/drives/b!d/items/", None),
        (
            MINE,
            {"driveId": "b!d", "path": "/drive/root:/x"},
            "/v1.0/drives/b!d/items/",
            "/v1.0/drives/b!d/root:/x",
        ),
        (
            MINE,
            {"driveId": "b!d", "path": "/drives/b!d/root:/x"},
            "/v1.0/drives/b!d/items/",
            "/v1.0/drives/b!d/root:/x",
        ),
        (
            MINE,
            {"driveId": "b!d", "id": "P", "path": "/ignored"},
            "/v1.0/drives/b!d/items/",
            "/v1.0/drives/b!d/items/P",
        ),
        (
            SHARED,
            {"driveId": "b!d", "id": "P", "siteId": "s"},
            "/v1.0/drives/b!d/items/",
            "/v1.0/drives/b!d/items/P",
        ),
        # 3. a path that names the drive
        (MINE, {"path": "/drives/b!d/root:/x"}, "/v1.0/drives/b!d/items/", "/v1.0/drives/b!d/root:/x"),
        (MINE, {"path": "/drives/b!d/root:"}, "/v1.0/drives/b!d/items/", "/v1.0/drives/b!d/root"),
        (
            MINE,
            {"path": "/users/u/drive/root:/x"},
            "/v1.0/users/u/drive/items/",
            "/v1.0/users/u/drive/root:/x",
        ),
        (SHARED, {"path": "/drives/b!d/root:/x"}, "/v1.0/drives/b!d/items/", "/v1.0/drives/b!d/root:/x"),
        # 4. a path in the call's own drive
        (MINE, {"path": "/drive/root:/Documents"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/Documents"),
        (
            "/v1.0/users/u/drive/items/A",
            {"path": "/drive/root:/d"},
            "/v1.0/users/u/drive/items/",
            "/v1.0/users/u/drive/root:/d",
        ),
        (
            "/beta/drives/b!d/items/A",
            {"path": "/drive/root:"},
            "/beta/drives/b!d/items/",
            "/beta/drives/b!d/root",
        ),
        (MINE, {"path": "/drive/root"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root"),
        (MINE, {"path": "/drive/root:/"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root"),
        (MINE, {"path": "drive/root:/d/"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/d"),
        (MINE, {"path": "/drive/root:/d:"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/d"),
        (MINE, {"path": "root:/d"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/d"),
        (MINE, {"path": "/v1.0/drive/root:/d"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/d"),
        (MINE, {"path": "/drive/items/X"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/items/X"),
        (
            MINE,
            {"path": "/drive/special/music:/d"},
            "/v1.0/me/drive/items/",
            "/v1.0/me/drive/special/music:/d",
        ),
        # encoded, not encoded, and half
        (
            MINE,
            {"path": "/drive/root:/a b/100% c#?"},
            "/v1.0/me/drive/items/",
            "/v1.0/me/drive/root:/a%20b/100%25%20c%23%3F",
        ),
        (
            MINE,
            {"path": "/drive/root:/a%20b/%C3%A4"},
            "/v1.0/me/drive/items/",
            "/v1.0/me/drive/root:/a%20b/%C3%A4",
        ),
        (MINE, {"path": "/drive/root:/ä"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/root:/%C3%A4"),
        # 5. an id alone
        (MINE, {"id": "P"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/items/P"),
        (MINE, {"id": "P", "driveId": None, "name": "x"}, "/v1.0/me/drive/items/", "/v1.0/me/drive/items/P"),
        (MINE, {"driveType": "business"}, "/v1.0/me/drive/items/", None),
        (
            MINE,
            {"id": f"{CONSUMER}!7"},
            f"/v1.0/drives/{CONSUMER}/items/",
            f"/v1.0/drives/{CONSUMER}/items/{CONSUMER}!7",
        ),
    ],
)
def test_destination(path: str, parent: object, items: str, folder: str | None) -> None:
    found = resolve(source(path), parent)
    assert (found.items, found.folder.target if found.folder else None) == (items, folder)


@pytest.mark.parametrize(
    ("path", "parent"),
    [
        (MINE, "P"),
        (MINE, ["P"]),
        (MINE, 7),
        (MINE, {"id": 7}),
        (MINE, {"driveId": {"x": 1}, "id": "P"}),
        (MINE, {"DriveId": "b!d", "id": "P"}),
        (MINE, {"ID": "P"}),
        (MINE, {"driveId": "../me", "id": "P"}),
        (MINE, {"driveId": "b!d", "id": "../x"}),
        (MINE, {"driveId": "b!d", "id": ".."}),
        (MINE, {"id": "a/b"}),
        (MINE, {"shareId": "u!t"}),
        (MINE, {"siteId": "s"}),
        (MINE, {"sharepointIds": {"listId": "l"}}),
        (MINE, {"path": "/Documents"}),
        (MINE, {"path": "/"}),
        (MINE, {"path": "/drive"}),
        (MINE, {"path": "/drive/root:/../x"}),
        (MINE, {"path": "/drive/root:/%2e%2E/x"}),
        (MINE, {"path": "/drives/../root:/x"}),
        (MINE, {"path": "/sites/s/lists/l/items/1"}),
        (MINE, {"path": "/shares/u!t/root:/x"}),
        (MINE, {"driveId": "b!d", "path": "/drives/b!other/root:/x"}),
        (MINE, {"driveId": "b!d", "path": "/me/drive/root:/x"}),
        (MINE, {"driveId": "../x", "path": "/drive/root:/x"}),
        (SHARED, {"id": "P"}),
        (SHARED, {"path": "/drive/root:/x"}),
    ],
)
def test_nothing_is_known_where_the_words_may_mean_something_else(path: str, parent: object) -> None:
    assert resolve(source(path), parent) == UNKNOWN


@pytest.mark.parametrize(
    ("path", "parent", "consumer"),
    [
        (MINE, {"id": "P"}, False),
        (MINE, {"driveId": "b!5F663FB20714AA03", "id": "P"}, False),
        (MINE, {"driveId": CONSUMER, "id": "P"}, True),
        (MINE, {"id": f"{CONSUMER}!7"}, True),
        (MINE, {"path": f"/drives/{CONSUMER}/root:/x"}, True),
        (f"/v1.0/me/drive/items/{CONSUMER}!7:/a", None, True),
        ("/v1.0/me/drive/root:/a", None, False),
    ],
)
def test_consumer_drives(path: str, parent: object, *, consumer: bool) -> None:
    assert resolve(source(path), parent).consumer is consumer
