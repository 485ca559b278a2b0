"""Monitors: what is asked of them, where they may be, and that they share nothing with the upstream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from errand import RELAXED, playing, turn
from fakes.clock import FakeClock
from fakes.origin import Line, Origin, Script, answering

from gateway.errors import (
    AddressRefused,
    UpstreamBroken,
    UpstreamMalformed,
    UpstreamSilent,
    UpstreamUnreachable,
)
from gateway.model import Headers, Reply
from gateway.tasks import Tasks
from gateway.upstream import (
    AddressPolicy,
    Graph,
    Monitors,
    RequestUnsendable,
    Resolver,
    Timeouts,
    Trusted,
)
from gateway.upstream.dial import system_resolver
from gateway.upstream.graph import Answered, unheard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PRIVATE = AddressPolicy(allow_private=True)


@asynccontextmanager
async def watching(
    policy: AddressPolicy = PRIVATE,
    *,
    trusted: Sequence[Trusted] = (),
    timeouts: Timeouts = RELAXED,
    max_body: int = 1000,
    concurrency: int = 4,
    resolve: Resolver = system_resolver,
    answered: Answered = unheard,
) -> AsyncIterator[Monitors]:
    tasks = Tasks()
    monitors = Monitors(
        policy=policy,
        timeouts=timeouts,
        clock=FakeClock(),
        tasks=tasks,
        max_body=max_body,
        concurrency=concurrency,
        max_header=4096,
        trusted=trusted,
        resolve=resolve,
        answered=answered,
    )
    try:
        yield monitors
    finally:
        await monitors.close()
        while tasks.names():
            await turn()
        assert monitors.connections == (0, 0)


def resolving(*answers: Sequence[str]) -> Resolver:
    """The n-th answer to the n-th question."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0)

    return resolve


def with_origin(story: Callable[[Origin], Awaitable[None]], script: Script) -> None:
    async def work() -> None:
        async with Origin(script) as origin:
            await story(origin)
        assert origin.crashes == []

    playing(work)


# --- what is asked -------------------------------------------------------------------------------------------


async def waited_for(monitors: Monitors, url: str, headers: Headers) -> Reply:
    return await monitors.get(url, headers)


async def begun(monitors: Monitors, url: str, headers: Headers) -> Reply:
    """On a connection that is there already; what cannot be told at once is waited for."""
    await monitors.vet(url)
    come: asyncio.Future[Reply | Exception | None] = asyncio.get_running_loop().create_future()
    asked = monitors.begin(url, headers, come.set_result)
    assert asked is not None
    assert not come.done(), "what told would be told before it is known who asked"
    said = await come
    if isinstance(said, Exception):
        raise said
    return await asked.rest() if said is None else said


Ask = Callable[[Monitors, str, Headers], Awaitable[Reply]]


@pytest.fixture(params=[waited_for, begun])
def ask(request: pytest.FixtureRequest) -> Ask:
    """The two ways to ask a monitor, which differ in nothing else."""
    way: Ask = request.param
    return way


def test_a_poll(ask: Ask) -> None:
    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            url = f"{origin.url}/_api/v2.0/monitor/4A3!%2f/../a?tempauth=a%3D&x=é#fragment"
            reply = await ask(monitors, url, ((b"Accept", b"*/*"), (b"X", b"1"), (b"X", b"2")))
            assert reply == Reply(202, ((b"Content-Length", b"2"), (b"X-A", b"1"), (b"x-a", b"2")), b"{}")
            assert (await ask(monitors, url, ())).body == b"{}"
            assert len(origin.lines) == 1
        assert origin.requests[0].raw == (
            b"GET /_api/v2.0/monitor/4A3!%2f/../a?tempauth=a%3D&x=\xc3\xa9 HTTP/1.1\r\n"
            b"Host: " + origin.authority + b"\r\nAccept: */*\r\nX: 1\r\nX: 2\r\n\r\n"
        )

    with_origin(story, answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\n{}"))


def test_a_redirect_is_a_reply(ask: Ask) -> None:
    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            reply = await ask(monitors, origin.url + "/a", ())
        assert (reply.status, reply.headers[0]) == (303, (b"Location", b"http://127.0.0.1:1/item"))
        assert len(origin.requests) == 1

    with_origin(
        story,
        answering(
            b"HTTP/1.1 303 See Other\r\nLocation: http://127.0.0.1:1/item\r\nContent-Length: 0\r\n\r\n"
        ),
    )


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
    ],
)
def test_a_body_that_is_too_large(head: bytes, ask: Ask) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(head + b"x" * 1001)
        await line.origin.until(lambda: False)

    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            reply = await ask(monitors, origin.url, ())
            assert (reply.status, reply.body, reply.oversized) == (200, b"", True)
            while monitors.connections != (0, 0):
                await turn()

    with_origin(story, script)


def test_a_body_that_just_fits(ask: Ask) -> None:
    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            reply = await ask(monitors, origin.url, ())
            assert (reply.body, reply.oversized) == (b"x" * 1000, False)

    with_origin(story, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000))


@pytest.mark.parametrize("name", [b"Authorization", b"authorization", b"Proxy-Authorization"])
def test_no_credential_goes_to_a_monitor(name: bytes) -> None:
    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            with pytest.raises(RequestUnsendable):
                await monitors.get(origin.url, ((name, b"Bearer x"),))
            with pytest.raises(RequestUnsendable):
                monitors.begin(origin.url, ((name, b"Bearer x"),), print)
        assert origin.lines == []

    with_origin(story, answering(OK))


def test_troubles(ask: Ask) -> None:
    async def script(line: Line) -> None:
        target = (await line.request()).target
        if target == b"/garbage":
            await line.send(b"\0\0\0")
        elif target == b"/silent":
            await line.ended()

    async def story(origin: Origin) -> None:
        async with watching(timeouts=Timeouts(connect=5, reply=0.1, idle=5)) as monitors:
            for path, error in (
                ("/garbage", UpstreamMalformed),
                ("/silent", UpstreamSilent),
                ("/broken", UpstreamBroken),
            ):
                with pytest.raises(error):
                    await ask(monitors, origin.url + path, ())
            for url in ("https://u@h/", "ftp://h/", "https://h\\.evil/", "/relative"):
                with pytest.raises(AddressRefused):
                    await ask(monitors, url, ())
                with pytest.raises(AddressRefused):
                    monitors.begin(url, (), print)
                with pytest.raises(AddressRefused):
                    await monitors.vet(url)

    with_origin(story, script)


def test_a_stale_connection_costs_nothing(ask: Ask) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK)
        await line.request()

    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            for _ in range(3):
                assert (await ask(monitors, origin.url, ())).body == b"{}"
        assert len(origin.lines) == 3

    with_origin(story, script)


def test_a_trickle_ends(ask: Ask) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not line.writer.is_closing():
            await line.send(b"x")
            await turn()

    async def story(origin: Origin) -> None:
        async with watching(timeouts=Timeouts(connect=0.1, reply=0.1, idle=0.1)) as monitors:
            with pytest.raises(UpstreamSilent):
                await ask(monitors, origin.url, ())
            while monitors.connections != (0, 0):
                await turn()

    with_origin(story, script)


def test_only_so_many_at_once() -> None:
    most = [0]

    async def script(line: Line) -> None:
        while True:
            await line.request()
            most[0] = max(most[0], sum(1 for one in line.origin.lines if not one.writer.is_closing()))
            await turn()
            await line.send(OK)

    async def story(origin: Origin) -> None:
        most[0] = 0
        async with watching(concurrency=3) as monitors:
            replies = await asyncio.gather(*(monitors.get(origin.url, ()) for _ in range(20)))
            assert [reply.body for reply in replies] == [b"{}"] * 20
        assert most[0] == len(origin.lines) == 3

    with_origin(story, script)


def test_a_cancelled_poll_gives_its_place_back() -> None:
    async def script(line: Line) -> None:
        while (await line.request()).target != b"/stuck":
            await line.send(OK)
        await line.ended()

    async def story(origin: Origin) -> None:
        async with watching(concurrency=2) as monitors:
            for _ in range(3):
                polls = asyncio.gather(*(monitors.get(origin.url + "/stuck", ()) for _ in range(4)))
                for _ in range(10):
                    await turn()
                polls.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await polls
            assert (await monitors.get(origin.url, ())).body == b"{}"
            assert (await monitors.get(origin.url, ())).body == b"{}"

    with_origin(story, script)


# --- what is begun --------------------------------------------------------------------------------------------


def test_what_is_begun_needs_a_connection_that_is_idle() -> None:
    async def story(origin: Origin) -> None:
        told: list[Reply | Exception | None] = []
        async with watching() as monitors:
            assert monitors.begin(origin.url, (), told.append) is None
            await monitors.vet(origin.url)
            assert monitors.begin(origin.url, (), told.append) is not None
            assert monitors.begin(origin.url, (), told.append) is None, "it is busy"
            while not told:
                await turn()
            await monitors.get(origin.url, ())
        assert told == [Reply(200, ((b"Content-Length", b"2"),), b"{}")]
        assert len(origin.requests) == 2
        assert len(origin.lines) == 1

    with_origin(story, answering(OK))


def test_a_reply_in_pieces_is_whole_all_the_same() -> None:
    pieces = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-",
        b"Length: 6\r\n\r\nab",
        b"cd",
        b"ef",
    )

    async def script(line: Line) -> None:
        await line.request()
        for piece in pieces:
            await line.send(piece)
            for _ in range(5):
                await turn()

    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            reply = await begun(monitors, origin.url, ())
            assert (reply.status, reply.body, reply.oversized) == (200, b"abcdef", False)

    with_origin(story, script)


def test_what_is_abandoned_is_never_told_of_and_ends_its_connection() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.ended()

    async def story(origin: Origin) -> None:
        told: list[Reply | Exception | None] = []
        async with watching() as monitors:
            await monitors.vet(origin.url)
            asked = monitors.begin(origin.url, (), told.append)
            assert asked is not None
            await origin.until(lambda: bool(origin.requests))
            asked.abandon()
            asked.abandon()
            while monitors.connections != (0, 0):
                await turn()
        assert told == []

    with_origin(story, script)


def test_replies_to_what_was_begun_are_counted_with_their_time() -> None:
    async def story(origin: Origin) -> None:
        counted: list[tuple[int, float]] = []
        async with watching(answered=lambda status, seconds: counted.append((status, seconds))) as monitors:
            await begun(monitors, origin.url, ())
            with pytest.raises(UpstreamBroken):
                await begun(monitors, origin.url + "/broken", ())
        assert [status for status, _ in counted[:2]] == [200, 0]
        assert all(seconds >= 0 for _, seconds in counted)

    async def script(line: Line) -> None:
        while (await line.request()).target != b"/broken":
            await line.send(OK)

    with_origin(story, script)


# --- where they may be ---------------------------------------------------------------------------------------


def test_addresses_that_are_off_limits_are_never_connected_to() -> None:
    async def story(origin: Origin) -> None:
        trap = f":{origin.port}/"
        async with watching(AddressPolicy()) as monitors:
            for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]"):
                for work in (
                    monitors.vet("http://" + host + trap),
                    monitors.get("http://" + host + trap, ()),
                ):
                    with pytest.raises(AddressRefused) as caught:
                        await work
                    assert caught.value.proxy_word == "destination_ip_prohibited"
                    assert not caught.value.sent
        for addresses in (["127.0.0.1"], ["10.0.0.1", "::1"], ["fe80::1%lo"], ["::ffff:127.0.0.1"]):
            async with watching(AddressPolicy(), resolve=resolving(addresses)) as monitors:
                with pytest.raises(AddressRefused):
                    await monitors.get("http://contoso.sharepoint.com" + trap, ())
        assert origin.lines == []

    with_origin(story, answering(OK))


def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """The address that was judged is the address that is connected to; a new connection is judged anew."""

    async def story(origin: Origin) -> None:
        url = f"http://contoso.sharepoint.com:{origin.port}/"
        policy = AddressPolicy()
        resolve = resolving(["240.0.0.1"], ["127.0.0.1"])
        async with watching(policy, resolve=resolve) as monitors:
            for _ in range(2):
                with pytest.raises(AddressRefused):
                    await monitors.vet(url)
        assert origin.lines == []

    with_origin(story, answering(OK))


def test_of_several_addresses_only_the_good_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def permits(self: AddressPolicy, host: str, address: object) -> bool:
        asked.append(str(address))
        return str(address) == "127.0.0.1"

    monkeypatch.setattr(AddressPolicy, "permits", permits)

    async def story(origin: Origin) -> None:
        asked.clear()
        url = f"http://contoso.sharepoint.com:{origin.port}/"
        resolve = resolving(["127.0.0.2", "127.0.0.1", "::1"])
        async with watching(AddressPolicy(), resolve=resolve) as monitors:
            assert (await monitors.get(url, ())).body == b"{}"
        assert sorted(asked) == ["127.0.0.1", "127.0.0.2", "::1"]

    with_origin(story, answering(OK))


def test_a_literal_that_the_operator_listed() -> None:
    async def story(origin: Origin) -> None:
        policy = AddressPolicy(literals=frozenset({"127.0.0.1"}))
        async with watching(policy, resolve=resolving(["127.0.0.1"])) as monitors:
            assert (await monitors.get(origin.url, ())).body == b"{}"
            with pytest.raises(AddressRefused):
                await monitors.get(f"http://name.example:{origin.port}/", ())

    with_origin(story, answering(OK))


def test_the_upstreams_own_origin_is_trusted_and_reached_the_upstreams_way() -> None:
    async def story(origin: Origin) -> None:
        trusted = Trusted("http://graph.example", connect_to=f"127.0.0.1:{origin.port}")
        resolve = resolving(["127.0.0.1"], ["127.0.0.1"])
        async with watching(AddressPolicy(), trusted=[trusted], resolve=resolve) as monitors:
            await monitors.vet("http://GRAPH.example/x")
            assert (await monitors.get("http://graph.example:80/x", ())).body == b"{}"
            assert len(origin.lines) == 1
            for url in (f"http://graph.example:{origin.port}/x", f"http://other.example:{origin.port}/x"):
                with pytest.raises(AddressRefused):
                    await monitors.get(url, ())
        assert origin.requests[0].get(b"host") == b"graph.example"

    with_origin(story, answering(OK))


def test_vetting_connects_and_sends_nothing() -> None:
    async def story(origin: Origin) -> None:
        async with watching() as monitors:
            await monitors.vet(origin.url)
            await monitors.vet(origin.url)
            assert monitors.connections == (1, 1)
            assert origin.heads == []
            await monitors.get(origin.url, ())
            assert len(origin.lines) == 1
        async with watching(resolve=resolving([])) as monitors:
            with pytest.raises(UpstreamUnreachable) as caught:
                await monitors.vet("http://name.example/")
            assert not isinstance(caught.value, AddressRefused)

    with_origin(story, answering(OK))


# --- two worlds ----------------------------------------------------------------------------------------------


def test_the_two_worlds_share_nothing() -> None:
    async def story(origin: Origin) -> None:
        graph = Graph(
            base_url=origin.url, timeouts=RELAXED, clock=FakeClock(), tasks=Tasks(), max_header=4096
        )
        async with watching(trusted=[Trusted(origin.url)]) as monitors:
            await graph.reach()
            await monitors.get(origin.url, ())
            assert (graph.connections, monitors.connections) == ((1, 1), (1, 1))
            assert len(origin.lines) == 2
        await graph.close()

    with_origin(story, answering(OK))


def test_no_tls_context_is_shared() -> None:
    async def work() -> None:
        graph = Graph(
            base_url="https://graph.example",
            timeouts=RELAXED,
            clock=FakeClock(),
            tasks=Tasks(),
            max_header=4096,
        )
        async with watching(trusted=[Trusted("https://graph.example")]) as monitors:
            own = {id(monitors._tls)} | {id(way.tls) for way in monitors._trusted.values()}
            assert id(graph._way.tls) not in own
            assert len(own) == 2
        await graph.close()

    playing(work)
