"""Who may call, on the wire: keys, the list of calls, memory; nothing of a call is read, sent or told before that."""

import http.client
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from acceptance.command import ended
from fakes.authority import Authority
from fakes.errors import assert_own_error
from fakes.origin import answering
from fakes.papers import Paper, Papers
from passage import SHIPPED, Passage, passing
from stage import Answer, Stage, follow, in_thread, passed, play

from gateway.auth.callers import KnownCallers
from gateway.config import Config
from gateway.config.callers import CallerKey
from gateway.simulator import App, Simulator, SimulatorSettings
from gateway.telemetry.logs import LogObserver, configure

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ONE, TWO = "C4N4RY-the-key-of-billing", "C4N4RY-the-key-of-payroll"
KEYS = {"caller_keys": [ONE, TWO]}
COPY = "/v1.0/me/drive/root:/hello.txt:/copy"


def call(*lines: str, start: str = "GET /x HTTP/1.1", body: bytes = b"") -> bytes:
    return "\r\n".join((start, "Host: g", *lines, "", "")).encode() + body


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [[], ["Gateway-Key:"], ["Gateway-Key: C4N4RY-a-wrong-key-of-this-length"], [f"X-Gateway-Key: {ONE}"]],
)
def test_without_a_key_nothing_goes_upstream(lines: list[str]) -> None:
    async def story(passage: Passage) -> None:
        for start in ("GET /x HTTP/1.1", f"POST {COPY} HTTP/1.1", "GET /_gateway/operations/x HTTP/1.1"):
            answer = await passage.ask(call(*lines, "Authorization: Bearer t", start=start))
            assert_own_error(answer, 401, "unauthenticated", "http_request_denied")
            assert answer.get(b"www-authenticate") == b"Gateway-Key"
            assert b"C4N4RY" not in answer.raw
            assert (await passage.record()).outcome == "gateway key"
        assert passage.origin.heads == []

    passing(story, answering(OK), auth=KEYS)


def test_a_body_is_not_asked_for_before_the_key_is_known() -> None:
    """Neither waited for nor invited: the answer comes at once, and no 100 before it."""

    async def story(passage: Passage) -> None:
        for lines in (["Content-Length: 10000"], ["Content-Length: 10000", "Expect: 100-continue"]):
            caller = await passage.caller()
            await caller.send(call(*lines, start=f"POST {COPY} HTTP/1.1"))
            answer = await caller.answer()
            assert (answer.status, answer.get(b"connection")) == (401, b"close")
            assert (await passage.record()).bytes_in == 0

    passing(story, answering(OK), auth=KEYS)


def test_a_key_lets_in_and_goes_no_further() -> None:
    async def story(passage: Passage) -> None:
        for key in (ONE, TWO):
            for name in ("Gateway-Key", "gateway-key"):
                answer = await passage.ask(call(f"{name}: {key}", "Authorization: Bearer t", "X-Other: y"))
                assert (answer.status, answer.body) == (200, b"ok")
        lines = ["Connection: Gateway-Key, close", f"Gateway-Key: {ONE}"]
        assert (await passage.ask(call(*lines))).status == 200, "nobody can nominate it away"
        both = call(f"Gateway-Key: {ONE}", f"Gateway-Key: {ONE}")
        assert (await passage.ask(both)).status == 400, "two lines are two readings"
        assert len(passage.origin.heads) == 5
        for head in passage.origin.heads:
            assert b"C4N4RY" not in head.head
            assert head.get(b"gateway-key") is None
        assert passage.origin.heads[0].get(b"x-other") == b"y"

    passing(story, answering(OK), auth=KEYS)


def test_a_key_that_nobody_asks_for_goes_no_further_either() -> None:
    async def story(passage: Passage) -> None:
        assert (await passage.ask(call(f"Gateway-Key: {ONE}"))).status == 200
        assert b"C4N4RY" not in passage.origin.heads[0].head

    passing(story, answering(OK), loops=SHIPPED)


def test_keys_are_rotated_while_calls_go_on() -> None:
    async def story(passage: Passage) -> None:
        caller = await passage.caller()
        old, new = call(f"Gateway-Key: {ONE}"), call("Gateway-Key: C4N4RY-the-new-key-of-billing")
        assert (await caller.ask(old)).status == 200
        for listed, statuses in (
            ([ONE, "C4N4RY-the-new-key-of-billing"], (200, 200)),
            (["C4N4RY-the-new-key-of-billing"], (401, 200)),
        ):
            config = Config.model_validate({"auth": {"caller_keys": listed}})
            assert passage.gateway.callers.reload(config) == ()
            assert ((await caller.ask(old)).status, (await caller.ask(new)).status) == statuses

    passing(story, answering(OK), auth=KEYS, loops=SHIPPED)


def test_keys_are_in_no_log_and_no_representation() -> None:
    out = io.StringIO()

    async def story(passage: Passage) -> None:
        log = LogObserver(configure(level="debug", fmt="json", stream=out))
        for key in (ONE, "C4N4RY-a-wrong-key-of-this-length"):
            await passage.ask(call(f"Gateway-Key: {key}"))
            log.call_ended(await passage.record(), 0.1)
        known = KnownCallers(passage.gateway.config.auth.caller_keys)
        for shown in (passage.gateway.config, passage.gateway.config.auth.caller_keys, known, vars(known)):
            for text in (repr(shown), str(shown)):
                assert "C4N4RY" not in text
                assert CallerKey.of(ONE.encode()).hex() not in text

    passing(story, answering(OK), auth=KEYS, loops=SHIPPED)
    assert [json.loads(line)["outcome"] for line in out.getvalue().splitlines()] == [
        "answered",
        "gateway key",
    ]
    assert "C4N4RY" not in out.getvalue()


def test_a_ticket_stands_in_for_the_key_of_its_caller() -> None:
    """A client that follows the redirect of a held call may drop every header it had sent."""

    async def story(stage: Stage) -> None:
        key = {"Gateway-Key": ONE}
        answer = await stage.copy(COPY, body={"name": "b.txt"}, headers={**key, "Prefer": "wait=0"})
        assert answer.status == 303
        location = urlsplit(answer.header("Location") or "")
        there = f"{location.path}?{location.query}"
        for target, lines in (
            (location.path, {}),
            (there.replace("ticket=", "ticket=x"), {}),
            (there.replace("/result", ""), {}),
            (there, {"Gateway-Key": "C4N4RY-a-wrong-key-of-this-length"}),
        ):
            refused = await stage.call("GET", target, headers=lines, token=None)
            assert refused.status == 401, target
            assert refused.header("Gateway-Operation") is None
        final, _ = await follow(stage, answer, token=None)
        assert (final.status, final.json["name"]) == (200, "b.txt")
        assert stage.copies_sent == 1

    play(story, auth=KEYS)


# --- the list of calls -------------------------------------------------------------------------------------------


def test_what_is_not_on_the_list_is_refused_before_anything_is_sent() -> None:
    async def story(passage: Passage) -> None:
        async def status(method: str, target: str, *lines: str) -> int:
            return (await passage.ask(call(*lines, start=f"{method} {target} HTTP/1.1"))).status

        assert await status("GET", "/v1.0/drives/a/items/b?$select=id") == 200
        assert await status("GET", "/v1.0/me?$select=id") == 200
        assert await status("GET", "/v1.0//%64rives/a") == 200
        assert passage.origin.heads[-1].target == b"/v1.0//%64rives/a", "as it came"
        sent = len(passage.origin.heads)
        for method, target in (
            ("GET", "/v1.0/users"),
            ("DELETE", "/v1.0/drives/a"),
            ("GET", "/v1.0/users/x?/v1.0/drives/a"),
            ("GET", "/v1.0/users;/v1.0/drives/a"),
            ("POST", "/v1.0/$batch"),
            ("OPTIONS", "/v1.0/users"),
        ):
            assert await status(method, target) == 403, target
        assert await status("GET", "/v1.0/drives/../users") == 400, "the guard was faster"
        assert await status("GET", "/v1.0/drives/a", "X-HTTP-Method-Override: DELETE") == 403
        answer = await passage.ask(
            call("Content-Length: 9", start="POST /v1.0/drives/a HTTP/1.1", body=b"C4N4RY...")
        )
        assert_own_error(answer, 403, "accessDenied", "http_request_denied")
        assert len(passage.origin.heads) == sent
        assert await status("GET", "/_gateway/operations/x") == 404, "our own paths are not on it"

    passing(story, answering(OK), auth={"allow": ["GET /v1.0/drives/**", "GET /v1.0/me"]})


def test_the_list_can_be_changed() -> None:
    async def story(passage: Passage) -> None:
        for allow, status in ((["GET /y"], 403), (["GET /x"], 200), ([], 403), (None, 200)):
            config = Config.model_validate({"auth": {"allow": allow}})
            assert passage.gateway.callers.reload(config) == ()
            assert (await passage.ask(call())).status == status

    passing(story, answering(OK), loops=SHIPPED)


# --- memory ------------------------------------------------------------------------------------------------------


def test_without_memory_new_calls_are_turned_away_and_held_ones_end() -> None:
    """A mark below what any process takes; the call that is held had come before."""

    async def story(stage: Stage) -> None:
        room = stage.gateway.callers._parts.memory
        mark, room._mark = room._mark, None
        copy = stage.copy(COPY, body={"name": "b.txt"}, simulate="duration=1s")
        held = stage.gateway.tasks.start("copy", copy)
        await passed(lambda: stage.copies_sent == 1)
        room._mark = mark
        sent = stage.copies_sent
        await passed(room.full)
        for refused in (await stage.call("GET", "/v1.0/me"), await stage.copy(COPY, body={"name": "c.txt"})):
            assert (refused.status, refused.json["error"]["code"]) == (503, "serviceNotAvailable")
            assert refused.header("Retry-After") == "2"
        assert stage.copies_sent == sent
        assert (await held).status == 200
        assert "memory_full" in stage.observer.events

    play(story, limits={"memory": 1024 * 1024})


# --- as the application ------------------------------------------------------------------------------------------

APPLICATION = "11111111-aaaa-4bbb-8ccc-000000000001"
SECRET = "C4N4RY-the-secret-of-the-application"


def play_as_application(
    story: Callable[[Stage], Awaitable[None]], folder: Path, listen: dict[str, Any] | None = None, **auth: Any
) -> None:
    """With a credential of the gateway's own, so that key and certificate alone say who calls."""
    authority = Authority(folder)

    def section(simulator: Simulator) -> dict[str, Any]:
        return {
            "mode": "client_credentials",
            "client_id": APPLICATION,
            "client_secret": SECRET,
            "authority": f"{simulator.graph_url}/contoso.com",
            "ca_file": authority.file,
            **auth,
        }

    play(
        story,
        settings=SimulatorSettings(
            tls=authority.server(),
            apps=(App(APPLICATION, secret=SECRET),),
            base_duration=0.3,
            bytes_per_second=0,
        ),
        listen={"port": 0, **(listen or {})},
        upstream={"ca_file": authority.file},
        monitor={"ca_file": authority.file},
        auth=section,
    )


def test_it_does_not_start_where_anybody_could_act_as_the_application(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("listen: {host: 0.0.0.0, port: 0}\nadmin: {port: 0}\nauth: {mode: managed_identity}\n")
    done = ended("run", "--config", file)
    assert (done.code, done.out, len(done.lines)) == (2, "", 1)
    assert "whoever reaches 0.0.0.0 would act as the application" in done.lines[0]
    assert "auth.caller_keys" in done.lines[0]


def source(stage: Stage) -> str:
    return f"/v1.0/drives/{stage.simulator.drive('ana').id}/root:/hello.txt:/copy"


def copies(stage: Stage) -> int:
    """How many copies Graph was asked for; tokens are asked for by POST too."""
    return sum(asked.target.endswith(":/copy") for asked in stage.simulator.requests())


def test_two_keys_are_two_callers(tmp_path: Path) -> None:
    """One joins its own copy, and finds nothing of the other's."""

    async def story(stage: Stage) -> None:
        async def copy(key: str, **lines: str) -> Answer:
            sent = {"Gateway-Key": key, **lines}
            return await stage.copy(source(stage), body={"name": "b.txt"}, headers=sent, token=None)

        first = await copy(ONE, Prefer="respond-async")
        assert first.status == 202
        status = (first.header("Location") or "").partition("?")[0]
        assert (await stage.call("GET", status, headers={"Gateway-Key": ONE}, token=None)).status in (
            200,
            202,
        )
        assert (await stage.call("GET", status, headers={"Gateway-Key": TWO}, token=None)).status == 404
        assert (await stage.call("GET", status, token=None)).status == 401
        joined = await copy(ONE)
        assert (joined.status, copies(stage)) == (200, 1)
        assert joined.header("Gateway-Operation") == first.header("Gateway-Operation")
        other = await copy(TWO)
        assert (other.status, copies(stage)) == (409, 2), "a copy of its own, whose name is taken"
        assert all(
            "C4N4RY" not in str(asked) for asked in stage.simulator.requests() if "token" not in asked.target
        )

    play_as_application(story, tmp_path, caller_keys=[ONE, TWO])


def test_a_ticket_alone_gets_what_its_caller_started(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        lines = {"Gateway-Key": ONE, "Prefer": "wait=0"}
        answer = await stage.copy(source(stage), body={"name": "b.txt"}, headers=lines, token=None)
        assert answer.status == 303
        final, _ = await follow(stage, answer, token=None)
        assert final.status == 200, final.body
        assert final.json["name"] == "b.txt"

    play_as_application(story, tmp_path, caller_keys=[ONE, TWO])


def test_two_certificates_are_two_callers(tmp_path: Path) -> None:
    house = Papers(tmp_path, "house")
    server = house.issue("gateway", addresses=["127.0.0.1"])
    billing, renewed, payroll = house.issue("billing"), house.issue("billing"), house.issue("payroll")
    files = {
        "certificate_file": server.certificate,
        "private_key_file": server.key,
        "client_ca_file": house.file,
    }

    async def story(stage: Stage) -> None:
        def status_of(paper: Paper, method: str, target: str) -> tuple[int, str | None]:
            line = http.client.HTTPSConnection(
                "127.0.0.1", stage.port, context=house.client(paper), timeout=30
            )
            try:
                body = b'{"name": "b.txt"}' if method == "POST" else None
                sent = {"Content-Type": "application/json", "Prefer": "respond-async"}
                line.request(method, target, body, sent)
                reply = line.getresponse()
                reply.read()
                return reply.status, reply.getheader("Location")
            finally:
                line.close()

        status, location = await in_thread(lambda: status_of(billing, "POST", source(stage)))
        assert status == 202
        there = (location or "").partition("?")[0]
        for paper, expected in ((billing, (200, 202)), (renewed, (200, 202)), (payroll, (404,))):
            status, _ = await in_thread(lambda paper=paper: status_of(paper, "GET", there))  # type: ignore[misc] # bound now
            assert status in expected

    play_as_application(story, tmp_path, {"tls": files})
