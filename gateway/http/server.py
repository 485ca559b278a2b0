"""Listeners, the guard in front of everything, and the short list of routes.

Rules:
1. No request gets past `_route` unless the parser and the guard agreed that it is one; a refusal has a fixed body,
   closes the connection and echoes nothing, in the answer or in the log.
2. Every call ends with exactly one record for the observers, whatever became of it.
3. aiohttp's C parser has to be there: the pure-Python one lets malformed requests through.

What this module must not do: anything about operations but send a call to the module that does it.
"""

import asyncio

import aiohttp.http_parser
from aiohttp.web import BaseRequest, StreamResponse

from gateway import guard, headers
from gateway.dialects import find
from gateway.errors import GatewayError, ProxyLoop, Refusal, StoreUnavailable
from gateway.http import answers, operations
from gateway.http.answers import Answer
from gateway.http.connection import GatewayServer
from gateway.http.forward import forward
from gateway.http.hold import Hold
from gateway.http.responder import CallerCut, CallerLeft, Responder, Written
from gateway.http.visit import Parts, Visit, new_id
from gateway.store import StoreDown
from gateway.telemetry import CallRecord


class ParserMissing(RuntimeError):
    """aiohttp's C parser is not loaded: reinstall aiohttp from a binary wheel for this platform, and unset
    AIOHTTP_NO_EXTENSIONS.
    """


def require_strict_parser() -> None:
    """Raises `ParserMissing` where requests would be parsed leniently."""
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise ParserMissing(" ".join((ParserMissing.__doc__ or "").split()))


class CallerSide:
    """The listener that callers talk to."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._hold = Hold(parts)
        limits = parts.config.limits
        self._server = GatewayServer(
            self._serve,
            self._refuse,
            max_connections=limits.connections,
            header_read=limits.header_read,
            response_write=limits.response_write,
            keepalive_timeout=limits.idle,
            max_target=guard.TARGET_LIMIT,
            max_header=limits.header,
        )
        self._listener: asyncio.Server | None = None

    @property
    def held(self) -> int:
        """Calls that are held now."""
        return self._hold.held

    @property
    def connections(self) -> int:
        return len(self._server.live)

    async def listen(self) -> tuple[str, int]:
        """Start to take calls; returns where. Raises `OSError`."""
        where = self._parts.config.listen
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._server, where.host, where.port, backlog=1024, reuse_address=True
        )
        host, port = self._listener.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def stop(self, grace: float) -> None:
        """Take no more calls, and give those that are being answered `grace` seconds."""
        if self._listener is not None:
            self._listener.close()
        await self._server.drain(grace)
        if self._listener is not None:
            await self._listener.wait_closed()

    # --- one call ----------------------------------------------------------------------------------------

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        visit = Visit(self._parts, request)
        try:
            return await self._answer(visit)
        except CallerLeft as gone:
            visit.record.outcome = "aborted" if isinstance(gone, CallerCut) else "left"
            return visit.responder.abort()
        except asyncio.CancelledError:
            visit.record.outcome = "aborted" if self._server.cutting else "left"
            raise
        finally:
            self._record(visit.record, visit.responder)

    async def _answer(self, visit: Visit) -> Written:
        try:
            return await self._route(visit)
        except GatewayError as failure:
            if isinstance(failure, Refusal):
                visit.record.route = "refused"
            return await visit.fail(failure)
        except StoreDown as error:
            self._parts.observer.event("store_down", reason=str(error))
            return await visit.fail(StoreUnavailable())
        except (CallerLeft, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug must end in an answer and a log line, not in silence
            self._parts.observer.crashed(visit.record.route, error)
            return await visit.fail(GatewayError())

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
        if visit.call.path == operations.PREFIX or visit.call.path.startswith(operations.PREFIX + "/"):
            return await operations.serve(visit)
        dialect = find(self._parts.dialects, visit.call)
        if dialect is None:
            return await forward(visit)
        return await self._hold.serve(visit, dialect)

    def _record(self, record: CallRecord, responder: Responder) -> None:
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
