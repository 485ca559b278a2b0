"""`lro-gateway demo`: what it prints, that it proves what it says, and that it stops when it is told to."""

import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from acceptance.command import PATIENCE, Command, ended, environment, words
from gateway import demo
from gateway.cli import cli
from gateway.demo.witness import Copied, prove

COLOUR = re.compile(r"\x1b\[[0-9;]*?\b(3[0-7]|38|9[0-7])\b[0-9;]*m")


def test_the_demo_shows_what_it_promises_and_proves_it(tmp_path: Path) -> None:
    done = ended("demo", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.lines == []
    for said in (
        "Graph    HTTP/1.1 202 Accepted",
        "client   HTTP/1.1 200 OK",
        "Content-Location: /v1.0/me/drive/items/",
        "gives up after",
        "joins it to operation",
        "got 1 POST of the client's 2",
        "client   HTTP/1.1 409 Conflict",
        "client   HTTP/1.1 303 See Other",
        "violations: none",
        "exactly one copy",
    ):
        assert said in done.out, f"{said!r} is missing in:\n{done.out}"
    assert re.search(r"polls that URL: +\d+ %, \d+ polls\n", done.out)
    assert not set("\x1b\r\x08") & set(done.out), "plain text where there is no terminal"
    assert done.out.isascii()
    assert max(map(len, done.out.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_the_gateways_log_is_shown_where_it_is_asked_for() -> None:
    with Command("demo", "--logs") as command:
        command.line("  gateway  polls that URL:")
        command.stop()
    assert any("operation_accepted" in line for line in command.err), command.told
    assert not any("operation_accepted" in line for line in command.out), command.told


def test_ctrl_c_in_a_terminal_stops_the_demo_without_a_traceback() -> None:
    """In a terminal without colours, in the middle of a copy."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words("demo"),
        env=environment(NO_COLOR="1", TERM="xterm", COLUMNS="80"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=_interruptible,  # noqa: PLW1509 - one assignment, and this process has no say in the matter
    ) as process:
        os.close(theirs)
        try:
            said = _read_until(ours, "polls that URL")
            process.send_signal(signal.SIGINT)
            said += _read_until(ours, None)
            assert process.wait(PATIENCE) == 130, said
        finally:
            if process.poll() is None:
                process.kill()
            os.close(ours)
    assert "Traceback" not in said
    assert "HTTP/1.1 200" not in said, "it went on"
    assert COLOUR.search(said) is None, repr(said)
    assert said.rstrip().endswith("\x1b[?25h"), "the cursor is visible again"


def _interruptible() -> None:
    """A process that was started in the background would be deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _read_until(terminal: int, text: str | None) -> str:
    """What is written up to and including `text`, or to the end."""
    said = b""
    with suppress(OSError):  # Linux tells the end of a pseudo-terminal so
        while chunk := os.read(terminal, 4096):
            said += chunk
            if text is not None and text.encode() in said:
                break
    return said.decode()


# --- the proof ---------------------------------------------------------------------------------------------

MADE = [Copied("a.txt", "b.txt"), Copied("c.txt", "d.txt")]
GOOD: dict[str, Any] = {"effects": {"ana:/b.txt": 1, "ana:/d.txt": 1}, "violations": []}


def test_a_good_summary_is_a_proof() -> None:
    prove(GOOD, MADE)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"effects": {"ana:/b.txt": 2, "ana:/d.txt": 1}}, "ana:/b.txt was made 2 times, not once"),
        ({"effects": {"ana:/b.txt": 1}}, "ana:/d.txt was made 0 times, not once"),
        ({"effects": GOOD["effects"] | {"ana:/x": 1}}, "nobody asked for ana:/x"),
        (
            {"violations": [{"kind": "early-poll", "detail": "0.3 s"}]},
            "1 violations, the first: early-poll: 0.3 s",
        ),
    ],
)
def test_a_bad_summary_is_none(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(demo.NotShown, match="the proof failed") as caught:
        prove(GOOD | change, MADE)
    assert complaint in str(caught.value)


def test_a_demo_that_fails_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(*, logs: bool) -> None:
        raise demo.NotShown("the proof failed: ana:/b.txt was made 2 times, not once")

    monkeypatch.setattr(demo, "play", play)
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 1
    assert done.output == "demo: the proof failed: ana:/b.txt was made 2 times, not once\n"
