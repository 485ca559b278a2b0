"""Failing well: whatever goes wrong with a call ends in an answer, a bug too.

Rules: an error of ours is answered as `errors` says. A caller that left, or a call that is cancelled, has nobody to be
answered: that goes on to whoever keeps the call.

What this module must not do: try anything again.
"""

import asyncio
from collections.abc import Awaitable

from gateway.errors import GatewayError, Refusal, StoreUnavailable
from gateway.http.responder import CallerLeft, Written
from gateway.http.visit import Visit
from gateway.store import StoreDown


async def answered(visit: Visit, work: Awaitable[Written]) -> Written:
    """What `work` answers the call with, or the error that it raised."""
    observer = visit.parts.observer
    try:
        return await work
    except GatewayError as failure:
        if isinstance(failure, Refusal):
            visit.record.route = "refused"
        return await visit.fail(failure)
    except StoreDown as error:
        observer.event("store_down", reason=str(error))
        return await visit.fail(StoreUnavailable())
    except (CallerLeft, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - a bug must end in an answer and a log line, not in silence
        observer.crashed(visit.record.route, error)
        return await visit.fail(GatewayError())
