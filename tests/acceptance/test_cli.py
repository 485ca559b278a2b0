"""The command line: exit codes, one clear line for what is wrong, and help that reads well. All real processes."""

import base64
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from acceptance.command import ended
from gateway import __version__
from gateway.config import load

COMMANDS = {
    "run": ["--config"],
    "check-config": ["FILE", "--print-effective"],
    "config-schema": ["gateway.schema.json"],
    "operations": [
        "--admin",
        "--watch",
        "--json",
        "--state",
        "LRO_GATEWAY_ADMIN",
        "lro-gateway operations --watch",
    ],
    "simulate": ["--port", "--monitor-port", "--host", "--script", "--speed", "--duration", "8901", "50MB/s"],
    "demo": ["--logs", "exactly one copy"],
}
"""Each with words that its help must have."""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield int(listener.getsockname()[1])


def config(folder: Path, text: str) -> Path:
    file = folder / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return file


# --- help ------------------------------------------------------------------------------------------------


def test_the_version_is_the_packages_and_the_parsers_are_told() -> None:
    done = ended("--version")
    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first == f"lro-gateway {__version__}"
    assert f"aiohttp {version('aiohttp')}, C parser" in second
    for name in ("httptools", "uvloop", "msal", "redis"):
        assert f"{name} {version(name)}" in second
    assert f"{' '.join(ssl.OPENSSL_VERSION.split()[:2])}, " in second


def test_without_the_c_parser_the_version_says_so() -> None:
    done = ended("--version", AIOHTTP_NO_EXTENSIONS="1")
    assert f"aiohttp {version('aiohttp')}, without the C parser that the gateway needs" in done.out


def test_the_help_lists_every_command() -> None:
    done = ended("--help")
    assert (done.code, done.err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_that_fits_a_terminal(command: str) -> None:
    done = ended(command, "--help", COLUMNS="80")
    assert (done.code, done.err) == (0, "")
    running = " ".join(done.out.split())
    assert all(word in running for word in COMMANDS[command]), running
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out


@pytest.mark.parametrize("args", [["nonsense"], ["run", "--nonsense"], ["check-config"]])
def test_a_wrong_command_is_exit_code_2(args: list[str]) -> None:
    done = ended(*args)
    assert done.code == 2
    assert done.lines[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["chek-config"], "did you mean check-config?"),
        (["check"], "did you mean check-config?"),
        (["opreations"], "did you mean operations?"),
        (["run", "--confg"], "--config"),
        (["operations", "--stat", "failed"], "--state"),
    ],
)
def test_who_mistypes_is_told_what_may_have_been_meant(args: list[str], meant: str) -> None:
    done = ended(*args)
    assert done.code == 2
    assert meant in done.lines[-1]


def test_what_resembles_nothing_is_not_guessed_at() -> None:
    assert ended("xyz").lines[-1] == "Error: No such command 'xyz'."


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_an_example_and_the_exit_codes(command: str) -> None:
    done = ended(command, "--help", COLUMNS="80")
    assert f"\n    lro-gateway {command}" in done.out
    assert re.search(r"^  Exit codes?:", done.out, re.MULTILINE)


# --- configuration ---------------------------------------------------------------------------------------


def test_a_good_file_is_ok(tmp_path: Path) -> None:
    file = config(tmp_path, "wait: {max: 30s}\n")
    done = ended("check-config", file)
    assert (done.code, done.out, done.err) == (0, f"{file}: ok\n", "")


def test_what_holds_is_printed_as_a_file_that_means_the_same(tmp_path: Path) -> None:
    text = (
        "auth:\n  mode: client_credentials\n  tenant_id: contoso.example\n  client_id: '123'\n"
        "  client_secret: env:LRO_TEST_SECRET\n  caller_keys: [env:LRO_TEST_KEY]\n"
        "monitor: {allowed_hosts: ['*.example.com', 'other.example']}\nwait: {max: env:LRO_TEST_WAIT, heartbeat: off}\n"
    )
    told = {"LRO_TEST_SECRET": "hush-" * 8, "LRO_TEST_KEY": "quiet-" * 8, "LRO_TEST_WAIT": "31s"}
    done = ended("check-config", config(tmp_path, text), "--print-effective", cwd=None, **told)
    assert (done.code, done.err) == (0, "")
    assert not any(secret in done.out for secret in told.values())
    assert "\n  client_secret: env:LRO_TEST_SECRET\n" in done.out
    again = tmp_path / "again.yaml"
    again.write_text(done.out, encoding="utf-8")
    assert load(again, told) == load(config(tmp_path, text), told)
    assert ended("check-config", again, "--print-effective", cwd=None, **told).out == done.out


def test_secrets_in_the_file_are_not_printed(tmp_path: Path) -> None:
    secrets = ["hush" * 10, "quiet" * 10, "pass-word", base64.b64encode(b"k" * 32).decode()]
    text = (
        "auth:\n  mode: client_credentials\n  tenant_id: contoso.example\n  client_id: '123'\n"
        f"  client_secret: {secrets[0]}\n  caller_keys: [{secrets[1]}]\n"
        f"operations: {{url: 'redis://user:{secrets[2]}@127.0.0.1/0', encryption_key: '{secrets[3]}'}}\n"
    )
    done = ended("check-config", config(tmp_path, text), "--print-effective")
    assert (done.code, done.err) == (0, "")
    assert not any(secret in done.out for secret in secrets)
    assert done.out.count("not shown") == 4


@pytest.mark.parametrize("command", [["check-config"], ["run", "--config"]])
def test_a_bad_file_is_told_with_all_its_problems(tmp_path: Path, command: list[str]) -> None:
    file = config(tmp_path, "wait:\n  max: soon\nlisten: {prot: 80}\nadmin:\n  port: 70000\n")
    done = ended(*command, file)
    assert (done.code, done.out) == (2, "")
    places = [f"{file}:2:8: wait.max: ", f"{file}:3:10: listen.prot: ", f"{file}:5:9: admin.port: "]
    assert len(done.lines) == 3
    for line, place in zip(done.lines, places, strict=True):
        assert line.startswith(place)
        assert "; " in line, "what to do about it"
    assert "did you mean listen.port?" in done.lines[1]


@pytest.mark.parametrize("command", [["check-config"], ["run", "--config"]])
def test_a_file_that_is_not_there_is_exit_code_2(tmp_path: Path, command: list[str]) -> None:
    done = ended(*command, tmp_path / "none.yaml")
    assert (done.code, done.out) == (2, "")
    assert len(done.lines) == 1
    assert done.lines[0].startswith(f"{tmp_path / 'none.yaml'}: cannot be read: ")


@pytest.mark.parametrize("command", [["check-config"], ["run", "--config"]])
def test_a_missing_secret_is_exit_code_2(tmp_path: Path, command: list[str]) -> None:
    file = config(tmp_path, "upstream:\n  base_url: env:LRO_TEST_NOT_SET\n")
    done = ended(*command, file)
    assert (done.code, done.out) == (2, "")
    assert len(done.lines) == 1
    assert done.lines[0].startswith(f"{file}:2:13: upstream.base_url: ")
    assert "LRO_TEST_NOT_SET is not set" in done.lines[0]


# --- listeners -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_that_is_taken_is_one_line(tmp_path: Path, taken: int, section: str) -> None:
    ports = {"listen": 0, "admin": 0} | {section: taken}
    file = config(tmp_path, "".join(f"{name}: {{port: {port}}}\n" for name, port in ports.items()))
    done = ended("run", "--config", file)
    assert (done.code, len(done.lines)) == (1, 1)
    assert done.lines[0].startswith(f"{section}: cannot listen on 127.0.0.1:{taken}: ")
    assert done.lines[0].endswith(f"in use; set {section}.port to a free port")
    assert '"listening"' not in done.out


def test_an_address_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    done = ended(
        "run", "--config", config(tmp_path, "listen: {host: 192.0.2.1, port: 0}\nadmin: {port: 0}\n")
    )
    assert (done.code, len(done.lines)) == (1, 1)
    assert done.lines[0].startswith("listen: cannot listen on 192.0.2.1:0: ")
    assert done.lines[0].endswith("; check listen.host and listen.port")


# --- the simulator ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--port", "--monitor-port"])
def test_a_simulator_whose_port_is_taken_says_so(taken: int, option: str) -> None:
    ports = {"--port": "0", "--monitor-port": "0"} | {option: str(taken)}
    done = ended("simulate", *(word for pair in ports.items() for word in pair))
    assert (done.code, len(done.lines)) == (1, 1)
    assert done.lines[0].startswith("simulate: cannot listen: ")
    assert str(taken) in done.lines[0]
    assert "in use" in done.lines[0]


def test_a_simulator_for_a_host_that_is_none_says_so() -> None:
    done = ended("simulate", "--host", "a..b", "--port", "0", "--monitor-port", "0")
    assert (done.code, len(done.lines)) == (1, 1)
    assert done.lines[0].startswith("simulate: cannot listen: ")


def test_a_bad_script_is_told_with_all_its_problems(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("defaults: {ending: 303}\nrules:\n  - fault: explode\n", encoding="utf-8")
    done = ended("simulate", "--script", script)
    assert (done.code, done.out) == (2, "")
    assert [line.rpartition(": ")[0].split(" ")[0] for line in done.lines] == [
        f"{script}:1:12:",
        f"{script}:3:5:",
    ]


def test_a_script_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    done = ended("simulate", "--script", tmp_path / "none.yaml")
    assert (done.code, len(done.lines)) == (2, 1)
    assert done.lines[0].startswith(f"{tmp_path / 'none.yaml'}: cannot be read: ")


@pytest.mark.parametrize(
    ("option", "value", "example"),
    [("--speed", "fast", "10MB"), ("--duration", "long", "500ms"), ("--port", "70000", "65535")],
)
def test_a_bad_value_is_told_with_a_good_one(option: str, value: str, example: str) -> None:
    done = ended("simulate", option, value)
    assert done.code == 2
    assert option in done.lines[-1]
    assert example in done.lines[-1]
