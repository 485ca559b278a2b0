"""Request bodies that are streamed: framing, back-pressure, expectations, answers that come early."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from errand import CHUNKED, Errand, passed, running, turn
from fakes.origin import Line, Script, answering

from gateway.errors import UpstreamBroken, UpstreamSilent
from gateway.upstream import RequestUnsendable, Timeouts

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
EXPECT = (b"Expect", b"100-continue")


def length(size: int) -> tuple[bytes, bytes]:
    return (b"Content-Length", b"%d" % size)


class Body:
    """Gives its pieces, one for each pull; then `after` happens."""

    def __init__(self, *pieces: bytes, after: Exception | None = None, stall: bool = False) -> None:
        self.pieces = list(pieces)
        self.after = after
        self.stall = stall
        self.pulled = 0
        self.stopped = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.pulled += 1
        try:
            await turn()
            if self.stall and not self.pieces:
                await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        if self.pieces:
            return self.pieces.pop(0)
        if self.after is not None:
            raise self.after
        raise StopAsyncIteration


class Endless(Body):
    async def __anext__(self) -> bytes:
        self.pulled += 1
        return bytes(65536)


def early(answer: bytes) -> Script:
    """Answers the head and reads no further."""

    async def script(line: Line) -> None:
        await line.head()
        await line.send(answer)
        await line.origin.until(lambda: False)

    return script


# --- framing -------------------------------------------------------------------------------------------------


def test_chunks_are_what_was_pulled() -> None:
    async def story(errand: Errand) -> None:
        assert await errand.ask("POST", "/", CHUNKED, body=Body(b"hello", b"", b"x" * 18)) == (200, b"ok")
        assert errand.origin.requests[0].raw.endswith(
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n12\r\n" + b"x" * 18 + b"\r\n0\r\n\r\n"
        )
        assert await errand.ask("POST", "/", CHUNKED, body=Body()) == (200, b"ok")
        assert errand.origin.requests[1].raw.endswith(b"\r\n\r\n0\r\n\r\n")
        assert len(errand.origin.lines) == 1

    running(story, answering(OK))


def test_a_length_is_written_raw() -> None:
    async def story(errand: Errand) -> None:
        assert await errand.ask("PUT", "/", length(7), body=Body(b"hello", b"", b"!!")) == (200, b"ok")
        assert errand.origin.requests[0].raw.endswith(b"Content-Length: 7\r\n\r\nhello!!")
        assert await errand.ask("PUT", "/", length(0), body=Body()) == (200, b"ok")
        assert len(errand.origin.lines) == 1

    running(story, answering(OK))


@pytest.mark.parametrize("pieces", [(), (b"hell",), (b"hello", b"!"), (b"hello!",), (b"he", b"llo!")])
def test_a_body_that_is_not_as_long_as_it_said(pieces: tuple[bytes, ...]) -> None:
    """Not a byte more than announced leaves: it would be the next request."""
    got: list[bytes] = []

    async def script(line: Line) -> None:
        await line.head()
        got.append(await line.ended())

    async def story(errand: Errand) -> None:
        got.clear()
        with pytest.raises(RequestUnsendable):
            await errand.ask("POST", "/", length(5), body=Body(*pieces))
        await errand.until_connections(0, 0)
        await errand.origin.until(lambda: bool(got))
        assert b"hello!".startswith(got[0])
        assert len(got[0]) <= 5

    running(story, script)


def test_what_the_body_raises_is_raised() -> None:
    got: list[bytes] = []

    async def script(line: Line) -> None:
        await line.head()
        got.append(await line.ended())

    async def story(errand: Errand) -> None:
        got.clear()
        mishap = LookupError("the caller went away")
        with pytest.raises(LookupError) as caught:
            await errand.ask("POST", "/", CHUNKED, body=Body(b"hello", after=mishap))
        assert caught.value is mishap
        await errand.origin.until(lambda: bool(got))
        assert got == [b"5\r\nhello\r\n"], "the end is missing"

    running(story, script)


def test_a_body_that_was_cancelled_under_us_is_no_success() -> None:
    async def cancelled() -> AsyncIterator[bytes]:
        yield b"hello"
        raise asyncio.CancelledError

    async def script(line: Line) -> None:
        await line.head()
        await line.ended()

    async def story(errand: Errand) -> None:
        with pytest.raises(UpstreamBroken):
            await errand.ask("POST", "/", CHUNKED, body=cancelled())

    running(story, script)


# --- pace ----------------------------------------------------------------------------------------------------


def test_a_slow_upstream_slows_the_body_down() -> None:
    go = [asyncio.Event()]
    size = 128 * (1 << 20)

    async def script(line: Line) -> None:
        await line.head()
        await go[0].wait()
        await line.reader.readexactly(size)
        await line.send(OK)
        await line.ended()

    async def story(errand: Errand) -> None:
        go[0] = asyncio.Event()
        body = Body(*[bytes(1 << 20)] * 128)
        asking = errand.tasks.start("asking", errand.ask("PUT", "/", length(size), body=body))
        pulled = -1
        while body.pulled != pulled:
            pulled = body.pulled
            await passed(0.05)
        assert 0 < pulled < 64
        go[0].set()
        assert await asking == (200, b"ok")
        assert len(errand.origin.lines) == 1

    running(story, script)


def test_a_slow_caller_is_not_the_upstreams_silence() -> None:
    async def slow(size: int) -> AsyncIterator[bytes]:
        yield bytes(size)  # enough of it to wait for the upstream, then the upstream waits for us
        await passed(0.25)
        yield b"lo"

    async def story(errand: Errand) -> None:
        for size in (3, 16 * 1024 * 1024):
            assert await errand.ask("PUT", "/", length(size + 2), body=slow(size)) == (200, b"ok")

    running(story, answering(OK), timeouts=Timeouts(connect=5, reply=0.1, idle=5))


def test_silence_after_the_body_and_while_it_is_not_taken() -> None:
    async def script(line: Line) -> None:
        await line.head()
        if line.number == 0:
            await line.ended()
        await line.origin.until(lambda: False)

    async def story(errand: Errand) -> None:
        with pytest.raises(UpstreamSilent):
            await errand.ask("PUT", "/", length(5), body=Body(b"hello"))
        with pytest.raises(UpstreamSilent):
            await errand.ask("PUT", "/", CHUNKED, body=Endless())
        await errand.until_connections(0, 0)

    running(story, script, timeouts=Timeouts(connect=5, reply=0.1, idle=5))


# --- early answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [REFUSED, b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 401 No\r\n\r\nno"])
@pytest.mark.parametrize("kind", [Endless, Body])
def test_an_early_answer_stops_the_body(answer: bytes, kind: type[Body]) -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.send(answer)
        if answer.endswith(b"\r\n\r\nno") and b"Length" not in answer:
            line.writer.write_eof()
        await line.origin.until(lambda: False)

    async def story(errand: Errand) -> None:
        body = kind(b"hello", stall=True)
        exchange = await errand.graph.open(errand.request("PUT", "/", CHUNKED, body=body))
        pulled = body.pulled
        assert exchange.status == int(answer[9:12])
        assert "upstream upload" not in errand.tasks.names(), "nobody pulls any more"
        got, _ = await exchange.read(100)
        assert got == (b"no" if exchange.has_body else b"")
        await turn()
        assert body.pulled == pulled
        await errand.until_connections(0, 0)

    running(story, script)


def test_an_answer_in_the_middle_of_the_body_leaves_no_connection() -> None:
    async def script(line: Line) -> None:
        await line.head()
        if line.number == 0:
            await line.reader.readexactly(10)  # the first chunk
            await line.send(REFUSED)
            await line.ended()
        else:
            await line.send(OK)
            await line.ended()

    async def story(errand: Errand) -> None:
        body = Body(b"hello", stall=True)
        assert await errand.ask("POST", "/", CHUNKED, body=body) == (413, b"no")
        assert body.stopped
        await errand.until_connections(0, 0)
        assert await errand.ask() == (200, b"ok")
        assert len(errand.origin.lines) == 2

    running(story, script)


def test_an_early_answer_to_a_body_that_was_at_hand() -> None:
    """All of it was written, as far as we are concerned, and most of it has not left yet."""

    async def script(line: Line) -> None:
        await line.head()
        await line.send(REFUSED)
        await line.origin.until(lambda: False)

    async def story(errand: Errand) -> None:
        assert await errand.ask("POST", body=bytes(64 * 1024 * 1024)) == (413, b"no")
        await errand.until_connections(0, 0)

    running(story, script)


def test_an_answer_to_a_whole_body_keeps_the_connection() -> None:
    """With a length the body is whole when its last byte was written, pulled to its end or not."""

    async def story(errand: Errand) -> None:
        body = Body(b"hello", stall=True)
        assert await errand.ask("POST", "/", length(5), body=body) == (200, b"ok")
        assert await errand.ask() == (200, b"ok")
        assert len(errand.origin.lines) == 1

    running(story, answering(OK))


def test_the_connection_ends_in_the_middle_of_the_body() -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.reader.readexactly(10)
        line.reset()

    async def story(errand: Errand) -> None:
        body = Body(b"hello", stall=True)
        with pytest.raises(UpstreamBroken):
            await errand.ask("POST", "/", CHUNKED, body=body)
        assert body.stopped

    running(story, script)


# --- expectations --------------------------------------------------------------------------------------------


def test_a_body_waits_for_100() -> None:
    body = [Body()]

    async def script(line: Line) -> None:
        await line.head()
        await turn()
        assert body[0].pulled == 0
        await line.send(b"HTTP/1.1 103 Early\r\n\r\n")
        await turn()
        assert body[0].pulled == 0, "that was no permission"
        await line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await line.reader.readexactly(5) == b"hello"
        await line.send(OK)
        await line.ended()

    async def story(errand: Errand) -> None:
        body[0] = Body(b"hello")
        seen: list[int] = []
        request = errand.request("PUT", "/", length(5), EXPECT, body=body[0])
        exchange = await errand.graph.open(request, on_interim=lambda status, _: seen.append(status))
        assert await exchange.read(9) == (b"ok", False)
        assert seen == [103, 100]
        assert errand.graph.connections == (1, 1)

    running(story, script)


def test_a_body_waits_no_longer_than_a_second() -> None:
    async def story(errand: Errand) -> None:
        body = Body(b"hello")
        asking = errand.tasks.start("asking", errand.ask("PUT", "/", length(5), EXPECT, body=body))
        await errand.origin.until(lambda: len(errand.origin.heads) == 1)
        await errand.clock.advance(0.99)
        assert body.pulled == 0
        await errand.clock.advance(0.01)
        assert await asking == (200, b"ok")

    running(story, answering(OK))


def test_a_body_that_is_refused_is_never_pulled() -> None:
    async def story(errand: Errand) -> None:
        body = Body(b"hello")
        assert await errand.ask("PUT", "/", length(5), EXPECT, body=body) == (413, b"no")
        assert body.pulled == 0
        assert errand.clock.sleepers == 0
        await errand.until_connections(0, 0)

    running(story, early(REFUSED))


def test_a_connection_that_ends_while_a_body_waits() -> None:
    async def script(line: Line) -> None:
        await line.head()

    async def story(errand: Errand) -> None:
        body = Body(b"hello")
        with pytest.raises(UpstreamBroken):
            await errand.ask("PUT", "/", length(5), EXPECT, body=body)
        assert body.pulled == 0

    running(story, script)
