"""The proxies that are measured, each as one program between a port of its own and an upstream.

    direct      no proxy: the upstream itself
    nginx       one worker, kept connections; `nginx_stream` is the same without buffering of bodies
    nginx_lua   a Lua content handler that captures a subrequest
    haproxy     one thread, kept connections
    naive       the aiohttp reverse proxy of an afternoon, peers/naive.py
    mitmproxy   `mitmdump -q` in reverse mode, large bodies streamed
    ours        `lro-gateway run`, every setting at its default but ports, upstream and certificates

None of the others writes a line for each call, as they come or by one word; ours does, as it is shipped.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.call import Place
from bench.certificates import NAME, Papers
from bench.machine import BENCH_VENV, HOST, PROXY_CORE, Failed, Program, free_port

HERE = Path(__file__).parent
CALLED: Mapping[str, str] = {
    "direct": "none (direct)",
    "nginx": "nginx",
    "nginx_stream": "nginx, buffering off",
    "haproxy": "HAProxy",
    "nginx_lua": "nginx + Lua (capture)",
    "ours": "**lro-gateway**",
    "naive": "plain aiohttp",
    "mitmproxy": "mitmproxy",
}
"""What the tables call them, in the order of the rows."""


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy that takes connections; or none, where one calls the upstream itself."""

    place: Place
    program: Program | None
    admin_port: int | None = None


@contextmanager
def running(name: str, upstream: Place, folder: Path, papers: Papers | None = None) -> Iterator[Running]:
    """The proxy `name` in front of `upstream`, until the block ends. With papers, TLS on both sides."""
    if name == "direct":
        yield Running(upstream, None)
        return
    # New for each run: what one run leaves, logs and spooled bodies, must not slow down the next.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    place = Place(free_port(), papers.authority if papers else None)
    admin_port = free_port()
    command = MAKE[name](place, upstream, folder, papers, admin_port)
    with Program(name, command, core=PROXY_CORE, log=folder / "output.log", cwd=folder) as program:
        program.wait_for(place.port)
        yield Running(place, program, admin_port if name == "ours" else None)
    shutil.rmtree(folder)


def filled(template: Path, to: Path, values: Mapping[str, object]) -> Path:
    """`template` with every @NAME@ replaced."""
    text = template.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    to.write_text(text, "utf-8")
    return to


def nginx_tls(papers: Papers | None) -> dict[str, str]:
    """The server's side of TLS, for nginx."""
    if papers is None:
        return {"SSL": "", "CERTIFICATES": ""}
    lines = (
        f"ssl_certificate {papers.certificate};",
        f"ssl_certificate_key {papers.key};",
        "ssl_protocols TLSv1.3;",
    )
    return {"SSL": " ssl", "CERTIFICATES": " ".join(lines)}


def _nginx(
    place: Place,
    upstream: Place,
    folder: Path,
    papers: Papers | None,
    _: int,
    *,
    template: str,
    streaming: str = "",
) -> list[str]:
    towards = ""
    if papers is not None:
        towards = (
            f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {papers.authority}; proxy_ssl_protocols TLSv1.3; "
            f"proxy_ssl_name {NAME};"
        )
    values = {
        "FOLDER": folder,
        "PORT": place.port,
        "UPSTREAM": upstream.port,
        "SCHEME": "https" if papers else "http",
        "UPSTREAM_TLS": towards,
        "STREAMING": streaming,
        **nginx_tls(papers),
    }
    made = filled(HERE / template, folder / "nginx.conf", values)
    return [_found("nginx"), "-p", str(folder), "-e", str(folder / "nginx-error.log"), "-c", str(made)]


def _plain_nginx(place: Place, upstream: Place, folder: Path, papers: Papers | None, admin: int) -> list[str]:
    return _nginx(place, upstream, folder, papers, admin, template="nginx.conf")


def _nginx_stream(
    place: Place, upstream: Place, folder: Path, papers: Papers | None, admin: int
) -> list[str]:
    off = "proxy_buffering off; proxy_request_buffering off;"
    return _nginx(place, upstream, folder, papers, admin, template="nginx.conf", streaming=off)


def _nginx_lua(place: Place, upstream: Place, folder: Path, papers: Papers | None, admin: int) -> list[str]:
    return _nginx(place, upstream, folder, papers, admin, template="nginx_lua.conf")


def _haproxy(place: Place, upstream: Place, folder: Path, papers: Papers | None, _: int) -> list[str]:
    values = {
        "PORT": place.port,
        "UPSTREAM": upstream.port,
        "SSL": f" ssl crt {papers.both} ssl-min-ver TLSv1.3" if papers else "",
        "UPSTREAM_TLS": f" ssl verify required ca-file {papers.authority} verifyhost {NAME}"
        if papers
        else "",
    }
    return [_found("haproxy"), "-db", "-f", str(filled(HERE / "haproxy.cfg", folder / "haproxy.cfg", values))]


def _naive(place: Place, upstream: Place, _: Path, papers: Papers | None, __: int) -> list[str]:
    command = [sys.executable, str(HERE / "naive.py"), "--port", str(place.port), "--upstream", upstream.url]
    if papers is not None:
        command += [
            "--certificate",
            str(papers.certificate),
            "--key",
            str(papers.key),
            "--ca",
            str(papers.authority),
        ]
    return command


def _mitmproxy(place: Place, upstream: Place, folder: Path, papers: Papers | None, _: int) -> list[str]:
    program = BENCH_VENV / "bin" / "mitmdump"
    command = [_found(str(program)), "-q", "--mode", f"reverse:{upstream.url}", "--listen-host", HOST]
    command += ["--listen-port", str(place.port), "--set", f"confdir={folder}"]
    command += ["--set", "stream_large_bodies=1m", "--set", "http2=false"]
    if papers is not None:
        command += [
            "--certs",
            f"*={papers.both}",
            "--set",
            f"ssl_verify_upstream_trusted_ca={papers.authority}",
        ]
        command += ["--set", "tls_version_client_min=TLS1_3", "--set", "tls_version_server_min=TLS1_3"]
    return command


def _ours(place: Place, upstream: Place, folder: Path, papers: Papers | None, admin_port: int) -> list[str]:
    values: dict[str, object] = {
        "PORT": place.port,
        "ADMIN_PORT": admin_port,
        "UPSTREAM": upstream.url,
        "TLS": f"tls: {{certificate_file: {papers.certificate}, private_key_file: {papers.key}}}"
        if papers
        else "",
        "CA": f"ca_file: {papers.authority}" if papers else "",
    }
    made = filled(HERE / "gateway.yaml", folder / "gateway.yaml", values)
    return [str(Path(sys.executable).with_name("lro-gateway")), "run", "--config", str(made)]


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Failed(f"there is no {program}: make bench installs it")
    return path


MAKE: Mapping[str, Callable[[Place, Place, Path, Papers | None, int], Sequence[str | Path]]] = {
    "nginx": _plain_nginx,
    "nginx_stream": _nginx_stream,
    "nginx_lua": _nginx_lua,
    "haproxy": _haproxy,
    "naive": _naive,
    "mitmproxy": _mitmproxy,
    "ours": _ours,
}
