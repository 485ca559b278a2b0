"""TLS 1.3 on both sides of each proxy, both verified: small calls, handshakes, large bodies.

Rules
- Certificates are P-256, from an authority of the bench's; upstream's is verified by every proxy.
- A handshake is counted with the one call that is made after it. wrk resumes sessions, as a client does that comes
  again; full handshakes are made by a client of our own, one after the other. Connections upstream are kept.
"""

import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import certificates
from bench.bodies import SIZE, STEP, Meter, download, growths, head, moved, upload
from bench.call import BODY, TARGET, Place, vet
from bench.certificates import Papers
from bench.load import wrk
from bench.machine import Failed, workplace
from bench.passage import added, costed, cpu, pair, told
from bench.peers import CALLED, Running, running
from bench.plots import Bars
from bench.rounds import Part, Tell, median, note, run, table
from bench.upstreams import Small, bodies, small

CONTESTANTS = ("direct", "nginx", "haproxy", "ours", "naive", "mitmproxy")


def measured(*, quick: bool, tell: Tell) -> Part:
    with ExitStack() as stack:
        folder = stack.enter_context(workplace())
        papers = certificates.issue(folder)
        upstream = stack.enter_context(small(folder, papers))
        large = stack.enter_context(bodies(folder, papers))
        measure = partial(
            one, upstream=upstream, large=large, folder=folder / "proxy", papers=papers, quick=quick
        )
        return run(CONTESTANTS, measure, rounds=1 if quick else 3, tell=tell)


def one(
    name: str, *, upstream: Small, large: Place, folder: Path, papers: Papers, quick: bool
) -> dict[str, float]:
    seconds, times = (1.0, 1) if quick else (2.0, 3)
    figures: dict[str, float] = {}
    with running(name, upstream.place, folder, papers) as proxy:
        vet(proxy.place)
        url = proxy.place.url + TARGET
        wrk(url, connections=32, seconds=1)
        for connections in (1, 32):
            load, cost = costed(proxy, upstream, url, connections=connections, seconds=seconds)
            figures |= told(f"c{connections}", load, cost)
        if proxy.program is not None:
            figures["rss"] = proxy.program.rss_kib() / 1024
        load, cost = costed(proxy, upstream, url, connections=8, seconds=seconds, keep=False)
        figures |= told("resumed", load, cost)
        figures |= full_handshakes(proxy, seconds)
    with running(name, large, folder, papers) as proxy:
        meter = Meter(proxy)
        figures |= moved("down", meter, partial(download, proxy.place, SIZE), times)
        figures |= moved("up", meter, partial(upload, proxy.place, SIZE), times)
    return figures


def full_handshakes(proxy: Running, seconds: float) -> dict[str, float]:
    """Connections that are new in every way, one after the other."""
    before = proxy.program.cpu() if proxy.program else None
    took: list[float] = []
    ends = time.perf_counter() + seconds
    context = proxy.place.context()
    while (started := time.perf_counter()) < ends:
        with proxy.place.connect(context=context) as connection:
            connection.sendall(head("GET", TARGET, "Connection: close"))
            got = b""
            while more := connection.recv(STEP):
                got += more
        took.append(time.perf_counter() - started)
        if not got.startswith(b"HTTP/1.1 200") or not got.endswith(BODY.encode()):
            raise Failed(f"another answer: {got[:300]!r}")
    figures = {"full_p50": statistics.median(took) * 1e6, "full_rps": len(took) / sum(took)}
    if proxy.program is not None and before is not None:
        spent = proxy.program.cpu() - before
        micros = {"cpu": spent.total, "user": spent.user, "system": spent.system}
        figures |= {f"full_{kind}": value / len(took) * 1e6 for kind, value in micros.items()}
    return figures


# --- what is made of it ------------------------------------------------------------------------------------

CALLS = (
    median("1: calls/s", "c1_rps"),
    added("1: p50 added, µs", "c1_p50"),
    median("32: calls/s", "c32_rps", spread=True),
    pair("32: p50 / p99, ms", ("c32_p50", "c32_p99"), digits=2, scale=1e-3),
    cpu("32: CPU µs/call (program + kernel)", "c32"),
    median("resumed handshakes/s, 8 at once", "resumed_rps"),
    cpu("CPU µs/resumed handshake", "resumed"),
    median("full handshake, p50 ms", "full_p50", digits=2, scale=1e-3),
    cpu("CPU µs/full handshake", "full"),
    median("memory, MiB", "rss"),
)
LARGE = (
    median("down, MB/s", "down_mbps", spread=True),
    growths("CPU s/GB", "down_cpu"),
    median("up, MB/s", "up_mbps", spread=True),
    growths("CPU s/GB", "up_cpu"),
    growths("memory grown, MiB: down / up", "down_mib", "up_mib"),
)


def blocks(part: Part) -> Mapping[str, str]:
    return {
        "tls": table(part, CALLS, names=CALLED) + "\n" + note(part),
        "tls-bodies": table(part, LARGE, names=CALLED),
    }


def plots(part: Part) -> Mapping[str, str]:
    bars = [
        (CALLED[name].strip("*"), value)
        for name in CONTESTANTS[1:]
        if (value := part.median(name, "c32_cpu")) is not None
    ]
    title = "CPU of the proxy for one small call, TLS on both sides, microseconds (less is better)"
    return {"performance-tls.svg": Bars(title, bars, marked="lro-gateway").svg()}
