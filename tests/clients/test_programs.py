"""The clients of `docs/clients.md`, as the page shows them, at a gateway with a certificate: two processes, as in life.

All of them make their copies at the same time, once; the tests look at what came of it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from acceptance.command import PATIENCE, Command, curl
from fakes.papers import Papers

from clients.programs import Copy, Told, programs, shown
from clients.watch import Request, Watch

LEADING = ("curl", "requests", "httpx", "urllib", "fetch", "axios", "java", "java-urlconnection", "go")
"""Those that follow redirects, some of them because they are told to."""
NOT_LED = ("httpx, following nothing", "java, following nothing")
WHOLE_CHAIN = ("curl", "fetch", "axios", "java", "go")
"""Their patience is that of all redirects together; the others' is that of one."""
GIVEN_UP = {
    "curl": "28",
    "fetch": "TimeoutError",
    "axios": "ECONNABORTED",
    "go": "deadline exceeded",
    **dict.fromkeys(("requests", "httpx", "urllib", "java", "java-urlconnection"), "Timeout"),
}
"""What each says when its patience is over."""
DROPPING = ("java-urlconnection",)
"""These send no Authorization after a redirect."""
ONE_LINE = ("requests", "httpx", "java", "go")
"""They do with one connection for all calls and redirects."""
LINE_FOR_EACH_HOP = ("axios", "java-urlconnection", "urllib")
"""They open one for each redirect."""

HELD = 0.8
LONG = 2.0
"""Seconds that a call is held for, and that a long copy takes."""
SCRIPT = f"""\
rules:
  - {{match: {{path: "report.docx:/copy$"}}, duration: {LONG}s}}
  - {{match: {{path: "budget.xlsx:/copy$"}}, fail: quotaLimitReached}}
"""
SETTINGS = f"""\
admin: {{port: 0}}
monitor: {{allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true}}
polling: {{first_delay: 50ms, min_interval: 50ms, max_interval: 200ms}}
wait: {{max: {HELD}s}}
"""
SHORT, SLOW, FAILING = "hello.txt", "Documents/report.docx", "Documents/budget.xlsx"


@dataclass(frozen=True)
class Come:
    """What came of it all."""

    told: Mapping[tuple[str, str], Told]
    """By client and case."""
    lines: Mapping[str, list[list[Request]]]
    """By client, what it sent on each connection in its watched cases."""
    posts: Counter[str]
    """How many POSTs Graph got, by token."""
    copies: Mapping[str, int]
    """How many items Graph has made, by path."""


def token(client: str, case: str) -> str:
    """Each is a caller of its own."""
    return "sim-ana-" + re.sub(r"\W+", "-", f"{client} {case}")


def made(client: str, gateway: str, watched: str) -> Iterator[Copy]:
    """The copies of one client, in their order."""

    def copy(case: str, source: str, *, at: str = gateway, seconds: float = PATIENCE, like: str = "") -> Copy:
        url = f"{at}/v1.0/me/drive/root:/{source}:/copy"
        of = like or case
        return Copy(client, case, url, token(client, of), f"{client} {of}.txt", seconds)

    if client in NOT_LED:
        yield copy("long", SLOW)
        return
    yield copy("plain", SHORT, at=watched)
    yield copy("long", SLOW, at=watched)
    yield copy("failed", FAILING)
    yield copy("given up", SLOW, seconds=1.5 * HELD if client in WHOLE_CHAIN else HELD / 2)
    yield copy("again", SLOW, like="given up")


@pytest.fixture(scope="module")
def come(tmp_path_factory: pytest.TempPathFactory) -> Come:
    folder = tmp_path_factory.mktemp("clients")
    house = Papers(folder, "house")
    server = house.issue("gateway", addresses=["127.0.0.1"])
    script, file = folder / "script.yaml", folder / "gateway.yaml"
    script.write_text(SCRIPT, "utf-8")
    words = ("--port", "0", "--monitor-port", "0", "--duration", "200ms", "--speed", "0", "--script", script)
    with ExitStack() as stack:
        simulator = stack.enter_context(Command("simulate", *words))
        graph = simulator.line("Graph ").split()[1].removesuffix("/v1.0")
        tls = f"{{certificate_file: {server.certificate}, private_key_file: {server.key}}}"
        listen = f"listen: {{port: 0, tls: {tls}}}\nupstream: {{base_url: '{graph}'}}\n"
        file.write_text(SETTINGS + listen, "utf-8")
        gateway = stack.enter_context(Command("run", "--config", file))
        address = gateway.event("listening")["address"]

        watches = {
            client: stack.enter_context(
                Watch(int(address.rpartition(":")[2]), server=server, trust=house.client())
            )
            for client in LEADING
        }
        known = programs(house.file)

        def run(clients: tuple[str, ...]) -> list[tuple[tuple[str, str], Told]]:
            watched = {client: watches[client].url if client in watches else "" for client in clients}
            copies = [copy for one in clients for copy in made(one, f"https://{address}", watched[one])]
            return list(known[clients].run(copies))

        with ThreadPoolExecutor(len(known)) as together:
            told = dict(one for found in together.map(run, known) for one in found)
        sent = json.loads(curl(f"{graph}/_simulator/requests").stdout)
        effects = json.loads(curl(f"{graph}/_simulator/summary").stdout)["effects"]
        assert (gateway.stop(), simulator.stop()) == (0, 0)
        assert "Wrong    0 violations" in simulator.out, simulator.told
    posts = Counter(
        value.removeprefix("Bearer ")
        for one in sent
        if one["method"] == "POST"
        for name, value in one["headers"]
        if name == "Authorization"
    )
    lines = {client: [line.requests for line in watch.lines] for client, watch in watches.items()}
    return Come(told, lines, posts, effects)


leading = pytest.mark.parametrize("client", LEADING)


@leading
def test_a_copy_is_the_finished_item(come: Come, client: str) -> None:
    told = come.told[client, "plain"]
    assert told.status == 200, told
    assert told.body["name"] == f"{client} plain.txt"


@leading
def test_past_the_bound_it_is_led_to_the_end(come: Come, client: str) -> None:
    told = come.told[client, "long"]
    assert told.status == 200, told
    assert told.body["name"] == f"{client} long.txt"
    sent = [request for line in come.lines[client] for request in line]
    hops = [request for request in sent if request.path.startswith("/_gateway/")]
    assert hops
    assert all((hop.method, hop.path) == ("GET", hops[0].path) for hop in hops)
    assert come.posts[token(client, "long")] == 1


@leading
def test_what_becomes_of_authorization_on_a_redirect(come: Come, client: str) -> None:
    sent = [request for line in come.lines[client] for request in line]
    for request in sent:
        dropped = request.method == "GET" and client in DROPPING
        assert ("authorization" in request.fields) != dropped, request


@leading
def test_which_connections_it_needs(come: Come, client: str) -> None:
    lines = [[request.method for request in line] for line in come.lines[client]]
    hops = sum(line.count("GET") for line in lines)
    assert len(lines) == 1 if client in ONE_LINE else len(lines) <= 2 + hops, lines
    if client in LINE_FOR_EACH_HOP:
        assert [line for line in lines if "GET" in line] == [["GET"]] * hops


@leading
def test_a_failed_copy_is_graphs_error(come: Come, client: str) -> None:
    told = come.told[client, "failed"]
    assert told.status == 507, told
    assert told.body["error"]["code"] == "quotaLimitReached"


@leading
def test_who_gives_up_and_sends_again_joins(come: Come, client: str) -> None:
    """Where `WHOLE_CHAIN` says so, it has given up although no silence was longer than its patience."""
    first, second = come.told[client, "given up"], come.told[client, "again"]
    assert GIVEN_UP[client] in (first.error or ""), first
    assert second.status == 200, second
    assert second.body["name"] == f"{client} given up.txt"
    assert come.posts[token(client, "given up")] == 1
    assert come.copies[f"ana:/Documents/{client} given up.txt"] == 1


@pytest.mark.parametrize("client", NOT_LED)
def test_one_that_follows_nothing_gets_the_redirect(come: Come, client: str) -> None:
    told = come.told[client, "long"]
    assert told.status == 303, told
    assert come.posts[token(client, "long")] == 1


def test_every_part_that_is_shown_is_run() -> None:
    assert set(shown()) == set(LEADING)
