"""The express lane: what goes by it looks, on both sides, as if it had gone the ordinary way."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from fakes.errors import assert_own_error
from fakes.origin import Line, Script, answering
from fakes.wire import Message
from passage import Passage, passing, turn

from gateway.http.connection import Connection
from gateway.http.express import Express, Ride
from gateway.http.express import Line as Callers
from gateway.http.shortway import ShortWay
from gateway.http.ticket import Ticket

TOKEN = b"Bearer " + b"aB3d" * 375
LINES = (
    b"Host: g\r\nAuthorization: "
    + TOKEN
    + b"\r\nX-Odd:  a \t\r\nX-Odd: b\r\nconnection: Keep-Alive, X-Gone\r\nx-gone: 1\r\n\r\n"
)
GET = b"GET /v1.0/me?$select=a%20b HTTP/1.1\r\n" + LINES
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"

Taken = list[tuple[str, bool]]
"""Which way was tried for each call (`parsed` or `again`), and whether the call went it."""


class Counting(Express):
    """Tells which call went by it."""

    def __init__(self, express: Express, taken: Taken) -> None:
        super().__init__(express._parts)
        self.taken = taken

    def board(
        self, line: Callers, message: RawRequestMessage, body: StreamReader, head: bytes
    ) -> Ride | None:
        ride = super().board(line, message, body, head)
        self.taken.append(("parsed", ride is not None))
        return ride

    def board_again(self, line: Callers, ticket: Ticket, head: bytes) -> Ride | None:
        ride = super().board_again(line, ticket, head)
        self.taken.append(("again", ride is not None))
        return ride


def watched(passage: Passage) -> Taken:
    """From now on, which way the calls of new connections go."""
    taken: Taken = []
    server = passage.gateway.callers._server
    assert server.express is not None
    server.express = Counting(server.express, taken)
    return taken


def riding(story: Callable[[Passage, Taken], Awaitable[None]], script: Script, **sections: Any) -> None:
    async def played(passage: Passage) -> None:
        await story(passage, watched(passage))

    passing(played, script, **sections)


async def in_row(passage: Passage, raw: bytes, times: int) -> list[Message]:
    caller = await passage.caller()
    answers = []
    for _ in range(times):
        answers.append(await caller.ask(raw))
        await passage.at_rest()
    return answers


# --- the same bytes ------------------------------------------------------------------------------------------

ANSWERS = {
    "small": OK,
    "not found": b"HTTP/1.1 404 Not Found\r\nrequest-id: x\r\nContent-Length: 0\r\n\r\n",
    "odd lines": b"HTTP/1.1 200 Very Well\r\nX-A:  b \r\nx-a: c\r\nConnection: x-gone\r\nX-Gone: 1\r\nContent-Length: 1\r\n\r\nx",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n",
    "chunked and empty": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
    "large": b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + b"x" * 700_000,
    "the last one": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: https://a.example/b?c\r\nContent-Length: 0\r\n\r\n",
}


CALLS = {
    "GET": GET,
    "HEAD": GET.replace(b"GET", b"HEAD", 1),
    "DELETE": GET.replace(b"GET", b"DELETE", 1),
    "PATCH": GET.replace(b"GET", b"PATCH", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n{ }"),
    "POST": GET.replace(b"GET", b"POST", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    "PUT": GET.replace(b"GET", b"PUT", 1).replace(
        b"\r\n\r\n", b"\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    ),
    "GET with a body": GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n{ }"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("raw", CALLS.values(), ids=CALLS)
def test_the_bytes_are_those_of_the_ordinary_way(answer: bytes, raw: bytes) -> None:
    if raw.startswith(b"HEAD"):
        answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    async def story(passage: Passage, taken: Taken) -> None:
        express, passage.gateway.callers._server.express = passage.gateway.callers._server.express, None
        (ordinary,) = await in_row(passage, raw, 1)
        passage.gateway.callers._server.express = express
        assert not taken
        rides = await in_row(passage, raw, 3)
        assert [ride.raw for ride in rides] == [ordinary.raw] * 3
        assert ("parsed", True) in taken or b"Connection: close" in answer
        records = [await passage.record() for _ in range(4)]
        sights = [replace(one, request_id="", started=0.0) for one in records]
        assert sights == [sights[0]] * 4
        assert len({one.request_id for one in records}) == 4
        assert {one.raw for one in passage.origin.requests} == {passage.origin.requests[0].raw}
        assert len(passage.origin.requests) == 4

    riding(story, answering(answer))


def test_the_second_call_with_the_same_lines_is_not_parsed_again() -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        for target in (b"/v1.0/a", b"/v1.0/b?x='y'", b"/v1.0/c"):
            answer = await caller.ask(b"GET " + target + b" HTTP/1.1\r\n" + LINES)
            assert answer.body == b"ok"
            await passage.at_rest()
        assert taken == [("parsed", True), ("again", True), ("again", True)]
        assert [head.start.split()[1] for head in passage.origin.heads] == [
            b"/v1.0/a", b"/v1.0/b?x='y'", b"/v1.0/c",
        ]  # fmt: skip
        changed = LINES.replace(b"aB3d\r\n", b"aB3e\r\n")
        assert (await caller.ask(b"GET /v1.0/d HTTP/1.1\r\n" + changed)).body == b"ok"
        assert taken[3:] == [("again", False), ("parsed", True)]
        assert passage.origin.heads[3].get(b"authorization") == TOKEN[:-1] + b"e"

    riding(story, answering(OK))


ID = b"5e3a1d5c-1f2e-4c55-9d6b-0f2d8a1e7c11"


def test_ids_that_are_new_with_each_call_are_passed_on() -> None:
    def call(name: bytes, one: bytes, other: bytes) -> bytes:
        more = b"\r\n" + name + b": " + one + b"\r\nTraceparent: " + other + b"\r\nAccept: */*\r\n\r\n"
        return b"GET /v1.0/a HTTP/1.1\r\n" + LINES.replace(b"\r\n\r\n", more)

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()

        async def asked(*values: bytes) -> bool:
            before = len(passage.origin.heads)
            assert (await caller.ask(call(*values))).body == b"ok"
            await passage.at_rest()
            (head,) = passage.origin.heads[before:]
            assert (head.get(b"client-request-id"), head.get(b"traceparent")) == values[1:]
            assert (head.get(b"authorization"), head.get(b"accept"), head.get(b"x-gone")) == (
                TOKEN,
                b"*/*",
                None,
            )
            return taken[-1] == ("again", True)

        name = b"client-request-id"
        assert not await asked(name, ID, ID)
        assert await asked(name, ID[::-1], ID)
        assert await asked(name, ID, ID[::-1])
        assert not await asked(name, ID[1:], ID)  # of another length
        assert not await asked(name.upper(), ID[1:], ID)
        assert await asked(name.upper(), ID[2:] + b"!", ID)
        assert not await asked(
            name, ID[:5] + b" " + ID[6:], ID
        )  # read, and passed on; no ticket is made of it
        assert await asked(name, ID[:5] + b" " + ID[6:], ID)

    riding(story, answering(OK))


@pytest.mark.parametrize(
    "value", [b"a\r\nX-New: 1" + b"c" * 24, b"a\nb", b"a\x00", b"a\x7f", b"a\rb", b"a b"]
)
def test_nothing_hides_in_an_id(value: bytes) -> None:
    """What would be another line is read as one, and what is no value is refused."""
    start = b"GET /v1.0/a HTTP/1.1\r\nHost: g\r\nX-Request-Id: "

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        for _ in range(2):
            assert (await caller.ask(start + b"i" * len(value) + b"\r\n\r\n")).body == b"ok"
            await passage.at_rest()
        answer = await caller.ask(start + value + b"\r\n\r\n")
        assert ("again", True) in taken
        assert taken[-1] != ("again", True)
        if answer.status == 200:
            assert value.partition(b"\r\n")[0] == passage.origin.heads[2].get(b"x-request-id")
        else:
            assert len(passage.origin.heads) == 2

    riding(story, answering(OK))


def test_a_head_that_came_in_two_parts_is_no_pattern_for_later_ones() -> None:
    """Its last part may look like a request of its own."""

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        await caller.send(b"GET /a HTTP/1.1\r\nHost: g\r\nX: ")
        await turn()
        last = b"GET /b HTTP/1.1\r\nHost-Of: h\r\n\r\n"
        assert (await caller.ask(last)).body == b"ok"
        await passage.at_rest()
        assert_own_error(
            await caller.ask(last), 400, "invalidRequest", "http_request_error"
        )  # it has no Host
        assert len(passage.origin.heads) == 1
        assert ("again", True) not in taken

    riding(story, answering(OK))


# --- what does not go this way ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"GET /a/../b HTTP/1.1", 400),
        (b"GET /a\\b HTTP/1.1", 400),
        (b"GET /a#b HTTP/1.1", 400),
        (b"GET /a%00b HTTP/1.1", 400),
        (b"GET /" + b"a" * 8200 + b" HTTP/1.1", 414),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET /_gateway/operations/0 HTTP/1.1", 404),
        (b"get /a HTTP/1.1", 501),
        (b"GET http://elsewhere/a HTTP/1.1", 400),
    ],
)
def test_what_is_new_in_a_call_is_looked_at(start: bytes, status: int) -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        for _ in range(2):
            assert (await caller.ask(GET)).body == b"ok"
            await passage.at_rest()
        assert (await caller.ask(start + b"\r\n" + LINES)).status == status
        assert len(passage.origin.heads) == 2

    riding(story, answering(OK))


@pytest.mark.parametrize(
    "raw",
    [
        GET.replace(b"GET", b"OPTIONS", 1),
        GET.replace(b"Host: g", b"Host: g\r\nTransfer-Encoding: chunked") + b"0\r\n\r\n",
        GET.replace(b"Host: g", b"Host: g\r\nExpect: 100-continue"),
        GET.replace(b"Keep-Alive, X-Gone", b"close"),
        GET.replace(b"Keep-Alive, X-Gone", b"Upgrade\r\nUpgrade: h2c"),
        b"GET /v1.0/me HTTP/1.0\r\nHost: g\r\n\r\n",
        b"GET http://g/v1.0/me HTTP/1.1\r\nHost: g\r\n\r\n",
    ],
)
def test_anything_but_a_plain_read_goes_the_ordinary_way(raw: bytes) -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        (answer,) = await in_row(passage, raw, 1)
        assert answer.body == b"ok"
        assert taken == [("parsed", False)]

    riding(story, answering(OK))


def test_a_read_that_may_start_an_operation_goes_the_ordinary_way() -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        await in_row(passage, b"GET /v1.0/Patient/$everything HTTP/1.1\r\nHost: g\r\n\r\n", 1)
        assert taken == [("parsed", False)]
        await in_row(passage, b"GET /v1.0/Patient HTTP/1.1\r\nHost: g\r\n\r\n", 1)
        assert taken[1:] == [("parsed", True)]

    custom = {
        "name": "everything",
        "match": {"methods": ["GET"], "path": r"^/v1.0/Patient/\$everything$"},
        "start": {"status": [202], "monitor": ["header:Content-Location"]},
        "status": {"by_code": True},
    }
    riding(story, answering(OK), dialects={"custom": [custom]})


def test_rules_that_changed_hold_for_the_next_call_of_a_connection() -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        for _ in range(2):
            assert (await caller.ask(GET)).body == b"ok"
            await passage.at_rest()
        config = passage.gateway.callers._parts.config
        auth = config.auth.model_copy(update={"allow": ("GET /v1.0/users/*",)})
        passage.gateway.callers.reload(config.model_copy(update={"auth": auth}))
        assert (await caller.ask(GET)).status == 403
        assert len(passage.origin.heads) == 2

    riding(story, answering(OK))


def test_without_the_key_nobody_boards() -> None:
    key = "k" * 32

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        keyed = GET.replace(b"Host: g", b"Host: g\r\nGateway-Key: " + key.encode())
        for _ in range(2):
            assert (await caller.ask(keyed)).body == b"ok"
            await passage.at_rest()
        assert taken == [("parsed", True), ("again", True)]
        assert passage.origin.heads[1].get(b"gateway-key") is None
        assert (await caller.ask(GET)).status == 401
        assert len(passage.origin.heads) == 2

    riding(story, answering(OK), auth={"caller_keys": [key]})


# --- order -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1])
def test_answers_keep_the_order_of_the_calls(before: int) -> None:
    async def script(line: Line) -> None:
        while True:
            target = (await line.request()).start.split()[1]
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        for _ in range(before):
            await caller.ask(GET)
            await passage.at_rest()
        targets = [b"/%d" % number for number in range(30)]
        await caller.send(b"".join(b"GET " + target + b" HTTP/1.1\r\n" + LINES for target in targets))
        assert [(await caller.answer()).body for _ in targets] == targets

    riding(story, script)


# --- what goes wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2])
def test_a_connection_that_was_dead_already_costs_the_caller_nothing(calls: int) -> None:
    async def script(line: Line) -> None:
        while True:
            await line.request()
            if len(line.origin.requests) == calls:
                line.reset()
                return
            await line.send(OK)

    async def story(passage: Passage, taken: Taken) -> None:
        answers = await in_row(passage, GET, calls)
        assert [answer.body for answer in answers] == [b"ok"] * calls
        assert len(passage.origin.requests) == calls + 1
        assert taken[-1] == (("parsed", "again")[calls - 1], True)
        records = [await passage.record() for _ in range(calls)]
        assert {one.outcome for one in records} == {"answered"}

    riding(story, script)


def test_a_write_is_never_sent_twice() -> None:
    async def script(line: Line) -> None:
        await line.request()
        line.reset()

    async def story(passage: Passage, taken: Taken) -> None:
        (answer,) = await in_row(passage, CALLS["PATCH"], 1)
        assert_own_error(answer, 502, "badGateway", "connection_terminated")
        assert len(passage.origin.requests) == 1
        assert taken == [("parsed", True)]
        record = await passage.record()
        assert (record.status, record.bytes_in) == (502, 3)

    riding(story, script)


def test_a_body_that_comes_in_parts_or_is_large_goes_the_ordinary_way() -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        await caller.send(CALLS["PATCH"][:-1])
        await passage.origin.until(lambda: len(passage.origin.heads) == 1)
        assert (await caller.ask(b"}")).body == b"ok"
        assert passage.origin.requests[0].body == b"{ }"
        large = CALLS["PUT"].replace(b"60000", b"70000") + b"x" * 10_000
        assert (await passage.ask(large)).body == b"ok"
        assert [went for _, went in taken if went] == []

    riding(story, answering(OK))


@pytest.mark.parametrize("path", [b"/v1.0/$batch", b"/beta/%24BATCH", b"/v1.0//$batch/"])
def test_a_batch_goes_the_ordinary_way(path: bytes) -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        await passage.ask(CALLS["POST"].replace(b"/v1.0/me?$select=a%20b", path))
        assert taken == [("parsed", False)]

    riding(story, answering(OK), dialects={"enabled": []})


@pytest.mark.parametrize(
    "path", [b"/v1.0/me/drive/items/1/copy", b"/beta/teams/1/archive", b"/v1.0/drives/1/items/2/children"]
)
def test_what_may_start_an_operation_goes_the_ordinary_way(path: bytes) -> None:
    async def story(passage: Passage, taken: Taken) -> None:
        raw = CALLS["PATCH"].replace(b"PATCH", b"POST").replace(b"/v1.0/me?$select=a%20b", path)
        await passage.ask(raw.replace(b"Host: g", b"Host: g\r\nContent-Type: application/json"))
        assert taken == [("parsed", False)]

    riding(story, answering(OK))


TROUBLES = {
    "malformed": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 502, "UpstreamMalformed"),
    "another protocol": (b"ICY 200 OK\r\n\r\n", 502, "UpstreamMalformed"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", 502, "UpstreamBroken"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("calls", [1, 2])
def test_an_answer_that_is_none_is_the_error_that_it_always_is(trouble: str, calls: int) -> None:
    said, status, _ = TROUBLES[trouble]

    async def script(line: Line) -> None:
        while True:
            await line.request()
            if len(line.origin.requests) < calls:
                await line.send(OK)
                continue
            await line.send(said)
            line.finish()
            return

    async def story(passage: Passage, taken: Taken) -> None:
        answers = await in_row(passage, GET, calls)
        assert answers[-1].status == status
        assert answers[-1].get(b"proxy-status") is not None
        assert taken[-1] == (("parsed", "again")[calls - 1], True)
        assert len(passage.origin.requests) == calls

    riding(story, script)


def test_a_body_that_is_cut_off_is_never_a_short_success() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await turn()
        line.reset()

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        assert (await caller.head()).status == 200
        assert len(await caller.ended()) < 10
        assert (await passage.record()).outcome != "answered"
        assert taken == [("parsed", True)]

    riding(story, script)


def test_an_upstream_that_is_silent_is_given_up() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.ended()

    async def story(passage: Passage, taken: Taken) -> None:
        (answer,) = await in_row(passage, GET, 1)
        assert_own_error(answer, 504, "gatewayTimeout", "http_response_timeout")
        assert taken == [("parsed", True)]

    riding(story, script, upstream={"reply_timeout": 0.1})


@pytest.mark.parametrize("calls", [1, 2])
def test_a_caller_that_leaves_lets_go_of_the_upstream(calls: int) -> None:
    gone: list[Line] = []

    async def script(line: Line) -> None:
        while True:
            await line.request()
            if len(line.origin.requests) == calls:
                await line.ended()
                gone.append(line)
                line.origin.stir()
                return
            await line.send(OK)

    async def story(passage: Passage, taken: Taken) -> None:
        gone.clear()
        caller = await passage.caller()
        for _ in range(calls - 1):
            await caller.ask(GET)
            await passage.record()
            await passage.at_rest()
        await caller.send(GET)
        await passage.origin.until(lambda: len(passage.origin.requests) == calls)
        caller.reset()
        await passage.origin.until(lambda: bool(gone))
        record = await passage.record()
        assert (record.outcome, record.status, record.bytes_out) == ("left", 0, 0)
        await passage.at_rest()
        assert taken[-1] == (("parsed", "again")[calls - 1], True)

    riding(story, script)


def test_an_interim_reply_is_passed_on() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n"

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        first, second = await caller.answer(), await caller.answer()
        assert (first.status, first.get(b"link"), first.get(b"connection")) == (103, b"</a>", None)
        assert second.body == b"ok"
        assert taken == [("parsed", True)]

    riding(story, answering(early + OK))


def test_a_call_that_is_on_its_way_when_the_gateway_stops_is_answered() -> None:
    go: list[bool] = []

    async def script(line: Line) -> None:
        while True:
            await line.request()
            if len(line.origin.requests) > 1:
                await line.origin.until(lambda: bool(go))
            await line.send(OK)

    async def story(passage: Passage, taken: Taken) -> None:
        go.clear()
        caller = await passage.caller()
        await caller.ask(GET)
        await passage.at_rest()
        await caller.send(GET)
        await passage.origin.until(lambda: len(passage.origin.requests) == 2)
        stopping = passage.gateway.tasks.start("stop", passage.gateway.callers.stop(30.0))
        await turn()
        go.append(True)
        passage.origin.stir()
        answer = await caller.answer()
        assert (answer.body, answer.get(b"connection")) == (b"ok", b"close")
        assert await caller.rest() == b""
        await stopping
        assert taken[-1] == ("again", True)

    riding(story, script)


def test_a_caller_that_does_not_read_is_cut() -> None:
    body = b"x" * 180_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def story(passage: Passage, taken: Taken) -> None:
        caller = await passage.caller(slow=True)
        calls = 0
        while passage.gateway.callers.connections:
            try:
                await caller.send(GET)
            except ConnectionError:
                break
            calls += 1
            await turn()
            if calls > 400:
                await turn()
        outcomes = {
            passage.observer.records.get_nowait().outcome for _ in range(passage.observer.records.qsize())
        }
        assert "aborted" in outcomes

    riding(story, answering(answer), limits={"response_write": 0.2})


def test_a_crowd_is_written_to_in_a_row_and_everyone_gets_his_own() -> None:
    async def script(line: Line) -> None:
        while True:
            target = (await line.request()).start.split()[1]
            await line.origin.until(lambda: len(line.origin.requests) % 20 == 0)
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async def story(passage: Passage, taken: Taken) -> None:
        callers = [await passage.caller() for _ in range(20)]
        for turn_of in range(4):
            for number, caller in enumerate(callers):
                await caller.send(b"GET /%d-%d HTTP/1.1\r\n" % (turn_of, number) + LINES)
            bodies = [(await caller.answer()).body for caller in callers]
            assert bodies == [b"/%d-%d" % (turn_of, number) for number in range(20)]
            await passage.at_rest()
        assert sum(went for _, went in taken) >= 20

    riding(story, script)


def test_what_is_in_the_outbox_when_a_connection_is_closed_goes_out_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gateway is told to stop in the very turn in which it answered."""
    alight = ShortWay.alight

    def stop(line: Connection) -> None:
        alight(line)
        line.retire()

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.origin.until(lambda: len(line.origin.requests) >= 12)
            await line.send(OK)

    async def story(passage: Passage, taken: Taken) -> None:
        before = [await passage.caller() for _ in range(12)]
        for caller in before:
            await caller.send(GET)
        for caller in before:
            assert (await caller.answer()).body == b"ok"
        await passage.at_rest()
        passage.origin.requests.clear()
        monkeypatch.setattr(ShortWay, "alight", stop)
        for caller in before:
            await caller.send(GET)
        for caller in before:
            assert (await caller.answer()).body == b"ok"
            assert await caller.rest() == b""
        monkeypatch.undo()
        assert sum(went for _, went in taken) >= 12

    riding(story, script)
