"""Starts jobs on drives and answers 202: copy, asynchronous move, sensitivity label, upload from a URL.

Sources: "driveItem: copy" (the errors at the POST are its examples 7 to 9), "driveItem: assignSensitivityLabel",
OneDrive's "Upload from a URL". A name that is taken is a 409 at the POST only where the caller gave a name;
otherwise the job starts and fails ("driveItem: copy", example 3; onedrive-api-docs issue 981).

Rules: what is copied is fixed when the copy is asked for; where it goes is looked at when it ends.
"""

from gateway.simulator.addressing import DriveRef, ItemRef, reference
from gateway.simulator.call import Call, name_taken
from gateway.simulator.drives import (
    FORBIDDEN_IN_NAMES,
    Blueprint,
    Conflict,
    Content,
    Drive,
    Item,
    NameTakenError,
)
from gateway.simulator.operations import Done, Effect, Failed, Operation, Outcome
from gateway.simulator.places import place_for
from gateway.simulator.plan import MonitorShape
from gateway.simulator.reports import drive_report
from gateway.simulator.wire import Answer, GraphError, Headers, JsonObject, text_at

_EXISTS = "Name already exists"
_UPLOAD_SIZE = 10_000_000  # nothing is fetched from anywhere: what would be at the source URL has this size


def copy(call: Call) -> Answer:
    """POST …/copy."""
    source, body = call.item(), call.asked.json()
    name = text_at(body, "name")
    children_only = body.get("childrenOnly") is True
    if source.parent is None and not children_only:
        raise GraphError(400, "invalidRequest", "Cannot copy the root folder.")
    if children_only and not source.is_folder:
        raise GraphError(400, "invalidRequest", "childrenOnly option is not valid for file items.")
    if children_only and name:
        raise GraphError(400, "invalidRequest", "Cannot use name parameter alongside childrenOnly.")
    folder = target_folder(call, body, source)
    whole = source.blueprint()
    parts = (
        whole.children if children_only else (Blueprint(name or source.name, whole.content, whole.children),)
    )
    conflict = (
        Conflict.FAIL if folder.drive.personal else call.conflict()
    )  # a personal drive knows only one way
    if name:
        check_name(name)
        if folder.drive.conflict_for(parts[0], folder, conflict) is not None:
            raise name_taken()

    def effect(now: float) -> Outcome:
        outcome = _place_all(call, parts, folder, conflict, now)
        return Done(folder.drive.id, folder.id) if children_only and isinstance(outcome, Done) else outcome

    return start_job(call, "ItemCopy", folder.drive, whole.size, effect)


def upload_from_url(call: Call, parent: Item, body: JsonObject) -> Answer:
    """POST …/children with a source URL. Graph did this on personal drives only; here any will do."""
    if "respond-async" not in (call.asked.header("Prefer") or "").lower():
        raise GraphError(
            400, "invalidRequest", "Cannot upload from a URL without the respond-async preference."
        )
    name = text_at(body, "name") or "download"
    check_name(name)
    part = Blueprint(name, Content.made_up(_UPLOAD_SIZE, call.world.ids.number()))

    def effect(now: float) -> Outcome:
        return _place_all(call, (part,), parent, call.conflict(), now)

    return start_job(call, "DownloadUrl", parent.drive, _UPLOAD_SIZE, effect)


def assign_label(call: Call) -> Answer:
    """POST …/assignSensitivityLabel: no new item, the same one gets a label."""
    item, body = call.item(), call.asked.json()
    if item.is_folder:
        raise GraphError(400, "invalidRequest", "Sensitivity labels can be assigned to files only.")

    def effect(now: float) -> Outcome:
        item.label = text_at(body, "sensitivityLabelId")
        item.touch(now)
        return Done(item.drive.id, item.id)

    return start_job(call, "AssignSensitivityLabel", item.drive, item.size, effect)


def move_later(call: Call, item: Item, folder: Item, name: str) -> Answer:
    """A move that is answered 202."""

    def effect(now: float) -> Outcome:
        try:
            item.drive.move(item, folder, name, now)
        except NameTakenError:
            return Failed("nameAlreadyExists", _EXISTS)
        return Done(item.drive.id, item.id)

    return start_job(call, "ItemMove", item.drive, item.size, effect)


def start_job(call: Call, kind: str, drive: Drive, size: int, effect: Effect) -> Answer:
    """Start it, and say where it will be reported."""
    world, plan = call.world, call.plan
    speed = world.settings.bytes_per_second
    usual = world.settings.base_duration + (size / speed if speed > 0 else 0.0)
    operation = Operation(
        id=world.ids.guid(),
        kind=kind,
        user=call.person.name,
        authorization=call.asked.header("Authorization"),
        plan=plan,
        began=world.clock.monotonic(),
        began_at=world.clock.now(),
        duration=usual if plan.duration is None else plan.duration,
        effect=effect,
        report=lambda asked, now: drive_report(world, asked, now),
    )
    if plan.monitor is MonitorShape.ITEM:  # that shape is what a copy answers which is done already
        operation.duration = 0.0
    world.operations.start(operation)
    world.settle()
    place = place_for(world, operation, drive, call.address.version)
    world.operations.report_at(operation, place)
    headers: Headers = (("Location", place.location),) if place.location is not None else ()
    if plan.cookies:
        headers += (("Set-Cookie", f"SimGraph={operation.id}; Path=/"),)
    return Answer(202, (*headers, ("Content-Type", "text/plain")))


def target_folder(call: Call, body: JsonObject, source: Item) -> Item:
    """The folder that `parentReference` names; the source's own where it names none. Raises GraphError."""
    drive_id, item_id = text_at(body, "parentReference", "driveId"), text_at(body, "parentReference", "id")
    path = text_at(body, "parentReference", "path")
    by_path = reference(path) if path is not None and not item_id else None
    if path is not None and not item_id and by_path is None:
        raise GraphError(400, "invalidRequest", "The path of the parentReference is malformed.")
    drive = source.drive
    if drive_id:
        drive = call.world.find_drive(DriveRef("drive", drive_id), call.person)
    elif by_path is not None and by_path[0] is not None and by_path[0].kind != "me":
        drive = call.world.find_drive(by_path[0], call.person)  # "/drive/root:…" is the source's drive
    if item_id or by_path is not None:
        where = by_path[1] if by_path is not None else ItemRef(item_id or "root")
        folder = call.world.find_item(drive, where)
    else:
        folder = (source.parent or source) if drive is source.drive else drive.root
    if not folder.is_folder:
        raise GraphError(400, "invalidRequest", "The destination is not a folder.")
    return folder


def check_name(name: str) -> None:
    if FORBIDDEN_IN_NAMES & set(name) or name != name.strip() or name in {".", ".."}:
        raise GraphError(400, "invalidRequest", "The provided name cannot contain special characters.")


def _place_all(
    call: Call, parts: tuple[Blueprint, ...], folder: Item, conflict: Conflict, now: float
) -> Outcome:
    """Make what can be made; what cannot is named in the failure, which may thus be a partial copy."""
    drive = folder.drive
    if folder.id not in drive.items:
        return Failed("itemNotFound", "The destination could not be found.")
    made: list[Item] = []
    taken: list[Item] = []
    for part in parts:
        try:
            made.append(drive.place(part, folder, now, conflict=conflict, author=call.person.name))
        except NameTakenError as error:
            taken.append(error.item)
        else:
            call.world.ledger.created(drive.name, f"{folder.path.rstrip('/')}/{part.name}")
    if not taken:
        return Done(drive.id, made[0].id if made else folder.id)
    details = tuple(("nameAlreadyExists", _EXISTS, item.id) for item in taken) if len(parts) > 1 else ()
    return Failed("nameAlreadyExists", _EXISTS, details)
