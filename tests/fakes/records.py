"""Operations to test with, and an observer that remembers."""

from dataclasses import dataclass, field, replace

from gateway.model import Operation, Plan, State, Trouble
from gateway.telemetry import CallRecord, Poll

PLAN = Plan(
    dialect="drive",
    kind="itemCopy",
    version="v1.0",
    source="/v1.0/me/drive/items/A",
    items="/v1.0/me/drive/items/",
    named="/v1.0/me/drive/root:/Documents/copy.bin",
    unique=True,
)
START = 1_800_000_000.0


def operation(number: int = 1, **changes: object) -> Operation:
    """A reserved operation; `number` tells them apart."""
    plain = Operation(
        id=f"{number:032x}",
        key=f"key {number}",
        fingerprint=f"fingerprint {number}",
        principal="11" * 32,
        starter="22" * 32,
        keyed=False,
        plan=PLAN,
        created_at=START,
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # changes are fields of Operation


def running(number: int = 1, **changes: object) -> Operation:
    """A running operation, accepted at START, due for its first poll half a second later."""
    common: dict[str, object] = {
        "state": State.RUNNING,
        "submitted_at": START,
        "accepted_at": START,
        "advanced_at": START,
        "monitor": "https://contoso.sharepoint.com/_api/v2.0/monitor/1",
        "next_poll_at": START + 0.5,
    }
    return operation(number, **{**common, **changes})


@dataclass
class Remembering:
    """An observer that keeps what it was told."""

    calls: list[CallRecord] = field(default_factory=list)
    changes: list[tuple[Operation | None, Operation]] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    said: list[tuple[str, dict[str, str | float | bool]]] = field(default_factory=list)
    """Every event with its facts."""
    crashes: list[tuple[str, BaseException]] = field(default_factory=list)

    def call_ended(self, record: CallRecord, seconds: float) -> None:
        self.calls.append(record)

    def operation_changed(self, before: Operation | None, after: Operation) -> None:
        self.changes.append((before, after))

    def polled(self, poll: Poll) -> None:
        self.polls.append(poll)

    def poll_troubled(self, operation: Operation, trouble: Trouble) -> None:
        self.troubles.append(trouble)

    def event(self, name: str, **facts: str | float | bool) -> None:
        self.events.append(name)
        self.said.append((name, facts))

    def crashed(self, where: str, error: BaseException) -> None:
        self.crashes.append((where, error))
