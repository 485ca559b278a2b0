"""Monitor URLs, in every shape that has been seen.

Rules: a URL is made once, when the job starts, and is matched byte for byte from then on. Some shapes carry
escapes that a careful server may send and that a URL library which re-quotes would change (`%2d`, `%7E`, `%3D`
beside `%3d`, a raw quote): SharePoint's signature covers the exact text (onedrive-api-docs issue 919).
"""

from gateway.simulator.drives import Drive
from gateway.simulator.ids import Ids
from gateway.simulator.operations import Done, Operation, Place
from gateway.simulator.plan import MonitorShape
from gateway.simulator.wire import Origin
from gateway.simulator.world import World

_CONTINUATION = "aHR0cHM6Ly9jb250b3NvLnF1ZXVlLmNvcmUud2luZG93cy5uZXQ%2Fc3Y9MjAxOSZzaWc9%3d%2d"


def place_for(world: World, operation: Operation, drive: Drive, version: str) -> Place:
    """Where this operation will be reported."""
    shape = operation.plan.monitor
    if shape is MonitorShape.AUTO:
        shape = _usual(operation.kind, drive)
    if shape is MonitorShape.GRAPH:
        target = f"/{version}/drives/{drive.id}/operations/{operation.id}"
        return Place(Origin.GRAPH, target, world.url(Origin.GRAPH, target))
    if shape is MonitorShape.GRAPH_RELATIVE:
        target = f"/drives('{drive.id}')/operations('{operation.id}')"
        return Place(Origin.GRAPH, f"/{version}{target}", target)
    target = _target(shape, operation, world.ids)
    location = None if shape is MonitorShape.NONE else world.url(Origin.MONITOR, target)
    return Place(Origin.MONITOR, target, location)


def _usual(kind: str, drive: Drive) -> MonitorShape:
    if kind == "AssignSensitivityLabel":
        return MonitorShape.SENSITIVITY
    return MonitorShape.ONEDRIVE if drive.personal else MonitorShape.MONITOR


def _target(shape: MonitorShape, operation: Operation, ids: Ids) -> str:
    identity, site = operation.id, f"/personal/{operation.user}_contoso_com"
    match shape:
        case MonitorShape.SITE:
            return f"/sites/FromSite/_api/v2.1/monitor/{identity}"
        case MonitorShape.OPERATIONS:
            query = f"c={_CONTINUATION}&v=2.0&tempauth=v1.eyJ0eXAiOiJKV1QifQ.{ids.secret()}%2Es'%21%40%7e+~"
            return f"{site}/_api/v2.1/drive/operations/{identity}?{query}"
        case MonitorShape.ONEDRIVE:
            return f"/monitor/{identity.upper()}"
        case MonitorShape.ONEDRIVE_LONG:
            return f"/v1.0/monitor/4s{ids.secret(160)}"
        case MonitorShape.SENSITIVITY:
            return f"/_api/v2.0/monitor/{ids.secret(48)}%3D%3D?tempAuth=eyJ0eXAiOiJKV1QifQ.{ids.secret()}%2d"
        case MonitorShape.ITEM:
            result = operation.outcome if isinstance(operation.outcome, Done) else Done()
            path = f"{site}/_api/v2.0/drives/{result.drive_id}/items/{result.item_id}"
            return f"{path}?force303=1&tempauth=eyJ0eXAiOiJKV1QifQ.{ids.secret()}%2d"
        case _:
            return f"/_api/v2.0/monitor/{identity}"
