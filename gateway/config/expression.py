r"""Path expressions: which raw paths a declared dialect means, in a part of the regular expressions' language.

    ^/api/reports$      ^/subscriptions/[^/]+/(deploy|scale)$      ^/fhir/.*\$export

What may stand there: `^` at the beginning (it must) and `$` at the end (without it, everything below matches as well),
plain characters, `\` before a sign, `\d` `\w`, `.`, `[…]`, `( )` or `(?: )` with `|`, and `*` `+` `?` `{n}` `{n,m}`.
They mean what they mean in Python's `re`, but for `^` and `$`, which hold for the whole expression.

Rules
- No expression takes more than linear time, whatever path comes: it becomes a finite automaton, which never goes back.
  What would need more (references back, looking around) is not in the language.
- So it can be known for certain whether an expression matches anything at all, and whether two share a path.

What this module must not do: know what a dialect is.
"""

import re
from collections import deque
from dataclasses import dataclass, field

MOST_STATES = 600
"""Of one expression's automaton; `{n,m}` multiplies them."""

LONGEST_PATH = 2048
"""Characters. A longer path matches nothing, so that a strange expression cannot make a strange path expensive."""

MOST_PAIRS = 20_000
"""Steps of two automata together that are looked at for a path they share."""

MOST_REMEMBERED = 4096
"""Steps of the automaton that are kept; past it they are worked out anew."""

_SYMBOLS = (*(chr(code) for code in range(0x21, 0x7F)), "é")
"""What a raw path consists of; the last one stands for everything outside of ASCII."""
_OTHER = _SYMBOLS[-1]
_EVERY = frozenset(_SYMBOLS)
_FORWARD = re.compile(r"\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_SHORTHANDS = frozenset("dw")

Set = frozenset[str]
_State = frozenset[int]


class Unsuited(ValueError):
    """A text that is no path expression."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class _Automaton:
    """States, with the symbols that lead from one to another and the ways that cost none."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[Set, int]]] = []
        self.free: list[list[int]] = []

    def state(self) -> int:
        """One more state."""
        if len(self.edges) >= MOST_STATES:
            raise Unsuited("is too long, its repetitions written out", "repeat less, or use *")
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def closure(self, states: set[int]) -> _State:
        """These states and all that cost nothing to reach from them."""
        found, waiting = set(states), list(states)
        while waiting:
            for then in self.free[waiting.pop()]:
                if then not in found:
                    found.add(then)
                    waiting.append(then)
        return frozenset(found)

    def step(self, state: _State, symbol: str) -> _State:
        """Where a symbol leads."""
        return self.closure({to for one in state for accepts, to in self.edges[one] if symbol in accepts})


@dataclass(eq=False)
class Expression:
    """One expression. Raises `Unsuited`."""

    text: str
    _automaton: _Automaton = field(default_factory=_Automaton, init=False, repr=False)
    _steps: dict[tuple[_State, str], _State] = field(default_factory=dict, init=False, repr=False)
    begin: _State = field(default=frozenset(), init=False, repr=False)
    end: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        text = self.text
        if not text.startswith("^"):
            raise Unsuited(
                "must begin with ^, or it would match in the middle of a path", "write ^ before the /"
            )
        automaton = self._automaton
        begin = automaton.state()
        body = text[1:]
        closed = body.endswith("$") and not (len(body) - len(body[:-1].rstrip("\\")) - 1) % 2
        parser = _Parser(body[:-1] if closed else body, automaton)
        self.end = parser.alternatives(begin)
        if parser.rest:
            raise Unsuited(f"has a {parser.rest[0]} that closes nothing", "remove it, or write \\ before it")
        if not closed:
            after = automaton.state()
            automaton.free[self.end].append(after)
            automaton.edges[after].append((_EVERY, after))
            self.end = after
        self.begin = automaton.closure({begin})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def matches(self, path: str) -> bool:
        """Whether it matches a raw path."""
        if len(path) > LONGEST_PATH:
            return False
        state = self.begin
        for char in path:
            state = self.step(state, char if char in _EVERY else _OTHER)
            if not state:
                return False
        return self.end in state

    def meets(self, other: "Expression") -> str | None:
        """The shortest path that both match; None where there is none (or it would take too long to find)."""
        start = (self.begin, other.begin)
        came: dict[tuple[_State, _State], tuple[tuple[_State, _State], str] | None] = {start: None}
        waiting = deque([start])
        while waiting and len(came) < MOST_PAIRS:
            here = waiting.popleft()
            if self.end in here[0] and other.end in here[1]:
                return _way(came, here)
            for symbol in _SYMBOLS:
                there = (self.step(here[0], symbol), other.step(here[1], symbol))
                if all(there) and there not in came:
                    came[there] = (here, symbol)
                    waiting.append(there)
        return None

    def step(self, state: _State, symbol: str) -> _State:
        """Where a symbol leads, remembered."""
        known = self._steps.get((state, symbol))
        if known is not None:
            return known
        there = self._automaton.step(state, symbol)
        if len(self._steps) >= MOST_REMEMBERED:
            self._steps.clear()
        self._steps[state, symbol] = there
        return there


def _way(
    came: dict[tuple[_State, _State], tuple[tuple[_State, _State], str] | None], to: tuple[_State, _State]
) -> str:
    symbols: list[str] = []
    while (step := came[to]) is not None:
        to, symbol = step
        symbols.append(symbol)
    return "".join(reversed(symbols))


class _Parser:
    """Reads a text and adds what it says to an expression's automaton."""

    def __init__(self, text: str, into: _Automaton) -> None:
        self.rest = text
        self._into = into

    def alternatives(self, begin: int) -> int:
        """`a|b|c`; the state that all of them lead to."""
        end = self._into.state()
        while True:
            self._into.free[self._sequence(begin)].append(end)
            if not self.rest.startswith("|"):
                return end
            self.rest = self.rest[1:]

    def _sequence(self, begin: int) -> int:
        here = begin
        while self.rest and self.rest[0] not in "|)":
            here = self._repeated(here)
        return here

    def _repeated(self, begin: int) -> int:
        item = self.rest
        # In front of what is repeated, a state of its own: a way back into it must not lead past what came before.
        inner = self._into.state()
        self._into.free[begin].append(inner)
        here = self.item(inner)
        source = item[: len(item) - len(self.rest)]
        least, most = self._times()
        if (least, most) == (1, 1):
            return here
        return self._times_over(source, begin, inner, here, least, most)

    def _times_over(  # noqa: PLR0917 - the two ends of what was read, and how often
        self, source: str, begin: int, inner: int, end: int, least: int, most: int | None
    ) -> int:
        free = self._into.free
        if most == 0:
            free[begin].remove(inner)
            return begin
        for _ in range(1, least):
            inner, end = end, self._again(source, end)
        if most is None:
            free[end].append(inner)
            after = self._into.state()
            free[end].append(after)
        else:
            ends = [end]
            for _ in range(max(least, 1), most):
                ends.append(self._again(source, ends[-1]))
            after = self._into.state()
            for one in ends:
                free[one].append(after)
        if least == 0:
            free[begin].append(after)
        return after

    def _again(self, source: str, begin: int) -> int:
        """The same item once more, behind `begin`."""
        inner = self._into.state()
        self._into.free[begin].append(inner)
        return _Parser(source, self._into).item(inner)

    def _times(self) -> tuple[int, int | None]:
        """How often the item before may stand: at least and at most."""
        sign = self.rest[:1]
        if sign in {"*", "+", "?"} and sign:
            self.rest = self.rest[1:]
            times: tuple[int, int | None] = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif sign == "{":
            found = _FORWARD.match(self.rest)
            if found is None:
                raise Unsuited("has a { that says no number", "write {n} or {n,m}, or \\{ for the sign")
            self.rest = self.rest[found.end() :]
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else None
            if most is not None and most < least:
                raise Unsuited(f"has {found[0]}, which nothing can fulfil", "write the smaller number first")
            times = (least, most)
        else:
            return 1, 1
        if self.rest[:1] in {"*", "+", "?", "{"} and self.rest:
            raise Unsuited(
                f"has {sign}{self.rest[0]}", "keep one of the two, or put brackets around the first"
            )
        return times

    def item(self, begin: int) -> int:
        if self.rest.startswith("("):
            return self._group(begin)
        end = self._into.state()
        self._into.edges[begin].append((self._set(), end))
        return end

    def _group(self, begin: int) -> int:
        self.rest = self.rest[1:]
        if self.rest.startswith("?:"):
            self.rest = self.rest[2:]
        elif self.rest.startswith("?"):
            raise Unsuited(f"has (?{self.rest[1:2]}, which is not in the language of paths", "write ( or (?:")
        end = self.alternatives(begin)
        if not self.rest.startswith(")"):
            raise Unsuited("has a ( that is not closed", "close it, or write \\( for the sign")
        self.rest = self.rest[1:]
        return end

    def _set(self) -> Set:
        """One character, or one of several."""
        char = self.rest[0]
        if char == "[":
            return self._class()
        if char in "*+?{":
            raise Unsuited(f"has a {char} with nothing before it", f"write \\{char} for the sign")
        if char in "^$":
            raise Unsuited(f"has a {char} in the middle", f"write \\{char} for the sign")
        if char == "\\":
            return self._escaped()
        self.rest = self.rest[1:]
        if char == ".":
            return _EVERY
        if char not in _EVERY or char == _OTHER or char in "?#":
            raise Unsuited(
                "has a character that no raw path holds",
                "write what stands on the wire: %20 for a space, and nothing of the query",
            )
        return frozenset(char)

    def _escaped(self) -> Set:
        sign = self.rest[1:2]
        self.rest = self.rest[2:]
        if sign in _SHORTHANDS and sign:
            return frozenset(one for one in _SYMBOLS[:-1] if re.match(rf"\{sign}", one))
        if not sign or sign.isalnum() or sign not in _EVERY:
            raise Unsuited(
                f"has \\{sign}, which is not in the language of paths",
                "\\ stands before a sign, d or w; write \\\\ for itself",
            )
        return frozenset(sign)

    def _class(self) -> Set:
        found = _CLASS.match(self.rest)
        if found is None:
            raise Unsuited("has a [ that is not closed", "close it, or write \\[ for the sign")
        self.rest = self.rest[found.end() :]
        try:
            fits = re.compile(found[0])
        except (re.error, FutureWarning):
            raise Unsuited(
                f"has {found[0]}, which is no set of characters", "write one such as [a-z0-9]"
            ) from None
        accepted = frozenset(one for one in _SYMBOLS if fits.fullmatch(one))
        if not accepted:
            raise Unsuited(f"has {found[0]}, which no character of a path fits", "write one such as [^/]")
        return accepted
