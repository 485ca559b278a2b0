"""Handlers for drives and items that answer at once: read, list, content, create, rename, move, delete.

Rules: sources are the driveItem pages of Graph's reference; errors are GraphErrors, dressed by the dispatcher.
"""

import dataclasses
from collections.abc import Callable

from gateway.simulator.call import Call, name_taken, unknown_segment
from gateway.simulator.drives import Blueprint, Conflict, Content, Item, NameTakenError
from gateway.simulator.item_json import bare_item, download_url, drive_json, etag, item_json, select
from gateway.simulator.jobs import assign_label, check_name, copy, move_later, target_folder, upload_from_url
from gateway.simulator.plan import Movement
from gateway.simulator.results import spoiled_result
from gateway.simulator.wire import Answer, GraphError, JsonObject, Origin, json_answer, text_at

_SOURCE_URLS = ("@microsoft.graph.sourceUrl", "@content.sourceUrl")


def respond(call: Call) -> Answer:
    """The answer to a request that names a drive."""
    address, method = call.address, call.asked.method
    if address.item is None and not address.tail:
        return json_answer(200, drive_json(call.world, call.drive(), address.version))
    handler = _HANDLERS.get((method if method != "HEAD" else "GET", address.action))
    if handler is None or len(address.tail) > 1:
        if any(action == address.action for _, action in _HANDLERS) and len(address.tail) <= 1:
            raise GraphError(405, "notAllowed", f"The HTTP method {method!r} is not allowed here.")
        raise unknown_segment(address.tail)
    return handler(call)


def _read(call: Call) -> Answer:
    item = call.item()
    headers = (("ETag", etag(item)),)
    spoiled, late = spoiled_result(call, item.id)
    if spoiled is not None:
        return spoiled
    if etag(item) in (call.asked.header("If-None-Match") or ""):
        return Answer(304, headers, delay=late)
    body = item_json(call.world, item, call.address.version, call.asked.query())
    return dataclasses.replace(json_answer(200, body, headers), delay=late)


def _children(call: Call) -> Answer:
    folder, query = call.item(), call.asked.query()
    if not folder.is_folder:
        raise GraphError(400, "invalidRequest", "Files have no children.")
    context = f"/{call.address.version}/$metadata#drives('{folder.drive.id}')/items"
    body: JsonObject = {
        "@odata.context": call.world.url(Origin.GRAPH, context),
        "value": [
            select(bare_item(call.world, child), query.get("$select")) for child in folder.children.values()
        ],
    }
    return json_answer(200, body)


def _create(call: Call) -> Answer:
    folder, body = call.item(), call.asked.json()
    if not folder.is_folder:
        raise GraphError(400, "invalidRequest", "Files have no children.")
    if any(key in body for key in _SOURCE_URLS):
        return upload_from_url(call, folder, body)
    name = text_at(body, "name")
    if name is None or not isinstance(body.get("folder"), dict):
        raise GraphError(400, "invalidRequest", "A new folder needs a name and the folder facet.")
    check_name(name)
    word = text_at(body, "@microsoft.graph.conflictBehavior")
    conflict = call.conflict(Conflict(word) if word in set(Conflict) else Conflict.FAIL)
    return _placed(call, Blueprint(name, None), folder, conflict)


def _content(call: Call) -> Answer:
    item = call.item()
    if item.content is None:
        raise GraphError(400, "invalidRequest", "You cannot get content for a folder.")
    if call.world.settings.content == "redirect":
        return Answer(302, (("Location", download_url(call.world, item)),))
    headers = (("Content-Type", "application/octet-stream"), ("ETag", etag(item)))
    return Answer(200, headers, item.content.stream())


def _upload(call: Call) -> Answer:
    """PUT …/content: a new file, or the new content of one that is there."""
    drive, ref, content = call.drive(), call.address.item, Content.of(call.asked.body)
    if ref is None:
        raise unknown_segment(call.address.tail)
    if not ref.path:
        item = call.item()
        if item.is_folder:
            raise GraphError(400, "invalidRequest", "A folder has no content.")
        item.content = content
        item.touch(call.now)
        return _item_answer(call, 200, item)
    start = call.world.find_item(drive, dataclasses.replace(ref, path=()))
    folder, name = start, ref.path[-1]
    check_name(name)
    for step in ref.path[:-1]:  # missing folders on the way are made ("Upload small files")
        folder = folder.child(step) or drive.place(Blueprint(step, None), folder, call.now)
    return _placed(call, Blueprint(name, content), folder, call.conflict(Conflict.REPLACE))


def _change(call: Call) -> Answer:
    """PATCH: rename, move, or both."""
    item, body = call.item(), call.asked.json()
    _check_match(call, item)
    name = text_at(body, "name") or item.name
    check_name(name)
    folder = target_folder(call, body, item) if isinstance(body.get("parentReference"), dict) else item.parent
    if item.parent is None or folder is None:
        raise GraphError(400, "invalidRequest", "The root folder cannot be changed.")
    if folder.drive is not item.drive:
        raise GraphError(400, "invalidRequest", "Cannot move items between drives.")
    if folder is not item.parent and call.plan.move is Movement.ASYNC:
        return move_later(call, item, folder, name)
    try:
        item.drive.move(item, folder, name, call.now)
    except NameTakenError:
        raise name_taken() from None
    return _item_answer(call, 200, item)


def _delete(call: Call) -> Answer:
    item = call.item()
    _check_match(call, item)
    if item.parent is None:
        raise GraphError(400, "invalidRequest", "The root folder cannot be deleted.")
    item.drive.remove(item)
    return Answer(204)


def _placed(call: Call, part: Blueprint, folder: Item, conflict: Conflict) -> Answer:
    existed = folder.child(part.name) is not None and conflict is Conflict.REPLACE
    try:
        item = folder.drive.place(part, folder, call.now, conflict=conflict, author=call.person.name)
    except NameTakenError:
        raise name_taken() from None
    call.world.ledger.created(folder.drive.name, f"{folder.path.rstrip('/')}/{part.name}")
    return _item_answer(call, 200 if existed else 201, item)


def _item_answer(call: Call, status: int, item: Item) -> Answer:
    body = item_json(call.world, item, call.address.version, call.asked.query())
    return json_answer(status, body, (("ETag", etag(item)),))


def _check_match(call: Call, item: Item) -> None:
    wanted = call.asked.header("If-Match")
    if wanted is not None and wanted.strip() != "*" and etag(item) not in wanted:
        raise GraphError(412, "resourceModified", "ETag does not match current item's value.")


_HANDLERS: dict[tuple[str, str], Callable[[Call], Answer]] = {
    ("GET", ""): _read,
    ("PATCH", ""): _change,
    ("DELETE", ""): _delete,
    ("GET", "children"): _children,
    ("POST", "children"): _create,
    ("GET", "content"): _content,
    ("PUT", "content"): _upload,
    ("POST", "copy"): copy,
    ("POST", "assignsensitivitylabel"): assign_label,
}
