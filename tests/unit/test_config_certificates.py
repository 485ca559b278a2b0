"""Files of certificates are looked into while the configuration is read."""

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, Upstream, parse

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBNjCB3KADAgECAgEBMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDnRlc3QgYXV0
aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAZMRcwFQYD
VQQDDA50ZXN0IGF1dGhvcml0eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPgZ
OeID7NXHqQsRhVSz/7BS3aZHFu4hbm5VL5RWtVpGnTwJhctqp1YqmnaStDTrkt43
mZNJnykfOh3rVbVZuVqjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SQAwRgIhAKEaNkGIkPYdMVwnu7qAPA0YGSEB84h7xIS3wnX/eXX5AiEA8HD6uAil
S+blTRkbC7ZmaACEw0U1hL6MMTPU0XhELZ8=
-----END CERTIFICATE-----
"""


def read(directory: Path, value: str, environ: dict[str, str] | None = None) -> Config:
    return parse(f"upstream:\n  ca_file: {value}\n", file=str(directory / "gw.yaml"), environ=environ or {})


def told(directory: Path, value: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(directory, value, environ)
    return str(caught.value)


def test_relative_path_starts_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(f"# Ümlaut authority\n{CERTIFICATE}")
    assert read(tmp_path, "ca.pem").upstream.ca_file == tmp_path / "ca.pem"
    assert read(tmp_path, str(tmp_path / "ca.pem")).upstream.ca_file == tmp_path / "ca.pem"
    assert read(tmp_path, "env:CA", {"CA": "ca.pem"}).upstream.ca_file == tmp_path / "ca.pem"


def test_missing_file_is_told_with_its_place(tmp_path: Path) -> None:
    assert told(tmp_path, "ca.pem") == (
        f"{tmp_path}/gw.yaml:2:12: upstream.ca_file: 'ca.pem' cannot be read (No such file or directory); "
        "name a readable file; a relative path starts at this file"
    )


def test_path_from_a_reference_is_not_shown(tmp_path: Path) -> None:
    problem = told(tmp_path, "env:CA", {"CA": "hunter2"})
    assert "the value of env:CA cannot be read" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "content", ["", "no certificate\n", CERTIFICATE[:99], CERTIFICATE.replace("MII", "AAA")]
)
def test_file_without_certificates_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    assert "'ca.pem' holds no certificates" in told(tmp_path, "ca.pem")


def test_directory_is_no_file(tmp_path: Path) -> None:
    assert "is not a regular file" in told(tmp_path, ".")


@pytest.mark.parametrize("value", ["''", "5", "[a]"])
def test_what_is_no_path_is_refused(tmp_path: Path, value: str) -> None:
    assert "must be the path of a PEM file" in told(tmp_path, value)


def test_shape_alone_takes_a_path_as_it_is() -> None:
    assert Upstream.model_validate({"ca_file": "ca.pem"}).ca_file == Path("ca.pem")
