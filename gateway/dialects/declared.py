"""Declared dialects: those that are said in YAML (`config.declaration`), the presets among them.

    receipt    the ways in turn: does the status fit, is the monitor named, may it be asked, is the state not final
    read       the word in the field, or the HTTP status; the error; where the result is

Rules
- A reply that names no monitor that may be asked, in any of the dialect's ways, is passed on.
- The credential goes to monitors on the upstream's own origin alone, and only where the declaration says so.
- A result is a target of the upstream's. An address elsewhere is none: the caller gets the report, which names it.
- What tells nothing is trouble, and asked again: 401, 403, 404, 408, 410, 425, 429, 5xx, and a 200 without its field.

What this module must not do: know any API; the presets do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from gateway.config.declaration import CompleteWay, Declaration
from gateway.config.spelling import folded
from gateway.dialects import retry_after
from gateway.dialects.address import absolute, target_on
from gateway.dialects.dialect import Capture
from gateway.dialects.document import Document, plain, read_answer, text_of
from gateway.dialects.monitor_url import MonitorRules, check, on_upstream
from gateway.dialects.pointer import value_at, word_at
from gateway.dialects.problem import problem_of
from gateway.dialects.status import percent_in
from gateway.model import Ailment, Call, Plan, Problem, Progress, Receipt, Reply, Report, Trouble

NO_MONITOR: Final = "absent"
FINAL: Final = "final"
"""Why a source is passed over, besides the words of `monitor_url.check`: it names nothing; the state is final."""

_HEADER: Final = "header:"
_FIELD: Final = "field:"
_BODY: Final = "body:"
_DONE = frozenset({200, 201, 204})
_MOVED = frozenset({301, 307, 308})
_ASKED_AGAIN = frozenset({401, 403, 404, 408, 410, 425, 429})
_NEVER_ANSWERED = frozenset({401, 408, 425, 429})
"""Statuses that would make a client send the call again."""
_FAILED_5XX = frozenset({500, 501})
"""Of a server, and not of what stands in front of it."""
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Idempotent (RFC 9110 section 9.2.2)."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One place where a reply could name its monitor, and what is there."""

    way: int
    source: str
    url: str | None = None
    refusal: str | None = None
    """Why it is not asked; None for the one that is."""


@dataclass(frozen=True)
class Declared:
    """A dialect that does what a declaration says, at the upstream with this origin."""

    declaration: Declaration
    origin: str
    others: tuple["Declared", ...] = ()
    """Who else may know by the reply what this one does not."""

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def floor(self) -> float:
        return self.declaration.monitor.min_interval

    @cached_property
    def methods(self) -> frozenset[str]:
        return frozenset(self.declaration.match.methods)

    @cached_property
    def repeats(self) -> frozenset[bytes]:
        return frozenset(name.encode() for name in self.declaration.monitor.repeat_headers)

    @cached_property
    def ways(self) -> tuple[CompleteWay, ...]:
        return self.declaration.ways

    @cached_property
    def peeks(self) -> frozenset[int]:
        return frozenset(
            status
            for one in (self, *self.others)
            for way in one.ways
            for source in way.start.monitor
            for status in way.start.status
            if source.startswith(_BODY) or (source == "self" and status != 202)
        )

    def needs_body(self, call: Call) -> Capture:
        match = self.declaration.match
        if call.method not in match.methods or not match.path.matches(call.path):
            return Capture.NO
        return Capture.IF_FITS if match.rarely else Capture.REQUIRED

    def plan(self, call: Call) -> Plan | None:
        if self.needs_body(call) is Capture.NO:
            return None
        return Plan(
            dialect=self.name,
            kind=self.name,
            version="",
            source=call.target,
            repeatable=call.method in _REPEATABLE or self.declaration.match.rarely,
            prefer=b"respond-async" if self.declaration.start.respond_async else None,
        )

    def receipt(self, plan: Plan, call: Call, reply: Reply, rules: MonitorRules) -> Receipt | None:
        for one in (self, *self.others):
            if one is self or one.needs_body(call) is not Capture.NO:
                receipt = one.own_receipt(plan, call, reply, rules)
                if receipt is not None:
                    return receipt
        return None

    def own_receipt(self, plan: Plan, call: Call, reply: Reply, rules: MonitorRules) -> Receipt | None:
        """As `receipt`, without the others."""
        chosen = next((one for one in self.consider(call, reply, rules) if one.refusal is None), None)
        if chosen is None or chosen.url is None:
            return None
        credential = self.declaration.monitor.credential and on_upstream(chosen.url, rules)
        way = self.ways[chosen.way]
        promised = _header(reply, "location")
        if promised is not None:
            promised = target_on(absolute(promised, self.origin + call.target), self.origin)
        inside = way.result.source[-1] == "monitor_body" and credential
        known = replace(
            plan, dialect=self.name, kind=self.name, way=chosen.way, promised=promised, inside=inside
        )
        return Receipt(chosen.url, credential=credential, plan=known)

    def consider(self, call: Call, reply: Reply, rules: MonitorRules) -> Iterator[Considered]:
        """Yield the places where this reply could name its monitor, in the order in which they are tried."""
        document = None if reply.oversized else read_answer(reply.body)
        for number, way in enumerate(self.ways):
            if reply.status in way.start.status:
                for source in way.start.monitor:
                    yield self._considered(number, source, call, reply, document, rules)

    def _considered(  # noqa: PLR0917 - a reply, and where in it to look
        self,
        number: int,
        source: str,
        call: Call,
        reply: Reply,
        document: Document | None,
        rules: MonitorRules,
    ) -> Considered:
        here = self.origin + call.target
        if source == "self":
            text: str | None = here
        elif source.startswith(_BODY):
            text = text_of(
                None if document is None else value_at(document.members, source.removeprefix(_BODY))
            )
        else:
            text = _header(reply, source.removeprefix(_HEADER))
        if text is None:
            return Considered(number, source, None, NO_MONITOR)
        url = absolute(text, here)
        if not source.startswith(_HEADER) and self._has_ended(self.ways[number], source, reply, document):
            return Considered(number, source, url, FINAL)
        return Considered(number, source, url, check(url, rules))

    def _has_ended(self, way: CompleteWay, source: str, reply: Reply, document: Document | None) -> bool:
        """Whether a first reply other than a 202 is the end: what it names is a resource then, and no monitor."""
        if reply.status == 202:
            return False
        word = _word(way, document)
        if word is None:
            return source == "self"
        return _meaning(way, word) is not Progress.RUNNING

    # --- the monitor's answers ---------------------------------------------------------------------------

    def read(self, plan: Plan, reply: Reply, now: float) -> Report | Trouble:
        way = self.ways[min(plan.way, len(self.ways) - 1)]
        given = _header(reply, "retry-after")
        wait = None if given is None else retry_after.parse(given.encode("latin-1"), now)
        document = None if reply.oversized else read_answer(reply.body)
        word = _word(way, document) or ""
        progress = self._progress(way, reply, document, word)
        if progress is None:
            return Trouble(_ailment(reply, wait), reply.status, _shown(_code(way, document)), wait)
        percent = None
        if document is not None and way.progress.field is not None:
            percent = percent_in(value_at(document.members, way.progress.field))
        if progress is Progress.RUNNING:
            return Report(progress, plain(word), percent, retry_after=wait, moved=_moved(way, reply))
        return Report(
            progress,
            plain(word),
            percent,
            resource=self._result(plan, way, reply, document) if progress is Progress.SUCCEEDED else None,
            problem=_problem(way, reply, document, word) if progress is Progress.FAILED else None,
            body="" if document is None or plan.inside else document.text,
            retry_after=wait,
        )

    def _progress(
        self, way: CompleteWay, reply: Reply, document: Document | None, word: str
    ) -> Progress | None:
        """Return what an answer says of the operation; None where it says nothing."""
        status = reply.status
        if word:
            known = _meaning(way, word, unknown=status < 400)
            if known is Progress.RUNNING and status == 429:
                return None  # this poll was one too many: pacing has to hear of it
            if known is not None:
                return known
        if reply.oversized and not way.status.by_code:
            return None  # the word may stand in what was not read
        if status == 202 or status in _MOVED:
            return Progress.RUNNING
        if status in {204, 303} or (status == 302 and self._named(reply)):
            return Progress.SUCCEEDED
        if status in _DONE:
            if way.status.by_code:
                return Progress.SUCCEEDED
            said = way.status.missing if document is not None else "trouble"
            return None if said == "trouble" else Progress(said)
        return Progress.FAILED if self._has_failed(way, status, document) else None

    def _named(self, reply: Reply) -> bool:
        location = _header(reply, "location")
        return location is not None and self._target(location) is not None

    def _has_failed(self, way: CompleteWay, status: int, document: Document | None) -> bool:
        """Whether an error's status is the operation's, and not this one poll's."""
        told = document is not None and bool(value_at(document.members, way.error.field))
        if folded(_code(way, document) or "") in way.error.transient:
            return False
        if 400 <= status < 500:
            return status not in _ASKED_AGAIN and (told or way.status.by_code)
        return status in _FAILED_5XX and told and way.status.by_code

    # --- the result --------------------------------------------------------------------------------------

    def _result(self, plan: Plan, way: CompleteWay, reply: Reply, document: Document | None) -> str | None:
        for source in way.result.source:
            if source in {"monitor_body", "none"}:
                return None
            if source == "original_url":
                return plan.source
            found = plan.promised if source == "location" else self._place(source, reply, document)
            if found is not None:
                return found
        return None

    def _place(self, source: str, reply: Reply, document: Document | None) -> str | None:
        if source.startswith(_HEADER):
            text = _header(reply, source.removeprefix(_HEADER))
        else:
            members = {} if document is None else document.members
            text = text_of(value_at(members, source.removeprefix(_FIELD)))
        return None if text is None else self._target(text)

    def _target(self, text: str) -> str | None:
        """An address in a report; one that is relative to the report itself cannot be told."""
        if not text.startswith("/") and "://" not in text:
            return None
        return target_on(absolute(text, self.origin), self.origin)


def _header(reply: Reply, name: str) -> str | None:
    """Return the value of a header; None where it is not there, is empty or says two things."""
    wanted = name.lower().encode()
    values = {value.strip() for key, value in reply.headers if key.lower() == wanted}
    return values.pop().decode("latin-1") or None if len(values) == 1 else None


def _word(way: CompleteWay, document: Document | None) -> str | None:
    if document is None or way.status.field is None:
        return None
    return word_at(document.members, way.status.field)


def _meaning(way: CompleteWay, word: str, *, unknown: bool = True) -> Progress | None:
    """Return what a word means; None for one in no list that is not to be guessed at."""
    said = folded(word)
    for progress in Progress:
        if said in getattr(way.status, progress):
            return progress
    return Progress(way.status.unknown) if unknown else None


def _moved(way: CompleteWay, reply: Reply) -> str | None:
    """Return where the monitor says it is from now on: in the header that it was found by."""
    if reply.status in _MOVED:
        return _header(reply, "location")
    names = (source.removeprefix(_HEADER) for source in way.start.monitor if source.startswith(_HEADER))
    return next((text for name in names if (text := _header(reply, name)) is not None), None)


def _code(way: CompleteWay, document: Document | None) -> str | None:
    if document is None:
        return None
    return word_at(document.members, way.error.code or f"{way.error.field}/code")


def _shown(code: str | None) -> str | None:
    return None if code is None else plain(code)


def _problem(way: CompleteWay, reply: Reply, document: Document | None, word: str) -> Problem:
    members = {} if document is None else document.members
    told = value_at(members, way.error.field)
    error: dict[str, object] = dict(told) if isinstance(told, dict) else {}
    message = text_of(told) or (word_at(members, way.error.message) if way.error.message else None)
    error.update({k: v for k, v in (("code", _code(way, document)), ("message", message)) if v is not None})
    problem = problem_of({"error": error}, word)
    answered = 400 <= reply.status < 500 and reply.status not in _NEVER_ANSWERED
    return replace(problem, status=reply.status) if answered else problem


def _ailment(reply: Reply, wait: float | None) -> Ailment:
    status = reply.status
    if status in {404, 410}:
        return Ailment.MISSING
    if status == 429 or (status == 503 and wait is not None):
        return Ailment.THROTTLED
    if status in {401, 403}:
        return Ailment.UNAUTHORISED
    if status >= 500:
        return Ailment.SERVER_ERROR
    return Ailment.OVERSIZED if reply.oversized else Ailment.GARBAGE
