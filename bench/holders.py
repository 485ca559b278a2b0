"""Who holds copies: the gateway as shipped, and what people would write or configure in its place.

Each asks a monitor once a second. `start` gives a program on the proxy's core that listens on `port` and has `graph`
for its upstream.

What it must not do: tune the gateway. Its configuration names the ports, lets plain http on loopback in for the fake
Graph's sake, and, where all are to poll alike, says `1s` for the three intervals.
"""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.graph import Graph
from bench.machine import HOST, PROXY_CORE, Failed, Program, free_port
from bench.peers import HERE, filled

EACH_SECOND = "polling: {first_delay: 1s, min_interval: 1s, max_interval: 1s}\n"
MODULE = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a holder works."""

    folder: Path
    port: int
    graph: Graph
    front: int | None = None
    """The port of what stands in front of the fake Graph."""
    core: int = PROXY_CORE

    @property
    def upstream(self) -> int:
        return self.graph.port if self.front is None else self.front


def ours(place: Place, *, polling: str = EACH_SECOND) -> Program:
    """`lro-gateway run` with its defaults, the log in a file."""
    papers = place.graph.papers
    ca_file = f", ca_file: {papers.authority}" if papers else ""
    config = place.folder / "gateway.yaml"
    config.write_text(
        f"listen: {{port: {place.port}}}\n"
        f"admin: {{port: {free_port()}}}\n"
        f'upstream: {{base_url: "http://{HOST}:{place.upstream}"}}\n'
        f"monitor: {{allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true{ca_file}}}\n{polling}",
        encoding="utf-8",
    )
    command: list[str | Path] = [Path(sys.executable).parent / "lro-gateway", "run", "--config", config]
    return Program("ours", command, core=place.core, log=place.folder / "ours.log", life=120)


def _aiohttp(place: Place, *more: str) -> Program:
    upstream = f"http://{HOST}:{place.upstream}"
    command: list[str | Path] = [sys.executable, HERE / "holder.py", str(place.port), upstream, *more]
    if place.graph.papers is not None:
        command += ["--ca", place.graph.papers.authority]
    return Program("aiohttp", command, core=place.core, log=place.folder / "holder.log", life=120)


def plain(place: Place) -> Program:
    return _aiohttp(place)


def tuned(place: Place) -> Program:
    return _aiohttp(place, "--tuned")


def lua(place: Place) -> Program:
    nginx = shutil.which("nginx")
    if nginx is None or not MODULE.exists():
        raise Failed("nginx with Lua is missing: apt-get install nginx libnginx-mod-http-lua")
    papers = place.graph.papers
    values = {
        "PORT": place.port,
        "UPSTREAM": place.upstream,
        "FOLDER": place.folder,
        "LUA": HERE / "holder.lua",
        "TRUST": f"lua_ssl_trusted_certificate {papers.authority};" if papers else "",
    }
    config = filled(HERE / "holder.conf", place.folder / "nginx.conf", values)
    command: list[str | Path] = [nginx, "-p", place.folder, "-e", place.folder / "error.log", "-c", config]
    return Program("lua", command, core=place.core, log=place.folder / "nginx.log", life=120)


HOLDERS: Mapping[str, Callable[[Place], Program]] = {
    "ours": ours,
    "nginx_lua": lua,
    "naive": plain,
    "tuned": tuned,
}
CALLED = {
    "ours": "**lro-gateway**",
    "nginx_lua": "nginx + Lua (cosockets)",
    "naive": "plain aiohttp",
    "tuned": "aiohttp, tuned",
}
