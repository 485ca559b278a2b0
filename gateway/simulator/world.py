"""The world: everything the simulator knows while it runs, and how it is filled at the start.

Rules: one World per simulator; handlers get it, change it, and never wait in between, so that each request sees
and leaves it whole. Look-ups that depend on who is asking are here, so that no handler can forget to ask.
"""

import base64

from gateway.clock import Clock
from gateway.simulator.addressing import DriveRef, ItemRef
from gateway.simulator.apps import Refusal
from gateway.simulator.drives import Drive, Item
from gateway.simulator.ids import Ids
from gateway.simulator.ledger import Ledger, Summary
from gateway.simulator.operations import Done, Failed, Operations
from gateway.simulator.people import Person, Tokens
from gateway.simulator.plan import Plan
from gateway.simulator.rules import Rules
from gateway.simulator.sample import fill
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.wire import GraphError, JsonObject, Origin

SPECIAL = {
    "documents": "Documents",
    "photos": "Pictures",
    "cameraroll": "Pictures/Camera Roll",
    "approot": "Apps",
}


class World:
    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.rules = Rules(settings.script)
        self.ledger = Ledger(settings.keep_requests)
        self.operations = Operations()
        self.urls = {Origin.GRAPH: "", Origin.MONITOR: ""}
        self.reset()

    def reset(self) -> None:
        """As it was at the start: armed rules, tokens, operations, items and counts are gone."""
        self.ids = Ids(self.settings.seed)
        self.tokens = Tokens(self.settings.users, self.clock, accept_unsigned=self.settings.accept_unsigned)
        self.token_refusals: list[Refusal] = []
        self.rules.reset()
        self.ledger.reset()
        self.operations.reset()
        self.resources: dict[str, JsonObject] = {}  # results that are no drive items, by path in lower case
        self.drives: dict[str, Drive] = {}
        fill(self)

    def settle(self) -> None:
        self.operations.settle(self.clock.monotonic())

    def url(self, origin: Origin, target: str) -> str:
        return self.urls[origin] + target

    def default_plan(self) -> Plan:
        return self.rules.script.defaults.applied_to(Plan())

    def new_drive(self, name: str, owner: str | None, members: set[str], *, personal: bool = False) -> Drive:
        identity = self.ids.cid() if personal else self.ids.drive()
        drive = self.drives[identity] = Drive(
            identity, name, owner, members, personal, self.ids, self.clock.now
        )
        return drive

    def drive_named(self, name: str) -> Drive | None:
        """A drive by its id, or by its name: a user's, a group's, a site's."""
        return self.drives.get(name) or next((d for d in self.drives.values() if d.name == name), None)

    def find_drive(self, ref: DriveRef, person: Person) -> Drive:
        """The drive, if this person may see it. Raises GraphError 403 or 404."""
        drive: Drive | None
        match ref.kind:
            case "me":
                if person.is_app:
                    message = "/me request is only valid with delegated authentication flow."
                    raise GraphError(400, "BadRequest", message)
                drive = self.drive_named(person.name)
            case "user":
                owner = self.tokens.find(ref.key)
                drive = self.drive_named(owner.name) if owner is not None else None
            case "group" | "site":
                drive = self._team_drive(ref.key)
            case "share":
                drive = self._shared(ref.key).drive
            case "drive":
                drive = next(
                    (d for key, d in self.drives.items() if key.casefold() == ref.key.casefold()), None
                )
        if drive is None:
            raise not_found()
        if not (person.is_app or drive.visible_to(person.name)):
            raise GraphError(403, "accessDenied", "Access denied")
        return drive

    def find_item(self, drive: Drive, ref: ItemRef) -> Item:
        """The item in a drive. Raises GraphError 404."""
        item = drive.walk(self._start(drive, ref), ref.path)
        if item is None:
            raise not_found()
        return item

    def find_shared(self, ref: DriveRef) -> Item:
        return self._shared(ref.key)

    def _start(self, drive: Drive, ref: ItemRef) -> Item:
        if ref.start == "root":
            return drive.root
        if ref.start.startswith("special:"):
            folder = SPECIAL.get(ref.start.removeprefix("special:"))
            if folder is None:
                raise GraphError(400, "invalidRequest", "The special folder identifier isn't valid")
            return drive.add_folder(folder)
        item = drive.items.get(ref.start) or drive.items.get(ref.start.upper())
        if item is None:
            raise not_found()
        return item

    def _team_drive(self, key: str) -> Drive | None:
        """A group's or a site's drive by its name, by `{host},{name}`, or by a path that ends in the name."""
        last = key.replace(",", "/").rstrip("/").rpartition("/")[2].casefold()
        return next((d for d in self.drives.values() if d.owner is None and d.name.casefold() == last), None)

    def _shared(self, token: str) -> Item:
        """The item behind `u!{base64url of its webUrl}` ("Accessing shared DriveItems")."""
        try:
            text = token.removeprefix("u!")
            url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:
            raise GraphError(400, "invalidRequest", "The sharing token is invalid.") from None
        items = (item for drive in self.drives.values() for item in drive.items.values())
        found = next((item for item in items if web_url(item) == url), None)
        if found is None:
            raise not_found()
        return found

    def summary(self) -> Summary:
        self.settle()
        operations = self.operations.all.values()
        return Summary(
            requests=self.ledger.count.total(),
            graph_requests=self.ledger.count[Origin.GRAPH],
            monitor_requests=self.ledger.count[Origin.MONITOR],
            copies_started=len(operations),
            copies_finished=sum(isinstance(operation.outcome, Done) for operation in operations),
            copies_failed=sum(isinstance(operation.outcome, Failed) for operation in operations),
            items_created=self.ledger.effects.total(),
            effects=dict(self.ledger.effects),
            polls={operation.id: len(operation.polls) for operation in operations},
            violations=tuple(self.ledger.violations),
        )


def not_found() -> GraphError:
    return GraphError(404, "itemNotFound", "The resource could not be found.")


def web_url(item: Item) -> str:
    """Where a person would see the item; nothing listens there."""
    drive = item.drive
    if drive.personal:
        return f"https://onedrive.live.com/?cid={drive.id}&id={item.id}"
    site = (
        f"my.sharepoint.com/personal/{drive.name}" if drive.owner else f".sharepoint.com/sites/{drive.name}"
    )
    return f"https://contoso{'-' if drive.owner else ''}{site}/Documents{item.path.rstrip('/')}"
