"""The answers that the gateway makes itself, as values: errors, redirects, status reports, failures.

Rules: errors are Graph-shaped, so that SDKs can read them, and carry Proxy-Status (RFC 9209). Nothing that a
caller or an upstream sent is echoed, but a client-request-id that looks like one. Retry-After is a whole number:
kiota-http cannot read fractions.

What this module must not do: write to a connection, or know how an operation is stored.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway import guard
from gateway.errors import (
    CallerRefused,
    DeadlineExceeded,
    GatewayError,
    KeyNeeded,
    NothingSent,
    OperationLost,
    UpstreamError,
)
from gateway.headers import VIA
from gateway.model import ACTIVE, Headers, Operation, State

JSON = b"application/json"
CLIENT_REQUEST_ID = re.compile(rb"[A-Za-z0-9{}_.:-]{1,64}")
"""What may be echoed as a client-request-id; Microsoft's clients send GUIDs."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, without its framing."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    close: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose answer it is: the ids that go into an error, and the time."""

    request_id: str
    client_request_id: bytes | None
    now: float


def error(failure: GatewayError, origin: Origin, extra: Headers = ()) -> Answer:
    """A Graph-shaped error of the gateway's own."""
    word = failure.proxy_word if isinstance(failure, UpstreamError | NothingSent) else failure.proxy_error
    headers: list[tuple[bytes, bytes]] = [(b"Content-Type", JSON), *ids(origin), VIA, *extra]
    if word:
        headers.append((b"Proxy-Status", b"lro-gateway; error=" + word.encode()))
    if failure.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % failure.retry_after))
    if failure.status == 401:
        challenge = (
            failure.challenge if isinstance(failure, CallerRefused | KeyNeeded) else b'Bearer realm=""'
        )
        headers.append((b"WWW-Authenticate", challenge))
    if failure.status == 405:
        headers.append((b"Allow", ", ".join(guard.METHODS).encode()))
    body = _graph_error({"code": failure.code, "message": failure.message}, origin)
    return Answer(failure.status, tuple(headers), body, failure.close)


def failed(operation: Operation, origin: Origin, extra: Headers) -> Answer:
    """The error of an operation that ended badly, in the upstream's words and with the mapped status."""
    problem = operation.problem
    if problem is None:
        raise ValueError("an operation without a problem has not failed")
    said = json.loads(problem.error)
    body = _graph_error(said if isinstance(said, dict) else {"code": problem.code}, origin)
    headers: list[tuple[bytes, bytes]] = [(b"Content-Type", JSON), *operation.request_ids, VIA, *extra]
    if operation.state is State.LOST:
        late = problem.code == DeadlineExceeded.code
        word = (DeadlineExceeded if late else OperationLost).proxy_error or ""
        headers.append((b"Proxy-Status", b"lro-gateway; error=" + word.encode()))
    return Answer(problem.status, tuple(headers), body)


def redirect(location: str, extra: Headers) -> Answer:
    """303 to where the wait goes on (RFC 9110 section 15.4.4)."""
    return Answer(303, ((b"Location", location.encode()), (b"Cache-Control", b"no-store"), VIA, *extra))


def accepted(operation: Operation, location: str, extra: Headers, *, retry_after: int) -> Answer:
    """202 with the status as its body, and where to ask for it again."""
    headers = (
        (b"Content-Type", JSON),
        (b"Location", location.encode()),
        (b"Retry-After", b"%d" % retry_after),
        (b"Cache-Control", b"no-store"),
        *operation.request_ids,
        VIA,
        *extra,
    )
    return Answer(202, headers, status_body(operation))


def status(operation: Operation, extra: Headers, *, retry_after: int) -> Answer:
    """The operation's status as an asyncJobStatus: 202 while it runs, 200 after."""
    running = operation.state in ACTIVE
    headers: list[tuple[bytes, bytes]] = [
        (b"Content-Type", JSON),
        (b"Cache-Control", b"no-store"),
        VIA,
        *extra,
    ]
    if running:
        headers.append((b"Retry-After", b"%d" % retry_after))
    return Answer(202 if running else 200, tuple(headers), status_body(operation))


STATUS_WORDS = {
    State.RESERVED: "notStarted",
    State.SUBMITTING: "notStarted",
    State.RUNNING: "inProgress",
    State.RESULT: "completed",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.LOST: "failed",
    State.UNKNOWN: "failed",
    State.REJECTED: "failed",
}
"""Our states in the words of asyncJobStatus; a reader of that type knows no others."""


def status_body(operation: Operation) -> bytes:
    said: dict[str, object] = {"operation": operation.plan.kind, "status": STATUS_WORDS[operation.state]}
    if operation.percent is not None:
        said["percentageComplete"] = operation.percent
    if operation.resource_id is not None:
        said["resourceId"] = operation.resource_id
    if operation.problem is not None:
        said["error"] = json.loads(operation.problem.error)
    elif operation.state is State.UNKNOWN:
        said["error"] = {
            "code": "copyOutcomeUnknown",
            "message": "Whether this was carried out is not known.",
        }
    return json.dumps(said).encode()


def report_body(operation: Operation) -> bytes:
    """The final report as the monitor gave it, or what it came to where it gave none."""
    return operation.report.encode("utf-8", "surrogatepass") if operation.report else status_body(operation)


def ids(origin: Origin) -> Headers:
    ids = [(b"request-id", origin.request_id.encode())]
    if safe := safe_client_request_id(origin.client_request_id):
        ids.append((b"client-request-id", safe))
    return tuple(ids)


def safe_client_request_id(value: bytes | None) -> bytes | None:
    """The value, if it looks like an id; otherwise nothing, for it would be an echo."""
    return value if value is not None and CLIENT_REQUEST_ID.fullmatch(value) else None


def _graph_error(said: dict[str, object], origin: Origin) -> bytes:
    """`said` as the error object, with the ids that support asks for in its innerError."""
    inner: dict[str, object] = {
        "date": datetime.fromtimestamp(origin.now, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": origin.request_id,
    }
    if safe := safe_client_request_id(origin.client_request_id):
        inner["client-request-id"] = safe.decode()
    given = next(
        (said[name] for name in ("innerError", "innererror") if isinstance(said.get(name), dict)), None
    )
    merged = (
        {**given, **{k: v for k, v in inner.items() if k not in given}} if isinstance(given, dict) else inner
    )
    kept = {name: value for name, value in said.items() if name not in ("innerError", "innererror")}
    return json.dumps({"error": {**kept, "innerError": merged}}).encode()
