"""What the README's commands for setting up would do; see `REASONS` in test_readme.py for why they are not run."""

import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from acceptance.command import PATIENCE, environment
from gateway.config import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def make(*words: str) -> str:
    """What make says. It runs nothing of what it is asked for (`-n`, or `help`)."""
    kept = {name: value for name, value in environment().items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout


def test_make_knows_the_targets_that_the_documentation_names() -> None:
    listed = set(re.findall(r"^  make ([\w-]+) ", make("help"), re.MULTILINE))
    pages = [README, (ROOT / "CONTRIBUTING.md").read_text("utf-8")]
    named = {
        word
        for page in pages
        for run in re.findall(r"(?:^|`)make ([a-z -]+)", page, re.MULTILINE)
        for word in run.split()
    }
    assert {"demo", "test", "check"} <= named | {"help"}
    assert named - {"help"} <= listed


def test_make_would_do_what_the_text_says() -> None:
    assert "lro-gateway demo" in make("-n", "demo")
    planned = make("-n", "demo", "test", "check")
    assert "pytest --cov" in planned
    assert "mypy" in planned


def test_pip_would_find_what_it_needs() -> None:
    project = PROJECT["project"]
    for name in (
        project["readme"],
        *project["license-files"],
        *PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
    ):
        assert (ROOT / name).exists(), name
    module, _, function = project["scripts"]["lro-gateway"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in README
    assert sys.version_info >= (3, 11)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Instruction and its words, comments and continuations dealt with."""
    lines = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split()))
        for line in joined.splitlines()
        if line.strip()
        for word, _, rest in [line.strip().partition(" ")]
    ]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text("utf-8"))


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a file out; the last line that matches counts."""
    out = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").split():
        top = name.rstrip("/").partition("/")[0]
        if fnmatch(top, line.removeprefix("!")):
            out = not line.startswith("!")
    return out


def test_docker_would_find_what_it_copies() -> None:
    copied = [rest.split() for word, rest in DOCKERFILE if word == "COPY"]
    sources = [name for words in copied if not words[0].startswith("--from") for name in words[:-1]]
    assert {"pyproject.toml", "gateway", "config/gateway.yaml"} <= set(sources)
    for name in sources:
        assert (ROOT / name).exists(), name
        assert not ignored(name), name
    assert ignored("tests")


def test_the_dockerfile_is_one() -> None:
    known = {
        "ARG",
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "LABEL",
        "ENV",
        "USER",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
    }
    assert {word for word, _ in DOCKERFILE} <= known
    assert [word for word, _ in DOCKERFILE][:2] == ["ARG", "FROM"]


def test_the_image_runs_the_gateway_with_its_configuration() -> None:
    said: Mapping[str, str] = dict(DOCKERFILE)
    entry, command = json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"])
    assert entry == ["lro-gateway"]
    assert command[:2] == ["run", "--config"]
    (place,) = [
        rest.split()[-1] for word, rest in DOCKERFILE if word == "COPY" and "config/gateway.yaml" in rest
    ]
    assert command[2] == place
    assert f"`{place}`" in README
    config = load(ROOT / "config" / "gateway.yaml", {})
    assert str(config.listen.port) == said["EXPOSE"]
    assert f"('{config.admin.host}', {config.admin.port})" in said["HEALTHCHECK"]
    assert "GET /healthz " in said["HEALTHCHECK"]
    assert config.listen.host == "127.0.0.1", (
        "the README says why a container has to share its client's network"
    )
