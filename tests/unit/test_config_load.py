"""From text to a configuration, or to every problem with its exact place and fix."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, ConfigError, ConfigProblem, load, parse

EVERYWHERE_WRONG = """\
lisen: {port: 1}
listen:
  tls: {certificat_file: x}
  port: 99999
  host: "[::1]"
wait:
  max: 55 seconds
  max: 3s
  on_timeout: error
  hartbeat: off
  heartbeat: yes
operations:
  store: mongo
  reconnect: off
  deadline:
  max_interval: 3s
polling: {min_interval: 20s, first_delay: -1}
limits:
  body: 4M
  held_calls: "100"
  header: 64
monitor:
  allowed_hosts: [https://x, *x, "127.1", "*.Example.com"]
upstream:
  base_url: https://user:hunter2@graph.microsoft.com
  connect_to: env:NOPE
auth: {mode: client_credential, tenant: x}
dialects: drive
shutdown:
tracking: {otlp_endpoint: null}
"""

EVERY_PROBLEM = [
    "1:1: lisen: unknown key; did you mean listen?",
    "3:9: listen.tls.certificat_file: unknown key; did you mean listen.tls.certificate_file?",
    "4:9: listen.port: must be a whole number from 0 to 65535, not 99999; choose a number in that range",
    (
        "5:9: listen.host: must be a host name or an IP address, without scheme, port or brackets, not '[::1]'; "
        'write a name, an address such as 127.0.0.1 or "::1", or 0.0.0.0 for every interface'
    ),
    "7:8: wait.max: must be a duration, not '55 seconds'; write 55s",
    "8:3: wait.max: the key is there already, in line 7; keep one of them",
    (
        "9:3: wait.on_timeout: error makes clients send the call again, which copies again while operations.reconnect "
        "is off; write redirect or accepted, or set operations.reconnect to identical or key"
    ),
    "10:3: wait.hartbeat: unknown key; did you mean wait.heartbeat?",
    "11:14: wait.heartbeat: must be one of off, interim, not 'yes'; write one of these",
    "13:10: operations.store: must be one of memory, sqlite, redis, not 'mongo'; write one of these",
    "15:3: operations.deadline: must be a duration, not nothing; write 500ms, 55s, 15m, 24h or a number of seconds",
    "16:3: operations.max_interval: unknown key; did you mean polling.max_interval?",
    (
        "17:11: polling.min_interval: polling.min_interval (20s) is above polling.max_interval (10s); "
        "lower the one or raise the other"
    ),
    "17:43: polling.first_delay: must be a duration from 0s to 1h, not -1; choose a duration in that range",
    "19:9: limits.body: must be a size, not '4M'; write 4MiB",
    (
        "20:15: limits.held_calls: must be a whole number from 1 to 1000000, not '100'; "
        "write 100, without quotes and fraction"
    ),
    "21:11: limits.header: must be a size from 512 to 1MiB, not 64; choose a size in that range",
    (
        "23:19: monitor.allowed_hosts[0]: must be a host name, *.suffix or an IP address, with or without a port, "
        "not 'https://x'; write the host alone, without scheme and path"
    ),
    (
        "23:30: monitor.allowed_hosts[1]: aliases (*name) are not supported; "
        "quote a text that begins with *, or write it out"
    ),
    (
        "23:34: monitor.allowed_hosts[1]: must be a host name, *.suffix or an IP address, with or without a port, "
        'not \'127.1\'; write graph.example, "*.example.com", graph.example:8443, 10.0.0.7 or "[2001:db8::7]:443"'
    ),
    (
        "25:13: upstream.base_url: must not hold a user name or a password: '…@graph.microsoft.com'; "
        "leave out what stands before the @"
    ),
    (
        "26:15: upstream.connect_to: the environment variable NOPE is not set; "
        "set NOPE in the gateway's environment, or write the value here"
    ),
    (
        "27:14: auth.mode: must be one of passthrough, client_credentials, managed_identity, on_behalf_of, "
        "not 'client_credential'; did you mean client_credentials?"
    ),
    "27:33: auth.tenant: unknown key; did you mean auth.tenant_id?",
    "28:11: dialects: must be a mapping of keys, not 'drive'; write keys below it, indented: enabled, presets, custom",
    "30:1: tracking: unknown key; did you mean tracing?",
]


def told(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="gw.yaml", environ=environ)
    return [line.removeprefix("gw.yaml:") for line in str(caught.value).split("\n")]


def read(text: str) -> Config:
    return parse(text, file="gw.yaml", environ={})


def test_all_problems_are_told_at_once_in_order() -> None:
    assert told(EVERYWHERE_WRONG) == EVERY_PROBLEM


def test_problem_is_data() -> None:
    with pytest.raises(ConfigError) as caught:
        read("wait:\n  max: 55 seconds\n")
    expected = ConfigProblem("wait.max", "gw.yaml", 2, 8, "must be a duration, not '55 seconds'", "write 55s")
    assert caught.value.problems == (expected,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("wait: {max: 0}", "1:13: wait.max: must be a duration from 1ms to 24h, not 0; choose a duration in that range"),
        ("wait: {max: .nan}", ("1:13: wait.max: must be a duration, not '.nan'; "
         "write 500ms, 55s, 15m, 24h or a number of seconds")),
        ("wait: {max: 1e999}", ("1:13: wait.max: must be a duration, not inf; "
         "write 500ms, 55s, 15m, 24h or a number of seconds")),
        ("wait: {max: [1]}", ("1:13: wait.max: must be a duration, not a list; "
         "write 500ms, 55s, 15m, 24h or a number of seconds")),
        ("wait: {max: {s: 1}}", ("1:13: wait.max: must be a duration, not a mapping; "
         "write 500ms, 55s, 15m, 24h or a number of seconds")),
        ("wait: {heartbeat: true}", "1:19: wait.heartbeat: must be one of off, interim, not true; write one of these"),
        ("wait: {on_timeout: redirct}", ("1:20: wait.on_timeout: must be one of redirect, accepted, error, "
         "not 'redirct'; did you mean redirect?")),
        ("wait:\n- max", ("2:1: wait: must be a mapping of keys, not a list; "
         "write keys below it, indented: max, on_timeout, heartbeat, heartbeat_interval")),
        ("Wait: {max: 1s}", "1:1: Wait: unknown key; did you mean wait?"),
        ("max: 1s", "1:1: max: unknown key; did you mean wait.max?"),
        ("host: x", "1:1: host: unknown key; did you mean listen.host or admin.host?"),
        ("monitor: {allow_http: 'yes'}", ("1:23: monitor.allow_http: must be true or false, not 'yes'; "
         "write true or false, without quotes")),
        ("monitor: {allowed_hosts: a}", ("1:26: monitor.allowed_hosts: must be a list, not 'a'; "
         'write it in brackets, such as [graph.microsoft.com, "*.sharepoint.com"]')),
        ("monitor:\n  allowed_hosts:\n", ("2:3: monitor.allowed_hosts: must be a list, not nothing; "
         'write it in brackets, such as [graph.microsoft.com, "*.sharepoint.com"]')),
        ("monitor: {allowed_hosts: [a, b, A]}", ("1:26: monitor.allowed_hosts: has one item twice, "
         "as number 1 and 3; keep one of them")),
        ("dialects: {enabled: [drive, team]}", ("1:29: dialects.enabled[1]: must be one of drive, workbook, onenote, "
         "teams, sites, connectors, print, ediscovery, privacy, gdap, attacksimulation, industrydata, not 'team'; "
         "did you mean teams?")),
        ("limits: {concurrent_polls: 0}", ("1:28: limits.concurrent_polls: must be a whole number from 1 to 10000, "
         "not 0; choose a number in that range")),
        ("limits: {held_calls: 1e3}", ("1:22: limits.held_calls: must be a whole number from 1 to 1000000, "
         "not 1000.0; write 1000, without quotes and fraction")),
        ("limits: {held_calls: many}", ("1:22: limits.held_calls: must be a whole number from 1 to 1000000, "
         "not 'many'; write a number such as 1")),
        ("listen: {public_url: /x}", ("1:22: listen.public_url: must be a URL that begins with https:// or http://, "
         "not '/x'; write one such as https://graph-gateway.example")),
        ("upstream: {base_url: 'https://h/v1.0'}", ("1:22: upstream.base_url: must be scheme, host and port alone, "
         "not 'https://h/v1.0'; leave out the path: callers send it, such as https://graph.microsoft.com and /v1.0/me")),
        ('log: {level: "a\\nb"}', ("1:14: log.level: must be one of debug, info, warning, error, "
         "not 'a\\nb'; write one of these")),
    ],
)  # fmt: skip
def test_problem_is_told_with_place_and_fix(text: str, problem: str) -> None:
    assert told(text) == [problem]


@pytest.mark.parametrize(
    "text",
    ["wait:\n", "wait: {}\n", "wait: null\n", "wait:\n  # max: 1s\n", "---\n", "", "# all commented out\n"],
)
def test_nothing_means_the_defaults(text: str) -> None:
    assert read(text) == Config.default()


@pytest.mark.parametrize("off", ["off", "'off'", "false"])
def test_off_works_quoted_or_not(off: str) -> None:
    config = read(f"wait: {{heartbeat: {off}}}\noperations: {{reconnect: {off}}}\n")
    assert (config.wait.heartbeat, config.operations.reconnect) == ("off", "off")


def test_off_works_in_a_file_that_claims_yaml_1_1() -> None:
    assert read("%YAML 1.1\n---\noperations: {reconnect: off}\n").operations.reconnect == "off"


def test_values_come_out_typed_and_in_one_spelling() -> None:
    config = read(
        "listen: {port: 0, public_url: 'https://Gateway.example:443/graph/'}\n"
        "upstream: {base_url: 'HTTP://127.0.0.1:8901/', connect_to: '[::1]:8443', reply_timeout: 1.5}\n"
        "monitor: {allowed_hosts: ['*.SharePoint.com', '[::1]:99', localhost], allow_http: true}\n"
        "limits: {calls_per_caller: 3, body: 1KiB, monitor_body: 77}\n"
        "dialects: {enabled: []}\n"
    )
    assert (config.listen.port, config.listen.public_url) == (0, "https://gateway.example/graph")
    assert config.upstream.base_url == "http://127.0.0.1:8901"
    assert config.upstream.connect_to == "[::1]:8443"
    assert config.upstream.reply_timeout == 1.5
    assert config.monitor.allowed_hosts == ("*.sharepoint.com", "[::1]:99", "localhost")
    assert (config.limits.calls_per_caller, config.limits.body, config.limits.monitor_body) == (3, 1024, 77)
    assert config.dialects.enabled == ()


def test_null_lifts_the_bound_per_caller() -> None:
    assert read("limits: {calls_per_caller: null}").limits.calls_per_caller is None


def test_syntax_error_is_one_problem() -> None:
    assert told("wait:\n\tmax: 1s\n") == ["2:1: a tab character may not stand here; use spaces"]


def test_problems_before_a_second_document_are_told_too() -> None:
    assert told("wait: {max: x}\n---\na: 1\n") == [
        "1:13: wait.max: must be a duration, not 'x'; write 500ms, 55s, 15m, 24h or a number of seconds",
        "2:1: a second document begins here; keep one document and remove this line",
    ]


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "gw.yaml").write_text("\ufeffwait:\r\n  max: 5s\r\n", encoding="utf-8")
    assert load(tmp_path / "gw.yaml", {}).wait.max == 5.0
    assert load(str(tmp_path / "gw.yaml"), {}).wait.max == 5.0


def test_missing_file_is_one_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        load("/nowhere/gw.yaml", {})
    assert str(caught.value) == (
        "/nowhere/gw.yaml: cannot be read: No such file or directory; name a file that the gateway can read"
    )


@pytest.mark.parametrize(("path", "reason"), [("/", "Is a directory"), ("a\0b", "no such path")])
def test_unreadable_file_is_one_problem(path: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be read: {reason}"):
        load(path, {})


@pytest.mark.parametrize(
    ("content", "place"), [("é: \xe9".encode("latin-1"), "1:1"), ("# é\na: ü".encode()[:-1], "2:4")]
)
def test_file_in_another_encoding_is_one_problem(tmp_path: Path, content: bytes, place: str) -> None:
    (tmp_path / "gw.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "gw.yaml", {})
    assert str(caught.value) == f"{tmp_path}/gw.yaml:{place}: the file is not UTF-8 text; save it as UTF-8"


def test_endless_file_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "gw.yaml").write_bytes("é".encode() * 600_000)
    with pytest.raises(ConfigError, match=r":1:1: the file is longer than 256 KiB; make it shorter$"):
        load(tmp_path / "gw.yaml", {})


KEYS = [
    *Config.model_fields,
    *(key for name in Config.model_fields for key in type(getattr(Config(), name)).model_fields),
]
WORDS = st.sampled_from([*KEYS, "off", "55s", "-1", "4MiB", "null", "true", "[]", "{}", "env:X", "env:Y", "file:.", "'", "*a",
                         "&a", "<<", "!t", "? ", "- ", "|", "\t", '"\\ud800"', "#", ".inf", "1e9", "9" * 40])  # fmt: skip
LINES = st.lists(
    st.builds(lambda indent, key, colon, value: f"{indent}{key}{colon}{value}",
              st.sampled_from(["", "  ", "    "]), WORDS, st.sampled_from([": ", ":", ""]), st.one_of(WORDS, st.text(max_size=8))),
    max_size=8,
).map("\n".join)  # fmt: skip
TREES = st.recursive(
    st.one_of(WORDS, st.integers().map(str), st.floats().map(str)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=4).map(
            lambda items: f"{{{', '.join(f'{key}: {value}' for key, value in items.items())}}}"
        ),
    ),
    max_leaves=12,
)


@given(st.one_of(st.text(), LINES, TREES))
def test_any_text_is_a_configuration_or_problems(text: str) -> None:
    problems: tuple[ConfigProblem, ...] = ()
    config = None
    try:
        config = parse(text, file="gw.yaml", environ={"X": "55s"})
    except ConfigError as error:
        problems = error.problems
    assert (config is None) == bool(problems)
    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert problem.fix
        assert len(str(problem).encode().splitlines()) == 1
