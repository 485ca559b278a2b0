"""What a release wants: a strict changelog, one version, a bill of materials; and that ours is so today."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from gateway import __version__
from release.__main__ import LOCKS, problems, unfit_changes
from release.bill import NotLocked, joined
from release.changelog import Unfit, read
from release.version import everywhere, spelled

ROOT = Path(__file__).parents[2]

TWO = """# Changelog

Whatever stands here.

## [1.1.0] - 2026-02-03

### Added

- One thing.
- Another thing.

### Security

- A hole is closed.

## [1.0.0] - 2026-02-03

### Added

- Everything.
"""
NEXT = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- Something.\n"

# --- the changelog ---------------------------------------------------------------------------------------


def test_ours_is_well_formed_and_not_ahead_of_the_version() -> None:
    sections = read((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert list(unfit_changes(sections, tagged=False)) == []


def test_what_is_read() -> None:
    newest, oldest = read(TWO)
    assert (str(newest.version), str(newest.date)) == ("1.1.0", "2026-02-03")
    assert newest.changes == {"Added": ["One thing.", "Another thing."], "Security": ["A hole is closed."]}
    assert oldest.version == Version("1.0.0")


def test_what_is_not_released_has_no_version() -> None:
    (section,) = read(NEXT)
    assert (section.version, section.date, section.changes) == (None, None, {"Fixed": ["Something."]})


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("# Changelog", "# Changes", ":1: the first line"),
        ("Whatever", "- Whatever", ":3: belongs below a section"),
        ("## [1.1.0] - 2026-02-03", "## 1.1.0", ":5: a section is"),
        ("## [1.1.0] - 2026-02-03", "## [1.1.0]", ":5: a release has its date"),
        ("## [1.1.0] - 2026-02-03", "## [1.1.0] - 03.02.2026", ":5: a release has its date"),
        ("## [1.1.0] - 2026-02-03", "## [1.1.0] - 2026-02-30", ":5: a release has its date"),
        ("## [1.1.0] - 2026-02-03", "## [1.1.0] - 2026-02-02", ":16: 2026-02-03 is later"),
        ("## [1.1.0]", "## [new]", ":5: 'new' is no version"),
        ("## [1.1.0]", "## [v1.1.0]", ":5: write 1.1.0"),
        ("## [1.1.0]", "## [1.0.0]", ":16: 1.0.0 is not older"),
        ("## [1.1.0]", "## [1.0.0rc1]", ":16: 1.0.0 is not older"),
        ("## [1.1.0] - 2026-02-03", "## [Unreleased] - 2026-02-03", ":5: what is not released"),
        ("## [1.0.0] - 2026-02-03", "## [Unreleased]", ":16: Unreleased comes first"),
        ("### Security", "### Bugs", ":12: 'Bugs' is none of"),
        ("### Security", "### Added", ":12: each once"),
        ("### Added\n\n- One", "### Security\n\n- One", ":12: each once"),
        ("### Added\n\n- Everything.\n", "", ":16: the section is empty"),
        ("- A hole is closed.\n", "", ":5: nothing stands below its 'Security'"),
        ("### Added\n\n- One", "- One", ":7: an entry stands below its kind"),
        ("- One thing.", "- One thing", ":9: an entry is one line, and ends"),
        ("- One thing.", "- One thing.\n  More of it.", ":10: an entry is one line that begins"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(right: str, wrong: str, said: str) -> None:
    assert right in TWO
    with pytest.raises(Unfit) as told:
        read(TWO.replace(right, wrong, 1))
    assert f"CHANGELOG.md{said}" in str(told.value)


def test_a_changelog_without_a_section_is_none() -> None:
    with pytest.raises(Unfit, match="there is no section"):
        read("# Changelog\n")


@pytest.mark.parametrize(
    ("name", "tagged", "said"),
    [
        (f"[{__version__}] - 2026-01-01", True, None),
        ("[Unreleased]", False, None),
        ("[Unreleased]", True, "has no section for"),
        ("[999.0.0] - 2026-01-01", False, "the newest section of CHANGELOG.md is 999.0.0"),
        (
            f"[Unreleased]\n\n### Added\n\n- More.\n\n## [{__version__}] - 2026-01-01",
            False,
            "is released: raise",
        ),
    ],
)
def test_the_changelog_fits_the_version(name: str, said: str | None, *, tagged: bool) -> None:
    found = list(unfit_changes(read(f"# Changelog\n\n## {name}\n\n### Added\n\n- All.\n"), tagged=tagged))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


# --- the version -----------------------------------------------------------------------------------------


def test_nobody_spells_another_version_than_the_package() -> None:
    found = list(everywhere(ROOT))
    assert any(place.startswith("deploy/") for place, _ in found), "images in deploy/ have a tag"
    assert {version for _, version in found} == {__version__}, found


@pytest.mark.parametrize(
    "text",
    [
        "image: lro-gateway:9.8.7\n",
        "image: registry.example/team/lro-gateway:9.8.7@sha256:00",
        "pip install lro-gateway==9.8.7",
        "pip install 'lro-gateway[redis]==9.8.7'",
        "lro_gateway-9.8.7-py3-none-any.whl",
        "lro-gateway 9.8.7",
        "    newTag: 9.8.7",
        '    newTag: "v9.8.7"',
        'LABEL org.opencontainers.image.version="9.8.7"',
        "app.kubernetes.io/version: 9.8.7",
    ],
)
def test_a_version_is_found(text: str) -> None:
    (version,) = spelled(text)
    assert version == "9.8.7"


@pytest.mark.parametrize("text", ["http://lro-gateway:8080", "newTag: 9.8", "python:3.13.1", "OpenAPI 3.1.0"])
def test_what_is_no_version_of_the_gateway_is_let_be(text: str) -> None:
    assert list(spelled(text)) == []


# --- the bill of materials -------------------------------------------------------------------------------


def part(purl: str, *references: str, **more: Any) -> dict[str, Any]:
    name, _, version = purl.removeprefix("pkg:pypi/").partition("@")
    return {
        "name": name,
        "version": version,
        "purl": purl,
        "externalReferences": [{"type": one, "url": f"x:{one}"} for one in references],
        **more,
    }


def test_licences_and_hashes_are_joined() -> None:
    installed = {
        "metadata": {"component": {"name": "lro-gateway"}, "timestamp": "now"},
        "components": [part("pkg:pypi/a.b@1", "website", licenses=["MIT"])],
    }
    locked = {"components": [part("pkg:pypi/a-b@1", "distribution"), part("pkg:pypi/windows-only@1")]}
    whole = joined(installed, locked, wheel=b"wheel")
    (only,) = whole["components"]
    assert only == part("pkg:pypi/a.b@1", "website", "distribution", licenses=["MIT"])
    own = whole["metadata"]["component"]
    assert (own["version"], own["purl"]) == (__version__, f"pkg:pypi/lro-gateway@{__version__}")
    assert own["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"wheel").hexdigest()}]
    assert whole["metadata"]["timestamp"] == "now"
    json.dumps(whole)


def test_what_is_installed_and_not_locked_is_an_error() -> None:
    installed = {"metadata": {"component": {}}, "components": [part("pkg:pypi/a@2")]}
    with pytest.raises(NotLocked, match="pkg:pypi/a@2"):
        joined(installed, {"components": [part("pkg:pypi/a@1")]}, wheel=b"")


# --- all of it -------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository that can be released."""
    root = tmp_path / "tree"
    (root / "dist").mkdir(parents=True)
    for name in ("README.md", "Dockerfile", "Makefile", *LOCKS):
        (root / name).write_text(f"{name}\n", "utf-8")
        (tmp_path / name).write_text(f"{name}\n", "utf-8")
    (root / "deploy").mkdir()
    (root / "deploy" / "compose.yaml").write_text(f"image: lro-gateway:{__version__}\n", "utf-8")
    (root / "CHANGELOG.md").write_text(NEXT, "utf-8")
    (root / ".gitignore").write_text("dist/\n", "utf-8")
    for end in ("-py3-none-any.whl", ".tar.gz"):
        (root / "dist" / f"lro_gateway-{__version__}{end}").write_bytes(b"")
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root: Path, *words: str) -> None:
    own = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *own, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")


def test_a_good_tree_can_be_released(tree: Path) -> None:
    assert list(problems(tree, tree.parent)) == []


def test_everything_that_is_wrong_is_told(tree: Path) -> None:
    (tree / "deploy" / "compose.yaml").write_text("image: lro-gateway:0.0.1\n", "utf-8")
    (tree / "CHANGELOG.md").write_text("# Changelog\n", "utf-8")
    (tree.parent / LOCKS[0]).write_text("other\n", "utf-8")
    (tree / "dist" / "lro_gateway-0.0.1.tar.gz").write_bytes(b"")
    commit(tree)
    git(tree, "tag", "v0.0.1")
    (tree / "forgotten").write_bytes(b"")
    told = "\n".join(problems(tree, tree.parent))
    assert len(told.splitlines()) == 6
    for words in (
        "tags ['v0.0.1']",
        "such as forgotten",
        "no section",
        "compose.yaml",
        "make lock",
        "make dist",
    ):
        assert words in told
