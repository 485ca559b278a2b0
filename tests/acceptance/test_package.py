"""The package as others get it: wheel and sdist are built, looked into, installed apart from this tree, and run."""

import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement

from acceptance.command import PATIENCE, Command, environment
from gateway import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NAME = f"lro_gateway-{__version__}"
INFO = f"{NAME}.dist-info"
EPOCH = "1700000000"

BELONGS = {".py", ".typed", ".yaml", ".html", ".css", ".js", ".svg", ".json"}
"""What files of a package may be; a stray one of an editor is none."""

STAYS = {
    ".ci": "how the project's own machine calls make",
    ".git": "the history",
}
"""What of the tree is not in the sdist, and why."""

WALK = """
import importlib, pkgutil, sys
import gateway
for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
    if found.name != "gateway.__main__":
        importlib.import_module(found.name)
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] == "gateway":
        print(module.__file__)
print(*sys.path, sep="\\n", file=sys.stderr)
"""


def told(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, words)],
        cwd=cwd,
        env=environment(SOURCE_DATE_EPOCH=EPOCH, PYTHONPATH=""),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )


def build(tree: Path, folder: Path, *targets: str) -> None:
    told(sys.executable, "-m", "hatchling", "build", *targets, "--directory", folder, cwd=tree)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both, as `make dist` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    assert {path.name for path in folder.iterdir()} == {f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"}
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"{NAME}-py3-none-any.whl"


@pytest.fixture(scope="module")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(dist / f"{NAME}.tar.gz") as sdist:
        sdist.extractall(folder, filter="data")
    return folder / NAME


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment of its own with the wheel in it.

    What the wheel depends on is seen where it already is: by a path alone, so that the .pth files there, through which
    this environment finds the tree, are not read.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    uv = Path(sys.executable).parent / "uv"
    told(uv, "venv", "--quiet", "--offline", "--python", sys.executable, folder, cwd=folder.parent)
    told(
        uv,
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--python",
        folder / "bin/python",
        wheel,
        cwd=folder,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")
    return folder / "bin"


# --- what is in them -------------------------------------------------------------------------------------


def ours(tree: Path) -> set[str]:
    """The files of the package."""
    files = (
        path for path in (tree / "gateway").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(tree).as_posix() for path in files}


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    said = {
        f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    assert names == ours(ROOT) | said
    assert {Path(name).suffix for name in ours(ROOT)} <= BELONGS
    assert "gateway/py.typed" in names
    assert any(name.startswith("gateway/admin/static/") for name in names)
    assert any(name.startswith("gateway/dialects/presets/") for name in names)


def test_the_metadata_say_what_the_project_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{INFO}/METADATA").decode())
        entries = archive.read(f"{INFO}/entry_points.txt").decode()
        licence = archive.read(f"{INFO}/licenses/LICENSE")
        tags = archive.read(f"{INFO}/WHEEL").decode()
    project = PROJECT["project"]
    assert (metadata["Name"], metadata["Version"]) == ("lro-gateway", __version__)
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("Classifier") == project["classifiers"]
    assert metadata.get_all("Provides-Extra") == sorted(project["optional-dependencies"])
    wanted = {*map(Requirement, project["dependencies"])}
    for extra, texts in project["optional-dependencies"].items():
        wanted |= {Requirement(f"{text}; extra == '{extra}'") for text in texts}
    assert {*map(Requirement, metadata.get_all("Requires-Dist", []))} == wanted
    assert entries.split() == ["[console_scripts]", "lro-gateway", "=", "gateway.cli:main"]
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert "Root-Is-Purelib: true" in tags
    assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text("utf-8").strip()


def test_the_sdist_has_all_that_the_tree_has(unpacked: Path) -> None:
    """So that its tests can be run. What git ignores is no part of the tree."""
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()

    def left_out(path: Path) -> bool:
        return path.name in STAYS or any(fnmatch(path.name, pattern.rstrip("/")) for pattern in ignored)

    tops = {path.name for path in ROOT.iterdir() if not left_out(path)}
    shipped = {path.name for path in unpacked.iterdir()}
    assert tops - shipped == set(), "name it in pyproject.toml, [tool.hatch.build.targets.sdist], or in STAYS"
    assert shipped - tops <= {"PKG-INFO"}
    assert ours(unpacked) == ours(ROOT)
    assert {path.suffix for path in unpacked.rglob("*")} & {".pyc", ".db", ".log", ".lock~"} == set()


def test_the_sdist_builds_the_same_wheel(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    build(unpacked, tmp_path, "--target", "wheel")
    (again,) = tmp_path.iterdir()
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_nothing_in_them_is_younger_than_what_was_built_from(dist: Path) -> None:
    """With SOURCE_DATE_EPOCH, whoever builds it again gets the same bytes."""
    with tarfile.open(dist / f"{NAME}.tar.gz") as sdist:
        assert {member.mtime for member in sdist.getmembers()} == {int(EPOCH)}
        assert {(member.uid, member.gid, member.uname) for member in sdist.getmembers()} == {(0, 0, "")}


# --- installed ---------------------------------------------------------------------------------------------


def test_every_module_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = told(installed / "python", "-I", "-c", WALK, cwd=tmp_path)
    files = done.stdout.splitlines()
    assert len(files) == sum(name.endswith(".py") for name in ours(ROOT)) - 1, "all but __main__"
    assert all(Path(file).is_relative_to(installed.parent) for file in files)
    assert str(ROOT) not in done.stderr.splitlines()


def test_the_program_says_its_version(installed: Path, tmp_path: Path) -> None:
    assert told(installed / "lro-gateway", "--version", cwd=tmp_path).stdout.startswith(
        f"lro-gateway {__version__}\n"
    )


def test_a_configuration_with_presets_is_good(installed: Path, tmp_path: Path) -> None:
    """The presets are files of the package."""
    (tmp_path / "gateway.yaml").write_text("dialects: {presets: [azure, fhir, generic]}\n", "utf-8")
    done = told(installed / "lro-gateway", "check-config", "gateway.yaml", cwd=tmp_path)
    assert done.stdout == "gateway.yaml: ok\n"


def test_it_runs_and_shows_its_dashboard(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("listen: {port: 0}\nadmin: {port: 0}\n", "utf-8")
    program = [str(installed / "lro-gateway")]
    with Command("run", "--config", "gateway.yaml", program=program, cwd=tmp_path) as gateway:
        admin = gateway.event("listening")["admin"]
        for path, words in (("healthz", b""), ("", b"<!doctype html>")):
            with urlopen(f"http://{admin}/{path}", timeout=PATIENCE) as answer:
                assert answer.status == 200
                assert words in answer.read().lower()
        assert gateway.stop() == 0
