"""The configuration: one strict YAML file in, a frozen `Config` or the full list of problems out.

    problems    what is wrong, where, and the fix
    syntax      the YAML parser's events, its errors made readable
    document    plain values, with the line and column of each
    sources     values that stand elsewhere: env:NAME, file:PATH
    kinds, units, addresses, callers, certificates, credentials, storage    how a value of each sort is read
    shape       every key: default, kind, description
    rules       what two keys must agree on
    load        all of it, in order
    effective   the configuration in force, as a file
    schema      the JSON Schema of the file, made from the shape
    reference   the reference page and the sample file, made from the shape

Nothing here keeps time, logs, or opens a connection.
"""

from gateway.config.load import Cautions, load, parse
from gateway.config.problems import ConfigError, ConfigProblem
from gateway.config.shape import (
    Admin,
    Auth,
    Config,
    Dialects,
    Limits,
    Listen,
    Log,
    Monitor,
    Operations,
    Polling,
    Shutdown,
    Tls,
    Tracing,
    Upstream,
    Wait,
)

__all__ = [
    "Admin",
    "Auth",
    "Cautions",
    "Config",
    "ConfigError",
    "ConfigProblem",
    "Dialects",
    "Limits",
    "Listen",
    "Log",
    "Monitor",
    "Operations",
    "Polling",
    "Shutdown",
    "Tls",
    "Tracing",
    "Upstream",
    "Wait",
    "load",
    "parse",
]
