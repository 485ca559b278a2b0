"""The parts of the documentation that are made from the code are what the code makes now."""

import re

import pages
import pytest

from gateway.dialects import problem
from gateway.errors import GatewayError, Refusal
from gateway.lifecycle import TRANSITIONS
from gateway.model import State


@pytest.mark.parametrize("page", pages.PAGES)
def test_page_is_up_to_date(page: str) -> None:
    text = (pages.ROOT / page).read_text("utf-8")
    assert text == pages.renewed(text), pages.FIX


def test_every_block_is_on_a_page_once() -> None:
    text = "".join((pages.ROOT / page).read_text("utf-8") for page in pages.PAGES)
    found = [mark["name"] for mark in pages.MARKED.finditer(text)]
    assert sorted(found) == sorted(pages.BLOCKS)
    assert len(re.findall("<!-- (?:made|end): ", text)) == 2 * len(found), "a mark without its twin"


def test_every_arrow_is_in_the_diagram_and_in_the_table() -> None:
    diagram, table = pages.states(), pages.events()
    assert {line.split()[0] for line in diagram.splitlines()[2:-1]} == {"[*]", *State}
    for (state, event), then in TRANSITIONS.items():
        assert re.search(rf"^    {state} --> {then}: .*\b{event.__name__}\b", diagram, re.MULTILINE)
        assert re.search(rf"^\| `{event.__name__}` \| .*\b{state} → {then}\b", table, re.MULTILINE)


def test_every_error_is_in_the_table() -> None:
    table = pages.error_codes()
    found = set(pages.kinds(GatewayError))
    assert {GatewayError, Refusal} < found
    for kind in found:
        row = rf"^\| (?:\d+, )*{kind.status}\b.*\| `{kind.code}` \| {re.escape(kind().message)} \|"
        assert re.search(row, table, re.MULTILINE), kind


def test_every_code_of_a_failed_operation_is_in_the_table() -> None:
    spelt = {code.casefold() for code in pages.FAILED_CODES}
    assert problem._STATUSES.keys() <= spelt
    assert spelt - problem._STATUSES.keys() == {"lockmismatch", "resourcelocked"}, (
        "these have theirs by their form"
    )


def test_a_changed_part_is_seen() -> None:
    page = "before\n<!-- made: log-events -->\nold\n<!-- end: log-events -->\nafter\n"
    assert (
        pages.renewed(page)
        == f"before\n<!-- made: log-events -->\n{pages.BLOCKS['log-events']()}<!-- end: log-events -->\nafter\n"
    )
    with pytest.raises(KeyError):
        pages.renewed("<!-- made: nothing -->\n<!-- end: nothing -->\n")
