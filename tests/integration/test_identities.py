"""Whoever is not the operation's caller: whatever they show, in whichever state it is, they learn nothing.

Each case is tried twice: on an operation that exists, and on an id, or with a call, that nobody knows. The two answers
have to be equal byte for byte, but for the ids and dates that every answer has of its own.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fakes.canary import jwt
from fakes.origin import Line
from fakes.records import operation as record
from fakes.wire import Message
from passage import SHIPPED, Passage, passing

from gateway import sameness
from gateway.auth import Caller
from gateway.dialects import canonical_target
from gateway.http.tickets import Purpose, Tickets
from gateway.model import Operation, Problem, State

CLAIMS = {"tid": "contoso", "oid": "ana", "appid": "app", "name": "Ana"}
ANAS = f"Bearer {jwt(**CLAIMS)}".encode()
TARGET = "/v1.0/me/drive/items/A/copy"
TYPE = b"application/json"


def unsigned(**claims: object) -> str:
    parts = (json.dumps({"alg": "none"}), json.dumps(claims))
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts) + "."


STRANGERS: dict[str, bytes | None] = {
    "nobody": None,
    "another user": f"Bearer {jwt(**CLAIMS | {'oid': 'ben'})}".encode(),
    "the same user id of another tenant": f"Bearer {jwt(**CLAIMS | {'tid': 'fabrikam'})}".encode(),
    "another app of hers": f"Bearer {jwt(**CLAIMS | {'appid': 'other'})}".encode(),
    "a forged signature": ANAS.rpartition(b".")[0] + b".forged",
    "no signature": f"Bearer {unsigned(**CLAIMS)}".encode(),
    "more claims": f"Bearer {jwt(**CLAIMS, roles=['admin'])}".encode(),
    "claims that stand twice": b"Bearer e30."
    + base64.urlsafe_b64encode(json.dumps(CLAIMS).replace("{", '{"oid":"ben",', 1).encode()).rstrip(b"=")
    + b".x",
    "half of her token": ANAS[: len(ANAS) // 2],
    "her token and more": ANAS + b"x",
    "her token under another scheme": ANAS.replace(b"Bearer", b"PoP"),
    "an opaque token": b"Bearer opaque",
    "an empty token": b"Bearer",
    "a name and a password": b"Basic YW5hOnB3",
    "the digest of her token": b"Bearer " + sameness.credential_digest(ANAS).encode(),
}
GENUINE = [
    ANAS,
    *(STRANGERS[who] for who in STRANGERS if who.startswith(("another user", "the same", "another app"))),
]
"""Tokens that the upstream takes: their owners may see the very item that is copied, and not the operation."""
STATES: dict[str, dict[str, object]] = {
    "reserved": {"state": State.RESERVED},
    "submitting": {"state": State.SUBMITTING},
    "running": {"state": State.RUNNING, "monitor": "https://contoso.sharepoint.com/1", "percent": 27.0},
    "result": {"state": State.RESULT, "resource": "/v1.0/me/drive/items/B", "resource_id": "B"},
    "succeeded": {"state": State.SUCCEEDED, "resource": "/v1.0/me/drive/items/B", "resource_id": "B"},
    "delivered": {"state": State.SUCCEEDED, "resource": "/v1.0/me/drive/items/B", "delivered_at": 1.0},
    "no result": {"state": State.SUCCEEDED, "report": '{"status":"completed"}'},
    "failed": {
        "state": State.FAILED,
        "problem": Problem(507, "quotaLimitReached", '{"code":"quotaLimitReached"}'),
    },
    "lost": {"state": State.LOST, "problem": Problem(502, "operationNotFound", '{"code":"x"}')},
    "unknown": {"state": State.UNKNOWN},
}


@dataclass(frozen=True)
class Ask:
    """One way to ask about an operation."""

    method: str
    tail: str = ""
    ticket: str | None = None

    def raw(self, operation_id: str, authorization: bytes | None) -> bytes:
        query = f"?ticket={self.ticket}" if self.ticket is not None else ""
        start = f"{self.method} /_gateway/operations/{operation_id}{self.tail}{query} HTTP/1.1"
        lines = [start.encode(), b"Host: g", b"Content-Length: 0", b"Prefer: wait=0"]
        if authorization is not None:
            lines.append(b"Authorization: " + authorization)
        return b"\r\n".join([*lines, b"", b""])


def asks(tickets: Tickets, operation: Operation) -> Iterator[Ask]:
    """Every route, without a ticket and with those that do not help."""
    owner = Caller(operation.principal, operation.starter)
    end = 4e9
    for method, tail, purpose in (
        ("GET", "", Purpose.STATUS),
        ("HEAD", "", Purpose.STATUS),
        ("GET", "/result", Purpose.RESULT),
        ("POST", "/result", Purpose.RESULT),
    ):
        other = Purpose.RESULT if purpose is Purpose.STATUS else Purpose.STATUS
        genuine = tickets.write(operation.id, purpose, owner, end)
        yield Ask(method, tail)
        for ticket in (
            "",
            "A" * len(genuine),
            genuine[:-2] + ("AA" if not genuine.endswith("AA") else "BB"),
            tickets.write(operation.id, other, owner, end),
            tickets.write(operation.id, purpose, owner, 1.0),
            tickets.write("f" * 32, purpose, owner, end),
            Tickets(b"another secret").write(operation.id, purpose, owner, end),
        ):
            yield Ask(method, tail, ticket)


def genuine(tickets: Tickets, operation: Operation) -> Iterator[Ask]:
    owner = Caller(operation.principal, operation.starter)
    yield Ask("GET", "", tickets.write(operation.id, Purpose.STATUS, owner, 4e9))
    yield Ask("GET", "/result", tickets.write(operation.id, Purpose.RESULT, owner, 4e9))


async def graph(line: Line) -> None:
    """Takes a few tokens, and lets each see everything."""
    while True:
        asked = await line.request()
        if asked.get(b"authorization") in GENUINE:
            await line.send(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"B"}')
        else:
            await line.send(b"HTTP/1.1 401 X\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\n{}")


def normal(answer: Message) -> bytes:
    """Without ids and dates."""
    text = re.sub(rb"[0-9a-f]{32}", b"<id>", answer.raw)
    return re.sub(rb'"date": ?"[^"]*"', b'"date":"<date>"', text)


async def planted(passage: Passage, number: int, state: dict[str, object], body: bytes) -> Operation:
    """An operation of ana's in this state, started by the call with this body."""
    principal = sameness.principal_of(ANAS)
    fingerprint = sameness.fingerprint("POST", passage.origin.url, canonical_target(TARGET), TYPE, body)
    key = sameness.dedupe_key(
        await passage.gateway.store.secret(),
        "passthrough",
        principal,
        idempotency_key=None,
        fingerprint=fingerprint,
    )
    now = passage.gateway.clock.now()
    common = {
        "key": key,
        "fingerprint": fingerprint,
        "principal": principal,
        "created_at": now,
        "ended_at": now,
    }
    planted = record(0xABC000 + number, starter=sameness.credential_digest(ANAS), **common)
    planted = replace(planted, **state)  # type: ignore[arg-type] # fields of an Operation
    assert await passage.gateway.store.claim(planted, replaces=None)
    return planted


def copy(body: bytes, authorization: bytes | None) -> bytes:
    lines = [f"POST {TARGET} HTTP/1.1".encode(), b"Host: g", b"Content-Type: " + TYPE]
    lines.append(b"Content-Length: %d" % len(body))
    if authorization is not None:
        lines.append(b"Authorization: " + authorization)
    return b"\r\n".join([*lines, b"", body])


def test_strangers_learn_nothing() -> None:
    async def story(passage: Passage) -> None:
        tickets = Tickets(await passage.gateway.store.secret())
        cases = 0
        caller = await passage.caller()
        for number, (name, state) in enumerate(STATES.items()):
            operation = await planted(passage, number, state, b'{"name":"%d"}' % number)
            for who, authorization in STRANGERS.items():
                tries = [*asks(tickets, operation)]
                if authorization is not None:  # without one, a genuine ticket is enough
                    tries += genuine(tickets, operation)
                for ask in tries:
                    answer = await caller.ask(ask.raw(operation.id, authorization))
                    unknown = await caller.ask(ask.raw("0" * 32, authorization))
                    assert answer.status == 404, (name, who, ask)
                    assert normal(answer) == normal(unknown), (name, who, ask)
                    cases += 1
        assert cases > 4000
        assert passage.observer.changes == [], "nothing was moved either"
        print(f"{cases} cases")

    passing(story, graph, loops=SHIPPED)


def test_strangers_who_send_the_same_call_learn_nothing() -> None:
    """What the upstream says of a call that nobody has sent before, and not a byte more."""

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        for number, (name, state) in enumerate(STATES.items()):
            body = b'{"name":"%d"}' % number
            operation = await planted(passage, number, state, body)
            for turn, (who, authorization) in enumerate(STRANGERS.items()):
                fresh = b'{"name":"new-%d-%d"}' % (number, turn)
                answer = await caller.ask(copy(body, authorization))
                unknown = await caller.ask(copy(fresh, authorization))
                assert answer.status == (200 if authorization in GENUINE else 401), (name, who)
                assert normal(answer) == normal(unknown), (name, who)
            current = await passage.gateway.store.get(operation.id)
            assert current == operation, name

    passing(story, graph, loops=SHIPPED)


def test_the_owner_is_told() -> None:
    """The same requests with her token: nothing in them is refused for another reason."""

    async def story(passage: Passage) -> None:
        tickets = Tickets(await passage.gateway.store.secret())
        for number, (name, state) in enumerate(STATES.items()):
            operation = await planted(passage, number, state, b'{"name":"%d"}' % number)
            for ask in (Ask("GET"), Ask("GET", "/result"), *genuine(tickets, operation)):
                answer = await passage.ask(ask.raw(operation.id, ANAS))
                assert answer.status != 404, (name, ask)
                assert operation.id.encode() in answer.raw or ask.tail == "", (name, ask)
                without = await passage.ask(ask.raw(operation.id, None))
                assert (without.status == 404) == (ask.ticket is None), (name, ask)

    passing(story, graph, loops=SHIPPED, polling={"first_delay": 60.0})


async def by_key(line: Line) -> None:
    """An upstream that knows its callers by a header of its own; it makes one copy, which takes for ever."""
    while True:
        asked = await line.request()
        if asked.get(b"x-api-key") != b"anas":
            await line.send(b"HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\n{}")
        elif asked.method == b"POST":
            await line.send(
                b"HTTP/1.1 202 X\r\nLocation: http://127.0.0.1:1/monitor\r\nContent-Length: 0\r\n\r\n"
            )
        else:
            await line.send(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"id":"A"}')


def test_callers_without_a_token_are_not_one_caller() -> None:
    async def story(passage: Passage) -> None:
        def asking(key: str) -> bytes:
            return copy(b'{"name":"x"}', None).replace(
                b"Host: g", b"Host: g\r\nPrefer: wait=0.3\r\nX-Api-Key: " + key.encode()
            )

        started = await passage.ask(asking("anas"))
        assert started.status == 303
        stranger = await passage.ask(asking("bens"))
        assert (stranger.status, stranger.body) == (403, b"{}")
        assert stranger.get(b"gateway-operation") is None
        again = await passage.ask(asking("anas"))
        assert again.get(b"gateway-operation") == started.get(b"gateway-operation"), (
            "the upstream takes her key"
        )
        location = (started.get(b"location") or b"").decode()
        operation = (started.get(b"gateway-operation") or b"").decode()
        for target, key, status in (
            (f"/_gateway/operations/{operation}", "bens", 404),
            (
                f"/_gateway/operations/{operation}",
                "anas",
                404,
            ),  # only a token or a ticket says whose it is here
            (location, "bens", 303),
        ):
            raw = f"GET {target} HTTP/1.1\r\nHost: g\r\nPrefer: wait=0\r\nX-Api-Key: {key}\r\n\r\n"
            assert (await passage.ask(raw.encode())).status == status, target
        assert sum(one.method == b"POST" for one in passage.origin.requests) == 1

    passing(story, by_key, loops=SHIPPED)
