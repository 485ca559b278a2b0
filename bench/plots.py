"""Bar charts as SVG, readable on light and on dark pages.

What it must not do: need a library, or move an axis off zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 720, 30, 170, 80, 44
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.bar{fill:#8c959f}.ours{fill:#0969da}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#58a6ff}}"
)


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar for each of `rows` (its name, its value), the longest as wide as the picture."""

    title: str
    rows: Sequence[tuple[str, float]]
    marked: str = ""
    """The name of the bar that stands out."""

    def svg(self) -> str:
        height = TOP + ROW * len(self.rows) + 10
        longest = max((value for _, value in self.rows), default=1.0) or 1.0
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{STYLE}</style>",
            f'<text class="title" x="10" y="24">{escape(self.title)}</text>',
        ]
        for row, (name, value) in enumerate(self.rows):
            y = TOP + ROW * row
            width = max(1.0, (WIDTH - LEFT - RIGHT) * value / longest)
            kind = "ours" if name == self.marked else "bar"
            lines += [
                f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="22" rx="2"/>',
                f'<text x="{LEFT + width + 8:.1f}" y="{y + 16}">{value:,.0f}</text>',
            ]
        return "\n".join([*lines, "</svg>", ""])
