"""Bodies pass in pieces, at the pace of whoever is slower, and end when either side leaves."""

import asyncio
import hashlib
import random
import socket
from contextlib import suppress

import pytest
from fakes.caller import Caller
from fakes.errors import assert_own_error
from fakes.origin import Line, Origin, Script
from passage import Passage, passing, turn

PIECE = random.Random(1).randbytes(65_536)
OFFERED = 64 * 1024 * 1024
"""More than all buffers on the way hold."""
HELD = 40 * 1024 * 1024
"""What they may hold: nearly all of it in the kernel, which grows its own."""

GET = b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n"


def digest(size: int) -> str:
    whole = hashlib.sha256()
    for _ in range(size // len(PIECE)):
        whole.update(PIECE)
    return whole.hexdigest()


class Pump:
    """Writes OFFERED bytes and knows how many have been taken off its hands."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.written = 0

    async def run(self) -> None:
        while self.written < OFFERED:
            self.writer.write(PIECE)
            self.written += len(PIECE)
            await self.writer.drain()

    @property
    def stuck(self) -> bool:
        return self.writer.transport.get_write_buffer_size() > 0


async def stand_still(*pumps: Pump) -> None:
    """Wait until nothing moves any more, here or in the kernel."""
    still, seen = 0, -1
    while still < 50:
        await turn()
        moved = sum(pump.written for pump in pumps)
        still = still + 1 if moved == seen and all(pump.stuck for pump in pumps) else 0
        seen = moved


async def read_on(caller: Caller) -> None:
    """Read and throw away. Raises what the end of the connection is, if it is no orderly one."""
    while await caller.reader.read(262_144):
        pass


# --- the slower one sets the pace ----------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_a_caller_that_does_not_read_stops_the_upstream(*, chunked: bool) -> None:
    pumps: list[Pump] = []
    framing = b"Content-Length: %d" % OFFERED if not chunked else b"Connection: close"

    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        pumps.append(Pump(line.writer))
        line.origin.stir()
        await pumps[-1].run()
        line.finish()

    async def story(passage: Passage) -> None:
        caller = await Caller.connect(passage.host, passage.port, limit=65_536)
        passage.callers.append(caller)
        await caller.send(GET)
        await passage.origin.until(lambda: bool(pumps))
        await stand_still(pumps[-1])
        assert pumps.pop().written < HELD
        head = await caller.head()
        whole, size = hashlib.sha256(), 0
        while size < OFFERED:
            piece = await _body_piece(caller) if head.chunked else await caller.reader.read(262_144)
            assert piece
            whole.update(piece)
            size += len(piece)
        assert (size, whole.hexdigest()) == (OFFERED, digest(OFFERED))
        record = await passage.record()
        assert (record.outcome, record.bytes_out) == ("answered", OFFERED)

    passing(story, script)


async def _body_piece(caller: Caller) -> bytes:
    size = int(await caller.reader.readuntil(b"\r\n"), 16)
    return (await caller.reader.readexactly(size + 2))[:-2]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_an_upstream_that_does_not_read_stops_the_caller(*, chunked: bool) -> None:
    async def script(line: Line) -> None:
        head = await line.head()
        await line.origin.until(lambda: going)
        whole, size = hashlib.sha256(), 0
        while size < OFFERED:
            if head.chunked:
                length = int(await line.reader.readuntil(b"\r\n"), 16)
                piece = (await line.reader.readexactly(length + 2))[:-2]
            else:
                piece = await line.reader.read(262_144)
            whole.update(piece)
            size += len(piece)
        if head.chunked:
            await line.reader.readexactly(5)
        said = whole.hexdigest().encode()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    going = False

    async def story(passage: Passage) -> None:
        nonlocal going
        going = False
        caller = await passage.caller()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % OFFERED
        await caller.send(b"PUT /x HTTP/1.1\r\nHost: g\r\n" + framing + b"\r\n\r\n")
        pump = Pump(caller.writer)
        if chunked:
            pump.writer = _InChunks(caller.writer)  # type: ignore[assignment] # stands in for it
        pumping = passage.gateway.tasks.start("pump", pump.run())
        await stand_still(pump)
        assert pump.written < HELD
        going = True
        passage.origin.stir()
        await pumping
        if chunked:
            await caller.send(b"0\r\n\r\n")
        assert (await caller.answer()).body == digest(OFFERED).encode()
        record = await passage.record()
        assert (record.outcome, record.bytes_in) == ("answered", OFFERED)

    passing(story, script)


class _InChunks:
    """A writer that makes a chunk of each piece."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.transport = writer.transport

    def write(self, piece: bytes) -> None:
        self._writer.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))

    async def drain(self) -> None:
        await self._writer.drain()


def test_a_slow_caller_does_not_hold_up_another() -> None:
    async def script(line: Line) -> None:
        while True:
            got = await line.request()
            if got.target == b"/small":
                await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            else:
                await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % OFFERED)
                with suppress(ConnectionError):
                    await Pump(line.writer).run()

    async def story(passage: Passage) -> None:
        slow = await passage.caller(slow=True)
        await slow.send(GET)
        await slow.head()
        quick = await passage.caller()
        for _ in range(100):
            assert (await quick.ask(GET.replace(b"/x", b"/small"))).body == b"ok"

    passing(story, script)


# --- callers that leave ----------------------------------------------------------------------------------------


def endless(before: bytes = b"") -> Script:
    """Sends without end, until the other side is gone; notes that it was."""

    async def script(line: Line) -> None:
        try:
            await line.request()
            await line.send(before + b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await line.send(PIECE)
        finally:
            gone.append(line)
            line.origin.stir()

    return script


gone: list[Line] = []


async def seen_to_leave(passage: Passage, origin: Origin, *, status: int) -> None:
    await origin.until(lambda: bool(gone))
    gone.clear()
    record = await passage.record()
    assert (record.outcome, record.status) == ("left", status)
    await passage.at_rest()
    assert passage.gateway.graph.connections == (0, 0)
    assert len(passage.gateway.tasks) == 0, passage.gateway.tasks.names()
    while passage.gateway.callers.connections:
        await turn()


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_caller_that_leaves_in_a_download(*, reset: bool) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        await caller.reader.readexactly(1_000_000)
        if reset:
            caller.reset()
        else:
            await caller.close()
        await seen_to_leave(passage, passage.origin, status=200)

    passing(story, endless())


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_caller_that_leaves_while_it_waits(*, reset: bool) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.ended()
        gone.append(line)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        await passage.origin.until(lambda: len(passage.origin.requests) == 1)
        if reset:
            caller.reset()
        else:
            await caller.close()
        await seen_to_leave(passage, passage.origin, status=0)

    passing(story, script)


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("framing", [b"Content-Length: 100000000", b"Transfer-Encoding: chunked"])
def test_a_caller_that_leaves_in_an_upload(framing: bytes, *, reset: bool) -> None:
    """What arrived upstream is no whole request, and is seen to be none."""

    async def script(line: Line) -> None:
        await line.head()
        await line.reader.readexactly(1000)
        line.origin.stir()
        begun.append(line)
        rest = await line.ended()
        assert b"\r\n0\r\n" not in rest, "the body was ended"
        gone.append(line)

    begun: list[Line] = []

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(
            b"PUT /x HTTP/1.1\r\nHost: g\r\n"
            + framing
            + b"\r\n\r\n4000\r\n"
            + b"x" * 0x4000
            + b"\r\n4000\r\n"
        )
        await passage.origin.until(lambda: bool(begun))
        begun.clear()
        if reset:
            caller.reset()
        else:
            await caller.close()
        await seen_to_leave(passage, passage.origin, status=0)

    passing(story, script)


def test_a_caller_that_leaves_between_calls_is_no_call() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(b"GET /x HT")
        await caller.close()
        caller = await passage.caller()
        caller.reset()
        while passage.gateway.callers.connections:
            await turn()
        assert passage.observer.calls == []

    passing(story, endless())


# --- callers that are slow ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [b"", b"5\r\nabc"])
def test_a_body_that_stalls(framing: bytes, sent: bytes) -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.ended()
        gone.append(line)

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(
            b"PUT /x HTTP/1.1\r\nHost: g\r\nclient-request-id: a-1\r\n" + framing + b"\r\n\r\n" + sent
        )
        answer = await caller.answer()
        assert_own_error(answer, 408, "requestTimeout", "http_request_error", client_request_id="a-1")
        assert answer.get(b"connection") == b"close"
        await caller.ended()
        await passage.origin.until(lambda: bool(gone))
        gone.clear()
        await passage.at_rest()

    passing(story, script, limits={"body_read": 0.1})


def test_a_body_that_keeps_coming_is_not_late() -> None:
    """The bound is on a pause, not on the whole."""

    async def script(line: Line) -> None:
        while True:
            got = await line.request()
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%b" % got.body[:1])

    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await caller.send(b"PUT /x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n")
        while loop.time() < began + 0.5:
            await caller.send(b"1\r\nx\r\n")
            await turn()
        await caller.send(b"0\r\n\r\n")
        assert (await caller.answer()).body == b"x"

    passing(story, script, limits={"body_read": 0.3})


def test_an_answer_that_is_not_read_is_cut() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller(slow=True)
        await caller.send(GET)
        record = await passage.record()
        assert (record.outcome, record.status) == ("aborted", 200)
        await passage.origin.until(lambda: bool(gone))
        gone.clear()
        await passage.at_rest()
        assert passage.gateway.graph.connections == (0, 0)
        with pytest.raises(ConnectionResetError):
            await read_on(caller)

    passing(story, endless(), limits={"response_write": 0.2})


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
def test_the_end_of_an_answer_that_is_not_read_is_cut(connection: bytes) -> None:
    """It is written, and lies in our buffer: nobody waits for it, and still it must not lie there for ever."""
    size = 60_000

    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + PIECE[:size])

    async def story(passage: Passage) -> None:
        listener = passage.gateway.callers._listener
        assert listener is not None
        for listening in listener.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        caller = await passage.caller(slow=True)
        await caller.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: " + connection + b"\r\n\r\n"))
        assert (await passage.record()).outcome == "answered"
        assert passage.gateway.callers.connections == 1
        while passage.gateway.callers.connections:
            await turn()
        with pytest.raises(ConnectionResetError):
            await read_on(caller)

    passing(story, script, limits={"response_write": 0.2, "idle": 0.2})
