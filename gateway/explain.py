"""Explaining: what the gateway would make of an exchange that somebody recorded, and why.

    lro-gateway check-config gateway.yaml --explain POST /api/reports reply.http poll1.http poll2.http

A recorded answer is a file as `curl -i` writes it: status line, header lines, an empty line, the body as it is decoded.

Rules: what is said comes from what `run` does: the same dialects, the same check of monitor URLs, the same life of an
operation. Nothing is sent, so no address is looked up: a name that leads to a private address is told of as allowed. A
monitor URL is a secret; its query is not shown.

What this module must not do: decide anything of its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import dialects, events, lifecycle
from gateway.config import Config
from gateway.dialects import Capture, Dialect, MonitorRules, find, retry_after
from gateway.dialects.declared import FINAL, NO_MONITOR, Declared
from gateway.dialects.monitor_url import on_upstream
from gateway.model import Call, Headers, Operation, Plan, Receipt, Reply, Report, State, Trouble
from gateway.pacing import Polling

ACCEPTED_AT = 1_800_000_000.0
"""When the recorded exchange is taken to begin; dates in it are read as they stand."""

CHANCE = 0.5
"""In the middle of what pacing leaves to chance."""

_STATUS_LINE = re.compile(r"HTTP/[0-9.]+ +([1-5][0-9]{2})(?: .*)?")
_FIELD_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_LONGEST = 16 * 1024 * 1024

REFUSALS = {
    NO_MONITOR: "not there",
    FINAL: "the reply's own state is final: it names a result, and nothing has to be waited for",
    "malformed": "no URL that a monitor has",
    "scheme": "not https, and monitor.allow_http is false",
    "userinfo": "it has a user name in it",
    "address": "its host is a number that is no plain address",
    "host": "its host is not on monitor.allowed_hosts, and is not the upstream's",
    "port": "its port is not the one that monitor.allowed_hosts names",
}
"""Why a place is passed over."""


class NotAnExchange(Exception):
    """What was recorded cannot be read; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was recorded."""

    call: Call
    reply: Reply
    polls: tuple[Reply, ...] = ()


def recorded(words: Sequence[str]) -> Exchange:
    """The exchange in METHOD PATH REPLY [MONITOR_REPLY …]. Raises `NotAnExchange`."""
    if len(words) < 3:
        raise NotAnExchange("METHOD, PATH and the file of a reply are needed: POST /api/reports reply.http")
    method, target, *files = words
    if not target.startswith("/"):
        raise NotAnExchange(f"{target!r} is no path; write one such as /api/reports?x=1")
    first, *others = (read_reply(Path(file)) for file in files)
    json: Headers = ((b"Content-Type", b"application/json"),)
    return Exchange(Call(method.upper(), target, json), first, tuple(others))


def read_reply(file: Path) -> Reply:
    """An answer as `curl -i` writes it. Raises `NotAnExchange`."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotAnExchange(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > _LONGEST:
        raise NotAnExchange(f"{file}: is longer than 16 MiB")
    while True:
        head, _, body = data.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        first, *lines = head.decode("latin-1").splitlines() or [""]
        status = _STATUS_LINE.fullmatch(first.strip())
        if status is None:
            raise NotAnExchange(f"{file}:1: must begin with a status line such as HTTP/1.1 202 Accepted")
        if not status[1].startswith("1"):
            break
        data = body  # 100 Continue and the like come before the answer
    headers = []
    for number, line in enumerate(lines, start=2):
        named = _FIELD_LINE.fullmatch(line)
        if named is None:
            raise NotAnExchange(
                f"{file}:{number}: is no header line; write Name: value, and an empty line before the body"
            )
        headers.append((named[1].encode(), named[2].encode("latin-1")))
    return Reply(int(status[1]), tuple(headers), body)


def explain(config: Config, exchange: Exchange) -> Iterator[str]:
    """Say line by line what would happen."""
    call, origin = exchange.call, config.upstream.base_url.rstrip("/")
    yield f"call      {call.method} {_shown(call.target)}"
    asked = dialects.spoken(config.dialects, origin)
    dialect = find(asked, call)
    if dialect is None:
        yield f"dialect   none of {', '.join(one.name for one in asked) or 'none'} knows such a call"
        yield "so        passed through untouched, whatever the reply"
        return
    yield f"dialect   {dialect.name}{_why(dialect)}"
    # Whether a member of the body is needed cannot be told from a method and a path.
    plan = dialect.plan(call)
    if plan is None:
        yield "body      the dialect needs something in the call's body, which is not recorded; nothing more can be told"
        return
    yield from _after(config, exchange, dialect, plan, origin)


def _after(config: Config, exchange: Exchange, dialect: Dialect, plan: Plan, origin: str) -> Iterator[str]:
    monitor = config.monitor
    rules = MonitorRules(origin, monitor.allowed_hosts, monitor.allow_http, monitor.allow_private)
    yield f"reply     {exchange.reply.status}"
    if isinstance(dialect, Declared):
        yield from _considered(dialect, exchange, rules)
    receipt = dialect.receipt(plan, exchange.call, exchange.reply, rules)
    if receipt is None:
        counted = ", and counted as operation_untracked" if exchange.reply.status == 202 else ""
        yield f"so        it starts nothing that can be followed: passed on untouched{counted}"
        return
    chosen = receipt.plan or plan
    if receipt.monitor is None:
        yield f"result    there already: GET {_shown(receipt.resource or '')}"
        return
    whose = "with the caller's credential" if receipt.credential else "without any credential"
    where = "the upstream's own" if on_upstream(receipt.monitor, rules) else "on monitor.allowed_hosts"
    yield f"monitor   GET {_shown(receipt.monitor)}, {whose} ({where})"
    known = {one.name: one for one in dialects.remembered(config.dialects, origin)}
    yield from _followed(config, exchange, known[chosen.dialect], plan, receipt)


def _considered(dialect: Declared, exchange: Exchange, rules: MonitorRules) -> Iterator[str]:
    for one in (dialect, *dialect.others):
        if one.needs_body(exchange.call) is Capture.NO:
            continue
        if not any(exchange.reply.status in way.start.status for way in one.ways):
            yield f"  {one.name}: a {exchange.reply.status} starts nothing"
        for place in one.consider(exchange.call, exchange.reply, rules):
            found = "" if place.url is None else f"{_shown(place.url)}: "
            told = "taken" if place.refusal is None else REFUSALS[place.refusal]
            yield f"  {one.name}: {place.source}: {found}{told}"
            if place.refusal is None:
                return


def _followed(
    config: Config, exchange: Exchange, dialect: Dialect, plan: Plan, receipt: Receipt
) -> Iterator[str]:
    """Live through the operation's life, with a clock that never has to wait."""
    polling = Polling(
        first_delay=config.polling.first_delay,
        min_interval=config.polling.min_interval,
        max_interval=config.polling.max_interval,
        lost_after=config.polling.lost_after,
    )
    now = ACCEPTED_AT
    operation = Operation(
        id="", key="", fingerprint="", principal="", starter="", keyed=False, plan=plan, created_at=now
    )
    wish = next((value for name, value in exchange.reply.headers if name.lower() == b"retry-after"), b"")
    accepted = events.Accepted(receipt, (), CHANCE, dialect.floor, retry_after.parse(wish, now))
    operation = lifecycle.advance(operation, events.Sending(), now, polling=polling)
    operation = lifecycle.advance(operation, accepted, now, polling=polling)
    for number, reply in enumerate(exchange.polls, start=1):
        due = operation.next_poll_at or now
        yield f"          asked {_seconds(due - now)} later"
        before, now = operation.monitor, due
        reading = dialect.read(operation.plan, reply, now)
        event = lifecycle.hear(operation, reading, now, polling=polling, chance=CHANCE, floor=dialect.floor)
        operation = lifecycle.advance(operation, event, now, polling=polling)
        yield f"poll {number}    {reply.status}: {_told(reading)}"
        if operation.monitor not in {before, None}:
            yield f"          the monitor is at {_shown(operation.monitor or '')} from now on"
        if operation.state is not State.RUNNING:
            yield from _ended(operation)
            return
    yield f"          asked {_seconds((operation.next_poll_at or now) - now)} later; no more answers are recorded"


def _ended(operation: Operation) -> Iterator[str]:
    if operation.problem is not None:
        yield f"result    the caller gets {operation.problem.status} with {operation.problem.error}"
    elif operation.resource is not None or operation.plan.named is not None:
        yield f"result    GET {_shown(operation.resource or operation.plan.named or '')}, with each caller's own credential"
    elif operation.plan.inside:
        yield "result    the monitor's own answer, fetched again with each caller's own credential"
    elif operation.report:
        yield f"result    the caller gets 200 with the final report, of {len(operation.report)} characters"
    else:
        yield "result    the caller gets 204: there is no result, and the final report has no body"


def _why(dialect: Dialect) -> str:
    if not isinstance(dialect, Declared):
        return ""
    match = dialect.declaration.match
    return f": {', '.join(match.methods)} and {match.path.text} match"


def _told(reading: Report | Trouble) -> str:
    wait = "" if reading.retry_after is None else f", Retry-After {_seconds(reading.retry_after)}"
    if isinstance(reading, Trouble):
        code = "" if reading.code is None else f" ({reading.code})"
        return f"tells nothing of the operation: {reading.ailment}{code}, asked again{wait}"
    percent = "" if reading.percent is None else f", {reading.percent:g} %"
    word = f" ({reading.status})" if reading.status else ""
    return f"{reading.progress}{word}{percent}{wait}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"


def _shown(url: str) -> str:
    """A URL without what may be a secret."""
    path, mark, _ = url.partition("?")
    return path + ("?…" if mark else "")
