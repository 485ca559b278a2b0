"""`102 Processing` while a call is held, for clients and middleboxes that would give up on a silent connection.

Off unless `wait.heartbeat: interim`: requests and urllib take a 102 for the answer. Never sent to HTTP/1.0.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.http.responder import CallerLeft
from gateway.http.visit import Visit


@asynccontextmanager
async def heartbeat(visit: Visit) -> AsyncIterator[None]:
    """Send interim replies, if configured, for as long as the body of the `with` takes and nothing was answered."""
    if visit.parts.config.wait.heartbeat != "interim":
        yield
        return
    task = visit.parts.tasks.start(f"heartbeat {visit.record.request_id}", _beat(visit))
    try:
        yield
    finally:
        task.cancel()


async def _beat(visit: Visit) -> None:
    with suppress(CallerLeft):
        while not visit.responder.started:
            await visit.parts.clock.sleep(visit.parts.config.wait.heartbeat_interval)
            visit.responder.interim(102)
