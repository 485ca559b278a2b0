"""Faults: on the POST, on chosen polls, on the GET of the finished item; and what was carried out all the same."""

import pytest

from simulator.loopback import START, Bench, cut, run


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        ("429", 429, ""),
        ("429(7)", 429, "7"),
        ("429(2.128)", 429, "2.128"),
        ("429(date 41)", 429, "Fri, 15 Jan 2027 08:00:41 GMT"),
        ("429(garbage)", 429, "a moment, please"),
        ("post:500", 500, ""),
        ("502", 502, ""),
        ("503(1)", 503, "1"),
        ("504", 504, ""),
    ],
)
def test_a_status_on_the_post_starts_nothing(fault: str, status: int, retry_after: str) -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.copy(simulate=f"fault={fault}")
        assert (refused.status, refused.header("Retry-After")) == (status, retry_after)
        inner = refused.json()["error"]["innerError"]
        assert inner["request-id"] == refused.header("request-id")
        assert inner["date"] == "2027-01-15T08:00:00"
        assert bench.simulator.summary().copies_started == 0

    run(scenario)


def test_a_status_can_have_a_code_of_its_own() -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.copy(simulate="fault=423(lockMismatch, 3)")
        assert (refused.status, refused.code, refused.header("Retry-After")) == (423, "lockMismatch", "3")

    run(scenario)


def test_a_reset_post_starts_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        with pytest.raises(ConnectionResetError):
            await bench.copy(simulate="fault=reset")
        assert bench.simulator.summary().copies_started == 0

    run(scenario)


@pytest.mark.parametrize(
    "fault", ["apply-then-504", "apply-then-reset", "apply-then-cut", "apply-then-html(502)"]
)
def test_an_applied_post_has_made_its_item_whatever_it_answered(fault: str) -> None:
    async def scenario(bench: Bench) -> None:
        if fault.endswith("reset"):
            with pytest.raises(ConnectionResetError):
                await bench.copy(simulate=f"fault={fault}")
        else:
            assert (await bench.copy(simulate=f"fault={fault}")).status in {200, 502, 504}
        assert bench.simulator.summary().effects == {"ana:/Documents/new.docx": 1}

    run(scenario)


def test_a_late_application_takes_its_usual_time() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.copy(simulate="fault=apply-late")).status == 504
        assert bench.simulator.summary().items_created == 0
        bench.clock.time = 10
        assert bench.simulator.summary().items_created == 1

    run(scenario)


def test_what_is_refused_anyhow_is_not_hidden_by_a_fault_after_it() -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.copy(body={"name": "report.docx"}, simulate="fault=apply-then-504")
        assert refused.status == 409

    run(scenario)


def test_faults_on_chosen_polls() -> None:
    async def scenario(bench: Bench) -> None:
        simulate = "fault=poll2-3:429(2); fault=poll4:html; fault=poll5:empty; fault=poll6:truncated-json; fault=poll7-:410"
        location = (await bench.copy(simulate=simulate)).header("Location")
        statuses = []
        for second in range(0, 16, 2):
            bench.clock.time = second
            statuses.append((await bench.poll(location)).status)
        assert statuses == [202, 429, 429, 200, 200, 200, 410, 410]
        assert bench.violations() == []
        waits = [poll.retry_after for poll in bench.simulator.operations()[0].polls]
        assert waits == [None, "2", "2", None, None, None, None, None]

    run(scenario)


def test_a_throttled_poll_must_be_waited_for() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy(simulate="fault=poll1:503(date 3)")).header("Location")
        await bench.poll(location)
        bench.clock.time = 1
        await bench.poll(location)
        assert bench.violations() == ["early-poll"]

    run(scenario)


def test_garbage_in_every_kind() -> None:
    async def scenario(bench: Bench) -> None:
        simulate = "fault=poll1:huge(1MiB); fault=poll2:cut; fault=poll3:not-http; fault=poll4:empty(500)"
        location = (await bench.copy(simulate=simulate)).header("Location")
        huge = await bench.poll(location)
        assert len(huge.body) == 2**20
        short = await bench.poll(location)
        assert 0 < len(short.body) < int(short.header("Content-Length"))
        origin, target = cut(location)
        sent = await bench.raw(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), origin)
        assert not sent.startswith(b"HTTP")
        assert (await bench.poll(location)).status == 500

    run(scenario)


def test_delay_and_latency_pass_on_the_clock() -> None:
    async def scenario(bench: Bench) -> None:
        accepted = await bench.copy(
            simulate="fault=delay(4s); latency=500ms; fault=poll1:delay(1s); fault=final:delay(2s)"
        )
        assert bench.clock.slept == [4.5]
        bench.clock.time = 10
        item = (await bench.poll(accepted.header("Location"))).json()["resourceId"]
        assert bench.clock.slept[1:] == [1.5]
        assert (await bench.ask("GET", f"/v1.0/me/drive/items/{item}")).status == 200
        assert bench.clock.slept[2:] == [2.0]

    run(scenario)


@pytest.mark.parametrize(
    ("simulate", "statuses"),
    [
        ("lag=2", [404, 404, 200]),
        ("lag=2s", [404, 404, 200]),
        ("fault=final1:503(1); fault=final2:html(502)", [503, 502, 200]),
        ("fault=final-2:404", [404, 404, 200]),
    ],
)
def test_faults_on_the_finished_item(simulate: str, statuses: list[int]) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.copy(simulate=simulate)
        for second, status in enumerate(statuses):
            bench.clock.time = 10 + second
            reply = await bench.ask("GET", "/v1.0/me/drive/root:/Documents/new.docx")
            assert reply.status == status

    run(scenario)


@pytest.mark.parametrize("header", ["503", "post:apply-then-504", "post:reset"])
def test_a_header_that_is_sent_along_with_a_get_does_not_hit_it(header: str) -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.ask("GET", "/v1.0/me", simulate=f"fault={header}")).status == 200
        assert (await bench.ask("HEAD", "/v1.0/me", simulate="fault=get:503")).status == 503

    run(scenario)


def test_the_token_that_began_a_copy_can_be_expired_at_its_end_and_a_new_one_is_good() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.copy(simulate="fault=final:expired")
        bench.clock.time = 10
        place = "/v1.0/me/drive/root:/Documents/new.docx"
        refused = await bench.ask("GET", place)
        assert (refused.status, refused.code) == (401, "InvalidAuthenticationToken")
        assert refused.header("WWW-Authenticate").startswith("Bearer ")
        assert (await bench.ask("GET", place)).status == 401
        assert (await bench.ask("GET", place, user="ana-2")).status == 200

    run(scenario)


def test_a_claims_challenge() -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.copy(simulate="fault=claims")
        assert refused.status == 401
        assert 'error="insufficient_claims", claims="' in refused.header("WWW-Authenticate")

    run(scenario)


def test_rules_that_are_armed_hit_as_often_as_they_say() -> None:
    async def scenario(bench: Bench) -> None:
        bench.simulator.arm("fault=503(2)", times=2, skip=1)
        bench.simulator.arm("fault=get:500", path="/me$", method="GET", user="ben")
        statuses = [(await bench.copy(body={"name": f"{n}.docx"})).status for n in range(5)]
        assert statuses == [202, 503, 503, 202, 202]
        assert (await bench.ask("GET", "/v1.0/me")).status == 200
        assert (await bench.ask("GET", "/v1.0/me", user="ben")).status == 500

    run(scenario)


def test_rules_reach_the_monitor_origin_too() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy()).header("Location")
        bench.simulator.arm("fault=get:404", path="/monitor/", times=1)
        assert (await bench.poll(location)).status == 404
        assert (await bench.poll(location)).status == 202

    run(scenario)


def test_rules_can_make_polls_late() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy()).header("Location")
        bench.simulator.arm("fault=get:delay(2s); latency=1s", path="/monitor/")
        assert (await bench.poll(location)).status == 202
        assert bench.clock.slept == [3.0]

    run(scenario)


def test_a_simulate_header_that_is_not_understood_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.copy(simulate="endng=303-json")
        assert (refused.status, refused.code) == (400, "simulateHeader")
        assert "did you mean ending?" in refused.json()["error"]["message"]

    run(scenario)


def test_the_clock_is_the_only_time() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.ask("GET", "/v1.0/me")
        assert reply.header("Date") == "Fri, 15 Jan 2027 08:00:00 GMT"
        assert bench.simulator.requests()[0].at == START

    run(scenario)
