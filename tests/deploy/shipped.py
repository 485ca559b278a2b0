"""What deploy/ holds, as the tools that operators use read it; and gateways started as it says.

    rendered = manifests("sidecar")
    with launched(tmp_path / "gateway.yaml", words, with_free_ports(config_of("sidecar"), simulated(graph.url))) as gateway: ...

Rules: a path of a pod, a container or a service is moved into the test's directory, a port to a free one, and Graph is
the simulator; nothing else of a shipped configuration changes. A tool that is missing fails: `make test` installs it.
"""

import io
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import redis
from acceptance.command import PATIENCE, Command, environment
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

IMAGE_COMMAND = ["run", "--config", "/etc/lro-gateway/gateway.yaml"]
"""What the image runs, if it is not told otherwise; test_image.py holds the Dockerfile to it."""
IMAGE_USER = 65532

Manifest = dict[str, Any]


def tool(
    *words: str, cwd: Path | None = None, fails: bool = False, env: Mapping[str, str] | None = None
) -> str:
    """What a tool says on both its outputs; `fails`: it is expected to refuse."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def read_yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def write_yaml(data: object) -> str:
    written = io.StringIO()
    YAML(typ="safe", pure=True).dump(data, written)
    return written.getvalue()


@cache
def manifests(name: str) -> tuple[Manifest, ...]:
    """What `kubectl apply -k deploy/kubernetes/NAME` would send."""
    rendered = tool("kubectl", "kustomize", str(DEPLOY / "kubernetes" / name))
    return tuple(YAML(typ="safe", pure=True).load_all(rendered))


def kinds(name: str, kind: str) -> list[Manifest]:
    return [one for one in manifests(name) if one["kind"] == kind]


def config_of(name: str) -> str:
    """The gateway's configuration of a kustomization."""
    (text,) = [
        one["data"]["gateway.yaml"] for one in kinds(name, "ConfigMap") if "gateway.yaml" in one["data"]
    ]
    return str(text)


def moved(text: str, places: Mapping[str, Path]) -> str:
    for place, here in places.items():
        text = text.replace(place, str(here))
    return text


def with_free_ports(text: str, given: Mapping[str, Any]) -> str:
    """A shipped configuration on loopback and free ports, with more sections or keys; paths are moved already."""
    data = read_yaml(text)
    for section, more in {"listen": {}, "admin": {}, **given}.items():
        data[section] = {**(data.get(section) or {}), **more}
    for section in ("listen", "admin"):
        data[section] |= {"host": "127.0.0.1", "port": 0}
    return write_yaml(data)


def simulated(url: str) -> dict[str, Any]:
    """Settings for a simulated Graph in the place of Microsoft's."""
    return {
        "upstream": {"base_url": url},
        "monitor": {"allowed_hosts": ["127.0.0.1"], "allow_private": True, "allow_http": True},
        "polling": {"first_delay": "50ms", "min_interval": "50ms"},
    }


class Running:
    """A gateway that takes calls."""

    def __init__(self, command: Command) -> None:
        self.command = command
        listening = command.event("listening")
        self.address, self.admin = str(listening["address"]), str(listening["admin"])

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def admin_port(self) -> int:
        return int(self.admin.rpartition(":")[2])


@contextmanager
def launched(
    file: Path, words: Sequence[str], text: str, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A gateway run by these words, whose configuration is this text, in this file."""
    file.write_text(text, "utf-8")
    place = words[words.index("--config") + 1]
    with Command(*[str(file) if word == place else word for word in words], env=env) as command:
        yield Running(command)


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def redis_server(
    words: Sequence[str], port: int, password: str, env: Mapping[str, str] | None = None
) -> Iterator[redis.Redis]:
    """A Redis run by these words, and a client that knows its password."""
    process = subprocess.Popen(
        words,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                break
        else:
            raise AssertionError(f"it did not start:\n{''.join(said)}")
        with closing(redis.Redis(port=port, password=password)) as client:
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
