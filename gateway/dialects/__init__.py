"""The dialects: how each Graph workload spells its long-running operations.

An ordered list of values, asked one after the other which of them knows a call. A new dialect is a new file and one
more entry in `KNOWN`; nothing else has to change.

    target, monitor_url, retry_after, document      reading what others wrote: paths, URLs, headers, JSON
    status, problem, report, receipt                what Graph's workloads have in common
    item, destination, drive                        drive items

Rules: no I/O, no clock, no chance; imports `gateway.model` and the standard library.
"""

from collections.abc import Sequence

from gateway.dialects.dialect import Capture, Dialect
from gateway.dialects.drive import Drive
from gateway.dialects.monitor_url import MonitorRules
from gateway.dialects.target import canonical_target, with_query
from gateway.model import Call

__all__ = ["KNOWN", "Capture", "Dialect", "MonitorRules", "canonical_target", "enabled", "find", "with_query"]

KNOWN: tuple[Dialect, ...] = (Drive(),)
"""All dialects, in the order they are asked."""


def enabled(names: Sequence[str]) -> tuple[Dialect, ...]:
    """Return the dialects of these names in the order they are asked; raises ValueError for a name nobody has."""
    unknown = sorted(set(names) - {dialect.name for dialect in KNOWN})
    if unknown:
        raise ValueError(f"no such dialect: {', '.join(unknown)}")
    return tuple(dialect for dialect in KNOWN if dialect.name in names)


def find(dialects: Sequence[Dialect], call: Call) -> Dialect | None:
    """Return the first dialect that may know this call, by method, raw path and headers alone."""
    return next((dialect for dialect in dialects if dialect.needs_body(call)), None)
