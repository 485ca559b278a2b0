"""The scripts that the site brings itself, because its theme would load them from a server of somebody else's.

`python -m website.scripts FOLDER` fetches them as packages of npm; what is there already is not fetched again.

Rules: a package has one version and one digest; one with another digest is not used. Nothing of a package is run.
"""

import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Script:
    """One file of a package."""

    package: str
    version: str
    sha256: str
    """Of the package."""
    path: str
    """In the package."""
    name: str
    """On the site."""


MERMAID = Script(
    "mermaid",
    "11.17.2",  # the theme is written for version 11
    "6ad2f42c3fc26bbf9e45cbb6d11898972573ea52b33a5f4ff51952899f950ffd",
    "package/dist/mermaid.min.js",
    "mermaid.min.js",
)
"""Draws the diagrams."""
IFRAME_WORKER = Script(
    "iframe-worker",
    "1.0.4",
    "e8c5d12d87829c503afba01d67772ea9f4aba5b7ae57a0c98e1917711030efbb",
    "package/shim/index.js",
    "iframe-worker.js",
)
"""Lets the search work in pages that are opened as files."""
SCRIPTS = (MERMAID, IFRAME_WORKER)


class NotAsPinned(Exception):
    """What was fetched is not what is named here."""


def fetch(script: Script, folder: Path) -> None:
    """Put the script into the folder."""
    if (folder / script.name).exists():
        return
    named = f"{script.package}@{script.version}"
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, named], check=True)
    package = folder / f"{script.package}-{script.version}.tgz"
    unpack(script, package, folder)
    package.unlink()


def unpack(script: Script, package: Path, folder: Path) -> None:
    """Take the script out of its package."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    if digest != script.sha256:
        raise NotAsPinned(f"{package.name} has the SHA-256 {digest}, and not {script.sha256}")
    with tarfile.open(package) as archive:
        found = archive.extractfile(script.path)
        if found is None:
            raise NotAsPinned(f"{package.name} has no file {script.path}")
        part = folder / f"{script.name}.part"
        part.write_bytes(found.read())
    part.replace(folder / script.name)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        fetch(script, folder)


if __name__ == "__main__":
    main()
