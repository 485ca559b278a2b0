"""The compose file: a compose tool takes it, and its services run as it says."""

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from acceptance.command import PATIENCE, Command, curl, environment, words
from acceptance.pod import Graph

from deploy.shipped import (
    DEPLOY,
    IMAGE_COMMAND,
    IMAGE_USER,
    free_port,
    launched,
    read_yaml,
    redis_server,
    simulated,
    tool,
    with_free_ports,
)
from gateway import __version__
from gateway.config import Config, load

FOLDER = DEPLOY / "compose"
SECRETS = {"REDIS_PASSWORD": "a1b2c3", "ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
GATEWAYS = {"gateway": "gateway.yaml", "trial": "trial.yaml"}
COPY = "/v1.0/me/drive/root:/hello.txt:/copy"

each = pytest.mark.parametrize("name", GATEWAYS)


def compose(*words: str, env: Mapping[str, str], fails: bool = False) -> str:
    """What the compose tool of this machine says: Docker's plugin, or the program of its own."""
    plugin = ["docker", "compose", "version"]
    try:
        with_docker = subprocess.run(
            plugin, env=environment(), capture_output=True, check=False, timeout=PATIENCE
        )
        program = ["docker", "compose"] if with_docker.returncode == 0 else ["docker-compose"]
    except FileNotFoundError:
        program = ["docker-compose"]
    # Not the reader's own .env, with which the test would say something else.
    return tool(*program, "--env-file", "env.example", *words, cwd=FOLDER, fails=fails, env=env)


@cache
def services() -> dict[str, Any]:
    """All of them, as the tool understands them."""
    said: dict[str, Any] = read_yaml(compose("--profile", "trial", "config", env=SECRETS))["services"]
    return said


def config(name: str) -> Config:
    env = {**SECRETS, "REDIS_URL": services()["gateway"]["environment"]["REDIS_URL"]}
    return load(FOLDER / GATEWAYS[name], env)


# --- other people's tools --------------------------------------------------------------------------------


def test_a_compose_tool_takes_it() -> None:
    assert set(services()) == {"gateway", "redis", "simulator", "trial"}
    assert {name for name, one in services().items() if one.get("profiles") == ["trial"]} == {
        "simulator",
        "trial",
    }


@pytest.mark.parametrize("missing", SECRETS)
def test_it_does_not_start_without_its_secrets(missing: str) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    assert "make one with openssl rand" in compose("config", fails=True, env=given)
    assert f"\n{missing}=\n" in (FOLDER / "env.example").read_text("utf-8")


@each
def test_check_config_takes_the_configuration(name: str) -> None:
    tool(
        *words("check-config", FOLDER / GATEWAYS[name]),
        env={**SECRETS, "REDIS_URL": "redis://:a@redis:6379/0"},
    )


# --- it agrees with the product --------------------------------------------------------------------------


@each
def test_what_is_published_is_what_the_gateway_listens_on(name: str) -> None:
    one = services()[name]
    (port,) = one["ports"]
    published = port if isinstance(port, str) else f"{port['host_ip']}:{port['published']}:{port['target']}"
    host, _, inside = published.removesuffix("/tcp").split(":")
    assert (host, int(inside)) == ("127.0.0.1", config(name).listen.port)
    assert config(name).listen.host == "0.0.0.0"
    # The image's health check asks here.
    assert (config(name).admin.host, config(name).admin.port) == ("127.0.0.1", 9901)


@each
def test_the_gateways_are_this_version_with_the_file_beside(name: str) -> None:
    one = services()[name]
    assert one["image"] == f"lro-gateway:{__version__}"
    assert "command" not in one
    (volume,) = one["volumes"]
    source, target = (
        volume.split(":")[:2] if isinstance(volume, str) else (volume["source"], volume["target"])
    )
    assert Path(source) == FOLDER / GATEWAYS[name]
    assert target == IMAGE_COMMAND[-1]


def test_no_container_may_do_more_than_it_must() -> None:
    for name, one in services().items():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["user"].split(":")[0] == ("999" if name == "redis" else str(IMAGE_USER))
        assert one["mem_limit"]
    assert "ports" not in services()["redis"]
    assert set(services()["redis"]["networks"]) == {"store"}


@each
def test_docker_waits_longer_than_the_gateway(name: str) -> None:
    assert int(services()[name]["stop_grace_period"].removesuffix("s")) >= config(name).shutdown.grace + 5


# --- run for real ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Graph() as simulated_graph:
        yield simulated_graph


def copied(url: str, name: str) -> str:
    """Copies by curl, as the page says; the status."""
    said = ("-H", "Authorization: Bearer sim-ana", "-H", "Content-Type: application/json")
    return curl(
        "-L", "-o", "/dev/null", "-w", "%{http_code}", *said, "-d", f'{{"name": "{name}"}}', url + COPY
    ).stdout


def test_the_gateway_remembers_in_the_redis_of_the_file(tmp_path: Path, graph: Graph) -> None:
    port = free_port()
    shell, option, script = [word.replace("$$", "$") for word in services()["redis"]["command"]]
    script = script.replace("dir /data", f"dir {tmp_path}").replace("port 6379", f"port {port}")
    password = {"REDIS_PASSWORD": SECRETS["REDIS_PASSWORD"]}
    with redis_server([shell, option, script], port, SECRETS["REDIS_PASSWORD"], password) as redis:
        healthy = (
            services()["redis"]["healthcheck"]["test"][1]
            .replace("$$", "$")
            .replace("redis-cli", f"redis-cli -p {port}")
        )
        assert tool("sh", "-c", healthy, env=password) == ""
        tool("sh", "-c", healthy, env={"REDIS_PASSWORD": "wrong"}, fails=True)
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

        given = services()["gateway"]["environment"]
        env = {**given, "REDIS_URL": given["REDIS_URL"].replace("redis:6379", f"127.0.0.1:{port}")}
        text = with_free_ports((FOLDER / "gateway.yaml").read_text("utf-8"), simulated(graph.url))
        with launched(tmp_path / "gateway.yaml", IMAGE_COMMAND, text, env) as gateway:
            assert copied(f"http://{gateway.address}", "composed.txt") == "200"
            assert redis.keys("lro-gateway:*")
            assert gateway.command.stop() == 0
        # It is what Redis was told, and nothing that the server has by itself.
        assert list(tmp_path.glob("appendonlydir/*.aof"))
    assert graph.effects("composed.txt") == 1


def test_the_trial_copies_at_the_simulator(tmp_path: Path) -> None:
    told = services()["simulator"]["command"]
    assert told[:2] == ["simulate", "--host"]
    assert config("trial").upstream.base_url == f"http://{told[told.index('--name') + 1]}:8901"
    here = [word.replace("0.0.0.0", "127.0.0.1").replace("simulator", "localhost") for word in told]
    with Command(*here, "--port", "0", "--monitor-port", "0") as simulator:
        graph = simulator.line("Graph ").split()[1].removesuffix("/v1.0")
        assert graph.startswith("http://localhost:")
        trial = (FOLDER / "trial.yaml").read_text("utf-8")
        trial = trial.replace("http://simulator:8901", graph).replace("[simulator]", "[localhost]")
        with_json = with_free_ports(trial, {"log": {"format": "json"}})
        with launched(tmp_path / "gateway.yaml", IMAGE_COMMAND, with_json) as gateway:
            assert copied(f"http://{gateway.address}", "tried.txt") == "200"
            assert gateway.command.stop() == 0


def test_the_page_tries_the_port_that_is_published() -> None:
    page = (DEPLOY.parent / "docs" / "deploying.md").read_text("utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("curl") and ":8900/" in line]
    assert shlex.split(line.rstrip("\\"))[2].startswith("http://127.0.0.1:8900" + COPY)
