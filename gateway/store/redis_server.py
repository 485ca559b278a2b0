"""The Redis store's way to its server: connections, time-outs, and what an error means.

Rules
- Whatever goes wrong is a `StoreDown` that says what and how to mend it, without the URL's password. `Unreached` is
  one before whose raising nothing had left this process.
- Nothing is sent twice by itself; a connection on which something went wrong is not used again.
- A bounded number of connections, for which callers queue for a bounded time. What must not queue behind callers (the
  lease, the subscription) has some of its own, and is asked even where the breaker keeps the others away.

What it must not do: know what a record is.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection, parse_url

from gateway.store import StoreDown
from gateway.store.breaker import Breaker
from gateway.store.redis_scripts import PREFIX, Script

CONNECTIONS = 32
RESERVED = 4
"""Connections for the lease, the subscription and what asks beside the breaker."""
CONNECT_TIMEOUT = 1.0
REPLY_TIMEOUT = 2.0
QUEUE_TIMEOUT = 2.0
"""Seconds that a call waits for one of the connections."""
WAIT_TIMEOUT = 1.0
"""Seconds that replicas of the server have to confirm a write; below `REPLY_TIMEOUT`."""
LONGEST_REASON = 200

Command = Sequence[bytes | str | int]

_FIXES = (
    ("OOM", "it is out of memory; give it more, or let less be kept"),
    ("MISCONF", "it cannot write its snapshots; check its disk and its log"),
    ("READONLY", "it is a read-only replica; name the primary in operations.url"),
    ("NOREPLICAS", "it has too few replicas to take writes (min-replicas-to-write); bring them back"),
    ("NOAUTH", "it wants a password; put it into operations.url"),
    ("WRONGPASS", "user name or password in operations.url are wrong"),
    ("DB index", "it has no database of that number; check operations.url"),
    (
        "NOPERM",
        f"its user may not do that; allow it ~{PREFIX}*, &{PREFIX}news and +@all -@admin -@dangerous +info",
    ),
    (
        "MOVED",
        "it is a node of a cluster, and another one has our keys; name that one in operations.url",
    ),
    ("CLUSTERDOWN", "its cluster is down; check the cluster"),
    ("MASTERDOWN", "its primary is gone; name the primary in operations.url"),
    ("LOADING", "it is loading its data; try again when it has done so"),
    ("BUSY", "a script keeps it busy; end that with SCRIPT KILL"),
)
"""By the word that an error begins with, or words in it, what to do about it."""


class Unreached(StoreDown):
    """Nothing was sent."""


class Server:
    """One Redis."""

    def __init__(self, url: str, *, monotonic: Callable[[], float], connections: int = CONNECTIONS) -> None:
        options: dict[str, Any] = dict(parse_url(url))
        self.name = _name(options)
        options |= {
            # The library's own time-outs are `asyncio.wait_for`, which before Python 3.12 may swallow a cancellation.
            "socket_timeout": None,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "timeout": QUEUE_TIMEOUT,
            "protocol": 2,  # every server and every proxy before one speaks it
            "driver_info": None,
            "client_name": "lro-gateway",
        }
        if url.startswith("rediss:"):
            options["ssl_min_version"] = ssl.TLSVersion.TLSv1_2
        self._pool = BlockingConnectionPool(max_connections=connections, **options)
        self._reserved = BlockingConnectionPool(max_connections=RESERVED, **options)
        self._breaker = Breaker(monotonic)
        self._why = ""
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        for pool in (self._pool, self._reserved):
            try:
                await pool.aclose()
            except (exceptions.RedisError, OSError):
                continue  # it is gone, which is what we want

    async def ask(self, *command: bytes | str | int, urgent: bool = False) -> Any:
        """The reply to one command. `urgent` does not queue behind others, and tries in any case."""
        return (await self.ask_all([command], urgent=urgent))[0]

    async def ask_all(self, commands: Sequence[Command], *, urgent: bool = False) -> list[Any]:
        """The replies to several, sent together."""
        replies = await self._exchange(commands, urgent=urgent)
        for reply in replies:
            if isinstance(reply, exceptions.RedisError):
                raise self.explained(reply) from reply
        return replies

    async def run(self, script: Script, *arguments: bytes | str | int, confirmed_by: int = 0) -> Any:
        """What a script returns. Raises `Unconfirmed` where fewer replicas of the server than that have what this
        connection has written.
        """
        tail: list[Command] = [("WAIT", confirmed_by, int(WAIT_TIMEOUT * 1000))] if confirmed_by else []
        replies = await self._exchange([("EVALSHA", script.sha, 1, PREFIX, *arguments), *tail])
        if isinstance(replies[0], exceptions.NoScriptError):
            replies = await self._exchange([("EVAL", script.text, 1, PREFIX, *arguments), *tail])
        for reply in replies:
            if isinstance(reply, exceptions.RedisError):
                raise self.explained(reply) from reply
        if confirmed_by and replies[1] < confirmed_by:
            raise Unconfirmed(
                f"{self.name}: {replies[1]} of its replicas have the write, which operations.wait_replicas wants of "
                f"{confirmed_by}; bring the replicas back, or lower it",
                replies[0],
            )
        return replies[0]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AbstractConnection]:
        """A connection for somebody who needs one all the time. Errors of the library become `StoreDown`."""
        try:
            connection = await _taken(self._reserved)
            try:
                yield connection
            finally:
                # Nobody knows what else may come on it.
                await connection.disconnect(nowait=True)
                await self._reserved.release(connection)
        except (exceptions.RedisError, OSError) as error:
            raise self.explained(error) from error

    async def _exchange(self, commands: Sequence[Command], *, urgent: bool = False) -> list[Any]:
        """The replies; errors that the server answered with are among them."""
        if self._closed:
            raise Unreached("the store is not open")
        if not urgent and not self._breaker.lets_pass():
            raise Unreached(f"{self._why} (not tried again for a moment)")
        pool = self._reserved if urgent else self._pool
        try:
            connection = await _taken(pool)
        except (exceptions.RedisError, OSError) as error:
            raise self._failed(error, Unreached) from error
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                await connection.send_packed_command(connection.pack_commands(commands))
                replies = [await _reply(connection) for _ in commands]
        except (exceptions.RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise self._failed(error, StoreDown) from error
        finally:
            await pool.release(connection)
        self._breaker.worked()
        if any(isinstance(reply, exceptions.ReadOnlyError) for reply in replies):
            # Its name may lead to the new primary, if we connect anew.
            await self._pool.disconnect(inuse_connections=False)
        return replies

    def _failed(self, error: BaseException, kind: type[StoreDown]) -> StoreDown:
        self._breaker.failed()
        told = self.explained(error)
        self._why = str(told)
        return kind(self._why)

    def explained(self, error: BaseException) -> StoreDown:
        """What an error of the library's means, and what to do about it."""
        # What follows "with args" is ours, and may be a record.
        text = " ".join(str(error).partition(", with args")[0].split())[:LONGEST_REASON]
        word = str(getattr(error, "status_code", None) or text.partition(" ")[0])
        for sign, fix in _FIXES:
            if word == sign or f"{sign} " in text:
                return StoreDown(f"{self.name}: {fix} ({text})")
        if "unknown command" in text.lower():
            return StoreDown(
                f"{self.name} lacks a command that is needed ({text}); use Redis or Valkey itself"
            )
        match error:
            case exceptions.AuthenticationError():
                fix = "it does not take our user name and password; check operations.url"
            case exceptions.BusyLoadingError():
                fix = "it is loading its data; try again when it has done so"
            case exceptions.InvalidResponse():
                return StoreDown(f"{self.name} is not a Redis; check operations.url")
            case TimeoutError() | exceptions.TimeoutError():
                fix = "no answer in time; check it, and the network between"
            case exceptions.ConnectionError() if "No connection available" in text:
                fix = "too many calls at once for its connections; it is slow, or down: check it"
            case exceptions.ConnectionError() | OSError():
                fix = "no connection; check operations.url, and that it is running"
            case _:
                return StoreDown(f"{self.name}: {text}")
        return StoreDown(f"{self.name}: {fix} ({text or type(error).__name__})")


class Unconfirmed(StoreDown):
    """It was written, and too few replicas of the server have it."""

    def __init__(self, message: str, reply: Any) -> None:
        super().__init__(message)
        self.reply = reply


async def _taken(pool: BlockingConnectionPool) -> AbstractConnection:
    async with asyncio.timeout(QUEUE_TIMEOUT + CONNECT_TIMEOUT):
        connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call] # redis-py has no type for it
    return connection


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error


def _name(options: dict[str, Any]) -> str:
    """What the server is called in messages: nothing of the URL that could be secret."""
    where = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"Redis at {where}"
