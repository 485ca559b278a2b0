"""The process: an event loop, until a signal ends what runs on it.

Rules: SIGTERM and SIGINT ask, and whatever runs decides how it ends.

What this module must not do: know what runs.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable

COLLECT_AFTER = (20_000, 50, 100)
"""Objects, and rounds of the younger generations, after which cycles are looked for. What comes and goes with a call or
a poll makes none; by Python's own figures the search for them took a tenth of the processor time of 5,000 held calls."""


def run_until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve` on a fresh event loop; SIGTERM and SIGINT set the event it is given."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(stop)

    gc.freeze()  # modules and settings stay for as long as the process
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()  # whoever only imported until now may have done without
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(body())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: about 15 % less CPU for each call."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not to be had on Windows

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
