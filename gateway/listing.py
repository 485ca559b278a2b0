"""The list of operations in a terminal: asks a gateway's admin listener and shows a table with progress bars.

Rules: in a terminal `watch` redraws one table; anywhere else it prints one block after the other, as text alone. What
a gateway sends is text to be shown, never markup. Proxies of the environment are not used: an admin listener is near.

What this module must not do: import the gateway it asks about.
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PATIENCE = 5.0
"""Seconds that an answer may take."""

LARGEST = 32 * 1024 * 1024

STYLES = {"succeeded": "green", "result": "green", "failed": "red", "lost": "red", "unknown": "yellow"}

BAR = 20
NARROW_BAR = 8
"""Columns of a bar."""

ROOMY = 100
"""Columns from which on everything is shown."""

NO_TERMINAL = 160
"""Columns of what goes to a file or a pipe, unless COLUMNS says otherwise."""


class NotToBeHad(Exception):
    """The list cannot be got; the message says why, and what to do."""


class Refused(Exception):
    """The question was wrong; the message says what is right."""


class Listing:
    """Asks for the list, and shows it."""

    def __init__(self, admin: str, query: dict[str, str]) -> None:
        """`admin` is the URL of the admin listener. Raises `Refused` where that is none."""
        parts = urlsplit(admin if "://" in admin else f"http://{admin}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused("--admin must be a URL such as http://127.0.0.1:9901")
        self._base = parts._replace(path=parts.path.rstrip("/"), query="", fragment="").geturl()
        self._url = f"{self._base}/operations" + (f"?{urlencode(query)}" if query else "")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self) -> dict[str, Any]:
        """The answer of `/operations`. Raises `NotToBeHad`, `Refused`."""
        try:
            with self._opener.open(self._url, timeout=PATIENCE) as answer:
                said = json.loads(answer.read(LARGEST))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, error.read(LARGEST)) from None
        except (OSError, http.client.HTTPException) as error:
            raise NotToBeHad(self._unreachable(error)) from None
        except ValueError:
            raise NotToBeHad(f"{self._base} is not the admin listener of an lro-gateway") from None
        if not isinstance(said, dict) or not isinstance(said.get("operations"), list):
            raise NotToBeHad(f"{self._base} is not the admin listener of an lro-gateway")
        return said

    def _refusal(self, status: int, body: bytes) -> Exception:
        try:
            why = str(json.loads(body)["error"])
        except (ValueError, KeyError, TypeError):
            return NotToBeHad(
                f"{self._base} is not the admin listener of an lro-gateway: it answers {status}"
            )
        return Refused(why) if status == 400 else NotToBeHad(f"{self._base}: {why}")

    def _unreachable(self, error: Exception) -> str:
        reason = getattr(error, "reason", error)
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return (
            f"cannot reach the admin listener at {self._base}: {text}; is the gateway running, and is this its "
            "admin.host and admin.port?"
        )

    def print_json(self, pause: Callable[[], object] | None) -> None:
        """As the listener gives it; with `pause` again and again, a line each."""
        while True:
            said = self.ask()
            sys.stdout.write(json.dumps(said, indent=None if pause else 2) + "\n")
            sys.stdout.flush()
            if pause is None:
                return
            pause()

    def once(self) -> None:
        """Show the list as it is."""
        console = _console()
        console.print(table(self.ask(), width=console.width))

    def watch(self, pause: Callable[[], object]) -> None:
        """Show it again and again, until interrupted; `pause` is between two looks. What fails after the first look
        is said, and tried again.
        """
        console = _console()
        said = self.ask()
        if not (sys.stdout.isatty() and not console.is_dumb_terminal):
            while True:
                console.print(table(said, width=console.width))
                console.print()
                pause()
                said = self.ask()
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                live.update(_fitting(table(said, width=console.width), console), refresh=True)
                pause()
                try:
                    said = self.ask()
                except NotToBeHad as error:
                    live.update(
                        Group(Text(str(error), "bold red"), table(said, width=console.width)), refresh=True
                    )


def _console() -> Console:
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else NO_TERMINAL
    return Console(highlight=False, emoji=False, markup=False, width=wide)


def _fitting(shown: Group, console: Console) -> Group:
    """Without the lines that a terminal has no room for."""
    lines = console.render_lines(shown, pad=False)
    if len(lines) < console.height:
        return shown
    return Group(
        *(
            Text.assemble(*((part.text, part.style or "") for part in line))
            for line in lines[: console.height - 1]
        )
    )


def table(said: dict[str, Any], *, width: int) -> Group:
    """The whole list, with a line on top of what there is."""
    operations: list[dict[str, Any]] = said["operations"]
    roomy = width >= ROOMY
    shown = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in ("ID", "OPERATION", "STATE", "PROGRESS"):
        shown.add_column(name, no_wrap=True)
    for name in ("", *(("ENDS", "TIME", "CALLERS", "POLLS") if roomy else ())):
        shown.add_column(name, no_wrap=True, justify="left" if name == "ENDS" else "right")
    shown.add_column("NOTE", overflow="fold")
    for row in operations:
        shown.add_row(*_cells(row, roomy=roomy))
    total, matching = said.get("total", len(operations)), said.get("matching", len(operations))
    head = f"{said.get('active', 0)} under way, {said.get('held_calls', 0)} calls held, {total} operations"
    if matching != total:
        head += f", {matching} match"
    if len(operations) < matching:
        head += f", the first {len(operations)} shown"
    return Group(Text(head), shown) if operations else Group(Text(head))


def _cells(row: dict[str, Any], *, roomy: bool) -> Iterable[Text | ProgressBar]:
    state, percent = str(row["state"]), row["percentageComplete"]
    active = row["status"] in ("notStarted", "inProgress")
    yield Text(str(row["id"])[:8])
    yield Text(str(row["operation"]))
    yield Text(state, STYLES.get(state, "cyan" if active else ""))
    if percent is None:
        yield Text("")
        yield Text("")
    else:
        bar = BAR if roomy else NARROW_BAR
        yield ProgressBar(
            total=100, completed=float(percent), width=bar, complete_style=STYLES.get(state, "cyan")
        )
        yield Text(f"{int(percent)} %")
    if roomy:
        yield Text(_ends(row, active=active))
        yield Text(_duration(_lived(row, active=active)))
        yield Text(str(row["callers_waiting"]))
        yield Text(str(row["polls"]))
    yield Text(_note(row), "yellow" if active else STYLES.get(state, ""))


def _seconds_between(early: str, late: str) -> float:
    return (datetime.fromisoformat(late) - datetime.fromisoformat(early)).total_seconds()


def _lived(row: dict[str, Any], *, active: bool) -> float:
    if active or not row["ended"]:
        return float(row["age"])
    return _seconds_between(row["started"], row["ended"])


def _ends(row: dict[str, Any], *, active: bool) -> str:
    """Of a row, whose `age` says what time it is there."""
    if not active:
        return str(row["ended"] or "")[11:19]
    if not row["expected_end"]:
        return ""
    left = _seconds_between(row["started"], row["expected_end"]) - float(row["age"])
    return f"in {_duration(left)}" if left >= 1 else "any moment"


def _note(row: dict[str, Any]) -> str:
    said = []
    if row["waiting_for_caller"]:
        said.append("waiting for its caller")
    elif row["last_trouble"]:
        said.append(str(row["last_trouble"]))
    if row["stalled"]:
        said.append("stalled")
    if row["code"]:
        said.append(str(row["code"]))
    return ", ".join(said)


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min"
    return f"{whole // 3600} h"
