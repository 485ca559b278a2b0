"""The store that the configuration asks for.

Rules: each store is imported only where it is chosen, so that what it depends on need not be there otherwise.

What this module must not do: open it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, assert_never

from gateway.clock import Clock
from gateway.config.shape import Operations
from gateway.store import Store, StoreDown
from gateway.store.memory import MemoryStore

if TYPE_CHECKING:
    from gateway.store.record import RecordUnreadable

LEAST_KEPT = 300.0
"""Seconds that every record is kept since its end, however short `keep_finished` is: those who wait have to find it,
and so does a call that says that it is a retry (`sameness.ReplayRules`)."""


class Tell(Protocol):
    """Takes an event of the gateway's log; see `telemetry.Observer.event`."""

    def __call__(self, name: str, **facts: str | float | bool) -> None: ...


def chosen(
    operations: Operations, *, clock: Clock, tell: Tell, crashed: Callable[[str, BaseException], None]
) -> Store:
    """`crashed` is told of bugs in what a store does by itself. Raises `StoreDown` where its library is missing."""

    def report(error: "RecordUnreadable") -> None:
        tell("record_unreadable", operation=error.operation_id, reason=error.reason)

    kept = max(operations.keep_finished, operations.replay_grace + LEAST_KEPT)
    match operations.store:
        case "memory":
            return MemoryStore(
                now=clock.now,
                max_active=operations.max_active,
                keep_finished=kept,
                keep_keyed=operations.keep_keyed,
            )
        case "sqlite":
            from gateway.store.sqlite import SqliteStore  # noqa: PLC0415 - see the rules

            return SqliteStore(
                path=operations.path,
                now=clock.now,
                max_active=operations.max_active,
                keep_finished=kept,
                keep_keyed=operations.keep_keyed,
                keys=operations.encryption_key or (),
                report=report,
            )
        case "redis":
            try:
                from gateway.store.redis import RedisStore  # noqa: PLC0415 - see the rules
            except ImportError as error:
                told = f"operations.store is redis, which needs a library ({error}): pip install lro-gateway[redis]"
                raise StoreDown(told) from error

            return RedisStore(
                url=operations.url,
                clock=clock,
                max_active=operations.max_active,
                keep_finished=kept,
                keep_keyed=operations.keep_keyed,
                keys=operations.encryption_key or (),
                wait_replicas=operations.wait_replicas,
                report=report,
                notice=lambda risk: tell("store_at_risk", reason=risk),
                on_crash=crashed,
            )
    assert_never(operations.store)
