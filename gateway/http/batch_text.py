"""The text of a batch: reads its requests and its responses, and cuts and splices them without touching the rest.

    {"requests": [{"id": "1", "method": "POST", "url": "/me/drive/items/A/copy", "body": {…}}, …]}
    {"responses": [{"id": "1", "status": 202, "headers": {"Location": …}}, …]}

Rules: what is not changed keeps its characters, white space and unknown members too. What two readers could read in
two ways (a member twice, an id twice, NaN) is no batch here: `Unreadable`, and nothing is changed.

What this module must not do: know operations, or HTTP beyond names and values. No I/O.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from gateway.model import Headers

T = TypeVar("T")

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Unreadable(ValueError):
    """This is no batch that everybody would read alike."""


class Span(NamedTuple):
    """A JSON value, and where it stands in the text."""

    value: object
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a batch."""

    id: str
    text: str
    method: str
    url: str
    headers: Headers
    body: bytes
    needs: tuple[str, ...]
    """The ids of those that it depends on."""


@dataclass(frozen=True, slots=True)
class Requests:
    """A batch as its caller sent it."""

    text: str
    array: Span
    all: tuple[Request, ...]

    def only(self, wanted: Iterable[Request]) -> str:
        """The batch with these requests and no others."""
        kept = ",".join(request.text for request in wanted)
        return f"{self.text[: self.array.start]}[{kept}]{self.text[self.array.end :]}"


@dataclass(frozen=True, slots=True)
class Response:
    """One response in the answer to a batch."""

    id: str
    start: int
    end: int
    status: int
    headers: Headers
    body: bytes
    members: Mapping[str, Span]


@dataclass(frozen=True, slots=True)
class Content:
    """What is to stand in a response."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Responses:
    """The answer to a batch."""

    text: str
    array: Span
    all: Mapping[str, Response]
    """By id, in one case."""

    def text_of(self, response: Response) -> str:
        return self.text[response.start : response.end]

    def spliced(self, written: Mapping[str, Content], more: Sequence[str]) -> str:
        """The text with the responses of these ids (in one case) changed, and `more` behind the last one."""
        edits: list[tuple[int, int, str]] = []
        for name, new in written.items():
            edits += _changes(self.all[name], new)
        if more:
            end = self.array.end - 1
            edits.append((end, end, ("," if self.all else "") + ",".join(more)))
        text = self.text
        for start, end, new_text in sorted(edits, reverse=True):
            text = text[:start] + new_text + text[end:]
        return text


NOTHING = '{"responses":[]}'
"""The answer to a batch before there is anything in it."""


def same(name: str) -> str:
    """An id as it is compared: they are not case-sensitive ("Combine multiple HTTP requests using JSON batching")."""
    return name.casefold()


# --- reading ---------------------------------------------------------------------------------------------


def read_requests(body: bytes) -> Requests:
    """Raises `Unreadable`."""
    return _strictly(_requests, body)


def read_responses(body: bytes) -> Responses:
    """Raises `Unreadable`."""
    return _strictly(_responses, body)


def _strictly(read: Callable[[str], T], body: bytes) -> T:
    try:
        return read(body.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def _requests(text: str) -> Requests:
    members = _document(text)
    array = members.get("requests")
    if array is None or not isinstance(array.value, list):
        raise Unreadable("no requests")
    requests = tuple(_request(text, span) for span in _elements(text, array.start))
    if len({same(request.id) for request in requests}) < len(requests):
        raise Unreadable("an id occurs twice")
    return Requests(text, array, requests)


def _responses(text: str) -> Responses:
    members = _document(text)
    array = members.get("responses")
    if array is None or not isinstance(array.value, list):
        raise Unreadable("no responses")
    responses = [_response(text, span) for span in _elements(text, array.start)]
    by_id = {same(response.id): response for response in responses}
    if len(by_id) < len(responses):
        raise Unreadable("an id occurs twice")
    return Responses(text, array, by_id)


def _request(text: str, span: Span) -> Request:
    members = _members(text, span.start)
    if len({name.casefold() for name in members}) < len(members):
        raise Unreadable("a member in two spellings")
    values = {name: member.value for name, member in members.items()}
    name, method, url = (values.get(key) for key in ("id", "method", "url"))
    needs = values.get("dependsOn") or []
    if not isinstance(name, str) or not isinstance(method, str) or not isinstance(url, str):
        raise Unreadable("a request without id, method or url")
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise Unreadable("dependsOn")
    return Request(
        id=name,
        text=text[span.start : span.end],
        method=method.upper(),
        url=url,
        headers=_headers(text, members.get("headers")),
        body=_body(text, members.get("body")),
        needs=tuple(needs),
    )


def _response(text: str, span: Span) -> Response:
    members = _members(text, span.start)
    name, status = (members[key].value if key in members else None for key in ("id", "status"))
    if not isinstance(name, str) or not isinstance(status, int) or not 100 <= status <= 599:
        raise Unreadable("a response without id or status")
    headers, body = _headers(text, members.get("headers")), _body(text, members.get("body"))
    return Response(name, span.start, span.end, status, headers, body, members)


def _headers(text: str, span: Span | None) -> Headers:
    """Names and values as lines; what could be no line is left out."""
    if span is None or span.value is None:
        return ()
    lines = []
    for name, member in _members(text, span.start).items():
        if isinstance(member.value, str) and _TOKEN.fullmatch(name):
            try:
                lines.append((name.encode(), member.value.encode()))
            except UnicodeEncodeError:
                raise Unreadable("a lone surrogate") from None
    return tuple(lines)


def _body(text: str, span: Span | None) -> bytes:
    """JSON as it stands there; a string is the base64 of anything else, or what it says."""
    if span is None or span.value is None:
        return b""
    if not isinstance(span.value, str):
        return text[span.start : span.end].encode()
    try:
        return base64.b64decode(span.value, validate=True)
    except (binascii.Error, ValueError):
        return span.value.encode("utf-8", "surrogatepass")


# --- JSON with places ------------------------------------------------------------------------------------


def _refuse(word: str) -> object:
    raise Unreadable(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _document(text: str) -> dict[str, Span]:
    """The members of the one object that the text is."""
    start = _skip(text, 0)
    if _skip(text, _value(text, start).end) != len(text):
        raise Unreadable("more than one value")
    return _members(text, start)


def _value(text: str, start: int) -> Span:
    value, end = _DECODER.raw_decode(text, start)
    return Span(value, start, end)


def _members(text: str, start: int) -> dict[str, Span]:
    """The members of the object that begins here, in their order. The text is known to be JSON."""
    if text[start] != "{":
        raise Unreadable("not an object")
    members: dict[str, Span] = {}
    at = _skip(text, start + 1)
    while text[at] != "}":
        name = _value(text, at)
        value = _value(text, _skip(text, _skip(text, name.end) + 1))
        if name.value in members:
            raise Unreadable("a member occurs twice")
        members[str(name.value)] = value
        at = _next(text, value.end)
    return members


def _elements(text: str, start: int) -> list[Span]:
    """The elements of the array that begins here."""
    elements = []
    at = _skip(text, start + 1)
    while text[at] != "]":
        elements.append(_value(text, at))
        at = _next(text, elements[-1].end)
    return elements


def _next(text: str, end: int) -> int:
    """Where the next member or element begins, or what closes them stands."""
    at = _skip(text, end)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at


# --- writing ---------------------------------------------------------------------------------------------


def response(request_id: str, new: Content) -> str:
    """A response of its own."""
    members = {"id": json.dumps(request_id), "status": str(new.status), "headers": _headers_text(new.headers)}
    if new.body:
        members["body"] = _body_text(new)
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def _changes(old: Response, new: Content) -> Iterable[tuple[int, int, str]]:
    """What makes one response of another: the values of three members, wherever they stand."""
    wanted = {"status": str(new.status), "headers": _headers_text(new.headers)}
    if new.body or "body" in old.members:
        wanted["body"] = _body_text(new) if new.body else "null"
    missing = ""
    for name, text in wanted.items():
        member = old.members.get(name)
        if member is None:
            missing += f',"{name}":{text}'
        else:
            yield member.start, member.end, text
    if missing:
        yield old.end - 1, old.end - 1, missing


def _headers_text(lines: Headers) -> str:
    by_name: dict[str, str] = {}
    names: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "backslashreplace")
        first = names.setdefault(name.lower(), name)
        by_name[first] = f"{by_name[first]}, {value}" if first in by_name else value
    return json.dumps(by_name)


def _body_text(new: Content) -> str:
    """JSON as it came, anything else in base64."""
    kind = next((value.lower() for name, value in new.headers if name.lower() == b"content-type"), b"")
    if b"json" in kind.partition(b";")[0]:
        try:
            text = new.body.decode()
            start = _skip(text, 0)
            span = _value(text, start)
            if _skip(text, span.end) == len(text):
                return text[span.start : span.end]
        except (ValueError, RecursionError):
            pass
    return json.dumps(base64.b64encode(new.body).decode())
