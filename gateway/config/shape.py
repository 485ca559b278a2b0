"""The shape of the configuration: every key, its default, what it accepts and what it does.

Attributes are named as the keys of the file. Descriptions are the reference page and the comments of the sample file;
the first sentence of each has to say on one line what the key is for.

Rules: frozen; an unknown key is an error; every value has a kind, which reads it strictly; a key exists only once it
works. Durations are seconds, sizes are bytes. Values come out in one spelling (`addresses`, `units`); what two keys must agree on is in `rules`, because a
problem there belongs to a key and not to a section. Nothing here does anything but describe.
"""

from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from gateway.config.addresses import MICROSOFT_HOSTS, AllowedHost, Host, HostPort, Url
from gateway.config.callers import AllowedCall, CallerKey, KeyText
from gateway.config.certificates import CertificateFile, ChainFile, KeyFile
from gateway.config.credentials import (
    AuthorityUrl,
    Certificate,
    CertificatePem,
    Identifier,
    Scope,
    Secret,
    SecretText,
    TokenFile,
)
from gateway.config.declaration import Declaration, Declarations, PresetName
from gateway.config.kinds import Flag, Listed, Whole, Word
from gateway.config.section import Section
from gateway.config.storage import EncryptionKey, EncryptionKeys, RedisUrl, ServerUrl, StoreFile
from gateway.config.units import DAY, GIB, HOUR, KIB, MIB, MINUTE, Bytes, Seconds

AuthMode = Literal["passthrough", "client_credentials", "managed_identity", "on_behalf_of"]
OnTimeout = Literal["redirect", "accepted", "error"]
Heartbeat = Literal["off", "interim"]
StoreName = Literal["memory", "sqlite", "redis"]
Reconnect = Literal["identical", "key", "off"]
ResolveUnknown = Literal["probe", "report"]
DialectName = Literal[
    "drive",
    "workbook",
    "onenote",
    "teams",
    "sites",
    "connectors",
    "print",
    "ediscovery",
    "privacy",
    "gdap",
    "attacksimulation",
    "industrydata",
]
Level = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

MILLISECOND = 0.001
YEAR = 365 * DAY

TIMEOUT = Seconds(MILLISECOND, HOUR)
KEEPING = Seconds(0, YEAR)
COUNT = Whole(1, 1_000_000)

CaFile = Annotated[Path, CertificateFile()]


class Tls(Section):
    """TLS on the callers' listener, 1.2 or later; and certificates of callers."""

    certificate_file: Annotated[Path, ChainFile()] | None = None
    """The PEM file of the certificate that callers see, followed by its chain. With it the listener speaks https and
    nothing else; `null` is plain http."""
    private_key_file: Annotated[Path, KeyFile()] | None = None
    """The PEM file of that certificate's private key, without a passphrase."""
    client_ca_file: CaFile | None = None
    """A file of the authorities whose certificates callers must show. A caller without one gets no connection. Its
    subject is who it is, unless `auth.mode` takes that from a token."""


class Listen(Section):
    """Where callers reach the gateway."""

    host: Annotated[str, Host()] = "127.0.0.1"
    """The address that callers connect to. Beyond loopback, everybody who reaches the port can use the
    gateway; see `auth.caller_keys` and `listen.tls` for who that is, or put the pod's network policy in front."""
    port: Annotated[int, Whole(0, 65535)] = 8080
    """The port that callers connect to. 0 takes any free one, which the log then names."""
    public_url: Annotated[str, Url(path=True, example="https://graph-gateway.example")] | None = None
    """The URL by which callers know the gateway, a path prefix included. `Location` headers begin with it;
    without it they are paths alone, which every client resolves against the URL it called."""
    tls: Tls = Tls()


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
    nowhere else. `client_credentials`: an application's, got from Entra with a secret, a certificate or a federated
    token. `managed_identity`: that of the Azure resource the gateway runs on. `on_behalf_of`: a token for the caller,
    got from Entra for the one it presents. What goes where: [credentials](credentials.md)."""
    tenant_id: Annotated[str, Identifier("a tenant's id or domain")] | None = None
    """The tenant that gives the tokens: its id or one of its domains. The authority is then that of the public cloud;
    for any other write `authority` instead."""
    client_id: Annotated[str, Identifier("an application's id")] | None = None
    """The application that the gateway is. In `managed_identity` the user-assigned identity; without one the
    system-assigned."""
    client_secret: Annotated[Secret, SecretText()] | None = None
    """Proves that the gateway is that application: a client secret, best as a reference."""
    certificate: Annotated[Certificate, CertificatePem()] | None = None
    """Proves it by a certificate of the application's. A `file:` reference to a PEM file with the certificate and its
    RSA key, the key without a pass phrase."""
    federated_token_file: Annotated[Path, TokenFile()] | None = None
    """Proves it by a token that somebody else issues, such as a cluster's to its pods. The file is read anew for each
    token that is asked for."""
    authority: Annotated[str, AuthorityUrl()] | None = None
    """Where tokens are to be had, with the tenant as the path; `null` takes the public cloud's for `tenant_id`. It is
    trusted as it stands: nobody is asked whether it is Microsoft's."""
    ca_file: CaFile | None = None
    """A file of certificate authorities to trust for the authority, besides the system's."""
    scopes: Annotated[tuple[Annotated[str, Scope()], ...], Listed("https://graph.microsoft.com/.default")] = (
        "https://graph.microsoft.com/.default",
    )
    """What the tokens are to be good for. Other clouds have other hosts, such as
    https://graph.microsoft.us/.default; an application's scope ends with `/.default`."""
    caller_keys: Annotated[tuple[Annotated[CallerKey, KeyText()], ...], Listed("env:KEY_OF_BILLING")] = ()
    """The keys that callers may present as `Gateway-Key`. With any here, a call without one of them gets 401. Each key
    is a caller of its own; they are never forwarded."""
    allow: (
        Annotated[tuple[Annotated[str, AllowedCall()], ...], Listed('"POST /v1.0/me/drive/items/*/copy"')]
        | None
    ) = None
    """The calls that are let through; any other gets 403 before anything is sent. `null` lets all through, an empty
    list none. A path is matched in whichever spelling it comes; `$batch` only where it is named."""


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
    replicas do not share them. `sqlite`: in the file `operations.path`, which survives the process, however it
    ends, and belongs to one gateway. `redis`: in the Redis or Valkey at `operations.url`, which replicas share:
    whichever a caller reaches, it joins what is running, and what a replica leaves behind another one takes over.
    Needs `pip install lro-gateway[redis]`."""
    path: Annotated[Path, StoreFile()] = Path("operations.db")
    """The file of the `sqlite` store. Its directory must be there and on a disk of this machine; three more files
    stand beside it. Nobody else may read them (mode 0600)."""
    url: Annotated[str, RedisUrl()] = ServerUrl("redis://127.0.0.1:6379/0")
    """The server of the `redis` store, best as a reference if it holds a password. Version 6 or later; with
    `appendonly yes`, or a restart of it forgets operations, and `maxmemory-policy noeviction`. All keys begin with
    `lro-gateway:{operations}:`. It has to be one primary: neither a cluster nor Sentinel is asked for another."""
    wait_replicas: Annotated[int, Whole(0, 16)] = 0
    """How many replicas of the Redis server must have a new operation before the gateway goes on. Each change of its
    state as well. Fewer, and a call that would start one gets 503 before anything is sent. At 0, a fail-over may
    forget the operations of its last moments."""
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
    encryption_key: Annotated[tuple[EncryptionKey, ...], EncryptionKeys()] | None = None
    """Encrypts the monitor URLs in a store, which are secrets: 32 bytes in base64, best as a reference. To change it, put the new key before the old one and start the gateway; the old one can go at the
    next start. Replicas that share a store need one step more: first give each the list with the new key behind
    the old one. `null` leaves them to the file's mode, or to whoever may read the server."""


class Dialects(Section):
    """Which long-running operations are recognised. What is not, passes through untouched."""

    enabled: Annotated[tuple[Annotated[DialectName, Word(DialectName)], ...], Listed("drive")] = get_args(
        DialectName
    )
    """The dialects to recognise; `docs/dialects.md` lists their operations. `drive`: copies, moves and label
    assignments of drive items, uploads from a URL. `workbook`: Excel sessions and table rows. `onenote`: copies of
    notebooks, sections and pages. `teams`: teams, channels, chats. `sites`: content types, new sites. `connectors`:
    schemas. `print`: printers. `ediscovery`: searches, review sets, holds. `privacy`: exports of personal data.
    `gdap`: delegated admin assignments. `attacksimulation`: simulations. `industrydata`: validations. An empty list
    recognises none of these."""
    presets: Annotated[tuple[Annotated[PresetName, Word(PresetName)], ...], Listed("azure")] = ()
    """Dialects of other APIs that come with the gateway, asked after all others. `azure`: Azure Resource Manager and
    the services that follow Azure's guidelines. `fhir`: FHIR's asynchronous requests. `generic`: any 202 with a
    `Location`, whatever it was sent for. What they wait for: [dialects of your own](custom-dialects.md)."""
    custom: Annotated[tuple[Declaration, ...], Declarations("{name: reports, match: …}")] = ()
    """Dialects of your own, asked after those of `enabled`. Each says which calls start an operation, where its
    monitor is, what its statuses mean and where the result is: [how to write one](custom-dialects.md)."""


class Limits(Section):
    """Bounds on everything that callers and upstream could make grow."""

    held_calls: Annotated[int, COUNT] = 10_000
    """How many calls may be held at once. Past it a call gets 503 before anything is sent."""
    calls_per_caller: Annotated[int, COUNT] | None = None
    """How many calls of one caller may be held at once. Past it that caller gets 503; `null` sets no bound."""
    running_per_drive: Annotated[int, COUNT] | None = None
    """How many operations may run into one drive at a time. The others queue: their calls are held like those of
    running ones, and nothing is sent for them yet. Graph's store answers with errors once 10 to 50 copies run into
    one drive. Each gateway counts its own; `null` sets no bound."""
    concurrent_polls: Annotated[int, Whole(1, 10_000)] = 64
    """How many monitors are asked at the same time. Polls past it wait for their turn."""
    body: Annotated[int, Bytes(1, GIB)] = 4 * MIB
    """The largest body of a call that starts an operation. It is kept in memory to tell a repeated call; past
    it the caller gets 413. Other bodies are streamed and have no bound."""
    monitor_body: Annotated[int, Bytes(1, 64 * MIB)] = 256 * KIB
    """The largest answer of a monitor. A longer one counts as transient trouble: it is asked again."""
    header: Annotated[int, Bytes(512, MIB)] = 16 * KIB
    """The largest header section of a request. A caller that sends a larger one gets 431."""
    memory: Annotated[int, Bytes(MIB, 1024 * GIB)] | None = None
    """How much memory the gateway may take before it answers new calls with 503. `null` is nine tenths of the
    container's limit, where there is one."""
    connections: Annotated[int, COUNT] = 12_000
    """How many connections of callers may be open at once. Leave room above `limits.held_calls`."""
    header_read: Annotated[float, TIMEOUT] = 10.0
    """How long a caller may take to send the header section of a request, and before that for a TLS handshake."""
    body_read: Annotated[float, TIMEOUT] = 10.0
    """How long a caller may pause while it sends a body. Past it the caller gets 408."""
    min_upload_rate: Annotated[int, Bytes(0, GIB)] = 240
    """How many bytes of a body a caller must send in a second, on average, once it has taken `limits.body_read`. Below
    it the caller gets 408; 0 asks for none. Time in which the upstream takes nothing does not count."""
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


class Tracing(Section):
    """Traces of calls and operations, by OpenTelemetry. Needs `pip install lro-gateway[otlp]`."""

    otlp_endpoint: Annotated[str, Url(path=True, example="http://127.0.0.1:4318")] | None = None
    """The collector that spans are sent to, by OTLP over HTTP. Without a path that is `/v1/traces`. `null` traces
    nothing, and passes callers' `traceparent` on untouched. The library's OTEL_EXPORTER_OTLP_HEADERS and
    OTEL_RESOURCE_ATTRIBUTES are obeyed."""


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
    tracing: Tracing = Tracing()

    @classmethod
    def default(cls) -> Self:
        return cls()
