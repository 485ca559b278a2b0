"""One answer of a monitor, normalised: what all dialects that follow Graph's pattern share.

Graph ends an operation in five ways (`202` and JSON, `303` and Location, `303` and JSON, `200` and JSON,
`resourceLocation`) and its documentation contradicts itself about which. So:

 1. The JSON `status` decides, whatever the HTTP status: a failed copy may come as a 500 with a status document
    (rclone/rclone#1224), a finished one as a 202. A word nobody knows decides only where HTTP reports no error.
 2. An answer without a status that is itself the finished resource ends the operation.
 3. The HTTP status decides where there is no usable JSON: a 303 has ended, a 202 is under way.
 4. All else is trouble with this one poll, and says nothing about the operation.

Who calls this says where a result is (`find`): the body's addresses come first, a 303 Location last, and it is never
followed: it may want another service's token (O365/python-o365#872) or hold no id (OneDrive/onedrive-api-docs#545).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from gateway import headers
from gateway.dialects import retry_after
from gateway.dialects.document import Document, object_of, plain, read_answer, text_of
from gateway.dialects.problem import problem_of
from gateway.dialects.status import GRAPH, Vocabulary, percent_of, word_of
from gateway.model import Ailment, Progress, Reply, Report, Trouble

SHORT = 200
"""Bytes of a body up to which what it says is remembered, where it says that the operation goes on."""
MOST = 1024
"""Bodies that are remembered, the last ones; in memory only."""

_GONE_CODES = frozenset({"operationnotfound"})
_THROTTLE_CODES = frozenset({"activitylimitreached", "throttledrequest", "toomanyrequests"})


@dataclass(frozen=True, slots=True)
class Found:
    """Where a finished operation's result is, as far as its report tells."""

    resource: str | None = None
    """Target on the upstream."""
    resource_id: str | None = None


Find = Callable[[Mapping[str, object], str | None], Found]
"""From the members of a final report and its Location (either may be missing) to the result."""


def never(_members: Mapping[str, object]) -> bool:
    """For dialects whose monitors do not answer with the resource itself."""
    return False


def read_report(
    reply: Reply,
    now: float,
    find: Find,
    *,
    is_result: Callable[[Mapping[str, object]], bool] = never,
    vocabulary: Vocabulary = GRAPH,
) -> Report | Trouble:
    """Read one answer. `now` is in seconds since 1970, and matters to a Retry-After that is a date."""
    wait = _retry_after(reply, now)
    if wait is None and len(reply.body) <= SHORT:
        with suppress(_NotRunning):
            return _running(reply.body, reply.status, is_result, vocabulary)
    document = None if reply.oversized else read_answer(reply.body)
    if document is not None:
        progress, word = _progress(document, reply.status, is_result, vocabulary)
        if progress is Progress.RUNNING:
            return Report(progress, plain(word), percent_of(document.members), retry_after=wait)
        if progress is not None:
            return _report(progress, document, header(reply, b"location"), wait, find)
    location = header(reply, b"location")
    if _ended_by_redirect(reply.status, location, find):
        return _report(Progress.SUCCEEDED, document or Document({}, ""), location, wait, find)
    if reply.status == 202 and not reply.oversized and document is None:
        return Report(Progress.RUNNING, retry_after=wait)
    return _trouble(reply, document, wait)


class _NotRunning(Exception):
    """Any other answer. Raised and not returned, so that it is not remembered: an end names an item, and comes once."""


@lru_cache(MOST)
def _running(
    body: bytes, status: int, is_result: Callable[[Mapping[str, object]], bool], vocabulary: Vocabulary
) -> Report:
    """The report of an operation that goes on; raises `_NotRunning`.

    Most answers say that, and in the same few words: of percentages with a decimal there are a thousand.
    """
    document = read_answer(body)
    if document is None:
        raise _NotRunning
    progress, word = _progress(document, status, is_result, vocabulary)
    if progress is not Progress.RUNNING:
        raise _NotRunning
    return Report(progress, plain(word), percent_of(document.members))


def header(reply: Reply, name: bytes) -> str | None:
    """Return the value of the first header of that name (lower case), as text with white space trimmed."""
    value = headers.get(reply.headers, name)
    return None if value is None else value.decode("latin-1").strip()


def _progress(
    document: Document, status: int, is_result: Callable[[Mapping[str, object]], bool], vocabulary: Vocabulary
) -> tuple[Progress | None, str]:
    """Return what the document says, None where the HTTP status has to; and its word for it."""
    word = word_of(document.members)
    if word is not None:
        progress = vocabulary.meaning(word)
        if progress is None and status < 400:
            return Progress.RUNNING, word
        if progress is Progress.RUNNING and status == 429:
            return (
                None,
                word,
            )  # this poll was one too many: that must reach pacing, and the work's end it is not
        return progress, word
    if not 200 <= status < 300:
        return None, ""
    if is_result(document.members):
        return Progress.SUCCEEDED, ""
    return (None if document.members.get("error") else Progress.RUNNING), ""


def _ended_by_redirect(status: int, location: str | None, find: Find) -> bool:
    """Whether a redirect is the end. Other codes than 303 are so only if they point to a result.

    SharePoint redirects to its sign-in page where a link has expired, and that is no copy.
    """
    if status == 303:
        return True
    return status in {301, 302, 307, 308} and find({}, location).resource_id is not None


def _report(
    progress: Progress, document: Document, location: str | None, wait: float | None, find: Find
) -> Report:
    members = document.members
    word = word_of(members) or ""
    found = find(members, location)
    return Report(
        progress,
        plain(word),
        percent_of(members),
        resource=found.resource if progress is Progress.SUCCEEDED else None,
        resource_id=found.resource_id,
        problem=problem_of(members, word) if progress is Progress.FAILED else None,
        body=document.text,
        retry_after=wait,
    )


def _trouble(reply: Reply, document: Document | None, wait: float | None) -> Trouble:
    code = None if document is None else text_of(object_of(document.members.get("error")).get("code"))
    ailment = _ailment(reply, (code or "").casefold(), waits=wait is not None)
    return Trouble(ailment, reply.status, None if code is None else plain(code), wait)


def _ailment(reply: Reply, code: str, *, waits: bool) -> Ailment:
    status = reply.status
    # OneDrive says 500 for an operation it does not know, often a finished one (OneDrive/onedrive-api-docs#766).
    if status in {404, 410} or code in _GONE_CODES:
        return Ailment.MISSING
    # SharePoint throttles with 503 as well, and then says for how long.
    if status == 429 or (status == 503 and waits) or code in _THROTTLE_CODES:
        return Ailment.THROTTLED
    if status in {401, 403}:
        return Ailment.UNAUTHORISED
    if status >= 500:
        return Ailment.SERVER_ERROR
    return Ailment.OVERSIZED if reply.oversized else Ailment.GARBAGE


def _retry_after(reply: Reply, now: float) -> float | None:
    value = headers.get(reply.headers, b"retry-after")
    return None if value is None else retry_after.parse(value, now)
