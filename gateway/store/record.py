"""How a record is written down: `Operation` to bytes and back, exactly.

    {"schema":1,"check":"0f1e2d3c4b5a6978","operation":{"id":…,"monitor":"clear:https://…",…}}

Rules
- Pure: bytes in, values out. JSON with every field by its name, so that people and other tools can read it. Bytes are
  written as the characters of the same numbers, surrogates as the bytes that UTF-8 would have for them.
- The fields are those of the model. Whoever changes them counts `SCHEMA` up; a field that an older record lacks has
  its default. A record of a newer schema is not guessed at: it is unreadable, and whoever keeps it leaves it alone.
- `check` tells damage, not forgery. Anything that does not fit is `RecordUnreadable`, never half a record.
- Only the monitor URL is sealed (`sealed`). There is no token and no result in a record, so none is written.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from gateway.model import Operation
from gateway.store import StoreDown
from gateway.store.sealed import Seals, Unsealable

Row = TypeVar("Row")
"""How a store holds a record."""

SCHEMA = 1
"""Counts the changes to what a record holds."""

_FORM = re.compile(rb'\{"schema":([0-9]{1,9}),"check":"([0-9a-f]{16})","operation":(\{.*\})\}', re.DOTALL)
_ANY_SCHEMA = re.compile(rb'\{"schema":([0-9]{1,9}),')
_UNFIT = "it holds a value that does not fit its field"

Reader = Callable[[Any], Any]
"""From what JSON holds to a value of the model; raises `_Misfit`."""


class RecordUnreadable(StoreDown):
    """A record that is there and cannot be read. It answers for its key all the same: nothing may be started."""

    def __init__(self, operation_id: str, reason: str) -> None:
        super().__init__(f"the record of operation {operation_id} cannot be read: {reason}")
        self.operation_id = operation_id
        self.reason = reason


class _Misfit(Exception):
    """What was read is not what a record holds."""


def encode(operation: Operation, seals: Seals) -> bytes:
    content = _plain(operation)
    if operation.monitor is not None:
        content["monitor"] = seals.seal(operation.monitor, *_place(SCHEMA, operation.id, operation.key))
    # Not as \u escapes: a reader makes one character of two that happen to be a pair of surrogates.
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return b'{"schema":%d,"check":"%b","operation":%b}' % (SCHEMA, _check(text), text)


def decode(data: object, *, operation_id: str, key: str, seals: Seals) -> Operation:
    """The record that was stored under this id and dedupe key. Raises `RecordUnreadable`."""
    try:
        schema, content = _content(data)
        sealed = content.get("monitor")
        if isinstance(sealed, str):
            content["monitor"] = seals.unseal(sealed, *_place(schema, operation_id, key))
        operation: Operation = _reader(Operation, schema == SCHEMA)(content)
    except (_Misfit, Unsealable) as error:
        raise RecordUnreadable(operation_id, str(error)) from None
    if (operation.id, operation.key) != (operation_id, key):
        raise RecordUnreadable(operation_id, "it is the record of another operation")
    return operation


def sift(
    rows: Iterable[Row], read: Callable[[Row], Operation | None]
) -> tuple[list[Operation], list[RecordUnreadable]]:
    """What `read` makes of rows, and what is wrong with those that cannot be read."""
    found, unreadable = [], []
    for row in rows:
        try:
            operation = read(row)
        except RecordUnreadable as error:
            unreadable.append(error)
        else:
            found += [operation] if operation is not None else []
    return found, unreadable


def _content(data: object) -> tuple[int, dict[str, Any]]:
    """The schema, and the members of the operation."""
    if not isinstance(data, bytes):
        raise _Misfit("it is damaged")
    version = _ANY_SCHEMA.match(data)
    if version is not None and int(version[1]) > SCHEMA:
        raise _Misfit(
            f"it was written by a newer version of the gateway (schema {int(version[1])}; this one knows {SCHEMA})"
        )
    form = _FORM.fullmatch(data)
    if form is None or _check(form[3]) != form[2]:
        raise _Misfit("it is damaged")
    try:
        content = json.loads(form[3].decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise _Misfit("it is damaged") from None
    if not isinstance(content, dict):
        raise _Misfit("it is damaged")
    return int(form[1]), content


def _check(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode("ascii")


def _place(schema: int, operation_id: str, key: str) -> tuple[str, ...]:
    """What a sealed monitor belongs to."""
    return ("monitor", str(schema), operation_id, key)


# --- values of the model and what JSON can hold ----------------------------------------------------------


def _plain(record: Any) -> dict[str, Any]:
    kind: Any = type(record)
    return {name: _plainly(getattr(record, name)) for name in _names(kind)}


def _plainly(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [_plainly(item) for item in value]
    return _plain(value) if is_dataclass(value) else value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _reader(kind: Any, complete: bool) -> Reader:  # noqa: FBT001 - cached by position
    """Reads values of a type of the model; `complete` says that no field may be missing."""
    options = get_args(kind)
    if get_origin(kind) is UnionType:
        inner = _reader(options[0], complete)
        return lambda value: None if value is None else inner(value)
    if get_origin(kind) is tuple:
        readers = [_reader(option, complete) for option in options if option is not Ellipsis]
        return _many(readers[0]) if Ellipsis in options else _few(readers)
    if is_dataclass(kind):
        return _record(kind, complete)
    if kind is bytes:
        return _bytes
    if issubclass(kind, Enum):
        return _member(kind)
    types = {int, float} if kind is float else {kind}
    return lambda value: _of(types, value)


def _of(types: set[type], value: Any) -> Any:
    """`value`, if it is of one of these types and not of one derived from them: True is no number here."""
    if type(value) not in types:
        raise _Misfit(_UNFIT)
    return value


def _bytes(value: Any) -> bytes:
    try:
        return str(_of({str}, value)).encode("latin-1")
    except UnicodeEncodeError:
        raise _Misfit(_UNFIT) from None


def _member(kind: type[Enum]) -> Reader:
    def read(value: Any) -> Enum:
        try:
            return kind(value)
        except ValueError:
            raise _Misfit(_UNFIT) from None

    return read


def _many(reader: Reader) -> Reader:
    return lambda value: tuple(reader(item) for item in _of({list}, value))


def _few(readers: list[Reader]) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if len(_of({list}, value)) != len(readers):
            raise _Misfit(_UNFIT)
        return tuple(reader(item) for reader, item in zip(readers, value, strict=True))

    return read


def _record(kind: Any, complete: bool) -> Reader:  # noqa: FBT001 - see `_reader`
    hints = get_type_hints(kind)
    readers = {name: _reader(hints[name], complete) for name in _names(kind)}
    needed = {field.name for field in fields(kind) if complete or field.default is MISSING}

    def read(value: Any) -> Any:
        if not needed <= _of({dict}, value).keys() <= readers.keys():
            raise _Misfit("it does not have the fields of a record")
        return kind(**{name: readers[name](item) for name, item in value.items()})

    return read
