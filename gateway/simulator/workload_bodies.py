"""What the operations of Graph's other workloads say, one function per resource type.

Rules: literal samples of the reference pages (workbookOperation, onenoteOperation, teamsAsyncOperation,
richLongRunningOperation, connectionOperation, printOperation, dataPolicyOperation, caseOperation), with their
oddities: a percentage that is text, a status that is an object, an error without a code.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.simulator.item_json import graph_time
from gateway.simulator.operations import Failed
from gateway.simulator.people import TENANT
from gateway.simulator.wire import JsonObject


@dataclass(frozen=True)
class Result:
    """What an operation brings about; without a path, it is in the operation's own body."""

    id: str
    path: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Told:
    """What there is to say."""

    id: str
    word: str
    percentage: float
    began_at: float
    finished: bool
    failed: Failed | None
    result: Result
    user: str

    @property
    def error(self) -> JsonObject | None:
        return {"code": self.failed.code, "message": self.failed.message} if self.failed is not None else None


Body = Callable[[Told], JsonObject]


def bare(told: Told) -> JsonObject:
    """workbookOperation, longRunningOperation."""
    body: JsonObject = {"id": told.id, "status": told.word}
    if told.finished and told.result.url is not None:
        body["resourceLocation"] = told.result.url
    if told.error is not None:
        body["error"] = told.error
    return body


def connection(told: Told) -> JsonObject:
    """connectionOperation: no word about where the result is, and an error without a code."""
    body: JsonObject = {"id": told.id, "status": told.word}
    if told.failed is not None:
        body["error"] = {"message": told.failed.message}
    return body


def simulated(kind: str) -> Body:
    """attackSimulationOperation."""

    def body(told: Told) -> JsonObject:
        said = bare(told) | {"createdDateTime": graph_time(told.began_at), "type": kind}
        return said | {"percentageCompleted": int(told.percentage), "tenantId": TENANT}

    return body


def validated(told: Told) -> JsonObject:
    """fileValidateOperation: what is wrong with the files is in the operation itself."""
    body = bare(told) | {"createdDateTime": graph_time(told.began_at), "errors": [], "warnings": []}
    if told.finished:
        body["warnings"] = [{"code": "missingOptionalFile", "message": "A file was not uploaded."}]
    return body


def note(told: Told) -> JsonObject:
    """onenoteOperation: the percentage is text."""
    when = graph_time(told.began_at)
    body: JsonObject = {
        "id": told.id,
        "status": told.word,
        "createdDateTime": when,
        "lastActionDateTime": when,
    }
    body["percentComplete"] = str(int(told.percentage))
    if told.finished:
        body |= {"resourceLocation": told.result.url, "resourceId": f"1-{told.result.id}"}
    if told.error is not None:
        body |= {"error": told.error, "@api.diagnostics": "0001, the simulator was told to fail"}
    return body


def team(kind: str) -> Body:
    """teamsAsyncOperation: relative places, nulls where there is nothing."""

    def body(told: Told) -> JsonObject:
        when = graph_time(told.began_at)
        return {
            "id": told.id,
            "operationType": kind,
            "createdDateTime": when,
            "status": told.word,
            "lastActionDateTime": when,
            "attemptsCount": 1,
            "targetResourceId": told.result.id if told.finished else None,
            "targetResourceLocation": told.result.path if told.finished else None,
            "Value": '{"apps":[],"channels":[]}',
            "error": told.error,
        }

    return body


def rich(told: Told) -> JsonObject:
    """richLongRunningOperation."""
    body = bare(told) | {"createdDateTime": graph_time(told.began_at), "type": "contentTypeCopy"}
    if told.finished:
        body["resourceId"] = told.result.id
    return body


def print_job(told: Told) -> JsonObject:
    """printerCreateOperation: status is an object, and the result is inside; so is a nested status."""
    body: JsonObject = {
        "@odata.type": "#microsoft.graph.printerCreateOperation",
        "id": told.id,
        "createdDateTime": graph_time(told.began_at),
        "status": {"state": told.word, "description": "The operation was asked about."},
    }
    if told.finished:
        printer_status = {"state": "unknown", "details": [], "description": ""}
        body["certificate"] = "MIIDwjCCAqqgAwIBAgIQ"
        body["printer"] = {"id": told.result.id, "displayName": "Test Printer", "status": printer_status}
    return body


def personal_data(told: Told) -> JsonObject:
    """dataPolicyOperation: its word for success is `complete`, its progress is text."""
    body: JsonObject = {
        "id": told.id,
        "status": told.word,
        "userId": told.user,
        "progress": str(int(told.percentage)),
    }
    body["submittedDateTime"] = graph_time(told.began_at)
    if told.finished:
        body["storageLocation"] = f"https://contoso.blob.core.windows.net/export/{told.result.id}"
    return body


def case(told: Told) -> JsonObject:
    """caseOperation: percentProgress, and the operation itself is the result."""
    body: JsonObject = {
        "@odata.type": "#microsoft.graph.security.ediscoveryEstimateOperation",
        "createdDateTime": graph_time(told.began_at),
        "percentProgress": int(told.percentage),
        "status": told.word,
        "action": "estimateStatistics",
        "id": told.id,
    }
    if told.failed is not None:
        body["resultInfo"] = {"code": 500, "message": told.failed.message, "subcode": told.failed.code}
    return body
