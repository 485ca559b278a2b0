"""The admin listener: what it answers fits its description, and whom it lets in."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes.records import operation
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from stage import Answer, Stage, in_thread, passed, play

from gateway.admin import feed
from gateway.admin.feed import MOST_CLIENTS
from gateway.model import State
from gateway.store import StoreDown

API: dict[str, Any] = YAML(typ="safe").load(
    (Path(__file__).parents[2] / "docs/admin-api.yaml").read_text("utf-8")
)
LONG = "duration=30s"
FAILED = "duration=50ms; fail=nameAlreadyExists"


def fits(answer: Answer, path: str) -> Any:
    """The answer's JSON, which fits what the description says of it."""
    content = API["paths"][path]["get"]["responses"][str(answer.status)]
    if "$ref" in content:
        content = API["components"]["responses"][content["$ref"].rpartition("/")[2]]
    schema = {**content["content"]["application/json"]["schema"], "components": API["components"]}
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(answer.json)
    return answer.json


async def copies(stage: Stage) -> str:
    """One copy that has ended, one that failed and one that goes on; the last one's id."""
    assert (await stage.copy("/v1.0/me/drive/root:/hello.txt:/copy", body={"name": "1"})).status == 200
    failed = await stage.copy("/v1.0/me/drive/root:/hello.txt:/copy", body={"name": "2"}, simulate=FAILED)
    assert failed.status == 409
    going = await stage.copy(
        "/v1.0/me/drive/root:/hello.txt:/copy",
        body={"name": "3"},
        simulate=LONG,
        headers={"Prefer": "respond-async"},
    )
    assert going.status == 202
    return str(going.header("Gateway-Operation"))


# --- answers ---------------------------------------------------------------------------------------------


def test_every_json_answer_is_as_it_is_described() -> None:
    async def story(stage: Stage) -> None:
        await copies(stage)
        for path in ("/healthz", "/readyz", "/status", "/operations"):
            answer = await stage.admin(path)
            assert answer.status == 200
            fits(answer, path)
        assert fits(await stage.admin("/operations?limit=no"), "/operations")["error"].startswith("limit is ")

    play(story)


def test_every_path_is_described_and_every_description_has_a_path() -> None:
    async def story(stage: Stage) -> None:
        for path in API["paths"].keys() - {"/operations/events"}:
            assert (await stage.admin(path)).status == 200, path
        routes = {
            route.get_info().get("path")
            for route in stage.gateway.admin._runner.app.router.resources()  # type: ignore[union-attr] # it listens
        }
        assert {path for path in routes if not str(path).startswith("/static/")} == API["paths"].keys()

    play(story)


def test_the_filters_choose() -> None:
    async def story(stage: Stage) -> None:
        going = await copies(stage)

        async def states(query: str) -> list[str]:
            return [row["state"] for row in (await stage.admin(f"/operations{query}")).json["operations"]]

        assert await states("") == ["running", "failed", "succeeded"], "what is under way comes first"
        assert await states("?state=active") == ["running"]
        assert await states("?state=ended") == ["failed", "succeeded"]
        assert await states("?state=failed&dialect=drive") == ["failed"]
        assert await states("?dialect=teams") == []
        assert await states("?q=NAMEALREADY") == ["failed"]
        assert await states(f"?q={going[:8]}") == ["running"]
        assert await states("?state=stalled") == []
        assert await states("?limit=2") == ["running", "failed"]
        said = (await stage.admin("/operations?state=ended&limit=1")).json
        assert (said["active"], said["total"], said["matching"], len(said["operations"])) == (1, 3, 2, 1)

    play(story)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("state=gone", "state is one of active"),
        ("limit=0", "limit is a whole number from 1 to 10000"),
        ("limit=10001", "limit is"),
        ("limit=%C2%B2", "limit is"),
        ("sort=age", "there are the parameters"),
    ],
)
def test_a_query_that_means_nothing_is_told_what_would(query: str, why: str) -> None:
    async def story(stage: Stage) -> None:
        for path in ("/operations", "/operations/events"):
            answer = await stage.admin(f"{path}?{query}")
            assert answer.status == 400
            assert answer.json["error"].startswith(why)

    play(story)


def test_a_store_that_is_down_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(stage: Stage) -> None:
        async def down() -> None:
            raise StoreDown("the disk is full")

        monkeypatch.setattr(stage.gateway.admin._status._store, "all", down)
        assert fits(await stage.admin("/operations"), "/operations")["error"].startswith("the store does not")
        store = fits(await stage.admin("/status"), "/status")["health"]["store"]
        assert (store["state"], store["reason"]) == ("trouble", "the disk is full")
        monkeypatch.undo()
        assert (await stage.admin("/operations")).status == 200
        assert stage.gateway.watch.store.state == "ok"

    play(story)


def test_the_status_tells_outcomes_and_times() -> None:
    async def story(stage: Stage) -> None:
        await copies(stage)
        said = (await stage.admin("/status")).json
        assert said["outcomes"] == {"succeeded": 1, "failed": 1, "unknown": 0, "lost": 0}
        assert [(one["state"], one["code"]) for one in said["recent"]] == [
            ("failed", "nameAlreadyExists"),
            ("succeeded", None),
        ]
        assert sum(said["series"]["counts"]["calls"]) == 3
        assert sum(said["series"]["counts"]["started"]) == 3
        for name in ("upstream", "monitor", "lateness"):
            assert said["histograms"][name]["count"] >= 2, name
            assert any(said["series"]["seconds"][name]["max"]), name
        assert said["health"]["upstream"]["state"] == "ok"
        assert (said["active"], said["held_calls"]) == (1, 0)

    play(story)


def test_an_upstream_that_is_gone_is_told_of_with_the_reason() -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.call("GET", "/v1.0/me")
        assert answer.status == 502
        upstream = (await stage.admin("/status")).json["health"]["upstream"]
        assert (upstream["state"], upstream["reason"]) == ("trouble", "connection_refused")

    play(story, upstream={"connect_to": "127.0.0.1:1"})


# --- the door ----------------------------------------------------------------------------------------------


def test_every_answer_has_the_header_lines_that_keep_a_browser_safe() -> None:
    async def story(stage: Stage) -> None:
        for path in ("/", "/static/main.js", "/healthz", "/operations", "/status", "/metrics", "/nothing"):
            answer = await stage.admin(path)
            policy = answer.header("Content-Security-Policy") or ""
            assert policy.startswith("default-src 'self'; "), path
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.header("X-Content-Type-Options") == "nosniff"
            assert answer.header("Referrer-Policy") == "no-referrer"
            assert answer.header("Cache-Control") == "no-store"
            assert answer.header("Access-Control-Allow-Origin") is None
            assert answer.header("Server") is None

    play(story)


def asked(port: int, method: str, path: str, host: str | None) -> tuple[int, str | None]:
    """The status and Allow of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        reply = connection.getresponse()
        return reply.status, reply.getheader("Allow")
    finally:
        connection.close()


def test_on_loopback_only_this_machines_names_are_answered() -> None:
    async def story(stage: Stage) -> None:
        ask = partial(asked, stage.admin_port, "GET")
        for host in (
            "localhost",
            "LOCALHOST:9901",
            "127.0.0.1",
            f"127.0.0.1:{stage.admin_port}",
            "[::1]:9901",
        ):
            assert (await in_thread(partial(ask, "/operations", host)))[0] == 200, host
        for host in (
            "evil.example",
            "evil.example:9901",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
        ):
            for path in ("/", "/operations", "/operations/events", "/status"):
                assert (await in_thread(partial(ask, path, host)))[0] == 421, (host, path)

    play(story)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(method: str) -> None:
    async def story(stage: Stage) -> None:
        for path in ("/", "/operations", "/status"):
            told = await in_thread(partial(asked, stage.admin_port, method, path, "localhost"))
            assert told == (405, "GET, HEAD"), path

    play(story)


@pytest.mark.parametrize("path", ["/static/..%2fwatch.py", "/static/../watch.py", "/static/", "/static/x.js"])
def test_no_other_file_is_served(path: str) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.admin(path)).status == 404

    play(story)


# --- the stream --------------------------------------------------------------------------------------------


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream's own times, shorter."""
    monkeypatch.setattr(feed, "TICK", 0.02)
    monkeypatch.setattr(feed, "LOOK", 0.05)


hurried = pytest.mark.usefixtures("_hurried")


class Listener:
    """Reads a stream of events, blocking."""

    def __init__(self, port: int, query: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", f"/operations/events{query}")
        self.reply = self.connection.getresponse()
        self.rows: dict[str, dict[str, Any]] = {}

    def events(self) -> Iterator[tuple[str, Any]]:
        name = ""
        for line in self.reply:
            key, _, value = line.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)

    def until(self, wanted: str, state: str) -> None:
        """Read until the row of an operation is in a state."""
        for name, said in self.events():
            if name == "rows":
                self.rows |= {row["id"]: row for row in said["rows"]}
                for gone in said["gone"]:
                    del self.rows[gone]
            if self.rows.get(wanted, {}).get("state", "gone" if wanted else "") == state:
                return
        raise AssertionError("the stream has ended")


@hurried
def test_the_stream_tells_what_is_there_what_changes_and_what_goes() -> None:
    async def story(stage: Stage) -> None:
        records = stage.gateway.records
        first = operation(1, created_at=stage.gateway.clock.now())
        assert await records.claim(first, replaces=None)
        listener = await in_thread(partial(Listener, stage.admin_port))
        assert listener.reply.getheader("Content-Type") == "text/event-stream"
        await in_thread(partial(listener.until, first.id, "reserved"))
        second = operation(2, created_at=stage.gateway.clock.now())
        assert await records.claim(second, replaces=None)
        await in_thread(partial(listener.until, second.id, "reserved"))
        # As another process would change it: only the store has it.
        moved = replace(second, state=State.SUBMITTING, revision=1)
        await records.store.save(moved, previous=second)
        await in_thread(partial(listener.until, second.id, "submitting"))
        await records.store.discard(first)
        await in_thread(partial(listener.until, first.id, "gone"))
        listener.connection.close()
        listener.reply.close()
        await passed(lambda: len(stage.gateway.admin._feed) == 0)
        assert stage.gateway.admin._feed._known == {}, "nothing is kept while nobody looks"

    play(story)


@hurried
def test_a_filtered_stream_lets_go_of_what_no_longer_fits() -> None:
    async def story(stage: Stage) -> None:
        records = stage.gateway.records
        one = operation(1, created_at=stage.gateway.clock.now())
        assert await records.claim(one, replaces=None)
        listener = await in_thread(partial(Listener, stage.admin_port, "?state=reserved"))
        await in_thread(partial(listener.until, one.id, "reserved"))
        await records.store.save(replace(one, state=State.SUBMITTING, revision=1), previous=one)
        await in_thread(partial(listener.until, one.id, "gone"))
        listener.reply.close()
        listener.connection.close()

    play(story)


@hurried
def test_a_status_comes_by_itself_and_is_as_it_is_described() -> None:
    async def story(stage: Stage) -> None:
        listener = await in_thread(partial(Listener, stage.admin_port))
        said = await in_thread(lambda: next(said for name, said in listener.events() if name == "status"))
        schema = {"$ref": "#/components/schemas/Status", "components": API["components"]}
        Draft202012Validator(schema).validate(said)
        listener.reply.close()
        listener.connection.close()

    play(story)


@hurried
def test_streams_are_bounded_and_end_with_the_listener() -> None:
    async def story(stage: Stage) -> None:
        listeners = [await in_thread(partial(Listener, stage.admin_port)) for _ in range(MOST_CLIENTS)]
        refused = await stage.admin("/operations/events")
        assert (refused.status, refused.header("Retry-After")) == (503, "5")
        await stage.gateway.admin.stop()
        for listener in listeners:
            await in_thread(listener.reply.read)
            listener.connection.close()

    play(story)
