"""TLS on the callers' listener: real handshakes with throw-away authorities, on both event loops."""

import asyncio
import http.client
import json
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from acceptance.command import ended
from fakes.errors import assert_own_error
from fakes.origin import Line, answering
from fakes.papers import Paper, Papers
from passage import SHIPPED, Passage, passing, turn
from stage import Stage, in_thread, play

from gateway.app import CannotListen, Gateway
from gateway.clock import SystemClock
from gateway.config import Config
from gateway.http import connection
from gateway.http.tls import CallerTls, TlsUnusable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n"
BAD = b"GET /x HTTP/1.1\r\nHost: g\r\nA : b\r\n\r\n"


@pytest.fixture
def house(tmp_path: Path) -> Papers:
    return Papers(tmp_path, "house")


@pytest.fixture
def stranger(tmp_path: Path) -> Papers:
    return Papers(tmp_path, "stranger")


@pytest.fixture
def server(house: Papers) -> Paper:
    return house.issue("gateway", addresses=["127.0.0.1"])


def over(server: Paper, clients: Papers | None = None) -> dict[str, Any]:
    """The section `listen`."""
    return {
        "tls": {
            "certificate_file": server.certificate,
            "private_key_file": server.key,
            "client_ca_file": clients.file if clients is not None else None,
        }
    }


async def turned_away(passage: Passage, count: int = 1) -> list[str]:
    """Wait until that many connections were turned away; why."""
    while True:
        reasons = [str(facts["reason"]) for name, facts in passage.observer.told if name == "turned_away"]
        if len(reasons) >= count:
            return reasons
        await turn()


async def nobody_left(passage: Passage) -> None:
    while passage.gateway.callers.connections:
        await turn()


async def refused(passage: Passage, tls: ssl.SSLContext) -> None:
    """No call gets through with this context: with TLS 1.3 the client finds out by its first read."""
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await (await passage.caller(tls=tls)).ask(GET)


# --- calls -------------------------------------------------------------------------------------------------------


def test_calls_over_tls(house: Papers, server: Paper) -> None:
    """Several on one connection; bodies both ways, in pieces, longer than any buffer on the way."""
    body = bytes(range(256)) * 16_384

    async def script(line: Line) -> None:
        while True:
            got = await line.request()
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got.body) + got.body)

    async def story(passage: Passage) -> None:
        caller = await passage.caller(tls=house.client())
        tls = caller.writer.get_extra_info("ssl_object")
        assert tls.version() == "TLSv1.3"
        assert tls.selected_alpn_protocol() == "http/1.1"
        for size in (0, 1, 20_000, len(body)):
            head = b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % size
            caller.writer.write(head + body[:size])
            answer = await caller.answer()
            assert (answer.status, answer.body) == (200, body[:size])
            assert (await passage.record()).outcome == "answered"
        assert len(passage.origin.lines) <= 2
        await caller.close()
        await nobody_left(passage)
        assert await turned_away(passage, 0) == []

    passing(story, script, listen=over(server))


def test_a_slow_reader_gets_all_of_it(house: Papers, server: Paper) -> None:
    """Also where the connection is closed behind the answer: what is unsent then is sent all the same."""
    size = 12_000_000

    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    async def story(passage: Passage) -> None:
        caller = await passage.caller(slow=True, tls=house.client())
        await caller.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await passage.origin.until(lambda: len(passage.origin.requests) == 1)
        for _ in range(20):
            await turn()
        assert len((await caller.answer()).body) == size
        assert await caller.rest() == b""
        assert (await passage.record()).outcome == "answered"

    passing(story, script, listen=over(server))


def test_a_reader_that_stops_is_cut(house: Papers, server: Paper) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                await line.send(b"x" * 100_000)

    async def story(passage: Passage) -> None:
        caller = await passage.caller(slow=True, tls=house.client())
        await caller.send(GET)
        assert (await passage.record()).outcome == "aborted"
        await nobody_left(passage)

    passing(story, script, listen=over(server), limits={"response_write": 0.2})


def test_an_operation_over_tls_is_delivered(house: Papers, server: Paper) -> None:
    async def story(stage: Stage) -> None:
        def copy() -> tuple[int, dict[str, Any]]:
            line = http.client.HTTPSConnection("127.0.0.1", stage.port, context=house.client(), timeout=30)
            try:
                sent = {"Authorization": stage.token(), "Content-Type": "application/json"}
                line.request("POST", "/v1.0/me/drive/root:/hello.txt:/copy", b'{"name": "b.txt"}', sent)
                reply = line.getresponse()
                return reply.status, json.loads(reply.read())
            finally:
                line.close()

        status, item = await in_thread(copy)
        assert (status, item["name"]) == (200, "b.txt")
        while not (await stage.gateway.store.all())[0].delivered_at:
            await turn()

    play(story, listen={"port": 0, **over(server)})


def test_curl(house: Papers, server: Paper) -> None:
    client = house.issue("curl")

    async def story(passage: Passage) -> None:
        url = f"https://127.0.0.1:{passage.port}/x"
        with_papers: list[str | Path] = [
            "--cacert",
            house.file,
            "--cert",
            client.certificate,
            "--key",
            client.key,
        ]

        def curl(*options: str | Path) -> "subprocess.CompletedProcess[bytes]":
            return subprocess.run(
                ["curl", "-sS", *options, url], capture_output=True, timeout=20, check=False
            )

        done = await in_thread(lambda: curl(*with_papers))
        assert (done.returncode, done.stdout) == (0, b"ok"), done.stderr
        done = await in_thread(lambda: curl("--cacert", house.file))
        assert done.returncode != 0
        assert passage.origin.heads[-1].target == b"/x"
        assert len(passage.origin.heads) == 1

    passing(story, answering(OK), listen=over(server, house), loops=SHIPPED)


# --- what is spoken ----------------------------------------------------------------------------------------------


def test_tls_1_2_with_forward_secrecy_is_the_least(house: Papers, server: Paper) -> None:
    def client(version: ssl.TLSVersion, ciphers: str) -> ssl.SSLContext:
        context = house.client()
        context.set_ciphers(ciphers)
        context.minimum_version = context.maximum_version = version
        return context

    async def story(passage: Passage) -> None:
        fine = client(ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM")
        assert (await (await passage.caller(tls=fine)).ask(GET)).status == 200
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old = client(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
        await refused(passage, old)
        await refused(passage, client(ssl.TLSVersion.TLSv1_2, "AES128-SHA:AES128-GCM-SHA256:ECDHE+SHA"))
        assert await turned_away(passage, 2) == ["tls_unsupported_protocol", "tls_no_shared_cipher"]

    passing(story, answering(OK), listen=over(server))


def test_plain_http_is_not_answered(house: Papers, server: Paper) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(GET)
        assert b"HTTP" not in await caller.ended()
        assert await turned_away(passage) == ["tls_http_request"]
        assert passage.origin.heads == []

    passing(story, answering(OK), listen=over(server))


# --- handshakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01", b"\x16"])
def test_a_handshake_that_takes_too_long(house: Papers, server: Paper, begun: bytes) -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        await caller.send(begun)
        assert await caller.ended() == b""
        assert await turned_away(passage) == ["tls_late"]
        assert (await (await passage.caller(tls=house.client())).ask(GET)).status == 200

    passing(story, answering(OK), listen=over(server), limits={"header_read": 0.2})


def test_a_handshake_that_is_left(house: Papers, server: Paper) -> None:
    async def story(passage: Passage) -> None:
        for leave in ("close", "reset"):
            caller = await passage.caller()
            await caller.send(b"\x16\x03\x01")
            if leave == "reset":
                caller.reset()
            else:
                await caller.close()
        assert await turned_away(passage, 2) == ["tls_left"] * 2
        assert passage.gateway.callers.connections == 0

    passing(story, answering(OK), listen=over(server))


def test_after_the_handshake_the_head_has_its_deadline(house: Papers, server: Paper) -> None:
    async def story(passage: Passage) -> None:
        silent, slow = [await passage.caller(tls=house.client()) for _ in range(2)]
        await slow.send(b"GET / HT")
        assert_own_error(await slow.answer(), 408, "requestTimeout", "http_request_error")
        assert await silent.rest() == b""
        await slow.close()
        await nobody_left(passage)
        assert await turned_away(passage) == ["no_request"]

    passing(story, answering(OK), listen=over(server), limits={"header_read": 0.2})


def test_connections_that_shake_hands_count(house: Papers, server: Paper) -> None:
    """The one too many is closed before the work of a handshake is done for it."""

    async def story(passage: Passage) -> None:
        here = await passage.caller(tls=house.client())
        assert (await here.ask(GET)).status == 200
        shaking = await passage.caller()
        await shaking.send(b"\x16")
        late = await passage.caller()
        assert await late.ended() == b""
        assert await turned_away(passage) == ["connections"]
        assert (await here.ask(GET)).status == 200
        await shaking.close()
        assert "tls_left" in await turned_away(passage, 2)
        assert (await (await passage.caller(tls=house.client())).ask(GET)).status == 200

    passing(story, answering(OK), listen=over(server), limits={"connections": 2})


def test_a_gateway_that_stops_waits_for_no_handshake(house: Papers, server: Paper) -> None:
    async def story(passage: Passage) -> None:
        idle, shaking = await passage.caller(tls=house.client()), await passage.caller()
        assert (await idle.ask(GET)).status == 200
        await shaking.send(b"\x16")
        stopping = passage.gateway.tasks.start("stop", passage.gateway.callers.stop(20.0))
        assert await shaking.ended() == b""
        assert await idle.rest() == b""
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await passage.caller()

    passing(story, answering(OK), listen=over(server), limits={"header_read": 1000})


# --- dismissal ---------------------------------------------------------------------------------------------------


def test_whoever_is_dismissed_can_read_why(
    house: Papers, server: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on sending meanwhile; a close_notify at once would be answered with bytes that break the connection."""
    monkeypatch.setattr(connection, "LINGER", 0.2)

    async def story(passage: Passage) -> None:
        for _ in range(2):
            caller = await passage.caller(tls=house.client())
            caller.writer.write(BAD + b"x" * 3_000_000)
            assert (await caller.answer()).status == 400
            await caller.ended()
        await nobody_left(passage)

    passing(story, answering(OK), listen=over(server))


@pytest.mark.parametrize("request_", [BAD, GET.replace(b"1.1", b"1.0")])
def test_the_end_is_told_as_tls_tells_it(
    house: Papers, server: Paper, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    """With a close_notify: without it nobody could tell it from an answer that was cut."""
    monkeypatch.setattr(connection, "LINGER", 0.1)

    def last_word(port: int) -> bytes:
        with house.client().wrap_socket(
            socket.create_connection(("127.0.0.1", port)),
            server_hostname="127.0.0.1",
            suppress_ragged_eofs=False,
        ) as line:
            line.sendall(request_)
            assert line.recv(65_536).startswith(b"HTTP/1.1 ")
            return line.recv(65_536)  # raises where the end comes without a word

    async def story(passage: Passage) -> None:
        assert await in_thread(lambda: last_word(passage.port)) == b""

    passing(story, answering(OK), listen=over(server))


def test_whoever_does_not_leave_is_left(
    house: Papers, server: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that never answers a close_notify: an idle one, one that was dismissed, one that was served."""
    monkeypatch.setattr(connection, "LINGER", 0.1)

    async def story(passage: Passage) -> None:
        asked = (b"", BAD, GET.replace(b"1.1", b"1.0"))
        lines = [await in_thread(lambda: Mute(passage.port, house.client())) for _ in asked]
        for line, request in zip(lines, asked, strict=True):
            await in_thread(lambda line=line, request=request: line.send(request))  # type: ignore[misc] # bound now
        await nobody_left(passage)
        for line in lines:
            line.sock.close()

    limits = {"header_read": 0.2, "response_write": 1_000}
    passing(story, answering(OK), listen=over(server), limits=limits)


class Mute:
    """A client that shakes hands and sends, and from then on reads nothing, not even that it is over."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(self._out.read())
                self._in.write(self.sock.recv(65_536))
        self.send(b"")

    def send(self, data: bytes) -> None:
        if data:
            self._tls.write(data)
        self.sock.sendall(self._out.read())


# --- certificates of callers -------------------------------------------------------------------------------------


def test_callers_need_a_certificate_of_ours(house: Papers, stranger: Papers, server: Paper) -> None:
    async def story(passage: Passage) -> None:
        await refused(passage, house.client())
        await refused(passage, house.client(stranger.issue("billing")))
        await refused(passage, house.client(house.issue("billing", days=-1)))
        reasons = await turned_away(passage, 3)
        assert reasons[0] == "tls_peer_did_not_return_a_certificate"
        assert set(reasons[1:]) <= {"tls_certificate_verify_failed", "tls_left"}
        assert passage.origin.heads == []
        good = await passage.caller(tls=house.client(house.issue("billing")))
        assert (await good.ask(GET)).status == 200
        assert passage.observer.calls[0].status == 200

    passing(story, answering(OK), listen=over(server, house))


def test_the_authorities_of_the_machine_are_not_asked(house: Papers, server: Paper) -> None:
    files = Config.model_validate({"listen": over(server, house)}).listen.tls
    (known,) = CallerTls(files).context.get_ca_certs()
    assert known["subject"] == ((("commonName", "authority house"),),)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_and_ends_with_its_context(
    house: Papers, server: Paper, *, mutual: bool, version: ssl.TLSVersion
) -> None:
    client = house.client(house.issue("billing") if mutual else None)
    client.maximum_version = version

    def visit(port: int, session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        with client.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1", session=session
        ) as line:
            line.sendall(GET)
            assert line.recv(4096).startswith(b"HTTP/1.1 200 ")
            return bool(line.session_reused), line.session

    async def story(passage: Passage) -> None:
        reused, session = await in_thread(lambda: visit(passage.port, None))
        assert not reused
        reused, session = await in_thread(lambda: visit(passage.port, session))
        assert reused
        assert passage.gateway.callers.reload(passage.gateway.config) == ()
        reused, _ = await in_thread(lambda: visit(passage.port, session))
        assert not reused

    passing(story, answering(OK), listen=over(server, house if mutual else None), loops=SHIPPED)


# --- reloading ---------------------------------------------------------------------------------------------------


def shown(caller: Any) -> int:
    """The serial number of the certificate that the gateway has shown."""
    return int(caller.writer.get_extra_info("peercert")["serialNumber"], 16)


def test_a_reload_changes_what_new_connections_get(house: Papers, stranger: Papers, server: Paper) -> None:
    client, other = house.issue("billing"), stranger.issue("billing")
    renewed = house.issue("gateway", addresses=["127.0.0.1"])
    original = {path: path.read_bytes() for path in (server.certificate, server.key, house.file)}

    async def story(passage: Passage) -> None:
        trusting = house.client(client)
        stranger_trusting = house.client(other)
        before = await passage.caller(tls=trusting)
        assert (await before.ask(GET)).status == 200
        await refused(passage, stranger_trusting)
        server.certificate.write_bytes(renewed.certificate.read_bytes())
        server.key.write_bytes(renewed.key.read_bytes())
        house.file.write_bytes(stranger.file.read_bytes())
        assert passage.gateway.callers.reload(passage.gateway.config) == ()
        assert (await before.ask(GET)).status == 200, "a connection that is open stays open"
        after = await passage.caller(tls=stranger_trusting)
        assert (await after.ask(GET)).status == 200
        assert shown(before) != shown(after)
        await refused(passage, trusting)
        for path, content in original.items():  # for the next event loop
            path.write_bytes(content)

    passing(story, answering(OK), listen=over(server, house))


@pytest.mark.parametrize(
    ("spoilt", "content", "said"),
    [
        ("certificate", b"junk", "holds no certificate"),
        ("certificate", None, "cannot be read (No such file or directory)"),
        ("key", b"junk", "holds no private key"),
        ("key", "another", "is not the key of the certificate"),
        ("ca", b"junk", "holds no certificates"),
    ],
)
def test_a_bad_new_file_changes_nothing(
    house: Papers, server: Paper, spoilt: str, content: bytes | str | None, said: str
) -> None:
    path = {"certificate": server.certificate, "key": server.key, "ca": house.file}[spoilt]
    client = house.client(house.issue("billing"))
    another = house.issue("another").key.read_bytes()

    async def story(passage: Passage) -> None:
        first = await passage.caller(tls=client)
        assert (await first.ask(GET)).status == 200
        if content is None:
            path.unlink()
        else:
            path.write_bytes(another if isinstance(content, str) else content)
        (problem,) = passage.gateway.callers.reload(passage.gateway.config)
        assert said in problem
        assert str(path) in problem
        second = await passage.caller(tls=client)
        assert (await second.ask(GET)).status == 200
        assert shown(first) == shown(second)

    passing(story, answering(OK), listen=over(server, house), loops=SHIPPED)


def test_turning_tls_on_or_off_needs_a_restart(house: Papers, server: Paper) -> None:
    with_tls = Config.model_validate({"listen": over(server)})

    async def plain(passage: Passage) -> None:
        assert "needs a restart" in passage.gateway.callers.reload(with_tls)[0]
        assert passage.gateway.callers.reload(Config()) == ()

    async def secure(passage: Passage) -> None:
        assert "needs a restart" in passage.gateway.callers.reload(Config())[0]

    passing(plain, answering(OK), loops=SHIPPED)
    passing(secure, answering(OK), listen=over(server), loops=SHIPPED)


@pytest.mark.parametrize(("days", "warned"), [(30.0, []), (13.0, [13.0]), (-1.0, [-1.0])])
def test_a_certificate_that_ends_soon_is_told_of(house: Papers, days: float, warned: list[float]) -> None:
    paper = house.issue("gateway", addresses=["127.0.0.1"], days=days)

    async def story(passage: Passage) -> None:
        told = [facts["days"] for name, facts in passage.observer.told if name == "certificate_expires"]
        assert told == warned

    passing(story, answering(OK), listen=over(paper), loops=SHIPPED)


# --- starting ----------------------------------------------------------------------------------------------------


def test_files_that_go_away_before_the_start_are_told(server: Paper) -> None:
    files = Config.model_validate({"listen": over(server)}).listen.tls
    server.key.unlink()
    with pytest.raises(TlsUnusable, match=r"1\.key: the private key cannot be read"):
        CallerTls(files)


def test_a_port_that_is_taken_is_told(server: Paper) -> None:
    async def story(passage: Passage) -> None:
        listen = {"host": "127.0.0.1", "port": passage.port, **over(server)}
        config = Config.model_validate({"admin": {"port": 0}, "listen": listen})
        second = Gateway(config, SystemClock(), [passage.observer])
        with pytest.raises(
            CannotListen, match=f"cannot listen on 127.0.0.1:{passage.port}: Address already in use"
        ):
            await second.start()

    passing(story, answering(OK), listen=over(server))


def test_an_expired_certificate_is_a_warning(house: Papers, tmp_path: Path) -> None:
    paper = house.issue("gateway", days=-1)
    file = tmp_path / "gateway.yaml"
    file.write_text(
        f"listen:\n  tls:\n    certificate_file: {paper.certificate}\n    private_key_file: {paper.key}\n"
    )
    done = ended("check-config", str(file))
    assert done.code == 0
    assert done.lines == [
        (
            f"warning: {file}:3:23: listen.tls.certificate_file: the certificate has expired, and callers will refuse "
            "it; renew it"
        )
    ]
