"""Named places at which the process can be made to die or to stop dead: no-ops unless armed by the environment.

    LRO_GATEWAY_CRASH_POINT=after_202         kill -9 itself the first time it gets there
    LRO_GATEWAY_CRASH_POINT=after_202@3       the third time
    LRO_GATEWAY_CRASH_POINT=mid_poll=stop@2   stop (SIGSTOP) instead, the second time

They are in the shipped code, so that what the crash tests kill is what runs in production.

What this module must not do: anything at all in a process that was not armed.
"""

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "LRO_GATEWAY_CRASH_POINT"

POINTS = {
    "after_accept": "a call was recognised; nothing is written yet",
    "after_claim": "its operation is claimed; nothing was sent",
    "after_writeahead": "it is on record that the POST is being sent; not a byte is",
    "mid_post_bytes": "half of the POST is written",
    "after_post_sent": "all of the POST is written",
    "after_202": "the upstream has accepted; nobody else knows",
    "after_running_durable": "the monitor is on record; the caller has heard of nothing",
    "mid_poll": "a monitor has answered; its answer is not on record",
    "after_completed_seen": "a monitor has said how the operation ended; that is not on record",
    "after_result_durable": "the end is on record; nobody was woken",
    "after_item_get": "the finished item's head has come; the caller has got nothing",
    "mid_response": "the head of the answer is written, and the body is not",
    "after_delivered_mark": "it is on record that the caller has its answer",
    "during_purge": "what has expired is being removed",
}
"""By name, what has happened there and what has not."""

FORM = re.compile(r"(?P<point>[a-z0-9_]+)(=(?P<action>kill|stop))?(@(?P<count>[1-9][0-9]{0,5}))?")


class NoSuchPoint(Exception):
    """What the environment asks for does not exist."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{VARIABLE}: {text!r} is not POINT[=kill|=stop][@COUNT]; the points are {', '.join(POINTS)}"
        )


@dataclass(slots=True)
class Armed:
    """Where to end, how, and after how many passes."""

    point: str
    action: signal.Signals
    left: int


_armed: Armed | None = None


def arm(environ: Mapping[str, str]) -> str | None:
    """Arm the point that the environment names; returns its name. Raises `NoSuchPoint`."""
    global _armed  # noqa: PLW0603 - one process, one point
    text = environ.get(VARIABLE)
    if not text:
        _armed = None
        return None
    form = FORM.fullmatch(text)
    if form is None or form["point"] not in POINTS:
        raise NoSuchPoint(text)
    action = signal.SIGSTOP if form["action"] == "stop" else signal.SIGKILL
    _armed = Armed(form["point"], action, int(form["count"] or 1))
    return _armed.point


def reach(point: str) -> None:
    """The process has got to `point`."""
    if _armed is not None and _armed.point == point:
        _armed.left -= 1
        if _armed.left == 0:
            os.kill(os.getpid(), _armed.action)


def armed(point: str) -> bool:
    """Whether the next pass of `point` ends here: for what has to be prepared before."""
    return _armed is not None and _armed.point == point and _armed.left == 1
