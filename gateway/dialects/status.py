"""The words monitors use for how far they are, and what they mean.

Graph has at least eight enumerations for one idea (asyncJobStatus, workbookOperation, onenoteOperation,
teamsAsyncOperation, richLongRunningOperation, caseOperation, dataPolicyOperation, connectionOperation). They do not
contradict each other, so one table serves them all. Case and white space do not count: the documentation itself
writes `inProgress`, `inprogress` and `Completed`.

The rule for words not in the table: still running. New members appear in these enumerations, and to take one for the
end would hand out an item that is not there yet; the operation's deadline bounds the mistake.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.dialects.document import object_of, text_of
from gateway.model import Progress


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Which words mean what; each in lower case and without white space. There are few: each is equal to itself alone."""

    running: frozenset[str]
    succeeded: frozenset[str]
    failed: frozenset[str]

    def meaning(self, word: str) -> Progress | None:
        """Return what a status word means; None for one that is not in the table."""
        folded = "".join(word.split()).casefold()
        if folded in self.succeeded:
            return Progress.SUCCEEDED
        if folded in self.failed:
            return Progress.FAILED
        return Progress.RUNNING if folded in self.running else None


GRAPH = Vocabulary(
    running=frozenset(
        {
            "notstarted",
            "inprogress",
            "running",
            "waiting",
            "updating",
            "cancelpending",
            "deletepending",
            "unspecified",
            "unknown",
            "unknownfuturevalue",
        }
    ),
    # partiallySucceeded is a success with a report to read: as an error it would be retried.
    succeeded=frozenset({"completed", "complete", "succeeded", "success", "partiallysucceeded"}),
    failed=frozenset({"failed", "deletefailed", "submissionfailed", "cancelled", "canceled", "invalid"}),
)

_PERCENT_FIELDS = (
    "percentageComplete",
    "percentComplete",
    "percentageCompleted",
    "percentProgress",
    "progress",
)
_NUMBER = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,20})?")


def word_of(members: Mapping[str, object]) -> str | None:
    """Return the status word at the top level: `status`, or its `state` where it is an object (printOperation).

    Only at the top: a finished printOperation holds a printer with a status of its own.
    """
    status = members.get("status")
    return text_of(status) or text_of(object_of(status).get("state"))


def percent_of(members: Mapping[str, object]) -> float | None:
    """Return the progress in percent, 0 to 100; None where no field has a number in that range.

    onenoteOperation and dataPolicyOperation send it as a string.
    """
    for field in _PERCENT_FIELDS:
        percent = percent_in(members[field]) if field in members else None
        if percent is not None:
            return percent
    return None


def percent_in(value: object) -> float | None:
    """Return a number, or the number in a text, if it is a percentage."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
        return float(value)
    return None
