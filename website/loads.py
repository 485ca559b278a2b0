"""What a built page loads from elsewhere, which for this site is nothing.

Rules: links that a reader follows are no loads. What a script would load is not seen here: a test looks at that in a
browser.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

FOREIGN = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?(?P<url>[^\"')\s;]+)")
LOADING = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "track": "src",
    "video": "src",
}
"""By element, the attribute whose URL is loaded."""
HARMLESS = {"canonical", "next", "prev"}
"""Relations of a `link` that load nothing."""


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag in LOADING and told.get("rel") not in HARMLESS:
            self.urls.append(told.get(LOADING[tag], ""))
        self.urls += [part.split()[0] for part in told.get("srcset", "").split(",") if part.strip()]
        self.urls += IN_STYLES.findall(told.get("style", ""))


def loads(html: str) -> list[str]:
    """The URLs that a page loads, by its text."""
    parser = _Loads()
    parser.feed(html)
    return parser.urls


def from_elsewhere(site: Path) -> Iterator[str]:
    """What is loaded from another host, by pages and style sheets of a built site."""
    for file in sorted(site.rglob("*")):
        if file.suffix == ".html":
            urls = loads(file.read_text("utf-8"))
        elif file.suffix == ".css":
            urls = IN_STYLES.findall(file.read_text("utf-8"))
        else:
            continue
        yield from (f"{file.relative_to(site)}: {url}" for url in urls if FOREIGN.match(url))
