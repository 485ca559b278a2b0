"""`lro-gateway operations`: a table in a terminal, text in a pipe, JSON for programs, and one line for what is wrong."""

import http.server
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fakes.records import START
from typer.testing import CliRunner

from acceptance.command import PATIENCE, Command, Ended, ended, environment, words
from gateway import cli
from gateway.admin.rows import moment

ROW = {
    "id": "0123456789abcdef" * 2,
    "dialect": "drive",
    "operation": "itemCopy",
    "state": "running",
    "status": "inProgress",
    "percentageComplete": 42.7,
    "started": moment(START),
    "expected_end": moment(START + 100),
    "ended": None,
    "age": 40.0,
    "stalled": True,
    "waiting_for_caller": False,
    "callers_waiting": 2,
    "polls": 7,
    "next_poll_in": 1.0,
    "last_trouble": "throttled",
    "followed_here": True,
    "taken_over": False,
    "code": None,
    "delivered": False,
}
FAILED = {
    **ROW,
    "id": "f" * 32,
    "state": "failed",
    "status": "failed",
    "stalled": False,
    "last_trouble": None,
    "code": "[red]nameAlreadyExists[/red]",
    "ended": moment(START + 30),
    "expected_end": None,
    "next_poll_in": None,
}
LIST = {"held_calls": 2, "active": 1, "total": 5, "matching": 2, "operations": [ROW, FAILED]}


class Listener(http.server.ThreadingHTTPServer):
    """Answers as an admin listener does; keeps what it was asked for."""

    asked: list[str]
    status: int
    body: bytes


class Handler(http.server.BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the library gave it
        pass


@contextmanager
def listening(said: Any = LIST, status: int = 200) -> Iterator[Listener]:
    listener = Listener(("127.0.0.1", 0), Handler)
    listener.asked, listener.status = [], status
    listener.body = said if isinstance(said, bytes) else json.dumps(said).encode()
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener
    finally:
        listener.shutdown()
        thread.join(PATIENCE)
        listener.server_close()


def url(listener: Listener) -> str:
    return f"http://127.0.0.1:{listener.server_port}"


def here(*args: str, **more: str) -> Ended:
    """The command, run in this process: a tenth of the time."""
    done = CliRunner(env=more).invoke(cli.cli, ["operations", *args])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def shown(listener: Listener, *args: str, **more: str) -> Ended:
    return here("--admin", url(listener), *args, **more)


def test_a_pipe_gets_a_plain_table() -> None:
    with listening() as listener:
        done = ended("operations", "--admin", url(listener))
    assert (done.code, done.err) == (0, "")
    head, names, first, second = [line.rstrip() for line in done.out.splitlines()]
    assert head == "1 under way, 2 calls held, 5 operations, 2 match"
    assert names.split() == [
        "ID",
        "OPERATION",
        "STATE",
        "PROGRESS",
        "ENDS",
        "TIME",
        "CALLERS",
        "POLLS",
        "NOTE",
    ]
    assert re.fullmatch(
        r"01234567  itemCopy   running  \S+ +42 %  in 60 s +40 s +2 +7  throttled, stalled", first
    )
    assert second.endswith("[red]nameAlreadyExists[/red]"), "what came is text, never markup"
    assert "30 s" in second
    assert "\x1b" not in done.out
    assert listener.asked == ["/operations"]


def test_a_narrow_terminal_still_gets_the_notes() -> None:
    with listening() as listener:
        done = shown(listener, COLUMNS="80")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "throttled" in done.out
    assert "nameAlready" in done.out


def test_filters_are_asked_for_and_json_is_as_it_came() -> None:
    with listening() as listener:
        done = shown(
            listener, "--json", "--state", "failed", "--dialect", "drive", "--find", "a&b", "--limit", "3"
        )
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == LIST
    assert listener.asked == ["/operations?state=failed&dialect=drive&q=a%26b&limit=3"]


def test_nothing_to_show_is_one_line() -> None:
    with listening({**LIST, "active": 0, "total": 0, "matching": 0, "operations": []}) as listener:
        assert shown(listener).out == "0 under way, 2 calls held, 0 operations\n"


def test_watching_in_a_pipe_goes_on_until_interrupted() -> None:
    with listening() as listener:
        with Command("operations", "--admin", url(listener), "--watch", "--json") as command:
            for _ in range(2):
                assert json.loads(command.line("{")) == LIST
            assert command.stop(signal.SIGINT) == 0
            assert command.err == []
        assert len(listener.asked) >= 2


def test_watching_in_a_terminal_draws_a_table_and_says_when_the_gateway_is_gone() -> None:
    ours, theirs = pty.openpty()
    with listening() as listener:
        process = subprocess.Popen(
            words("operations", "--admin", url(listener), "--watch"),
            env=environment(TERM="xterm-256color", COLUMNS="120", LINES="30", PYTHONFAULTHANDLER="1"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        try:
            read_until(ours, "nameAlreadyExists")
            listener.status, listener.body = 500, b"no"
            read_until(ours, "it answers 500")
            process.send_signal(signal.SIGINT)
            assert "\x1b[?1049l" in read_to_the_end(ours, process), "the screen is as it was"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait(PATIENCE)
            os.close(ours)


def read_until(terminal: int, wanted: str) -> None:
    seen = ""
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        assert ready, seen
        seen += os.read(terminal, 65536).decode("utf-8", "replace")


def read_to_the_end(terminal: int, process: "subprocess.Popen[bytes]") -> str:
    """What is written until nobody is left who could write; one that does not end tells where it stands."""
    seen = ""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            seen += os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:  # the other side is closed
            return seen
    process.send_signal(signal.SIGABRT)
    while select.select([terminal], [], [], 5.0)[0]:
        try:
            seen += os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:
            break
    raise AssertionError(f"it does not end:\n{seen}")


@pytest.mark.parametrize(
    ("said", "status", "code", "told"),
    [
        ({"error": "state is one of a, b"}, 400, 2, "operations: state is one of a, b"),
        ({"error": "the store does not answer"}, 503, 1, ": the store does not answer"),
        (b"<html>", 404, 1, "is not the admin listener of an lro-gateway: it answers 404"),
        (b"<html>", 200, 1, "is not the admin listener of an lro-gateway"),
        ([1], 200, 1, "is not the admin listener of an lro-gateway"),
    ],
)
def test_what_is_refused_is_one_line(said: object, status: int, code: int, told: str) -> None:
    with listening(said, status) as listener:
        done = shown(listener)
    assert (done.code, done.out, len(done.lines)) == (code, "", 1)
    assert done.lines[0].endswith(told)


def test_a_listener_that_is_not_there_is_one_line_that_says_what_to_check() -> None:
    with listening() as listener:
        pass
    done = shown(listener)
    assert (done.code, done.out, len(done.lines)) == (1, "", 1)
    assert done.lines[0].startswith(f"operations: cannot reach the admin listener at {url(listener)}: ")
    assert "admin.port" in done.lines[0]


@pytest.mark.parametrize("admin", ["ftp://127.0.0.1", "http://", "file:///etc/passwd"])
def test_a_url_that_is_none_is_told(admin: str) -> None:
    done = here("--admin", admin)
    assert (done.code, len(done.lines)) == (2, 1)
    assert "--admin must be a URL" in done.lines[0]
