"""Copying a frozen record with some other values, thousands of times a second.

`dataclasses.replace` asks for the fields anew each time; a function that was made for certain fields once takes a part
of that. It is made the way in which dataclasses make their own methods, by source text.

What this module must not do: know any record.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def copier(kind: type[T], *changed: str) -> Callable[..., T]:
    """A function of a record and of the new values of these fields, in this order, that returns the changed copy.

    `kind` is a dataclass with slots; its `__post_init__` is not called.
    """
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type] # a dataclass, which `type` cannot say
    unknown = set(changed) - set(names)
    if unknown:
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    known: dict[str, Any] = {f"set_{name}": getattr(kind, name).__set__ for name in names}
    known |= {"new": object.__new__, "kind": kind}
    lines = [
        f"def copy(record, {', '.join(changed)}):",
        "    copied = new(kind)",
        *(f"    set_{name}(copied, {name if name in changed else 'record.' + name})" for name in names),
        "    return copied",
    ]
    exec("\n".join(lines), known)  # noqa: S102 - nothing is in it but the names of fields
    copy: Callable[..., T] = known["copy"]
    return copy
