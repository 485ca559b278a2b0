"""From a file, or its text, to a `Config` or to every problem there is.

Each value is checked alone first (`shape`). What does not pass is set aside, its default stands in, and so the keys
that must agree (`rules`) are checked in the same run, as far as none of them is doubtful.

Rules: reads the file, what it refers to, and nothing else; changes nothing. Raises `ConfigError` and nothing else.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gateway.config.clashes import Taken, clashes
from gateway.config.document import Document, read
from gateway.config.kinds import UNFIT
from gateway.config.problems import ConfigError, ConfigProblem, Place, Step, Where, quoted, spelled
from gateway.config.rules import CAUTIONS, RULES
from gateway.config.shape import Config
from gateway.config.sources import Referred, Surroundings
from gateway.config.syntax import LONGEST_TEXT

_TOP = Place(1, 1)
_BEFORE_AT = re.compile(r".*@", re.DOTALL)
"""In a URL, what stands there is a user name and a password."""
_BYTES_PER_CHARACTER = 4
_NOTHING: Taken = MappingProxyType({})
_ALIKE = 0.7
"""From which likeness on a key is taken for a misspelling (difflib's ratio)."""


@dataclass(slots=True)
class Cautions:
    """What is no error in a configuration that can be used, and yet not meant."""

    now: float
    """Seconds since 1970."""
    found: list[ConfigProblem] = field(default_factory=list)
    written: dict[str, Any] = field(default_factory=dict)
    """What the file says."""


def load(
    path: str | Path,
    environ: Mapping[str, str],
    *,
    taken: Taken = _NOTHING,
    cautions: Cautions | None = None,
) -> Config:
    """The configuration in a file; raises `ConfigError`. `taken`: the calls that other dialects know."""
    most = _BYTES_PER_CHARACTER * LONGEST_TEXT
    try:
        with Path(path).open("rb") as file:
            content = file.read(most + 1)
        # A file that is too long is told so by `parse`, wherever the cut falls.
        text = content.decode("utf-8", "strict" if len(content) <= most else "replace")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        place = Place(before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
        problem = ConfigProblem("", str(path), *place, "the file is not UTF-8 text", "save it as UTF-8")
        raise ConfigError((problem,)) from None
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        reason = getattr(error, "strerror", None) or "no such path"
        fix = "name a file that the gateway can read"
        raise ConfigError((ConfigProblem("", str(path), 0, 0, f"cannot be read: {reason}", fix),)) from None
    return parse(text, file=str(path), environ=environ, taken=taken, cautions=cautions)


def parse(
    text: str,
    *,
    file: str,
    environ: Mapping[str, str],
    taken: Taken = _NOTHING,
    cautions: Cautions | None = None,
) -> Config:
    """The configuration in a text; `file` names it in problems, and relative paths in it start beside that file."""
    surroundings = Surroundings(Path(file).parent, environ)
    document = read(text, file, surroundings.resolve)
    try:
        config = Config.model_validate(document.content, context=surroundings)
    except ValidationError as error:
        for flaw in error.errors(include_url=False, include_input=False):
            _complain(document, flaw["loc"], flaw["type"], flaw.get("ctx", {}))
        config = Config.model_validate(_without_doubt(document), context=surroundings)
    _apply_rules(document, config)
    if not any(_overlaps(("dialects",), doubt) for doubt in document.doubtful):
        for where, message, fix in clashes(config.dialects, taken):
            document.complain(where, document.values[where], message, fix)
    if document.problems:
        raise ConfigError(
            tuple(sorted(document.problems, key=lambda problem: (problem.line, problem.column)))
        )
    if cautions is not None:
        cautions.written = document.content
        for caution in CAUTIONS:
            doubtful = caution.doubtful(config, cautions.now)
            if doubtful is not None:
                place = document.values[caution.key]
                cautions.found.append(ConfigProblem(spelled(caution.key), file, *place, *doubtful))
    return _placed(config, surroundings)


def _placed(config: Config, surroundings: Surroundings) -> Config:
    """With the path that a store is made at; a default starts at the directory of the file as well."""
    path = surroundings.directory / config.operations.path
    operations = config.operations.model_copy(update={"path": path})
    return config.model_copy(update={"operations": operations})


def _complain(document: Document, where: Where, kind: str, context: Mapping[str, Any]) -> None:
    if kind == UNFIT:
        value = _found(document.content, where)
        place = document.values.get(where, _TOP)
        fix = context["fix"] if isinstance(value, Referred) else context["hint"]
        document.complain(where, place, context["message"].replace("{value}", _shown(value)), fix)
    elif kind == "missing":
        *section, name = where
        place = document.values.get(tuple(section), _TOP)
        document.complain(tuple(section), place, f"{name} is missing", f"write {name}: …")
    else:  # the only other thing that the shape leaves to pydantic
        document.complain(where, document.keys.get(where, _TOP), "unknown key", _known_instead(where))


def _apply_rules(document: Document, config: Config) -> None:
    for rule in RULES:
        if any(_overlaps(key, doubt) for key in rule.keys for doubt in document.doubtful):
            continue
        broken = rule.broken(config)
        if broken is not None:
            where = next(key for key in rule.keys if key in document.keys)
            document.complain(where, document.keys[where], *broken)


def _without_doubt(document: Document) -> dict[str, Any]:
    """The content without the keys that have a problem."""
    cut = {where[:2] for where in document.doubtful}
    return {
        section: {key: value for key, value in keys.items() if (section, key) not in cut}
        for section, keys in document.content.items()
        if (section,) not in cut and isinstance(keys, dict)
    }


def _overlaps(one: Where, other: Where) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


def _found(content: Any, where: Where) -> Any:
    for step in where:
        content = content[step]
    return content


def _shown(value: Any) -> str:
    """A value as it may stand in a message: no password, and nothing that a reference supplied."""
    match value:
        case Referred():
            return repr(value)
        case str():
            return quoted(_BEFORE_AT.sub("…@", value))
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)


def _known_instead(where: Where) -> str:
    """What to write instead of an unknown key."""
    *section, name = where
    shape = _shape_at(section)
    known = [field.alias or key for key, field in shape.model_fields.items()]
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=_ALIKE)
    if near:
        return f"did you mean {spelled((*section, *near))}?"
    elsewhere = [f"{other}.{name}" for other in Config.model_fields if name in _section(other).model_fields]
    if elsewhere and len(section) < 2:
        return f"did you mean {' or '.join(elsewhere)}?"
    return f"the keys here are {', '.join(known)}"


def _shape_at(section: Sequence[Step]) -> type[BaseModel]:
    """The shape of a section, also of one in a list."""
    shape: Any = Config
    for step in section:
        if isinstance(step, int):
            shape = get_args(shape)[0]
        else:
            names = {field.alias or key: field for key, field in shape.model_fields.items()}
            options = [
                one
                for one in get_args(names[step].annotation)
                if isinstance(one, type) and issubclass(one, BaseModel)
            ]
            shape = options[0] if type(None) in get_args(names[step].annotation) else names[step].annotation
    found: type[BaseModel] = shape
    return found


def _section(name: str) -> type[BaseModel]:
    return type(getattr(Config.default(), name))
