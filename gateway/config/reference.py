"""The reference page and the commented sample file, made from the shape; the schema comes from `schema`.

`python -m gateway.config.reference` writes all three, in the root of the repository; a test fails while they differ.

Rules: says nothing about a key that the shape does not say; the sample holds every key with its default.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config import schema
from gateway.config.declaration import Declarations
from gateway.config.kinds import Kind, Listed, Word
from gateway.config.shape import Config

PAGE = Path("docs/configuration.md")
SAMPLE = Path("config/gateway.yaml")
SCHEMA = Path("config/gateway.schema.json")

_INTRODUCTION = """\
<!-- Made by `python -m gateway.config.reference` from gateway/config/shape.py: change that, not this. -->
# Configuration

The gateway reads one YAML file. Every key is optional; `config/gateway.yaml` holds all of them with their defaults.
An unknown key, a key that stands twice and a value that does not fit are errors, told all at once with line, column
and what to write instead. Then the gateway does not start.

- **Durations** are `500ms`, `55s`, `15m`, `24h` or a number of seconds.
- **Sizes** are `64KiB`, `4MiB`, `1GiB` or a number of bytes.
- **Words** need no quotes, `off` included. A text that begins with `*` does: `"*.example.com"`.
- **References**: any value may be `env:NAME`, the value of an environment variable, or `file:PATH`, the text of a
  file without its last line end (UTF-8, 64 KiB at most). What they supply is never shown. A list takes them item by
  item. Text that really begins with `env:` or `file:` has to come through a reference itself.
- **Paths** that are relative start at the directory of the configuration file.
- One document of mappings, lists and plain values: no anchors, aliases, merge keys or tags.

Some keys must agree: `polling.min_interval` is at most `polling.max_interval`; `wait.on_timeout: error` needs an
`operations.reconnect` other than `off`; `listen` and `admin` need two ports, unless on two addresses; a certificate in
`listen.tls` needs its key; each `auth.mode` needs what it proves itself with, and where the gateway acts as itself
beyond loopback, it needs to know its callers ([who may call](callers.md)).

`lro-gateway check-config FILE` tells all of that, and whether the file can be used where it stands.

## In an editor

`config/gateway.schema.json` is a JSON Schema of the file (draft 7): with it an editor offers keys and words, shows what
is said of them below, and marks what does not fit. Editors that speak to yaml-language-server read it where the first
line of the file names it, as that of `config/gateway.yaml` does:

```yaml
# yaml-language-server: $schema=gateway.schema.json
```

`lro-gateway config-schema > gateway.schema.json` writes the one of the version that is installed. What the gateway
accepts, the schema accepts. It does not see everything that `check-config` sees: which keys must agree, the ranges of
durations and sizes that are written with a unit, and what references and paths lead to.
"""

_SAMPLE_HEAD = """\
# yaml-language-server: $schema=gateway.schema.json
# Every key with its default; all are optional, and an empty file means the same as this one.
# Details: docs/configuration.md. Made by `python -m gateway.config.reference`.
"""


def page() -> str:
    """docs/configuration.md."""
    parts = [_INTRODUCTION]
    for section, shape in _sections():
        rows = ["| key | default | accepts | what it does |", "|---|---|---|---|"]
        for name, field in _fields(shape):
            cells = (f"`{section}.{name}`", _default_cell(field), _accepts(field), _description(field))
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append(f"## {section}\n{_oneline(shape.__doc__)}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def sample() -> str:
    """config/gateway.yaml."""
    parts = [_SAMPLE_HEAD]
    for section, shape in _sections():
        lines = [f"# {_oneline(shape.__doc__)}", f"{section}:"]
        for name, field in shape.model_fields.items():
            inner = _subsection(field)
            if inner is None:
                lines.extend(_sample_lines(name, field))
                continue
            lines.extend((f"  # {_oneline(inner.__doc__)}", f"  {name}:"))
            lines.extend(f"  {line}" for key, each in _fields(inner) for line in _sample_lines(key, each))
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> None:
    for path, text in ((PAGE, page()), (SAMPLE, sample()), (SCHEMA, schema.text())):
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


def first_sentence(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].rstrip(".") + "."


def _sample_lines(name: str, field: FieldInfo) -> list[str]:
    shown = _yaml_default(field)
    lines = [f"  {name}:", *shown] if isinstance(shown, list) else [f"  {name}: {shown}"]
    return [f"  # {_comment(field)}", *lines]


def _comment(field: FieldInfo) -> str:
    """One line on a key: its first sentence, and the words to choose from."""
    kind, sentence = _kind(field), first_sentence(_description(field))
    if isinstance(kind, Word) and len(kind.words) > 1:
        return f"{sentence} One of {', '.join(kind.words)}."
    return sentence


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name in Config.model_fields:
        yield name, type(getattr(Config.default(), name))


def _fields(shape: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a section, and those of the sections in it with its name in front."""
    for name, field in shape.model_fields.items():
        inner = _subsection(field)
        if inner is None:
            yield name, field
        else:
            yield from ((f"{name}.{key}", each) for key, each in _fields(inner))


def _subsection(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kind(field: FieldInfo) -> Kind:
    """The kind of a field, also where the field may be null."""
    annotated = [
        detail for option in get_args(field.annotation) for detail in getattr(option, "__metadata__", ())
    ]
    return next(detail for detail in (*field.metadata, *annotated) if isinstance(detail, Kind))


def _item_kind(field: FieldInfo) -> Kind:
    whole: Any = field.annotation
    if type(None) in get_args(whole):
        whole = get_args(get_args(whole)[0])[0]  # of `Annotated[tuple[…], Listed] | None`
    return next(detail for detail in get_args(whole)[0].__metadata__ if isinstance(detail, Kind))


def _accepts(field: FieldInfo) -> str:
    kind = _kind(field)
    accepts = kind.accepts()
    if isinstance(kind, Listed) and not isinstance(kind, Declarations):
        accepts += f", each item {_item_kind(field).accepts()}"
    return f"{accepts}; or `null`" if type(None) in get_args(field.annotation) else accepts


def _default_cell(field: FieldInfo) -> str:
    shown = _yaml_default(field)
    items = [line.removeprefix("    - ").strip('"') for line in shown] if isinstance(shown, list) else [shown]
    return "<br>".join(f"`{item}`" for item in items)


def _yaml_default(field: FieldInfo) -> str | list[str]:
    """The default as it stands in a file: what follows the colon, or the lines of a list."""
    if field.default is None:
        return "null"
    kind = _kind(field)
    if isinstance(kind, Listed):
        if not field.default:
            return "[]"
        return [f"    - {_plain(_item_kind(field).show(item))}" for item in field.default]
    return _plain(kind.show(field.default))


def _plain(text: str) -> str:
    return f'"{text}"' if text.startswith("*") else text


def _description(field: FieldInfo) -> str:
    return _oneline(field.description)


def _oneline(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    main()
