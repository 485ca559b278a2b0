"""Listeners, the guard in front of everything, and the short list of routes.

Rules:
1. No request gets past `_route` unless the parser and the guard agreed that it is one; a refusal has a fixed body,
   closes the connection and echoes nothing, in the answer or in the log.
2. Every call ends with exactly one record for the observers, whatever became of it.
3. aiohttp's C parser has to be there, and to be no older than `OLDEST`: the pure-Python one lets malformed requests
   through, and those before have known holes.

What this module must not do: anything about operations but send a call to the module that does it.
"""

import asyncio
import re
from dataclasses import replace

import aiohttp.http_parser
from aiohttp.web import BaseRequest, StreamResponse

from gateway import guard, headers
from gateway.config import Config
from gateway.dialects import find, spoken
from gateway.errors import CallNotAllowed, GatewayError, Overloaded, ProxyLoop
from gateway.http import answers, operations
from gateway.http.answers import Answer
from gateway.http.batch import Batches, is_batch
from gateway.http.door import Door
from gateway.http.express import Express
from gateway.http.failing import answered
from gateway.http.forward import forward
from gateway.http.hold import Hold
from gateway.http.ids import new_id
from gateway.http.listener import GatewayServer
from gateway.http.memory import Memory, watermark
from gateway.http.responder import CallerCut, CallerLeft, Writer, Written
from gateway.http.tls import CallerTls, TlsUnusable
from gateway.http.visit import Parts, Visit
from gateway.telemetry import CallRecord

OLDEST = (3, 14, 5)
"""The aiohttp of which the parser was last looked through; `pyproject.toml` asks for no older one either."""
DAY = 86_400.0
EXPIRES_SOON = 14 * DAY
"""Seconds before its end from which a certificate is worth a warning."""


class ParserMissing(RuntimeError):
    """aiohttp's C parser is not loaded: reinstall aiohttp from a binary wheel for this platform, and unset
    AIOHTTP_NO_EXTENSIONS.
    """


class ParserTooOld(ParserMissing):
    """aiohttp is older than 3.14.5, and its parser has known holes: install the one that requirements.lock names."""


def require_strict_parser() -> None:
    """Raises `ParserMissing` where requests would be parsed leniently."""
    if tuple(map(int, re.findall("[0-9]+", aiohttp.__version__)[:3])) < OLDEST:
        raise ParserTooOld(" ".join((ParserTooOld.__doc__ or "").split()))
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise ParserMissing(" ".join((ParserMissing.__doc__ or "").split()))


class CallerSide:
    """The listener that callers talk to."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._hold = Hold(parts)
        self._batches = Batches(self._hold)
        limits = parts.config.limits
        self._server = GatewayServer(
            self._serve,
            self._refuse,
            max_connections=limits.connections,
            header_read=limits.header_read,
            response_write=limits.response_write,
            keepalive_timeout=limits.idle,
            turned_away=self._turned_away,
            max_target=guard.TARGET_LIMIT,
            max_header=limits.header,
            express=Express(lambda: self._parts),
            outbox=parts.direct.outbox if parts.direct is not None else None,
        )
        self._listener: asyncio.Server | None = None
        self._tls: CallerTls | None = None
        self._door: Door | None = None

    @property
    def held(self) -> int:
        """Calls that are held now."""
        return self._hold.held

    @property
    def connections(self) -> int:
        return len(self._server.live)

    @property
    def certificate_ends_at(self) -> float | None:
        """When our certificate expires, in seconds since 1970; None without TLS."""
        return self._tls.ends_at if self._tls is not None else None

    async def listen(self) -> tuple[str, int]:
        """Start to take calls; returns where. Raises `OSError`, `TlsUnusable`."""
        where = self._parts.config.listen
        if where.tls.certificate_file is not None or where.tls.private_key_file is not None:
            return await self._listen_over_tls(CallerTls(where.tls))
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._server, where.host, where.port, backlog=1024, reuse_address=True
        )
        host, port = self._listener.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def _listen_over_tls(self, tls: CallerTls) -> tuple[str, int]:
        where, observer = self._parts.config.listen, self._parts.observer
        self._tls = tls
        self._tell_of_expiry(tls)
        self._door = Door(
            self._server, lambda: tls.context, clock=self._parts.clock, on_crash=observer.crashed
        )
        return await self._door.open(where.host, where.port)

    def reload(self, config: Config) -> tuple[str, ...]:
        """Go by a new configuration as far as calls and who may make them are concerned, and read the files of
        `listen.tls` anew; connections and calls go on. Returns what could not be taken over, and why; of that, everything stays as it was.
        """
        self._go_by(config)
        self._parts.known.reload(config.auth.caller_keys)
        self._parts.allowed.reload(config.auth.allow)
        files = config.listen.tls
        if self._tls is None or files.certificate_file is None:
            unchanged = self._tls is None and files.certificate_file is None
            return () if unchanged else ("listen.tls: turning TLS on or off needs a restart",)
        try:
            self._tls.reload(files)
        except TlsUnusable as error:
            return (str(error),)
        self._tell_of_expiry(self._tls)
        return ()

    def _go_by(self, config: Config) -> None:
        """Calls to come go by this; those that are here keep the parts that they came with."""
        parts, limits = self._parts, config.limits
        memory = Memory(watermark(limits.memory), monotonic=parts.clock.monotonic, observer=parts.observer)
        self._parts = self._hold.parts = replace(
            parts, config=config, dialects=spoken(config.dialects, config.upstream.base_url), memory=memory
        )
        server = self._server
        server.max_connections, server.max_header = limits.connections, limits.header
        server.header_read, server.response_write = limits.header_read, limits.response_write
        server.keepalive_timeout = limits.idle

    def _tell_of_expiry(self, tls: CallerTls) -> None:
        left = tls.ends_at - self._parts.clock.now()
        if left < EXPIRES_SOON:
            self._parts.observer.event("certificate_expires", days=round(left / DAY, 1))

    def _turned_away(self, reason: str) -> None:
        self._parts.observer.event("turned_away", reason=reason)

    async def stop(self, grace: float) -> None:
        """Take no more calls, and give those that are being answered `grace` seconds."""
        if self._door is not None:
            await self._door.close()
        if self._listener is not None:
            self._listener.close()
        await self._server.drain(grace)
        if self._listener is not None:
            await self._listener.wait_closed()

    # --- one call ----------------------------------------------------------------------------------------

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        visit = Visit(self._parts, request)
        try:
            return await answered(visit, self._route(visit))
        except CallerLeft as gone:
            visit.record.outcome = "aborted" if isinstance(gone, CallerCut) else "left"
            return visit.responder.abort()
        except asyncio.CancelledError:
            visit.record.outcome = "aborted" if self._server.cutting else "left"
            raise
        finally:
            visit.drop_opened()
            self._record(visit.record, visit.responder)
            visit.trace.end(visit.record)

    async def _route(self, visit: Visit) -> Written:
        refusal = guard.check(
            guard.RequestHead(
                method=visit.call.method,
                target=visit.call.target,
                version=visit.request.version,
                headers=visit.call.headers,
            ),
            header_limit=self._parts.config.limits.header,
        )
        if refusal is not None:
            visit.disown()
            raise refusal
        if headers.passed_here(visit.call.headers):
            raise ProxyLoop
        visit.settle_target(guard.origin_form(visit.call.target))
        own_path = visit.call.path == operations.PREFIX or visit.call.path.startswith(operations.PREFIX + "/")
        await self._admit(visit, own_path=own_path)
        if own_path:
            return await operations.serve(visit)
        if not self._parts.allowed.covers(visit.call.method, visit.call.path, visit.call.headers):
            raise CallNotAllowed
        if self._parts.memory.full():
            raise Overloaded("memory")
        if is_batch(visit.call):
            return await self._batches.serve(visit)
        dialect = find(self._parts.dialects, visit.call)
        if dialect is None:
            return await forward(visit)
        return await self._hold.serve(visit, dialect)

    async def _admit(self, visit: Visit, *, own_path: bool) -> None:
        """Find out who calls, before anything else is read. Raises `GatewayError` for whoever may not."""
        known = self._parts.known
        if own_path and known.lacks_key(visit.call.headers) and operations.has_ticket(visit):
            return
        known.name(visit.request.transport, visit.call.headers)
        await visit.recognise(own_path=own_path)

    def _record(self, record: CallRecord, responder: Writer) -> None:
        record.status, record.bytes_out = responder.status, responder.sent
        self._parts.observer.call_ended(record, self._parts.clock.monotonic() - record.started)

    def _refuse(self, failure: GatewayError) -> Answer:
        """The answer to what was refused before there was a request to look at."""
        record = CallRecord(
            method="",
            path="",
            started=self._parts.clock.monotonic(),
            request_id=new_id(),
            route="refused",
            status=failure.status,
            outcome=failure.reason,
        )
        self._parts.observer.call_ended(record, 0.0)
        return answers.error(failure, answers.Origin(record.request_id, None, self._parts.clock.now()))
