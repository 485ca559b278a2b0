"""Host names, `host:port` and URLs, in the one spelling that the rest of the gateway compares.

Rules: letters are lowered, a default port and a final slash are dropped, an IPv6 literal is compressed and stands in
brackets wherever a port could follow. What has no single meaning is refused: a host of digits that is not an IPv4
address (`127.1`, `0x7f.1`), a name outside ASCII, a user name in a URL. Nothing is resolved here.
"""

import ipaddress
import re
from dataclasses import dataclass

from gateway.config.kinds import Kind, unfit

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")
_URL = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(#.*)?", re.IGNORECASE | re.ASCII)
_PREFIX = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_NAME = 253

MICROSOFT_HOSTS = (
    # Graph: worldwide, US government L4 and L5, China (https://learn.microsoft.com/graph/deployments).
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    # SharePoint and OneDrive for work, whose hosts monitor copies: the same clouds, then the sovereign ones of Europe.
    "*.sharepoint.com",
    "*.sharepoint.us",
    "*.sharepoint-mil.us",
    "*.dps.mil",
    "*.sharepoint.cn",
    "*.sovcloud-sharepoint.de",
    "*.sovcloud-sharepoint.fr",
    # OneDrive of consumers.
    "api.onedrive.com",
    "my.microsoftpersonalcontent.com",
)


def canonical_entry(text: str) -> str | None:
    """An entry of a list of hosts (a host, `*.suffix`, either with a port) in its one spelling; None if it is none."""
    bare = canonical_host(
        text
    )  # first, because a port cannot be told from the last group of a bare IPv6 address
    if bare is not None:
        return bare
    spelling, port = _split_port(text)
    host = canonical_host(spelling.removeprefix("*."))
    if host is None or (spelling.startswith("*.") and _is_ip(host)):
        return None
    wildcard = "*." if spelling.startswith("*.") else ""
    return f"{wildcard}{host}" if port is None else f"{wildcard}{_bracketed(host)}:{port}"


def canonical_host(text: str) -> str | None:
    """A host name or an IP literal without brackets, in its one spelling; None if it is neither."""
    if _is_ip(text):
        return ipaddress.ip_address(text).compressed if "%" not in text else None
    name = text.lower() if text.isascii() else ""  # lower() turns some letters outside ASCII into ones inside
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        return None
    return None if _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]) else name


class Host(Kind):
    """Where to listen."""

    def accepts(self) -> str:
        return "a host name or an IP address"

    def read(self, value: object) -> str:
        host = canonical_host(value) if isinstance(value, str) else None
        if host is None:
            raise unfit(
                f"must be {self.accepts()}, without scheme, port or brackets, not {{value}}",
                'write a name, an address such as 127.0.0.1 or "::1", or 0.0.0.0 for every interface',
            )
        return host


class HostPort(Kind):
    """Where to connect."""

    def accepts(self) -> str:
        return "`host:port`, an IPv6 address in brackets"

    def read(self, value: object) -> str:
        text, port = _split_port(value) if isinstance(value, str) else ("", None)
        host = canonical_host(text)
        if host is not None and port is not None:
            return f"{_bracketed(host)}:{port}"
        raise unfit(
            "must be host:port, not {value}",
            'write 10.0.0.7:443, proxy.example:443 or "[2001:db8::7]:443", with a port from 1 to 65535',
        )


class AllowedHost(Kind):
    """An entry of a list of hosts."""

    def accepts(self) -> str:
        return "a host name, `*.suffix` or an IP address, each with or without `:port`"

    def read(self, value: object) -> str:
        entry = canonical_entry(value) if isinstance(value, str) else None
        if entry is None:
            raise unfit(
                "must be a host name, *.suffix or an IP address, with or without a port, not {value}",
                self._advice(value),
            )
        return entry

    def _advice(self, value: object) -> str:
        text = value if isinstance(value, str) else ""
        if "://" in text or "/" in text:
            return "write the host alone, without scheme and path"
        if "*" in text:
            return 'a wildcard stands for whole labels at the front, such as "*.example.com"'
        if not text.isascii():
            return "write the name in its ASCII form, which begins with xn--"
        return 'write graph.example, "*.example.com", graph.example:8443, 10.0.0.7 or "[2001:db8::7]:443"'


@dataclass(frozen=True)
class Url(Kind):
    """An absolute http or https URL, as far as its host or as far as its path."""

    path: bool
    example: str

    def accepts(self) -> str:
        return f"an http or https URL {'with or without a path' if self.path else 'without a path'}"

    def read(self, value: object) -> str:
        parts = _URL.fullmatch(value) if isinstance(value, str) else None
        if parts is None:
            raise unfit(
                "must be a URL that begins with https:// or http://, not {value}",
                f"write one such as {self.example}",
            )
        scheme, authority, path, query, fragment = parts.groups()
        if "@" in authority:
            raise unfit(
                "must not hold a user name or a password: {value}", "leave out what stands before the @"
            )
        text, port = _split_port(authority)
        host = canonical_host(text)
        if host is None:
            raise unfit("names no usable host and port: {value}", f"write one such as {self.example}")
        if query is not None or fragment is not None:
            raise unfit("must end before ? and #, not {value}", "leave out the query and the fragment")
        return self._origin(scheme.lower(), host, port) + self._checked_path((path or "").removesuffix("/"))

    def _origin(self, scheme: str, host: str, port: int | None) -> str:
        shown = "" if port is None or port == _DEFAULT_PORTS[scheme] else f":{port}"
        return f"{scheme}://{_bracketed(host)}{shown}"

    def _checked_path(self, path: str) -> str:
        if path and not self.path:
            raise unfit(
                "must be scheme, host and port alone, not {value}",
                f"leave out the path: callers send it, such as {self.example} and /v1.0/me",
            )
        if path and not (_PREFIX.fullmatch(path) and {".", ".."}.isdisjoint(path.split("/"))):
            raise unfit(
                "has a path that cannot be a prefix: {value}", f"write one such as {self.example}/prefix"
            )
        return path


def _split_port(text: str) -> tuple[str, int | None]:
    """`host:port`, `[v6]:port`, `[v6]` or `host`; a text that is none of these comes back with its oddity inside."""
    host, colon, digits = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, None
    elif _PORT.fullmatch(digits) and 1 <= int(digits) <= 65535:
        port = int(digits)
    else:
        return text, None
    if host.startswith("[") and host.endswith("]") and ":" in host:
        return host[1:-1], port
    # An unbracketed IPv6 address would be cut at its last group.
    return (text, None) if ":" in host else (host, port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
