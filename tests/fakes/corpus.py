r"""The requests in gunicorn's source distribution, which `make corpora` puts beside the virtual environment's packages.

A file there has one request (or a few, one behind the other) with its control characters spelled out: `\r\n`, `\0`,
`\x80`. Line ends of the file itself mean nothing.
"""

import re
import sys
import tarfile
from pathlib import Path

WHERE = Path(sys.prefix) / "corpora"
SOURCE = "gunicorn-27.0.1"

_SPELLED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))")
_SHORT = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}


class CorpusMissing(Exception):
    """gunicorn's source distribution is not there: run `make corpora`."""


def requests(kind: str) -> dict[str, bytes]:
    """The requests that gunicorn holds to be `valid` or `invalid`, by name."""
    archive = WHERE / f"{SOURCE}.tar.gz"
    if not archive.exists():
        raise CorpusMissing(f"{archive} is not there: run make corpora")
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            path = Path(member.name)
            content = tar.extractfile(member) if path.suffix == ".http" else None
            if content is not None and path.parent.as_posix() == f"{SOURCE}/tests/requests/{kind}":
                found[path.stem] = _SPELLED.sub(_meant, content.read().replace(b"\n", b""))
    return dict(sorted(found.items()))


def _meant(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else _SHORT[match[2]]
