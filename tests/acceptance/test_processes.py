"""Simulator and gateway as processes of their own, as in a pod, with the clients that people use."""

import http.client
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from acceptance.command import PATIENCE, Command, curl, environment

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
AUTHORIZATION = "Bearer sim-ana"
QUICK = "polling: {first_delay: 50ms, min_interval: 50ms, max_interval: 300ms}\n"
SETTINGS = """\
listen: {port: 0}
admin: {port: 0}
monitor: {allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true}
"""

Made = tuple[int, dict[str, Any]]
Client = Callable[[str, str, Mapping[str, str]], Made]
"""Base URL, the new name and more headers in; the status after all redirects, and the body."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """Its base URL."""
    words = ("simulate", "--port", "0", "--monitor-port", "0", "--duration", "300ms", "--speed", "0")
    with Command(*words) as command:
        yield command.line("Graph ").split()[1].removesuffix("/v1.0")
        assert command.stop() == 0
        assert "Wrong    0 violations" in command.out, command.told


@contextmanager
def running(folder: Path, settings: str) -> Iterator[tuple[Command, str, str]]:
    """A gateway process with the base URLs of its listeners."""
    file = folder / "gateway.yaml"
    file.write_text(SETTINGS + settings, encoding="utf-8")
    with Command("run", "--config", file) as command:
        listening = command.event("listening")
        yield command, f"http://{listening['address']}", f"http://{listening['admin']}"


@pytest.fixture(scope="module")
def gateway(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a gateway that holds a call for a second."""
    settings = f"upstream: {{base_url: '{simulator}'}}\nwait: {{max: 1s}}\n{QUICK}"
    with running(tmp_path_factory.mktemp("gateway"), settings) as (command, url, _):
        yield url
        assert command.stop() == 0


# --- clients ---------------------------------------------------------------------------------------------


def by_curl(base: str, name: str, headers: Mapping[str, str]) -> Made:
    given = {"Authorization": AUTHORIZATION, "Content-Type": "application/json", **headers}
    lines = [word for key, value in given.items() for word in ("-H", f"{key}: {value}")]
    done = curl("-L", *lines, "-d", json.dumps({"name": name}), "-w", "\n%{http_code}", base + SOURCE)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def by_requests(base: str, name: str, headers: Mapping[str, str]) -> Made:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(
            base + SOURCE,
            json={"name": name},
            headers={"Authorization": AUTHORIZATION, **headers},
            timeout=PATIENCE,
        )
        return reply.status_code, reply.json()


def by_http_client(base: str, name: str, headers: Mapping[str, str]) -> Made:
    """The standard library's client follows nothing by itself: here is what its user would write."""
    given = {"Authorization": AUTHORIZATION, "Content-Type": "application/json", **headers}
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE)) as connection:
        connection.request("POST", SOURCE, json.dumps({"name": name}), given)
        reply = connection.getresponse()
        while reply.status == 303:
            reply.read()
            connection.request("GET", reply.headers["Location"], headers={"Authorization": AUTHORIZATION})
            reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


CLIENTS = [by_curl, by_requests, by_http_client]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_copy_is_one_call(gateway: str, client: Client) -> None:
    name = f"plain {client.__name__}.txt"
    status, item = client(gateway, name, {})
    assert (status, item["name"]) == (200, name)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_copy_that_outlasts_the_hold_is_one_call_too(gateway: str, simulator: str, client: Client) -> None:
    name = f"long {client.__name__}.txt"
    status, item = client(gateway, name, {"Simulate": "duration=2500ms"})
    assert (status, item["name"]) == (200, name)
    assert effects(simulator)[f"ana:/{name}"] == 1


def effects(simulator: str) -> dict[str, int]:
    summary = ask(simulator, "GET", "/_simulator/summary")
    return dict(json.loads(summary.body)["effects"])


class Reply:
    """One answer, read to its end."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.body = reply.read()


def ask(base: str, method: str, target: str, body: object = None) -> Reply:
    """One request, no redirects."""
    headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE)) as connection:
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        return Reply(connection.getresponse())


# --- the simulator's own process -------------------------------------------------------------------------


def test_the_call_that_the_simulator_shows_works_as_shown() -> None:
    with Command("simulate", "--port", "0", "--monitor-port", "0", "--duration", "0") as command:
        shown = command.line("Try ").removeprefix("Try").strip()
        done = subprocess.run(
            ["sh", "-c", shown],
            env=environment(NO_PROXY="*"),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        assert done.stdout.startswith("HTTP/1.1 202 Accepted"), done.stdout
        assert "Location: http://127.0.0.1:" in done.stdout
        assert command.stop(signal.SIGINT) == 0
        assert "Jobs     1 started, 1 finished, 0 failed" in command.out, command.told


def test_the_simulator_takes_names_and_scripts(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("rules: [{fault: '503(7)'}]\n", encoding="utf-8")
    words = ("simulate", "--port", "0", "--monitor-port", "0", "--name", "localhost", "--script", script)
    with Command(*words) as command:
        graph = command.line("Graph ").split()[1].removesuffix("/v1.0")
        assert graph.startswith("http://localhost:")
        assert command.line("Monitors ").split()[1].startswith("http://localhost:")
        command.line("Tokens ")
        reply = ask(graph.replace("localhost", "127.0.0.1"), "POST", SOURCE, {"name": "x.txt"})
        assert (reply.status, reply.headers["Retry-After"]) == (503, "7")
        assert command.stop() == 0


# --- stopping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_with_nothing_to_do_stops_at_once(
    simulator: str, tmp_path: Path, number: signal.Signals
) -> None:
    with running(tmp_path, f"upstream: {{base_url: '{simulator}'}}\n") as (command, url, _):
        assert ask(url, "GET", "/v1.0/me/drive").status == 200
        assert command.stop(number) == 0
        assert [json.loads(line)["event"] for line in command.out][-2:] == ["stopping", "stopped"]


@pytest.mark.parametrize(("on_timeout", "status"), [("redirect", 303), ("accepted", 202), ("error", 504)])
def test_a_gateway_that_stops_answers_the_calls_that_it_holds(
    simulator: str, tmp_path: Path, on_timeout: str, status: int
) -> None:
    settings = f"upstream: {{base_url: '{simulator}'}}\nwait: {{on_timeout: {on_timeout}}}\n{QUICK}"
    replies: list[Reply] = []
    with running(tmp_path, settings) as (command, url, _):

        def call(name: str) -> None:
            target = f"/v1.0/me/drive/root:/archive.tar:/copy?on={on_timeout}"
            replies.append(ask(url, "POST", target, {"name": name}))

        asked(simulator, "POST", "/_simulator/faults", {"duration": "1h", "match": {"path": "archive"}})
        callers = [
            threading.Thread(target=call, args=(f"{on_timeout} {n}.tar",), daemon=True) for n in range(2)
        ]
        for caller in callers:
            caller.start()
        operations = {command.event("operation_accepted")["operation"] for _ in callers}
        assert command.stop() == 0
        for caller in callers:
            caller.join(PATIENCE)
    assert [reply.status for reply in replies] == [status, status], command.told
    assert {reply.headers["Gateway-Operation"] for reply in replies} == operations
    if status != 504:
        assert all("/_gateway/operations/" in reply.headers["Location"] for reply in replies)
    else:
        assert all(1 <= int(reply.headers["Retry-After"]) <= 5 for reply in replies)
    assert json.loads(command.out[-1])["event"] == "stopped"


def asked(base: str, method: str, target: str, body: object) -> None:
    assert ask(base, method, target, body).status == 200


# --- an upstream that is not there -----------------------------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def test_a_gateway_without_upstream_starts_says_so_and_answers(nobody: int, tmp_path: Path) -> None:
    with running(tmp_path, f"upstream: {{base_url: 'http://127.0.0.1:{nobody}'}}\n") as (command, url, admin):
        warning = command.event("upstream_unreachable")
        assert warning["level"] == "warning"
        assert warning["upstream"] == f"http://127.0.0.1:{nobody}"
        assert warning["reason"] == "connection_refused"
        assert "upstream.base_url" in warning["hint"]
        assert ask(admin, "GET", "/readyz").status == 200

        passed = ask(url, "GET", "/v1.0/me")
        assert (passed.status, json.loads(passed.body)["error"]["code"]) == (502, "badGateway")
        assert passed.headers["Proxy-Status"] == "lro-gateway; error=connection_refused"
        held = ask(url, "POST", SOURCE, {"name": "x.txt"})
        assert (held.status, json.loads(held.body)["error"]["code"]) == (503, "serviceNotAvailable")
        assert int(held.headers["Retry-After"]) > 0
        assert command.stop() == 0


def test_a_gateway_does_not_complain_about_an_upstream_that_is_there(simulator: str, tmp_path: Path) -> None:
    with running(tmp_path, f"upstream: {{base_url: '{simulator}'}}\n") as (command, url, _):
        assert ask(url, "GET", "/v1.0/me/drive").status == 200
        assert command.stop() == 0
        assert not any("upstream_unreachable" in line for line in command.out), command.told
