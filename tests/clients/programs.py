"""The programs in `programs/`: clients as `docs/clients.md` shows them, each told a list of copies to make.

A program reads one line for each copy (client, case, URL, token, new name, seconds of patience; tabs between) and
writes one line of JSON for each: client, case, and status and body, or the error.

Rules: a program has one part for each client between `[shown: NAME]` and `[/shown]`; `tests/pages.py` brings it to the
page. What a program needs to trust the gateway is in its environment or on its command line, as the page says.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from acceptance.command import PATIENCE, environment

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).with_name("programs")
INSTALLED = ROOT / ".venv/clients"
"""Where the Makefile puts what they need."""

SHOWN = re.compile(
    r"^ *(?://|#) \[shown: (?P<name>[\w-]+)\]\n(?P<text>.*?)^ *(?://|#) \[/shown\]$", re.MULTILINE | re.DOTALL
)
LANGUAGES = {".sh": "sh", ".py": "python", ".mjs": "js", ".java": "java", ".go": "go"}


def shown() -> dict[str, str]:
    """By its name, the text of each part that the page shows, as a block of its language."""
    return {
        found["name"]: f"```{LANGUAGES[file.suffix]}\n{dedent(found['text']).strip()}\n```\n"
        for file in sorted(FOLDER.iterdir())
        if file.suffix in LANGUAGES
        for found in SHOWN.finditer(file.read_text("utf-8"))
    }


@dataclass(frozen=True)
class Copy:
    """One that a client is to make."""

    client: str
    case: str
    url: str
    token: str
    name: str
    seconds: float

    @property
    def line(self) -> str:
        words = (self.client, self.case, self.url, self.token, self.name, str(self.seconds))
        return "\t".join(words) + "\n"


@dataclass(frozen=True)
class Told:
    """What a client says of it: status and body, or its error."""

    status: int | None
    body: Any
    error: str | None


@dataclass(frozen=True)
class Program:
    """A command line, and what its environment has besides the usual."""

    words: tuple[str, ...]
    env: Mapping[str, str]

    def run(self, copies: Iterable[Copy]) -> Iterator[tuple[tuple[str, str], Told]]:
        """One copy after the other, as the program does them; what became of each, by client and case."""
        assert shutil.which(self.words[0]), f"make tools installs {self.words[0]}"
        done = subprocess.run(
            self.words,
            input="".join(copy.line for copy in copies),
            env=environment(**self.env),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            told = json.loads(line)
            yield (
                (told["client"], told["case"]),
                Told(told.get("status"), told.get("body"), told.get("error")),
            )


def trust_store(authority: Path) -> Path:
    """A file in which Java finds the authority."""
    store = authority.with_suffix(".p12")
    words = f"-importcert -noprompt -alias gateway -file {authority} -keystore {store} -storepass changeit"
    subprocess.run(["keytool", *words.split()], check=True, capture_output=True, timeout=PATIENCE)
    return store


def programs(authority: Path) -> dict[tuple[str, ...], Program]:
    """By the clients that it is to be, each program, trusting this authority."""
    java = [f"-Djavax.net.ssl.trustStore={trust_store(authority)}"]
    java += ["-Djavax.net.ssl.trustStorePassword=changeit", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    known = {"SSL_CERT_FILE": str(authority)}
    node = {"NODE_EXTRA_CA_CERTS": str(authority), "NODE_PATH": str(INSTALLED / "node_modules")}
    go = {"GOCACHE": str(INSTALLED / "go"), "GO111MODULE": "off", "GOFLAGS": "", "GOPROXY": "off"}
    curl = Program(("bash", str(FOLDER / "in_curl.sh")), {"CURL_CA_BUNDLE": str(authority)})
    python = Program(
        (sys.executable, str(FOLDER / "in_python.py")), known | {"REQUESTS_CA_BUNDLE": str(authority)}
    )
    javascript = Program(("node", str(FOLDER / "in_node.mjs")), node)
    jvm = Program(("java", *java, str(FOLDER / "InJava.java")), {})
    return {
        ("curl",): curl,
        ("requests",): python,
        ("httpx", "httpx, following nothing"): python,
        ("urllib",): python,
        ("fetch",): javascript,
        ("axios",): javascript,
        ("java", "java, following nothing"): jvm,
        ("java-urlconnection",): jvm,
        ("go",): Program(("go", "run", str(FOLDER / "in_go.go")), known | go),
    }
