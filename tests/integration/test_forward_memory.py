"""A hundred megabytes pass through a gateway process whose memory does not grow with them."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from acceptance.command import Command
from fakes.caller import Caller
from fakes.origin import Line, Origin, Script

PIECE = random.Random(1).randbytes(65_536)
SIZE = 100 * 1024 * 1024
MOST = 16 * 1024
"""KiB that the process may grow by."""

WHOLE = hashlib.sha256(PIECE * (SIZE // len(PIECE))).hexdigest()


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway") / "gateway.yaml"


class Memory:
    """The resident memory of another process, in KiB; read from /proc, so on Linux alone."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self.before = self._read("VmRSS")
        (self._folder / "clear_refs").write_text("5", encoding="ascii")  # the peak starts from here

    def _read(self, what: str) -> int:
        lines = (self._folder / "status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what + ":"))

    @property
    def growth(self) -> int:
        """The highest point since then, above what it was."""
        return self._read("VmHWM") - self.before


def passes(settings: Path, script: Script, call: Callable[[Origin, Caller], Awaitable[None]]) -> None:
    """Start a gateway in front of `script`, warm it up by a small call, and see what `call` makes of its memory."""

    async def story() -> None:
        async with asyncio.timeout(60), Origin(script) as origin:
            text = f"listen: {{port: 0}}\nadmin: {{port: 0}}\nupstream: {{base_url: '{origin.url}'}}\n"
            await asyncio.to_thread(settings.write_text, text, encoding="utf-8")
            with Command("run", "--config", settings) as gateway:
                address = await asyncio.to_thread(lambda: str(gateway.event("listening")["address"]))
                host, _, port = address.rpartition(":")
                caller = await Caller.connect(host, int(port))
                for _ in range(20):
                    assert (await caller.ask(b"GET /small HTTP/1.1\r\nHost: g\r\n\r\n")).body == b"ok"
                memory = Memory(gateway._process.pid)
                await call(origin, caller)
                growth = memory.growth
                await caller.close()
                assert await asyncio.to_thread(gateway.stop) == 0
            print(f"grew by {growth} KiB")
            assert growth < MOST, f"it grew by {growth} KiB"
            assert origin.crashes == []

    asyncio.run(story())


async def small(line: Line) -> bytes:
    """Answer small calls; the target of the first other one."""
    while True:
        head = await line.head()
        if head.target != b"/small":
            return head.target
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("slow", [False, True], ids=["read at once", "read now and then"])
def test_a_download(settings: Path, *, slow: bool) -> None:
    """The slow reader waits, again and again, until the upstream cannot get rid of what it has."""
    full = asyncio.Event()

    async def script(line: Line) -> None:
        await small(line)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            line.writer.write(PIECE)
            if line.writer.transport.get_write_buffer_size():
                full.set()
            await line.writer.drain()
            full.clear()
        full.set()

    async def call(origin: Origin, caller: Caller) -> None:
        await caller.send(b"GET /large HTTP/1.1\r\nHost: g\r\n\r\n")
        assert (await caller.head()).status == 200
        whole, size = hashlib.sha256(), 0
        while size < SIZE:
            if slow:
                caller.writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport that can
                await full.wait()
                caller.writer.transport.resume_reading()  # type: ignore[attr-defined] # a transport that can
            piece = await caller.reader.read(4 * 1024 * 1024)
            assert piece
            whole.update(piece)
            size += len(piece)
        assert (size, whole.hexdigest()) == (SIZE, WHOLE)

    passes(settings, script, call)


@pytest.mark.parametrize("slow", [False, True], ids=["read at once", "read now and then"])
def test_an_upload(settings: Path, *, slow: bool) -> None:
    full = asyncio.Event()

    async def script(line: Line) -> None:
        await small(line)
        whole, size = hashlib.sha256(), 0
        while size < SIZE:
            if slow:
                await full.wait()
            piece = await line.reader.read(4 * 1024 * 1024)
            assert piece
            whole.update(piece)
            size += len(piece)
        said = whole.hexdigest().encode()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    async def call(origin: Origin, caller: Caller) -> None:
        await caller.send(b"PUT /large HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            caller.writer.write(PIECE)
            if caller.writer.transport.get_write_buffer_size():
                full.set()
            await caller.writer.drain()
            full.clear()
        full.set()
        assert (await caller.answer()).body == WHOLE.encode()

    passes(settings, script, call)
