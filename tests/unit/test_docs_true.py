"""What the documentation says in its own words about keys, defaults, fields, tables and links is so."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from fakes.records import START, operation, running
from pages import kinds
from pages_reference import told_by_the_observer

from gateway.admin.rows import Rows
from gateway.config import Config, parse
from gateway.config.declaration import Monitor
from gateway.config.reference import page as configuration_page
from gateway.config.shape import Operations
from gateway.crashpoints import POINTS
from gateway.dialects import KNOWN
from gateway.errors import GatewayError, OutcomeUnknown
from gateway.http import batch
from gateway.http.part import INHERITED
from gateway.lifecycle import TRANSITIONS
from gateway.model import Ailment, Operation, State
from gateway.prefer import OURS
from gateway.sameness import Ask, Decision, ReplayRules, decide
from gateway.telemetry import NOTES, CallRecord
from gateway.telemetry.logs import EVENTS, LogObserver, configure
from gateway.telemetry.metrics import PREFIX, READINGS, Counted

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BEHAVIOUR = (ROOT / "docs/behaviour.md").read_text("utf-8")
PROSE = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

KEY = re.compile(r"`([a-z]+)\.([a-z_]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pages = pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table that begins with this line."""
    assert text.count(f"{head}\n") == 1, head
    lines = text.split(f"{head}\n")[1].splitlines()[1:]
    table = lines[: next(number for number, line in enumerate(lines) if not line.startswith("|"))]
    assert table
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def names(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


# --- configuration ---------------------------------------------------------------------------------------


@pages
def test_every_key_that_is_named_exists(path: Path) -> None:
    default = Config.default()
    sections = {name: getattr(default, name) for name in Config.model_fields}
    values = {
        str(getattr(section, key)) for section in sections.values() for key in type(section).model_fields
    }
    for section, key in KEY.findall(path.read_text("utf-8")):
        if section in sections and f"{section}.{key}" not in values:  # `operations.db` is a file
            known = {*type(sections[section]).model_fields}
            if (path.stem, section) == ("custom-dialects", "monitor"):  # a dialect has a section of that name
                known |= {*Monitor.model_fields}
            assert key in known, f"{section}.{key}"


def test_the_ten_settings_have_the_defaults_that_the_readme_says() -> None:
    table = rows(README, "| key | default | change it when |")
    assert len(table) == 10
    reference = configuration_page()
    for key, default, _ in table:
        assert f"\n| {key} | {default} |" in reference, key


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/clients.md",
        "docs/long-copies.md",
        "docs/national-clouds.md",
        "docs/tutorial.md",
    ],
)
def test_every_yaml_block_is_a_configuration(name: str) -> None:
    path = ROOT / name
    for language, text in BLOCK.findall(path.read_text("utf-8")):
        if language == "yaml":
            assert parse(text, file=path.name, environ={"CLIENT_SECRET": "s"}) != Config.default()


def test_the_hosts_of_every_cloud_are_allowed() -> None:
    table = rows(
        (ROOT / "docs/national-clouds.md").read_text("utf-8"),
        "| cloud | `upstream.base_url` | host of `auth.authority` | monitors are on |",
    )
    allowed = Config.default().monitor.allowed_hosts
    for _, url, _, monitors in table:
        assert names(url)[0].removeprefix("https://") in allowed
        assert set(names(monitors)) <= set(allowed)


# --- tables ----------------------------------------------------------------------------------------------

ENDED = START + 60.0
RULES = ReplayRules(keep_finished=900.0, keep_keyed=86_400.0, replay_grace=0.0)
RECORDS: dict[str, list[Operation | None]] = {
    "none, or turned down by Graph": [None, operation(state=State.REJECTED)],
    "running": [running(), operation(), operation(state=State.SUBMITTING)],
    "ended, answer never taken": [
        running(state=state, ended_at=ENDED) for state in (State.RESULT, State.SUCCEEDED, State.FAILED)
    ],
    "ended, answer taken": [
        running(state=state, ended_at=ENDED, delivered_at=ENDED) for state in (State.SUCCEEDED, State.FAILED)
    ],
    "outcome unknown, or lost": [
        running(state=state, ended_at=ENDED) for state in (State.UNKNOWN, State.LOST)
    ],
}
WORDS = {decision.value: decision for decision in Decision} | {"422": Decision.MISMATCH}


def test_the_reconnect_table_is_what_is_decided() -> None:
    table = rows(BEHAVIOUR, "| the operation | with a key | the key, another call | without a key |")
    assert [row[0] for row in table] == list(RECORDS)
    for what, with_key, other, without in table:
        for record in RECORDS[what]:
            asks = (
                (with_key, Ask("f", keyed=True)),
                (other, Ask("g", keyed=True)),
                (without, Ask("f")),
            )
            for cell, ask in asks:
                kept = replace(record, fingerprint="f", keyed=ask.keyed) if record is not None else None
                word = re.split("[,;]", cell)[0]
                assert decide(kept, ask, ENDED + 1, RULES) is WORDS[word], (what, cell)


def test_a_call_that_says_that_it_is_a_retry_is_answered_for_180_seconds() -> None:
    (taken,) = [
        row[3]
        for row in rows(BEHAVIOUR, "| the operation | with a key | the key, another call | without a key |")
        if row[0] == "ended, answer taken"
    ]
    seconds = float(re.findall(r"for (\d+) s", taken)[0])
    record = replace(RECORDS["ended, answer taken"][0] or operation(), fingerprint="f")
    ask = Ask("f", retry_attempt=True)
    assert decide(record, ask, ENDED + seconds - 1, RULES) is Decision.REPLAY
    assert decide(record, ask, ENDED + seconds, RULES) is Decision.START


def test_every_preference_is_on_the_page() -> None:
    said = {names(row[0])[0].partition("=")[0] for row in rows(BEHAVIOUR, "| preference | what it does |")}
    assert said == {name.decode() for name in OURS}


def test_every_header_that_is_said_to_be_read_is_read() -> None:
    code = "".join(file.read_text("utf-8").lower() for file in (ROOT / "gateway").rglob("*.py"))
    table = rows(BEHAVIOUR, "| header of a request | what the gateway makes of it |")
    said = {name for row in table for name in names(row[0])}
    assert len(said) == 14
    assert [name for name in said if f'b"{name.lower()}"' not in code] == []


def test_the_fields_of_a_call_are_those_that_are_logged() -> None:
    out = io.StringIO()
    record = CallRecord("POST", "/", 0.0, "r", operation="o", relation="join", upstream_status=200)
    LogObserver(configure(level="info", fmt="json", stream=out)).call_ended(record, 1.0)
    logged = json.loads(out.getvalue()).keys() - {"event", "level", "timestamp"}
    said = {name for row in rows(BEHAVIOUR, "| field of `call` | |") for name in names(row[0])}
    assert said == logged


def test_the_fields_of_an_operation_are_those_that_are_listed() -> None:
    listed = Rows(stalled_after=600.0, waiting_for=lambda _: 0, followed_here=lambda _: True)
    table = rows(BEHAVIOUR, "| field of an operation | |")
    assert {name for row in table for name in names(row[0])} == listed.row(running(), START).keys()
    (trouble,) = [row[1] for row in table if row[0] == "`last_trouble`"]
    assert set(names(trouble)) == set(Ailment)


def test_the_glossary_has_each_word_once() -> None:
    words = [row[0] for row in rows(README, "| word | |")]
    assert len(words) == len(set(words))
    assert {
        "caller",
        "call",
        "reply",
        "operation",
        "monitor",
        "report",
        "dialect",
        "outcome",
        "follower",
    } <= {*words}


# --- batches ---------------------------------------------------------------------------------------------

NOT_HELD = ((b"Gateway-Result", b"batch-not-held"),)


def test_what_is_said_of_batches_is_so() -> None:
    section = BEHAVIOUR.split("\n## Batches\n")[1].split("\n## ")[0]
    assert f"more than {batch.MOST} requests" in section
    ((name, value),) = batch.NOT_HELD
    assert f"`{name.decode()}: {value.decode()}`" in section
    for line in INHERITED - {b"user-agent", b"traceparent", b"tracestate"}:
        assert f"`{line.decode()}`" in section.lower()


# --- what to do when something is wrong ------------------------------------------------------------------

TROUBLES = (ROOT / "docs/troubleshooting.md").read_text("utf-8")


def test_what_to_look_at_when_something_is_wrong_is_there() -> None:
    listed = Rows(stalled_after=600.0, waiting_for=lambda _: 0, followed_here=lambda _: True)
    known = {
        *EVENTS,
        *NOTES,
        *listed.row(running(), START),
        *(family.name + ("_total" if family.kind == "counter" else "") for family in Counted([]).families),
        *(PREFIX + reading.name for reading in READINGS),
        *(field.name for field in fields(CallRecord)),
        *told_by_the_observer()["poll_troubled"],
        *Ailment,
    }
    said = {word for word in names(TROUBLES) if "_" in word and "." not in word and word.islower()}
    assert len(said) > 15
    assert said - known == set()


def test_every_ailment_and_every_bound_has_its_row() -> None:
    stuck = {name for row in rows(TROUBLES, "| what you see | so | what to do |") for name in names(row[0])}
    assert set(Ailment) - {"unauthorised", "no_credential"} <= stuck
    assert "waiting_for_caller" in stuck
    (shed,) = [family for family in Counted([]).families if family.name.endswith("_shed")]
    assert {names(row[0])[0] for row in rows(TROUBLES, "| `bound` | raise |")} == set(shed.labels["bound"])


def test_every_code_of_ours_that_is_told_of_has_its_status() -> None:
    ours = {(str(kind.status), kind.code) for kind in kinds(GatewayError)} | {("409", OutcomeUnknown.code)}
    for status, code, _ in rows(TROUBLES, "| status | code | why, and what to do |"):
        for name in names(code):
            assert (names(status)[0], name) in ours, name


# --- limits ----------------------------------------------------------------------------------------------

LIMITS: dict[str, bool] = {
    "- By default operations live in memory": Operations().store == "memory",
    "- Operations of twelve workloads": len(KNOWN) == 12,
    "- A batch in which a request depends on an operation": batch.NOT_HELD == NOT_HELD,
}
"""What the README says that this release cannot do, and whether that is so."""


@pytest.mark.parametrize("limit", LIMITS)
def test_the_readme_tells_of_a_limit_while_there_is_one(limit: str) -> None:
    limits = README.split("\n## Limits of this release\n")[1].split("\n## ")[0]
    assert (limit in limits) == LIMITS[limit], "bring the README's limits up to date, and this table"


# --- links and paths -------------------------------------------------------------------------------------


def anchors(text: str) -> Iterator[str]:
    """GitHub's names for the headings of a page."""
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pages
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text("utf-8")):
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text("utf-8")), f"{target}#{anchor}"


@pages
def test_every_file_that_is_named_is_there(path: Path) -> None:
    for name in re.findall(r"`((?:gateway|tests|docs|config)/[\w./-]+)`", path.read_text("utf-8")):
        assert (ROOT / name).exists(), name


@pages
def test_every_name_below_the_package_exists(path: Path) -> None:
    for name in re.findall(r"`gateway\.([\w.]+)`", path.read_text("utf-8")):
        head, *rest = name.split(".")
        if head == "yaml":  # the configuration file of that name
            continue
        source = ROOT / "gateway" / head / "__init__.py"
        source = source if source.exists() else source.parent.with_suffix(".py")
        assert source.exists(), name
        for word in rest:
            known = source.read_text("utf-8")
            assert re.search(rf"\b{word}\b", known) or (source.parent / f"{word}.py").exists(), name


def test_every_state_has_an_arrow() -> None:
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(State)


def test_what_happens_at_each_crash_point_is_told() -> None:
    told = names(
        (ROOT / "docs/failures.md").read_text("utf-8").split("\n## The gateway dies\n")[1].split("\n## ")[0]
    )
    assert set(POINTS) - set(told) == {"during_purge"}, "what has expired is nobody's any more"
