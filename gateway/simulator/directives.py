"""Reads directives: the `key=value` words of the `Simulate` header, of a script and of the control API.

Rules: one table of keys serves all three, so that they cannot drift apart. What is not understood is an error
that names the key and what would be right; nothing is guessed or ignored. No file and no socket here.

    Simulate: ending=303-location; duration=10s; monitor=operations; fault=poll2-4:429(2.128)
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator import words
from gateway.simulator.plan import (
    Apply,
    Ending,
    FailureShape,
    Fault,
    FaultKind,
    MonitorShape,
    Movement,
    Percent,
    Plan,
    Progress,
    RetryAfter,
    Where,
)

_FAULT = re.compile(
    r"(?:(?P<where>post|get|poll|final)(?P<first>\d+)?(?P<dash>-)?(?P<last>\d+)?:)?"
    r"(?P<apply>apply-then-|apply-late-then-)?"
    r"(?P<kind>[a-z0-9-]+)"
    r"(?:\((?P<argument>[^()]*)\))?",
    re.ASCII,
)
_APPLY = {None: Apply.NOTHING, "apply-then-": Apply.AT_ONCE, "apply-late-then-": Apply.LATE}
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]*", re.ASCII)
_KEYS: dict[str, Callable[[str], Any]] = {
    "ending": words.one_of(Ending),
    "monitor": words.one_of(MonitorShape),
    "duration": words.duration,
    "progress": words.one_of(Progress),
    "percent": words.one_of(Percent),
    "running": words.word_list,
    "done": str,
    "failed": str,
    "poll-code": words.status,
    "retry-after": words.retry_after,
    "fail": str,
    "fail-as": words.one_of(FailureShape),
    "fail-at": words.per_cent,
    "latency": words.duration,
    "move": words.one_of(Movement),
    "cookies": words.switch,
}
DIRECTIVE_KEYS = (*_KEYS, "lag", "fault")


class DirectiveError(ValueError):
    """A directive that is not understood; `key` says which one."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True)
class Directives:
    """Changes to a plan, in the order in which they were given."""

    changes: tuple[tuple[str, Any], ...] = ()
    faults: tuple[Fault, ...] = ()

    def applied_to(self, plan: Plan) -> Plan:
        """The plan with these changes; their faults come before those that it already had."""
        return dataclasses.replace(plan, **dict(self.changes), faults=self.faults + plan.faults)


def read_header(text: str) -> Directives:
    """The directives of a `Simulate` header's value."""
    pairs: list[tuple[str, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        key, equals, value = part.partition("=")
        if not equals:
            raise DirectiveError(key.strip(), "a directive is written key=value")
        pairs.append((key.strip().lower(), value.strip()))
    return read_pairs(pairs)


def read_mapping(mapping: Mapping[str, object]) -> Directives:
    """The directives of a JSON or YAML mapping; a list is for keys that may come more than once."""
    pairs: list[tuple[str, str]] = []
    for key, value in mapping.items():
        several = value if isinstance(value, (list, tuple)) else (value,)
        pairs += [(key, _as_text(key, single)) for single in several]
    return read_pairs(pairs)


def read_pairs(pairs: Iterable[tuple[str, str]]) -> Directives:
    changes: list[tuple[str, Any]] = []
    faults: list[Fault] = []
    for key, value in pairs:
        if key not in DIRECTIVE_KEYS:
            raise DirectiveError(key, f"unknown directive{words.did_you_mean(key, DIRECTIVE_KEYS)}")
        try:
            if key == "fault":
                faults.append(read_fault(value))
            elif key == "lag":
                changes.append(_lag(value))
            else:
                changes.append((key.replace("-", "_"), _KEYS[key](value)))
        except ValueError as error:
            raise DirectiveError(key, str(error)) from None
    return Directives(tuple(changes), tuple(faults))


def read_fault(text: str) -> Fault:
    """`[WHERE[N[-[M]]]:][apply-then-|apply-late-then-]KIND[(ARGUMENT)]`, or plain `apply-late`."""
    if text == "apply-late":
        text = "apply-late-then-504"
    match = _FAULT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not [WHERE:]KIND[(ARGUMENT)], as in poll2-4:429(2.128)")
    first = int(match["first"] or 1)
    last = first if match["first"] and not match["dash"] else None
    if match["last"]:
        last = int(match["last"])
    if first < 1 or (last is not None and last < first):
        raise ValueError(f"{text!r}: tries are counted from 1, and the last is not before the first")
    apply = _APPLY[match["apply"]]
    where = Where(match["where"] or "post")
    if apply is not Apply.NOTHING and where is not Where.POST:
        raise ValueError(f"{text!r}: only post can be applied")
    fault = _read_kind(match["kind"], (match["argument"] or "").strip())
    return dataclasses.replace(fault, where=where, first=first, last=last, apply=apply)


def _read_kind(kind: str, argument: str) -> Fault:
    if kind.isdigit():
        return _read_status(int(kind), argument)
    allowed = [word.value for word in FaultKind if word is not FaultKind.STATUS]
    if kind not in allowed:
        raise ValueError(f"{kind!r} is no fault{words.did_you_mean(kind, allowed)}")
    word = FaultKind(kind)
    match word:
        case FaultKind.HTML | FaultKind.EMPTY:
            return Fault(word, status=words.status(argument or "200"))
        case FaultKind.HUGE:
            return Fault(word, size=words.size(argument or "8MiB"))
        case FaultKind.DELAY:
            return Fault(word, seconds=words.duration(argument or "1s"))
        case _:
            if argument:
                raise ValueError(f"{kind} takes no argument")
            return Fault(word)


def _read_status(status: int, argument: str) -> Fault:
    if not 400 <= status <= 599:
        raise ValueError(f"{status} is not a status from 400 to 599")
    code: str | None = None
    wait: RetryAfter | None = None
    for part in filter(None, (piece.strip() for piece in argument.split(","))):
        if _CODE.fullmatch(part) and part not in {"garbage", "none", "date"}:
            code = part
        else:
            wait = words.retry_after(part)
    return Fault(FaultKind.STATUS, status=status, code=code, retry_after=wait)


def _lag(text: str) -> tuple[str, Any]:
    """`3` is three tries, `2s` is two seconds."""
    return (
        ("lag_tries", int(text))
        if text.isascii() and text.isdigit()
        else ("lag_seconds", words.duration(text))
    )


def _as_text(key: str, value: object) -> str:
    """YAML reads `on` and 10 as it likes; directives are text."""
    match value:
        case bool():
            return "on" if value else "off"
        case str() | int() | float():
            return str(value)
        case None:
            raise DirectiveError(key, "has no value")
        case _:
            raise DirectiveError(key, "takes a word or a list of words")
