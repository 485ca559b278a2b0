r"""Which monitor URLs may be polled. A `Location` decides where this process connects to: it is hostile until checked.

The defence is a grammar so narrow that all URL parsers agree on what it means: printable ASCII, one scheme, no
userinfo, a host of letters, digits, hyphens, underscores and dots (or a bracketed address), a decimal port. What is
outside of it is refused, not repaired. urllib and yarl disagree on `https://evil\@graph.microsoft.com` and on
full-width letters; neither gets to see them.

Rules: the URL that is polled is the one that was checked, byte for byte (a signed URL that is quoted anew no longer
verifies); nothing here returns a changed one. This is half of the check: that the name resolves to a public address
is looked at when the connection is made, by whoever makes it.

What this module must not do: put a URL, or any part of its path or query, into a reason or a message.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_URL = re.compile(
    r"""(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://
        (?P<authority>[^/?#]*)
        (?P<rest>[/?][^#]*)?
        (?P<fragment>\#.*)?""",
    re.VERBOSE,
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes browsers and inet_aton read the host as an IPv4 address: `2130706433`, `0x7f.1`."""
_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[\\\"<>]")

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class MonitorRules:
    """Where monitors may live.

    `upstream_origin` is `scheme://host[:port]` without a path: a monitor on it is trusted as the upstream is.
    `allowed_hosts` are exact names, `*.suffix` (any depth below, not the suffix itself), or literal addresses
    (IPv6 with or without brackets), each with an optional `:port`; without one, the scheme's own port is meant.
    `allow_http` and `allow_private` exist for simulators; the latter also frees the port.
    """

    upstream_origin: str
    allowed_hosts: tuple[str, ...] = ()
    allow_http: bool = False
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL within the grammar above, all in lower case and with the port made explicit."""

    scheme: str
    host: str
    """A name, or an address in its shortest spelling without brackets."""
    port: int
    address: _IPAddress | None = None


def check(url: str, rules: MonitorRules) -> str | None:
    """Return why the URL must not be polled, as one word; None where it may be.

    `malformed`: characters or shapes that no monitor has, fragments among them · `scheme` · `userinfo` ·
    `address`: a number in place of a name that is not a plainly spelled address · `host` · `port`.
    """
    origin = _read(url)
    if isinstance(origin, str):
        return origin
    if origin == origin_of(rules.upstream_origin):
        return None
    if origin.scheme == "http" and not rules.allow_http:
        return "scheme"
    entries = [
        entry for entry in map(_entry, rules.allowed_hosts) if entry is not None and entry.names(origin)
    ]
    if not entries:
        return "host"
    own_port = _DEFAULT_PORTS[origin.scheme]
    if rules.allow_private or any(origin.port == (entry.port or own_port) for entry in entries):
        return None
    return "port"


def origin_of(url: str) -> Origin | None:
    """Return a URL's origin; None where it is outside the grammar."""
    origin = _read(url)
    return None if isinstance(origin, str) else origin


def on_upstream(url: str, rules: MonitorRules) -> bool:
    """Whether the URL is on the upstream's own origin: same scheme, host and port."""
    origin = origin_of(url)
    return origin is not None and origin == origin_of(rules.upstream_origin)


def shown(url: str) -> str:
    """Return what may be logged of a monitor URL, which is a bearer secret: scheme and host, never path or query."""
    origin = origin_of(url)
    return "(not a monitor URL)" if origin is None else f"{origin.scheme}://{origin.host}/…"


def _read(url: str) -> Origin | str:
    """Return the origin, or the word for what is wrong."""
    if _FORBIDDEN.search(url):
        return "malformed"
    parts = _URL.fullmatch(url)
    if parts is None or parts["fragment"] is not None:
        # A fragment is never sent, so Graph has no use for one; to drop it would be to poll another URL.
        return "malformed"
    scheme = parts["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        return "scheme"
    if "@" in parts["authority"]:
        return "userinfo"
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        return "malformed"
    port = int(authority["port"] or _DEFAULT_PORTS[scheme])
    if port > 65535:
        return "port"
    return _host(scheme, authority["host"].lower(), port)


def _host(scheme: str, host: str, port: int) -> Origin | str:
    if host.startswith("["):
        address = _address(host[1:-1])
        return Origin(scheme, str(address), port, address) if _is_v6(address) else "address"
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        address = _address(host)
        return "address" if address is None else Origin(scheme, host, port, address)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        # An empty label is a trailing dot: the same host to DNS, another one to a list.
        return "malformed"
    return Origin(scheme, host, port)


def _address(text: str) -> _IPAddress | None:
    """Read a plainly spelled address; the standard library refuses leading zeros, octal, hex and short forms."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_v6(address: _IPAddress | None) -> bool:
    return address is not None and address.version == 6


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of `allowed_hosts`."""

    host: str
    port: int | None
    address: _IPAddress | None

    def names(self, origin: Origin) -> bool:
        if origin.address is not None or self.address is not None:
            return origin.address == self.address
        if self.host.startswith("*."):
            return origin.host.endswith(self.host[1:]) and len(origin.host) >= len(self.host)
        return origin.host == self.host


@lru_cache(maxsize=256)
def _entry(text: str) -> _Entry | None:
    """Read an entry; None for one that can match nothing, which the configuration has complained about already."""
    lowered = text.strip().lower()
    bare = _address(lowered)
    if bare is not None:
        return _Entry(lowered, None, bare)
    wild = lowered.startswith("*.")
    authority = _AUTHORITY.fullmatch(lowered[2:] if wild else lowered)
    if authority is None:
        return None
    host = authority["host"]
    port = int(authority["port"]) if authority["port"] else None
    address = _address(host.strip("[]"))
    if wild:
        return None if address is not None else _Entry(f"*.{host}", port, None)
    return None if host.startswith("[") and not _is_v6(address) else _Entry(host, port, address)
