"""The configuration in force, as a YAML file: every key with its value, those of the file and the defaults.

Rules: a value that a reference supplied is shown as that reference, so that the file means the same. A secret that
stands in the file itself is not shown. Declared dialects are shown as they are written. What is shown is chosen by its kind: a kind that is not listed here is not.
Nothing here opens a file.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.addresses import AllowedHost, Host, HostPort, Url
from gateway.config.callers import AllowedCall
from gateway.config.certificates import CertificateFile, ChainFile, KeyFile
from gateway.config.credentials import AuthorityUrl, Identifier, Scope, TokenFile
from gateway.config.kinds import Flag, Kind, Listed, Whole, Word
from gateway.config.problems import Where
from gateway.config.shape import Config
from gateway.config.sources import Referred
from gateway.config.storage import RedisUrl, StoreFile
from gateway.config.units import Bytes, Seconds

HARMLESS: tuple[type[Kind], ...] = (
    *(
        AllowedCall,
        AllowedHost,
        AuthorityUrl,
        Bytes,
        CertificateFile,
        ChainFile,
        Flag,
        Host,
        HostPort,
        Identifier,
    ),
    *(KeyFile, Scope, Seconds, StoreFile, TokenFile, Url, Whole, Word),
)
"""Kinds whose values are no secrets. Of a private key and a token file that is the path."""

NO_TEXTS = (Bytes, Flag, Seconds, Whole, Word)

_NO_TEXT = re.compile(r"(?i)null|true|false|[-+.]?[0-9][0-9.e+-]*")
"""What YAML takes for something else than text."""

HIDDEN = "null  # a secret that stands in the file, not shown"


def references(content: object, where: Where = ()) -> dict[Where, str]:
    """By path, the references in what was read from a file."""
    if isinstance(content, Referred):
        return {where: content.source}
    inner: Iterator[tuple[Any, object]] = iter(())
    if isinstance(content, dict):
        inner = iter(content.items())
    elif isinstance(content, list):
        inner = iter(enumerate(content))
    return {path: source for key, value in inner for path, source in references(value, (*where, key)).items()}


def effective(config: Config, written: Mapping[str, Any]) -> str:
    """`written`: what the file says."""
    referred, lines = references(written), ["# What holds, defaults included."]
    for name in Config.model_fields:
        lines += [f"{name}:", *_section(getattr(config, name), (name,), referred, written.get(name) or {})]
    return "\n".join(lines) + "\n"


def _section(
    section: BaseModel, where: Where, referred: Mapping[Where, str], written: Mapping[str, Any]
) -> Iterator[str]:
    indent = "  " * len(where)
    for name, field in type(section).model_fields.items():
        value, path = getattr(section, name), (*where, name)
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _section(value, path, referred, written.get(name) or {})
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            yield f"{indent}{name}: {json.dumps(_unresolved(written[name]))}"  # JSON is YAML
        elif path not in referred and isinstance(value, tuple) and isinstance(_kind(field), Listed):
            items = [_shown(item, _item_kind(field), (*path, at), referred) for at, item in enumerate(value)]
            yield f"{indent}{name}:" if items else f"{indent}{name}: []"
            yield from (f"{indent}  - {item}" for item in items)
        else:
            yield f"{indent}{name}: {_shown(value, _kind(field), path, referred)}"


def _shown(value: object, kind: Kind | None, where: Where, referred: Mapping[Where, str]) -> str:
    if where in referred:
        return quoted(referred[where])
    if value is None:
        return "null"
    open_server = isinstance(kind, RedisUrl) and "@" not in str.__str__(value)
    partly_referred = any(path[: len(where)] == where for path in referred)
    if kind is None or partly_referred or not (isinstance(kind, HARMLESS) or open_server):
        return HIDDEN
    return quoted(kind.show(value), words=isinstance(kind, NO_TEXTS))


def quoted(text: str, *, words: bool = False) -> str:
    """A scalar, in quotes where YAML would read it as something else; `words`: it is no text for its reader either."""
    plain = text.isascii() and text.isprintable() and text.strip() == text and text != ""
    risky = text[:1] in "*&!|>%@`\"'#{}[],?:-~" or ": " in text or " #" in text or text.endswith(":")
    taken = not words and _NO_TEXT.fullmatch(text) is not None
    return text if plain and not risky and not taken else json.dumps(text)


def _unresolved(content: object) -> object:
    """What is declared holds no secrets: as it is written."""
    match content:
        case Referred():
            return content.source
        case dict():
            return {key: _unresolved(value) for key, value in content.items()}
        case list():
            return [_unresolved(value) for value in content]
        case _:
            return content


def _kind(field: FieldInfo) -> Kind | None:
    """The kind of a field, also where the field may be null."""
    annotated = [
        detail for option in get_args(field.annotation) for detail in getattr(option, "__metadata__", ())
    ]
    return next((detail for detail in (*field.metadata, *annotated) if isinstance(detail, Kind)), None)


def _item_kind(field: FieldInfo) -> Kind | None:
    whole: Any = field.annotation
    if type(None) in get_args(whole):
        whole = get_args(get_args(whole)[0])[0]  # of `Annotated[tuple[…], Listed] | None`
    return next(
        (detail for detail in getattr(get_args(whole)[0], "__metadata__", ()) if isinstance(detail, Kind)),
        None,
    )
