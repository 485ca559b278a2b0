"""Users and tokens: who gets in, who is refused, and who sees what."""

import base64
import dataclasses
import json

import pytest

from gateway.simulator.people import TENANT, Person
from simulator.loopback import SECOND, START, Bench, Reply, run


def jwt(claims: dict[str, object], *, alg: str = "none", signature: str = "") -> str:
    parts = ({"typ": "JWT", "alg": alg}, claims)
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, signature])


async def me(bench: Bench, token: str | None) -> Reply:
    headers = (("Authorization", token),) if token is not None else ()
    return await bench.ask("GET", "/v1.0/me", user=None, headers=headers)


@pytest.mark.parametrize(
    "token",
    [
        "Bearer sim-ana",
        "bearer sim-ana-second",
        "Bearer " + jwt({"oid": Person("ana").oid, "tid": TENANT}),
        "Bearer " + jwt({"oid": "ana"}),
        "Bearer " + jwt({"sub": "ana", "exp": START + 1}),
        "Bearer " + jwt({"upn": "Ana@Contoso.com"}),
    ],
)
def test_tokens_that_are_anas(token: str) -> None:
    async def scenario(bench: Bench) -> None:
        reply = await me(bench, token)
        assert (reply.status, reply.json()["userPrincipalName"]) == (200, "ana@contoso.com")

    run(scenario)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "Access token is empty."),
        ("Basic YTpi", "Access token is empty."),
        ("Bearer ", "Access token is empty."),
        ("Bearer sim-mallory", "The user of the token is not known."),
        ("Bearer nonsense", "CompactToken parsing failed with error code: 80049217"),
        ("Bearer a.b.c", "IDX14100: JWT is not well formed."),
        ("Bearer " + jwt({"oid": "mallory"}), "The user of the token is not known."),
        ("Bearer " + jwt({"oid": "ana", "tid": "other"}), f"Invalid tenant; the simulator's is {TENANT}."),
        ("Bearer " + jwt({"oid": "ana", "exp": START}), "Lifetime validation failed, the token is expired."),
        ("Bearer " + jwt({"oid": "ana"}, alg="HS256", signature="forged"), "Signature validation failed."),
    ],
)
def test_tokens_that_are_refused(token: str | None, message: str) -> None:
    async def scenario(bench: Bench) -> None:
        reply = await me(bench, token)
        assert (reply.status, reply.code) == (401, "InvalidAuthenticationToken")
        assert reply.json()["error"]["message"] == message
        assert reply.header("WWW-Authenticate").startswith('Bearer realm=""')

    run(scenario)


def test_a_minted_token_is_signed_and_ends() -> None:
    async def scenario(bench: Bench) -> None:
        token = bench.simulator.token("ana", expires_in=60)
        assert token != bench.simulator.token("ana", expires_in=60)
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["exp"] == START + 60
        assert {"tid", "oid", "appid", "sub", "aud"} < set(claims)
        assert (await me(bench, f"Bearer {token}")).status == 200
        assert (await me(bench, f"Bearer {token[:-2]}")).status == 401
        bench.clock.time = 60
        assert (await me(bench, f"Bearer {token}")).status == 401

    run(scenario)


def test_unsigned_tokens_can_be_forbidden() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await me(bench, "Bearer " + jwt({"oid": "ana"}))).status == 401
        assert (await me(bench, f"Bearer {bench.simulator.token('ana')}")).status == 200

    run(scenario, dataclasses.replace(SECOND, accept_unsigned=False))


def test_expiring_a_users_tokens_leaves_later_ones() -> None:
    async def scenario(bench: Bench) -> None:
        old = bench.simulator.token("ana")
        assert (await me(bench, "Bearer sim-ana")).status == 200
        bench.simulator.expire_tokens("ana")
        assert (await me(bench, f"Bearer {old}")).status == 401
        assert (await me(bench, "Bearer sim-ana")).status == 401
        assert (await me(bench, "Bearer sim-ben")).status == 200
        assert (await me(bench, f"Bearer {bench.simulator.token('ana')}")).status == 200

    run(scenario)


def test_a_user_sees_their_own_drive_the_shared_ones_and_no_other() -> None:
    async def scenario(bench: Bench) -> None:
        ben = bench.simulator.drive("ben")
        places = [f"/v1.0/drives/{ben.id}/root", "/v1.0/users/ben@contoso.com/drive/root"]
        for place in places:
            refused = await bench.ask("GET", place)
            assert (refused.status, refused.code) == (403, "accessDenied")
        assert (await bench.ask("GET", "/v1.0/users/nobody/drive/root")).status == 404
        assert (await bench.ask("GET", "/v1.0/groups/team/drive/root")).status == 200
        for site in (
            "marketing",
            "contoso.sharepoint.com,marketing",
            "contoso.sharepoint.com:/sites/marketing:",
        ):
            assert (await bench.ask("GET", f"/v1.0/sites/{site}/drive/root/children")).status == 200
        ben.share("ana")
        for place in places:
            assert (await bench.ask("GET", place)).status == 200

    run(scenario)


def test_a_copy_into_a_drive_that_is_not_seen_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        ben = bench.simulator.drive("ben")
        assert (await bench.copy(body={"parentReference": {"driveId": ben.id}})).status == 403
        assert (await bench.copy(body={"parentReference": {"path": f"/drives/{ben.id}/root:"}})).status == 403

    run(scenario)


def test_an_app_sees_every_drive_and_is_nobody() -> None:
    async def scenario(bench: Bench) -> None:
        drive = bench.simulator.drive("ben")
        assert (await bench.ask("GET", f"/v1.0/drives/{drive.id}", user="app")).json()[
            "driveType"
        ] == "business"
        for place in ("/v1.0/me", "/v1.0/me/drive"):
            assert (await bench.ask("GET", place, user="app")).status == 400

    run(scenario)


async def token_for(bench: Bench, form: str) -> Reply:
    return await bench.ask("POST", "/contoso/oauth2/v2.0/token", user=None, body=form.encode())


def test_the_token_endpoint_serves_apps_and_on_behalf_of() -> None:
    async def scenario(bench: Bench) -> None:
        app = (await token_for(bench, "grant_type=client_credentials&client_id=a&client_secret=b")).json()
        assert (await me(bench, f"Bearer {app['access_token']}")).status == 400
        on_behalf = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
        user = (await token_for(bench, on_behalf + bench.simulator.token("ben"))).json()
        assert (await me(bench, f"Bearer {user['access_token']}")).json()["displayName"] == "Ben"
        refused = await token_for(bench, on_behalf + "nonsense")
        assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
        assert (await token_for(bench, "grant_type=password")).json()["error"] == "unsupported_grant_type"
        found = await bench.ask("GET", "/contoso/v2.0/.well-known/openid-configuration", user=None)
        assert found.json()["token_endpoint"] == f"{bench.simulator.graph_url}/contoso/oauth2/v2.0/token"

    run(scenario)
