"""Workloads: dialects that are a description and nothing else.

Most of Graph's long-running operations differ in a few words only: which calls start one, which header names the
monitor, what the statuses are called, where the result is. A `Workload` holds those words, and answers what every
dialect is asked (`gateway.dialects.dialect`) from them; one more is one small file.

Rules
- A reply starts an operation only if it names a monitor that the upstream itself hosts and that looks like one.
  All else is passed on: no token goes anywhere else, and a Location that is none (`assignLicense`) is not polled.
- A word that neither the workload nor `status.GRAPH` knows means that the operation is still running.
- A result is a target of the upstream's, however its address was spelled. Where the operation itself is the result
  it is fetched from the monitor, with each caller's own credential, and no part of it is kept.

What this module must not do: know any of the workloads.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, cached_property
from typing import Final

from gateway.dialects.dialect import Capture
from gateway.dialects.document import object_of, plain, read_body, text_of
from gateway.dialects.monitor_url import MonitorRules, on_upstream
from gateway.dialects.pattern import ending, fill, match
from gateway.dialects.receipt import monitors
from gateway.dialects.report import Found, read_report
from gateway.dialects.status import GRAPH, Vocabulary
from gateway.dialects.target import result_query, steps
from gateway.model import Call, Plan, Receipt, Reply, Report, Trouble

VERSIONS: Final = ("v1.0", "beta")

MONITOR_BODY: Final = "monitor_body"
"""The result is the operation itself."""

_FIELD: Final = "field:"
_SOURCE: Final = "source:"
_RESPOND_ASYNC: Final = b"respond-async"
_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[\\\"<>#]")
_RESOURCE_IDS = ("resourceId", "targetResourceId")


class Evidence(StrEnum):
    """Where the knowledge of an operation comes from. None of it was tried on a live tenant."""

    SEEN = "documentation, and users' reports"
    SAMPLE = "documentation, with a sample of the reply"
    WORDS = "documentation, in words alone: no reply was found"
    INFERRED = "inferred from the call beside it"


@dataclass(frozen=True, slots=True)
class Words:
    """The statuses of a workload, as its documentation spells them."""

    running: tuple[str, ...] = ("notStarted", "running")
    succeeded: tuple[str, ...] = ("succeeded",)
    failed: tuple[str, ...] = ("failed",)


@dataclass(frozen=True, slots=True)
class Start:
    """One way to start an operation, and where its result will be."""

    path: str
    """A pattern (`gateway.dialects.pattern`)."""
    page: str
    """Title of the documentation's page on it."""
    kind: str = ""
    """The operation's name; without one it is the last step of the call's path, the action."""
    method: str = "POST"
    versions: tuple[str, ...] = VERSIONS
    source: str | None = None
    """What is operated on, as a template; without one, what stands before the action."""
    needs: str | None = None
    """A member of the body without which nothing is started."""
    respond_async: bool = False
    """Whether the documentation lists `Prefer: respond-async`, which is then sent upstream."""
    repeatable: bool = False
    """Whether a second time changes nothing more; see `Plan.repeatable`."""
    result: tuple[str, ...] = ("field:/resourceLocation",)
    """Where the result is, the first that is there: `field:` and a JSON pointer to an address in the final report,
    `source:` and what is to be added to the source, or `monitor_body` alone."""
    evidence: Evidence = Evidence.SAMPLE

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the operations that may be meant."""
        return (self.kind,) if self.kind else tuple(self.path.rpartition("/")[2].split("|"))

    def parts(self, version: str, path: Sequence[str]) -> Mapping[str, str] | None:
        """Return what the names of the pattern stand for in canonical steps; None where another path is meant."""
        return match(self.path, path) if version in self.versions else None

    def plan(
        self, dialect: str, version: str, path: Sequence[str], parts: Mapping[str, str], query: str
    ) -> Plan:
        """Understand a call whose path has these parts."""
        source = self.path.rpartition("/")[0] if self.source is None else self.source
        inside = MONITOR_BODY in self.result
        return Plan(
            dialect=dialect,
            kind=self.kind or path[-1],
            version=version,
            source=f"/{version}/{fill(source, parts)}".removesuffix(":"),
            repeatable=self.repeatable,
            inside=inside,
            result_query="" if inside else result_query(query),
            prefer=_RESPOND_ASYNC if self.respond_async else None,
        )

    def find(self, plan: Plan, members: Mapping[str, object], location: str | None) -> Found:
        """Return the result that a final report points to. A Location of the report's own is asked last."""
        resource_id = next((text for name in _RESOURCE_IDS if (text := text_of(members.get(name)))), None)
        places = (self._place(rule, plan, members) for rule in self.result)
        resource = next((place for place in places if place is not None), None)
        if resource is None and not plan.inside:
            resource = target_of(location, plan.version)
        return Found(resource, None if resource_id is None else plain(resource_id))

    @staticmethod
    def _place(rule: str, plan: Plan, members: Mapping[str, object]) -> str | None:
        if rule.startswith(_FIELD):
            return target_of(value_at(members, rule.removeprefix(_FIELD)), plan.version)
        return plan.source + rule.removeprefix(_SOURCE) if rule.startswith(_SOURCE) else None


@dataclass(frozen=True)
class Workload:
    """The dialect of one workload."""

    name: str
    starts: tuple[Start, ...]
    words: Words = Words()
    floor: float = 0.0
    repeats: frozenset[bytes] = frozenset()
    monitor: tuple[str, ...] = ("Location",)
    """The headers that name it, the preferred one first."""
    monitor_steps: tuple[str, ...] = ("operations",)
    """What a monitor's path has among its steps, key syntax left out."""
    accepted: tuple[int, ...] = (202,)
    """Statuses of a reply that starts an operation."""
    peeks: frozenset[int] = frozenset()
    """Graph names monitors in headers alone."""

    @cached_property
    def methods(self) -> frozenset[str]:
        return frozenset(start.method for start in self.starts)

    @cached_property
    def _ends(self) -> frozenset[str] | None:
        """The steps that a call's path may end in; None where one of them may end in anything."""
        ends = [ending(start.path) for start in self.starts]
        return frozenset().union(*ends) if all(ends) else None

    def needs_body(self, call: Call) -> Capture:
        found = self._start(call)
        if found is None:
            return Capture.NO
        return Capture.REQUIRED if found[0].needs is None else Capture.IF_SMALL

    def plan(self, call: Call) -> Plan | None:
        found = self._start(call)
        if found is None:
            return None
        start, plan = found
        if start.needs is not None and not (read_body(call.body) or {}).get(start.needs):
            return None
        return plan

    def receipt(self, plan: Plan, call: Call, reply: Reply, rules: MonitorRules) -> Receipt | None:
        if reply.status not in self.accepted:
            return None
        for url in monitors(reply, plan.version, rules, self.monitor):
            if on_upstream(url, rules) and self._is_monitor(url):
                return Receipt(url, credential=True)
        return None

    def read(self, plan: Plan, reply: Reply, now: float) -> Report | Trouble:
        def find(members: Mapping[str, object], location: str | None) -> Found:
            start = self._by_kind(plan.kind)
            return Found() if start is None else start.find(plan, members, location)

        reading = read_report(reply, now, find, vocabulary=vocabulary(self.words))
        return replace(reading, body="") if plan.inside and isinstance(reading, Report) else reading

    def _start(self, call: Call) -> tuple[Start, Plan] | None:
        path = steps(call.path)
        if not path or (self._ends is not None and path[-1] not in self._ends):
            return None  # most calls are none of ours, and this is the quickest way to see it
        for start in self.starts:
            if start.method == call.method:
                parts = start.parts(path[0], path[1:])
                if parts is not None:
                    return start, start.plan(self.name, path[0], path[1:], parts, call.query)
        return None

    def _by_kind(self, kind: str) -> Start | None:
        """Starts of one kind have one result."""
        return next((start for start in self.starts if kind in start.kinds), None)

    def _is_monitor(self, url: str) -> bool:
        path = steps("/" + url.partition("://")[2].partition("/")[2].partition("?")[0])
        wanted = {step.casefold() for step in self.monitor_steps}
        # `operations({op})`, without quotes, is how the page on cloning a team spells it
        return any(step.partition("(")[0].casefold() in wanted for step in path)


def target_of(url: object, version: str) -> str | None:
    """Return an address from a report as a target of the upstream's; None for what cannot be one.

    An absolute URL must have a version of Graph's in front. A root-relative one without (`/teams('…')`) is read in
    that of the call. The host does not matter: the request goes to the upstream, which is who said so.
    """
    text = text_of(url)
    if text is None or _FORBIDDEN.search(text):
        return None
    before, absolute, rest = text.partition("://")
    if absolute and before.casefold() not in {"https", "http"}:
        return None
    target = f"/{rest.partition('/')[2]}" if absolute else text
    path = steps(target.partition("?")[0])
    if not target.startswith("/") or target.startswith("//") or not path:
        return None
    if any(name in {".", ".."} for step in path for name in step.split("/")):
        return None
    if path[0] in VERSIONS:
        return target
    return None if absolute else f"/{version}{target}"


def value_at(members: Mapping[str, object], pointer: str) -> object:
    """Return what a JSON pointer (RFC 6901) leads to through objects; None where it leads nowhere."""
    value: object = members
    for name in pointer.split("/")[1:]:
        value = object_of(value).get(name.replace("~1", "/").replace("~0", "~"))
    return value


@cache
def vocabulary(words: Words) -> Vocabulary:
    """Return the shared vocabulary, with a workload's own words before it."""
    running, succeeded, failed = (
        frozenset("".join(word.split()).casefold() for word in group)
        for group in (words.running, words.succeeded, words.failed)
    )
    own = running | succeeded | failed
    return Vocabulary(
        running=running | (GRAPH.running - own),
        succeeded=succeeded | (GRAPH.succeeded - own),
        failed=failed | (GRAPH.failed - own),
    )
