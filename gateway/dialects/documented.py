"""Calls as the documentation has them: one for each operation that the dialects know.

For those who have raw paths to compare (`config.clashes`), and for nobody who has a call: what a dialect knows, it
knows in every spelling.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

from gateway.dialects import KNOWN
from gateway.dialects.pattern import fill
from gateway.dialects.workload import VERSIONS, Workload

_ITEMS = ("me/drive/items/x", "drives/x/items/x", "me/drive/root:/x:")
_DRIVE = tuple(
    (method, f"/{version}/{item}{action}")
    for version in VERSIONS
    for item in _ITEMS
    for method, action in (
        ("POST", "/copy"),
        ("PATCH", ""),
        ("POST", "/assignSensitivityLabel"),
        ("POST", "/children"),
    )
)


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "me/drive/items/x" if name == "item" else "x"


@cache
def calls() -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return method and path of a call of each operation, by dialect."""
    found: dict[str, Sequence[tuple[str, str]]] = {"drive": _DRIVE}
    for one in KNOWN:
        if isinstance(one, Workload):
            found[one.name] = tuple(
                (start.method, f"/{version}/{fill('/'.join(steps), _Anything())}")
                for start in one.starts
                for version in start.versions
                for steps in product(*(step.split("|") for step in start.path.split("/")))
            )
    return found
