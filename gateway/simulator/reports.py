"""What a monitor says about a job on a drive: progress, success and failure, spelled as the plan wants them.

Rules: bodies are the literal ones of Microsoft's pages and of issues (named in `plan`); nothing is made prettier.
A report is a function of the operation and of now; it changes neither.
"""

from gateway.simulator.item_json import item_json
from gateway.simulator.operations import Done, Failed, Operation
from gateway.simulator.plan import Ending, FailureShape, MonitorShape, Percent
from gateway.simulator.wire import Answer, GraphError, JsonObject, Origin, json_answer
from gateway.simulator.world import World

_NEVER = "0001-01-01T00:00:00Z"
_WITH_ENTITY = {MonitorShape.SITE, MonitorShape.OPERATIONS, MonitorShape.GRAPH, MonitorShape.GRAPH_RELATIVE}


def drive_report(world: World, operation: Operation, now: float) -> Answer:
    """The answer to a poll at `now` (monotonic). Raises GraphError for operationNotFound."""
    match operation.outcome:
        case None:
            return _progress(operation, now)
        case Failed() as failed:
            return _failure(operation, failed)
        case Done() as done:
            return _success(world, operation, done)


def _progress(operation: Operation, now: float) -> Answer:
    plan = operation.plan
    body: JsonObject = {"operation": operation.kind}
    value = operation.percentage(now)
    match plan.percent:
        case Percent.NUMBER:
            body["percentageComplete"] = value
        case Percent.NULL:
            body["percentageComplete"] = None
        case Percent.STRING:
            body["percentageComplete"] = str(value)
        case Percent.OVER:
            body["percentageComplete"] = round(value * 1.4 + 1, 1)
        case Percent.MISSING:
            pass
    body["status"] = operation.status_word(now)
    return json_answer(plan.poll_code, body)


def _success(world: World, operation: Operation, done: Done) -> Answer:
    plan = operation.plan
    if plan.monitor is MonitorShape.ITEM:  # the item itself, without any status
        return _item(world, done)
    item_path = f"/_api/v2.0/drives/{done.drive_id}/items/{done.item_id}"
    body: JsonObject = {"percentageComplete": 100.0, "resourceId": done.item_id, "status": plan.done}
    if plan.monitor in _WITH_ENTITY:
        body = _entity(world, operation) | {"percentComplete": 100} | body
    match plan.ending:
        case Ending.JSON_200:
            return json_answer(200, body)
        case Ending.JSON_202:
            return json_answer(202, body)
        case Ending.JSON_303:
            return json_answer(303, body)
        case Ending.RESOURCE_LOCATION | Ending.RESOURCE_LOCATION_ONLY:
            where = world.url(Origin.MONITOR, f"/sites/site2{item_path}")
            body = _entity(world, operation) | {"percentComplete": 100} | body | {"resourceLocation": where}
            if plan.ending is Ending.RESOURCE_LOCATION_ONLY:
                del body["resourceId"]
            return json_answer(200, body)
        case Ending.NO_ID:
            del body["resourceId"]
            return json_answer(200, body)
        case Ending.NOT_FOUND:
            raise _operation_not_found()
        case Ending.LOCATION_303:
            return _see(world.url(Origin.MONITOR, f"/items/{done.item_id}"))
        case Ending.SHAREPOINT_303:
            return _see(world.url(Origin.MONITOR, item_path))
        case Ending.GRAPH_303:
            path = f"/v1.0/drives('{done.drive_id}')/items('{done.item_id}')"
            return _see(world.url(Origin.GRAPH, path))
        case Ending.EMPTY_ID_303:
            return _see(world.url(Origin.GRAPH, "/v1.0/drives('me')/items('')"))


def _see(location: str) -> Answer:
    return Answer(303, (("Location", location),))


def _failure(operation: Operation, failed: Failed) -> Answer:
    plan = operation.plan
    error: JsonObject = {"code": failed.code, "message": failed.message}
    brief: JsonObject = {
        "operation": operation.kind,
        "percentageComplete": plan.fail_at,
        "status": plan.failed,
    }
    described = "Completed 0/0 files; 0/9314 bytes"
    match plan.fail_as:
        case FailureShape.ERROR if not failed.details:
            dates = {"createdDateTime": _NEVER, "lastActionDateTime": _NEVER}
            return json_answer(200, {"id": operation.id} | dates | {"status": plan.failed, "error": error})
        case FailureShape.ERROR | FailureShape.DETAILS:
            details: list[JsonObject] = [dict(error)]
            for code, message, target in failed.details:
                details.append({"code": code, "message": message, "target": target})
            whole: JsonObject = {"message": "Errors occurred during copy/move operation.", "details": details}
            return json_answer(200, {"id": operation.id, "status": plan.failed, "error": whole})
        case FailureShape.DESCRIPTION:
            return json_answer(200, brief | {"statusDescription": described})
        case FailureShape.ERROR_CODE:
            return json_answer(200, brief | {"errorCode": failed.code, "statusDescription": described})
        case FailureShape.HTTP_500:
            return json_answer(500, brief | {"errorCode": failed.code, "statusDescription": described})
        case FailureShape.NOT_FOUND:
            raise _operation_not_found()


def _operation_not_found() -> GraphError:
    return GraphError(500, "operationNotFound", "The operation does not exist.")


def _entity(world: World, operation: Operation) -> JsonObject:
    context = world.url(
        Origin.MONITOR, "/sites/site1/_api/v2.1/$metadata#drives('driveId')/operations/$entity"
    )
    return {
        "@odata.context": context,
        "id": operation.id,
        "createdDateTime": _NEVER,
        "lastActionDateTime": _NEVER,
    }


def _item(world: World, done: Done) -> Answer:
    drive = world.drives[done.drive_id]
    item = drive.items.get(done.item_id)
    if item is None:
        raise GraphError(404, "itemNotFound", "The resource could not be found.")
    return json_answer(200, item_json(world, item, "v1.0"))
