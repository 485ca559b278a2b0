"""Readings: what there is to see of a running gateway when somebody asks for its metrics.

Rules: it only looks, and at nothing that has to be waited for: no store is asked.

What this module must not do: count (`telemetry.metrics` does).
"""

from collections.abc import Iterator

from gateway.auth.credentials import Credentials
from gateway.config import Config
from gateway.follower import Follower
from gateway.http.server import CallerSide
from gateway.lanes import Lanes
from gateway.upstream import Graph, Monitors


def readings(
    *,
    config: Config,
    ready: bool,
    callers: CallerSide,
    follower: Follower,
    lanes: Lanes,
    graph: Graph,
    monitors: Monitors,
    credentials: Credentials | None,
) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Name, labels and value of each of `telemetry.metrics.READINGS`, but for those that never change."""
    yield "ready", (), float(ready)
    yield "held_calls", (), callers.held
    yield "connections", (), callers.connections
    yield "following", (), len(follower)
    yield "queued", (), lanes.queued
    yield "limit", ("held_calls",), config.limits.held_calls
    yield "limit", ("connections",), config.limits.connections
    yield "limit", ("max_active",), config.operations.max_active
    for side, (live, idle) in (("upstream", graph.connections), ("monitor", monitors.connections)):
        yield "upstream_connections", (side, "busy"), live - idle
        yield "upstream_connections", (side, "idle"), idle
    if callers.certificate_ends_at is not None:
        yield "certificate_expires_timestamp_seconds", (), callers.certificate_ends_at
    yield "tokens", (), credentials.got if credentials is not None else 0
