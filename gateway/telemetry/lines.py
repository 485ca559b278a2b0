"""Lines on their way out: the line of a call spelled without a detour, and one write for what a turn of the loop ends.

A call's line is written once for each call, and is most of what a busy gateway logs. In JSON it is put together here,
as structlog would (a test compares the two), at a twentieth of the cost; and the lines of operations at a third of it.
Everything else goes through structlog.

Rules: lines keep their order. A call's line waits for the end of the event loop's turn at most; every other line is
written at once, with those that wait before it. What a call brought along goes through `redaction`, like all else.

What this module must not do: decide what is logged.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from gateway.telemetry import CallRecord
from gateway.telemetry.redaction import redact, redacted

_METHODS = {method: f'"{method}"' for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_quoted = json.encoder.encode_basestring_ascii


class Turn:
    """A stream of lines; what `later` is given is written at the end of the turn."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[str] = []

    def later(self, line: str) -> None:
        """Write a line, its end included, soon; at once where no event loop runs."""
        self._waiting.append(line)
        if len(self._waiting) == 1:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                loop.call_soon(self.flush)

    def write(self, text: str) -> None:
        self._waiting.append(text)

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._stream.write("".join(waiting))
        self._stream.flush()


def call_line(record: CallRecord, seconds: float) -> str:
    """The line of one call in JSON, with its end; every field that is not foreign is one of our own words."""
    method = record.method
    line = (
        f'{{"method": {_METHODS.get(method) or _quoted(redacted(method))}, "path": {_quoted(redacted(record.path))}, '
        f'"route": "{record.route}", "status": {record.status}, "outcome": "{record.outcome}", '
        f'"seconds": {round(seconds, 4)!r}, "bytes_in": {record.bytes_in}, "bytes_out": {record.bytes_out}, '
        f'"request_id": "{record.request_id}"'
    )
    if record.operation is not None:
        line += f', "operation": "{record.operation}"'
    if record.relation is not None:
        line += f', "relation": "{record.relation}"'
    if record.upstream_status is not None:
        line += f', "upstream_status": {record.upstream_status}'
    for name, value in record.notes.items():
        line += f', "{name}": {json.dumps(redacted(value) if isinstance(value, str) else value)}'
    return f'{line}, "event": "call", "level": "info", "timestamp": "{_now()}"}}\n'


def event_line(event: str, facts: Mapping[str, object]) -> str:
    """The line of any other event at level info in JSON, with its end."""
    whole = {**facts, "event": event, "level": "info", "timestamp": _now()}
    return json.dumps(redact(None, "info", whole)) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat()[: -len("+00:00")] + "Z"
