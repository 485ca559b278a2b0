"""The monitor in a 202: read from its headers, resolved, and checked.

Rules: the URL that is handed on is the header's own text. Quoting it anew would break its signature
(`c=` and `tempauth=` in SharePoint's), and joining it by RFC 3986 would lose the version of the API.
"""

from collections.abc import Iterator

from gateway.dialects.monitor_url import MonitorRules, check
from gateway.dialects.target import steps
from gateway.model import Reply

_VERSIONS = frozenset({"v1.0", "beta"})


def monitors(
    reply: Reply,
    version: str,
    rules: MonitorRules,
    names: tuple[str, ...] = ("Operation-Location", "Location"),
) -> Iterator[str]:
    """Yield the absolute URLs a reply names as its monitor and that may be polled, the preferred one first.

    `Operation-Location` before `Location`: where both are there, the latter is the resource (Azure's REST guidelines,
    "Long-running operations"). A header given twice with different values names nothing.
    """
    for name in names:
        wanted = name.lower().encode()
        values = {value for key, value in reply.headers if key.lower() == wanted}
        if len(values) == 1:
            url = resolve(values.pop(), version, rules)
            if url is not None:
                yield url


def resolve(value: bytes, version: str, rules: MonitorRules) -> str | None:
    """Return a header's value as the URL to poll; None where it may not be polled.

    A root-relative one is the upstream's. Graph leaves the version out (`/teams('…')/operations('…')`), so that of
    the call goes in front, unless there is one. Trailing commas are in the documentation's own samples of eDiscovery.
    """
    text = value.decode("latin-1").strip(" \t").rstrip(", \t")
    if text.startswith("/") and not text.startswith("//"):
        path = steps(text.partition("?")[0])
        prefix = "" if _VERSIONS.intersection(path[:1]) or "_api" in path else f"/{version}"
        text = f"{rules.upstream_origin.rstrip('/')}{prefix}{text}"
    return text if check(text, rules) is None else None
