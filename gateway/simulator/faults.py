"""Turns a fault into the answer, or the lack of one, that goes out.

Rules: what is spoiled and when is the plan's business; here is only what it looks like. Codes are those of
"Microsoft Graph error responses" and "Throttling guidance".
"""

from gateway.simulator.people import claims_challenge, refusal
from gateway.simulator.plan import Fault, FaultKind, Where
from gateway.simulator.wire import Answer, Asked, GraphError, Headers, Stream, Trick
from gateway.simulator.world import World

_CODES = {
    400: "invalidRequest",
    401: "unauthenticated",
    403: "accessDenied",
    404: "itemNotFound",
    409: "nameAlreadyExists",
    410: "resyncRequired",
    412: "resourceModified",
    423: "notAllowed",
    429: "activityLimitReached",
    500: "generalException",
    502: "BadGateway",
    503: "serviceNotAvailable",
    504: "GatewayTimeout",
    507: "quotaLimitReached",
}
_HTML = (
    b"<!DOCTYPE html><html><head><title>Service unavailable</title></head><body><h1>Sorry</h1></body></html>"
)
_HALF_JSON = b'{"operation":"ItemCopy","percentageComplete":27.8,"sta'
_PADDING = b'{"status":"inProgress","padding":"' + b"x" * 65536


def itself(asked: Asked) -> Where:
    """Which faults are for the request itself. A proxy may send a caller's `Simulate` header along with GETs of its
    own, so that what is meant for a POST must not hit those.
    """
    return Where.GET if asked.method in {"GET", "HEAD"} else Where.POST


def spoil(world: World, fault: Fault, asked: Asked, beginner: str | None = None) -> Answer | None:
    """What is answered in place of the truth. Raises GraphError for statuses; None: the truth, though maybe late.

    `beginner` is the Authorization that began the job which this request is about.
    """
    match fault.kind:
        case FaultKind.STATUS:
            raise _status(fault, world.clock.now())
        case FaultKind.EXPIRED:
            presented = asked.header("Authorization")
            if beginner not in {None, presented}:
                return None
            world.tokens.expire((presented or "").partition(" ")[2].strip())
            raise refusal("Lifetime validation failed, the token is expired.")
        case FaultKind.CLAIMS:
            raise claims_challenge()
        case FaultKind.RESET:
            return Answer(500, trick=Trick.RESET)
        case FaultKind.HANG:
            return Answer(500, trick=Trick.HANG)
        case FaultKind.NOT_HTTP:
            return Answer(500, trick=Trick.NOT_HTTP)
        case FaultKind.HTML:
            return Answer(fault.status, (("Content-Type", "text/html; charset=utf-8"),), _HTML)
        case FaultKind.EMPTY:
            return Answer(fault.status)
        case FaultKind.HUGE:
            return Answer(200, _JSON, Stream(fault.size, _PADDING))
        case FaultKind.TRUNCATED_JSON:
            return Answer(200, _JSON, _HALF_JSON)
        case FaultKind.CUT:
            return Answer(200, _JSON, _HALF_JSON * 2, trick=Trick.CUT)
        case FaultKind.DELAY:
            return None


def lateness(fault: Fault | None) -> float:
    """Seconds by which the truth is late; faults of all kinds but `delay` have none."""
    return fault.seconds if fault is not None else 0.0


_JSON: Headers = (("Content-Type", "application/json"),)


def _status(fault: Fault, now: float) -> GraphError:
    headers: Headers = ()
    if fault.retry_after is not None:
        headers = (("Retry-After", fault.retry_after.header(now)),)
    code = fault.code or _CODES.get(fault.status, "generalException")
    return GraphError(fault.status, code, f"The simulator was told to answer {fault.status}.", headers)
