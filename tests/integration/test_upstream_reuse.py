"""Which connections are used again, which requests are sent again, and which never."""

import asyncio
import socket

import pytest
from errand import Errand, playing, running, turn
from fakes.clock import FakeClock
from fakes.origin import Line, Script, answering

from gateway.errors import UpstreamBroken, UpstreamMalformed, UpstreamUnreachable
from gateway.tasks import Tasks
from gateway.upstream import Graph, Outgoing, Timeouts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def leaving(after: int, *, parting: bytes = b"", reset: bool = False) -> Script:
    """Answers so many requests on the first connection and leaves at the next one; answers all on the others."""

    async def script(line: Line) -> None:
        answered = 0
        while True:
            await line.request()
            if line.number == 0 and answered == after:
                if parting:
                    await line.send(parting)
                if reset:
                    line.reset()
                return
            answered += 1
            await line.send(OK)

    return script


# --- reuse ---------------------------------------------------------------------------------------------------


def test_one_connection_carries_all() -> None:
    """Whether to keep a connection alive is known only at the end of a message: ask later, and it is always no."""

    async def story(errand: Errand) -> None:
        for number in range(30):
            body = b"x" * number if number % 3 else None
            assert await errand.ask("POST" if body else "GET", body=body) == (200, b"ok")
        assert len(errand.origin.lines) == 1
        assert errand.graph.connections == (1, 1)

    running(story, answering(OK, CHUNKED, OK, CHUNKED, OK))


def test_the_connection_is_free_before_its_body_was_read() -> None:
    async def story(errand: Errand) -> None:
        first = await errand.graph.open(errand.request())
        second = await errand.graph.open(errand.request())
        assert await second.read(9) == (b"ok", False)
        assert await first.read(9) == (b"ok", False)
        await first.close()
        assert len(errand.origin.lines) == 1

    running(story, answering(OK))


def test_many_at_once_and_the_newest_is_used_first() -> None:
    async def story(errand: Errand) -> None:
        answers = await asyncio.gather(*(errand.ask() for _ in range(20)))
        assert answers == [(200, b"ok")] * 20
        assert len(errand.origin.lines) == 20
        await errand.until_connections(4, 4)
        before = len(errand.origin.requests)
        for _ in range(5):
            await errand.ask()
        assert len(errand.origin.requests) == before + 5
        assert len(errand.origin.lines) == 20
        assert errand.graph.connections == (4, 4)

    running(story, answering(OK), keep=4)


def test_newest_first() -> None:
    used: list[int] = []

    async def script(line: Line) -> None:
        while True:
            await line.request()
            used.append(line.number)
            await line.send(OK)

    async def story(errand: Errand) -> None:
        await asyncio.gather(*(errand.ask() for _ in range(3)))
        newest = used[-1]
        used.clear()
        for _ in range(3):
            await errand.ask()
        assert used == [newest] * 3

    running(story, script)


def test_idle_connections_grow_old() -> None:
    async def story(errand: Errand) -> None:
        await asyncio.gather(errand.ask(), errand.ask())
        assert errand.graph.connections == (2, 2)
        await errand.until_connections(0, 0)
        await errand.ask()
        assert len(errand.origin.lines) == 3

    running(story, answering(OK), timeouts=Timeouts(connect=5, reply=5, idle=0.05))


@pytest.mark.parametrize("parting", [b"", b"\r\n", b"H", OK, b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_an_idle_connection_that_ends_or_speaks_is_dropped(parting: bytes) -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        line = errand.origin.lines[0]
        if parting:
            await line.send(parting)
        else:
            line.finish()
        await errand.until_connections(0, 0)
        assert await errand.ask("POST") == (200, b"ok")
        assert len(errand.origin.lines) == 2

    running(story, answering(OK))


@pytest.mark.parametrize("behind", [b"H", OK, b"\0"])
def test_an_answer_with_something_behind_it_is_the_last_one(behind: bytes) -> None:
    async def story(errand: Errand) -> None:
        for number in range(3):
            assert await errand.ask() == (200, b"ok")
            assert len(errand.origin.lines) == number + 1
        await errand.until_connections(0, 0)

    running(story, answering(OK + behind))


def test_either_side_may_ask_to_close() -> None:
    async def story(errand: Errand) -> None:
        await errand.ask("GET", "/", (b"Connection", b"x, Close"))
        await errand.until_connections(0, 0)
        await errand.ask()
        await errand.until_connections(0, 0)
        assert len(errand.origin.lines) == 2

    running(story, answering(OK, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))


def test_a_connection_that_is_too_old_for_one_request_is_kept_for_others() -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        await errand.clock.advance(10)
        exchange = await errand.graph.open(errand.request("POST"), max_idle=10)
        await exchange.close()
        assert len(errand.origin.lines) == 2
        assert errand.graph.connections == (2, 2)
        await errand.clock.advance(9)
        exchange = await errand.graph.open(errand.request("POST"), max_idle=10)
        await exchange.close()
        assert errand.graph.connections == (2, 2)
        await errand.clock.advance(100)
        await errand.ask()
        assert len(errand.origin.lines) == 2

    running(story, answering(OK))


def test_reach() -> None:
    async def story(errand: Errand) -> None:
        await errand.graph.reach()
        assert errand.graph.connections == (1, 1)
        await errand.graph.reach()
        await errand.ask("POST", body=b"x")
        assert len(errand.origin.lines) == 1

    running(story, answering(OK))


# --- sending again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_stale_connection_costs_a_repeatable_request_nothing(method: str, reset: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def story(errand: Errand) -> None:
        await errand.ask()
        exchange = await errand.graph.open(errand.request(method))
        assert exchange.status == 200
        await exchange.close()
        assert len(errand.origin.lines) == 2
        assert len(errand.origin.requests) == 3

    running(story, leaving(1, reset=reset))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MERGE"])
@pytest.mark.parametrize("body", [None, b"", b"{}"])
def test_other_requests_are_never_sent_twice(method: str, body: bytes | None) -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        with pytest.raises(UpstreamBroken) as caught:
            await errand.ask(method, body=body)
        assert caught.value.sent
        await turn()
        assert (len(errand.origin.lines), len(errand.origin.requests)) == (1, 2)

    running(story, leaving(1))


def test_a_get_with_a_body_is_not_sent_twice() -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        with pytest.raises(UpstreamBroken):
            await errand.ask("GET", body=b"{}")
        assert len(errand.origin.lines) == 1

    running(story, leaving(1))


def test_a_new_connection_that_fails_is_no_reason_to_ask_again() -> None:
    async def story(errand: Errand) -> None:
        with pytest.raises(UpstreamBroken):
            await errand.ask()
        assert len(errand.origin.lines) == 1

    running(story, leaving(0))


def test_after_the_first_byte_nothing_is_sent_again() -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        with pytest.raises(UpstreamBroken):
            await errand.ask()
        assert len(errand.origin.lines) == 1

    running(story, leaving(1, parting=b"H"))


def test_garbage_is_no_reason_to_ask_again() -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        with pytest.raises(UpstreamMalformed):
            await errand.ask()
        assert len(errand.origin.lines) == 1

    running(story, leaving(1, parting=b"garbage"))


def test_once_is_enough() -> None:
    async def script(line: Line) -> None:
        await line.request()
        if line.number < 3:
            await line.send(OK)
            await line.request()

    async def story(errand: Errand) -> None:
        await asyncio.gather(errand.ask(), errand.ask(), errand.ask())
        before = len(errand.origin.requests)
        with pytest.raises(UpstreamBroken):
            await errand.ask()
        assert len(errand.origin.lines) == 4, "the second time on a new connection"
        assert len(errand.origin.requests) == before + 2

    running(story, script)


def test_an_end_that_nobody_told_us_of_yet_does_not_cost_a_post() -> None:
    """The end is in the socket, the event loop has not looked: without a look of our own the POST would be lost."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            port = listener.getsockname()[1]
            tasks = Tasks()
            graph = Graph(
                base_url=f"http://127.0.0.1:{port}",
                timeouts=Timeouts(connect=5, reply=5, idle=5),
                clock=FakeClock(),
                tasks=tasks,
                max_header=4096,
            )
            post = Outgoing("POST", "/", ((b"Host", graph.host_header),))
            for end in (socket.socket.close, lambda peer: peer.send(b"H") and None):
                await graph.reach()
                peer, _ = await loop.sock_accept(listener)
                end(peer)  # and no turn of the loop until the POST is under way
                asking = tasks.start("post", graph.open(post))
                second, _ = await loop.sock_accept(listener)
                assert (await loop.sock_recv(second, 4096)).startswith(b"POST / ")
                await loop.sock_sendall(
                    second, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                assert (await asking).status == 200
                peer.close()
                second.close()
            await graph.close()

    playing(work)


def test_a_second_attempt_that_finds_nobody_says_that_something_was_sent() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK)
        await line.request()
        assert line.origin._server is not None
        line.origin._server.close()  # nobody listens any more

    async def story(errand: Errand) -> None:
        await errand.ask()
        with pytest.raises(UpstreamBroken) as caught:
            await errand.ask()
        assert caught.value.sent

    running(story, script)


# --- the end -------------------------------------------------------------------------------------------------


def test_after_close_nothing_is_opened() -> None:
    async def story(errand: Errand) -> None:
        await errand.ask()
        await errand.graph.close()
        await errand.graph.close()
        for _ in range(2):
            with pytest.raises(UpstreamUnreachable):
                await errand.ask()
            with pytest.raises(UpstreamUnreachable):
                await errand.graph.reach()
        assert errand.graph.connections == (0, 0)

    running(story, answering(OK))


def test_close_ends_what_is_under_way() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request("GET", "/body"))
        both = asyncio.gather(errand.ask("POST"), exchange.read(100), return_exceptions=True)
        await errand.origin.until(lambda: len(errand.origin.requests) == 2)
        await errand.graph.close()
        assert [type(error) for error in await both] == [UpstreamBroken] * 2

    async def script(line: Line) -> None:
        request = await line.request()
        if request.target == b"/body":
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        await line.ended()

    running(story, script)
