"""The token endpoints: who has to prove what, and what is said to whoever cannot."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fakes.authority import application

from gateway.simulator import App, Refusal, SimulatorSettings
from simulator.loopback import START, Bench, Reply, run

ID = "an-app"
TOKEN = "/contoso.com/oauth2/v2.0/token"
SCOPE = "https://graph.microsoft.com/.default"
BY_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ON_BEHALF_OF = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Assertion = Callable[[str], str]

CERTIFICATE, KEY = application()


def settings(*apps: App, **more: Any) -> SimulatorSettings:
    return SimulatorSettings(apps=apps, **more)


async def ask(bench: Bench, **form: str) -> Reply:
    plain = {"grant_type": "client_credentials", "client_id": ID, "scope": SCOPE}
    return await bench.ask("POST", TOKEN, user=None, body=urlencode(plain | form).encode())


def refused(reply: Reply) -> tuple[int, str, int]:
    said = reply.json()
    (code,) = said["error_codes"]
    assert said["error_description"].startswith(f"AADSTS{code}: ")
    return reply.status, said["error"], code


def test_whoever_asks_gets_a_token_while_no_application_is_named() -> None:
    async def scenario(bench: Bench) -> None:
        token = (await ask(bench, client_secret="any")).json()["access_token"]
        headers = (("Authorization", f"Bearer {token}"),)
        assert (await bench.ask("GET", "/v1.0/me", user=None, headers=headers)).status == 400, (
            "an app has no /me"
        )

    run(scenario)


def test_where_the_endpoint_is() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("GET", "/contoso.com/v2.0/.well-known/openid-configuration", user=None)
        assert reply.json()["token_endpoint"] == bench.simulator.graph_url + TOKEN
        reply = await bench.ask("GET", "/no-such/v2.0/.well-known/openid-configuration", user=None)
        assert refused(reply) == (400, "invalid_request", 90002)

    run(scenario)


@pytest.mark.parametrize(
    ("form", "status", "error", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({}, 401, "invalid_client", 7000218),
        ({"client_secret": "right", "client_id": "another"}, 400, "unauthorized_client", 700016),
        ({"client_secret": "right", "grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"client_secret": "right", "scope": ""}, 400, "invalid_request", 900144),
    ],
)
def test_a_secret_has_to_be_right(form: dict[str, str], status: int, error: str, code: int) -> None:
    async def scenario(bench: Bench) -> None:
        assert refused(await ask(bench, **form)) == (status, error, code)
        reply = await ask(bench, client_secret="right")
        assert (reply.status, reply.json()["expires_in"], reply.json()["refresh_in"]) == (200, 900, 450)

    run(scenario, settings(App(ID, secret="right"), token_lifetime=900, token_refresh_in=450))


def signed(key: str = KEY, algorithm: str = "PS256", thumbprint: str = "", **changes: Any) -> Assertion:
    """Makes an assertion for a token endpoint."""

    def make(endpoint: str) -> str:
        claims = {"aud": endpoint, "iss": ID, "sub": ID, "exp": START + 60, "jti": "1"} | changes
        der = x509.load_pem_x509_certificate(CERTIFICATE.encode()).public_bytes(Encoding.DER)
        print_of = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
        return jwt.encode(claims, key, algorithm, {"x5t#S256": thumbprint or print_of})

    return make


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (signed(), None),
        (signed(application()[1]), 700027),
        (signed(thumbprint="AAAA"), 700027),
        (signed(algorithm="RS256"), 700027),
        (signed(aud="https://elsewhere.example"), 700027),
        (signed(iss="another"), 700027),
        (signed(exp=START - 1), 700024),
        (lambda _: "no.jwt", 700027),
        (lambda _: "W10.W10.W10", 700027),
    ],
)
def test_an_assertion_has_to_be_signed_with_the_certificates_key(make: Assertion, code: int | None) -> None:
    async def scenario(bench: Bench) -> None:
        assertion = make(bench.simulator.graph_url + TOKEN)
        reply = await ask(bench, client_assertion=assertion, client_assertion_type=BY_ASSERTION)
        assert reply.status == 200 if code is None else refused(reply) == (401, "invalid_client", code)

    run(scenario, settings(App(ID, certificate=CERTIFICATE)))


def test_a_federated_token_has_to_name_the_right_one() -> None:
    async def scenario(bench: Bench) -> None:
        for subject, audience, code in (
            ("pod", "api://AzureADTokenExchange", None),
            ("other", "api://AzureADTokenExchange", 700213),
            ("pod", "api://other", 700213),
        ):
            assertion = signed(sub=subject, aud=audience)("")
            reply = await ask(bench, client_assertion=assertion, client_assertion_type=BY_ASSERTION)
            assert reply.status == 200 if code is None else refused(reply) == (401, "invalid_client", code)

    run(scenario, settings(App(ID, federated_subject="pod")))


def test_on_behalf_of_a_user_with_a_token_that_is_meant_for_the_application() -> None:
    async def scenario(bench: Bench) -> None:
        common = {"grant_type": ON_BEHALF_OF, "client_secret": "right", "requested_token_use": "on_behalf_of"}
        for audience, lifetime, code in (
            (ID, 60, None),
            (f"api://{ID}", 60, None),
            ("https://graph.microsoft.com", 60, 500131),
            (ID, 0, 500133),
        ):
            assertion = bench.simulator.token("ana", lifetime, audience=audience)
            reply = await ask(bench, **common, assertion=assertion)
            if code is not None:
                assert refused(reply) == (400, "invalid_grant", code)
                continue
            headers = (("Authorization", f"Bearer {reply.json()['access_token']}"),)
            me = await bench.ask("GET", "/v1.0/me", user=None, headers=headers)
            assert me.json()["userPrincipalName"] == "ana@contoso.com"

    run(scenario, settings(App(ID, secret="right")))


def test_graph_takes_no_token_that_is_meant_for_somebody_else() -> None:
    async def scenario(bench: Bench) -> None:
        token = bench.simulator.token("ana", audience=ID)
        headers = (("Authorization", f"Bearer {token}"),)
        reply = await bench.ask("GET", "/v1.0/me", user=None, headers=headers)
        assert (reply.status, reply.code) == (401, "InvalidAuthenticationToken")
        assert "Invalid audience" in reply.json()["error"]["message"]

    run(scenario)


MACHINE = "/metadata/identity/oauth2/token?resource=https://graph.microsoft.com"
SERVICE = "/msi/token?resource=https://graph.microsoft.com"


@pytest.mark.parametrize(("target", "header"), [(MACHINE, "Metadata"), (SERVICE, "X-IDENTITY-HEADER")])
def test_a_managed_identity(target: str, header: str) -> None:
    async def scenario(bench: Bench) -> None:
        lines = ((header, "true"),)
        for more, status in (("", 200), ("&client_id=mine", 200), ("&client_id=theirs", 400)):
            reply = await bench.ask("GET", target + more, user=None, headers=lines)
            assert reply.status == status
        reply = await bench.ask("GET", target, user=None, headers=lines)
        assert int(reply.json()["expires_on"]) == START + 3600
        assert (await bench.ask("GET", target, user=None)).status == 400, (
            "anybody can be made to follow a link"
        )
        assert len(bench.simulator.token_requests()) == 5

    run(scenario, settings(App("mine", identity=True)))


def test_errors_that_were_ordered_and_faults() -> None:
    async def scenario(bench: Bench) -> None:
        bench.simulator.refuse_tokens(Refusal("interaction_required", 50079, '{"access_token":{}}'), times=2)
        for _ in range(2):
            reply = await ask(bench)
            assert refused(reply) == (400, "interaction_required", 50079)
            assert reply.json()["claims"] == '{"access_token":{}}'
        bench.simulator.arm("fault=post:503(7)", path="/oauth2/v2", times=1)
        reply = await ask(bench)
        assert (reply.status, reply.header("Retry-After")) == (503, "7")
        assert (await ask(bench)).status == 200
        assert [form["client_id"] for form in bench.simulator.token_requests()] == [ID] * 4
        bench.simulator.refuse_tokens(Refusal("server_error", 90033))
        bench.simulator.reset()
        assert (await ask(bench)).status == 200

    run(scenario)


def test_the_control_api_mints_for_another_audience() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("POST", "/_simulator/tokens", user=None, body={"user": "ana", "audience": ID})
        claims = jwt.decode(reply.json()["access_token"], options={"verify_signature": False})
        assert claims["aud"] == ID

    run(scenario)
