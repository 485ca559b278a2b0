"""Addresses that a reply names: as URLs, and as targets of the upstream's.

Rules: what is absolute stays byte for byte as it was written; a relative one is joined to what it is relative to and
not quoted anew. Whether a URL may be asked for is for `monitor_url` to say.
"""

import re

from gateway.dialects.monitor_url import origin_of

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[\\\"<>#]")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)


def absolute(text: str, base: str) -> str:
    """Return an address as a URL; `base` is the absolute URL of what it was read in."""
    if _SCHEME.match(text):
        return text
    scheme, _, rest = base.partition("://")
    authority, _, path = rest.partition("/")
    path = "/" + path.partition("?")[0]
    if text.startswith("//"):
        return f"{scheme}:{text}"
    origin = f"{scheme}://{authority}"
    if text.startswith("/"):
        return origin + text
    if text.startswith("?"):
        return origin + path + text
    folder = path.rpartition("/")[0]
    while text.startswith(("./", "../")):
        if text.startswith("../"):
            folder = folder.rpartition("/")[0]
        text = text.partition("/")[2]
    return f"{origin}{folder}/{text}"


def target_on(url: str, origin: str) -> str | None:
    """Return the target of a URL on this origin; None for one on another, or that no request could name."""
    path = url.partition("://")[2].partition("/")[2]
    if _FORBIDDEN.search(url) or _DOTS.search("/" + path.partition("?")[0]):
        return None
    there = origin_of(url)
    return f"/{path}" if there is not None and there == origin_of(origin) else None


def moved(monitor: str, text: str) -> str:
    """Return where a monitor is from now on, which says it is at `text`; it does not move to another origin."""
    url = absolute(text, monitor)
    target = target_on(url, monitor)
    return monitor if target is None else url
