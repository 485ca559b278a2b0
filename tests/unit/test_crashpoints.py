"""Crash points: which one is armed, when it is reached, and that nothing happens in a process that was not armed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import crashpoints
from gateway.crashpoints import POINTS, VARIABLE, NoSuchPoint, arm, armed, reach

GATEWAY = Path(crashpoints.__file__).parent


def ending(arming: str, passes: int) -> int:
    """How a process ends that passes `mid_poll` so many times: its exit code, negative for a signal."""
    program = f"""
import os
from gateway import crashpoints
crashpoints.arm(os.environ)
for _ in range({passes}):
    crashpoints.reach("after_202")
    crashpoints.reach("mid_poll")
"""
    environ = {**os.environ, VARIABLE: arming}
    return subprocess.run([sys.executable, "-c", program], env=environ, check=False, timeout=60).returncode


@pytest.mark.parametrize(
    ("arming", "passes", "code"),
    [
        ("mid_poll", 1, -signal.SIGKILL),
        ("mid_poll=kill", 1, -signal.SIGKILL),
        ("mid_poll@3", 2, 0),
        ("mid_poll@3", 3, -signal.SIGKILL),
        ("after_claim", 3, 0),
        ("", 3, 0),
    ],
)
def test_it_ends_the_process_where_it_was_told_to(arming: str, passes: int, code: int) -> None:
    assert ending(arming, passes) == code


def test_it_stops_the_process_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    assert arm({VARIABLE: "mid_poll=stop@2"}) == "mid_poll"
    try:
        assert not armed("mid_poll")
        reach("mid_poll")
        assert armed("mid_poll")
        assert not armed("after_202")
        for _ in range(5):
            reach("mid_poll")
        assert sent == [signal.SIGSTOP]
    finally:
        assert arm({}) is None
    assert not armed("mid_poll")


@pytest.mark.parametrize(
    "text", ["mid_pol", "mid_poll@0", "mid_poll=explode", "mid_poll@", "=kill", "mid_poll@2=stop"]
)
def test_what_does_not_exist_is_refused_and_the_points_are_named(text: str) -> None:
    with pytest.raises(NoSuchPoint) as caught:
        arm({VARIABLE: text})
    assert repr(text) in str(caught.value)
    assert all(point in str(caught.value) for point in POINTS)


def test_every_point_is_in_the_code_and_no_other_is() -> None:
    reached = {
        point
        for path in GATEWAY.rglob("*.py")
        for point in re.findall(r'crashpoints\.reach\("([a-z0-9_]+)"\)', path.read_text("utf-8"))
    }
    assert reached == set(POINTS)
