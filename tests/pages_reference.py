"""Parts of the pages that are made from more than a table: the command line, the admin API, log events, pacing.

`pages` puts them where they belong.
"""

import ast
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer.main
from fakes.records import operation, running
from ruamel.yaml import YAML

from gateway import cli, pacing
from gateway.model import Ailment, Operation, Problem, Sample, State, Trouble
from gateway.pacing import Polling
from gateway.telemetry.logs import DETAILS, EVENTS, WARNINGS, LogObserver, configure

ROOT = Path(__file__).parent.parent
API = ROOT / "docs/admin-api.yaml"


AS_IT_STANDS = "\b\n"
"""What a paragraph of help opens with that is not to be wrapped."""

# --- the command line --------------------------------------------------------------------------------------


def command_line() -> str:
    """Every command with its options."""
    whole: Any = typer.main.get_command(cli.cli)
    parts = [_text(whole.help), _parameters(whole.params), _text(whole.epilog)]
    for name, command in whole.commands.items():
        parts.append(f"## {name}\n\n{_text(command.help)}")
        parts.append(f"```text\n{_usage(name, command.params)}\n```\n")
        parts += [_parameters(command.params), _text(command.epilog)]
    return "\n".join(part for part in parts if part)


def _text(text: str | None) -> str:
    """Paragraphs; those that are printed as they stand, as code."""
    parts = []
    for part in cleandoc(text or "").split("\n\n"):
        if part.startswith(AS_IT_STANDS):
            parts.append(f"```text\n{part.removeprefix(AS_IT_STANDS).strip()}\n```\n")
        elif part.strip():
            parts.append(f"{_oneline(part)}\n")
    return "\n".join(parts)


def _usage(name: str, params: list[Any]) -> str:
    arguments = [
        one.metavar if one.required or one.metavar.startswith("[") else f"[{one.metavar}]"
        for one in params
        if one.param_type_name == "argument"
    ]
    return " ".join(["lro-gateway", name, "[OPTIONS]", *arguments])


def _parameters(params: list[Any]) -> str:
    rows = [_parameter(one) for one in params if one.name != "help"]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows, ""]) if rows else ""


def _parameter(one: Any) -> str:
    argument = one.param_type_name == "argument"
    spelled = [one.metavar.strip("[]")] if argument else list(one.opts)
    value = f" {one.metavar}" if not argument and not one.is_flag else ""
    default = "" if one.default in (None, False, ()) or callable(one.default) else f"`{one.default}`"
    environ = f" Or `{one.envvar}` in the environment." if one.envvar else ""
    shown = ", ".join(f"`{name}{value}`" for name in spelled)
    return f"| {shown} | {default} | {_cell(one.help)}{environ} |"


# --- the admin API ------------------------------------------------------------------------------------------


def admin_api() -> str:
    """Every path and every shape of the admin listener's description."""
    api: dict[str, Any] = YAML(typ="safe", pure=True).load(API.read_text("utf-8"))
    parts = []
    for path, methods in api["paths"].items():
        for method, told in methods.items():
            parts.append(f"## {method.upper()} {path}\n\n{_sentence(told['summary'])}\n")
            if "description" in told:
                parts.append(f"{_oneline(told['description'])}\n")
            wanted = [_resolved(api, one) for one in told.get("parameters", [])]
            if wanted:
                rows = [
                    f"| `{one['name']}` | {_shape(one['schema'])} | {_cell(one.get('description', ''))} |"
                    for one in wanted
                ]
                parts.append("\n".join(["| in the query | accepts | |", "|---|---|---|", *rows, ""]))
            rows = [
                f"| `{status}` | {_cell(_resolved(api, one)['description'])} | {_contents(_resolved(api, one))} |"
                for status, one in told["responses"].items()
            ]
            parts.append("\n".join(["| status | | body |", "|---|---|---|", *rows, ""]))
    for name, schema in api["components"]["schemas"].items():
        parts.append(f"## {name}\n\n{_fields(schema)}\n")
    return "\n".join(parts)


def _contents(response: dict[str, Any]) -> str:
    return "<br>".join(
        f"`{kind}`: {_shape(content['schema'])}" for kind, content in response.get("content", {}).items()
    )


def _fields(schema: dict[str, Any]) -> str:
    """What a shape consists of."""
    if "properties" not in schema:
        return f"{_shape(schema)}."
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {'yes' if name in required else ''} | {_shape(one)} | {_cell(one.get('description', ''))} |"
        for name, one in schema["properties"].items()
    ]
    return "\n".join(["| field | always there | holds | |", "|---|---|---|---|", *rows])


def _shape(schema: dict[str, Any]) -> str:
    """What a schema accepts, in a few words."""
    match schema:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"const": word}:
            return f"`{word}`"
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"oneOf": choices}:
            return " or ".join(_shape(one) for one in choices)
        case {"type": "array", "items": items}:
            return f"a list of {_many(schema)}{_shape(items)}"
        case {"type": "object", "additionalProperties": dict() as inner}:
            return f"an object whose every value is {_shape(inner)}"
        case {"type": "object"}:
            return f"an object of {', '.join(f'`{name}`' for name in schema['properties'])}"
        case {"type": [*kinds]}:
            return " or ".join(_named(kind) for kind in kinds)
        case {"type": kind}:
            pattern = f", `{schema['pattern']}`" if "pattern" in schema else ""
            return f"{_named(kind)}{pattern}{_bounds(schema)}"
        case _:
            raise ValueError(schema)


def _many(schema: dict[str, Any]) -> str:
    low, high = schema.get("minItems"), schema.get("maxItems")
    if high is None:
        return ""
    return f"{high}: each " if low == high else f"at most {high}: each "


def _bounds(schema: dict[str, Any]) -> str:
    low, high, default = (schema.get(name) for name in ("minimum", "maximum", "default"))
    said = f", {low} to {high}" if high is not None else f", {low} or more" if low is not None else ""
    return f"{said}; {default} if not given" if default is not None else said


def _named(kind: str) -> str:
    return WORDS_OF_TYPES[kind]


WORDS_OF_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "`null`",
}


def _resolved(api: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    found: Any = one
    if "$ref" in one:
        found = api
        for step in one["$ref"].removeprefix("#/").split("/"):
            found = found[step]
    assert isinstance(found, dict)
    return found


# --- log events ----------------------------------------------------------------------------------------------

NOT_LITERAL = {"reloaded": ("changed", "restart", "problems")}
"""Fields of events whose fields stand nowhere as keywords."""


def log_events() -> str:
    """Every event that is logged, with its level and its fields besides `event`, `level` and `timestamp`."""
    fields = {**in_the_code(), **NOT_LITERAL, **told_by_the_observer()}
    rows = []
    for name, meaning in EVENTS.items():
        level = "warning" if name in WARNINGS | {"poll_troubled"} else "info"
        level = {"crashed": "error", "foreign": "the library's"}.get(name, level)
        level = "debug" if name in DETAILS else level
        shown = "see below" if name == "call" else ", ".join(f"`{one}`" for one in fields[name])
        rows.append(f"| `{name}` | {level} | {meaning} | {shown} |")
    return "\n".join(["| `event` | level | | fields |", "|---|---|---|---|", *rows, ""])


def in_the_code() -> dict[str, tuple[str, ...]]:
    """By event, the keywords that stand behind its name anywhere in the gateway."""
    found: dict[str, dict[str, None]] = {}
    for file in sorted((ROOT / "gateway").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                for name in _words(node.args[0]):
                    if name in EVENTS:
                        found.setdefault(name, {}).update(
                            dict.fromkeys(word.arg for word in node.keywords if word.arg)
                        )
    return {name: tuple(fields) for name, fields in found.items()}


def _words(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as word):
            yield word
        case ast.IfExp():
            yield from _words(node.body)
            yield from _words(node.orelse)
        case _:
            return


def told_by_the_observer() -> dict[str, tuple[str, ...]]:
    """By event, the fields of the lines that the observer makes up itself, in the order in which they come."""
    out = io.StringIO()
    observer = LogObserver(configure(level="info", fmt="json", stream=out))
    before, after = operation(), running()
    observer.operation_changed(operation(state=State.SUBMITTING), after)
    observer.operation_changed(after, _failed(after))
    observer.poll_troubled(before, Trouble(Ailment.MISSING, 404))
    observer.crashed("here", ValueError())
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    told = {line["event"]: line.keys() - {"event", "level", "timestamp"} for line in lines}
    told["foreign"] = {"logger", "message", "error"}
    return {name: tuple(sorted(fields)) for name, fields in told.items()}


def _failed(record: Operation) -> Operation:
    return replace(
        record,
        state=State.FAILED,
        accepted_at=0.0,
        ended_at=1.0,
        problem=Problem(409, "c", "{}"),
    )


# --- pacing --------------------------------------------------------------------------------------------------

LENGTHS = {"1 s": 1.0, "5 s": 5.0, "30 s": 30.0, "2 min": 120.0, "10 min": 600.0, "1 h": 3600.0}
"""Of operations, in seconds."""
SPREAD = [0.9 + 0.2 * number / 400 for number in range(401)]
"""What the means are over: lengths around the one that is named."""


def pace() -> str:
    """How often operations are polled, and how late their ends are noticed, by the schedule itself."""
    head = "| the operation takes | polls | noticed after | polls, progress told | noticed after |"
    rows = []
    for name, seconds in LENGTHS.items():
        cells = [name]
        for told in (False, True):
            polls, late = (
                sum(values) / len(SPREAD)
                for values in zip(*(_followed(seconds * by, told=told) for by in SPREAD), strict=True)
            )
            cells += [f"{polls:.0f}", f"{late * 1000:.0f} ms" if late < 1 else f"{late:.1f} s"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([head, "|---|---|---|---|---|", *rows, ""])


def _followed(seconds: float, *, told: bool) -> tuple[float, float]:
    """Polls until an operation of this length is seen to have ended, and how late that is.

    `told`: whether its monitor tells a percentage, which rises steadily. Nothing else is left to chance.
    """
    policy, chance, samples = Polling(), 0.5, tuple[Sample, ...]()
    at, polls = pacing.first_poll(floor=0.0, policy=policy, chance=chance), 1
    while at < seconds:
        if told:
            samples = (*samples, Sample(at, 100 * at / seconds))[-2:]
        at += pacing.next_delay(
            elapsed=at,
            accepted_at=0.0,
            samples=samples,
            floor=0.0,
            retry_after=None,
            policy=policy,
            chance=chance,
        )
        polls += 1
    return float(polls), at - seconds


# --- words ---------------------------------------------------------------------------------------------------


def _oneline(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _oneline(text).replace("|", "\\|")


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
