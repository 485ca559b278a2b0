"""Microsoft's Graph SDK for Python, told nothing but where the gateway is.

Set up as `docs/clients.md` says: a base URL, and an authentication provider that may send tokens there.
"""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from fakes.hasty import HastyClock
from fakes.papers import Papers
from stage import Stage, play

from gateway.simulator import SimulatorSettings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is its own business
    from kiota_abstractions.api_error import APIError
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.drives.item.items.item.copy.copy_post_request_body import CopyPostRequestBody
    from msgraph.generated.drives.item.items.item.workbook.create_session.create_session_post_request_body import (
        CreateSessionPostRequestBody,
    )
    from msgraph.generated.models.item_reference import ItemReference
    from msgraph.generated.models.team import Team
    from msgraph_core.requests.batch_request_content import BatchRequestContent
    from msgraph_core.requests.batch_request_item import BatchRequestItem

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Ana:
    """A credential of azure.identity's kind."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken(self._token, 1 << 40)


@asynccontextmanager
async def sdk(stage: Stage, scheme: str = "http") -> AsyncIterator[GraphServiceClient]:
    provider = AzureIdentityAuthenticationProvider(
        Ana(stage.default_token.removeprefix("Bearer ")),
        scopes=["https://graph.microsoft.com/.default"],
        allowed_hosts=[stage.host],
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{scheme}://{stage.host}:{stage.port}/v1.0"
    try:
        yield GraphServiceClient(request_adapter=adapter)
    finally:
        await adapter._http_client._transport.transport.aclose()  # which its own close leaves open


async def item(client: GraphServiceClient, path: str) -> tuple[str, str]:
    """Ids of ana's drive and of an item in it."""
    drive = await client.me.drive.get()
    found = await client.drives.by_drive_id(drive.id).items.by_drive_item_id(f"root:/{path}:").get()
    return drive.id, found.id


def test_a_copy_is_the_finished_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https, as it has to be beyond loopback."""
    house = Papers(tmp_path, "house")
    server = house.issue("gateway", addresses=["127.0.0.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(house.file))

    async def story(stage: Stage) -> None:
        async with sdk(stage, "https") as client:
            drive, source = await item(client, "hello.txt")
            folder = await item(client, "Backup")
            body = CopyPostRequestBody(
                name="sdk.txt", parent_reference=ItemReference(drive_id=drive, id=folder[1])
            )
            copied = await client.drives.by_drive_id(drive).items.by_drive_item_id(source).copy.post(body)
            assert (copied.name, copied.size) == ("sdk.txt", 26)
            assert copied.id != source

    tls = {"certificate_file": server.certificate, "private_key_file": server.key}
    play(story, listen={"port": 0, "tls": tls})


def test_it_waits_past_the_bound_by_following_redirects() -> None:
    async def story(stage: Stage) -> None:
        async with sdk(stage) as client:
            drive, source = await item(client, "hello.txt")
            body = CopyPostRequestBody(name="long.txt")
            copied = await client.drives.by_drive_id(drive).items.by_drive_item_id(source).copy.post(body)
            assert copied.name == "long.txt"

    observer = play(
        story, wait={"max": 0.2}, settings=SimulatorSettings(base_duration=0.5, bytes_per_second=0)
    )
    assert [call.route for call in observer.calls if call.operation] == ["hold", "result", "result"]


def test_a_failed_copy_is_its_error() -> None:
    async def story(stage: Stage) -> None:
        async with sdk(stage) as client:
            drive, source = await item(client, "hello.txt")
            body = CopyPostRequestBody(name="hello.txt")
            with pytest.raises(APIError) as caught:
                await client.drives.by_drive_id(drive).items.by_drive_item_id(source).copy.post(body)
            assert (caught.value.response_status_code, caught.value.error.code) == (409, "nameAlreadyExists")

    play(story)


def test_an_excel_session_is_there_when_the_call_returns() -> None:
    async def story(stage: Stage) -> None:
        async with sdk(stage) as client:
            drive, book = await item(client, "Documents/budget.xlsx")
            workbook = client.drives.by_drive_id(drive).items.by_drive_item_id(book).workbook
            session = await workbook.create_session.post(CreateSessionPostRequestBody(persist_changes=True))
            assert session.id
            assert session.persist_changes is True

    observer = play(story)
    assert ("hold", "start") in {(call.route, call.relation) for call in observer.calls}


def test_a_team_is_there_when_the_call_returns() -> None:
    async def story(stage: Stage) -> None:
        async with sdk(stage) as client:
            team = Team(display_name="Crew")
            team.additional_data = {
                "template@odata.bind": "https://graph.microsoft.com/v1.0/teamsTemplates('standard')"
            }
            made = await client.teams.post(team)
            assert made.id

    observer = play(story, clock=HastyClock(60.0))  # Teams wants 30 s between two polls
    assert ("hold", "start") in {(call.route, call.relation) for call in observer.calls}


def test_a_batch_comes_back_with_its_copies_finished() -> None:
    """In msgraph-core 1.5 URLs of parts stay absolute, so they are set here, and bodies that are JSON objects are
    dropped, so only statuses are looked at.
    """

    async def story(stage: Stage) -> None:
        async with sdk(stage) as client:
            drive, source = await item(client, "hello.txt")
            copy = client.drives.by_drive_id(drive).items.by_drive_item_id(source).copy
            batch = BatchRequestContent()
            for name in ("one.txt", "two.txt"):
                asked = copy.to_post_request_information(CopyPostRequestBody(name=name))
                part = BatchRequestItem(asked, id=name)
                part.url = asked.url.removeprefix(f"{stage.url}/v1.0")
                batch.add_request(part.id, part)
            answer = await client.batch.post(batch)
            for name in ("one.txt", "two.txt"):
                assert answer.get_response_by_id(name).status == 200
                assert answer.get_response_by_id(name).headers["Gateway-Operation"]
                await item(client, name)

    observer = play(story)
    assert [call.route for call in observer.calls].count("batch") == 1
