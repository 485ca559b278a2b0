"""What two keys must agree on.

Rules: a rule reads a whole `Config` whose every value is right by itself, and answers with what is wrong and the fix,
or with None. It names the keys it reads, the one to change first; the problem is placed at the first of them that the
file holds. A message shows durations and ports at most: they are never secrets, even where a reference supplied them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.problems import Where
from gateway.config.shape import Config
from gateway.config.units import show_seconds

_EVERYWHERE = {"0.0.0.0", "::"}


@dataclass(frozen=True, slots=True)
class Rule:
    keys: tuple[Where, ...]
    broken: Callable[[Config], tuple[str, str] | None]


def _intervals(config: Config) -> tuple[str, str] | None:
    low, high = config.polling.min_interval, config.polling.max_interval
    if low <= high:
        return None
    return (
        f"polling.min_interval ({show_seconds(low)}) is above polling.max_interval ({show_seconds(high)})",
        "lower the one or raise the other",
    )


def _rejoining(config: Config) -> tuple[str, str] | None:
    # Clients send the call again upon a 504; without reconnecting, each time is one more copy.
    if config.wait.on_timeout != "error" or config.operations.reconnect != "off":
        return None
    return (
        "error makes clients send the call again, which copies again while operations.reconnect is off",
        "write redirect or accepted, or set operations.reconnect to identical or key",
    )


def _ports(config: Config) -> tuple[str, str] | None:
    listen, admin = config.listen, config.admin
    same_host = listen.host == admin.host or not _EVERYWHERE.isdisjoint({listen.host, admin.host})
    if not (listen.port and listen.port == admin.port and same_host):
        return None
    return f"listen and admin both want port {listen.port}", "choose two ports"


RULES = (
    Rule((("polling", "min_interval"), ("polling", "max_interval")), _intervals),
    Rule((("wait", "on_timeout"), ("operations", "reconnect")), _rejoining),
    Rule((("admin", "port"), ("listen", "port"), ("admin", "host"), ("listen", "host")), _ports),
)
