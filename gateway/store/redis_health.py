"""What is looked at before a Redis is trusted with operations.

Rules: what cannot work is `StoreDown` with its fix; what works and may lose a record some day is noticed, and taken.
It is all read from INFO, because managed servers refuse CONFIG.
"""

from collections.abc import Callable

from gateway.store import StoreDown
from gateway.store.redis_server import Server

OLDEST = 6


async def check(server: Server, *, wait_replicas: int, notice: Callable[[str], None] | None) -> None:
    """Raises `StoreDown`."""
    info = facts(await server.ask("INFO", urgent=True))
    version = info.get("redis_version", "")
    if not version:
        raise StoreDown(f"{server.name} is not a Redis; check operations.url")
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < OLDEST:
        raise StoreDown(f"{server.name} is version {version}; use {OLDEST} or later, or Valkey")
    if info.get("loading") == "1":
        raise StoreDown(f"{server.name} is loading its data; start the gateway again when it has done so")
    if info.get("role") == "slave":
        raise StoreDown(f"{server.name} is a read-only replica; name the primary in operations.url")
    if notice is not None:
        for risk in risks(info, wait_replicas=wait_replicas):
            notice(f"{server.name}: {risk}")


def facts(info: bytes) -> dict[str, str]:
    """What INFO says."""
    lines = info.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def risks(info: dict[str, str], *, wait_replicas: int) -> list[str]:
    """By what it may lose a record, and so let something be copied twice."""
    found = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory", "0") != "0":
        found.append(f"it may throw operations away (maxmemory-policy {policy}); set it to noeviction")
    if info.get("aof_enabled") == "0":
        found.append("a restart may lose what it wrote since its last snapshot; set appendonly to yes")
    there = int(info.get("connected_slaves", "0"))
    if there < wait_replicas:
        found.append(
            f"it has {there} replicas and operations.wait_replicas is {wait_replicas}; nothing can be started "
            "until there are as many"
        )
    return found
