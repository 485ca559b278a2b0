"""The gateway's own credentials in the configuration: read strictly, never shown, and only where they are used."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fakes.authority import application, private

from gateway.config import Auth, Config, ConfigError, parse

SECRET = "canary-of-a-secret"
APP = "tenant_id: contoso.com, client_id: app"
BEGINNING = "auth: {mode: client_credentials, " + APP


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return application()


def read(text: str, directory: Path = Path(), **environ: str) -> Config:
    return parse(text, file=str(directory / "gw.yaml"), environ=environ)


def told(text: str, directory: Path = Path(), **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, directory, **environ)
    assert SECRET not in repr(caught.value)
    return [line.partition("gw.yaml:")[2] for line in str(caught.value).split("\n")]


# --- secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [SECRET, f"'{SECRET}'", "env:S", "file:secret"])
def test_a_secret_is_read_from_wherever_it_is_and_does_not_show_itself(value: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    config = read(f"{BEGINNING}, client_secret: {value}}}", tmp_path, S=SECRET)
    assert config.auth.client_secret is not None
    assert config.auth.client_secret.text == SECRET
    for shown in (config, config.auth, config.auth.client_secret, [config.auth.client_secret]):
        assert SECRET not in f"{shown!r} {shown}"


@pytest.mark.parametrize("value", ["''", "' '", "7", "[a]", "env:EMPTY"])
def test_what_is_no_secret(value: str) -> None:
    (line,) = told(f"{BEGINNING}, client_secret: {value}}}", EMPTY="")
    assert line.endswith("auth.client_secret: must be a text that is not empty; write env:NAME or file:PATH")


# --- certificates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_certificate_comes_with_its_key(
    order: tuple[int, int], pair: tuple[str, str], tmp_path: Path
) -> None:
    other, _ = application()
    (tmp_path / "app.pem").write_text(pair[order[0]] + pair[order[1]] + other)
    auth = read(f"{BEGINNING}, certificate: file:app.pem}}", tmp_path).auth
    assert auth.certificate is not None
    assert (auth.certificate.certificate, auth.certificate.key) == pair, "and not the authority's behind it"
    assert pair[1].splitlines()[2] not in f"{auth!r}{auth}"


def test_certificates_that_are_none(pair: tuple[str, str], tmp_path: Path) -> None:
    certificate, key = pair
    elliptic = private(ec.generate_private_key(ec.SECP256R1())).decode()
    locked = (
        serialization.load_pem_private_key(key.encode(), None)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
        .decode()
    )
    for text, problem in (
        (certificate, "holds no private key that can be read"),
        (key, "holds no certificate"),
        (certificate + locked, "holds no private key that can be read"),
        (certificate + elliptic, "holds a private key that is not RSA, which Entra wants"),
        (application()[0] + key, "holds a certificate that does not belong to its private key"),
        (SECRET, "holds no certificate"),
        (" ", "must be a certificate and its private key"),
    ):
        (tmp_path / "app.pem").write_text(text)
        (line,) = told(f"{BEGINNING}, certificate: file:app.pem}}", tmp_path)
        assert f"auth.certificate: {problem}; " in line
    (line,) = told(f"{BEGINNING}, certificate: app.pem}}", tmp_path)
    assert "must be the content of a PEM file, not its path; write file:PATH" in line


# --- the rest --------------------------------------------------------------------------------------------


def test_a_token_file_is_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    auth = read(f"{BEGINNING}, federated_token_file: token}}", tmp_path).auth
    assert auth.federated_token_file == tmp_path / "token"
    (line,) = told(f"{BEGINNING}, federated_token_file: none}}", tmp_path)
    assert "auth.federated_token_file: 'none' cannot be read (No such file or directory)" in line


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("authority: http://login.example/t", "auth.authority: must be https, not 'http://login.example/t'"),
        ("authority: https://login.example", "auth.authority: must end with a tenant, not"),
        ("authority: https://login.example/?a=t", "auth.authority: must end before ? and #, not"),
        ("tenant_id: a b", "auth.tenant_id: must be a tenant's id or domain, not 'a b'"),
        ("client_id: https://x", "auth.client_id: must be an application's id, not 'https://x'"),
        ("scopes: ['a b']", "auth.scopes[0]: must be a scope without blanks, not 'a b'"),
        ("scopes: a", "auth.scopes: must be a list, not 'a'"),
    ],
)
def test_what_does_not_fit_is_told(keys: str, problem: str) -> None:
    lines = told(f"auth: {{{keys}}}")
    assert any(problem in line for line in lines), lines


def test_an_authority_has_one_spelling() -> None:
    auth = read("auth: {authority: 'HTTPS://Login.Example:443/Tenant/'}").auth
    assert auth.authority == "https://login.example/Tenant"


def test_defaults() -> None:
    auth = Auth()
    assert (auth.mode, auth.scopes) == ("passthrough", ("https://graph.microsoft.com/.default",))
    unset = (
        "tenant_id",
        "client_id",
        "client_secret",
        "certificate",
        "federated_token_file",
        "authority",
        "ca_file",
    )
    assert [getattr(auth, name) for name in unset] == [None] * 7


# --- what has to agree -----------------------------------------------------------------------------------

SECRETLY = f"client_secret: {SECRET}"


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        (
            f"mode: client_credentials, {APP}",
            "auth.mode: client_credentials needs exactly one of client_secret, ",
        ),
        (f"mode: on_behalf_of, {APP}", "auth.mode: on_behalf_of needs exactly one of client_secret, "),
        (
            f"mode: client_credentials, {APP}, {SECRETLY}, federated_token_file: token",
            "federated_token_file, not client_secret and federated_token_file; keep one of them",
        ),
        (SECRETLY, "auth.client_secret: client_secret is not used while auth.mode is passthrough"),
        (
            f"mode: managed_identity, {SECRETLY}",
            "auth.client_secret: client_secret is not used while auth.mode is managed_identity",
        ),
        (
            f"mode: client_credentials, tenant_id: t, {SECRETLY}",
            "auth.mode: client_credentials needs auth.client_id",
        ),
        (
            f"mode: on_behalf_of, client_id: c, {SECRETLY}",
            "auth.mode: on_behalf_of needs auth.tenant_id or auth.authority",
        ),
        (
            f"mode: client_credentials, tenant_id: common, client_id: c, {SECRETLY}",
            "auth.tenant_id: an application has a tenant of its own, which common is not",
        ),
        (
            f"mode: client_credentials, authority: https://l.example/organizations, client_id: c, {SECRETLY}",
            "auth.authority: an application has a tenant of its own, which organizations is not",
        ),
        (
            f"mode: client_credentials, {APP}, {SECRETLY}, scopes: [User.Read]",
            "auth.scopes: client_credentials needs exactly one scope, which ends with /.default",
        ),
        ("mode: managed_identity, scopes: []", "auth.scopes: managed_identity needs exactly one scope"),
        (f"mode: on_behalf_of, {APP}, {SECRETLY}, scopes: []", "auth.scopes: on_behalf_of needs a scope"),
    ],
)
def test_disagreement_is_told_at_the_key_to_change(auth: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (line,) = told(f"auth: {{{auth}}}", tmp_path)
    assert problem in line


@pytest.mark.parametrize(
    "text",
    [
        "auth: {mode: managed_identity}",
        "auth: {mode: managed_identity, client_id: c, scopes: ['https://graph.microsoft.us/.default']}",
        f"auth: {{mode: on_behalf_of, tenant_id: common, client_id: c, {SECRETLY}, scopes: [User.Read, Files.Read]}}",
        f"auth: {{mode: on_behalf_of, {APP}, {SECRETLY}}}\nlisten: {{host: 0.0.0.0}}",
        f"auth: {{mode: client_credentials, {APP}, {SECRETLY}}}\nlisten: {{host: '::1'}}",
        f"auth: {{mode: client_credentials, {APP}, {SECRETLY}}}\nlisten: {{host: localhost}}",
    ],
)
def test_agreement_is_no_problem(text: str) -> None:
    read(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "'::'", "gateway.example"])
def test_nobody_beyond_this_machine_acts_as_the_application_unasked(host: str) -> None:
    for auth in ("mode: managed_identity", f"mode: client_credentials, {APP}, {SECRETLY}"):
        (line,) = told(f"auth: {{{auth}}}\nlisten: {{host: {host}}}")
        assert "listen.host: whoever reaches " in line
        assert "listen on 127.0.0.1" in line
