"""The parts of the documentation that are made from the code: `.venv/bin/python tests/pages.py` writes them anew.

A page marks such a part with `<!-- made: NAME -->` before and `<!-- end: NAME -->` after; what stands between is one of
`BLOCKS`. `unit/test_docs_made.py` fails where a page and the code disagree.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pages_reference
import test_layers
from clients.programs import shown
from fakes.records import running

from gateway import errors, lifecycle
from gateway.dialects import KNOWN
from gateway.dialects.problem import problem_of
from gateway.dialects.workload import VERSIONS, Evidence, Start, Workload
from gateway.errors import DeadlineExceeded, GatewayError, OperationLost, OutcomeUnknown, StillRunning
from gateway.events import Expired, Vanished
from gateway.http import answers
from gateway.http.answers import STATUS_WORDS, Answer, Origin
from gateway.model import Ailment, State, Trouble
from gateway.pacing import Polling
from gateway.telemetry import NOTES
from gateway.telemetry.logs import EVENTS
from gateway.telemetry.metrics import PREFIX, READINGS, Counted

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    f"docs/{name}.md"
    for name in ("admin-api", "architecture", "behaviour", "cli", "clients", "dialects", "metrics", "pacing")
)
FIX = "run .venv/bin/python tests/pages.py"

MARKED = re.compile(r"<!-- made: (?P<name>[\w-]+) -->\n(?P<text>.*?)<!-- end: (?P=name) -->", re.DOTALL)

FLOOR_NAMES = {
    6: ("entry", "everything below, and the simulator"),
    5: ("HTTP", "5 and below"),
    4: ("patience", "3 and below"),
    3: ("shell", "3 and below"),
    2: ("edges", "floors 0 and 1, `clock` and `tasks`; no other edge"),
    1: ("pure core", "1 and below; nothing that waits, tells the time or chooses by chance"),
    0: ("words", "0; nothing that waits, tells the time or chooses by chance"),
}
"""Name of each floor, and what its modules may import of ours."""

FAILED_CODES = (
    "badRequest", "childItemCountExceeded", "childrenOnlyNotValid", "invalidArgument", "invalidRange", "invalidRequest",
    "invalidResourceId", "notSupported", "pathIsTooLong",
    "accessDenied", "forbidden", "malwareDetected", "notAllowed", "provisioningNotAllowed", "unauthenticated",
    "unauthorized", "virusSuspicious",
    "itemNotFound", "notFound", "resourceNotFound",
    "conflict", "nameAlreadyExists", "resourceModified", "resyncRequired",
    "maxFileSizeExceeded",
    "fileDecryptionDeferred", "fileDecryptionNotSupported", "fileDoubleKeyEncrypted", "lockMismatch", "resourceLocked",
    "activityLimitReached", "badGateway", "gatewayTimeout", "resourceBeingProvisioned", "serviceNotAvailable",
    "serviceUnavailable", "throttledRequest", "timeout", "tooManyRequests",
    "insufficientStorage", "quotaLimitReached",
)  # fmt: skip
"""Every code of a failed operation that has a status of its own, as Graph spells it."""


# --- the blocks ------------------------------------------------------------------------------------------


def floors() -> str:
    """Every module or package of the house with its purpose, from the top down."""
    lines = ["| floor | module | purpose | may import |", "|---|---|---|---|"]
    for floor, (name, below) in sorted(FLOOR_NAMES.items(), reverse=True):
        modules = sorted(module for module, on in test_layers.FLOORS.items() if on == floor)
        for number, module in enumerate(modules):
            allowed = "the same" if number else below
            lines.append(f"| {floor} {name} | {module_link(module)} | {purpose(module)} | {allowed} |")
    for module, imports in test_layers.BESIDE.items():
        allowed = ", ".join(f"`{one}`" for one in sorted(imports))
        lines.append(f"| beside | {module_link(module)} | {purpose(module)} | {allowed} alone |")
    return table(lines)


def states() -> str:
    """The transition table as a diagram."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event), then in lifecycle.TRANSITIONS.items():
        arrows.setdefault((state, then), []).append(event.__name__)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> reserved"]
    lines += [f"    {state} --> {then}: {', '.join(names)}" for (state, then), names in arrows.items()]
    ends = [state for state in State if not any(a is state and b is not state for a, b in arrows)]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join([*lines, "```", ""])


def events() -> str:
    """What may happen, and where it leads."""
    arrows: dict[str, list[str]] = {}
    meaning: dict[str, str] = {}
    for (state, event), then in lifecycle.TRANSITIONS.items():
        arrows.setdefault(event.__name__, []).append(f"{state} → {then}")
        meaning[event.__name__] = " ".join((event.__doc__ or "").split())
    rows = [f"| `{name}` | {meaning[name]} | {', '.join(where)} |" for name, where in arrows.items()]
    return table(["| event | what happened | arrows |", "|---|---|---|", *rows])


def error_codes() -> str:
    """Every error that the gateway itself makes, as its answer has it."""
    rows = []
    for kind in sorted(kinds(GatewayError), key=lambda kind: (kind.status, kind.code, kind.__name__)):
        answer = answer_of(kind)
        told = {name.decode(): value.decode() for name, value in answer.headers}
        said = json.loads(answer.body)["error"]
        word = told.get("Proxy-Status", "").partition("error=")[2]
        cells = (
            "504, 409" if kind is OutcomeUnknown else str(answer.status),
            f"`{said['code']}`",
            said["message"],
            f"`{word}`" if word else "",
            "1 to 5" if kind is StillRunning else told.get("Retry-After", ""),
            "yes" if answer.close else "",
        )
        rows.append(f"| {' | '.join(cells)} |")
    head = "| status | code | message | `Proxy-Status` | `Retry-After` | closes the connection |"
    return table([head, "|---|---|---|---|---|---|", *dict.fromkeys(rows)])


def failures() -> str:
    """Statuses by the code of a failed operation."""
    by_status: dict[int, list[str]] = {}
    for code in FAILED_CODES:
        status = problem_of({"error": {"code": code}}, "failed").status
        by_status.setdefault(status, []).append(f"`{code}`")
    rows = [f"| {status} | {', '.join(codes)} |" for status, codes in sorted(by_status.items())]
    return table(["| status | code of the failed operation |", "|---|---|", *rows])


def status_words() -> str:
    """Our states in the words of asyncJobStatus."""
    by_word: dict[str, list[str]] = {}
    for state in State:
        if state is not State.REJECTED:  # such a record is gone before anybody could ask for it
            by_word.setdefault(STATUS_WORDS[state], []).append(f"`{state}`")
    rows = [f"| `{word}` | {', '.join(of)} |" for word, of in by_word.items()]
    return table(["| `status` | `state` in the list of operations |", "|---|---|", *rows])


DRIVE = (
    ("`itemCopy`", "`POST {item...}/copy`", "the new item", "driveItem: copy", Evidence.SEEN),
    (
        "`itemMove`",
        "`PATCH {item...}` with a `parentReference`",
        "the same item",
        "driveItem: move",
        Evidence.SEEN,
    ),
    (
        "`assignSensitivityLabel`",
        "`POST {item...}/assignSensitivityLabel`",
        "the same item",
        "driveItem: assignSensitivityLabel",
        Evidence.SAMPLE,
    ),
    (
        "`downloadUrl`",
        "`POST {item...}/children` with a source URL",
        "the new item",
        "Upload from URL (OneDrive API)",
        Evidence.SAMPLE,
    ),
)
"""The one dialect that is more than a description."""


def dialects() -> str:
    """What each dialect waits for."""
    head = "| dialect | operation | request | result | documentation | known from |"
    rows = [
        f"| `drive` | {kind} | {request} | {result} | {page} | {evidence} |"
        for kind, request, result, page, evidence in DRIVE
    ]
    for workload, start in described():
        versions = "" if start.versions == VERSIONS else f" ({', '.join(start.versions)} only)"
        needs = f" with `{start.needs}`" if start.needs else ""
        asked = ", `Prefer: respond-async` is added" if start.respond_async else ""
        request = f"`{start.method} {start.path}`".replace("|", "\\|") + f"{needs}{versions}{asked}"
        names = ", ".join(f"`{kind}`" for kind in start.kinds)
        where = ", else ".join(RESULTS.get(rule, f"`{rule.rpartition('/')[2]}`") for rule in start.result)
        rows.append(
            f"| `{workload.name}` | {names} | {request} | {where} | {start.page} | {start.evidence} |"
        )
    return table([head, "|---|---|---|---|---|---|", *rows])


SENT_TO = "what the call was sent to"
RESULTS = {"monitor_body": "the operation itself", "source:": SENT_TO, "source:/schema": SENT_TO}


def monitors() -> str:
    """How each dialect asks."""
    head = "| dialect | monitor | credential | running / succeeded / failed | seconds between two polls |"
    status = "`notStarted` `inProgress` `waiting` / `completed` / `failed` `cancelled`"
    rows = [
        f"| `drive` | `Operation-Location` or `Location`, on SharePoint or OneDrive | none, and it refuses one | {status} | |"
    ]
    for one in KNOWN:
        if isinstance(one, Workload):
            header = " or ".join(f"`{name}`" for name in one.monitor)
            extra = "".join(f", with the call's `{name.decode()}`" for name in sorted(one.repeats))
            groups = (one.words.running, one.words.succeeded, one.words.failed)
            words = " / ".join(" ".join(f"`{word}`" for word in group) for group in groups)
            floor = f"{one.floor:g}" if one.floor else ""
            rows.append(f"| `{one.name}` | {header}, on Graph | the caller's{extra} | {words} | {floor} |")
    return table([head, "|---|---|---|---|---|", *rows])


def described() -> Iterator[tuple[Workload, Start]]:
    """Every operation of the dialects that are a description."""
    for one in KNOWN:
        if isinstance(one, Workload):
            yield from ((one, start) for start in one.starts)


def call_notes() -> str:
    """What the line of a call says besides, where it came to an operation."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in NOTES.items()]
    return table(["| further field of `call` | |", "|---|---|", *rows])


def metrics() -> str:
    """Everything that is counted."""
    rows = []
    for family in Counted([dialect.name for dialect in KNOWN]).families:
        name = family.name + ("_total" if family.kind == "counter" else "")
        labels = "<br>".join(f"`{label}`: {values_of(values)}" for label, values in family.labels.items())
        rows.append(f"| `{name}` | {family.kind} | {family.meaning} | {labels} |")
    return table(["| metric | kind | what it says | labels |", "|---|---|---|---|", *rows])


def values_of(values: Sequence[str]) -> str:
    """The values of a label; of a long list, where it stands."""
    if values == tuple(EVENTS):
        return "the [events of the log](behaviour.md#for-operators)"
    return ", ".join(values)


def readings() -> str:
    """Everything that is looked at when somebody asks."""
    rows = [
        f"| `{PREFIX}{reading.name}{'_total' if reading.kind == 'counter' else ''}` | {reading.kind} | {reading.meaning} | {', '.join(f'`{label}`' for label in reading.labels)} |"
        for reading in READINGS
    ]
    return table(["| metric | kind | what it says | labels |", "|---|---|---|---|", *rows])


BLOCKS: dict[str, Callable[[], str]] = {
    "dialects": dialects,
    "monitors": monitors,
    "floors": floors,
    "states": states,
    "events": events,
    "error-codes": error_codes,
    "failures": failures,
    "status-words": status_words,
    "log-events": pages_reference.log_events,
    "cli": pages_reference.command_line,
    "admin-api": pages_reference.admin_api,
    "pace": pages_reference.pace,
    "call-notes": call_notes,
    "metrics": metrics,
    "readings": readings,
    **{f"snippet-{name}": lambda text=text: text for name, text in shown().items()},  # type: ignore[misc] # bound now
}


# --- what they are made with -----------------------------------------------------------------------------


def kinds(root: type[GatewayError]) -> Iterator[type[GatewayError]]:
    """`root` and all that `gateway.errors` derives from it."""
    if root.__module__ == errors.__name__:
        yield root
        for child in root.__subclasses__():
            yield from kinds(child)


def answer_of(kind: type[GatewayError]) -> Answer:
    """What a caller gets for an error; those that end an operation are told as its problem."""
    origin = Origin("r", None, 0.0)
    failure = kind()
    if kind not in (OperationLost, DeadlineExceeded):
        return answers.error(failure, origin)
    polling = Polling()
    event = Expired() if kind is DeadlineExceeded else Vanished(Trouble(Ailment.MISSING, 404))
    return answers.failed(lifecycle.advance(running(), event, 0.0, polling=polling), origin, ())


def source_of(module: str) -> Path:
    package = ROOT / "gateway" / module / "__init__.py"
    return package if package.exists() else package.parent.with_suffix(".py")


def module_link(module: str) -> str:
    path = source_of(module)
    target = path.parent if path.name == "__init__.py" else path
    return f"[`{module}`](../{target.relative_to(ROOT).as_posix()})"


def purpose(module: str) -> str:
    """The first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(source_of(module).read_text("utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    sentence = re.match(r".*?[.…](?= |$)", paragraph)
    return sentence[0] if sentence else paragraph


def table(lines: list[str]) -> str:
    return "\n".join([*lines, ""])


def renewed(page: str) -> str:
    """A page's text with every marked part made anew. Raises KeyError for a name that nobody makes."""
    return MARKED.sub(
        lambda found: (
            f"<!-- made: {found['name']} -->\n{BLOCKS[found['name']]()}<!-- end: {found['name']} -->"
        ),
        page,
    )


def main() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(renewed(path.read_text("utf-8")), "utf-8")
        print(json.dumps({"written": page}))


if __name__ == "__main__":
    main()
