"""The upstreams: nginx for small calls, alone or in front of the fake Graph, and a program of our own for large bodies,
which counts every byte.

What it must not do: be slower than what stands before it, or the proxies would look alike.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bench.call import ANSWERED, BODY, CONTENT_TYPE, SENT, Place
from bench.certificates import Papers
from bench.machine import HOST, LOAD_CORE, Failed, Program, free_port
from bench.peers import HERE, filled, nginx_tls


@dataclass(frozen=True, slots=True)
class Small:
    """Answers small calls, and knows how many connections it has taken."""

    place: Place
    status_port: int

    def accepted(self) -> tuple[int, int]:
        """Connections and requests since the start, the question itself among them."""
        with urlopen(f"http://{HOST}:{self.status_port}/status", timeout=5) as answer:
            found = re.search(rb"^ (\d+) \d+ (\d+)", answer.read(), re.MULTILINE)
        if found is None:
            raise Failed("nginx's stub_status says something else than it used to")
        return int(found[1]), int(found[2])


@contextmanager
def small(folder: Path, papers: Papers | None = None) -> Iterator[Small]:
    if shutil.which("nginx") is None:
        raise Failed("there is no nginx: make bench installs it")
    place = Place(free_port(), papers.authority if papers else None)
    status_port = free_port()
    values = {
        "FOLDER": folder,
        "PORT": place.port,
        "STATUS_PORT": status_port,
        "CONTENT_TYPE": CONTENT_TYPE,
        "ANSWERED": _answered(),
        "BODY": BODY,
        "SIZE": len(BODY),
        "ECHO": "|".join("$http_" + name.lower().replace("-", "_") for name in SENT),
        **nginx_tls(papers),
    }
    conf = filled(HERE / "upstream.conf", folder / "upstream.conf", values)
    command: list[str | Path] = ["nginx", "-p", folder, "-e", folder / "upstream.log", "-c", conf]
    with Program("upstream", command, core=LOAD_CORE, log=folder / "upstream.out") as program:
        program.wait_for(place.port)
        yield Small(place, status_port)


@contextmanager
def front(folder: Path, graph: int) -> Iterator[int]:
    """In front of the fake Graph at this port, so that small calls do not wait behind its polls; gives its own port."""
    if shutil.which("nginx") is None:
        raise Failed("there is no nginx: make bench installs it")
    place = Place(free_port())
    values = {
        "FOLDER": folder,
        "PORT": place.port,
        "GRAPH": graph,
        "CONTENT_TYPE": CONTENT_TYPE,
        "ANSWERED": _answered(),
        "BODY": BODY,
    }
    conf = filled(HERE / "front.conf", folder / "front.conf", values)
    command: list[str | Path] = ["nginx", "-p", folder, "-e", folder / "front.log", "-c", conf]
    with Program("front", command, core=LOAD_CORE, log=folder / "front.out") as program:
        program.wait_for(place.port)
        yield place.port


def _answered() -> str:
    return " ".join(f"add_header {name} '{value}';" for name, value in ANSWERED.items())


@contextmanager
def bodies(folder: Path, papers: Papers | None = None) -> Iterator[Place]:
    place = Place(free_port(), papers.authority if papers else None)
    command: list[str | Path] = [sys.executable, HERE / "origin.py", str(place.port)]
    if papers is not None:
        command += [papers.certificate, papers.key]
    with Program("origin", command, core=LOAD_CORE, log=folder / "origin.out") as program:
        program.wait_for(place.port)
        yield place
