"""The Dockerfile: what a linter has against it, and what the files in deploy/ rely on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.command import PATIENCE, Command, environment
from acceptance.test_readme_setup import DOCKERFILE

from deploy.shipped import IMAGE_COMMAND, IMAGE_USER, ROOT, Running, tool

SAID = dict(DOCKERFILE)
HADOLINT = str(Path(sys.executable).with_name("hadolint"))


def test_the_linter_has_nothing_against_it() -> None:
    assert tool(HADOLINT, "--no-color", str(ROOT / "Dockerfile")) == ""


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /x && pip install y\n", "utf-8")
    assert "DL3006" in tool(HADOLINT, str(tmp_path / "Dockerfile"), fails=True)


def test_it_runs_what_the_manifests_rely_on() -> None:
    assert json.loads(SAID["CMD"]) == IMAGE_COMMAND
    assert SAID["USER"] == f"{IMAGE_USER}:{IMAGE_USER}"
    assert SAID["STOPSIGNAL"] == "SIGTERM"
    (made,) = [rest for word, rest in DOCKERFILE if word == "RUN" and "useradd" in rest]
    assert f"--owner={IMAGE_USER} --group={IMAGE_USER} --mode=0700 /var/lib/lro-gateway" in made


def test_both_stages_come_from_the_base_that_can_be_pinned() -> None:
    (base,) = [rest for word, rest in DOCKERFILE if word == "ARG"]
    assert base.startswith("PYTHON_IMAGE=python:3.")
    stages = [rest.split()[0] for word, rest in DOCKERFILE if word == "FROM"]
    assert stages == ["${PYTHON_IMAGE}"] * 2
    (hint,) = [line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if "@sha256" in line]
    assert f"{base}@sha256:…" in hint
    assert not hint.startswith("FROM")


@pytest.mark.parametrize(("alive", "code"), [(True, 0), (False, 1)])
def test_the_health_check_tells_a_gateway_from_none(tmp_path: Path, *, alive: bool, code: int) -> None:
    _, _, words = SAID["HEALTHCHECK"].partition(" CMD ")
    check = json.loads(words)
    assert check[0] == "python"
    (tmp_path / "gateway.yaml").write_text("listen: {port: 0}\nadmin: {port: 0}\n", "utf-8")
    with Command("run", "--config", tmp_path / "gateway.yaml") as command:
        gateway = Running(command)
        if not alive:
            assert command.stop() == 0
        asked = [sys.executable, *(word.replace("9901", str(gateway.admin_port)) for word in check[1:])]
        done = subprocess.run(asked, env=environment(), capture_output=True, check=False, timeout=PATIENCE)
        assert done.returncode == code, done.stderr
