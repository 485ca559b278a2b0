"""The words in which the simulator is told how to behave: a `Plan` for one operation, and its `Fault`s.

Rules: values only, all frozen; nothing here reads a clock, a socket or a file. Every word that a script, a
`Simulate` header or the control API may use stands in one of these enums, spelled as the user spells it.

The endings and monitor shapes are those that Microsoft's own pages and shipping clients show; they disagree with
each other ("Working with long-running actions", Graph and OneDrive versions; "driveItem: copy", examples 1-10;
onedrive-api-docs issues 545, 762, 766, 919, 1239, 1769), which is the reason why all of them can be chosen.
"""

import math
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from typing import Literal


class Ending(StrEnum):
    """How a monitor says that a job has succeeded."""

    JSON_200 = "200-json"
    JSON_202 = "202-json"  # Graph's page: still 202, the status is in the body
    JSON_303 = "303-json"  # OneDrive's page, second edition: 303 with a body and no Location
    LOCATION_303 = (
        "303-location"  # OneDrive's page, first edition: https://api.onedrive.com/items/{id}, no body
    )
    RESOURCE_LOCATION = "resource-location"  # "driveItem: copy", example 2: resourceId and resourceLocation
    RESOURCE_LOCATION_ONLY = "resource-location-only"
    SHAREPOINT_303 = "303-sharepoint"  # Location at an _api URL that rejects a Graph token
    GRAPH_303 = "303-graph"  # Location in OData key syntax at the Graph origin
    EMPTY_ID_303 = "303-empty-id"  # Location ends in items('') (onedrive-api-docs issue 545)
    NO_ID = "200-no-id"  # completed, and no word about where the item is
    NOT_FOUND = "operation-not-found"  # 500 operationNotFound although the item is there (issue 766)


class MonitorShape(StrEnum):
    """What the Location of the 202 looks like."""

    AUTO = "auto"  # by kind: onedrive for a personal drive, sensitivity for a label, monitor for the rest
    MONITOR = "monitor"  # /_api/v2.0/monitor/{guid}
    SITE = "site"  # /sites/FromSite/_api/v2.1/monitor/{guid}
    OPERATIONS = "operations"  # /personal/{user}/_api/v2.1/drive/operations/{guid}?c=…&v=2.0&tempauth=…
    ONEDRIVE = "onedrive"  # /monitor/{guid}
    ONEDRIVE_LONG = "onedrive-long"  # /v1.0/monitor/{more than 200 characters}
    SENSITIVITY = "sensitivity"  # /_api/v2.0/monitor/{base64}?tempAuth=…
    ITEM = "item"  # already the item: …/items/{id}?force303=1&tempauth=… (issue 762)
    NONE = "none"  # no Location at all (issue 1769)
    GRAPH = "graph"  # on the Graph origin, absolute; needs a token
    GRAPH_RELATIVE = (
        "graph-relative"  # /drives('{id}')/operations('{guid}'): root-relative, without the version
    )


class Progress(StrEnum):
    """How percentageComplete moves while the job runs."""

    LINEAR = "linear"
    JUMPY = "jumpy"
    STUCK_AT_0 = "stuck-at-0"
    STUCK_AT_99 = "stuck-at-99"


class Percent(StrEnum):
    """How percentageComplete is spelled."""

    NUMBER = "number"
    NULL = "null"
    MISSING = "missing"
    STRING = "string"
    OVER = "over"  # ends above 100


class FailureShape(StrEnum):
    """How a monitor says that a job has failed."""

    ERROR = "error"  # "driveItem: copy", example 3
    DETAILS = "details"  # example 5: details[] and no error.code
    DESCRIPTION = "description"  # consumer: statusDescription only (issue 666)
    ERROR_CODE = "error-code"  # consumer: errorCode and statusDescription
    HTTP_500 = "http-500"  # a good status JSON under HTTP 500 (rclone issue 1224)
    NOT_FOUND = "operation-not-found"  # HTTP 500 operationNotFound (issue 766)


class Movement(StrEnum):
    """How a PATCH that moves an item to another folder is answered."""

    SYNC = "sync"  # 200 and the item, as "driveItem: move" says
    ASYNC = "async"  # 202 and a monitor, as has been seen (microsoft-graph-docs-contrib issue 290)


class Where(StrEnum):
    """Which exchange a fault spoils."""

    POST = "post"  # the request itself, where it is to change something
    GET = "get"  # the request itself, where it is to read something
    POLL = "poll"
    FINAL = "final"  # a GET of the finished item


class Apply(StrEnum):
    """What a request that is answered with a fault has done all the same."""

    NOTHING = "nothing"
    AT_ONCE = "at-once"
    LATE = "late"  # the job runs for its usual time


class FaultKind(StrEnum):
    STATUS = "status"
    RESET = "reset"
    HANG = "hang"
    DELAY = "delay"
    HTML = "html"
    EMPTY = "empty"
    HUGE = "huge"
    TRUNCATED_JSON = "truncated-json"
    CUT = "cut"  # fewer bytes than Content-Length promised, then the end of the connection
    NOT_HTTP = "not-http"
    EXPIRED = "expired"  # 401; the token that began the job is expired from now on
    CLAIMS = "claims"  # 401 with a claims challenge


@dataclass(frozen=True)
class RetryAfter:
    """A Retry-After value in one of the forms that Graph and SharePoint have been seen to send."""

    form: Literal["seconds", "date", "garbage"]
    seconds: float = 0.0
    text: str = ""

    def header(self, now: float) -> str:
        """The header's value, sent at wall time `now`."""
        if self.form == "date":
            return formatdate(math.ceil(now + self.seconds), usegmt=True)
        return self.text

    def wait(self, now: float) -> float:
        """How long a client that understood it must wait; a date has whole seconds only."""
        if self.form == "date":
            return math.ceil(now + self.seconds) - now
        return self.seconds if self.form == "seconds" else 0.0


@dataclass(frozen=True)
class Fault:
    """One misbehaviour: where, at which tries (counted from 1, `last=None` is for ever), and what."""

    kind: FaultKind
    where: Where = Where.POST
    first: int = 1
    last: int | None = None
    status: int = 200
    code: str | None = None
    retry_after: RetryAfter | None = None
    apply: Apply = Apply.NOTHING
    seconds: float = 0.0
    size: int = 0

    def hits(self, where: Where, number: int) -> bool:
        return self.where is where and self.first <= number and (self.last is None or number <= self.last)


@dataclass(frozen=True)
class Plan:
    """How one operation runs and is reported. Each field is a key of the script and of the `Simulate` header."""

    ending: Ending = Ending.JSON_200
    monitor: MonitorShape = MonitorShape.AUTO
    duration: float | None = None  # None: the base duration and the size at the simulated speed
    progress: Progress = Progress.LINEAR
    percent: Percent = Percent.NUMBER
    running: tuple[str, ...] = ("inProgress",)  # spread evenly over the duration
    done: str = "completed"
    failed: str = "failed"
    poll_code: int = 202  # the HTTP status of a progress reply; business drives have been seen with 200
    retry_after: RetryAfter | None = None  # on ordinary progress replies
    fail: str | None = None
    fail_as: FailureShape = FailureShape.ERROR
    fail_at: float = 100.0  # per cent
    lag_tries: int = 0  # GETs of the finished item that are answered 404
    lag_seconds: float = 0.0
    latency: float = 0.0  # before each answer
    move: Movement = Movement.SYNC
    cookies: bool = False
    faults: tuple[Fault, ...] = ()

    def fault_at(self, where: Where, number: int = 1) -> Fault | None:
        """The first fault that hits this try."""
        return next((fault for fault in self.faults if fault.hits(where, number)), None)
