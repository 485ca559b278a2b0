"""A declared dialect: how an API spells its long-running operations, said in YAML alone.

    - name: reports
      match:  {methods: [POST], path: "^/api/reports$"}
      start:  {status: [202], monitor: ["header:Operation-Location", "header:Location"]}
      status: {field: /state, running: [queued, working], succeeded: [done], failed: [broken]}
      result: {from: "field:/resultUrl"}

The shape of one, as `shape` is of the whole file; `dialects.declared` does what it says. The presets are such files.

Rules: every value has a kind (`spelling`); what keys of one dialect must agree on is checked here, at the section that
holds them. Nothing here does anything but describe.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.expression import Expression
from gateway.config.kinds import Flag, Listed, Word, unfit
from gateway.config.section import Section
from gateway.config.spelling import (
    HeaderName,
    Method,
    MonitorSource,
    Name,
    Path,
    PointerText,
    ResultSources,
    StartStatus,
    StatusWord,
)
from gateway.config.units import HOUR, Seconds

PresetName = Literal["azure", "fhir", "generic"]
Unknown = Literal["running", "failed"]
Missing = Literal["trouble", "running", "succeeded"]

Words = Annotated[tuple[Annotated[str, StatusWord()], ...], Listed("queued, working")]


class Declarations(Listed):
    """A list of declared dialects."""

    def accepts(self) -> str:
        return "a list of dialects"


class Match(Section):
    """Which calls may start an operation."""

    methods: Annotated[tuple[Annotated[str, Method()], ...], Listed("POST")] = ("POST",)
    """The methods of such calls."""
    path: Annotated[Expression, Path()]
    """The raw paths of such calls, without the query."""
    rarely: Annotated[bool, Flag()] = False
    """Whether most of these calls start nothing. Then one with a body over `limits.body` is passed on, and one that comes
    again after an unclear outcome is sent again."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.methods:
            raise unfit("has no methods, so that it matches no call", "write methods: [POST]")
        return self


class Start(Section):
    """Which replies start an operation, and where they name its monitor."""

    status: Annotated[tuple[Annotated[int, StartStatus()], ...], Listed("202")] = (202,)
    """The statuses of such replies."""
    monitor: Annotated[tuple[Annotated[str, MonitorSource()], ...], Listed('"header:Location"')] = (
        "header:Operation-Location",
        "header:Location",
    )
    """Where the monitor's address is, the first that is there."""
    respond_async: Annotated[bool, Flag()] = False
    """Whether the gateway adds `Prefer: respond-async` to the call it sends upstream."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        for name in ("status", "monitor"):
            if not getattr(self, name):
                raise unfit(f"has no {name}, so that nothing ever starts", "leave the key out, or fill it")
        return self


class Monitor(Section):
    """How the monitor is asked."""

    credential: Annotated[bool, Flag()] = False
    """Whether a monitor on the upstream's own origin is asked with the caller's credential."""
    min_interval: Annotated[float, Seconds(0, HOUR)] = 0.0
    """The shortest time between two polls."""
    repeat_headers: Annotated[tuple[Annotated[str, HeaderName()], ...], Listed("x-tenant")] = ()
    """Headers of the call that go along where the credential goes."""

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.repeat_headers and not self.credential:
            raise unfit(
                "has repeat_headers, which go where the credential goes, and credential is false",
                "write credential: true, or leave repeat_headers out",
            )
        return self


class Status(Section):
    """What the monitor's answers mean."""

    field: PointerText | None = None
    """Where the status stands in the answer."""
    running: Words = ()
    succeeded: Words = ()
    failed: Words = ()
    unknown: Annotated[Unknown, Word(Unknown)] = "running"
    """What a word means that is in none of the lists."""
    missing: Annotated[Missing, Word(Missing)] = "trouble"
    """What a 200 means whose body does not have the field."""
    by_code: Annotated[bool, Flag()] = False
    """Whether the HTTP status says it all: 202 running, 200, 201, 204 and 303 succeeded, 4xx failed."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.by_code:
            others = sorted(self.model_fields_set - {"by_code"})
            if others:
                raise unfit(
                    f"has by_code: true, which makes {others[0]} mean nothing",
                    "keep by_code, or the field and its words",
                )
            return self
        if self.field is None:
            raise unfit("does not say where the status is", "write field: /status, or by_code: true")
        if not self.succeeded:
            raise unfit("has no word for success, so that nothing ever ends", "write succeeded: [done]")
        seen: dict[str, str] = {}
        for group, word in chain.from_iterable(
            ((name, word) for word in getattr(self, name)) for name in ("running", "succeeded", "failed")
        ):
            if word in seen:
                raise unfit(f"has {word!r} under {seen[word]} and under {group}", "keep it in one of them")
            seen[word] = group
        return self


class Progress(Section):
    """How far the operation is."""

    field: PointerText | None = None
    """Where the percentage stands in the answer, a number or a text of digits."""


class Result(Section):
    """Where the result is."""

    source: Annotated[tuple[str, ...], ResultSources()] = Field(default=("none",), alias="from")
    """The place, or several, of which the first one there counts."""


class Error(Section):
    """Why it failed, in the answer that says so."""

    field: PointerText = "/error"
    """The error: an object that is handed on, or a text that becomes its message."""
    code: PointerText | None = None
    """Where its code stands, if not in the error's `code`. From the top of the answer."""
    message: PointerText | None = None
    """Where its message stands, if not in the error's `message`. From the top of the answer."""
    transient: Words = ()
    """Codes with which nothing has failed: it is asked again."""


class Way(Section):
    """Another way to begin, tried where those before find no monitor; what it leaves out is as in the dialect."""

    start: Start
    status: Status | None = None
    progress: Progress | None = None
    result: Result | None = None
    error: Error | None = None


@dataclass(frozen=True, slots=True)
class CompleteWay:
    """A way to begin, with all that was left out."""

    start: Start
    status: Status
    progress: Progress
    result: Result
    error: Error


class Declaration(Section):
    """One dialect."""

    name: Annotated[str, Name()]
    match: Match
    start: Start = Start()
    monitor: Monitor = Monitor()
    status: Status
    progress: Progress = Progress()
    result: Result = Result()
    error: Error = Error()
    otherwise: Annotated[tuple[Way, ...], Listed("{start: …}")] = ()
    """More ways in which the same calls may begin."""

    @property
    def ways(self) -> tuple[CompleteWay, ...]:
        """All ways to begin, in the order in which they are tried."""
        own = CompleteWay(self.start, self.status, self.progress, self.result, self.error)
        others = (
            CompleteWay(
                way.start,
                way.status or own.status,
                way.progress or own.progress,
                way.result or own.result,
                way.error or own.error,
            )
            for way in self.otherwise
        )
        return (own, *others)
