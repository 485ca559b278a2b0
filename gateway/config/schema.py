"""The schema of the configuration file (JSON Schema, draft 7), made from the shape, for editors and pipelines.

`python -m gateway.config.reference` writes it to config/gateway.schema.json; `lro-gateway config-schema` prints it.

Rules: whatever the gateway accepts, the schema accepts, so that an editor never marks a file that works. The reverse
does not hold: what two keys must agree on, ranges of spelled durations and sizes, and what references and paths lead
to are seen by `check-config` alone. Draft 7, because that is what editors know best; there `$ref` has no siblings, so
it stands in an `anyOf` wherever a description stands beside it. A kind that is not listed here is an error.
"""

import json
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.addresses import AllowedHost, Host, HostPort, Url
from gateway.config.callers import LONGEST_KEY, SHORTEST_KEY, AllowedCall, KeyText
from gateway.config.certificates import PemFile
from gateway.config.credentials import (
    AuthorityUrl,
    CertificatePem,
    Identifier,
    Scope,
    SecretText,
    TokenFile,
)
from gateway.config.kinds import Flag, Kind, Listed, Whole, Word
from gateway.config.shape import Config
from gateway.config.spelling import (
    METHODS,
    MONITOR_WORDS,
    RESULT_WORDS,
    HeaderName,
    Method,
    MonitorSource,
    Name,
    Path,
    Pointer,
    ResultSources,
    StartStatus,
    StatusWord,
)
from gateway.config.storage import EncryptionKeys, RedisUrl, StoreFile
from gateway.config.units import Bytes, Seconds

DIALECT = "http://json-schema.org/draft-07/schema#"

Schema = dict[str, Any]

_REFERENCE = {"$ref": "#/definitions/reference"}
_DEFINITIONS: Schema = {
    "reference": {
        "description": "env:NAME, the value of an environment variable, or file:PATH, the text of a file.",
        "type": "string",
        "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*$|file:.)",
    },
    "duration": {
        "description": "500ms, 55s, 15m or 24h.",
        "type": "string",
        "pattern": "^[0-9]{1,12}(\\.[0-9]{1,20})?(ms|s|m|h)$",
    },
    "size": {
        "description": "64KiB, 4MiB or 1GiB.",
        "type": "string",
        "pattern": "^[0-9]{1,12}(KiB|MiB|GiB)$",
    },
}

_HOST = r"([A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)"
_BRACKETED = r"([A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])"
_ORIGIN = r"[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+"
_FIELD_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"
_POINTER = r"(/([^~/]|~[01])*)+"
_CALL = r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|\*) +/[^\s?#\\]*"
_KEY_IN_BASE64 = r"[A-Za-z0-9+/]{43}="


def schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": DIALECT,
        "title": "The configuration of lro-gateway",
        "description": "Every key is optional.",
        **_section(Config),
        "definitions": _DEFINITIONS,
    }


def text() -> str:
    """config/gateway.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _section(shape: type[BaseModel]) -> Schema:
    """A section without content has its defaults; one with a key that must be there cannot be without content."""
    required = [_key(name, field) for name, field in shape.model_fields.items() if field.is_required()]
    return {
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {_key(name, field): _property(field) for name, field in shape.model_fields.items()},
    }


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _property(field: FieldInfo) -> Schema:
    annotation, nullable = _without_null(field.annotation)
    inner, kinds = _parts(annotation, field.metadata)
    body = _value(inner, kinds)
    if nullable and body.get("type") != ["object", "null"]:
        body = _any_of(body, {"type": "null"})
    description = field.description or (inner.__doc__ if _is_section(inner) else None)
    told = {"description": " ".join(description.split())} if description else {}
    return {**told, **_default(field, inner, kinds), **body}


def _default(field: FieldInfo, inner: Any, kinds: list[Kind]) -> Schema:
    if field.is_required() or _is_section(inner):
        return {}
    return {"default": _written(field.default, kinds[0], _item_kind(inner))}


def _written(value: Any, kind: Kind, item: Kind | None) -> Any:
    """A value as it stands in the file."""
    match kind:
        case _ if value is None:
            return None
        case Listed():
            return [_written(one, item, None) for one in value if item is not None]
        case Flag() | Whole() | StartStatus():
            return value
        case Bytes() if kind.show(value).isdigit():
            return value
        case _:
            return kind.show(value)


def _value(inner: Any, kinds: list[Kind]) -> Schema:
    """What may stand in a place; `inner` is the type behind the kinds."""
    if _is_section(inner):
        return _section(inner)
    if isinstance(kinds[0], Listed):
        return {"type": "array", "uniqueItems": True, "items": _value(*_parts(get_args(inner)[0], ()))}
    return _kind(kinds[0])


def _kind(kind: Kind) -> Schema:
    match kind:
        case Flag():
            return _or_reference({"type": "boolean"})
        case Whole():
            return _or_reference({"type": "integer", "minimum": kind.at_least, "maximum": kind.at_most})
        case Seconds():
            spelled: Schema = {"$ref": "#/definitions/duration"}
            number = {"type": "number", "minimum": kind.at_least, "maximum": kind.at_most}
            return _or_reference(spelled, number)
        case Bytes():
            spelled = {"$ref": "#/definitions/size"}
            number = {"type": "integer", "minimum": kind.at_least, "maximum": kind.at_most}
            return _or_reference(spelled, number)
        case Word():
            # YAML 1.1 reads `off` as a boolean, and so do editors that are set to it.
            false = [{"const": False}] if "off" in kind.words else []
            return _or_reference({"enum": list(kind.words)}, *false)
        case Method():
            return _or_reference({"enum": list(METHODS)})
        case StartStatus():
            return {"enum": [200, 201, 202]}
        case StatusWord():
            return _or_reference(_text(r"\S"), {"type": ["integer", "boolean"]})
        case EncryptionKeys():
            one = _or_reference(_whole_text(_KEY_IN_BASE64))
            return _any_of(one, {"type": "array", "minItems": 1, "uniqueItems": True, "items": one})
        case ResultSources():
            one = _or_reference(
                _whole_text(rf"field:{_POINTER}|header:{_FIELD_NAME}|{'|'.join(RESULT_WORDS)}")
            )
            return _any_of(one, {"type": "array", "minItems": 1, "uniqueItems": True, "items": one})
        case _:
            return _or_reference(_words(kind))


def _words(kind: Kind) -> Schema:
    """What a text must look like."""
    match kind:
        case PemFile() | StoreFile() | TokenFile():
            return {"type": "string", "minLength": 1}
        case Host():
            return _whole_text(_HOST)
        case HostPort():
            return _whole_text(rf"{_BRACKETED}:[0-9]{{1,5}}")
        case AllowedHost():
            return _whole_text(rf"(\*\.)?{_BRACKETED}(:[0-9]{{1,5}})?|{_HOST}")
        case Url():
            return _whole_text(_ORIGIN + (r"(/[^?#]*)?" if kind.path else "/?"))
        case AuthorityUrl():
            return _whole_text(r"[Hh][Tt][Tt][Pp][Ss]://[^/?#@]+/[^?#]+")
        case AllowedCall():
            return _whole_text(_CALL)
        case KeyText():
            return _whole_text(rf"[!-~]{{{SHORTEST_KEY},{LONGEST_KEY}}}")
        case Identifier():
            return _whole_text(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
        case Scope():
            return _whole_text(r"[!#-\[\]-~]{1,512}")
        case SecretText():
            return _text(r"\S")
        case CertificatePem():
            return _text("-----BEGIN")
        case RedisUrl():
            return _text("^(rediss?|unix)://.")
        case Name():
            return _whole_text("[a-z][a-z0-9-]{0,31}")
        case Path():
            return _text(r"^\^.")
        case Pointer():
            return _whole_text(_POINTER)
        case HeaderName():
            return _whole_text(_FIELD_NAME)
        case MonitorSource():
            return _whole_text(rf"header:{_FIELD_NAME}|body:{_POINTER}|{'|'.join(MONITOR_WORDS)}")
        case _:
            raise TypeError(f"the schema does not know what {type(kind).__name__} accepts")


def _text(pattern: str) -> Schema:
    """A text that holds this; what begins like a reference is one."""
    return {"type": "string", "pattern": pattern, "not": {"pattern": "^(env|file):"}}


def _whole_text(pattern: str) -> Schema:
    return _text(rf"^({pattern})$")


def _or_reference(*schemas: Schema) -> Schema:
    return _any_of(*schemas, _REFERENCE)


def _any_of(*schemas: Schema) -> Schema:
    """The schemas side by side, those that are such lists themselves laid flat."""
    flat: list[Schema] = []
    for one in schemas:
        flat.extend(one["anyOf"] if set(one) == {"anyOf"} else [one])
    return {"anyOf": flat}


def _is_section(inner: Any) -> bool:
    return isinstance(inner, type) and issubclass(inner, BaseModel)


def _without_null(annotation: Any) -> tuple[Any, bool]:
    """An annotation without its `None`, and whether there was one."""
    options = get_args(annotation)
    if type(None) not in options:
        return annotation, False
    (option,) = (one for one in options if one is not type(None))
    return option, True


def _parts(annotation: Any, metadata: Any) -> tuple[Any, list[Kind]]:
    """The type behind an annotation, and its kinds."""
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        metadata = (*metadata, *inner)
    return annotation, [one for one in metadata if isinstance(one, Kind)]


def _item_kind(inner: Any) -> Kind | None:
    """The kind of the items, where `inner` is a list of values."""
    items = get_args(inner)
    kinds = _parts(items[0], ())[1] if items else []
    return kinds[0] if kinds else None
