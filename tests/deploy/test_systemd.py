"""The unit of systemd: its own tools accept it, and the gateway runs as it says."""

import os
import re
import shlex
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from acceptance.command import PATIENCE, ended
from acceptance.pod import Graph

from deploy.shipped import DEPLOY, Running, launched, moved, read_yaml, simulated, tool, with_free_ports
from gateway.config import Config
from gateway.config.units import Seconds
from gateway.telemetry.supervisor import supervisors

UNIT = DEPLOY / "systemd" / "lro-gateway.service"
CONFIG = DEPLOY / "systemd" / "gateway.yaml"
SAID: dict[str, str] = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE))
"""Of a key that stands twice, the last."""

PROGRAM = "/opt/lro-gateway/bin/lro-gateway"
WORST = 20
"""Of `systemd-analyze security`, in tenths: 0 is a service that can do nothing, 100 one that can do everything."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit on a machine on which the program is there."""
    (tmp_path / "lro-gateway").write_text("#!/bin/sh\n", "utf-8")
    (tmp_path / "lro-gateway").chmod(0o755)
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text("utf-8").replace(PROGRAM, str(tmp_path / "lro-gateway")), "utf-8")
    return file


def test_systemd_has_nothing_against_it(unit: Path) -> None:
    assert tool("systemd-analyze", "verify", "--man=no", str(unit)) == ""


def test_systemd_would_find_something(unit: Path) -> None:
    unit.write_text(unit.read_text("utf-8").replace("[Service]", "[Service]\nNoSuchKey=yes"), "utf-8")
    assert "NoSuchKey" in tool("systemd-analyze", "verify", "--man=no", str(unit))


def test_it_leaves_little_of_the_machine_within_reach(unit: Path) -> None:
    told = tool(
        "systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={WORST}", str(unit)
    )
    (level,) = re.findall(r"Overall exposure level for lro-gateway.service: ([\d.]+)", told)
    assert float(level) * 10 <= WORST


def test_times_and_paths_agree_with_the_product() -> None:
    defaults = Config.default()
    assert Seconds(0, 3600).read(SAID["TimeoutStopSec"]) > defaults.shutdown.grace + 1
    assert int(SAID["LimitNOFILE"]) > 2 * defaults.limits.connections
    state = f"/var/lib/{SAID['StateDirectory']}"
    data = read_yaml(CONFIG.read_text("utf-8"))
    assert data["operations"]["path"] == f"{state}/operations.db"
    assert SAID["WorkingDirectory"] == state
    name, place = SAID["LoadCredential"].split(":")
    assert data["operations"]["encryption_key"] == f"file:/run/credentials/{UNIT.name}/{name}"
    assert place in CONFIG.read_text("utf-8")
    assert shlex.split(SAID["ExecStart"]) == [PROGRAM, "run", "--config", "/etc/lro-gateway/gateway.yaml"]


# --- run for real ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Graph() as simulated_graph:
        yield simulated_graph


@contextmanager
def notified(folder: Path) -> Iterator[socket.socket]:
    """The socket at which systemd would hear the service."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(folder / "notify"))
        listener.settimeout(PATIENCE)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    return listener.recv(4096).decode().splitlines()


def shipped_config(folder: Path, graph: Graph) -> str:
    """The configuration, with the directories of the service in `folder`."""
    (folder / "encryption-key").write_text(tool("openssl", "rand", "-base64", "32"), "utf-8")
    places = {"/var/lib/lro-gateway": folder, f"/run/credentials/{UNIT.name}": folder}
    return with_free_ports(moved(CONFIG.read_text("utf-8"), places), simulated(graph.url))


@contextmanager
def service(folder: Path, graph: Graph, **env: str) -> Iterator[Running]:
    words = shlex.split(SAID["ExecStart"])[1:]
    name, _, value = SAID["Environment"].partition("=")
    with launched(
        folder / "gateway.yaml", words, shipped_config(folder, graph), {name: value, **env}
    ) as gateway:
        yield gateway


def test_it_says_when_it_takes_calls_what_became_of_a_reload_and_when_it_stops(
    tmp_path: Path, graph: Graph
) -> None:
    with (
        notified(tmp_path) as systemd,
        service(tmp_path, graph, NOTIFY_SOCKET=str(tmp_path / "notify")) as gateway,
    ):
        ready = heard(systemd)
        assert ready == ["READY=1", f"STATUS=takes calls at {gateway.address}, operators at {gateway.admin}"]
        with urllib.request.urlopen(f"http://{gateway.admin}/readyz", timeout=PATIENCE) as reply:
            assert reply.status == 200

        reload = SAID["ExecReload"].replace("$MAINPID", str(gateway.command.pid))
        file = tmp_path / "gateway.yaml"
        good = file.read_text("utf-8")
        file.write_text("no: such key\n", "utf-8")
        subprocess.run(shlex.split(reload), check=True, timeout=PATIENCE)
        assert heard(systemd) == [f"{ready[1]}; the last reload was refused, the log says why"]
        file.write_text(good, "utf-8")
        subprocess.run(shlex.split(reload), check=True, timeout=PATIENCE)
        assert heard(systemd) == [ready[1]]

        found = {file.name for file in tmp_path.iterdir()} - {"gateway.yaml", "encryption-key", "notify"}
        assert "operations.db" in found, "what it remembers is in its directory"
        assert all(name.startswith("operations.db") for name in found), "and nothing else"
        assert gateway.command.stop(signal.SIGTERM) == 0
        assert heard(systemd) == ["STOPPING=1", "STATUS=stopping, 0 calls are held"]


def test_a_name_in_the_abstract_namespace_will_do() -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        name = f"lro-gateway-test-{os.getpid()}"
        listener.bind(f"\0{name}")
        listener.settimeout(PATIENCE)
        (systemd,) = supervisors({"NOTIFY_SOCKET": f"@{name}"})
        systemd.event("listening", address="127.0.0.1:1", admin="127.0.0.1:2")
        assert heard(listener)[0] == "READY=1"


def test_a_supervisor_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    (systemd,) = supervisors({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    systemd.event("stopping", held=0)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_socket_there_is_nobody_to_tell(environ: dict[str, str]) -> None:
    assert supervisors(environ) == []


def test_a_wrong_configuration_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("no: such key\n", "utf-8")
    assert ended("run", "--config", tmp_path / "gateway.yaml").code == int(SAID["RestartPreventExitStatus"])
