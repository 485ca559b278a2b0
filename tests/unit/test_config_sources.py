"""References: env:NAME and file:PATH, for every key, told where they lead nowhere, never shown."""

import os
from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, parse
from gateway.config.sources import LARGEST_REFERRED, Referred, Surroundings, Unresolved


def read(text: str, directory: Path = Path(), **environ: str) -> Config:
    return parse(text, file=str(directory / "gw.yaml"), environ=environ)


def told(text: str, directory: Path = Path(), **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, directory, **environ)
    return str(caught.value).removeprefix(f"{directory}/")


def test_variable_may_stand_for_any_value() -> None:
    config = read(
        "upstream: {base_url: env:URL, connect_to: env:TO, connect_timeout: env:SECONDS}\n"
        "listen: {port: env:PORT}\n"
        "limits: {body: env:BODY, monitor_body: env:BYTES}\n"
        "monitor: {allow_private: env:YES, allow_http: env:NO, allowed_hosts: [env:HOST]}\n"
        "wait: {max: env:MAX, heartbeat: env:OFF}\n",
        URL="http://Sim:8901/",
        TO="10.0.0.7:443",
        SECONDS="2.5",
        PORT="8123",
        BODY="1MiB",
        BYTES="2048",
        YES="true",
        NO="false",
        HOST="*.Example.com",
        MAX="5s",
        OFF="off",
    )
    assert config.upstream.base_url == "http://sim:8901"
    assert config.upstream.connect_to == "10.0.0.7:443"
    assert config.upstream.connect_timeout == 2.5
    assert config.listen.port == 8123
    assert (config.limits.body, config.limits.monitor_body) == (2**20, 2048)
    assert (config.monitor.allow_private, config.monitor.allow_http) == (True, False)
    assert config.monitor.allowed_hosts == ("*.example.com",)
    assert (config.wait.max, config.wait.heartbeat) == (5.0, "off")
    assert type(config.wait.heartbeat) is str


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_file_loses_one_line_end(tmp_path: Path, ending: str) -> None:
    (tmp_path / "port").write_bytes(f"8123{ending}".encode())
    assert read("listen: {port: file:port}", tmp_path).listen.port == 8123
    assert read(f"listen: {{port: 'file:{tmp_path}/port'}}", tmp_path).listen.port == 8123


def test_file_loses_no_more_than_one_line_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a\n\n")
    assert Surroundings(tmp_path, {}).resolve("file:secret") == "a\n"


def test_reference_is_followed_once() -> None:
    assert Surroundings(Path(), {"A": "env:B", "B": "b"}).resolve("env:A") == "env:B"


def test_other_text_is_itself() -> None:
    assert Surroundings(Path(), {}).resolve("environment") == "environment"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "env:NOPE",
            (
                "the environment variable NOPE is not set; "
                "set NOPE in the gateway's environment, or write the value here"
            ),
        ),
        (
            "'env:'",
            (
                "env: must be followed by the name of an environment variable; "
                "write env:NAME, with letters, digits and underscores"
            ),
        ),
        (
            "env:${X}",
            (
                "env: must be followed by the name of an environment variable; "
                "write env:NAME, with letters, digits and underscores"
            ),
        ),
        ("'file:'", "file: must be followed by the path of a file; write file:/run/secrets/name"),
        (
            "file:nope",
            (
                "the file 'nope' cannot be read (No such file or directory); "
                "make it a readable text file, or write the value here"
            ),
        ),
        (
            "file:.",
            "the file '.' is not a regular file; make it a readable text file, or write the value here",
        ),
    ],
)
def test_reference_that_leads_nowhere_is_told_with_its_place(
    tmp_path: Path, value: str, message: str
) -> None:
    assert told(f"wait:\n  max: {value}\n", tmp_path) == f"gw.yaml:2:8: wait.max: {message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b"a\0b", "file:secret holds a NUL character"),
        (b"x" * (LARGEST_REFERRED + 1), "is longer than 64 KiB"),
    ],
)
def test_file_must_hold_a_little_text(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert message in told("wait: {max: file:secret}", tmp_path)


def test_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in told("wait: {max: file:pipe}", tmp_path)


def test_impossible_path_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(Unresolved, match="cannot be read"):
        Surroundings(tmp_path, {}).resolve("file:a\0b")
    with pytest.raises(Unresolved, match="cannot be read"):
        Surroundings(tmp_path, {}).resolve("file:" + "a" * 5000)


def test_variable_must_be_text() -> None:
    assert "env:BYTES is not UTF-8 text" in told("wait: {max: env:BYTES}", BYTES="\udcff")
    assert "env:NUL holds a NUL character" in told("wait: {max: env:NUL}", NUL="a\0b")


@pytest.mark.parametrize(
    "text",
    [
        "wait: {max: env:SECRET}",
        "wait: {on_timeout: env:SECRET}",
        "wait: env:SECRET",
        "limits: {body: env:SECRET, held_calls: env:SECRET, calls_per_caller: env:SECRET}",
        "monitor: {allowed_hosts: env:SECRET, allow_http: env:SECRET, ca_file: env:SECRET}",
        "monitor: {allowed_hosts: [env:SECRET, env:SECRET]}",
        "dialects: {enabled: [env:SECRET]}",
        "operations: {store: env:SECRET, encryption_key: env:SECRET}",
        "operations: {encryption_key: [env:SECRET, env:SECRET]}",
        "operations: {url: env:SECRET, wait_replicas: env:SECRET}",
        "upstream: {base_url: env:SECRET, connect_to: env:SECRET}",
        "listen: {host: env:SECRET, public_url: env:SECRET}",
        "tracing: env:SECRET",
        "env:SECRET",
    ],
)
@pytest.mark.parametrize("secret", ["hunter2 55", "55 hours", "drives", "hunter2/x"])
def test_problem_never_shows_what_a_reference_supplied(text: str, secret: str) -> None:
    problem = told(text, SECRET=secret)
    assert secret not in problem
    assert "55h" not in problem
    assert "did you mean" not in problem


def test_problem_names_the_reference_instead() -> None:
    assert told("wait:\n  max: env:MAX\n", MAX="soon") == (
        "gw.yaml:2:8: wait.max: must be a duration, not the value of env:MAX; "
        "write 500ms, 55s, 15m, 24h or a number of seconds"
    )


def test_referred_text_does_not_show_itself() -> None:
    assert repr(Referred("hunter2", "env:X")) == "the value of env:X"
