"""Where operations are stored, and the keys, which are read strictly and never shown."""

import base64
from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, Operations, load, parse

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
TEXT, OTHER_TEXT = (base64.b64encode(key).decode() for key in (KEY, OTHER))
FIX = "make one with: openssl rand -base64 32"


def read(text: str, directory: Path = Path(), **environ: str) -> Config:
    return parse(f"operations: {text}\n", file=str(directory / "gw.yaml"), environ=environ)


def told(text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, Path(), **environ)
    return str(caught.value).removeprefix("gw.yaml:")


# --- path --------------------------------------------------------------------------------------------------


def test_the_file_is_beside_the_configuration(tmp_path: Path) -> None:
    assert read("{store: sqlite}", tmp_path).operations.path == tmp_path / "operations.db"
    assert read("", tmp_path).operations.path == tmp_path / "operations.db"
    assert read("{path: state/ops.db}", tmp_path).operations.path == tmp_path / "state" / "ops.db"
    assert read("{path: /var/lib/ops.db}", tmp_path).operations.path == Path("/var/lib/ops.db")
    assert read("{path: env:WHERE}", tmp_path, WHERE="ops.db").operations.path == tmp_path / "ops.db"
    (tmp_path / "gw.yaml").write_text("log: {level: debug}\n")
    assert load(tmp_path / "gw.yaml", {}).operations.path == tmp_path / "operations.db"


def test_without_a_configuration_it_is_in_the_working_directory() -> None:
    assert Config().operations.path == Path("operations.db")


@pytest.mark.parametrize(("value", "shown"), [("''", "''"), ("5", "5"), ("[a]", "a list"), ("", "nothing")])
def test_what_is_no_path_is_refused(value: str, shown: str) -> None:
    assert told(f"{{path: {value}}}").endswith(
        f"operations.path: must be the path of a file, not {shown}; write one such as operations.db"
    )


# --- url ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://redis.example",
        "redis://redis.example/",
        "redis://[::1]:6379/15",
        "redis://:p%40ss@redis.example:6380/0",
        "redis://user:pass@redis.example:6380/0",
        "rediss://user:pass@redis.example:6380/0",
        "rediss://redis.example:6380/0?ssl_ca_certs=/etc/ssl/redis.pem",
        "unix:///run/redis.sock",
        "unix://user:pass@/run/redis.sock?db=3",
    ],
)
def test_urls_of_a_redis_are_taken_as_they_stand(url: str) -> None:
    config = read(f"{{url: '{url}'}}")
    assert config.operations.url == url
    assert read("{url: env:REDIS}", REDIS=url).operations.url == url
    assert url not in repr(config)
    assert "pass" not in repr(config.operations.url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis.example:6379",
        "http://redis.example",
        "redis://",
        "redis://redis.example:99999/0",
        "redis://redis.example/db",
        "redis://redis.example/0?ssl_cert_reqs=none",
        "rediss://redis.example/0?ssl_cert_reqs=none",
        "rediss://redis.example/0?ssl_ca_certs=/x&ssl_cert_reqs=none",
        "redis://redis.example/0?ssl_ca_certs=/x",
        "redis://*.example/0",
        "redis://::1/0",
        "redis://user:hunt/er2@redis.example/0",
        "redis://user:hunt@er2@redis.example/0",
        "redis://one.example,two.example/0",
        "unix://run/redis.sock",
        "unix:///run/redis.sock?db=x",
    ],
)
def test_what_is_no_url_of_a_redis_is_refused_and_not_shown(url: str) -> None:
    why = told(f"{{url: '{url}'}}")
    assert "operations.url: must be the URL of a Redis; write redis://127.0.0.1:6379/0" in why
    assert "er2" not in why


# --- encryption_key ----------------------------------------------------------------------------------------


def test_keys_are_read_from_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{TEXT}\n")
    for text in (
        f"{{encryption_key: {TEXT}}}",
        f"{{encryption_key: '{TEXT}'}}",
        f"{{encryption_key: [{TEXT}]}}",
        "{encryption_key: env:KEY}",
        "{encryption_key: [env:KEY]}",
        "{encryption_key: file:key}",
    ):
        assert read(text, tmp_path, KEY=TEXT).operations.encryption_key == (KEY,)
    both = read("{encryption_key: [env:NEW, file:key]}", tmp_path, NEW=OTHER_TEXT)
    assert both.operations.encryption_key == (OTHER, KEY), "in their order"
    assert read("{encryption_key: null}").operations.encryption_key is None
    assert read("").operations.encryption_key is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (base64.b64encode(KEY[:31]).decode(), f"must be 32 bytes in base64, and is 31 bytes long; {FIX}"),
        (base64.b64encode(KEY + KEY).decode(), f"must be 32 bytes in base64, and is 64 bytes long; {FIX}"),
        (KEY.hex(), f"must be 32 bytes in base64, and is 48 bytes long; {FIX}"),
        ("hunter2!", f"must be 32 bytes in base64, and is not base64; {FIX}"),
        (f"' {TEXT}'", f"must be 32 bytes in base64, and is not base64; {FIX}"),
        ("schlüssel", f"must be 32 bytes in base64, and is not base64; {FIX}"),
        ("''", f"must be 32 bytes in base64, and is 0 bytes long; {FIX}"),
        ("12345", f"must be 32 bytes in base64, as text; {FIX}"),
        ("{a: b}", f"must be 32 bytes in base64, as text; {FIX}"),
        ("[]", "holds no key; write null to encrypt nothing"),
        (f"[{TEXT}, hunter2!]", f"item 2 must be 32 bytes in base64, and is not base64; {FIX}"),
        (f"[null, {TEXT}]", f"item 1 must be 32 bytes in base64, as text; {FIX}"),
        (f"[{TEXT}, {OTHER_TEXT}, {TEXT}]", "has one key twice; keep one of them"),
    ],
)
def test_what_is_no_key_is_told_and_not_shown(value: str, problem: str) -> None:
    message = told(f"{{encryption_key: {value}}}")
    assert message == f"1:30: operations.encryption_key: {problem}"
    referred = told("{encryption_key: env:KEY}", KEY="hunter2!")
    assert "hunter2" not in referred


def test_a_key_is_shown_nowhere() -> None:
    config = read(f"{{encryption_key: [{TEXT}, {OTHER_TEXT}]}}")
    keys = config.operations.encryption_key
    assert keys is not None
    assert repr(keys) == "(<a key>, <a key>)"
    for shown in (repr(config), str(config), f"{keys[0]} {keys[0]!r}", str(config.model_dump())):
        assert TEXT not in shown
        assert repr(KEY)[2:-1] not in shown
        assert KEY.hex() not in shown


def test_keys_are_part_of_a_configuration_like_any_other() -> None:
    operations = Operations.model_validate({"encryption_key": [KEY, OTHER]})
    assert operations.encryption_key == (KEY, OTHER)
    assert Operations.model_validate(operations.model_dump()) == operations
    assert hash(operations) == hash(Operations.model_validate({"encryption_key": [TEXT, OTHER_TEXT]}))
