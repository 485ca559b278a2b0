"""What the demo shows: a transcript, a line for each thing that happens, and a bar while something takes time.

In a terminal bars move and words have colours (not where NO_COLOR is set); anywhere else, and where `plain` is asked
for, a bar is a line at every quarter, and nothing but text and line ends is written. All text is ASCII.

What this module must not do: know what happens, or why.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

LABEL = 9
"""Columns of who speaks."""

INDENT = "  "

STEPS = 4
"""Into how many parts a bar is cut where it cannot move."""

COLOURS = {"client": "cyan", "gateway": "magenta", "Graph": "yellow"}


class Bar:
    """Something that comes to 100 per cent."""

    def __init__(self, screen: "Screen", who: str, text: str, moving: Progress | None) -> None:
        self._screen = screen
        self._who = who
        self._text = text
        self._moving = moving
        self._row: TaskID | None = None
        self._step = 0
        if moving is not None:
            self._row = moving.add_task(f"{who:<{LABEL}}{text}", total=100, note="")

    def show(self, percent: float, note: str) -> None:
        """`percent` that is done, and what else there is to say."""
        if self._moving is not None and self._row is not None:
            self._moving.update(self._row, completed=percent, note=note)
            return
        step = int(percent * STEPS / 100)
        if step > self._step:
            self._step = step
            self._screen.say(self._who, f"{self._text}: {percent:3.0f} %, {note}")


class Screen:
    """Prints on standard output."""

    def __init__(self, *, plain: bool = False) -> None:
        self._console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
        terminal = sys.stdout.isatty() and not self._console.is_dumb_terminal  # whatever FORCE_COLOR says
        self._moves = terminal and not plain

    def text(self, line: str = "", style: str = "") -> None:
        self._console.print(Text(line, style))

    def title(self, line: str) -> None:
        self.text()
        self.text(line, "bold")
        self.text()

    def say(self, who: str, line: str, *, style: str = "", after: str = "") -> None:
        """Somebody does something; `who` empty goes on with the one before. `after` is without the style."""
        said = Text(INDENT)
        said.append(f"{who:<{LABEL}}", COLOURS.get(who, ""))
        said.append(line, style)
        said.append(after)
        self._console.print(said)

    @contextmanager
    def bar(self, who: str, text: str) -> Iterator[Bar]:
        if not self._moves:
            yield Bar(self, who, text, None)
            return
        columns = (
            TextColumn(INDENT + "{task.description}", style=COLOURS.get(who, "")),
            BarColumn(30, complete_style="green", finished_style="green"),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as moving:
            yield Bar(self, who, text, moving)
