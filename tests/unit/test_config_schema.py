"""The schema for editors: what the gateway accepts it accepts, and it sees what can be seen without opening a file."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.papers import Papers
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import BaseModel

from gateway.config import Config, ConfigError, parse, schema
from gateway.config.document import read
from gateway.config.kinds import Kind
from gateway.dialects import documented

ROOT = Path(__file__).parents[2]
SCHEMA = schema.schema()
VALIDATOR = Draft7Validator(SCHEMA)
KEY = "A" * 43 + "="
ENVIRON = {"PORT": "80", "WAIT": "5s", "WORD": "accepted", "SIZE": "4MiB", "FLAG": "true", "KEY": KEY}
CUSTOM = 'dialects: {custom: [{name: a, match: {path: "^/a$"}, status: {by_code: true}%s}]}'


def gateway_takes(text: str, file: str = "gw.yaml") -> bool:
    try:
        parse(text, file=file, environ=ENVIRON, taken=documented.calls())
    except ConfigError:
        return False
    return True


def complaints(text: str) -> list[str]:
    """What the schema has against a file."""
    document = read(text, "gw.yaml", lambda word: word)
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document.content)]


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_every_key_has_its_description_and_its_default() -> None:
    for name, shape in ((name, type(getattr(Config.default(), name))) for name in Config.model_fields):
        section = SCHEMA["properties"][name]
        assert section["description"] == " ".join((shape.__doc__ or "").split())
        assert section["properties"].keys() == shape.model_fields.keys()
        for key, told in section["properties"].items():
            assert len(told["description"]) > 20, key
            inner = shape.model_fields[key].annotation
            assert "default" in told or (isinstance(inner, type) and issubclass(inner, BaseModel)), key


def test_defaults_are_spelled_as_in_the_file() -> None:
    told = {
        f"{section}.{key}": value.get("default")
        for section, whole in SCHEMA["properties"].items()
        for key, value in whole["properties"].items()
    }
    assert (told["listen.port"], told["wait.max"], told["limits.body"]) == (8080, "55s", "4MiB")
    assert (told["monitor.allow_http"], told["operations.path"], told["auth.allow"]) == (
        False,
        "operations.db",
        None,
    )
    assert "*.sharepoint.com" in told["monitor.allowed_hosts"]
    assert told["dialects.custom"] == []


def test_a_file_of_the_defaults_is_the_defaults() -> None:
    defaults = {
        name: {key: value["default"] for key, value in section["properties"].items() if "default" in value}
        for name, section in SCHEMA["properties"].items()
    }
    assert not list(VALIDATOR.iter_errors(defaults))
    assert Config.model_validate(defaults) == Config.default()


def test_a_kind_that_is_not_known_is_told() -> None:
    class Strange(Kind):
        def read(self, value: object) -> object:
            return value

        def accepts(self) -> str:
            return "anything"

    with pytest.raises(TypeError, match="Strange"):
        schema._kind(Strange())


# --- what the gateway accepts -------------------------------------------------------------------------------

ACCEPTED = [
    "",
    "wait:\n",
    "listen: {port: env:PORT, host: '::1', public_url: 'HTTPS://Gateway.example:8443/prefix/'}",
    "wait: {max: env:WAIT, on_timeout: env:WORD, heartbeat: off}",
    "wait: {max: 1.5, heartbeat: false}",
    "limits: {body: env:SIZE, monitor_body: 1000, calls_per_caller: null}",
    "monitor: {allow_private: env:FLAG, allowed_hosts: ['*.Example.com', '[::1]:8443', '::1', 10.0.0.7, 'h:1']}",
    "operations: {store: redis, url: 'rediss://:p@redis.example:6380/0?ssl_ca_certs=/ca.pem'}",
    "operations: {store: redis, url: 'unix:///run/redis.sock?db=3'}",
    f"operations: {{encryption_key: {KEY}}}",
    f"operations: {{encryption_key: [env:KEY, {'B' * 42}A=]}}",
    "auth: {caller_keys: [0123456789abcdef, env:KEY], allow: ['POST /v1.0/**', '*   /beta/me/*/x']}",
    "auth: {allow: []}",
    "auth: {mode: managed_identity, scopes: [https://graph.microsoft.us/.default]}",
    "auth: {mode: on_behalf_of, client_id: abc, client_secret: env:KEY, authority: https://login.example/contoso}",
    "upstream: {connect_to: '[2001:db8::7]:443', base_url: http://127.0.0.1:8901/}",
    "dialects: {enabled: [], presets: [azure, generic]}",
    CUSTOM % "",
    CUSTOM % ", start: null, progress: null",
    CUSTOM
    % ", result: {from: [location, none]}, otherwise: [{start: {status: [201], monitor: [self]}, error: null}]",
    CUSTOM.replace("by_code: true", "field: /a~1b/0, running: [1, 0x], succeeded: [true, Done]")
    % ", monitor: {credential: true, repeat_headers: [X-Tenant]}, error: {field: /e, transient: [busy]}",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_the_gateway_accepts_it_accepts(text: str) -> None:
    assert gateway_takes(text)
    assert complaints(text) == []


def test_files_of_certificates_are_accepted(tmp_path: Path) -> None:
    paper = Papers(tmp_path, "house").issue("gateway")
    text = f"listen: {{tls: {{certificate_file: {paper.certificate}, private_key_file: {paper.key}}}}}"
    assert gateway_takes(text, str(tmp_path / "gw.yaml"))
    assert complaints(text) == []


def written() -> Iterator[str]:
    """Every text in our tests and every block of our pages that could be a configuration."""
    section = re.compile(rf"(?m)^(?:{'|'.join(Config.model_fields)}):")
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and section.search(node.value):
                yield node.value
    for page in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md"):
        yield from re.findall(r"(?ms)^```yaml\n(.*?)^```$", page.read_text("utf-8"))
    for file in (*(ROOT / "config").glob("*.yaml"), *(ROOT / "deploy").rglob("gateway.yaml")):
        yield file.read_text("utf-8")


def test_what_is_accepted_anywhere_in_tests_and_pages_it_accepts() -> None:
    accepted = [text for text in dict.fromkeys(written()) if gateway_takes(text)]
    assert len(accepted) > 60
    assert [(text, found) for text in accepted if (found := complaints(text))] == []


WORDS = [
    "off",
    "null",
    "true",
    "drive",
    "env:PORT",
    "file:x",
    "5s",
    "0s",
    "24h",
    "4MiB",
    "*.a.b",
    "::1",
    "a:1",
]
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.text("aA0-._:/*[]%@?#~^$ \\é", max_size=12),
    st.from_regex(r"\A(https?|redis|unix)://[a.:0\[\]@/]{1,12}\Z"),
    st.from_regex(r"\A(GET|POST|\*) +/[a*/.]{0,8}\Z"),
    st.from_regex(r"\A[0-9]{1,3}(\.[0-9])?(ms|s|m|h|KiB|MiB)\Z"),
)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-1, 70_000), st.floats(0, 100), TEXTS)
VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=3))
SECTIONS = {name: type(getattr(Config.default(), name)) for name in Config.model_fields}
KEYS = [(name, key) for name, shape in SECTIONS.items() for key in shape.model_fields]


@given(st.sampled_from(KEYS), VALUES)
@settings(max_examples=1500, deadline=None)
def test_no_value_of_any_key_is_accepted_by_the_gateway_alone(where: tuple[str, str], value: Any) -> None:
    content = {where[0]: {where[1]: value}}
    try:
        Config.model_validate(content)
    except ValueError:
        return
    assert not list(VALIDATOR.iter_errors(content))


# --- what both refuse ---------------------------------------------------------------------------------------

REFUSED = [
    "nonsense: 1",
    "wait: 5",
    "wait: [1]",
    "wait: {maxx: 5s}",
    "listen: {tls: {certificate: a.pem}}",
    "listen: {port: '8080'}",
    "listen: {port: 70000}",
    "listen: {port: -1}",
    "listen: {port: null}",
    "listen: {port: 80.5}",
    "listen: {host: 'http://127.0.0.1'}",
    "listen: {host: '[::1]'}",
    "listen: {host: ''}",
    "listen: {public_url: gateway.example}",
    "listen: {public_url: 'https://h/?a'}",
    "admin: {port: yes}",
    "upstream: {base_url: 'https://graph.microsoft.com/v1.0'}",
    "upstream: {base_url: 'ftp://graph.microsoft.com'}",
    "upstream: {base_url: 'https://user@graph.microsoft.com'}",
    "upstream: {connect_to: 10.0.0.7}",
    "upstream: {connect_timeout: 10 s}",
    "upstream: {reply_timeout: 2h30m}",
    "upstream: {ca_file: ''}",
    "auth: {mode: password}",
    "auth: {scopes: https://graph.microsoft.com/.default}",
    "auth: {scopes: [a b]}",
    "auth: {caller_keys: [short]}",
    "auth: {allow: ['post /v1.0/me']}",
    "auth: {allow: ['POST v1.0/me']}",
    "auth: {authority: 'http://login.example/contoso'}",
    "auth: {authority: 'https://login.example'}",
    "auth: {certificate: application.pem}",
    "auth: {client_secret: '  '}",
    "monitor: {allowed_hosts: '*.example.com'}",
    "monitor: {allowed_hosts: ['a*.example.com']}",
    "monitor: {allowed_hosts: [a.example, a.example]}",
    "monitor: {allow_private: 1}",
    "polling: {max_interval: 0}",
    "polling: {max_interval: 5 seconds}",
    "polling: {min_interval: 7200}",
    "wait: {on_timeout: reject}",
    "wait: {heartbeat: true}",
    "operations: {store: postgres}",
    "operations: {url: 'http://127.0.0.1:6379'}",
    "operations: {wait_replicas: 17}",
    "operations: {encryption_key: c2hvcnQ=}",
    "operations: {encryption_key: []}",
    "dialects: {enabled: [drives]}",
    "dialects: {presets: azure}",
    "dialects: {custom: {name: a}}",
    'dialects: {custom: [{match: {path: "^/a$"}, status: {by_code: true}}]}',
    CUSTOM.replace("name: a", "name: A") % "",
    CUSTOM.replace("^/a$", "/a") % "",
    CUSTOM.replace("by_code: true", "field: state, succeeded: [done]") % "",
    CUSTOM % ", start: {status: [204]}",
    CUSTOM % ", start: {monitor: [Location]}",
    CUSTOM % ", result: {from: resultUrl}",
    CUSTOM % ", result: {source: none}",
    "limits: {body: 4MB}",
    "limits: {body: 0}",
    "limits: {held_calls: 0}",
    "shutdown: {grace: 20sec}",
    "log: {level: verbose}",
    "log: {format: text}",
    "tracing: {otlp_endpoint: '127.0.0.1:4318'}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_both_refuse(text: str) -> None:
    assert not gateway_takes(text)
    assert complaints(text)


def test_it_names_the_place() -> None:
    assert complaints("wait: {max: 5 min}")[0].startswith("$.wait.max: ")
    assert complaints("dialects: {enabled: [drive, drives]}")[0].startswith("$.dialects.enabled[1]: ")


def test_what_only_check_config_sees_is_as_the_page_says() -> None:
    """Keys that must agree, ranges of what has a unit, what references lead to."""
    for text in ("polling: {min_interval: 1m}", "wait: {max: 48h}", "listen: {port: env:NOT_THERE}"):
        assert not gateway_takes(text)
        assert complaints(text) == []
