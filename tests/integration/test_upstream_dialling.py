"""How connections come about, and each way they do not: names, addresses, TLS."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from errand import playing, turn
from fakes.clock import FakeClock
from fakes.extensions import issued, of_authority

from gateway.errors import UpstreamBroken, UpstreamUnreachable
from gateway.tasks import Tasks
from gateway.upstream import Exchange, Graph, Outgoing, Resolver, Timeouts, dial
from gateway.upstream.addresses import Address
from gateway.upstream.dial import client_tls, system_resolver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNTIL_END = b"HTTP/1.1 200 OK\r\n\r\nhello"
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Authority:
    """A private certificate authority in a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Authority {folder.name}")])
        own = self.key.public_key()
        certificate = of_authority(self._builder(self.name, own, until=NOW + DAY), own).sign(
            self.key, hashes.SHA256()
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *names: str, until: dt.datetime = NOW + DAY) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            issued(self._builder(x509.Name([]), key.public_key(), until=until), self.key.public_key())
            .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, until: dt.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 9 * DAY)
            .not_valid_after(until)
        )


def _name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("theirs"))


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(OK)


@asynccontextmanager
async def listening(serve: Serve = answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that counts on nothing."""
    writers: list[asyncio.StreamWriter] = []
    tasks = Tasks()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.start("serve", guarded(reader, writer))

    server = await asyncio.start_server(connected, "0.0.0.0", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await tasks.cancel()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
        await turn()


async def ask(
    base_url: str,
    *,
    connect_to: str | None = None,
    ca_file: Path | None = None,
    connect: float = 5,
    resolve: Resolver = system_resolver,
    reading: Callable[[Exchange], Coroutine[Any, Any, None]] | None = None,
) -> bytes:
    """One GET through a Graph of its own."""
    tasks = Tasks()
    graph = Graph(
        base_url=base_url,
        connect_to=connect_to,
        ca_file=ca_file,
        timeouts=Timeouts(connect=connect, reply=60, idle=60),
        clock=FakeClock(),
        tasks=tasks,
        max_header=4096,
        resolve=resolve,
    )
    try:
        exchange = await graph.open(Outgoing("GET", "/", ((b"Host", graph.host_header),)))
        if reading is not None:
            await reading(exchange)
        body, _ = await exchange.read(100)
        return body
    finally:
        await graph.close()
        while tasks.names():
            await turn()
        assert graph.connections == (0, 0)


async def refused(word: str, work: Coroutine[Any, Any, bytes]) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await work
    assert (caught.value.proxy_word, caught.value.sent) == (word, False)


def resolving(*addresses: str) -> Resolver:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port: int = unused.getsockname()[1]
        return port


# --- names and addresses -------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    async def work() -> None:
        await refused("connection_refused", ask(f"http://127.0.0.1:{free_port()}"))
        await refused(
            "connection_refused",
            ask(f"http://name.example:{free_port()}", resolve=resolving("127.0.0.1", "127.0.0.2")),
        )

    playing(work)


def test_no_such_name() -> None:
    async def gone(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        return []

    async def work() -> None:
        await refused("dns_error", ask("http://name.example", resolve=gone))
        await refused("dns_error", ask("http://name.example", resolve=resolving()))
        await refused("dns_error", ask(f"http://{'x' * 64}.example", connect=5))
        await refused("dns_timeout", ask("http://name.example", resolve=slow, connect=0.05))

    playing(work)


def test_no_way_there() -> None:
    async def work() -> None:
        await refused(
            "destination_unavailable", ask("http://name.example", resolve=resolving("255.255.255.255"))
        )

    playing(work)


def test_a_full_queue_times_out() -> None:
    """A listener that accepts nothing: what does not fit into its backlog hangs."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)), socket.socket() as second:
                second.setblocking(False)
                filling = asyncio.gather(
                    loop.sock_connect(second, ("127.0.0.1", port)), return_exceptions=True
                )
                await refused("connection_timeout", ask(f"http://127.0.0.1:{port}", connect=0.1))
                filling.cancel()
                await asyncio.wait((filling,))

    playing(work)


def test_the_next_address_is_tried() -> None:
    async def work() -> None:
        async with listening() as port:
            for addresses in (
                ("127.0.0.2", "127.0.0.1"),  # refused at once
                ("::1", "127.0.0.1"),
                ("255.255.255.255", "::1", "127.0.0.1"),
                ("127.0.0.1", "127.0.0.2", "::1"),
            ):
                assert await ask(f"http://name.example:{port}", resolve=resolving(*addresses)) == b"ok"

    playing(work)


def test_those_that_lose_the_race_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "HEAD_START", 0)
    opened: list[socket.socket] = []
    together: list[asyncio.Future[None]] = []

    async def connected(address: Address, port: int) -> socket.socket:
        """All of them are through in the same turn of the loop."""
        sock = socket.create_connection((str(address), port))
        sock.setblocking(False)
        opened.append(sock)
        if len(opened) == 3:
            together[0].set_result(None)
        await together[0]
        return sock

    monkeypatch.setattr(dial, "_connected", connected)

    async def work() -> None:
        opened.clear()
        together[:] = [asyncio.get_running_loop().create_future()]
        async with listening() as port:
            resolve = resolving("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2")
            assert await ask(f"http://name.example:{port}", resolve=resolve) == b"ok"
            await turn()
            assert [sock.fileno() for sock in opened] == [-1] * 3

    playing(work)


def test_the_systems_resolver() -> None:
    async def work() -> None:
        async with listening() as port:
            assert await ask(f"http://localhost:{port}") == b"ok"

    playing(work)


def test_connect_to_moves_the_connection_and_not_the_name() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async def work() -> None:
        heads.clear()
        async with listening(serve) as port:
            assert await ask("http://graph.example", connect_to=f"127.0.0.1:{port}") == b"ok"
        assert heads == [b"GET / HTTP/1.1\r\nHost: graph.example\r\n\r\n"]

    playing(work)


# --- TLS -----------------------------------------------------------------------------------------------------


def test_what_is_demanded() -> None:
    context = client_tls(None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] > 0 or ssl.get_default_verify_paths().capath


def test_the_right_name(authority: Authority) -> None:
    async def work() -> None:
        seen: list[str | None] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
            await answer(reader, writer)

        async with listening(serve, authority.server("graph.example", "127.0.0.1")) as port:
            for url, connect_to in (
                ("https://graph.example", f"127.0.0.1:{port}"),
                (f"https://127.0.0.1:{port}", None),
            ):
                assert await ask(url, connect_to=connect_to, ca_file=authority.file) == b"ok"
        assert seen == ["http/1.1"] * 2

    playing(work)


def test_wrong_names_authorities_and_dates(authority: Authority, stranger: Authority) -> None:
    async def work() -> None:
        for context in (
            authority.server("other.example", "127.0.0.1"),
            authority.server("graph.example", until=NOW - DAY),
            stranger.server("graph.example"),
        ):
            async with listening(answer, context) as port:
                to = f"127.0.0.1:{port}"
                await refused(
                    "tls_certificate_error",
                    ask("https://graph.example", connect_to=to, ca_file=authority.file),
                )
        async with listening(answer, authority.server("graph.example")) as port:
            await refused(
                "tls_certificate_error", ask("https://graph.example", connect_to=f"127.0.0.1:{port}")
            )

    playing(work)


def test_what_is_no_tls(authority: Authority) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work() -> None:
        for serve, connect, word in (
            (hang_up, 5, "tls_protocol_error"),
            (plain, 5, "tls_protocol_error"),
            (silent, 0.1, "connection_timeout"),
        ):
            async with listening(serve) as port:
                to = f"127.0.0.1:{port}"
                await refused(
                    word, ask("https://graph.example", connect_to=to, ca_file=authority.file, connect=connect)
                )

    playing(work)


def test_old_tls_is_refused(authority: Authority) -> None:
    context = authority.server("graph.example")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def work() -> None:
        async with listening(answer, context) as port:
            to = f"127.0.0.1:{port}"
            await refused(
                "tls_protocol_error", ask("https://graph.example", connect_to=to, ca_file=authority.file)
            )

    playing(work)


def test_a_body_that_ends_with_the_connection_ends_with_a_goodbye(authority: Authority) -> None:
    """Without TLS's own goodbye anybody on the way could have cut it off."""
    rude = [False]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(UNTIL_END)
        await writer.drain()
        await turn()
        if rude[0]:
            writer.transport.abort()
        else:
            writer.close()

    async def work() -> None:
        async with listening(serve, authority.server("graph.example")) as port:
            to = f"127.0.0.1:{port}"
            rude[0] = False
            assert await ask("https://graph.example", connect_to=to, ca_file=authority.file) == b"hello"
            rude[0] = True
            with pytest.raises(UpstreamBroken):
                await ask("https://graph.example", connect_to=to, ca_file=authority.file)

    playing(work)


def test_cancelled_in_the_handshake(authority: Authority) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work() -> None:
        async with listening(silent) as port:
            to = f"127.0.0.1:{port}"
            for turns in (0, 1, 5, 20):
                asking = asyncio.gather(ask("https://graph.example", connect_to=to, ca_file=authority.file))
                for _ in range(turns):
                    await turn()
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking

    playing(work)


def test_a_large_body_over_tls(authority: Authority) -> None:
    size = 8 * 1024 * 1024

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(bytes(65536))
            await writer.drain()
        await reader.read()

    async def reading(exchange: Exchange) -> None:
        got = 0
        async for piece in exchange.chunks():
            got += len(piece)
            await turn()
        assert got == size

    async def work() -> None:
        async with listening(serve, authority.server("graph.example")) as port:
            to = f"127.0.0.1:{port}"
            await ask("https://graph.example", connect_to=to, ca_file=authority.file, reading=reading)

    playing(work)
