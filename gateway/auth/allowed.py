"""The list of calls that are let through (`auth.allow`): what is not on it is refused before anything is sent.

    POST /v1.0/me/drive/items/*/copy    exactly this path, with any one id in the place of the `*`
    GET  /v1.0/drives/**                this path and everything below it
    *    /v1.0/me                       whichever method

Rules:
1. Paths are compared in their canonical spelling (`dialects.steps`), so that `%63opy`, `//`, `COPY` and
   `microsoft.graph.copy` neither get past the list nor fall off it. What the upstream gets is the raw path.
2. Where the upstream could read a path in more than one way, no `*` stands for it: an encoded slash may part two
   segments for whoever decodes first. `/**` covers those, as all ways to read them are below it.
3. `$batch` holds calls of its own that nobody here looks at, so it is let through only where an entry names it. A
   header that would turn the method into another one is refused.

What this module must not do: know who calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dialects.target import steps
from gateway.model import Headers

_OVERRIDES = frozenset({b"x-http-method", b"x-http-method-override", b"x-method-override"})
_BATCH = "$batch"


@dataclass(frozen=True, slots=True)
class _Entry:
    method: str
    path: tuple[str, ...]
    below: bool
    """Whether everything below the path is meant as well."""

    def covers(self, method: str, path: tuple[str, ...]) -> bool:
        if self.method not in {"*", method}:
            return False
        if len(path) < len(self.path) or (len(path) > len(self.path) and not self.below):
            return False
        if _BATCH in path[len(self.path) :]:
            return False
        return all(_stands_for(*pair) for pair in zip(self.path, path, strict=False))


class Allowed:
    """Calls that are let through."""

    def __init__(self, entries: Sequence[str] | None) -> None:
        """`entries` as in `auth.allow`; None lets everything through."""
        self.reload(entries)

    def reload(self, entries: Sequence[str] | None) -> None:
        """From now on this is the list."""
        self._entries = None if entries is None else tuple(_read(entry) for entry in entries)

    def covers(self, method: str, path: str, headers: Headers) -> bool:
        """Whether this call is let through; `path` is the raw one, without the query."""
        if self._entries is None:
            return True
        if any(name.lower() in _OVERRIDES for name, _ in headers):
            return False
        asked = steps(path)
        return any(entry.covers(method, asked) for entry in self._entries)


def _read(entry: str) -> _Entry:
    method, _, path = entry.partition(" ")
    below = path.endswith("/**")
    return _Entry(method, steps(path.removesuffix("**") if below else path), below)


def _stands_for(listed: str, step: str) -> bool:
    if listed != "*":
        return listed == step
    # A path in place of an id (`root:/a/b:`) is one step only where its end is marked.
    return step != _BATCH and "%2F" not in step and ("/" not in step or step.endswith(":"))
