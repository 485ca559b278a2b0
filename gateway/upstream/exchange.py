"""A reply whose head is in and whose body is still coming: what the rest of the gateway holds in its hands.

Rules: one reader. Whoever stops early, by `close`, by cancellation or by leaving `chunks`, ends the connection;
whoever reads to the end need not care, the connection was given back when the last byte came. What had arrived before
a failure is handed out before the failure is raised.
"""

from collections.abc import AsyncGenerator

from gateway.upstream.answer import Answer
from gateway.upstream.connection import Connection


class Exchange:
    """Final status and headers, raw, and the body de-chunked. Must be read to its end or closed."""

    __slots__ = (
        "_answer",
        "_connection",
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
        pieces: list[bytes] = []
        size = 0
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

    async def close(self) -> None:
        """Give up on what has not been read. May be called again, and after the end."""
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
