"""What two dialects must not share: a name, or a call that both would take for theirs.

Dialects are asked one after the other, so of two that know one call the second would never hear of it. Between two
declared ones that is known for certain: their methods and their expressions are compared, and the shortest path that
both match is named. Those of `dialects.enabled` match canonical steps, not raw paths: each of their operations stands
here by a call as it is documented (`taken`), and a declared expression that matches one of these is told. A spelling of
such a call that only the dialect itself knows goes unnoticed; then the order decides, and the enabled dialect has it.

Presets may share paths with anybody: they are asked last, and tell by the reply what is theirs.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.config.declaration import Declaration
from gateway.config.presets import NAMES, preset
from gateway.config.problems import Where
from gateway.config.shape import Dialects

Taken = Mapping[str, Sequence[tuple[str, str]]]
"""Method and path of a call of each operation, by dialect."""

_CUSTOM: Where = ("dialects", "custom")


def clashes(section: Dialects, taken: Taken) -> Iterator[tuple[Where, str, str]]:
    """Where a declared dialect clashes with one before it, how, and the fix."""
    if not section.custom:
        return  # and the presets need not be read
    names = {**dict.fromkeys(taken, "a dialect that comes with the gateway"), **_names_of_presets()}
    for number, one in enumerate(section.custom):
        where = (*_CUSTOM, number)
        if one.name in names:
            yield (*where, "name"), f"{one.name} is the name of {names[one.name]}", "choose another one"
        else:
            names[one.name] = f"dialects.custom[{number}]"
        for other in section.custom[:number]:
            shared = _shared(one, other)
            if shared is not None:
                yield (
                    (*where, "match"),
                    f"{shared} is {other.name}'s, which is asked first",
                    "make the two expressions differ, or the methods",
                )
        for name in section.enabled:
            call = next((call for call in taken.get(name, ()) if _matches(one, *call)), None)
            if call is not None:
                yield (
                    (*where, "match"),
                    f"{' '.join(call)} is the dialect {name}'s, which is asked first",
                    f"match less, or leave {name} out of dialects.enabled",
                )


def _names_of_presets() -> dict[str, str]:
    return {one.name: f"a dialect of the preset {name}" for name in NAMES for one in preset(name)}


def _matches(one: Declaration, method: str, path: str) -> bool:
    return method in one.match.methods and one.match.path.matches(path)


def _shared(one: Declaration, other: Declaration) -> str | None:
    """A call that both would take for theirs."""
    methods = [method for method in one.match.methods if method in other.match.methods]
    path = one.match.path.meets(other.match.path) if methods else None
    return None if path is None else f"{methods[0]} {path}"
