"""Loads a fault script: YAML in, a `Script` or the full list of problems out, each with file, line and column.

Rules: nothing is loaded halfway, and a key that is not known is a problem, not a comment.

    defaults: {ending: 303-location, duration: 2s}
    rules:
      - name: busy at first
        match: {method: POST, path: "/copy$", user: ana}
        times: 2
        fault: "429(2.128)"
"""

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.simulator import words
from gateway.simulator.directives import DirectiveError, Directives, read_mapping
from gateway.simulator.rules import Rule, Script, read_rule

_TOP_KEYS = ("defaults", "rules")


class ScriptError(ValueError):
    """A script that cannot be used; `problems` are lines of the form `file:line:column: what`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_script(path: Path) -> Script:
    """The script in a file. Raises ScriptError (or OSError, where the file cannot be read)."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScriptError([f"{path}:1:1: not UTF-8 text ({error.reason} at byte {error.start})"]) from None
    return read_script(text, str(path))


def read_script(text: str, name: str = "script") -> Script:
    """The script in a text; `name` stands for the file in messages."""
    try:
        loaded: object = YAML(typ="rt").load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark is not None else "1:1"
        raise ScriptError([f"{name}:{where}: {error.problem or error.context}"]) from None
    except YAMLError as error:
        raise ScriptError([f"{name}:1:1: {error}"]) from None
    return _Reader(name).script(loaded)


class _Reader:
    """Reads one document and collects its problems."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[str] = []

    def script(self, document: object) -> Script:
        if document is None:
            return Script()
        if not isinstance(document, CommentedMap):
            raise ScriptError([f"{self._name}:1:1: a script is a mapping with the keys defaults and rules"])
        for key in document:
            if key not in _TOP_KEYS:
                hint = words.did_you_mean(str(key), _TOP_KEYS)
                self._problem(document, key, f"{key}: unknown, there are defaults and rules{hint}")
        script = Script(self._defaults(document), self._rules(document))
        if self._problems:
            raise ScriptError(self._problems)
        return script

    def _defaults(self, document: CommentedMap) -> Directives:
        value = document.get("defaults")
        if value is None:
            return Directives()
        if not isinstance(value, CommentedMap):
            self._problem(document, "defaults", "defaults: takes directives, as in {ending: 303-location}")
            return Directives()
        if not self._each_key(value, read_mapping):
            return Directives()
        return read_mapping(value)

    def _rules(self, document: CommentedMap) -> tuple[Rule, ...]:
        value = document.get("rules")
        if value is None:
            return ()
        if not isinstance(value, CommentedSeq):
            self._problem(document, "rules", "rules: takes a list of rules")
            return ()
        rules: list[Rule] = []
        for place, entry in enumerate(value):
            if not isinstance(entry, CommentedMap):
                line, column = value.lc.item(place)
                self._problems.append(f"{self._name}:{line + 1}:{column + 1}: a rule is a mapping")
                continue
            if self._each_key(entry, read_rule):
                rules.append(read_rule(entry))
        return tuple(rules)

    def _each_key(self, mapping: CommentedMap, read: Callable[[Mapping[str, object]], object]) -> bool:
        """Each key is read by itself, so that one mistake does not hide the next."""
        before = len(self._problems)
        for key, value in mapping.items():
            try:
                read({str(key): value})
            except DirectiveError as error:
                self._problem(mapping, key, str(error))
        return len(self._problems) == before

    def _problem(self, mapping: Mapping[object, object], key: object, text: str) -> None:
        line, column = 0, 0
        if isinstance(mapping, CommentedMap):
            line, column = mapping.lc.key(key) if key in mapping else (mapping.lc.line, mapping.lc.col)
        self._problems.append(f"{self._name}:{line + 1}:{column + 1}: {text}")
