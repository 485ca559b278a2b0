"""A call: one authenticated request to the Graph origin, with what its handlers need to know about it."""

from dataclasses import dataclass

from gateway.simulator.addressing import Address
from gateway.simulator.drives import Conflict, Drive, Item
from gateway.simulator.people import Person
from gateway.simulator.plan import Plan
from gateway.simulator.wire import Asked, GraphError, Headers
from gateway.simulator.world import World

_CONFLICT = "@microsoft.graph.conflictbehavior"


@dataclass(frozen=True)
class Call:
    world: World
    asked: Asked
    address: Address
    person: Person
    plan: Plan

    @property
    def now(self) -> float:
        """Wall time."""
        return self.world.clock.now()

    def drive(self) -> Drive:
        """The drive that the address names. Raises GraphError."""
        if self.address.drive is None:
            raise unknown_segment(self.address.words)
        return self.world.find_drive(self.address.drive, self.person)

    def item(self) -> Item:
        """The item that the address names. Raises GraphError."""
        drive = self.drive()
        if self.address.drive is not None and self.address.drive.kind == "share":
            return self.world.find_shared(self.address.drive)
        if self.address.item is None:
            raise unknown_segment(self.address.tail)
        return self.world.find_item(drive, self.address.item)

    def conflict(self, default: Conflict = Conflict.FAIL) -> Conflict:
        """`@microsoft.graph.conflictBehavior` of the query; `%40microsoft…` comes decoded already."""
        word = self.asked.query().get(_CONFLICT)
        if word is None:
            return default
        try:
            return Conflict(word.lower())
        except ValueError:
            message = f"The value '{word}' is not supported for conflictBehavior."
            raise GraphError(400, "invalidRequest", message) from None


def unknown_segment(words: tuple[str, ...]) -> GraphError:
    name = words[-1] if words else ""
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{name}'.")


def name_taken(message: str = "The specified item name already exists.", headers: Headers = ()) -> GraphError:
    return GraphError(409, "nameAlreadyExists", message, headers)
