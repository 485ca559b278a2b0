"""The targets: each takes any bytes at all and fails only where the gateway is wrong.

Rules: a target has no memory, no clock and no chance, so that an input that broke it breaks it again. Each has a few
seeds: ordinary inputs, from which a fuzzer finds its way to the others.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from yarl import URL

from gateway import guard
from gateway.auth.cookies import Cookies
from gateway.config import Dialects
from gateway.dialects import KNOWN, PRESETS, canonical_target, find, spoken
from gateway.dialects import retry_after as retry_after_header
from gateway.dialects.address import moved
from gateway.dialects.declared import Declared
from gateway.dialects.document import read_answer, read_body
from gateway.dialects.monitor_url import MonitorRules, check, origin_of, shown
from gateway.dialects.receipt import resolve
from gateway.http.batch_text import Content, Unreadable, read_requests, read_responses
from gateway.model import Call, Operation, Plan, Reply, Report, Sample
from gateway.store.record import RecordUnreadable, decode, encode
from gateway.store.sealed import Seals
from gateway.telemetry.redaction import redacted

Target = Callable[[bytes], None]

NOW = 1_800_000_000.0
RULES = MonitorRules(
    "https://graph.microsoft.com", ("graph.microsoft.com", "*.sharepoint.com", "api.onedrive.com")
)
CHOSEN = Dialects.model_validate({"enabled": [], "presets": PRESETS})
DECLARED = [one for one in spoken(CHOSEN, RULES.upstream_origin) if isinstance(one, Declared)]
SEALS = Seals([b"k" * 32])
MONITOR = "https://contoso.sharepoint.com/_api/v2.0/monitor/1"
PLAIN = Operation(
    id="0" * 32,
    key="key",
    fingerprint="fingerprint",
    principal="principal",
    starter="starter",
    keyed=False,
    plan=Plan(dialect="drive", kind="itemCopy", version="v1.0", source="/v1.0/me/drive/items/A"),
    created_at=NOW,
)


def target(data: bytes) -> None:
    """The canonical spelling of a target is its own, and dialects see the target and the spelling alike."""
    text = data.decode("utf-8", "surrogateescape")
    spelling = canonical_target(text)
    assert canonical_target(spelling) == spelling
    assert find(KNOWN, Call("POST", text, ())) is find(KNOWN, Call("POST", spelling, ()))
    if "%" not in text:
        path, mark, query = text.partition("?")
        escaped = "".join(f"%{ord(char):02x}" if "a" <= char <= "z" else char for char in path)
        assert canonical_target(escaped + mark + query) == spelling


def monitor_url(data: bytes) -> None:
    """What may be polled is where two other parsers see it too; what is logged of it holds no query."""
    url = data.decode("latin-1")
    assert "tempauth" not in shown(url.replace("tempauth", "") + "?tempauth=1")
    if check(url, RULES) is None:
        _on_the_list(url)


def location(data: bytes) -> None:
    """So it is with a Location header, relative ones included."""
    url = resolve(data, "v1.0", RULES)
    if url is not None:
        _on_the_list(url)
        assert "\n" not in url
        assert "\r" not in url


def _on_the_list(url: str) -> None:
    split, parsed, origin = urlsplit(url), URL(url, encoded=True), origin_of(url)
    assert origin is not None
    assert {split.hostname, (parsed.host or "").lower()} == {origin.host}
    assert origin.host in {"graph.microsoft.com", "api.onedrive.com"} or origin.host.endswith(
        ".sharepoint.com"
    )
    assert (split.scheme, parsed.scheme, split.port or 443, parsed.port) == ("https", "https", 443, 443)
    assert (split.username, parsed.user) == (None, None)


def retry_after(data: bytes) -> None:
    """A wait is a number that can be waited for, or nothing."""
    seconds = retry_after_header.parse(data, NOW)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


def record(data: bytes) -> None:
    """A stored record is read back exactly or not at all, damaged ones and those whose digest was made anew."""
    digest = hashlib.sha256(data).hexdigest()[:16].encode()
    for text in (data, b'{"schema":1,"check":"%b","operation":%b}' % (digest, data)):
        try:
            operation = decode(text, operation_id=PLAIN.id, key=PLAIN.key, seals=SEALS)
        except RecordUnreadable as error:
            assert "\n" not in str(error)  # noqa: PT017 - a target is no test
        else:
            again = decode(encode(operation, SEALS), operation_id=PLAIN.id, key=PLAIN.key, seals=SEALS)
            assert repr(again) == repr(operation)  # not ==: a number may be NaN


def document(data: bytes) -> None:
    """JSON that somebody else wrote is read or refused, however deep and however long its numbers."""
    answer = read_answer(data)
    assert answer is None or read_answer(answer.text.encode("utf-8", "surrogatepass")) is not None
    read_body(data)


def declared(data: bytes) -> None:
    """Whatever a monitor answers, a declared dialect makes a report or a trouble of it, and no target elsewhere."""
    head, _, body = data.partition(b"\n")
    status = 100 + int.from_bytes(head[:2], "big") % 500
    reply = Reply(status, ((b"Location", head[2:]), (b"Operation-Location", head[2:])), body)
    for one in DECLARED:
        call = Call("POST", "/a/b?c", ())
        receipt = one.receipt(one.plan(call) or PLAIN.plan, call, reply, RULES)
        assert receipt is None or receipt.monitor is None or check(receipt.monitor, RULES) is None
        for way in range(len(one.ways)):
            reading = one.read(Plan(one.name, one.name, "", "/a/b?c", way=way), reply, NOW)
            if isinstance(reading, Report) and reading.resource is not None:
                assert origin_of(RULES.upstream_origin + reading.resource) == origin_of(RULES.upstream_origin)
            if isinstance(reading, Report) and reading.moved is not None:
                assert origin_of(moved(MONITOR, reading.moved)) == origin_of(MONITOR)


def request(data: bytes) -> None:
    """The guard has a word for everything; what it lets through keeps its place below the upstream's origin."""
    line, _, rest = data.partition(b"\n")
    lines = [one.partition(b":") for one in rest.split(b"\n")] if rest else []
    head = guard.RequestHead(
        method="GET",
        target=line.decode("utf-8", "surrogateescape"),
        version=(1, 1),
        headers=((b"Host", b"g"), *((name, value) for name, _, value in lines)),
    )
    refusal = guard.check(head)
    if refusal is None:
        form = guard.origin_form(head.target)
        assert form.startswith("/")
        assert not {"..", "."} & set(form.partition("?")[0].split("/"))
    else:
        assert refusal.reason in guard.REASONS


def cookie(data: bytes) -> None:
    """Whatever a reply sets, what goes back is one line of printable ASCII, or nothing."""
    cookies = Cookies(size=1, keep=60.0, now=lambda: NOW, monotonic=lambda: 0.0)
    cookies.heard("a", MONITOR, tuple((b"Set-Cookie", line) for line in data.split(b"\n")))
    for _, value in cookies.line("a", MONITOR):
        assert value.isascii()
        assert value.decode().isprintable()


def log(data: bytes) -> None:
    """Redaction never fails, and no token gets past it."""
    text = data.decode("utf-8", "replace")
    assert "eyJhbGciOiJub25lIn0.e30" not in redacted(f"{text} eyJhbGciOiJub25lIn0.e30.x")


def batch(data: bytes) -> None:
    """A batch that can be read is found piece by piece in its text, and splicing leaves the rest of it alone."""
    with suppress(Unreadable):
        asked = read_requests(data)
        assert [one.id for one in read_requests(asked.only(asked.all).encode()).all] == [
            one.id for one in asked.all
        ]
        assert all(one.text in asked.text for one in asked.all)
    with suppress(Unreadable):
        answer = read_responses(data)
        assert answer.spliced({}, []) == data.decode()
        new = Content(200, ((b"A", b"b"),), b"x")
        again = read_responses(answer.spliced(dict.fromkeys(answer.all, new), []).encode())
        assert [one.id for one in again.all.values()] == [one.id for one in answer.all.values()]
        assert all(one.status == 200 and one.body == b"x" for one in again.all.values())


TARGETS: Mapping[str, tuple[Target, tuple[bytes, ...]]] = {
    "batch": (
        batch,
        (
            b'{"requests": [{"id": "1", "method": "GET", "url": "/me"}, {"id":"2","method":"POST","url":"x","body":{}}]}',
            b'{"responses":[{"id":"1","status":202,"headers":{"Location":"x"}} ,{"status":200,"id":"2","body":[1.0]}]}',
        ),
    ),
    "declared": (
        declared,
        (
            b'\x00\x66/jobs/1\n{"status": "Succeeded", "resourceLocation": "/r"}',
            b'\x00\x64https://graph.microsoft.com/x\n{"properties": {"provisioningState": "Creating"}}',
            b'\x01\x90../x\n{"issue": [{"code": "transient", "diagnostics": "d"}], "error": {"code": 1}}',
        ),
    ),
    "target": (
        target,
        (
            b"/v1.0/me/drive/items/A/copy",
            b"/V1.0/drives('x')/root%3A%2Fa.txt%3A/microsoft.graph.copy()?@microsoft.graph.conflictBehavior=Rename",
        ),
    ),
    "monitor_url": (
        monitor_url,
        (
            b"https://contoso.sharepoint.com:443/_api/v2.0/monitor/1?tempauth=x",
            b"https://api.onedrive.com/monitor/1",
            b"https://evil.test\\@graph.microsoft.com/",
            b"https://[::ffff:7f00:1]/",
        ),
    ),
    "location": (location, (b"/teams('1')/operations('2')", b"https://contoso.sharepoint.com/_api/1, ")),
    "retry_after": (
        retry_after,
        (b"120", b"2.128", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Sun Nov  6 08:49:37 1994"),
    ),
    "record": (
        record,
        tuple(
            encode(operation, Seals([])).partition(b'"operation":')[2][:-1]
            for operation in (
                PLAIN,
                replace(PLAIN, monitor=MONITOR, percent=1.5, samples=(Sample(1.0, 2.0),)),
            )
        ),
    ),
    "document": (document, (b'{"status":"completed","percentageComplete":1e2,"x":[NaN]}', b"[" * 200)),
    "request": (request, (b"/v1.0/me?$filter=a\nAuthorization: Bearer x\nContent-Length: 2",)),
    "cookie": (
        cookie,
        (b"a=b; Path=/; Secure; Max-Age=60; Domain=sharepoint.com\nc=d; Expires=Wed, 09 Jun 2100",),
    ),
    "log": (log, (b"Bearer x https://u:p@h/monitor/1?tempauth=x ticket=y Cookie: z",)),
}
"""By name: the target, and its seeds."""


def every(data: bytes) -> None:
    """All targets in one: the first byte says which."""
    names = sorted(TARGETS)
    if data:
        TARGETS[names[data[0] % len(names)]][0](data[1:])


def seeds(name: str) -> list[bytes]:
    """Of a target, or of `every`."""
    if name != "every":
        return list(TARGETS[name][1])
    return [bytes([number]) + seed for number, one in enumerate(sorted(TARGETS)) for seed in TARGETS[one][1]]
