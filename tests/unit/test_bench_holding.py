"""What the bench holds calls with: its Graph, its crowd, and what it makes of what they saw."""

import asyncio
import json

import pytest

from bench import held, mixed
from bench.crowd import Crowd, bearer
from bench.graph import Graph, copy_target, item_id, linear
from bench.rounds import Part
from gateway.sameness import principal_of


def body(answer: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def test_a_copy_runs_to_its_end_and_its_monitor_tells_of_the_item() -> None:
    async def story() -> None:
        graph = Graph(lambda _: (10.0, linear))
        accepted = graph.answer(b"POST", copy_target(7), 100.0, monitors=False)
        assert accepted.startswith(b"HTTP/1.1 202 ")
        assert b"/monitor/7\r\n" in accepted
        running = graph.answer(b"GET", "/_api/v2.0/monitor/7", 105.0, monitors=True)
        assert running.startswith(b"HTTP/1.1 202 ")
        assert body(running)["percentageComplete"] == 50.0
        done = graph.answer(b"GET", "/_api/v2.0/monitor/7", 111.0, monitors=True)
        assert done.startswith(b"HTTP/1.1 303 ")
        assert body(done)["resourceId"] == item_id(7)
        item = graph.answer(b"GET", f"/v1.0/me/drive/items/{item_id(7)}", 111.0, monitors=False)
        assert body(item)["id"] == item_id(7)
        job = graph.jobs[7]
        assert (job.ends, job.seen_after, job.seen, job.polls) == (110.0, 105.0, 111.0, 2)
        graph.answer(b"POST", copy_target(7), 112.0, monitors=False)
        assert graph.book.twice == 1

    asyncio.run(story())


def test_the_crowd_takes_nothing_for_an_answer_but_its_own_item() -> None:
    """The Graph itself holds nobody: its 202 is read to the end, and is not right."""

    async def story() -> None:
        async with Graph(lambda _: (10.0, linear)) as graph:
            crowd = Crowd(graph.port, 5)
            await crowd.arrive(0.0, 10.0)
            assert await crowd.all_answered(10.0)
            crowd.leave()
            assert [told.status for told in crowd.told] == [202] * 5
            assert not any(told.right for told in crowd.told)
            assert graph.book.posts == 5

    asyncio.run(story())


def test_each_caller_is_a_user_of_its_own() -> None:
    assert len(bearer(1)) == len(bearer(99_999)) == 1_500
    assert principal_of(f"Bearer {bearer(1)}".encode()) != principal_of(f"Bearer {bearer(2)}".encode())


def test_percentiles_are_taken_from_what_was_seen() -> None:
    assert held.percentiles((n / 1e3 for n in range(100)), "late", 1e3) == pytest.approx(
        {"late_p50": 50.0, "late_p95": 95.0, "late_max": 99.0}
    )
    assert held.percentiles([], "late") == {}


def test_tables_of_held_calls_and_of_mixed_load() -> None:
    figures = dict.fromkeys(("kib", "poll_us", "call_us", "right", "asked"), 20.0)
    few = {**figures, "kib": 40.0, "right": 19.0}
    made = held.blocks(Part(rounds={"ours/1000": [figures], "naive/1000": [few]}))
    assert "| plain aiohttp | 40.0 |" in made["held"]
    assert "| 19 of 20 |" in made["held-lateness"]
    assert "| plain aiohttp | 0.50 | 1.00 | 1.00 |" in made["held-ratios"]
    calls = {
        f"{when}_c{n}_{what}": 10.0
        for when in ("idle", "held", "beside")
        for n in (1, 32)
        for what in mixed.WHAT
    }
    part = Part(rounds={"ours": [{**calls, "held_c32_p99": 15.0}, None]})
    assert "| p99, µs, 32 connections | 10 | 15 | 1.50 | 10 | 1.50 |" in mixed.blocks(part)["mixed"]
