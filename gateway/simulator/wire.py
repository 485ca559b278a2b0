"""Requests and answers as values: what came in, byte for byte, and what is to go out, faults included.

Rules: nothing is normalised. A request target and header values are kept as text with one character per byte
(latin-1), so that they can be compared and shown exactly; whoever wants a decoded view makes it. No socket here:
`wire_io` reads and writes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast
from urllib.parse import unquote

JsonObject = dict[str, object]
Headers = tuple[tuple[str, str], ...]
JSON_TYPE = (
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
)


class Origin(StrEnum):
    GRAPH = "graph"
    MONITOR = "monitor"


class Trick(StrEnum):
    """What is done to the connection instead of, or after, an orderly answer."""

    NONE = "none"
    RESET = "reset"  # RST, nothing is sent
    HANG = "hang"  # nothing is sent until the client goes
    CUT = "cut"  # half of the body, then the end of the connection
    NOT_HTTP = "not-http"


class GraphError(Exception):
    """An error in Graph's own shape, raised by whoever finds it; the dispatcher adds dates and ids."""

    def __init__(self, status: int, code: str, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    origin: Origin
    method: str
    target: str
    headers: Headers
    body: bytes = b""
    length: int = 0  # of the body, also where it was not kept
    sha256: str = ""
    at: float = 0.0
    complete: bool = True  # False: the client went before its body was here

    @property
    def path(self) -> str:
        """The raw path."""
        return self.target.partition("?")[0]

    def query(self) -> dict[str, str]:
        """Decoded parameters; names in lower case, as Graph ignores their case."""
        pairs = (part.partition("=") for part in self.target.partition("?")[2].split("&") if part)
        return {unquote(name).lower(): unquote(value.replace("+", " ")) for name, _, value in pairs}

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> JsonObject:
        """The body as a JSON object; an empty body is an empty object."""
        if not self.body.strip():
            return {}
        try:
            value: object = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise GraphError(
                400,
                "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )
        return value


@dataclass(frozen=True)
class Stream:
    """A body that is too big to be kept: one block, repeated."""

    size: int
    block: bytes

    def chunks(self) -> Iterator[bytes]:
        left = self.size
        while left > 0:
            yield self.block[:left]
            left -= min(left, len(self.block))


@dataclass(frozen=True)
class Answer:
    """What is to be sent, and how."""

    status: int
    headers: Headers = ()
    body: bytes | Stream = b""
    delay: float = 0.0
    trick: Trick = Trick.NONE
    sent: Callable[[bool], None] | None = field(
        default=None, compare=False
    )  # told whether all of it went out

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def json_answer(status: int, body: Mapping[str, object], headers: Headers = ()) -> Answer:
    return Answer(status, (("Content-Type", JSON_TYPE), *headers), encode(body))


def encode(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def text_at(body: JsonObject, *keys: str) -> str | None:
    """The text at a path of keys; None where there is none."""
    value: object = body
    for key in keys:
        value = cast(JsonObject, value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None
