"""The presets: declared dialects that come with the package, as files like those that anybody could write.

Rules: a preset is read by what reads `dialects.custom`; one with a problem is a bug.
"""

from functools import cache
from importlib.resources import files
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from gateway.config.declaration import Declaration, PresetName
from gateway.config.document import read

NAMES: tuple[str, ...] = get_args(PresetName)

_DECLARATIONS = TypeAdapter(tuple[Declaration, ...])


@cache
def preset(name: str) -> tuple[Declaration, ...]:
    """The dialects of one preset, in the order in which they are asked."""
    document = read(text_of(name), f"{name}.yaml", str)
    try:
        return _DECLARATIONS.validate_python(tuple(document.content["dialects"]))
    except ValidationError as error:
        raise ValueError(f"the preset {name} is broken: {error}") from error


def text_of(name: str) -> str:
    """The file of a preset."""
    return files("gateway.dialects").joinpath("presets", f"{name}.yaml").read_text("utf-8")
