"""One deadline that moves: timers are made only when it comes nearer, and it is never missed."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from gateway.upstream.silence import Silence


class Timer:
    def __init__(self, at: float, ring: Callable[[], None]) -> None:
        self.at = at
        self.ring = ring
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """As much of an event loop as a deadline needs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.made = 0

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, ring: Callable[[], None]) -> Timer:
        self.made += 1
        self.timers.append(Timer(at, ring))
        return self.timers[-1]

    def pass_until(self, end: float) -> None:
        while due := [timer for timer in self.timers if timer.at <= end and not timer.cancelled]:
            timer = min(due, key=lambda one: one.at)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.ring()
        self.now = end


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def rung() -> list[float]:
    return []


@pytest.fixture
def silence(loop: Loop, rung: list[float]) -> Silence:
    return Silence(cast("asyncio.AbstractEventLoop", loop), lambda: rung.append(loop.now))


def test_it_rings_once(loop: Loop, rung: list[float], silence: Silence) -> None:
    silence.allow(10)
    loop.pass_until(100)
    assert rung == [10]
    silence.allow(10)
    loop.pass_until(200)
    assert rung == [10, 110]


def test_a_later_deadline_costs_no_timer(loop: Loop, rung: list[float], silence: Silence) -> None:
    silence.allow(10)
    for now in range(1, 10):
        loop.pass_until(now)
        silence.allow(10)
    assert loop.made == 1
    loop.pass_until(18)
    assert rung == []
    loop.pass_until(100)
    assert rung == [19]
    assert loop.made == 2


def test_a_nearer_deadline_is_kept(loop: Loop, rung: list[float], silence: Silence) -> None:
    silence.allow(100)
    silence.allow(10)
    loop.pass_until(200)
    assert rung == [10]


def test_no_deadline(loop: Loop, rung: list[float], silence: Silence) -> None:
    silence.allow(10)
    silence.ignore()
    loop.pass_until(100)
    assert rung == []
    silence.allow(5)
    silence.stop()
    assert all(timer.cancelled for timer in loop.timers)
    silence.allow(7)
    loop.pass_until(200)
    assert rung == [107]


def test_a_timer_that_rings_a_little_early_is_good_enough(
    loop: Loop, rung: list[float], silence: Silence
) -> None:
    silence.allow(10)
    loop.timers[0].at = 9.9995
    loop.pass_until(20)
    assert rung == [9.9995]
