"""Real Redis servers to test with, each a process of its own on a Unix socket, and stores on them.

`LRO_GATEWAY_TEST_REDIS` names another program than `redis-server`, such as a `valkey-server`.
"""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import redis

from fakes.clock import FakeClock
from fakes.records import START
from gateway.clock import Clock
from gateway.store.redis import RedisStore
from gateway.store.redis_scripts import PREFIX

PROGRAM = os.environ.get("LRO_GATEWAY_TEST_REDIS", "redis-server")
KEEP_FINISHED, KEEP_KEYED = 900.0, 86_400.0


class RedisProcess:
    """One server."""

    def __init__(self, folder: Path, *options: str, tcp: bool = False) -> None:
        self.folder = folder
        self.port = _free_port() if tcp else 0
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def path(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    @property
    def client(self) -> redis.Redis:
        """What another program sees. To be closed."""
        return redis.Redis(unix_socket_path=str(self.path))

    def ask(self, *command: Any) -> Any:
        with self.client as client:
            return client.execute_command(*command)

    def start(self) -> None:
        """Return when it takes calls."""
        plain = (
            "--port", str(self.port), "--unixsocket", str(self.path), "--dir", str(self.folder), "--save", "",
            "--appendonly", "no", "--logfile", "", "--daemonize", "no", "--bind", "127.0.0.1",
        )  # fmt: skip
        self._process = subprocess.Popen(
            [PROGRAM, *plain, *self._options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept connections" in line and (".sock" in line or "unix" in line):
                return
        raise AssertionError(f"{PROGRAM} did not start:\n{''.join(said)}")

    def kill(self) -> None:
        """At once, with nothing put in order."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(*options: str, tcp: bool = False) -> Iterator[RedisProcess]:
    # Not pytest's own directory: the path of a Unix socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="lro-redis-") as folder:
        server = RedisProcess(Path(folder), *options, tcp=tcp)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@asynccontextmanager
async def opened(url: str, clock: Clock, **options: Any) -> AsyncIterator[RedisStore]:
    store = made(url, clock, **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def made(url: str, clock: Clock, **options: Any) -> RedisStore:
    plain: dict[str, Any] = {
        "max_active": 100_000, "keep_finished": KEEP_FINISHED, "keep_keyed": KEEP_KEYED
    }  # fmt: skip
    return RedisStore(url=url, clock=clock, **{**plain, **options})


class SharedClock(FakeClock):
    """A clock with which a server's moves on: what lives for a time there has less of it left."""

    def __init__(self, server: RedisProcess) -> None:
        super().__init__(START)
        self._server = server

    async def advance(self, seconds: float) -> None:
        await super().advance(seconds)
        with self._server.client as client:
            for kind in ("op", "key"):
                for key in client.scan_iter(f"{PREFIX}{kind}:*", count=1000):
                    left = client.pttl(key)
                    if left > 0:
                        client.pexpire(key, round(left - seconds * 1000))


def all_bytes(server: RedisProcess) -> bytes:
    """Every key of the server, and what stands there."""
    with server.client as client:
        return b"\n".join(key + b" " + _content(client, key) for key in client.scan_iter(count=1000))


def _content(client: Any, key: bytes) -> bytes:
    match client.type(key):
        case b"hash":
            return repr(client.hgetall(key)).encode()
        case b"zset":
            return repr(client.zrange(key, 0, -1, withscores=True)).encode()
        case _:
            return repr(client.get(key)).encode()
