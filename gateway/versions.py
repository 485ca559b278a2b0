"""Versions: which gateway this is, and which of the libraries that decide how it behaves, for a report of a problem.

Rules: what is not installed is not named. Nothing of the machine but versions is told.

What this module must not do: refuse anything (`app` does at the start).
"""

import platform
import ssl
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from gateway import __version__
from gateway.http.server import ParserMissing, require_strict_parser

LIBRARIES = ("httptools", "uvloop", "msal", "redis", "opentelemetry-sdk")
"""What reads replies, what runs the event loop, and what comes in with a setting."""


def versions() -> str:
    """Two lines: the gateway, and what it stands on."""
    return f"lro-gateway {__version__}\n{', '.join(_libraries())}"


def _libraries() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    yield " ".join(ssl.OPENSSL_VERSION.split()[:2])
    yield f"aiohttp {version('aiohttp')}, {_parser()}"
    for name in LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def _parser() -> str:
    """What reads callers' requests."""
    try:
        require_strict_parser()
    except ParserMissing:
        return "without the C parser that the gateway needs"
    return "C parser"
