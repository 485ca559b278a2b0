"""Who may call, in the configuration: keys, the list of calls, TLS files; what does not fit is told with its place."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fakes.papers import Paper, Papers, private

from gateway.config import Cautions, Config, ConfigError, parse
from gateway.config.callers import CallerKey

KEY = "hunter2-hunter2-hunter2"


def told(text: str, directory: Path | None = None, **environ: str) -> list[str]:
    """Every problem, without the file's name in front."""
    file = str((directory or Path()) / "gw.yaml")
    try:
        parse(text, file=file, environ=environ)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{file}:") for problem in error.problems]
    return []


# --- keys --------------------------------------------------------------------------------------------------------


def test_keys_are_kept_as_digests() -> None:
    config = parse(
        f"auth: {{caller_keys: [env:ONE, {KEY}]}}",
        file="gw.yaml",
        environ={"ONE": "another key".replace(" ", "-") * 2},
    )
    assert config.auth.caller_keys[1] == CallerKey.of(KEY.encode())
    assert len(config.auth.caller_keys[0]) == 32
    assert "hunter2" not in repr(config) + str(config)
    again = Config.model_validate({"auth": {"caller_keys": config.auth.caller_keys}})
    assert again.auth.caller_keys == config.auth.caller_keys


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            "[hunter2-hunter-]",
            "1:22: auth.caller_keys[0]: must be a key of 16 to 1024 characters, and has 15; ",
        ),
        ("[env:K]", "1:22: auth.caller_keys[0]: must be a key of 16 to 1024 characters, and has 7; "),
        (
            "['hunter2 hunter2 hunter2']",
            "1:22: auth.caller_keys[0]: must be a key of visible ASCII characters",
        ),
        ("[hünter2-hunter2-hunter2]", "1:22: auth.caller_keys[0]: must be a key of visible ASCII characters"),
        ("[1234567890123456]", "1:22: auth.caller_keys[0]: must be a key, as text; "),
        (KEY, "1:21: auth.caller_keys: must be a list, not "),
    ],
)
def test_what_is_no_key_is_told_without_showing_it(value: str, problem: str) -> None:
    (said,) = told(f"auth: {{caller_keys: {value}}}", K="hunter2")
    assert said.startswith(problem)
    if problem.endswith("; "):
        assert said.endswith("make one with: openssl rand -hex 32")
        assert "hunter" not in said


def test_a_key_stands_in_the_list_once() -> None:
    (said,) = told(f"auth: {{caller_keys: [{KEY}, {KEY}]}}")
    assert "has one item twice, as number 1 and 2" in said
    assert "hunter2" not in said


# --- the list of calls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        "GET /",
        "* /v1.0/**",
        "POST /v1.0/me/drive/items/*/copy",
        "GET  /v1.0/drives('x')",
        "POST /v1.0/$batch",
    ],
)
def test_entries_that_mean_something(entry: str) -> None:
    assert told(f'auth: {{allow: ["{entry}"]}}') == []


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("/v1.0/me", "must be a method and a path, not '/v1.0/me'"),
        ("GET v1.0/me", "must be a method and a path, not "),
        ("GET /v1.0/me?$select=id", "must be a method and a path, not "),
        ("get /v1.0/me", "must be a method and a path, not "),
        ("FETCH /v1.0/me", "'FETCH /v1.0/me' names no method of GET, HEAD, "),
        ("GET /v1.0/../me", "'GET /v1.0/../me' holds a dot segment"),
        ("GET /v1.0/**/copy", "'GET /v1.0/**/copy' has a * in a place where it means nothing"),
        ("GET /v1.0/me*", "'GET /v1.0/me*' has a * in a place where it means nothing"),
    ],
)
def test_entries_that_mean_nothing(entry: str, problem: str) -> None:
    (said,) = told(f'auth: {{allow: ["{entry}"]}}')
    assert said.startswith(f"1:16: auth.allow[0]: {problem}")


# --- TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Papers(tmp_path, "house").issue("gateway")


def tls(**files: object) -> str:
    lines = (f"    {name}: {getattr(path, 'name', path)}\n" for name, path in files.items())
    return "listen:\n  tls:\n" + "".join(lines)


def test_files_that_belong_together(tmp_path: Path, paper: Paper) -> None:
    text = tls(certificate_file=paper.certificate, private_key_file=paper.key, client_ca_file="house-ca.pem")
    config = parse(text, file=str(tmp_path / "gw.yaml"), environ={})
    assert config.listen.tls.certificate_file == paper.certificate
    assert config.listen.tls.private_key_file == paper.key
    assert config.listen.tls.client_ca_file == tmp_path / "house-ca.pem"


def test_files_that_do_not(tmp_path: Path, paper: Paper) -> None:
    other = Papers(tmp_path, "other").issue("other")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(private(ec.generate_private_key(ec.SECP256R1()), b"hunter2"))
    fix = "name a readable file; a relative path starts at this file"
    for text, problem in (
        (
            tls(certificate_file=paper.certificate),
            (
                "3:5: listen.tls.certificate_file: a certificate and its private key go together; "
                "add listen.tls.private_key_file"
            ),
        ),
        (
            tls(private_key_file=paper.key),
            (
                "3:5: listen.tls.private_key_file: a certificate and its private key go together; "
                "add listen.tls.certificate_file"
            ),
        ),
        (
            tls(client_ca_file="house-ca.pem"),
            (
                "3:5: listen.tls.client_ca_file: certificates of callers can be asked for over TLS only; "
                "add listen.tls.certificate_file and listen.tls.private_key_file"
            ),
        ),
        (
            tls(certificate_file=paper.certificate, private_key_file=other.key),
            (
                "4:5: listen.tls.private_key_file: the private key is not the key of the certificate; "
                "name the key that the certificate was made for"
            ),
        ),
        (
            tls(certificate_file=paper.certificate, private_key_file=encrypted),
            (
                "4:23: listen.tls.private_key_file: 'encrypted.key' is encrypted; "
                "store the key without a passphrase, readable for the gateway only"
            ),
        ),
        (
            tls(certificate_file=paper.certificate, private_key_file="gone.key"),
            f"4:23: listen.tls.private_key_file: 'gone.key' cannot be read (No such file or directory); {fix}",
        ),
        (
            tls(certificate_file=paper.key, private_key_file=paper.key),
            (
                f"3:23: listen.tls.certificate_file: '{paper.key.name}' holds no certificate; "
                "name a PEM file with the certificate first, then its chain"
            ),
        ),
        (
            tls(certificate_file=paper.certificate, private_key_file=paper.certificate),
            (
                f"4:23: listen.tls.private_key_file: '{paper.certificate.name}' holds no private key; "
                "name the PEM file of the certificate's private key"
            ),
        ),
    ):
        assert told(text, tmp_path) == [problem]


def test_an_expired_certificate_is_only_doubtful(tmp_path: Path) -> None:
    house = Papers(tmp_path, "house")
    for days, found in ((-1.0, 1), (1.0, 0)):
        paper = house.issue("gateway", days=days)
        cautions = Cautions(now=paper.certificate.stat().st_mtime)
        text = tls(certificate_file=paper.certificate, private_key_file=paper.key)
        parse(text, file=str(tmp_path / "gw.yaml"), environ={}, cautions=cautions)
        assert [(each.path, each.line, each.column) for each in cautions.found] == [
            ("listen.tls.certificate_file", 3, 23)
        ] * found


# --- who may reach it --------------------------------------------------------------------------------------------

APPLICATION = "auth: {mode: managed_identity%s}\nlisten: {host: %s}\n"


@pytest.mark.parametrize("host", ["0.0.0.0", '"::"', "10.0.0.5", "gateway.example", "localhost.example"])
def test_acting_as_itself_beyond_loopback_needs_known_callers(
    tmp_path: Path, paper: Paper, host: str
) -> None:
    (said,) = told(APPLICATION % ("", host))
    assert said.startswith("2:10: listen.host: whoever reaches ")
    assert (
        "would act as the application, as auth.mode is managed_identity; listen on 127.0.0.1, or ask " in said
    )
    assert told(APPLICATION % (", caller_keys: [env:K]", host), K=KEY) == []
    mutual = tls(
        certificate_file=paper.certificate, private_key_file=paper.key, client_ca_file="house-ca.pem"
    )
    assert told(f"auth: {{mode: managed_identity}}\n{mutual}  host: {host}\n", tmp_path) == []
    one_sided = tls(certificate_file=paper.certificate, private_key_file=paper.key)
    assert len(told(f"auth: {{mode: managed_identity}}\n{one_sided}  host: {host}\n", tmp_path)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", '"::1"', "localhost"])
def test_on_loopback_it_does_not(host: str) -> None:
    assert told(APPLICATION % ("", host)) == []


def test_a_key_in_doubt_is_not_counted_as_missing() -> None:
    (said,) = told(APPLICATION % (", caller_keys: [short]", "0.0.0.0"))
    assert "caller_keys[0]" in said
