"""How the parts of a declared dialect are spelled: paths, pointers into JSON, headers, where monitors and results are.

Rules: a kind says what is wrong with a value and what to write instead; what two of them must agree on is seen to in
`declaration`, and what two dialects must agree on in `clashes`.
"""

import re
from typing import Annotated

from gateway.config.expression import Expression, Unsuited
from gateway.config.kinds import Kind, unfit

POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
"""A JSON pointer (RFC 6901) to something inside of the document."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

NEVER_REPEATED = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "gateway-key", "idempotency-key", "prefer"),
        *("host", "content-length", "content-type", "transfer-encoding", "accept-encoding"),
        *("connection", "expect", "te", "trailer", "upgrade"),
    }
)
"""Headers that are somebody else's business: credentials have a key of their own, the others are about one message."""

MONITOR_WORDS = ("self",)
RESULT_WORDS = ("monitor_body", "original_url", "location", "none")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_ANYWHERE = Expression("^/")
_SHOWN_METHODS = ", ".join(METHODS)


def folded(word: str) -> str:
    """A status word without what does not count: case and white space."""
    return "".join(word.split()).casefold()


class Name(Kind):
    """What a dialect is called, in logs, metrics and lists."""

    def accepts(self) -> str:
        return "a name of small letters, digits and hyphens"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise unfit(
                "must be a name of 1 to 32 small letters, digits and hyphens that begins with a letter, not {value}",
                "write one such as reports",
            )
        return value


class Path(Kind):
    """Which raw paths are meant."""

    def accepts(self) -> str:
        return "a regular expression on the raw path, from `^` on"

    def read(self, value: object) -> Expression:
        if isinstance(value, Expression):
            return value
        if not isinstance(value, str) or not value:
            raise unfit("must be a regular expression, not {value}", 'write one such as "^/api/reports$"')
        try:
            expression = Expression(value)
        except Unsuited as error:
            raise unfit(f"{{value}} {error.message}", error.fix) from None
        if expression.meets(_ANYWHERE) is None:
            raise unfit(
                "{value} matches no path, as a path begins with /", 'write one such as "^/api/reports$"'
            )
        return expression

    def show(self, value: Expression) -> str:
        return value.text


class Pointer(Kind):
    """Where in a JSON document something stands."""

    def accepts(self) -> str:
        return "a JSON pointer"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not POINTER.fullmatch(value):
            dotted = value.replace(".", "/") if isinstance(value, str) and value else ""
            meant = "/" + dotted.removeprefix("$").strip("/").replace("~", "~0")
            raise unfit(
                "must be a JSON pointer such as /properties/state, not {value}",
                "begin with /, go down with /, and write ~1 for a / and ~0 for a ~ in a name",
                hint=f"write {meant}" if dotted and POINTER.fullmatch(meant) and len(meant) > 1 else None,
            )
        return value


class HeaderName(Kind):
    """A header of the call that goes along on polls."""

    def accepts(self) -> str:
        return "a header's name"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise unfit("must be a header's name, not {value}", "write one such as x-tenant")
        if value.lower() in NEVER_REPEATED:
            raise unfit(
                "{value} is not repeated", "leave it out; for the credential there is monitor.credential"
            )
        return value.lower()


class StatusWord(Kind):
    """A value of the status field."""

    def accepts(self) -> str:
        return "a word, a number, `true` or `false`"

    def read(self, value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int) or (isinstance(value, str) and folded(value)):
            return folded(str(value))
        raise unfit("must be a word of the status field, not {value}", "write it as the API spells it")


class Method(Kind):
    """A method that may start an operation."""

    def accepts(self) -> str:
        return f"one of {_SHOWN_METHODS}"

    def read(self, value: object) -> str:
        if value not in METHODS:
            upper = value.upper() if isinstance(value, str) else ""
            raise unfit(
                f"must be one of {_SHOWN_METHODS}, not {{value}}",
                "write one of these",
                hint=f"write {upper}" if upper in METHODS else None,
            )
        return str(value)


class StartStatus(Kind):
    """A status with which an operation may begin."""

    def accepts(self) -> str:
        return "200, 201 or 202"

    def read(self, value: object) -> int:
        if value not in {200, 201, 202} or isinstance(value, bool) or not isinstance(value, int):
            raise unfit(
                "must be 200, 201 or 202, not {value}", "any other reply starts nothing and is passed on"
            )
        return value


class MonitorSource(Kind):
    """Where in the first reply the monitor's address is."""

    def accepts(self) -> str:
        return "`header:NAME`, `body:/pointer` or `self`"

    def read(self, value: object) -> str:
        return _source(value, ("header", "body"), MONITOR_WORDS, "header:Location")


class ResultSource(Kind):
    """Where the result is."""

    def accepts(self) -> str:
        return "`field:/pointer`, `header:NAME`, `monitor_body`, `original_url`, `location` or `none`"

    def read(self, value: object) -> str:
        return _source(value, ("field", "header"), RESULT_WORDS, "field:/resultUrl")


class ResultSources(Kind):
    """One place of the result, or several, of which the first one counts that is there."""

    def accepts(self) -> str:
        return f"{ResultSource().accepts()}, or a list of these, of which the first one there counts"

    def show(self, value: tuple[str, ...]) -> str:
        return value[0] if len(value) == 1 else f"[{', '.join(value)}]"

    def read(self, value: object) -> tuple[str, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise unfit("must say where the result is, not {value}", "write none where there is none")
        places = tuple(ResultSource().read(item) for item in items)
        if len(set(places)) < len(places):
            raise unfit("names one place twice", "keep one of them")
        last = [place for place in places[:-1] if place in {"monitor_body", "original_url", "none"}]
        if last:
            raise unfit(f"has places after {last[0]}, which is always there", "make it the last one")
        return places


def _source(value: object, prefixes: tuple[str, str], words: tuple[str, ...], example: str) -> str:
    """A source as it stands; raises what `unfit` makes."""
    told = f"{prefixes[0]}:…, {prefixes[1]}:… or {', '.join(words)}"
    if not isinstance(value, str):
        raise unfit(f"must be {told}, not {{value}}", f"write one such as {example}")
    if value in words:
        return value
    prefix, colon, rest = value.partition(":")
    if not colon or prefix not in prefixes:
        raise unfit(f"must be {told}, not {{value}}", f"write one such as {example}")
    if prefix == "header":
        if not _TOKEN.fullmatch(rest):
            raise unfit("{value} names no header", "write one such as header:Location")
        return value
    if not POINTER.fullmatch(rest):
        raise unfit(
            "{value} holds no JSON pointer", f"write {prefix}: and a pointer, such as {prefix}:/job/url"
        )
    return value


PointerText = Annotated[str, Pointer()]
