"""Keeping tasks: what is cancelled ends, also where a library swallows the first cancellation."""

import asyncio

import pytest

from gateway import tasks as module
from gateway.tasks import Tasks


def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_AGAIN", 0.01)

    async def body() -> None:
        tasks = Tasks()
        lost: list[int] = []

        async def work() -> None:
            while len(lost) < 2:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    lost.append(1)
            await asyncio.Event().wait()

        task = tasks.start("stubborn", work())
        await asyncio.sleep(0)  # noqa: TID251 - one turn, so that it has begun
        await tasks.cancel()
        assert task.cancelled()
        assert len(tasks) == 0

    asyncio.run(body())
