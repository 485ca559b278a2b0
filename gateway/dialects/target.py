"""Request targets: their canonical spelling, and the few things built from them.

Graph reads many spellings as one target: `%63opy`, `/copy/`, `COPY`, `microsoft.graph.copy`, `drives('x')`,
`items/root%3A%2Fa.txt%3A` (how generated SDKs send a path in place of an id). Matching and sameness both look at the
canonical spelling, so that they cannot disagree. What goes upstream is always the raw target, never this one.

A canonical path is a list of *steps*. A step is a segment, except that path addressing (`root:/a/b:`, also
`host:/sites/x:`) is one step, colons included: what stands in it are names, not words of the API, and so a file
called "copy" is never taken for the action.

 1. Escapes of characters that a path segment may hold raw are decoded (unreserved ones by RFC 3986 section 6.2.2.2;
    `!`, `@`, `'` and the like because Graph takes both, and clients send both), the others get upper-case digits,
    and what may not stand there raw is encoded.
 2. Empty segments go, trailing slashes among them, and so does an empty query.
 3. Words of the API get their documented spelling, whatever case they came in; the namespace of an action goes, `()`
    after one goes, and the key syntax `items('x')` becomes `items/x`.
 4. Everything else keeps its case. Ids of drives are base64 and case-sensitive; to fold them could make one operation
    of two, which is worse than to miss a retry that its sender spelled anew, and no client does that.
 5. Parameters keep their order.

This module must not resolve dot segments (the guard refuses them) nor join URLs (`//evil` would change the host).
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, unquote

_SPELLINGS = (
    "$batch _api accessAssignments add addCopyFromContentTypeHub addToReviewSet applyHold applyTags archive "
    "assignSensitivityLabel attackSimulation beta bundles cases channels chats children clone compliance connections "
    "containers contentTypes copy copyNotebook copyToNotebook copyToSection copyToSectionGroup create createSession "
    "custodians dataConnector dataConnectors delegatedAdminRelationships drive driveItem drives ediscovery "
    "ediscoveryCases estimateStatistics export exportPersonalData exportReport exportResult external fileStorage "
    "following groups inboundFlows industryData items list lists me monitor noncustodialDataSources notebooks onenote "
    "operations pages print printers purgeData queries removeHold reviewSets root rows schema searches sectionGroups "
    "sections security shares simulations sites sourceCollections special storage tables team teams "
    "tenantRelationships unarchive updateIndex users v1.0 v2.0 v2.1 validate workbook worksheets"
)
"""Words of Graph's paths as its documentation spells them. A dialect's own words must be here to be matched."""
_WORDS = {word.casefold(): word for word in _SPELLINGS.split()}

_NAMESPACES = ("microsoft.graph.", "action.", "onedrive.")
"""Prefixes of an action: Graph's own, and two that the OneDrive API takes (OneDrive/onedrive-api-docs)."""

_IN_PATH = re.compile(rb"%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")
_IN_QUERY = re.compile(rb"%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RAW_IN_PATH = _UNRESERVED | frozenset(b"!$&'()*+,;=:@")
_RAW_IN_QUERY = _UNRESERVED | frozenset(b"!$'()*,:@/?")
"""Without `&`, `=`, `+` and `;`: in a query these mean something else when they are escaped."""

_KEY = re.compile(r"([A-Za-z]+)\('([^'/:()]+)'\)")

_CONFLICT = "@microsoft.graph.conflictBehavior"
_RESULT_OPTIONS = frozenset({"$select", "$expand"})
_NOT_IN_NAMES = re.compile(r'[/\\*<>?:"|\x00-\x1f\x7f]')


@lru_cache(maxsize=64)
def steps(path: str) -> tuple[str, ...]:
    """Return the canonical steps of a raw path: `/V1.0/me/drive/root%3A/a:/copy/` → v1.0, me, drive, root:/a:, copy."""
    return tuple(_folded(_glued(_segments(_spell(path, _IN_PATH, _RAW_IN_PATH)))))


def canonical_target(target: str) -> str:
    """Return the spelling that all spellings of one target share. Idempotent, and never raises."""
    path, _, query = target.partition("?")
    spelt = ("/" if path.startswith("/") else "") + "/".join(steps(path))
    parameters = "&".join(_parameter(raw) for raw in query.split("&") if raw)
    return f"{spelt}?{parameters}" if parameters else spelt


def parameters(query: str) -> Iterator[tuple[str, str, str]]:
    """Yield name and value, both decoded, and the raw text of each parameter."""
    for raw in query.split("&"):
        if raw:
            name, _, value = raw.partition("=")
            yield unquote(name), unquote(value), raw


def result_query(query: str) -> str:
    """Return the raw `$select` and `$expand` of a query: they are meant for the result as well."""
    return "&".join(raw for name, _, raw in parameters(query) if name.casefold() in _RESULT_OPTIONS)


def with_query(target: str, query: str) -> str:
    """Add a raw query to a target that may have one already."""
    if not query:
        return target
    return f"{target}{'&' if '?' in target else '?'}{query}"


def segment(name: str) -> str | None:
    """Return an item's name as one path segment; None for a name that no drive item can have.

    Graph trims white space around names, so what is looked for later would not be what was asked for.
    Source: "Addressing resources in a drive on OneDrive", reserved characters.
    """
    if name != name.strip() or name in {"", ".", ".."} or _NOT_IN_NAMES.search(name):
        return None
    try:
        return quote(name, safe="!$'()*,;=@")
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        return None


def _spell(text: str, pattern: re.Pattern[bytes], raw: frozenset[int]) -> str:
    def one(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            return b"%%%02X" % found[0][0]
        value = int(found[1], 16)
        return bytes([value]) if value in raw else b"%%%02X" % value

    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return pattern.sub(one, data).decode("ascii")


def _parameter(raw: str) -> str:
    name, equals, value = (_spell(part, _IN_QUERY, _RAW_IN_QUERY) for part in raw.partition("="))
    if name.casefold() == _CONFLICT.casefold():
        return f"{_CONFLICT}{equals}{value.casefold() if value.isalpha() else value}"
    return f"{name}{equals}{value}"


def _segments(path: str) -> Iterator[str]:
    for one in path.split("/"):
        if ":%2F" in one:
            # A path in place of an id: as no name may hold a slash or a colon, there is no other way to read it.
            yield from filter(None, one.split("%2F"))
        elif one:
            yield one


def _glued(segments: Iterable[str]) -> Iterator[str]:
    """Join what stands between `…:/` and the next `:` (or the end) into one step."""
    opened: list[str] = []
    for one in segments:
        if opened or one.endswith(":"):
            opened.append(one)
            if len(opened) > 1 and one.endswith(":"):
                yield "/".join(opened)
                opened = []
        else:
            yield one
    if opened:
        yield "/".join(opened)


def _folded(glued: Iterator[str]) -> Iterator[str]:
    for step in glued:
        head, colon, path = step.partition(":")
        if colon:
            yield f"{_WORDS.get(head.casefold(), head)}:{path}"
            continue
        key = _KEY.fullmatch(step)
        if key is not None and key[1].casefold() in _WORDS:
            yield _WORDS[key[1].casefold()]
            yield _word(key[2])
        else:
            yield _word(step)


def _word(step: str) -> str:
    folded = step.casefold().removesuffix("()")
    if folded.startswith(_NAMESPACES):
        folded = folded.rpartition(".")[2]
    return _WORDS.get(folded, step)
