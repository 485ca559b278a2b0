"""Blocking work runs beside the event loop; what is stuck holds nobody up."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from gateway.auth.threads import Busy, Threads


def run(story: Callable[[Threads], Awaitable[None]], *, size: int = 2, backlog: int = 10) -> None:
    async def play() -> None:
        threads = Threads(name="of a test", size=size, backlog=backlog)
        try:
            await story(threads)
        finally:
            threads.close()

    asyncio.run(play())


def test_results_and_errors_come_back() -> None:
    async def story(threads: Threads) -> None:
        assert await threads.run(lambda: threading.current_thread().name) == "of a test 1"
        with pytest.raises(ValueError, match="junk"):
            await threads.run(lambda: int("junk"))
        assert await threads.run(lambda: 5) == 5

    run(story)


def test_a_stuck_one_does_not_hold_up_the_others() -> None:
    free, begun = threading.Event(), threading.Event()
    stuck_in: list[threading.Thread] = []

    def stuck() -> None:
        stuck_in.append(threading.current_thread())
        begun.set()
        free.wait()

    async def story(threads: Threads) -> None:
        call = asyncio.get_running_loop().create_task(threads.run(stuck))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait)
        call.cancel()
        for number in range(5):
            assert await threads.run(lambda result=number: result) == number  # type: ignore[misc] # mypy cannot infer a lambda with a default

    run(story)
    (thread,) = stuck_in
    assert thread.is_alive(), "closed, without waiting for it"
    assert thread.daemon, "nor does the end of the process"
    free.set()
    thread.join(10)
    assert not thread.is_alive()


def test_work_that_nobody_waits_for_any_more_is_skipped() -> None:
    free = threading.Event()
    done: list[int] = []

    async def story(threads: Threads) -> None:
        first = asyncio.get_running_loop().create_task(threads.run(free.wait))
        second = asyncio.get_running_loop().create_task(threads.run(lambda: done.append(1)))
        while len(asyncio.all_tasks()) < 3 or threads._unfinished != 2:
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        second.cancel()
        free.set()
        await first
        await threads.run(lambda: done.append(2))
        assert done == [2]

    run(story, size=1)


def test_there_is_a_bound() -> None:
    free = threading.Event()

    async def story(threads: Threads) -> None:
        jobs = [asyncio.get_running_loop().create_task(threads.run(free.wait)) for _ in range(3)]
        while threads._unfinished < 3:
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        with pytest.raises(Busy):
            await threads.run(lambda: None)
        free.set()
        await asyncio.gather(*jobs)
        assert await threads.run(lambda: 1) == 1

    run(story, size=2, backlog=3)
