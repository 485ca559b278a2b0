"""Replacing the replicas, as Kubernetes would: what the old one follows, the new one answers for."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from acceptance.command import PATIENCE
from acceptance.pod import Answer, Graph
from fakes.papers import Papers

from deploy.shipped import (
    IMAGE_COMMAND,
    Running,
    config_of,
    free_port,
    kinds,
    launched,
    moved,
    redis_server,
    simulated,
    tool,
    with_free_ports,
)

COPY = "/v1.0/me/drive/root:/video.mp4:/copy"
KEY = "0123456789abcdef" * 4


@dataclass
class Cluster:
    """Redis as it is shipped, and as many replicas on it as somebody starts."""

    folder: Path
    graph: Graph
    text: str
    trust: ssl.SSLContext
    running: ExitStack
    replicas: list[Running] = field(default_factory=list)

    def replica(self) -> Running:
        file = self.folder / f"gateway-{len(self.replicas)}.yaml"
        self.replicas.append(self.running.enter_context(launched(file, IMAGE_COMMAND, self.text)))
        return self.replicas[-1]

    def ask(self, replica: Running, method: str, target: str, body: str = "", *, key: str = KEY) -> Answer:
        given = {
            "Authorization": "Bearer sim-ana",
            "Content-Type": "application/json",
            "Gateway-Key": key,
            "Simulate": "duration=2s",
        }
        connection = http.client.HTTPSConnection(
            "127.0.0.1", replica.port, timeout=PATIENCE, context=self.trust
        )
        with closing(connection):
            connection.request(method, target, body, given)
            reply = connection.getresponse()
            headers = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, headers, reply.read())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    authority = Papers(tmp_path, "house")
    paper = authority.issue("gateway", addresses=["127.0.0.1"])
    (tmp_path / "tls.crt").write_bytes(paper.certificate.read_bytes())
    (tmp_path / "tls.key").write_bytes(paper.key.read_bytes())
    port, password = free_port(), "a1b2c3"
    (tmp_path / "caller-key").write_text(KEY, "utf-8")
    (tmp_path / "encryption-key").write_text(tool("openssl", "rand", "-base64", "32"), "utf-8")
    (tmp_path / "redis-url").write_text(f"redis://:{password}@127.0.0.1:{port}/0", "utf-8")
    (tmp_path / "auth.conf").write_text(f"requirepass {password}\n", "utf-8")
    (tmp_path / "redis.conf").write_text(
        moved(shipped_redis(), {"/data": tmp_path, "/etc/redis-auth": tmp_path})
        .replace("port 6379", f"port {port}")
        .replace("bind * -::*", "bind 127.0.0.1"),
        "utf-8",
    )
    (redis,) = kinds("replicas", "StatefulSet")[0]["spec"]["template"]["spec"]["containers"]
    words = [moved(word, {"/etc/redis": tmp_path}) for word in redis["command"]]
    places = {"/etc/lro-gateway-tls": tmp_path, "/etc/lro-gateway-secrets": tmp_path}
    with ExitStack() as running:
        graph = running.enter_context(Graph())
        running.enter_context(redis_server(words, port, password))
        text = with_free_ports(moved(config_of("replicas"), places), simulated(graph.url))
        yield Cluster(tmp_path, graph, text, authority.client(), running)


def shipped_redis() -> str:
    (text,) = [
        one["data"]["redis.conf"] for one in kinds("replicas", "ConfigMap") if "redis.conf" in one["data"]
    ]
    return str(text)


def test_a_replica_that_stops_hands_over_what_it_follows(cluster: Cluster) -> None:
    old, new = cluster.replica(), cluster.replica()
    assert cluster.ask(old, "GET", "/v1.0/me", key="x" * 64).status == 401
    answers: list[Answer] = []
    body = '{"name": "rolled.mp4"}'
    caller = threading.Thread(target=lambda: answers.append(cluster.ask(old, "POST", COPY, body)))
    caller.start()
    old.command.event("operation_accepted")

    assert old.command.stop() == 0
    caller.join(PATIENCE)
    (at_the_bound,) = answers
    assert at_the_bound.status == 303
    assert new.command.event("operation_taken_over")
    answer = cluster.ask(new, "GET", at_the_bound.headers["location"])
    assert (answer.status, answer.json["name"]) == (200, "rolled.mp4")
    assert cluster.graph.effects("rolled.mp4") == 1
    assert new.command.stop() == 0
