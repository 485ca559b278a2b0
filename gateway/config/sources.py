"""Where the text of a value comes from: the file itself, an environment variable or another file.

`env:NAME` and `file:PATH` are references, for every key, so that no secret has to stand in the YAML file.

Rules: what a reference supplied is `Referred`, a string that never shows itself; it is not searched for further
references; a file is read whole, up to a bound, and only if it is a regular one, since reading a pipe would change
what the next reader gets. Nothing here changes anything.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LARGEST_REFERRED = 64 * 1024
"""Bytes of a referred file; the longest certificate chain with its key stays well below."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV, _FILE = "env:", "file:"


class Referred(str):
    """Text that a reference supplied. Unlike quoted text it may stand for a number or for true and false."""

    source: str
    __slots__ = ("source",)

    def __new__(cls, text: str, source: str) -> Self:
        referred = super().__new__(cls, text)
        referred.source = source
        return referred

    def __repr__(self) -> str:
        return f"the value of {self.source}"


class Unresolved(Exception):
    """A reference leads nowhere."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Unreadable(Exception):
    """A file cannot be read; the message says why, without its path."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a configuration file may refer to."""

    directory: Path
    environ: Mapping[str, str]

    def resolve(self, text: str) -> str:
        """`text` itself, or what it refers to."""
        if text.startswith(_ENV):
            return self._variable(text)
        if text.startswith(_FILE):
            return self._file(text)
        return text

    def _variable(self, reference: str) -> Referred:
        name = reference.removeprefix(_ENV)
        if not _NAME.fullmatch(name):
            raise Unresolved(
                "env: must be followed by the name of an environment variable",
                "write env:NAME, with letters, digits and underscores",
            )
        if name not in self.environ:
            raise Unresolved(
                f"the environment variable {name} is not set",
                f"set {name} in the gateway's environment, or write the value here",
            )
        return _checked(self.environ[name], reference)

    def _file(self, reference: str) -> Referred:
        name = reference.removeprefix(_FILE)
        if not name:
            raise Unresolved("file: must be followed by the path of a file", "write file:/run/secrets/name")
        try:
            text = read_text(self.directory / name, LARGEST_REFERRED)
        except Unreadable as error:
            raise Unresolved(
                f"the file {name!r} {error}", "make it a readable text file, or write the value here"
            ) from None
        return _checked(text.removesuffix("\n").removesuffix("\r"), reference)


def read_text(path: Path, largest: int) -> str:
    """The whole text of a regular file of at most `largest` bytes; raises `Unreadable`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable("is not a regular file")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or 'no such path'})") from None
    if len(content) > largest:
        raise Unreadable(f"is longer than {largest // 1024} KiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8 text") from None


def _checked(text: str, reference: str) -> Referred:
    """`text`, if it is what YAML could have held as well."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # bytes of the environment that are no text arrive as lone surrogates
        raise Unresolved(f"{reference} is not UTF-8 text", "store it as UTF-8") from None
    if "\0" in text:
        raise Unresolved(f"{reference} holds a NUL character", "store it as text, in base64 if it is binary")
    return Referred(text, reference)
