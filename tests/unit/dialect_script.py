"""A dialect's conversation with Graph as a script: what Graph said, and what we conclude from it.

    Script("POST /v1.0/me/drive/items/A/copy", {"name": "b"})
        .graph(202, location="https://contoso.sharepoint.com/_api/v2.0/monitor/1")
        .we("poll https://contoso.sharepoint.com/_api/v2.0/monitor/1")
        .monitor(200, {"status": "completed", "resourceId": "B"})
        .we("succeeded: /v1.0/me/drive/items/B")
        .plays()

`plays` runs the conversation and fails with a diff of the whole script where we concluded something else.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from gateway.dialects import KNOWN, MonitorRules, find
from gateway.model import Call, Headers, Plan, Progress, Receipt, Reply, Report, Trouble

NOW = 1_700_000_000.0
"""Tue, 14 Nov 2023 22:13:20 GMT."""

RULES = MonitorRules(
    upstream_origin="https://graph.microsoft.com",
    allowed_hosts=(
        "graph.microsoft.com",
        "*.sharepoint.com",
        "api.onedrive.com",
        "my.microsoftpersonalcontent.com",
    ),
)

JSON: Headers = ((b"Content-Type", b"application/json"),)

COPY = "POST /v1.0/me/drive/items/A/copy"
MINE = "/v1.0/me/drive"
MONITOR = "https://contoso.sharepoint.com/_api/v2.0/monitor/4A3407B5"

Body = bytes | str | Mapping[str, object] | None


def as_bytes(body: Body) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def call(line: str, body: Body = None, headers: Headers = JSON) -> Call:
    method, _, target = line.partition(" ")
    return Call(method, target, headers, as_bytes(body))


def reply(status: int, body: Body = None, **headers: str) -> Reply:
    lines = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Reply(status, lines, as_bytes(body))


TO_DOCUMENTS: Body = {"parentReference": {"path": "/drive/root:/Documents"}, "name": "Copy of LargeFolder1"}
"""The request of the starting documents."""
NAMED = f"{MINE}/root:/Documents/Copy%20of%20LargeFolder1"
"""Its result by path."""
TO_OTHER_DRIVE: Body = {"parentReference": {"driveId": "b!dest", "id": "P"}, "name": "b.docx"}

ID = "01MOWKYVJML57KN2ANMBA3JZJS2MBGC7KM"
UNDER_WAY = '{\n  "operation": "ItemCopy",\n  "percentageComplete": 27.8,\n  "status": "inProgress"\n}'
COMPLETED = f'{{\n    "percentageComplete": 100.0,\n    "resourceId": "{ID}",\n    "status": "completed"\n}}'
"""The monitor's answers in the starting documents, byte for byte."""


class Script:
    """One conversation, told line by line and then played."""

    def __init__(self, line: str, body: Body = None, rules: MonitorRules = RULES) -> None:
        self._rules = rules
        self._call = call(line, body)
        self._expected: list[str] = [line]
        self._said: list[tuple[str, Reply]] = []

    def graph(self, status: int, body: Body = None, **headers: str) -> Self:
        return self._says("graph", reply(status, body, **headers))

    def monitor(self, status: int, body: Body = None, *, oversized: bool = False, **headers: str) -> Self:
        return self._says("monitor", replace(reply(status, body, **headers), oversized=oversized))

    def we(self, conclude: str) -> Self:
        self._expected.append(f"    we: {conclude}")
        return self

    def plays(self) -> None:
        actual = self._played()
        if actual != self._expected:
            diff = difflib.unified_diff(
                self._expected, actual, "the script", "what we concluded", lineterm="", n=99
            )
            raise AssertionError("\n" + "\n".join(diff))

    def _says(self, who: str, said: Reply) -> Self:
        self._said.append((who, said))
        self._expected.append(_told(who, said))
        return self

    def _played(self) -> list[str]:
        lines = [self._expected[0]]
        dialect = find(KNOWN, self._call)
        plan = None if dialect is None else dialect.plan(self._call)
        if dialect is None or plan is None:
            return [*lines, "    we: not an operation"]
        for who, said in self._said:
            lines.append(_told(who, said))
            if who == "graph":
                receipt = dialect.receipt(plan, self._call, said, self._rules)
                lines.append(f"    we: {told_receipt(receipt)}")
            else:
                lines.append(f"    we: {told(dialect.read(plan, said, NOW))}")
        return lines


def accepted(body: Body = TO_DOCUMENTS, line: str = COPY) -> Script:
    """A script whose operation has been accepted and is polled."""
    return Script(line, body).graph(202, Location=MONITOR).we(f"poll {MONITOR}")


def heard(said: Reply, line: str = COPY, body: Body = TO_DOCUMENTS) -> Report | Trouble:
    """What a dialect makes of one answer of the monitor."""
    one = call(line, body)
    dialect = find(KNOWN, one)
    assert dialect is not None
    return dialect.read(planned(line, body), said, NOW)


def reported(said: Reply, line: str = COPY, body: Body = TO_DOCUMENTS) -> Report:
    """The same, where it has to be a report."""
    report = heard(said, line, body)
    assert isinstance(report, Report), told(report)
    return report


def _told(who: str, said: Reply) -> str:
    headers = "".join(f" {name.decode()}: {value.decode()}" for name, value in said.headers)
    return f"{who}: {said.status}{headers} {said.body.decode('utf-8', 'replace')[:300]}".rstrip()


def told_receipt(receipt: Receipt | None) -> str:
    if receipt is None:
        return "pass it on"
    if receipt.monitor is None:
        return f"already there: {receipt.resource}"
    return f"poll {receipt.monitor}" + (" with the credential" if receipt.credential else "")


def told(heard: Report | Trouble) -> str:
    """One line for a report or a trouble, without what is absent."""
    wait = "" if heard.retry_after is None else f", wait {heard.retry_after:g} s"
    if isinstance(heard, Trouble):
        return f"trouble: {heard.ailment} {heard.status} {heard.code or ''}".rstrip() + wait
    percent = "" if heard.percent is None else f" {heard.percent:g} %"
    if heard.progress is Progress.RUNNING:
        return f"running{percent}{wait}"
    if heard.problem is not None:
        return f"failed: {heard.problem.status} {heard.problem.code}{wait}"
    return f"succeeded: {heard.resource}{wait}"


def planned(line: str, body: Body = None, headers: Headers = JSON) -> Plan:
    """The plan for a call that some dialect must know."""
    one = call(line, body, headers)
    dialect = find(KNOWN, one)
    assert dialect is not None, f"nobody knows {line}"
    plan = dialect.plan(one)
    assert plan is not None, f"no plan for {line}"
    return plan
