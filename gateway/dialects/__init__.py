"""The dialects: how each Graph workload spells its long-running operations.

An ordered list of values, asked one after the other which of them knows a call. A new dialect is a new file and one
more entry in `KNOWN`; most are a description (`workload`) and nothing else.

    target, monitor_url, retry_after, document      reading what others wrote: paths, URLs, headers, JSON
    status, problem, report, receipt                what Graph's workloads have in common
    item, destination, drive                        drive items
    pattern, workload                               a dialect as a description: calls, headers, words, results
    workbook, onenote, teams, sites, connectors,    the descriptions
    print, ediscovery, privacy, gdap,
    attacksimulation, industrydata
    address, pointer, declared                      dialects that are declared in YAML
    presets                                         such YAML for other APIs than Graph

Rules: no I/O, no clock, no chance; imports `gateway.model`, `gateway.config` and the standard library.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.config import Dialects
from gateway.config.presets import preset
from gateway.dialects.attacksimulation import ATTACKSIMULATION
from gateway.dialects.connectors import CONNECTORS
from gateway.dialects.declared import Declared
from gateway.dialects.dialect import Capture, Dialect
from gateway.dialects.drive import Drive
from gateway.dialects.ediscovery import EDISCOVERY
from gateway.dialects.gdap import GDAP
from gateway.dialects.industrydata import INDUSTRYDATA
from gateway.dialects.monitor_url import MonitorRules
from gateway.dialects.onenote import ONENOTE
from gateway.dialects.print import PRINT
from gateway.dialects.privacy import PRIVACY
from gateway.dialects.sites import SITES
from gateway.dialects.target import canonical_target, segment, with_query
from gateway.dialects.teams import TEAMS
from gateway.dialects.workbook import WORKBOOK
from gateway.model import Call

__all__ = [
    "KNOWN",
    "Capture",
    "Dialect",
    "MonitorRules",
    "canonical_target",
    "enabled",
    "find",
    "remembered",
    "segment",
    "spoken",
    "with_query",
]

KNOWN: tuple[Dialect, ...] = (
    Drive(),
    WORKBOOK,
    ONENOTE,
    TEAMS,
    SITES,
    CONNECTORS,
    PRINT,
    EDISCOVERY,
    PRIVACY,
    GDAP,
    ATTACKSIMULATION,
    INDUSTRYDATA,
)
"""All dialects of Graph's, in the order they are asked."""

PRESETS = ("fhir", "azure", "generic")
"""In the order they are asked: who has more to go by comes first. One that a call fits and the reply does not leaves
it to the next."""


def enabled(names: Sequence[str]) -> tuple[Dialect, ...]:
    """Return the dialects of these names in the order they are asked; raises ValueError for a name nobody has."""
    unknown = sorted(set(names) - {dialect.name for dialect in KNOWN})
    if unknown:
        raise ValueError(f"no such dialect: {', '.join(unknown)}")
    return tuple(dialect for dialect in KNOWN if dialect.name in names)


def spoken(section: Dialects, origin: str) -> tuple[Dialect, ...]:
    """Return the dialects that a configuration chooses, in the order they are asked, for the upstream's origin."""
    presets = _presets(section.presets, origin)
    chained = [replace(one, others=tuple(presets[number + 1 :])) for number, one in enumerate(presets)]
    return (*enabled(section.enabled), *_custom(section, origin), *chained)


def remembered(section: Dialects, origin: str) -> tuple[Dialect, ...]:
    """Return all that may have started what is still under way: what was started while one was enabled goes on."""
    return (*KNOWN, *_custom(section, origin), *_presets(PRESETS, origin))


def _custom(section: Dialects, origin: str) -> list[Declared]:
    return [Declared(one, origin.rstrip("/")) for one in section.custom]


def _presets(names: Sequence[str], origin: str) -> list[Declared]:
    return [Declared(one, origin.rstrip("/")) for name in PRESETS if name in names for one in preset(name)]


def find(dialects: Sequence[Dialect], call: Call) -> Dialect | None:
    """Return the first dialect that may know this call, by method, raw path and headers alone."""
    method = call.method
    for dialect in dialects:
        if method in dialect.methods and dialect.needs_body(call):
            return dialect
    return None
