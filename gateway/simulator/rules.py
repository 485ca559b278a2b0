"""Rules: which requests get which directives, from a script or armed while the simulator runs.

Rules of the rules: all that match a request apply, in the order in which they were given, so that a later one has
the last word on a key and faults add up. A rule counts only the requests that it matches. Nothing here answers
a request; that is for the one who asks `Rules.take`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.simulator import words
from gateway.simulator.directives import DIRECTIVE_KEYS, DirectiveError, Directives, read_mapping

COPY_CALLS = r"/(microsoft\.graph\.)?copy/?$"
_RULE_KEYS = ("name", "match", "skip", "times")
_MATCH_KEYS = ("method", "path", "user")


@dataclass(frozen=True)
class Rule:
    """Directives for the requests that match; without a path, for copy calls."""

    directives: Directives
    name: str = ""
    method: str | None = None
    path: str = COPY_CALLS  # regular expression, searched in the raw path, case ignored
    user: str | None = None
    skip: int = 0
    times: int | None = None

    def matches(self, method: str, path: str, user: str | None) -> bool:
        return (
            (self.method is None or self.method.upper() == method.upper())
            and re.search(self.path, path, re.IGNORECASE) is not None
            and (self.user is None or self.user == user)
        )


@dataclass(frozen=True)
class Script:
    """What a script file says: directives for everything, and rules."""

    defaults: Directives = field(default_factory=Directives)
    rules: tuple[Rule, ...] = ()


@dataclass
class Rules:
    """The rules in force, and how often each has matched."""

    script: Script
    armed: list[Rule] = field(default_factory=list)
    _seen: dict[int, int] = field(default_factory=dict)  # by place: the script's first, then the armed ones

    def arm(self, rule: Rule) -> None:
        self.armed.append(rule)

    def reset(self) -> None:
        self.armed.clear()
        self._seen.clear()

    def take(self, method: str, path: str, user: str | None) -> list[Directives]:
        """The directives for this request; each rule that matches has then seen one more."""
        taken: list[Directives] = []
        for place, rule in enumerate((*self.script.rules, *self.armed)):
            if not rule.matches(method, path, user):
                continue
            seen = self._seen[place] = self._seen.get(place, 0) + 1
            if seen > rule.skip and (rule.times is None or seen <= rule.skip + rule.times):
                taken.append(rule.directives)
        return taken


def read_rule(mapping: Mapping[str, object]) -> Rule:
    """A rule as a script and the control API write it: `match`, `skip`, `times`, `name`, and directives."""
    plain = {key: value for key, value in mapping.items() if key not in _RULE_KEYS}
    for key in plain:
        if key not in DIRECTIVE_KEYS:
            hint = words.did_you_mean(key, (*_RULE_KEYS, *DIRECTIVE_KEYS))
            raise DirectiveError(key, f"neither a key of a rule nor a directive{hint}")
    match = mapping.get("match", {})
    if not isinstance(match, Mapping):
        raise DirectiveError("match", "takes the keys method, path and user")
    for key in match:
        if key not in _MATCH_KEYS:
            hint = words.did_you_mean(str(key), _MATCH_KEYS)
            raise DirectiveError("match", f"{key}: unknown, there are method, path and user{hint}")
    path = _text(match, "path") or COPY_CALLS
    try:
        re.compile(path)
    except re.error as error:
        raise DirectiveError("match", f"path: not a regular expression ({error})") from None
    return Rule(
        read_mapping(plain),
        name=_text(mapping, "name") or "",
        method=_text(match, "method"),
        path=path,
        user=_text(match, "user"),
        skip=_count(mapping, "skip") or 0,
        times=_count(mapping, "times"),
    )


def _text(mapping: Mapping[str, object], key: str) -> str | None:
    value = mapping.get(key)
    if value is not None and not isinstance(value, str):
        raise DirectiveError(key, f"{value!r} is no text")
    return value


def _count(mapping: Mapping[str, object], key: str) -> int | None:
    value = mapping.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise DirectiveError(key, f"{value!r} is no count, a whole number from 0 up")
    return value
