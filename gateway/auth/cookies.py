"""Cookies of operations: what a reply sets goes back to where it came from, for that one operation.

    Graph's 202    Set-Cookie: affinity=1        -> the operation's polls and final GET at Graph
    a monitor's    Set-Cookie: node=7; Path=/_api -> the operation's next polls at that monitor

Rules
- Narrower than a browser (RFC 6265 section 5): a cookie goes to the origin that set it and nowhere else, whatever its
  Domain says, and to no other operation. Path, Secure, Max-Age and Expires are obeyed.
- In memory only, bounded all round, forgotten when nothing of the operation is going to be asked for any more.
- A cookie may be as good as a credential. Whoever asks in a caller's name gets to use it only for the caller that the
  operation was started by (`http.results` sees to it).
- Names and values go back byte for byte; what could not be sent in a header line is not kept.

What this module must not do: look at callers' own cookies; those pass through, or stay behind, with their requests.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from cachetools import TTLCache

from gateway import headers
from gateway.dialects.monitor_url import Origin, origin_of
from gateway.model import Headers, Operation, State

MOST = 20
"""Cookies of one operation; the oldest go first."""

LONGEST = 4096
"""Bytes of one cookie's name and value; RFC 6265 section 6.1 asks for no more."""

OVER = frozenset({State.REJECTED, State.FAILED, State.LOST, State.UNKNOWN})
"""The states in which neither the monitor nor the result is asked for; the others end with their time to live."""

LARGEST = 8192
"""Bytes of an operation's cookies in all, their paths included. There may be `operations.max_active` of these."""

_UNUSABLE = re.compile(rb"[^\x20-\x7e]|[,;]")
_DIGITS = re.compile(rb"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie, as far as it matters here."""

    origin: Origin
    path: str
    name: bytes
    value: bytes = field(repr=False)
    ends_at: float | None = None
    """Monotonic seconds; None for one that lasts as long as its operation."""

    def goes_to(self, origin: Origin, path: str, now: float) -> bool:
        if self.origin != origin or (self.ends_at is not None and self.ends_at <= now):
            return False
        below = self.path if self.path.endswith("/") else self.path + "/"
        return path == self.path or path.startswith(below)


class Cookies:
    """The cookies of every operation, each by itself."""

    def __init__(
        self, *, size: int, keep: float, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """Of at most `size` operations, each for `keep` seconds since a reply last set one."""
        self._now = now
        self._monotonic = monotonic
        self._jars: TTLCache[str, tuple[Cookie, ...]] = TTLCache(maxsize=size, ttl=keep, timer=monotonic)
        self._any = False
        """Whether there ever was one."""

    def heard(self, operation_id: str, url: str, reply_headers: Headers) -> None:
        """Keep what a reply from this URL sets, for this operation."""
        lines = headers.get_all(reply_headers, b"set-cookie")
        origin = origin_of(url) if lines else None
        if origin is None:
            return
        jar = {(one.origin, one.path, one.name): one for one in self._jars.get(operation_id, ())}
        now = self._monotonic()
        for line in lines:
            cookie = self._read(line, origin, _path(url))
            if cookie is None:
                continue
            jar.pop(key := (cookie.origin, cookie.path, cookie.name), None)
            if cookie.ends_at is None or cookie.ends_at > now:
                jar[key] = cookie
        if jar or operation_id in self._jars:
            self._any = True
            self._jars[operation_id] = _bounded(list(jar.values()))

    def line(self, operation_id: str, url: str) -> Headers:
        """The Cookie line for a request of this operation to this URL, or none."""
        jar = self._jars.get(operation_id, ()) if self._any else ()
        origin = origin_of(url) if jar else None
        if origin is None:
            return ()
        path, now = _path(url), self._monotonic()
        found = [cookie for cookie in jar if cookie.goes_to(origin, path, now)]
        found.sort(key=lambda cookie: -len(cookie.path))  # RFC 6265 section 5.4: longer paths first
        return ((b"Cookie", b"; ".join(one.name + b"=" + one.value for one in found)),) if found else ()

    def moved(self, operation: Operation) -> None:
        """Told of every record: nothing more is asked for an operation that came to nothing."""
        if operation.state in OVER:
            self._jars.pop(operation.id, None)

    def forget(self) -> None:
        """Let go of all of them."""
        self._jars.clear()

    def __len__(self) -> int:
        """Operations that have cookies here."""
        return len(self._jars)

    def _read(self, line: bytes, origin: Origin, path: str) -> Cookie | None:
        """A Set-Cookie line (RFC 6265 section 5.2); None for one that is not to be kept."""
        pair, *attributes = line.split(b";")
        name, equals, value = (part.strip(b" \t") for part in pair.partition(b"="))
        if not name or not equals or len(name) + len(value) > LONGEST:
            return None
        if _UNUSABLE.search(name) or _UNUSABLE.search(value):
            return None
        told = {}
        for attribute in attributes:
            word, _, said = attribute.partition(b"=")
            told[word.strip(b" \t").lower()] = said.strip(b" \t")
        if b"secure" in told and origin.scheme != "https":
            return None
        domain = told.get(b"domain", b"").lstrip(b".").lower().decode("latin-1")
        if domain and origin.host != domain and not origin.host.endswith(f".{domain}"):
            return None
        given = told.get(b"path", b"").decode("latin-1")
        return Cookie(origin, given if given.startswith("/") else _parent(path), name, value, self._end(told))

    def _end(self, told: dict[bytes, bytes]) -> float | None:
        """When it ends; Max-Age outranks Expires, and what cannot be read counts as absent."""
        age = told.get(b"max-age", b"")
        if _DIGITS.fullmatch(age):
            return self._monotonic() + int(age)
        try:
            moment = parsedate_to_datetime(told[b"expires"].decode("latin-1"))
            return self._monotonic() + moment.timestamp() - self._now()
        except (KeyError, ValueError, TypeError, IndexError, OverflowError):
            return None


def _bounded(cookies: list[Cookie]) -> tuple[Cookie, ...]:
    """The newest of them, as far as there is room."""
    kept: list[Cookie] = []
    room = LARGEST
    for cookie in reversed(cookies[-MOST:]):
        room -= len(cookie.name) + len(cookie.value) + len(cookie.path)
        if room < 0:
            break
        kept.append(cookie)
    return tuple(reversed(kept))


def _path(url: str) -> str:
    """A URL's path; it has been checked to be a monitor URL, or is made of the upstream's origin and a target."""
    rest = url.split("://", 1)[1].partition("?")[0]
    return "/" + rest.partition("/")[2]


def _parent(path: str) -> str:
    """The path of a cookie that names none (RFC 6265 section 5.1.4)."""
    return path.rpartition("/")[0] or "/"
