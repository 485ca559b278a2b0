"""The records of the model: real `Operation`s, moved by the real `lifecycle.advance`, each known by a number.

Rules: equal records have one number, so that a state of the world is a few small integers. Time stands still at
`START`; what depends on time alone (a lease, a time to live, a monitor's grace) is a step that may happen at any
moment. Number 0 is no record.

What this module must not do: change what the table says. It asks `lifecycle` and `sameness`, and remembers the answer.
"""

from collections.abc import Callable

from fakes.records import PLAN, START, operation

from gateway import events, lifecycle, sameness
from gateway.model import Ailment, Operation, Plan, Problem, Progress, Receipt, Report, State, Trouble
from gateway.pacing import Polling
from gateway.sameness import Ask, Decision, ReplayRules

Decide = Callable[[Operation | None, Ask, float, ReplayRules], Decision]

REPLAY = ReplayRules(keep_finished=900.0, keep_keyed=86_400.0, replay_grace=0.0)
POLLING = Polling()
ITEM = "/v1.0/me/drive/items/B"
TAKEN = Problem(409, "nameAlreadyExists", '{"code":"nameAlreadyExists"}')

EVENTS: dict[str, events.Event] = {
    "Sending": events.Sending(),
    "TakenOver": events.TakenOver(),
    "Accepted": events.Accepted(Receipt("https://contoso.sharepoint.com/_api/v2.0/monitor/1"), (), 0.5),
    "AcceptedDone": events.AcceptedDone(ITEM, ()),
    "Declined": events.Declined(),
    "Unsent": events.Unsent(),
    "Unclear": events.Unclear(),
    "Untracked": events.Untracked(),
    "Completed": events.Completed(Report(Progress.SUCCEEDED, "completed", 100.0, ITEM, "B")),
    "Failed": events.Failed(Report(Progress.FAILED, "failed", problem=TAKEN), TAKEN),
    "Vanished": events.Vanished(Trouble(Ailment.MISSING)),
    "Troubled": events.Troubled(Trouble(Ailment.TIMEOUT), 0.5),
    "Fetched": events.Fetched(),
    "Delivered": events.Delivered(),
    "Reconciled": events.Reconciled(ITEM, "B"),
}
"""What may happen to a record, by name. `Progressed`, `Troubled` and `Expired` say nothing new to the protocol: the
first two leave the operation running, the third ends it as `Vanished` does."""


class Book:
    """Numbers for records, and what was already asked about them."""

    def __init__(self, plan: Plan, *, keyed: bool, decide: Decide = sameness.decide) -> None:
        self._plan, self._keyed, self._decide = plan, keyed, decide
        self._numbers: dict[Operation, int] = {}
        self._moves: dict[tuple[int, str], int] = {}
        self._decisions: dict[tuple[int, bool], Decision] = {}
        self._drafts: dict[int, int] = {}
        blank = operation(0)
        self.records: list[Operation] = [blank]
        self.states: list[State] = [State.REJECTED]
        self.versions: list[tuple[str, int, int]] = [("", 0, 0)]
        self.arrows: set[tuple[State, type[events.Event]]] = set()
        """Arrows of the table that were asked for."""

    def draft(self, slot: int) -> int:
        """The new record of a slot of the store; the slot's number is its id."""
        if slot not in self._drafts:
            self._drafts[slot] = self._number(
                operation(slot, key="key", fingerprint="same", keyed=self._keyed, plan=self._plan)
            )
        return self._drafts[slot]

    def move(self, number: int, event: str) -> int:
        """The record after the event; 0 where the table has no such arrow."""
        known = self._moves.get((number, event))
        if known is None:
            try:
                moved = lifecycle.advance(self.records[number], EVENTS[event], START, polling=POLLING)
                known = self._number(moved)
                self.arrows.add((self.states[number], type(EVENTS[event])))
            except lifecycle.IllegalTransition:
                known = 0
            self._moves[number, event] = known
        return known

    def decide(self, number: int, *, retry: bool) -> Decision:
        """What a call means that finds this record; `retry`: it says that it was sent before."""
        known = self._decisions.get((number, retry))
        if known is None:
            ask = Ask(fingerprint="same", keyed=self._keyed, retry_attempt=retry)
            known = self._decide(self.records[number] if number else None, ask, START, REPLAY)
            self._decisions[number, retry] = known
        return known

    @property
    def decisions(self) -> set[Decision]:
        """What was decided at least once."""
        return set(self._decisions.values())

    def polls(self, number: int) -> bool:
        """Whether the driver of this record has a monitor to ask."""
        return isinstance(lifecycle.next_step(self.records[number], START, deadline=86_400.0), lifecycle.Poll)

    def _number(self, record: Operation) -> int:
        number = self._numbers.setdefault(record, len(self.records))
        if number == len(self.records):
            self.records.append(record)
            self.states.append(record.state)
            self.versions.append((record.id, record.epoch, record.revision))
        return number


def plan_for(kind: str) -> Plan:
    """What a dialect knows of a call: `fail` has a certain name that the upstream protects, `replace` a certain name
    that it does not, `rename` no certain name.
    """
    named = PLAN.named if kind != "rename" else None
    return Plan(
        dialect=PLAN.dialect,
        kind=PLAN.kind,
        version=PLAN.version,
        source=PLAN.source,
        items=PLAN.items,
        named=named,
        unique=kind == "fail",
    )
