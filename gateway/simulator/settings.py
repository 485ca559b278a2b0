"""The simulator's settings: everything that is fixed before it starts.

Rules: values only. What changes while it runs (faults, tokens, drives) goes through `Simulator` or the control API.
"""

import ssl
from dataclasses import dataclass, field
from typing import Literal

from gateway.simulator.apps import App
from gateway.simulator.rules import Script


@dataclass(frozen=True)
class SimulatorSettings:
    host: str = "127.0.0.1"
    """The address both listeners bind to."""
    port: int = 0
    """The Graph origin's port; 0 is any that is free."""
    monitor_port: int = 0
    """The monitor origin's port; 0 is any that is free."""
    graph_name: str | None = None
    """The host name in URLs of the Graph origin, where it differs from `host`."""
    monitor_name: str | None = None
    """The host name in monitor URLs, where it differs from `host`."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """A server context makes both origins https."""
    users: tuple[str, ...] = ("ana", "ben", "cleo")
    """Each has a drive; the last one's is a personal (consumer) drive. Names have no hyphen."""
    apps: tuple[App, ...] = ()
    """The applications that may ask for tokens, each with what it has to prove; without any, whoever asks gets one."""
    token_lifetime: int = 3600
    """Seconds, of the tokens that the token endpoint gives."""
    token_refresh_in: int | None = None
    """After how many seconds it says that they should be renewed."""
    accept_unsigned: bool = True
    """Accept JWTs without a signature."""
    base_duration: float = 1.0
    """What every job takes, in seconds, whatever its size."""
    bytes_per_second: float = 50e6
    """How fast copies go; 0 is at once."""
    seed: int = 1
    """Where identifiers and contents start from: same seed and same requests, same answers."""
    sample: bool = True
    """Fill the drives with sample files and folders."""
    script: Script = field(default_factory=Script)
    """Defaults and rules, from `load_script`."""
    content: Literal["redirect", "direct"] = "redirect"
    """GET …/content answers 302 to a download URL, as Graph does, or the bytes."""
    gzip: bool = False
    """Compress JSON for clients that accept it."""
    max_body: int = 64 * 2**20
    """The most bytes of a request body that are kept; more is 413."""
    keep_requests: int = 1000
    """How many requests, and how many violations, are remembered."""
