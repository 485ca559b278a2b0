"""The control API, and what the transparency paths show."""

import dataclasses
import gzip
import hashlib
import json

from gateway.simulator.transparency import expected_bytes
from simulator.loopback import SECOND, Bench, Reply, run


async def control(bench: Bench, method: str, name: str, body: object = None) -> Reply:
    return await bench.ask(method, f"/_simulator/{name}", user=None, body=body)


def test_the_summary_is_the_python_one() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy()).header("Location")
        await bench.poll(location, headers=(("Authorization", "Bearer x"),))
        bench.clock.time = 10
        told = (await control(bench, "GET", "summary")).json()
        assert told == json.loads(json.dumps(bench.simulator.summary().to_json()))
        assert (told["requests"], told["graph_requests"], told["monitor_requests"]) == (2, 1, 1)
        assert told["violations"][0]["kind"] == "authorization-sent"

    run(scenario)


def test_requests_are_kept_byte_for_byte() -> None:
    async def scenario(bench: Bench) -> None:
        target = "/v1.0/me/drive/root:/%41%2f%c3%A9/./x?&a==b+%20&?"
        await bench.ask("GET", target, headers=(("x-B", "1"), ("X-a", "2 "), ("x-B", "3")))
        await bench.ask("PUT", "/v1.0/me", body=b"abc")
        first, second = (await control(bench, "GET", "requests")).json()
        assert (first["method"], first["target"], first["origin"]) == ("GET", target, "graph")
        pairs = [tuple(pair) for pair in first["headers"]]
        assert pairs[0][0] == "Host"
        assert pairs[2:5] == [("x-B", "1"), ("X-a", "2"), ("x-B", "3")]
        assert second["body"] == {"length": 3, "sha256": hashlib.sha256(b"abc").hexdigest(), "complete": True}
        last = (await control(bench, "GET", "requests?limit=1")).json()
        assert [request["method"] for request in last] == ["PUT"]
        assert (await control(bench, "GET", "requests?limit=x")).status == 400

    run(scenario)


def test_a_request_that_is_cut_off_is_kept_as_incomplete() -> None:
    async def scenario(bench: Bench) -> None:
        async with bench.connection(bench.simulator.graph_url) as (_, writer):
            writer.write(b"PUT /v1.0/_sink HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            await writer.drain()
            await bench.ask("GET", "/v1.0/me")
        await bench.until(lambda: len(bench.simulator.requests()) == 2)
        assert [request.complete for request in bench.simulator.requests()] == [True, False]

    run(scenario)


def test_operations_tell_their_polls() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="retry-after=2")).header("Location")
        await bench.copy(body={"name": "x"}, simulate="fail=accessDenied; duration=1s")
        await bench.copy(body={"name": "y"}, simulate="duration=1h")
        bench.clock.time = 5
        await bench.poll(location)
        running = (await control(bench, "GET", "operations")).json()[0]
        assert (running["state"], running["percentageComplete"], running["monitor"]) == (
            "running",
            50.0,
            location,
        )
        assert running["polls"] == [{"at": 5.0, "status": 202, "retryAfter": "2"}]
        bench.clock.time = 10
        states = [one["state"] for one in (await control(bench, "GET", "operations")).json()]
        assert states == ["finished", "failed", "running"]

    run(scenario)


def test_rules_can_be_armed_and_reset_makes_all_as_it_was() -> None:
    async def scenario(bench: Bench) -> None:
        before = (await control(bench, "GET", "drives")).json()
        rule = {"match": {"method": "POST"}, "times": 1, "fault": "503(2)"}
        assert (await control(bench, "POST", "faults", rule)).json() == {"armed": 1}
        assert (await control(bench, "POST", "faults", {"rules": [rule, rule]})).json() == {"armed": 2}
        assert len((await control(bench, "GET", "faults")).json()) == 3
        assert (await bench.copy()).status == 503
        await bench.copy()
        assert (await control(bench, "POST", "reset")).json() == {"reset": True}
        assert bench.simulator.summary().requests == 0
        assert (await bench.copy()).status == 202
        await control(bench, "POST", "reset")
        assert (await control(bench, "GET", "drives")).json() == before

    run(scenario)


def test_mistakes_are_named() -> None:
    async def scenario(bench: Bench) -> None:
        for body in ({"falt": "503"}, {"fault": "x"}, {"rules": [1]}, {"match": {"path": "("}}):
            refused = await control(bench, "POST", "faults", body)
            assert (refused.status, refused.code) == (400, "simulatorControl")
        assert (await control(bench, "POST", "tokens", {"user": "mallory"})).status == 404
        assert (await control(bench, "POST", "tokens", {"user": "ana", "expires_in": "x"})).status == 400
        assert (await control(bench, "POST", "tokens/expire", {})).status == 400
        missing = await control(bench, "GET", "nothing")
        assert missing.status == 404
        assert "/_simulator/summary" in missing.json()["error"]["message"]

    run(scenario)


def test_tokens_are_minted_and_expired() -> None:
    async def scenario(bench: Bench) -> None:
        minted = (await control(bench, "POST", "tokens", {"user": "ana", "expires_in": 5})).json()
        assert minted["expires_in"] == 5
        bearer = (("Authorization", f"Bearer {minted['access_token']}"),)
        assert (await bench.ask("GET", "/v1.0/me", user=None, headers=bearer)).status == 200
        body = {"token": minted["access_token"]}
        assert (await control(bench, "POST", "tokens/expire", body)).json() == {"expired": 1}
        assert (await bench.ask("GET", "/v1.0/me", user=None, headers=bearer)).status == 401
        assert (await control(bench, "POST", "tokens/expire", {"user": "ana"})).json() == {"expired": 0}

    run(scenario)


def test_the_echo_shows_what_arrived() -> None:
    async def scenario(bench: Bench) -> None:
        target = "/v1.0/_echo/a%2Fb//c/../%7e?"
        told = (await bench.ask("PATCH", target, body=b"x" * 70_000, headers=(("x-ONE", ""),))).json()
        assert (told["method"], told["target"]) == ("PATCH", target)
        assert ["x-ONE", ""] in told["headers"]
        assert told["body"] == {"length": 70_000, "sha256": hashlib.sha256(b"x" * 70_000).hexdigest()}

    run(scenario)


def test_bytes_and_sink() -> None:
    async def scenario(bench: Bench) -> None:
        size = 5_000_001
        sent = await bench.ask("GET", f"/v1.0/_bytes/{size}", user=None)
        assert sent.body == b"".join(expected_bytes(size).chunks())
        told = (await bench.ask("PUT", "/v1.0/_sink", user=None, body=sent.body)).json()
        assert told == {"length": size, "sha256": hashlib.sha256(sent.body).hexdigest()}
        assert bench.simulator.requests()[-1].body == b""
        assert (await bench.ask("GET", "/v1.0/_bytes/many")).status == 400

    run(scenario)


def test_a_body_that_is_too_big_is_refused_but_not_by_the_sink() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask("PUT", "/v1.0/me/drive/root:/x:/content", body=b"12345")).status == 413
        assert (await bench.ask("PUT", "/v1.0/_sink", body=b"12345")).status == 200

    run(scenario, dataclasses.replace(SECOND, max_body=4))


def test_expect_100_continue_is_answered() -> None:
    async def scenario(bench: Bench) -> None:
        async with bench.connection(bench.simulator.graph_url) as (reader, writer):
            writer.write(
                b"PUT /v1.0/_sink HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            )
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")

    run(scenario)


def test_the_headers_that_every_answer_has() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("GET", "/v1.0/me", headers=(("client-request-id", "abc"),))
        assert reply.header("client-request-id") == "abc"
        assert len(reply.header("request-id")) == 36
        assert "ServerInfo" in reply.header("x-ms-ags-diagnostic")
        assert (await bench.ask("GET", "/v1.0/me")).header("client-request-id")

    run(scenario)


def test_json_can_be_compressed() -> None:
    async def scenario(bench: Bench) -> None:
        plain = await bench.ask("GET", "/v1.0/me")
        packed = await bench.ask("GET", "/v1.0/me", headers=(("Accept-Encoding", "gzip, br"),))
        assert packed.header("Content-Encoding") == "gzip"
        assert gzip.decompress(packed.body) == plain.body

    run(scenario, dataclasses.replace(SECOND, gzip=True))
