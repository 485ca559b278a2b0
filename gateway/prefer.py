"""The Prefer header (RFC 7240): what a caller would rather have.

Rules:
1. A preference that is spelled wrongly is as good as not there, and never an error (RFC 7240 section 2). Of several
   with one name the first that can be read counts.
2. Names are compared without regard to case; quoted and plain values are the same value.
3. Lines that need no change keep their bytes, their order and their number.

What this module must not do: decide what a preference leads to.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from gateway.model import Headers

LONGEST_WAIT = 1e9
"""Seconds; a larger `wait` means this one. Keeps absurd numbers out of everybody's arithmetic."""

# All possessive, so that no value, however odd, takes more than one pass.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = rb'"(?:[^"\\]|\\.)*+"'
_UNCLOSED = rb'"(?:[^"\\]|\\.)*+\\?'
_MEMBER = re.compile(rb'(?:[^,"]|' + _QUOTED + rb"|" + _UNCLOSED + rb")++", re.DOTALL)
"""One member of a comma-separated list; a quote that is never closed makes junk of all that follows."""
_PREFERENCE = re.compile(
    rb"(" + _TOKEN + rb")[ \t]*+(?:=[ \t]*+(" + _TOKEN + rb"|" + _QUOTED + rb")?+)?+[ \t]*+(?:;.*+)?+",
    re.DOTALL,
)
"""Name and value of a preference, and its parameters, which mean nothing to us."""
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_SECONDS = re.compile(rb"[0-9]{1,400}(?:\.[0-9]{1,400})?")

OURS = frozenset({b"respond-async", b"wait", b"return"})
"""The preferences that the gateway itself acts on."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a call's Prefer lines come to."""

    respond_async: bool = False
    wait: float | None = None
    """Seconds the caller is willing to wait; None where it did not say."""
    return_minimal: bool = False
    others: tuple[bytes, ...] = ()
    """Preferences that are not ours, as they were spelled: `IdType="ImmutableId"`."""


def preferences(headers: Headers) -> Preferences:
    """Read the Prefer lines of a call."""
    asynchronous, minimal = False, False
    wait: float | None = None
    returning: bytes | None = None
    others: list[bytes] = []
    for member in _members(headers):
        name, value = _name_and_value(member)
        if name == b"respond-async":
            asynchronous = asynchronous or not value
        elif name == b"wait":
            wait = _seconds(value) if wait is None else wait
        elif name == b"return":
            if returning is None and value.lower() in (b"minimal", b"representation"):
                returning = value.lower()
                minimal = returning == b"minimal"
        elif name:
            others.append(member)
    return Preferences(asynchronous, wait, minimal, tuple(others))


def add(headers: Headers, preference: bytes) -> Headers:
    """`headers` with `preference` in a Prefer line of its own at the end, unless it is there already."""
    wanted = _name_and_value(preference)
    if any(_name_and_value(member) == wanted for member in _members(headers)):
        return headers
    return (*headers, (b"Prefer", preference))


def without(headers: Headers, names: AbstractSet[bytes]) -> Headers:
    """`headers` without the preferences called one of `names` (lower case).

    A line that holds none of them stays as it is; one that holds nothing else goes.
    """
    kept: list[tuple[bytes, bytes]] = []
    for line in headers:
        if line[0].lower() != b"prefer":
            kept.append(line)
            continue
        members = list(_split(line[1]))
        staying = [member for member in members if _name_and_value(member)[0] not in names]
        if len(staying) == len(members):
            kept.append(line)
        elif staying:
            kept.append((line[0], b", ".join(staying)))
    return tuple(kept)


def applied(*, respond_async: bool = False, return_minimal: bool = False) -> bytes | None:
    """The value of Preference-Applied (RFC 7240 section 3); None where nothing was."""
    words = [b"respond-async"] * respond_async + [b"return=minimal"] * return_minimal
    return b", ".join(words) or None


def _members(headers: Headers) -> Iterator[bytes]:
    for name, value in headers:
        if name.lower() == b"prefer":
            yield from _split(value)


def _split(value: bytes) -> Iterator[bytes]:
    for match in _MEMBER.finditer(value):
        member = match[0].strip(b" \t")
        if member:
            yield member


def _name_and_value(member: bytes) -> tuple[bytes, bytes]:
    """Lower-case name and plain value of a preference; an empty name says that it is none."""
    match = _PREFERENCE.fullmatch(member)
    if match is None:
        return b"", b""
    value: bytes = match[2] or b""
    if value.startswith(b'"'):
        value = _ESCAPE.sub(rb"\1", value[1:-1])
    return match[1].lower(), value


def _seconds(value: bytes) -> float | None:
    """RFC 7240 section 4.3 knows whole seconds; a fraction is read as well, anything else is junk."""
    if _SECONDS.fullmatch(value) is None:
        return None
    return min(float(value), LONGEST_WAIT)
