"""A reply whose head is in and whose body is still coming: what the rest of the gateway holds in its hands.

    Exchange     comes over a connection          Enclosed     came inside another reply, and is here already
    Begun        has been asked for, and is heard of by a callback instead of being waited for

Rules: one reader. Whoever stops early, by `close`, by cancellation or by leaving `chunks`, ends the connection;
whoever reads to the end need not care, the connection was given back when the last byte came. What had arrived before
a failure is handed out before the failure is raised.
"""

from collections.abc import AsyncGenerator

from gateway.model import Headers
from gateway.upstream.answer import Answer
from gateway.upstream.connection import Connection


class Exchange:
    """Final status and headers, raw, and the body de-chunked. Must be read to its end or closed."""

    __slots__ = (
        "_answer",
        "_connection",
        "_peeked",
        "chunked",
        "content_length",
        "has_body",
        "headers",
        "reason",
        "status",
    )

    def __init__(self, answer: Answer, connection: Connection) -> None:
        self._answer = answer
        self._connection = connection
        self._peeked = b""
        self.status = answer.status
        self.reason = answer.reason
        self.headers = answer.headers
        self.content_length = answer.content_length
        self.chunked = answer.chunked
        self.has_body = answer.has_body

    @property
    def complete(self) -> bool:
        """Whether the whole reply has arrived, read or not."""
        return self._answer.complete

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises UpstreamBroken, UpstreamSilent or UpstreamMalformed where it does not."""
        try:
            if self._peeked:
                peeked, self._peeked = self._peeked, b""
                yield peeked
            while await self._more():
                yield self._take()
        finally:
            self._connection.abandon(self._answer)

    async def read(self, limit: int) -> tuple[bytes, bool]:
        """The body, and whether there is more of it than `limit`.

        If there is, the bytes are only a beginning (none, where a Content-Length said so), and `chunks` goes on
        behind them; `close` gives up on it.
        """
        if self.has_body and self.content_length is not None and self.content_length > limit:
            return b"", True
        pieces = [self._peeked] if self._peeked else []
        size, self._peeked = len(self._peeked), b""
        try:
            while await self._more():
                piece = self._take()
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    return b"".join(pieces), True
        except BaseException:
            self._connection.abandon(self._answer)
            raise
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), False

    async def peek(self, limit: int) -> tuple[bytes, bool]:
        """As `read`; but what was read is still there for whoever reads next."""
        body, more = await self.read(limit)
        self._peeked = body
        return body, more

    async def close(self) -> None:
        """Give up on what has not been read. May be called again, and after the end."""
        self.drop()

    def drop(self) -> None:
        """As `close`, for whoever cannot wait."""
        self._connection.abandon(self._answer)

    async def _more(self) -> bool:
        """Wait until there is something to take, or the end (False), or raise what went wrong."""
        answer = self._answer
        while not answer.pieces:
            if answer.complete:
                return False
            if answer.failure is not None:
                raise answer.failure
            await self._connection.changed()
        return True

    def _take(self) -> bytes:
        data = self._answer.take()
        self._connection.taken(self._answer)
        return data


class Begun:
    """A request that was sent, and whose answer whoever sent it is told of (see `Connection.begin`)."""

    __slots__ = ("_connection", "answer")

    def __init__(self, answer: Answer, connection: Connection) -> None:
        self.answer = answer
        self._connection = connection

    def within(self, seconds: float) -> None:
        """The whole of the answer has to come in so many seconds from now."""
        self._connection.within(self.answer, seconds)

    def over(self) -> None:
        """Nothing more comes of the answer."""
        self._connection.unheard()

    def exchange(self) -> Exchange:
        """The head is there: the rest is read by waiting for it."""
        self._connection.unheard()
        return Exchange(self.answer, self._connection)

    def abandon(self) -> None:
        """Nobody wants the answer any more."""
        self._connection.unheard()
        self._connection.abandon(self.answer)


class Enclosed(Exchange):
    """A reply that was part of another one. It is all here, and may be read more than once."""

    __slots__ = ("_body", "text")

    def __init__(self, status: int, headers: Headers, body: bytes, *, text: str | None = None) -> None:
        """`text`: what it looks like where it was enclosed."""
        self.status = status
        self.reason = b""
        self.headers = headers
        self.content_length = len(body)
        self.chunked = False
        self.has_body = bool(body)
        self.text = text
        self._body = body

    @property
    def complete(self) -> bool:
        return True

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        if self._body:
            yield self._body

    async def read(self, limit: int) -> tuple[bytes, bool]:
        return (b"", True) if len(self._body) > limit else (self._body, False)

    async def peek(self, limit: int) -> tuple[bytes, bool]:
        return await self.read(limit)

    async def close(self) -> None:
        """There is no connection."""
