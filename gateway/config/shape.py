"""The shape of the configuration: every key, its default, what it accepts and what it does.

Attributes are named as the keys of the file. Descriptions are the reference page and the comments of the sample file;
the first sentence of each has to say on one line what the key is for.

Rules: frozen; an unknown key is an error; every value has a kind, which reads it strictly; a key exists only once it
works. Durations are seconds, sizes are bytes. Values come out in one spelling (`addresses`, `units`); what two keys must agree on is in `rules`, because a
problem there belongs to a key and not to a section. Nothing here does anything but describe.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from gateway.config.addresses import AllowedHost, Host, HostPort, Url
from gateway.config.certificates import CertificateFile
from gateway.config.kinds import Flag, Listed, Whole, Word, unfit
from gateway.config.units import DAY, GIB, HOUR, KIB, MIB, MINUTE, Bytes, Seconds

AuthMode = Literal["passthrough"]
OnTimeout = Literal["redirect", "accepted", "error"]
Heartbeat = Literal["off", "interim"]
StoreName = Literal["memory"]
Reconnect = Literal["identical", "key", "off"]
ResolveUnknown = Literal["probe", "report"]
DialectName = Literal["drive"]
Level = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

MILLISECOND = 0.001
YEAR = 365 * DAY

MICROSOFT_HOSTS = (
    # Graph: worldwide, US government L4 and L5, China (https://learn.microsoft.com/graph/deployments).
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    # SharePoint and OneDrive for work, whose hosts monitor copies: the same clouds, then the sovereign ones of Europe.
    "*.sharepoint.com",
    "*.sharepoint.us",
    "*.sharepoint-mil.us",
    "*.dps.mil",
    "*.sharepoint.cn",
    "*.sovcloud-sharepoint.de",
    "*.sovcloud-sharepoint.fr",
    # OneDrive of consumers.
    "api.onedrive.com",
    "my.microsoftpersonalcontent.com",
)

TIMEOUT = Seconds(MILLISECOND, HOUR)
KEEPING = Seconds(0, YEAR)
COUNT = Whole(1, 1_000_000)

CaFile = Annotated[Path, CertificateFile()]


class Section(BaseModel):
    """A group of keys. A section without content, as commenting out its keys leaves it, has its defaults."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, content: Any) -> Any:
        if content is not None and not isinstance(content, dict | cls):
            raise unfit(
                "must be a mapping of keys, not {value}",
                f"write keys below it, indented: {', '.join(cls.model_fields)}",
            )
        return content or {}


class Listen(Section):
    """Where callers reach the gateway."""

    host: Annotated[str, Host()] = "127.0.0.1"
    """The address that callers connect to. Beyond loopback, everybody who reaches the port can use the
    gateway with a credential of their own; put the pod's network policy or a TLS proxy in front."""
    port: Annotated[int, Whole(0, 65535)] = 8080
    """The port that callers connect to. 0 takes any free one, which the log then names."""
    public_url: Annotated[str, Url(path=True, example="https://graph-gateway.example")] | None = None
    """The URL by which callers know the gateway, a path prefix included. `Location` headers begin with it;
    without it they are paths alone, which every client resolves against the URL it called."""


class Admin(Section):
    """Where operators reach the gateway: health, readiness, the list of operations."""

    host: Annotated[str, Host()] = "127.0.0.1"
    """The address of the admin listener. It asks for no credential: keep it on loopback or behind a network
    policy."""
    port: Annotated[int, Whole(0, 65535)] = 9901
    """The port of the admin listener. 0 takes any free one, which the log then names."""


class Upstream(Section):
    """The API behind the gateway."""

    base_url: Annotated[str, Url(path=False, example="https://graph.microsoft.com")] = (
        "https://graph.microsoft.com"
    )
    """Scheme, host and port of the API that calls are forwarded to. Callers' credentials go there: with
    http:// they travel in the clear, which is for simulators and loopback alone."""
    ca_file: CaFile | None = None
    """A file of certificate authorities to trust upstream, besides the system's."""
    connect_to: Annotated[str, HostPort()] | None = None
    """Connect here instead of where the name in `base_url` resolves to. That name is still the one in the
    Host header and the one that the certificate must carry; for pods in which graph.microsoft.com is an alias
    of the gateway itself."""
    connect_timeout: Annotated[float, TIMEOUT] = 10.0
    """How long a connection upstream may take to come up, TLS included. Past it the caller gets 502, or 503
    where nothing of an operation's POST was sent."""
    reply_timeout: Annotated[float, TIMEOUT] = 100.0
    """How long the upstream may be silent while its answer is due. Past it the caller gets 504, or a cut
    connection where the answer had begun."""


class Auth(Section):
    """The credential that calls carry upstream."""

    mode: Annotated[AuthMode, Word(AuthMode)] = "passthrough"
    """Whose credential is used. `passthrough`: the caller's own Authorization, which goes to the upstream and
    nowhere else."""


class Monitor(Section):
    """Which monitor URLs are followed. One that is not allowed is never polled: the caller gets its 202 as it came."""

    allowed_hosts: Annotated[
        tuple[Annotated[str, AllowedHost()], ...], Listed('graph.microsoft.com, "*.sharepoint.com"')
    ] = MICROSOFT_HOSTS
    """Hosts whose monitor URLs are followed: `host`, `*.suffix`, either with `:port`, or an IP address. A
    list replaces the default, which is Microsoft's in all clouds; the upstream's own origin is always
    allowed. The port is the scheme's own unless the entry names one."""
    allow_private: Annotated[bool, Flag()] = False
    """Follow monitor URLs that resolve to private or loopback addresses, on any port. For simulators:
    otherwise a reply could make the gateway reach into the network around it."""
    allow_http: Annotated[bool, Flag()] = False
    """Follow monitor URLs that are plain http. For simulators: a monitor URL is a secret, and http shows it
    to the network."""
    ca_file: CaFile | None = None
    """A file of certificate authorities to trust for monitors, besides the system's."""


class Polling(Section):
    """When monitors are asked. `Retry-After` of a monitor outranks these."""

    first_delay: Annotated[float, Seconds(0, HOUR)] = 0.5
    """How long after the 202 the monitor is asked for the first time."""
    min_interval: Annotated[float, Seconds(MILLISECOND, HOUR)] = 0.2
    """The shortest time between two polls of one operation."""
    max_interval: Annotated[float, Seconds(MILLISECOND, HOUR)] = 10.0
    """The longest time between two polls of one operation. It also bounds how late the end of a long
    operation is noticed."""
    lost_after: Annotated[float, Seconds(0, DAY)] = 60.0
    """How long a monitor must keep answering 404 or 410 before its operation counts as lost. The caller then
    gets 502 `operationNotFound`."""
    stalled_after: Annotated[float, Seconds(MILLISECOND, YEAR)] = 10 * MINUTE
    """How long an operation shows no progress before the log and the list of operations mark it as stalled. It ends
    nothing."""


class Wait(Section):
    """How long a call is held, and what the caller gets at the end of that."""

    max: Annotated[float, Seconds(MILLISECOND, DAY)] = 55.0
    """How long one call is held at most. Keep it below the shortest idle limit between caller and gateway,
    which is often 60 s; a caller shortens it with `Prefer: wait=N`. The operation itself goes on."""
    on_timeout: Annotated[OnTimeout, Word(OnTimeout)] = "redirect"
    """What a call gets that was held for `wait.max`. `redirect`: 303 to a URL that holds on, so that clients
    which follow redirects wait as long as it takes. `accepted`: 202 with a URL for the status. `error`: 504,
    upon which Graph SDKs send the call again and join the operation; needs `operations.reconnect`."""
    heartbeat: Annotated[Heartbeat, Word(Heartbeat)] = "off"
    """What is sent while a call is held. `off`: nothing. `interim`: 102 Processing, for middle boxes that cut
    silent connections; some clients take a 102 for the answer, `requests` and urllib among them. Never sent to
    HTTP/1.0."""
    heartbeat_interval: Annotated[float, Seconds(0.01, HOUR)] = 15.0
    """The time between two interim answers."""


class Operations(Section):
    """What is remembered of operations, for how long, and who may join or get an answer again."""

    store: Annotated[StoreName, Word(StoreName)] = "memory"
    """Where operations are remembered. `memory`: in this process alone, so that a restart forgets them and
    replicas do not share them."""
    reconnect: Annotated[Reconnect, Word(Reconnect)] = "identical"
    """Which repeated calls reach the operation that is there, instead of starting another. `identical`: those
    with the same Idempotency-Key, or without one the same target and body, of the same caller. `key`: only
    those with an Idempotency-Key. `off`: none, so that a caller which tries again copies again."""
    resolve_unknown: Annotated[ResolveUnknown, Word(ResolveUnknown)] = "probe"
    """What happens when a call comes again whose first outcome nobody knows. `probe`: look for the item with
    the caller's credential, and forward the call only where a second copy is impossible. `report`: always
    answer 409 `copyOutcomeUnknown`."""
    deadline: Annotated[float, Seconds(MILLISECOND, YEAR)] = DAY
    """How long an operation is followed at most, from its start. Past it callers get 502
    `operationDeadlineExceeded`."""
    keep_finished: Annotated[float, KEEPING] = 15 * MINUTE
    """How long the answer of a finished operation waits for a caller that never got it."""
    keep_keyed: Annotated[float, KEEPING] = DAY
    """How long the answer of a delivered operation is given again to calls with its Idempotency-Key."""
    replay_grace: Annotated[float, KEEPING] = 0.0
    """How long a call without a key that equals a delivered one gets that answer again. At 0s only those do
    that say they are retries; more makes deliberate repetitions within that time one copy."""
    max_active: Annotated[int, COUNT] = 10_000
    """How many operations may be unfinished at once. Past it a call that would start one gets 503 before
    anything is sent."""


class Dialects(Section):
    """Which long-running operations are recognised. What is not, passes through untouched."""

    enabled: Annotated[tuple[Annotated[DialectName, Word(DialectName)], ...], Listed("drive")] = ("drive",)
    """The dialects to recognise, in order. `drive`: copies, moves and label assignments of drive items,
    uploads from a URL. An empty list holds no call at all."""


class Limits(Section):
    """Bounds on everything that callers and upstream could make grow."""

    held_calls: Annotated[int, COUNT] = 10_000
    """How many calls may be held at once. Past it a call gets 503 before anything is sent."""
    calls_per_caller: Annotated[int, COUNT] | None = None
    """How many calls of one caller may be held at once. Past it that caller gets 503; `null` sets no bound."""
    concurrent_polls: Annotated[int, Whole(1, 10_000)] = 64
    """How many monitors are asked at the same time. Polls past it wait for their turn."""
    body: Annotated[int, Bytes(1, GIB)] = 4 * MIB
    """The largest body of a call that starts an operation. It is kept in memory to tell a repeated call; past
    it the caller gets 413. Other bodies are streamed and have no bound."""
    monitor_body: Annotated[int, Bytes(1, 64 * MIB)] = 256 * KIB
    """The largest answer of a monitor. A longer one counts as transient trouble: it is asked again."""
    header: Annotated[int, Bytes(512, MIB)] = 16 * KIB
    """The largest header section of a request. A caller that sends a larger one gets 431."""
    connections: Annotated[int, COUNT] = 12_000
    """How many connections of callers may be open at once. Leave room above `limits.held_calls`."""
    header_read: Annotated[float, TIMEOUT] = 10.0
    """How long a caller may take to send the header section of a request."""
    body_read: Annotated[float, TIMEOUT] = 10.0
    """How long a caller may pause while it sends a body. Past it the caller gets 408."""
    response_write: Annotated[float, TIMEOUT] = 30.0
    """How long a caller may pause while it reads an answer. Past it the connection is cut."""
    idle: Annotated[float, TIMEOUT] = 75.0
    """How long a connection stays open between two requests."""


class Shutdown(Section):
    """How the gateway stops."""

    grace: Annotated[float, Seconds(0, HOUR)] = 20.0
    """How long a stopping gateway waits for calls to be answered. Held ones get what `wait.on_timeout` says.
    Keep it below the time after which the platform kills the process."""


class Log(Section):
    """What is logged, to standard output."""

    level: Annotated[Level, Word(Level)] = "info"
    """The least severe events that are logged. Every call is one event at `info`."""
    format: Annotated[LogFormat, Word(LogFormat)] = "json"
    """How events are written. `json`: one object a line, for collectors. `console`: aligned text, for people."""


class Config(Section):
    """The whole configuration."""

    listen: Listen = Listen()
    admin: Admin = Admin()
    upstream: Upstream = Upstream()
    auth: Auth = Auth()
    monitor: Monitor = Monitor()
    polling: Polling = Polling()
    wait: Wait = Wait()
    operations: Operations = Operations()
    dialects: Dialects = Dialects()
    limits: Limits = Limits()
    shutdown: Shutdown = Shutdown()
    log: Log = Log()

    @classmethod
    def default(cls) -> Self:
        return cls()
