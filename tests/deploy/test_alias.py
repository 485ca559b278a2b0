"""The recipe for clients whose base URL cannot be changed: https://graph.microsoft.com is the gateway, and Graph is past it.

What the pod's hosts file does there, curl's `--connect-to` does here; the real Graph is the simulator behind TLS with a
certificate of that name, from an authority that stands for the system's.
"""

import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from acceptance.command import curl
from acceptance.pod import Graph
from fakes.papers import Papers

from deploy.shipped import (
    IMAGE_COMMAND,
    ROOT,
    Running,
    config_of,
    launched,
    moved,
    simulated,
    tool,
    with_free_ports,
)

NAME = "graph.microsoft.com"
COPY = f"https://{NAME}/v1.0/me/drive/root:/hello.txt:/copy"
SENT = ("-H", "Authorization: Bearer sim-ana", "-H", "Content-Type: application/json")


class TlsFront:
    """Takes TLS connections and passes what comes on to a plain port."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._inner = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.names: list[str | None] = []
        """What clients called the server (SNI)."""
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._connected, args=self._listener.accept()[:1], daemon=True
                ).start()

    def _connected(self, raw: socket.socket) -> None:
        with (
            suppress(OSError),
            self._context.wrap_socket(raw, server_side=True) as outer,
            socket.create_connection(("127.0.0.1", self._inner)) as inner,
        ):
            back = threading.Thread(target=_pump, args=(inner, outer), daemon=True)
            back.start()
            _pump(outer, inner)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    with Graph() as simulated_graph:
        yield simulated_graph


@pytest.fixture
def front(tmp_path: Path, graph: Graph) -> Iterator[tuple[TlsFront, Papers]]:
    """Graph at its own name, and who vouches for it."""
    world = Papers(tmp_path, "world")
    paper = world.issue("graph", hosts=[NAME])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paper.certificate, paper.key)
    server = TlsFront(context, int(graph.url.rpartition(":")[2]))
    yield server, world
    server.close()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The operator's authority; the papers of its gateway are where the Secret would put them. Made as the page says."""
    page = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    (commands,) = re.findall(r"^```sh\n(openssl req .*?)^```$", page, re.MULTILINE | re.DOTALL)
    tool("sh", "-e", "-c", commands, cwd=tmp_path)
    return tmp_path / "ca.crt"


@pytest.fixture
def gateway(tmp_path: Path, graph: Graph, front: tuple[TlsFront, Papers], own: Path) -> Iterator[Running]:
    server, world = front
    text = moved(
        config_of("graph-alias"), {"/etc/lro-gateway-tls": tmp_path, "/var/lib/lro-gateway": tmp_path}
    )
    text = text.replace("connect_to: graph-upstream:443", f"connect_to: 127.0.0.1:{server.port}")
    given = simulated("") | {"upstream": {"ca_file": str(world.file)}, "wait": {"max": "500ms"}}
    with launched(tmp_path / "gateway.yaml", IMAGE_COMMAND, with_free_ports(text, given)) as running:
        yield running


def test_the_client_calls_graph_and_gets_the_item(
    gateway: Running, graph: Graph, front: tuple[TlsFront, Papers], own: Path
) -> None:
    alias = ("--connect-to", f"{NAME}:443:127.0.0.1:{gateway.port}", "--cacert", str(own))
    done = curl(*alias, "-L", *SENT, "-d", '{"name": "aliased.txt"}', COPY)
    assert json.loads(done.stdout)["name"] == "aliased.txt"
    assert graph.effects("aliased.txt") == 1
    assert set(front[0].names) == {NAME}
    hosts = [dict(asked["headers"])["Host"] for asked in graph.posts("Bearer sim-ana")]
    assert set(hosts) == {NAME}
    assert gateway.command.event("call")["route"] == "hold"


def test_a_redirect_leads_back_to_the_same_name(gateway: Running, own: Path) -> None:
    alias = ("--connect-to", f"{NAME}:443:127.0.0.1:{gateway.port}", "--cacert", str(own))
    slow = ("-H", "Simulate: duration=2s")
    said = ("-o", "/dev/null", "-w", "%{num_redirects} %{url_effective} %{http_code}")
    done = curl(*alias, "-L", *slow, *SENT, *said, "-d", '{"name": "later.txt"}', COPY)
    redirects, url, status = done.stdout.split()
    assert int(redirects) >= 1
    assert url.startswith(f"https://{NAME}/_gateway/")
    assert status == "200"
