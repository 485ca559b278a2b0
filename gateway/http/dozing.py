"""Dozing: what a connection lets go of while its call is held.

A held call may wait for a minute, and ten thousand of them do so at once. Until its answer, the next request on the same
connection is unlikely; so the parser goes, and with it the copies of every header line that it keeps until the next
request begins, and the timer that ends idle connections. Whatever comes all the same wakes the connection up.

Rules: a connection dozes only between two messages, when its parser holds nothing of a next one; a new parser then
starts where the old one stopped.

What this module must not do: let go of anything that the answer needs.

It uses names of aiohttp's that have no public twin; `tests/integration/test_dozing.py` fails where a release of aiohttp
changes them.
"""

from collections import deque
from typing import Any

from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE, RequestHandler, RequestPayloadError
from multidict import CIMultiDict, CIMultiDictProxy

NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
"""In the place of a second copy of the header lines, which nobody here reads: the raw ones are what counts."""

_NOTHING: deque[Any] = deque()
"""In the place of the buffer of a body that was read, and of the queue of requests: an empty one takes 600 bytes."""

_USUAL = {
    word: word
    for word in (
        *(
            b"Accept",
            b"Accept-Encoding",
            b"Authorization",
            b"Cache-Control",
            b"Connection",
            b"Content-Length",
        ),
        *(b"Content-Type", b"Host", b"Prefer", b"SdkVersion", b"User-Agent", b"client-request-id"),
        *(b"accept", b"accept-encoding", b"authorization", b"connection", b"content-length", b"content-type"),
        *(b"host", b"prefer", b"user-agent", b"*/*", b"application/json", b"gzip, deflate", b"keep-alive"),
    )
}
"""Names and values that most requests have; one copy of each does for all."""


def lean(message: RawRequestMessage) -> RawRequestMessage:
    """A request's message without the decoded copy of its header lines."""
    share = _USUAL.get
    raw = tuple([(share(name, name), share(value, value)) for name, value in message.raw_headers])
    return message._replace(headers=NO_HEADERS, raw_headers=raw)


class Dozing(RequestHandler):
    """What a connection does to doze."""

    __slots__ = ()

    @property
    def dozes(self) -> bool:
        return self._parser is None

    def fall_asleep(self, body: StreamReader) -> None:
        """`body`: of the request that is being served; all of it has come, and no other request has."""
        self._parser = None
        self._messages = _NOTHING
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
            self._keepalive_handle = None
        if type(body) is StreamReader and body.at_eof():  # the one for no body at all is everybody's
            body._buffer = _NOTHING  # noqa: SLF001 - see the module

    def wake_up(self) -> None:
        """Before anything that has come is looked at."""
        self._messages = deque()
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=MAX_MSG_QUEUE_SIZE,
        )
