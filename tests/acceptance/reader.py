"""A reader of a page: takes its commands from top to bottom, in terminals of its own.

What differs from the reader's machine: simulator and gateways listen on free ports, which are written into the later
commands in the place of the page's, or told by the environment; and a gateway "for real" has the simulator behind it, not Microsoft's Graph.
Nothing else is changed.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from acceptance.command import PATIENCE, Command, Ended, environment
from gateway.config import Config, load

BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"127\.0\.0\.1:\d+")

ADMIN = "127.0.0.1:9901"
"""Where a page says that the admin listener is, and where commands look for it unless they are told."""

NAME_OF_YAML = "gateway.yaml"
"""What a page says to save its configuration as."""


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def steps(self) -> list[str]:
        """A shell block's commands; any other block is one."""
        if self.language != "sh":
            return [self.text]
        lines = self.text.replace("\\\n", "").splitlines()
        return [" ".join(line.split()) for line in lines if line.strip() and not line.startswith("#")]


def blocks(text: str) -> list[Block]:
    assert text.count("```") == 2 * len(BLOCK.findall(text)), "a fence that is not at the beginning of a line"
    return [Block(found["language"], found["text"]) for found in BLOCK.finditer(text)]


def commands(text: str) -> list[str]:
    return [step for block in blocks(text) if block.language in ("sh", "python") for step in block.steps]


@dataclass
class Walk:
    """A reader with a directory and terminals of its own."""

    folder: Path
    terminals: ExitStack
    serving: Mapping[str, str]
    """Commands that go on in a terminal of their own, and what they say when they are ready."""
    looked_at: Iterable[str]
    """How commands begin whose outcome somebody looks at; no others are run."""
    addresses: dict[str, str] = field(default_factory=dict)
    """By the page's addresses, the ones that are meant here."""
    done: dict[str, Ended] = field(default_factory=dict)
    servers: list[Command] = field(default_factory=list)

    def through(self, text: str) -> None:
        for block in blocks(text):
            if block.language == "yaml":
                (self.folder / NAME_OF_YAML).write_text(block.text, "utf-8")
            elif block.language in ("sh", "python"):
                for step in block.steps:
                    self._take(block.language, step)

    def _take(self, language: str, step: str) -> None:
        if step in self.serving:
            self._serve(step)
        elif any(map(step.startswith, self.looked_at)):
            told = ["bash", "-c"] if language == "sh" else [sys.executable, "-c"]
            self.done[step] = self._run([*told, self._here(step)])

    def _run(self, words: list[str]) -> Ended:
        paths = (str(Path(sys.executable).parent), os.environ.get("PATH", ""))
        own = {"TOKEN": "sim-ana", "HOME": str(self.folder), "PATH": os.pathsep.join(paths)}
        if ADMIN in self.addresses:
            own["LRO_GATEWAY_ADMIN"] = f"http://{self.addresses[ADMIN]}"
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment(**own),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def _here(self, step: str) -> str:
        """Raises KeyError for an address at which nobody listens by now."""
        return ADDRESS.sub(lambda found: self.addresses[found[0]], step)

    def _serve(self, step: str) -> None:
        words = shlex.split(step)[1:]
        if words == ["simulate"]:
            server = self._start([*words, "--port", "0", "--monitor-port", "0"], self.serving[step])
            graph = next(line for line in server.out if line.startswith("Graph "))
            self.addresses["127.0.0.1:8901"] = ADDRESS.findall(graph)[0]
            return
        file = self.folder / words[-1]
        config = load(file, {})
        file.write_text(self._elsewhere(file.read_text("utf-8"), config), "utf-8")
        server = self._start([*words[:-1], str(file)], self.serving[step])
        listening = dict(re.findall(r"(\w+)=(127\.0\.0\.1:\d+)", server.out[0]))
        self.addresses[f"127.0.0.1:{config.listen.port}"] = listening["address"]
        self.addresses[f"127.0.0.1:{config.admin.port}"] = listening["admin"]

    def _elsewhere(self, text: str, config: Config) -> str:
        """A configuration with free ports, and the simulator behind it."""
        for port in (config.listen.port, config.admin.port):
            text = text.replace(f"port: {port}\n", "port: 0\n")
        simulator = self.addresses["127.0.0.1:8901"]
        if config.upstream == Config.default().upstream:
            monitor = "{allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true}"
            text += f"admin: {{port: 0}}\nupstream: {{base_url: 'http://{simulator}'}}\nmonitor: {monitor}\n"
        return text.replace("127.0.0.1:8901", simulator)

    def _start(self, words: list[str], ready: str) -> Command:
        server = self.terminals.enter_context(Command(*words))
        self.servers.append(server)
        assert any(ready in line for line in server._lines())
        return server
