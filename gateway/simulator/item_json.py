"""Drives and items as Graph writes them in JSON ("driveItem resource type", "drive resource type").

Rules: reading only. `$select` and `$expand=children` are obeyed here, on the finished object.
"""

import mimetypes
import re
from datetime import UTC, datetime
from urllib.parse import quote

from gateway.simulator.drives import Drive, Item
from gateway.simulator.people import Person
from gateway.simulator.wire import JsonObject, Origin
from gateway.simulator.world import World, web_url

_ALWAYS = ("@odata.context", "@odata.etag")
_EXPAND_CHILDREN = re.compile(r"children(?:\(\$select=([^)]*)\))?", re.IGNORECASE)


def graph_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def etag(item: Item) -> str:
    return f'"{{{item.id}}},{item.version}"'


def item_json(world: World, item: Item, version: str, query: dict[str, str] | None = None) -> JsonObject:
    """A driveItem; `query` is that of the request."""
    query = query or {}
    context = f"/{version}/$metadata#drives('{quote(item.drive.id)}')/items/$entity"
    body: JsonObject = {"@odata.context": world.url(Origin.GRAPH, context)} | bare_item(world, item)
    expand = _EXPAND_CHILDREN.fullmatch(query.get("$expand", ""))
    chosen = select(body, query.get("$select"))
    if expand is not None:
        children = (bare_item(world, child) for child in item.children.values())
        chosen["children"] = [select(child, expand[1]) for child in children]
    return chosen


def bare_item(world: World, item: Item) -> JsonObject:
    """A driveItem without its context, as it stands in a list."""
    by: JsonObject = {"user": _author(world.tokens.find(item.author), item.author)}
    created, modified = graph_time(item.created), graph_time(item.modified)
    body: JsonObject = {
        "@odata.etag": etag(item),
        "createdDateTime": created,
        "eTag": etag(item),
        "id": item.id,
        "lastModifiedDateTime": modified,
        "name": item.name,
        "webUrl": web_url(item),
        "cTag": f'"c:{{{item.id}}},{item.version}"',
        "size": item.size,
        "createdBy": by,
        "lastModifiedBy": by,
        "parentReference": _parent(item),
        "fileSystemInfo": {"createdDateTime": created, "lastModifiedDateTime": modified},
    }
    if item.content is None:
        body["folder"] = {"childCount": len(item.children)}
    else:
        kind = mimetypes.guess_type(item.name)[0] or "application/octet-stream"
        body["file"] = {"mimeType": kind, "hashes": {"quickXorHash": item.content.digest}}
        body["@microsoft.graph.downloadUrl"] = download_url(world, item)
    if item.parent is None:
        body["root"] = {}
    if item.label is not None:
        body["sensitivityLabel"] = {"sensitivityLabelId": item.label}
    return body


def drive_json(world: World, drive: Drive, version: str) -> JsonObject:
    owner = world.tokens.find(drive.owner)
    return {
        "@odata.context": world.url(Origin.GRAPH, f"/{version}/$metadata#drives/$entity"),
        "id": drive.id,
        "driveType": drive_type(drive),
        "name": "OneDrive" if drive.owner else drive.name,
        "owner": {"user": _author(owner, drive.name)}
        if drive.owner
        else {"group": {"displayName": drive.name}},
        "quota": {"state": "normal", "total": 5 * 10**12, "used": drive.root.size},
    }


def drive_type(drive: Drive) -> str:
    if drive.personal:
        return "personal"
    return "business" if drive.owner else "documentLibrary"


def select(body: JsonObject, wanted: str | None) -> JsonObject:
    """What `$select` asks for, and the annotations that come in any case."""
    if not wanted:
        return body
    names = {name.strip().casefold() for name in wanted.split(",")}
    return {key: value for key, value in body.items() if key in _ALWAYS or key.casefold() in names}


def download_url(world: World, item: Item) -> str:
    """A short-lived URL at the monitor origin that needs no token."""
    target = (
        f"/_layouts/15/download.aspx?UniqueId={quote(item.id)}&Translate=false&tempauth=v1.{item.version}%2Es"
    )
    return world.url(Origin.MONITOR, target)


def _parent(item: Item) -> JsonObject:
    drive, parent = item.drive, item.parent
    body: JsonObject = {"driveType": drive_type(drive), "driveId": drive.id}
    if parent is not None:
        below = quote(parent.path) if parent.parent is not None else ""
        body |= {"id": parent.id, "name": parent.name, "path": f"/drives/{drive.id}/root:{below}"}
    return body


def _author(person: Person | None, name: str) -> JsonObject:
    if person is None:
        return {"displayName": name}
    return {"id": person.oid, "displayName": person.display_name, "email": person.upn}
