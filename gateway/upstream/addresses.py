"""Which addresses a monitor's name may resolve to: pure, asked for the very address a socket is about to be given.

Rules: only global unicast, told by our own table and not by `ipaddress.is_global`, which changes between Python
releases and says yes to NAT64. An IPv6 address that wraps an IPv4 one is judged by what it wraps where it only spells
it (v4-mapped), and refused where a gateway somewhere would unwrap it (NAT64, 6to4, Teredo): those reach inside.

The table is the IANA special-purpose registries for IPv4 and IPv6, less what is globally reachable unicast, and the
one public address behind which Azure's hosts serve their own machines.
It must not look at names or URLs: whether a host is allowed at all was decided before.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

OFF_LIMITS_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; the unspecified address connects to loopback
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, the clouds' metadata services among it
        "168.63.129.16/32",  # Azure's hosts to their machines: credentials and settings, among others
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

GLOBAL_V6 = IPv6Network("2000::/3")
"""All global unicast there is: loopback, unspecified, unique-local, link-local, multicast and NAT64 lie outside."""

OFF_LIMITS_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: wraps any IPv4 address
        "3fff::/20",  # documentation
    )
)

OFF_LIMITS_V6_OUTSIDE = tuple(
    IPv6Network(network)
    for network in (
        "64:ff9b::/96",  # NAT64: wraps any IPv4 address, and `is_global` is true of it
        "64:ff9b:1::/48",  # NAT64, local use
    )
)
"""Outside of GLOBAL_V6 anyway; named so that widening it would not let them in."""


def is_global_unicast(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in OFF_LIMITS_V4)
    if address.ipv4_mapped is not None:
        return is_global_unicast(address.ipv4_mapped)
    if address.scope_id is not None or any(address in network for network in OFF_LIMITS_V6_OUTSIDE):
        return False
    return address in GLOBAL_V6 and not any(address in network for network in OFF_LIMITS_V6)


def as_address(text: str) -> Address | None:
    """The address that a text spells, None for a name. Only the usual spelling: `127.1` or `0x7f.1` are names here."""
    try:
        return ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Where monitors may be. `literals` are the IP addresses that the operator listed as such, without brackets."""

    allow_private: bool = False
    literals: frozenset[str] = frozenset()

    def permits(self, host: str, address: Address) -> bool:
        """Whether `host`, a name or a literal, may be reached at `address`."""
        if self.allow_private or is_global_unicast(address):
            return True
        literal = as_address(host)
        return literal is not None and literal == address and literal in map(as_address, self.literals)


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Without repeats, and the two families in turn, beginning with the first one's (RFC 8305 section 4)."""
    ordered = list(dict.fromkeys(addresses))
    first = [address for address in ordered if address.version == ordered[0].version]
    other = [address for address in ordered if address.version != ordered[0].version]
    turns: list[Address] = []
    while first or other:
        turns += first[:1] + other[:1]
        first, other = first[1:], other[1:]
    return turns


def listed_literals(allowed_hosts: Sequence[str]) -> frozenset[str]:
    """The IP addresses among `monitor.allowed_hosts`, without port and brackets."""
    found = set()
    for entry in allowed_hosts:
        bracketed, _, _ = entry.removeprefix("[").partition("]")
        plain, _, _ = entry.partition(":")
        for text in (entry, bracketed, plain):
            with suppress(ValueError):
                found.add(str(ip_address(text)))
    return frozenset(found)
