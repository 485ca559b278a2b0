"""Drive items: copy, a move that answers 202, sensitivity labels, upload from a URL.

    call                                         result                            documentation
    POST {item}/copy                             the new item                      driveItem: copy
    PATCH {item} with a parentReference          the same item                     driveItem: move (says 200 only)
    POST {item}/assignSensitivityLabel           the same item                     driveItem: assignSensitivityLabel
    POST {item}/children with a source URL       the new item                      OneDrive API: upload from URL

Their monitors are on SharePoint or OneDrive, need no token and refuse one (OneDrive/onedrive-api-docs#1057,
O365/python-o365#872): see `takes_credential` for the exception.

What this module must not do: take a 202 for an operation because of its call alone. Without a monitor it is passed
on, and so it is where the monitor may not be polled.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.dialects.destination import UNKNOWN, Destination, is_consumer, resolve
from gateway.dialects.dialect import Capture
from gateway.dialects.document import object_of, read_body, text_of
from gateway.dialects.item import (
    Item,
    Reference,
    is_item,
    is_item_url,
    locate,
    refer_to_resource,
    refer_to_url,
    safe_id,
)
from gateway.dialects.monitor_url import MonitorRules, on_upstream
from gateway.dialects.receipt import monitors
from gateway.dialects.report import Found, read_report
from gateway.dialects.target import parameters, result_query, segment, steps
from gateway.model import Call, Plan, Receipt, Reply, Report, Trouble

COPY: Final = "itemCopy"
MOVE: Final = "itemMove"
LABEL: Final = "assignSensitivityLabel"
UPLOAD: Final = "downloadUrl"

_ACTIONS = {"copy": COPY, "assignSensitivityLabel": LABEL}
_JSON = re.compile(rb"application/(?:[a-z0-9.!#$&^_-]+\+)?json[ \t]*(?:;|\Z)")
_SOURCE_URLS = ("@microsoft.graph.sourceUrl", "@content.sourceUrl")
_CONFLICT_NAMES = frozenset({"@microsoft.graph.conflictbehavior", "@name.conflictbehavior"})
_RESPOND_ASYNC = b"respond-async"


class Drive:
    """The dialect of drive items."""

    name: Final = "drive"
    floor: Final = 0.0
    methods: Final = frozenset({"POST", "PATCH"})
    repeats: Final[frozenset[bytes]] = frozenset()
    peeks: Final[frozenset[int]] = frozenset()

    def needs_body(self, call: Call) -> Capture:
        if call.method == "POST":
            path = steps(call.path)
            if path[-1:] == ("children",):
                return _if_json(call, path[:-1])
            if path and path[-1] in _ACTIONS and locate(path[:-1]) is not None:
                return Capture.REQUIRED
        elif call.method == "PATCH":
            return _if_json(call, steps(call.path))
        return Capture.NO

    def plan(self, call: Call) -> Plan | None:
        path = steps(call.path)
        if call.method == "PATCH":
            item = _driven(path)
            return None if item is None else self._move(call, item)
        if call.method != "POST" or not path:
            return None
        if path[-1] == "children":
            item = _driven(path[:-1])
            return None if item is None else self._upload(call, item)
        item = locate(path[:-1])
        if item is None:
            return None
        kind = _ACTIONS.get(path[-1])
        if kind == LABEL:
            return self._plan(call, item, LABEL, items=item.items, named=item.target, repeatable=True)
        return self._copy(call, item) if kind == COPY else None

    def receipt(self, plan: Plan, call: Call, reply: Reply, rules: MonitorRules) -> Receipt | None:
        if reply.status != 202:
            return None
        for url in monitors(reply, plan.version, rules):
            if not is_item_url(url):
                return Receipt(url, credential=takes_credential(url, rules))
            # The copy is done already, although this is a 202 (`…/items/{id}?force303=1&tempauth=…`,
            # OneDrive/onedrive-api-docs#762). Polling it would wait for a status that an item does not have.
            resource = refer_to_url(url).target(plan.version, plan.items) or plan.named
            if resource is not None:
                return Receipt(monitor=None, resource=resource)
        return None

    def read(self, plan: Plan, reply: Reply, now: float) -> Report | Trouble:
        def find(members: Mapping[str, object], location: str | None) -> Found:
            return _find(plan, members, location)

        return read_report(reply, now, find, is_result=is_item)

    def _copy(self, call: Call, item: Item) -> Plan:
        body = read_body(call.body) if call.body.strip() else {}
        if body is None or _misspelt(body, {"parentReference", "name", "childrenOnly"}):
            return self._plan(call, item, COPY, prefer=_RESPOND_ASYNC)
        destination = resolve(item, body.get("parentReference"))
        # With childrenOnly, no item of a new name comes to be: the result is the destination folder.
        children_only = bool(body.get("childrenOnly"))
        name = None if children_only else _name(body)
        behaviour = _conflict_behaviour(call.query, body)
        keeps_name = not children_only and body.get("name") is None
        into = _named(destination, "", behaviour) if keeps_name else None
        consumer = destination.consumer or is_consumer(item)
        return self._plan(
            call,
            item,
            COPY,
            items=destination.items,
            named=_named(destination, name, behaviour),
            into=into,
            unique=(name is not None or into is not None) and behaviour == "fail" and not consumer,
            prefer=_RESPOND_ASYNC,
        )

    def _move(self, call: Call, item: Item) -> Plan | None:
        body = read_body(call.body)
        if body is None or not object_of(body.get("parentReference")):
            return None
        destination = resolve(item, body["parentReference"])
        named: str | None = item.target
        if item.by_path:
            # The item leaves the path it was addressed by.
            name = item.name if body.get("name") is None else _name(body)
            named = _named(destination, name, _conflict_behaviour(call.query, body))
        return self._plan(call, item, MOVE, items=destination.items, named=named, repeatable=not item.by_path)

    def _upload(self, call: Call, item: Item) -> Plan | None:
        body = read_body(call.body)
        if body is None or not any(text_of(body.get(name)) for name in _SOURCE_URLS):
            return None
        named = _named(Destination(item.items, item), _name(body), _conflict_behaviour(call.query, body))
        return self._plan(call, item, UPLOAD, items=item.items, named=named, prefer=_RESPOND_ASYNC)

    def _plan(
        self,
        call: Call,
        item: Item,
        kind: str,
        *,
        items: str | None = UNKNOWN.items,
        named: str | None = None,
        into: str | None = None,
        unique: bool = False,
        repeatable: bool = False,
        prefer: bytes | None = None,
    ) -> Plan:
        return Plan(
            dialect=self.name,
            kind=kind,
            version=item.version,
            source=item.target,
            items=items,
            named=named,
            into=into,
            unique=unique,
            repeatable=repeatable,
            result_query=result_query(call.query),
            prefer=prefer,
        )


def takes_credential(url: str, rules: MonitorRules) -> bool:
    """Whether the monitor of a drive item takes the caller's credential: only where Graph itself hosts it.

    That is one on the upstream's own origin under Graph's version (`/v1.0/…/operations/…`). Not so
    `api.onedrive.com/v1.0/monitor/…` and SharePoint's `/_api/…`, even where that host is the upstream, nor a URL that
    brings its own `tempauth`: they refuse a token, and one sent anyway would be one more place that has seen it.
    """
    path, _, query = url.partition("?")
    words = steps("/" + path.partition("://")[2].partition("/")[2])
    return (
        on_upstream(url, rules)
        and words[:1] in {("v1.0",), ("beta",)}
        and "monitor" not in words
        and not any(name.casefold() == "tempauth" for name, _, _ in parameters(query))
    )


def _find(plan: Plan, members: Mapping[str, object], location: str | None) -> Found:
    """Return the result that a final report points to, the most certain pointer first."""
    pointers = (
        refer_to_resource(members) if is_item(members) else Reference(),
        refer_to_url(members.get("resourceLocation")),
        Reference(item=safe_id(members.get("resourceId"))),
        refer_to_url(location),
    )
    item_id = next((pointer.item for pointer in pointers if pointer.item is not None), None)
    if plan.kind in {MOVE, LABEL} and plan.named == plan.source:
        return Found(plan.source, item_id)
    targets = (pointer.target(plan.version, plan.items) for pointer in pointers)
    return Found(next((target for target in targets if target is not None), plan.named), item_id)


def _driven(path: tuple[str, ...]) -> Item | None:
    """Return the item a path addresses, if it is in a drive or is called a drive item: PATCH has no action's name."""
    item = locate(path)
    return item if item is not None and (item.drive is not None or item.own == ("driveItem",)) else None


def _if_json(call: Call, path: tuple[str, ...]) -> Capture:
    """For calls that most often are no operation: an operation's body is JSON, and what is not may be large."""
    types = (value.strip().lower() for name, value in call.headers if name.lower() == b"content-type")
    if not any(_JSON.match(one) for one in types):
        return Capture.NO
    return Capture.NO if _driven(path) is None else Capture.IF_SMALL


def _misspelt(body: Mapping[str, object], names: set[str]) -> bool:
    """Whether a name stands there in another case: Graph may read it, or may not."""
    folded = {name.casefold() for name in names}
    return any(name not in names and name.casefold() in folded for name in body)


def _name(body: Mapping[str, object]) -> str | None:
    """Return the name that the body asks for, as one encoded segment."""
    name = text_of(body.get("name"))
    return None if name is None else segment(name)


def _named(destination: Destination, name: str | None, behaviour: str) -> str | None:
    if destination.folder is None or name is None or behaviour not in {"fail", "replace"}:
        return None
    return destination.folder.child(name)


def _conflict_behaviour(query: str, body: Mapping[str, object]) -> str:
    """Return `fail`, `replace`, `rename`, or `` where it is not clear. Without any word on it, Graph fails.

    Copy takes it from the query and ignores it in the body (OneDrive/onedrive-api-docs#981); as one day it may not,
    two words that differ are no word.
    """
    asked = {value.casefold() for name, value, _ in parameters(query) if name.casefold() in _CONFLICT_NAMES}
    asked |= {str(value).casefold() for name, value in body.items() if name.casefold() in _CONFLICT_NAMES}
    if not asked:
        return "fail"
    return asked.pop() if len(asked) == 1 else ""
