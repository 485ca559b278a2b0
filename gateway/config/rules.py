"""What two keys must agree on.

Rules: a rule reads a whole `Config` whose every value is right by itself, and answers with what is wrong and the fix,
or with None. It names the keys it reads, the one to change first; the problem is placed at the first of them that the
file holds. A caution is no reason not to start. A message shows durations and ports at most: they are never secrets, even where a reference supplied them.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from gateway.config.certificates import Unusable, check_pair, ends_at
from gateway.config.problems import Where
from gateway.config.shape import Config
from gateway.config.units import show_seconds

_TLS = ("listen", "tls")
_EVERYWHERE = {"0.0.0.0", "::"}


@dataclass(frozen=True, slots=True)
class Rule:
    keys: tuple[Where, ...]
    broken: Callable[[Config], tuple[str, str] | None]


def _intervals(config: Config) -> tuple[str, str] | None:
    low, high = config.polling.min_interval, config.polling.max_interval
    if low <= high:
        return None
    return (
        f"polling.min_interval ({show_seconds(low)}) is above polling.max_interval ({show_seconds(high)})",
        "lower the one or raise the other",
    )


def _rejoining(config: Config) -> tuple[str, str] | None:
    # Clients send the call again upon a 504; without reconnecting, each time is one more copy.
    if config.wait.on_timeout != "error" or config.operations.reconnect != "off":
        return None
    return (
        "error makes clients send the call again, which copies again while operations.reconnect is off",
        "write redirect or accepted, or set operations.reconnect to identical or key",
    )


def _ports(config: Config) -> tuple[str, str] | None:
    listen, admin = config.listen, config.admin
    same_host = listen.host == admin.host or not _EVERYWHERE.isdisjoint({listen.host, admin.host})
    if not (listen.port and listen.port == admin.port and same_host):
        return None
    return f"listen and admin both want port {listen.port}", "choose two ports"


_PROOFS = ("client_secret", "certificate", "federated_token_file")
_ASKS_ENTRA = frozenset({"client_credentials", "on_behalf_of"})
_ACTS_AS_ITSELF = frozenset({"client_credentials", "managed_identity"})
_ANY_TENANT = frozenset({"common", "organizations", "consumers"})


def _proofs(config: Config) -> tuple[str, str] | None:
    auth = config.auth
    given = [name for name in _PROOFS if getattr(auth, name) is not None]
    if auth.mode not in _ASKS_ENTRA:
        if not given:
            return None
        return f"{given[0]} is not used while auth.mode is {auth.mode}", "leave it out, or change auth.mode"
    if len(given) == 1:
        return None
    return (
        f"{auth.mode} needs exactly one of {', '.join(_PROOFS)}, not {' and '.join(given) or 'none'}",
        "keep one of them" if given else "add one of them, best as a reference",
    )


def _application(config: Config) -> tuple[str, str] | None:
    auth = config.auth
    if auth.mode not in _ASKS_ENTRA or auth.client_id is not None:
        return None
    return f"{auth.mode} needs auth.client_id", "write the id of the app registration"


def _tenant(config: Config) -> tuple[str, str] | None:
    auth = config.auth
    if auth.mode not in _ASKS_ENTRA:
        return None
    if auth.tenant_id is None and auth.authority is None:
        return (
            f"{auth.mode} needs auth.tenant_id or auth.authority",
            "write the id of the tenant, or the authority's URL",
        )
    tenant = auth.authority.split("/")[3] if auth.authority is not None else auth.tenant_id
    if auth.mode in _ACTS_AS_ITSELF and tenant in _ANY_TENANT:
        return f"an application has a tenant of its own, which {tenant} is not", "write the tenant's id"
    return None


def _scope(config: Config) -> tuple[str, str] | None:
    auth = config.auth
    if auth.mode == "on_behalf_of" and not auth.scopes:
        return "on_behalf_of needs a scope", "write one such as https://graph.microsoft.com/.default"
    if auth.mode not in _ACTS_AS_ITSELF or (len(auth.scopes) == 1 and auth.scopes[0].endswith("/.default")):
        return None
    return (
        f"{auth.mode} needs exactly one scope, which ends with /.default",
        "write one such as https://graph.microsoft.com/.default",
    )


def _deputy(config: Config) -> tuple[str, str] | None:
    # Whoever reaches the port acts as the application.
    host, auth = config.listen.host, config.auth
    if auth.mode not in _ACTS_AS_ITSELF or _is_loopback(host):
        return None
    if auth.caller_keys or config.listen.tls.client_ca_file is not None:
        return None
    return (
        f"whoever reaches {host} would act as the application, as auth.mode is {auth.mode}",
        "listen on 127.0.0.1, or ask callers for a key (auth.caller_keys) or a certificate (listen.tls.client_ca_file)",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(config: Config) -> tuple[str, str] | None:
    tls = config.listen.tls
    if tls.certificate_file is None and tls.private_key_file is None:
        if tls.client_ca_file is None:
            return None
        return (
            "certificates of callers can be asked for over TLS only",
            "add listen.tls.certificate_file and listen.tls.private_key_file",
        )
    if tls.certificate_file is None or tls.private_key_file is None:
        missing = "certificate_file" if tls.certificate_file is None else "private_key_file"
        return "a certificate and its private key go together", f"add listen.tls.{missing}"
    try:
        check_pair(tls.certificate_file, tls.private_key_file)
    except Unusable as error:
        return f"the private key {error}", error.fix
    return None


RULES = (
    Rule((("polling", "min_interval"), ("polling", "max_interval")), _intervals),
    Rule((("wait", "on_timeout"), ("operations", "reconnect")), _rejoining),
    Rule((("admin", "port"), ("listen", "port"), ("admin", "host"), ("listen", "host")), _ports),
    Rule((*(("auth", name) for name in _PROOFS), ("auth", "mode")), _proofs),
    Rule((("auth", "mode"), ("auth", "client_id")), _application),
    Rule((("auth", "authority"), ("auth", "tenant_id"), ("auth", "mode")), _tenant),
    Rule((("auth", "scopes"), ("auth", "mode")), _scope),
    Rule(
        (("listen", "host"), ("auth", "mode"), ("auth", "caller_keys"), (*_TLS, "client_ca_file")),
        _deputy,
    ),
    Rule(((*_TLS, "private_key_file"), (*_TLS, "certificate_file"), (*_TLS, "client_ca_file")), _tls),
)


@dataclass(frozen=True, slots=True)
class Caution:
    """What is no error, and yet not meant."""

    key: Where
    doubtful: Callable[[Config, float], tuple[str, str] | None]
    """Gets the time, in seconds since 1970."""


def _expiry(config: Config, now: float) -> tuple[str, str] | None:
    path = config.listen.tls.certificate_file
    with suppress(Unusable):
        if path is not None and ends_at(path) <= now:
            return "the certificate has expired, and callers will refuse it", "renew it"
    return None


CAUTIONS = (Caution((*_TLS, "certificate_file"), _expiry),)
