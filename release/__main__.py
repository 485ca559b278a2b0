"""Whether the tree can be released as it is: `make release-check`, which has built dist/ and the locks anew before.

Rules: all that is wrong is told, not only the first; it changes nothing. Of a tag on this commit it wants everything;
before that it takes `Unreleased` as what is to be released.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from gateway import __version__
from release.changelog import Section, Unfit, read
from release.version import everywhere

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock")


def problems(root: Path, fresh: Path) -> Iterator[str]:
    """What keeps it from being released. `fresh`: the lock files as they would be written today."""
    tags = {name for name in git(root, "tag", "--points-at", "HEAD") if name.startswith("v")}
    if tags - {f"v{__version__}"}:
        yield f"this commit has the tags {sorted(tags)}, and gateway/__init__.py says {__version__}"
    if changed := git(root, "status", "--porcelain"):
        yield f"the tree is not clean: {len(changed)} files, such as {changed[0][3:]}; commit them"
    try:
        yield from unfit_changes(read((root / "CHANGELOG.md").read_text("utf-8")), tagged=bool(tags))
    except Unfit as error:
        yield str(error)
    for place, version in everywhere(root):
        if version != __version__:
            yield f"{place} says {version}, and gateway/__init__.py {__version__}"
    for name in LOCKS:
        if (root / name).read_text("utf-8") != (fresh / name).read_text("utf-8"):
            yield f"{name} is not what pyproject.toml asks for: run make lock"
    wheel, sdist = (f"lro_gateway-{__version__}{end}" for end in ("-py3-none-any.whl", ".tar.gz"))
    built = {path.name for path in (root / "dist").glob("*") if path.suffix in {".whl", ".gz"}}
    if built != {wheel, sdist}:
        yield f"dist/ has {sorted(built)}, not {wheel} and {sdist}: run make dist"


def unfit_changes(sections: list[Section], *, tagged: bool) -> Iterator[str]:
    """Why a changelog is none of this version."""
    newest = sections[0].version
    released = [section.version for section in sections if section.version is not None]
    if Version(__version__).is_devrelease or Version(__version__).local:
        yield f"{__version__} is no version to release"
    if newest is not None and newest != Version(__version__):
        yield f"the newest section of CHANGELOG.md is {newest}, and gateway/__init__.py says {__version__}"
    if newest is None and tagged:
        yield f"CHANGELOG.md has no section for {__version__}: give [Unreleased] its version and date"
    if newest is None and released and released[0] >= Version(__version__):
        yield f"{released[0]} is released: raise __version__ in gateway/__init__.py above it"


def git(root: Path, *words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main(fresh: Path) -> int:
    found = list(problems(ROOT, fresh))
    for problem in found:
        print(f"not yet: {problem}")
    if not found:
        print(f"{__version__} can be released")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
