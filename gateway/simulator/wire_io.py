"""Reads requests from aiohttp and writes answers to it, byte for byte; the only module that touches a connection.

Rules: targets and headers come from the raw message, never from a parsed URL or a header dictionary, since those
normalise. Bodies are read and written in pieces. Nothing is decided here: an `Answer` says what is to be done,
tricks included.
"""

import asyncio
import contextlib
import dataclasses
import gzip
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Callable

from aiohttp import HttpVersion11, web
from aiohttp.client_exceptions import ClientError

from gateway.clock import Clock
from gateway.simulator.transparency import keeps_body
from gateway.simulator.wire import Answer, Asked, Headers, Origin, Stream, Trick

_RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger


class BodyTooBigError(Exception):
    """The request's body is bigger than what is kept."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.target)
        self.asked = asked


async def read(
    request: web.BaseRequest, origin: Origin, at: float, most: int, *, lost: Callable[[Asked], None]
) -> Asked:
    """The whole request. Raises BodyTooBigError; `lost` is told of one whose client goes before its end."""
    target = request.raw_path.encode("utf-8", "surrogateescape").decode("latin-1")
    headers: Headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers
    )
    asked = Asked(origin, request.method, target, headers, at=at)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    keep = keeps_body(target)
    kept, length, digest = bytearray(), 0, hashlib.sha256()
    try:
        async for piece in _pieces(request):
            length += len(piece)
            digest.update(piece)
            if keep:
                kept += piece
            if len(kept) > most:
                raise BodyTooBigError(asked)
    except (asyncio.CancelledError, ClientError, ConnectionError):
        lost(dataclasses.replace(asked, length=length, sha256=digest.hexdigest(), complete=False))
        raise
    return dataclasses.replace(asked, body=bytes(kept), length=length, sha256=digest.hexdigest())


async def _pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    while piece := await request.content.readany():
        yield piece


async def write(
    request: web.BaseRequest, answer: Answer, clock: Clock, stopping: asyncio.Event, *, compress: bool
) -> web.StreamResponse:
    """Send the answer; returns what aiohttp wants to have."""
    whole = False
    try:
        if answer.delay > 0:
            await clock.sleep(answer.delay)
        response = await _write(request, answer, stopping, compress=compress)
        whole = answer.trick is Trick.NONE
        return response
    except ConnectionError:  # the client has gone: nothing to complain of
        return web.StreamResponse()
    finally:
        if answer.sent is not None:
            answer.sent(whole)


async def _write(
    request: web.BaseRequest, answer: Answer, stopping: asyncio.Event, *, compress: bool
) -> web.StreamResponse:
    match answer.trick:
        case Trick.HANG:
            await stopping.wait()
            return _abort(request)
        case Trick.RESET:
            return _abort(request)
        case Trick.NOT_HTTP:
            if request.transport is not None:
                request.transport.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
                request.transport.close()
            return web.StreamResponse()
        case Trick.NONE | Trick.CUT:
            return await _respond(request, answer, compress=compress)


async def _respond(request: web.BaseRequest, answer: Answer, *, compress: bool) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status)
    body = answer.body
    headers = answer.headers
    if compress and isinstance(body, bytes) and body and _takes_gzip(request):
        body = gzip.compress(body, mtime=0)
        headers += (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    for name, value in headers:
        response.headers.add(name, value)
    response.headers["Server"] = "lro-gateway-simulator"
    size = body.size if isinstance(body, Stream) else len(body)
    if answer.status not in {204, 304}:
        response.content_length = size
    await response.prepare(request)
    if request.method == "HEAD" or answer.status in {204, 304}:
        return response
    if isinstance(body, Stream):
        for piece in body.chunks():
            await response.write(piece)
    elif answer.trick is Trick.CUT:
        await response.write(body[: size // 2])
        if request.transport is not None:
            request.transport.close()
        return response
    elif body:
        await response.write(body)
    await response.write_eof()
    return response


def _takes_gzip(request: web.BaseRequest) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


def _abort(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection with a RST instead of a FIN."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        transport.abort()
    return web.StreamResponse()
