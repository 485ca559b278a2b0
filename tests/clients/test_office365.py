"""Office365-REST-Python-Client, which polls for itself where it is told to: it must not stumble over a finished answer.

It knows the clouds of Azure by name only, so where the gateway is, is put in the place of one.
"""

import warnings
from pathlib import Path
from typing import Any

import pytest
from fakes.papers import Papers
from stage import Stage, in_thread, play

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is its own business
    from office365 import graph_request
    from office365.graph_client import GraphClient

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The section, of a gateway that the client trusts."""
    house = Papers(tmp_path, "house")
    server = house.issue("gateway", addresses=["127.0.0.1"])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(house.file))
    return {"port": 0, "tls": {"certificate_file": server.certificate, "private_key_file": server.key}}


def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> GraphClient:
    monkeypatch.setattr(graph_request, "get_graph_authority", lambda _: f"https://{stage.host}:{stage.port}")
    token = stage.default_token.removeprefix("Bearer ")
    return GraphClient(lambda: {"token_type": "Bearer", "access_token": token})


def test_a_copy_is_done_when_the_call_returns(
    listen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(stage: Stage) -> None:
        graph = client(stage, monkeypatch)

        def copy() -> str:
            source = graph.me.drive.root.get_by_path("hello.txt").get().execute_query()
            folder = graph.me.drive.root.get_by_path("Backup").get().execute_query()
            source.copy("office.txt", parent=folder).execute_query()
            return str(graph.me.drive.root.get_by_path("Backup/office.txt").get().execute_query().name)

        assert await in_thread(copy) == "office.txt"

    observer = play(story, listen=listen)
    assert ("hold", "start", 200) in {(call.route, call.relation, call.status) for call in observer.calls}


def test_an_excel_session_is_there_when_the_call_returns(
    listen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(stage: Stage) -> None:
        graph = client(stage, monkeypatch)

        def session() -> str:
            book = graph.me.drive.root.get_by_path("Documents/budget.xlsx")
            return str(book.workbook.create_session(True).execute_query().value.id)

        assert await in_thread(session)

    observer = play(story, listen=listen)
    assert ("hold", "start", 200) in {(call.route, call.relation, call.status) for call in observer.calls}
