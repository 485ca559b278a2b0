"""A call that is held: what is kept of it, and its place among those that are held.

Rules: thousands wait at once, so what is kept is what the rest of its life needs; see `Held.let_go`.

What this module must not do: wait, or decide anything.
"""

import uuid
from collections import Counter
from dataclasses import dataclass, replace

from gateway import headers, prefer
from gateway.auth import Caller
from gateway.config import Limits
from gateway.dialects import Dialect
from gateway.errors import Overloaded
from gateway.http.responder import Written
from gateway.http.visit import Visit
from gateway.model import Call, Operation, Plan
from gateway.prefer import Preferences
from gateway.upstream import Outgoing


@dataclass(slots=True)
class Held:
    """A call that is held: what it asks for, and for how long."""

    visit: Visit
    call: Call
    caller: Caller
    dialect: Dialect
    plan: Plan
    preferences: Preferences
    until: float
    """Monotonic seconds."""
    sendable: bool = True
    """Whether its body is still here."""

    def let_go(self) -> None:
        """Its operation is under way: nothing will be sent for it again."""
        self.call = replace(self.call, body=b"")
        self.sendable = False

    def outgoing(self) -> Outgoing:
        """The operation's POST: the caller's own, with the body in one piece and what the upstream wants of us."""
        call = self.call
        lines = headers.for_upstream(call.headers, host=self.visit.parts.graph.host_header, chunked=False)
        if call.body and not headers.has(lines, b"content-length"):
            lines = (*lines, (b"Content-Length", b"%d" % len(call.body)))
        if not headers.has(lines, b"client-request-id"):
            lines = (*lines, (b"client-request-id", str(uuid.uuid4()).encode()))
        if self.plan.prefer is not None:
            lines = prefer.add(lines, self.plan.prefer)
        if self.dialect.peeks:  # it has to read the reply's body
            lines = headers.replaced(lines, b"Accept-Encoding", b"identity")
        body = call.body if self.visit.has_body else None
        return Outgoing(call.method, call.target, headers.without(lines, {b"expect"}), body)


Came = Written | Operation | None
"""What a call came to: its answer, or the operation that it waits for; None where it has to be admitted anew."""


class Places:
    """How many calls are held, in all and of each caller."""

    __slots__ = ("_by_caller", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self._by_caller: Counter[str] = Counter()

    def room(self, principal: str, limits: Limits) -> "Room":
        """A place for one more call of this caller."""
        return Room(self, principal, limits)

    def take(self, principal: str, limits: Limits) -> None:
        """Raises `Overloaded`."""
        if self.taken >= limits.held_calls:
            raise Overloaded("held calls")
        if limits.calls_per_caller is not None and self._by_caller[principal] >= limits.calls_per_caller:
            raise Overloaded("calls of one caller")
        self.taken += 1
        self._by_caller[principal] += 1

    def give_back(self, principal: str) -> None:
        self.taken -= 1
        self._by_caller[principal] -= 1
        if not self._by_caller[principal]:
            del self._by_caller[principal]


class Room:
    """The place of one call, for the body of a `with`."""

    __slots__ = ("_limits", "_places", "_principal")

    def __init__(self, places: Places, principal: str, limits: Limits) -> None:
        self._places = places
        self._principal = principal
        self._limits = limits

    def __enter__(self) -> None:
        self._places.take(self._principal, self._limits)

    def __exit__(self, *_: object) -> None:
        self._places.give_back(self._principal)
