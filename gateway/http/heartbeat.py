"""`102 Processing` while a call is held, for clients and middleboxes that would give up on a silent connection.

Off unless `wait.heartbeat: interim`: requests and urllib take a 102 for the answer. Never sent to HTTP/1.0.
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext, suppress

from gateway.http.responder import CallerLeft
from gateway.http.visit import Visit

SILENT: AbstractContextManager[None] = nullcontext()


class Heartbeat:
    """One call's."""

    __slots__ = ("_task",)

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._task.cancel()


def heartbeat(visit: Visit) -> AbstractContextManager[None]:
    """Send interim replies, if configured, for as long as the body of the `with` takes and nothing was answered."""
    if visit.parts.config.wait.heartbeat != "interim":
        return SILENT
    return Heartbeat(visit.parts.tasks.start(f"heartbeat {visit.record.request_id}", _beat(visit)))


async def _beat(visit: Visit) -> None:
    with suppress(CallerLeft):
        while not visit.responder.started:
            await visit.parts.clock.sleep(visit.parts.config.wait.heartbeat_interval)
            visit.responder.interim(102)
