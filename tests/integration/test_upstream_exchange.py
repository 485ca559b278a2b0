"""Requests and answers on real sockets: bytes out, heads and bodies in, and every way an answer can go wrong."""

import asyncio

import pytest
from errand import Errand, passed, running, turn
from fakes.origin import Line, Script, answering, closing

from gateway.errors import UpstreamBroken, UpstreamMalformed, UpstreamSilent
from gateway.model import Headers
from gateway.upstream import Timeouts
from gateway.upstream.connection import HIGH_WATER

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"


def saying(*pieces: bytes) -> Script:
    """Sends these behind each request, and then nothing."""

    async def script(line: Line) -> None:
        while True:
            await line.request()
            for piece in pieces:
                await line.send(piece)

    return script


# --- what goes out -------------------------------------------------------------------------------------------


def test_a_request_leaves_as_it_was_given() -> None:
    async def story(errand: Errand) -> None:
        lines = ((b"X-B", b"1"), (b"x-a", b"\xff\xc3\xa9"), (b"X-B", b""))
        exchange = await errand.graph.open(errand.request("POST", "/%63opy//a?", *lines, body=b"{}"))
        await exchange.close()
        assert errand.origin.requests[0].raw == (
            b"POST /%63opy//a? HTTP/1.1\r\nHost: " + errand.origin.authority + b"\r\n"
            b"X-B: 1\r\nx-a: \xff\xc3\xa9\r\nX-B: \r\nContent-Length: 2\r\n\r\n{}"
        )

    running(story, answering(EMPTY))


def test_head_and_body_leave_in_one_write() -> None:
    reads: list[bytes] = []

    async def script(line: Line) -> None:
        reads.append(await line.reader.read(65536))
        await line.send(EMPTY)
        await line.ended()

    async def story(errand: Errand) -> None:
        reads.clear()
        await errand.ask("POST", body=b"x" * 1000)
        assert len(reads) == 1
        assert reads[0].endswith(b"\r\n\r\n" + b"x" * 1000)

    running(story, script)


def test_a_large_body_leaves_whole() -> None:
    async def story(errand: Errand) -> None:
        body = bytes(range(256)) * 16384
        assert (await errand.ask("PUT", body=body))[0] == 200
        assert errand.origin.requests[0].body == body

    running(story, answering(EMPTY))


# --- what comes in -------------------------------------------------------------------------------------------


def test_the_head_is_raw() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request())
        assert (exchange.status, exchange.reason) == (207, b"Multi \xfc")
        assert exchange.headers == (
            (b"X-B", b"1"),
            (b"x-a", b"\xff"),
            (b"X-B", b"2"),
            (b"transfer-encoding", b"chunked"),
        )
        assert (exchange.content_length, exchange.chunked, exchange.has_body) == (None, True, True)
        assert [piece async for piece in exchange.chunks()] == [b"hello"]

    running(
        story,
        answering(
            b"HTTP/1.1 207 Multi \xfc\r\nX-B: 1\r\nx-a:  \xff\r\nX-B: 2\r\ntransfer-encoding: chunked\r\n\r\n"
            b"2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: dropped\r\n\r\n"
        ),
    )


def test_answers_without_a_body_keep_the_connection() -> None:
    async def script(line: Line) -> None:
        while True:
            request = await line.request()
            if request.method == b"HEAD":
                await line.send(OK + b"Content-Length: 99\r\n\r\n")
            elif request.target == b"/304":
                await line.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n")
            else:
                await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def story(errand: Errand) -> None:
        for method, target, status, length in (
            ("HEAD", "/", 200, 99),
            ("GET", "/304", 304, 99),
            ("GET", "/204", 204, None),
        ):
            for _ in range(3):
                exchange = await errand.graph.open(errand.request(method, target))
                assert (exchange.status, exchange.content_length) == (status, length)
                assert (exchange.has_body, exchange.complete) == (False, True)
                assert await exchange.read(0) == (b"", False)
                assert [piece async for piece in exchange.chunks()] == []
        assert len(errand.origin.lines) == 1

    running(story, script)


def test_a_body_that_ends_with_the_connection() -> None:
    async def story(errand: Errand) -> None:
        for _ in range(2):
            assert await errand.ask() == (200, b"hello")
        assert len(errand.origin.lines) == 2
        await errand.until_connections(0, 0)

    running(story, closing(OK + b"\r\nhello"))


def test_http_1_0() -> None:
    async def story(errand: Errand) -> None:
        assert await errand.ask() == (200, b"ok")
        assert await errand.ask() == (200, b"ok")
        assert len(errand.origin.lines) == 1, "it said keep-alive"
        assert await errand.ask() == (200, b"ok")
        assert await errand.ask() == (200, b"ok")
        assert len(errand.origin.lines) == 2, "then it did not"

    alive = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    running(story, answering(alive, alive, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", alive))


def test_interim_answers_are_passed_on_and_never_the_answer() -> None:
    async def story(errand: Errand) -> None:
        seen: list[tuple[int, Headers]] = []
        exchange = await errand.graph.open(
            errand.request(), on_interim=lambda status, headers: seen.append((status, headers))
        )
        assert exchange.status == 200
        assert seen == [(100, ()), (103, ((b"Link", b"</a>"),)), (102, ())]
        assert await errand.ask() == (200, b""), "nobody needs to listen"
        assert len(errand.origin.lines) == 1

    early = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"
    running(
        story, saying(b"HTTP/1.1 100 Continue\r\n\r\n", early, b"HTTP/1.1 102 Processing\r\n\r\n" + EMPTY)
    )


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx", b"HTTP/1.1 101 x\r\n\r\n"]
)
def test_an_unasked_upgrade_is_malformed(answer: bytes) -> None:
    async def story(errand: Errand) -> None:
        with pytest.raises(UpstreamMalformed):
            await errand.ask()
        await errand.until_connections(0, 0)

    running(story, answering(answer))


def test_what_on_interim_raises_ends_the_request() -> None:
    def on_interim(status: int, headers: Headers) -> None:
        raise LookupError

    async def story(errand: Errand) -> None:
        with pytest.raises(LookupError):
            await errand.graph.open(errand.request(), on_interim=on_interim)
        await errand.until_connections(0, 0)

    running(story, saying(b"HTTP/1.1 103 Early\r\n\r\n"))


def test_a_slow_reader_slows_the_upstream_down() -> None:
    total = 16 * 1024 * 1024
    sent = [0]

    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK + b"Content-Length: %d\r\n\r\n" % total)
        sent[0] = 0
        while sent[0] < total:
            await line.send(bytes(65536))
            sent[0] += 65536

    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request())
        await passed(0.25)  # longer than the idle bound: it is us who pause
        assert sent[0] < total / 2
        assert exchange._answer.size <= 512 * 1024
        got = 0
        async for piece in exchange.chunks():
            got += len(piece)
            assert exchange._answer.size <= 512 * 1024
        assert got == total
        assert errand.graph.connections == (1, 1)
        assert exchange.complete

    running(story, script, timeouts=Timeouts(connect=5, reply=5, idle=0.2))


def test_silence_after_a_pause() -> None:
    """The bound runs again once the reader has caught up, though nothing more comes: the last byte was one too many."""
    size = HIGH_WATER + 1

    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request())
        await passed(0.2)
        chunks = exchange.chunks()
        got = 0
        while got < size:
            got += len(await anext(chunks))
        with pytest.raises(UpstreamSilent):
            await anext(chunks)

    running(
        story,
        saying(OK + b"Content-Length: %d\r\n\r\n" % (size + 1) + bytes(size)),
        timeouts=Timeouts(connect=5, reply=5, idle=0.1),
    )


def test_reading_up_to_a_limit() -> None:
    async def story(errand: Errand) -> None:
        exact = await errand.graph.open(errand.request())
        assert await exact.read(5) == (b"hello", False)
        announced = await errand.graph.open(errand.request())
        assert await announced.read(4) == (b"", True)
        assert b"".join([piece async for piece in announced.chunks()]) == b"hello"
        assert len(errand.origin.lines) == 1
        closed = await errand.graph.open(errand.request())
        assert await closed.read(4) == (b"", True)
        await closed.close()

    running(story, answering(OK + b"Content-Length: 5\r\n\r\nhello"))


def test_reading_past_a_limit_goes_on_where_it_stopped() -> None:
    more = [asyncio.Event()]

    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await more[0].wait()
        await line.send(b"6\r\n world\r\n0\r\n\r\n")
        await line.ended()

    async def story(errand: Errand) -> None:
        more[0] = asyncio.Event()
        exchange = await errand.graph.open(errand.request())
        beginning, oversized = await exchange.read(4)
        assert (beginning, oversized) == (b"hello", True)
        more[0].set()
        assert b"".join([piece async for piece in exchange.chunks()]) == b" world"

    running(story, script)


# --- what goes wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early\r\n\r\n" + EMPTY,
    ],
)
def test_an_answer_that_is_cut_off_is_never_a_success(answer: bytes) -> None:
    at = [0]

    async def script(line: Line) -> None:
        await line.request()
        await line.send(answer[: at[0]])
        line.finish()

    async def story(errand: Errand) -> None:
        for cut in range(len(answer)):
            at[0] = cut
            with pytest.raises(UpstreamBroken) as caught:
                await errand.ask("POST", body=b"")
            word = "http_response_incomplete" if cut else "connection_terminated"
            assert caught.value.proxy_word == word
        assert len(errand.origin.requests) == len(answer), "none was sent twice"
        at[0] = len(answer)
        assert (await errand.ask("POST", body=b""))[0] == 200

    running(story, script)


def test_a_reset_in_the_body() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(OK + b"\r\nhello")
        await turn()
        line.reset()

    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request())
        pieces = exchange.chunks()
        assert await anext(pieces) == b"hello"
        with pytest.raises(UpstreamBroken):  # a body that ends with the connection does not end with a reset
            await anext(pieces)

    running(story, script)


@pytest.mark.parametrize(
    "answer",
    [
        b"\0\1\2",
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"A: b\r\n c\r\n\r\n",
        OK + b"A: b\0\r\n\r\n",
        OK + b"A: " + b"a" * 5000 + b"\r\n\r\n",
        OK + b"A: b\r\n" * 1000 + b"\r\n",
        OK + b"A: " + b"a" * 5000,
    ],
)
def test_malformed_heads(answer: bytes) -> None:
    async def story(errand: Errand) -> None:
        with pytest.raises(UpstreamMalformed):
            await errand.ask()
        await errand.until_connections(0, 0)
        assert len(errand.origin.requests) == 1

    running(story, answering(answer))


def test_malformed_chunks_come_after_what_was_good() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request())
        pieces = exchange.chunks()
        assert await anext(pieces) == b"ok"
        with pytest.raises(UpstreamMalformed):
            await anext(pieces)
        with pytest.raises(UpstreamMalformed):
            await exchange.read(10)
        await errand.until_connections(0, 0)

    running(story, answering(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n"))


def test_silence_before_the_head() -> None:
    async def story(errand: Errand) -> None:
        for method in ("GET", "POST"):
            with pytest.raises(UpstreamSilent) as caught:
                await errand.ask(method)
            assert caught.value.proxy_word == "http_response_timeout"
        assert len(errand.origin.requests) == 2, "silence is no reason to ask again"
        await errand.until_connections(0, 0)

    running(story, saying(b"HTTP/1.1 200 O"), timeouts=Timeouts(connect=5, reply=0.05, idle=5))


def test_an_interim_answer_breaks_the_silence() -> None:
    async def script(line: Line) -> None:
        await line.request()
        for _ in range(4):
            await passed(0.1)
            await line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await line.send(EMPTY)
        await line.ended()

    async def story(errand: Errand) -> None:
        assert (await errand.ask())[0] == 200

    running(story, script, timeouts=Timeouts(connect=5, reply=0.25, idle=5))


def test_silence_in_the_body() -> None:
    async def story(errand: Errand) -> None:
        exchange = await errand.graph.open(errand.request())
        pieces = exchange.chunks()
        assert await anext(pieces) == b"he"
        with pytest.raises(UpstreamSilent):
            await anext(pieces)
        await errand.until_connections(0, 0)

    running(
        story,
        saying(OK + b"Content-Length: 5\r\n\r\nhe"),
        timeouts=Timeouts(connect=5, reply=5, idle=0.05),
    )
