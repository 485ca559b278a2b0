"""What a new configuration changes, and which of it a running gateway can take over.

Rules: pure; a key is either taken over whole or left as it was. What results is checked as if it stood in a file: two
keys that agree in the new file need not while only one of them is in force.
"""

from dataclasses import dataclass

from pydantic import BaseModel

from gateway.config.rules import RULES
from gateway.config.shape import Config

LIVE = frozenset({"wait", "polling", "limits", "log", "monitor", "dialects"})
"""The sections that a running gateway takes over whole."""

LIVE_KEYS = {"auth": ("caller_keys", "allow"), "listen": ("tls",)}
"""What it takes over of the others. TLS as long as it is not turned on or off."""


@dataclass(frozen=True, slots=True)
class Changes:
    """From the configuration in force to a new one."""

    config: Config
    """The one to be in force: the new one as far as it can be taken over."""
    live: tuple[str, ...]
    """Keys that are taken over, as they are spelled in the file."""
    restart: tuple[str, ...]
    """Keys that wait for a restart."""
    problems: tuple[str, ...]
    """What keys that are taken over and keys that wait do not agree on; `config` must then not be used."""


def changes(old: Config, new: Config) -> Changes:
    """What `new` changes."""
    updates: dict[str, object] = {section: getattr(new, section) for section in LIVE}
    for section, keys in LIVE_KEYS.items():
        taken = {key: getattr(getattr(new, section), key) for key in keys}
        if section == "listen" and _speaks_tls(old) != _speaks_tls(new):
            del taken["tls"]
        updates[section] = getattr(old, section).model_copy(update=taken)
    config = old.model_copy(update=updates)
    found = (rule.broken(config) for rule in RULES)
    return Changes(
        config=config,
        live=_different(old, config),
        restart=_different(config, new),
        problems=tuple(f"{what}; {fix}, or restart" for what, fix in filter(None, found)),
    )


def _speaks_tls(config: Config) -> bool:
    return config.listen.tls.certificate_file is not None or config.listen.tls.private_key_file is not None


def _different(one: BaseModel, other: BaseModel, prefix: str = "") -> tuple[str, ...]:
    """The keys whose values differ, in the order of the shape."""
    found: list[str] = []
    for name in type(one).model_fields:
        here, there = getattr(one, name), getattr(other, name)
        if isinstance(here, BaseModel) and isinstance(there, BaseModel):
            found += _different(here, there, f"{prefix}{name}.")
        elif here != there:
            found.append(f"{prefix}{name}")
    return tuple(found)
