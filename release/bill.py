"""The bill of materials: what the image installs, as CycloneDX, with licences and hashes in one document.

    python -m release.bill INSTALLED.json LOCKED.json WHEEL OUT.json

cyclonedx-py knows the licences from an environment, and the hashes from a lock file, but not both; this joins the two.
It is run where cyclonedx-py is installed (`make sbom`), and what it writes is validated against the schema.

Rules: what is installed and not locked is an error, because nobody would have its hash. What is locked and not
installed is for other platforms, and is left out.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from gateway import __version__

Document = dict[str, Any]
SHA256 = "SHA-256"


class NotLocked(Exception):
    """Something is installed that the lock file does not name; the message names it."""


def joined(installed: Document, locked: Document, *, wheel: bytes) -> Document:
    """`installed`, with the hashes of `locked`, and the gateway itself with its version and the hash of its wheel."""
    hashes = {_key(part): _distributions(part) for part in locked["components"]}
    if missing := sorted(part["purl"] for part in installed["components"] if _key(part) not in hashes):
        raise NotLocked(f"installed, but not in the lock file: {', '.join(missing)}")
    gateway: Document = {
        **installed["metadata"]["component"],
        "version": __version__,
        "purl": f"pkg:pypi/lro-gateway@{__version__}",
        "hashes": [{"alg": SHA256, "content": hashlib.sha256(wheel).hexdigest()}],
    }
    parts = [
        {**part, "externalReferences": [*part.get("externalReferences", []), *hashes[_key(part)]]}
        for part in installed["components"]
    ]
    return {**installed, "metadata": {**installed["metadata"], "component": gateway}, "components": parts}


def _key(part: Document) -> tuple[str, str]:
    """The lock file writes names in their normal form, an environment as their owners do: ruamel.yaml."""
    return canonicalize_name(part["name"]), part["version"]


def _distributions(part: Document) -> list[Document]:
    return [one for one in part.get("externalReferences", []) if one["type"] == "distribution"]


def wrong_with(text: str) -> str | None:
    """What the schema of CycloneDX says against it."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - installed for `make sbom` alone
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - as above

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if error is None else str(error)


def main(installed: Path, locked: Path, wheel: Path, out: Path) -> None:
    documents = [json.loads(path.read_text("utf-8")) for path in (installed, locked)]
    whole = joined(*documents, wheel=wheel.read_bytes())
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    if (problem := wrong_with(text)) is not None:
        raise SystemExit(f"{out}: {problem}")
    out.write_text(text, "utf-8")
    unknown = sorted(part["name"] for part in whole["components"] if not part.get("licenses"))
    print(
        f"{out}: {len(whole['components'])} components, valid; no licence told by: {', '.join(unknown) or 'none'}"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
