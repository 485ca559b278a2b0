"""Declared dialects and presets through the running gateway, against APIs that are none of Graph's."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fakes.api import api, says
from fakes.wire import Message
from passage import SHIPPED, Passage, passing

from gateway.config import Dialects
from gateway.reloading import take_over

VM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v?api-version=2024-07-01"
ACTION = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v/start?api-version=1"
STATUS = "/subscriptions/s/providers/Microsoft.Compute/locations/w/operations/1?api-version=1&t=secret"
WAITING = {"status": "InProgress", "percentComplete": 50}
ENDED = {"status": "Succeeded"}

Routes = Mapping[str, Sequence[bytes]]


def token(number: int) -> str:
    """One of the tokens of one caller."""
    claims = base64.urlsafe_b64encode(json.dumps({"tid": "t", "oid": "o", "appid": "a"}).encode())
    return f"e30.{claims.decode().rstrip('=')}.{number}"


def request(method: str, target: str, body: object = None, *, bearer: str = "t", **headers: str) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", "Host: h", f"Authorization: Bearer {bearer}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def asked(passage: Passage) -> list[str]:
    return [f"{one.method.decode()} {one.target.decode()}" for one in passage.origin.requests]


def exchange(call: bytes, routes: Routes, **dialects: Any) -> tuple[Message, list[str], Passage]:
    """What a caller gets, and what the API was asked for it."""
    found: list[tuple[Message, list[str], Passage]] = []

    async def story(passage: Passage) -> None:
        answer = await passage.ask(call)
        await passage.at_rest()
        found.append((answer, asked(passage), passage))

    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": [], **dialects})
    return found[0]


def azure(call: bytes, routes: Routes) -> tuple[Message, list[str], Passage]:
    return exchange(call, routes, presets=["azure"])


# --- Azure: where the result is --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_azure_the_result_of_a_put_is_the_resource(method: str, status: int) -> None:
    answer, seen, _ = azure(
        request(method, VM, {"location": "w"}),
        {
            f"{method} {VM}": [
                says(
                    status,
                    {"properties": {"provisioningState": "Creating"}},
                    Azure_AsyncOperation="{origin}" + STATUS,
                    Location="{origin}/elsewhere",
                )
            ],
            f"GET {STATUS}": [says(200, WAITING), says(200, ENDED)],
            f"GET {VM}": [says(200, {"name": "v", "properties": {"provisioningState": "Succeeded"}})],
        },
    )
    assert (answer.status, json.loads(answer.body)["name"]) == (200, "v")
    assert seen == [f"{method} {VM}", f"GET {STATUS}", f"GET {STATUS}", f"GET {VM}"]
    assert b"secret" not in answer.raw


def test_azure_the_result_of_a_post_is_at_the_location_beside_the_status_monitor() -> None:
    answer, seen, _ = azure(
        request("POST", ACTION),
        {
            f"POST {ACTION}": [
                says(202, Azure_AsyncOperation="{origin}" + STATUS, Location="{origin}/result?x=1")
            ],
            f"GET {STATUS}": [says(200, WAITING), says(200, ENDED)],
            "GET /result?x=1": [says(200, {"done": "yes"})],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"done": "yes"})
    assert seen[-1] == "GET /result?x=1"


def test_azure_the_result_of_a_post_without_location_is_in_the_status_monitor() -> None:
    ended = {**ENDED, "properties": {"output": 42}}
    answer, seen, _ = azure(
        request("POST", ACTION),
        {
            f"POST {ACTION}": [says(202, Azure_AsyncOperation="{origin}" + STATUS)],
            f"GET {STATUS}": [says(200, WAITING), says(200, ended)],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, ended)
    assert seen.count(f"GET {STATUS}") == 3, "the last one with the caller's own credential"


def test_azure_a_delete_has_no_result() -> None:
    answer, _, _ = azure(
        request("DELETE", VM),
        {
            f"DELETE {VM}": [says(202, Azure_AsyncOperation="{origin}" + STATUS, Location="{origin}/x")],
            f"GET {STATUS}": [says(200, ENDED)],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, ENDED)


def test_azure_a_delete_by_location_ends_with_204() -> None:
    answer, seen, _ = azure(
        request("DELETE", VM),
        {
            f"DELETE {VM}": [says(202, Location="{origin}/operations/1")],
            "GET /operations/1": [says(202), says(204)],
        },
    )
    assert (answer.status, answer.body) == (204, b"")
    assert len(seen) == 3


def test_azure_a_location_gives_the_result_itself_and_may_change_on_the_way() -> None:
    answer, seen, _ = azure(
        request("POST", ACTION),
        {
            f"POST {ACTION}": [says(202, Location="/operations/1", Retry_After="0")],
            "GET /operations/1": [says(202, Location="{origin}/operations/2")],
            "GET /operations/2": [says(202, Location="3"), says(200, {"late": True})],
            "GET /operations/3": [says(200, {"n": 3})],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"n": 3})
    assert seen[1:] == ["GET /operations/1", "GET /operations/2", "GET /operations/3", "GET /operations/3"]


def test_azure_a_location_does_not_lead_to_another_origin_on_the_way() -> None:
    answer, seen, _ = azure(
        request("POST", ACTION),
        {
            f"POST {ACTION}": [says(202, Location="{origin}/operations/1")],
            "GET /operations/1": [says(202, Location="https://evil.example/x"), says(200, {"n": 1})],
        },
    )
    assert json.loads(answer.body) == {"n": 1}
    assert set(seen[1:]) == {"GET /operations/1"}


@pytest.mark.parametrize("status", [200, 201])
def test_azure_a_resource_that_is_not_ready_is_asked_itself(status: int) -> None:
    def state(word: str | None) -> dict[str, Any]:
        return {"name": "v", "properties": {} if word is None else {"provisioningState": word}}

    answer, seen, _ = azure(
        request("PUT", VM, {}),
        {
            f"PUT {VM}": [says(status, state("Accepted"))],
            f"GET {VM}": [says(200, state("Updating")), says(200, state(None))],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, state(None))
    assert seen == [f"PUT {VM}", *[f"GET {VM}"] * 3]


@pytest.mark.parametrize(
    "body", [{"properties": {"provisioningState": "Succeeded"}}, {"name": "v"}, b"no json"]
)
def test_azure_a_synchronous_put_passes_through_untouched(body: object) -> None:
    said = says(201, body, ETag='"1"')
    answer, seen, _ = azure(request("PUT", VM, {}), {f"PUT {VM}": [said]})
    assert answer.status == 201
    assert answer.body == said.partition(b"\r\n\r\n")[2]
    assert answer.get(b"Gateway-Operation") is None
    assert len(seen) == 1


def test_azure_core_has_the_result_at_the_resource_location() -> None:
    answer, seen, _ = azure(
        request("POST", "/analyze"),
        {
            "POST /analyze": [says(202, Operation_Location="{origin}/jobs/1")],
            "GET /jobs/1": [says(200, {**ENDED, "resourceLocation": "{origin}/things/9"})],
            "GET /things/9": [says(200, {"id": 9})],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"id": 9})
    assert seen == ["POST /analyze", "GET /jobs/1", "GET /things/9"]


# --- Azure: failures -------------------------------------------------------------------------------------


def test_azure_a_failure_on_the_way_is_an_error_with_its_words() -> None:
    error = {"code": "Conflict", "message": "busy", "details": [{"code": "x"}]}
    answer, _, _ = azure(
        request("PUT", VM, {}),
        {
            f"PUT {VM}": [says(201, {}, Azure_AsyncOperation="{origin}" + STATUS)],
            f"GET {STATUS}": [says(200, WAITING), says(200, {"status": "Failed", "error": error})],
        },
    )
    said = json.loads(answer.body)["error"]
    assert (answer.status, said["code"], said["message"], said["details"]) == (
        409,
        "Conflict",
        "busy",
        [{"code": "x"}],
    )


def test_azure_a_failure_by_location_has_its_status() -> None:
    answer, _, _ = azure(
        request("POST", ACTION),
        {
            f"POST {ACTION}": [says(202, Location="{origin}/operations/1")],
            "GET /operations/1": [
                says(202),
                says(409, {"error": {"code": "SkuNotAvailable", "message": "no"}}),
            ],
        },
    )
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (409, "SkuNotAvailable")


def test_azure_a_failed_resource() -> None:
    failed = {"properties": {"provisioningState": "Failed"}}
    answer, _, _ = azure(
        request("PUT", VM, {}),
        {
            f"PUT {VM}": [says(201, {"properties": {"provisioningState": "Creating"}})],
            f"GET {VM}": [says(200, failed)],
        },
    )
    assert answer.status == 500
    assert json.loads(answer.body)["error"]["message"]


def test_azure_an_error_at_the_start_is_passed_on() -> None:
    said = says(409, {"error": {"code": "Conflict"}}, Azure_AsyncOperation="{origin}" + STATUS)
    answer, seen, _ = azure(request("PUT", VM, {}), {f"PUT {VM}": [said]})
    assert (answer.status, len(seen)) == (409, 1)


def test_azure_trouble_while_polling_is_asked_again() -> None:
    answer, seen, _ = azure(
        request("PUT", VM, {}),
        {
            f"PUT {VM}": [says(202, Azure_AsyncOperation="{origin}" + STATUS)],
            f"GET {STATUS}": [says(500), says(200, b"<html>"), says(429, Retry_After="0"), says(200, ENDED)],
            f"GET {VM}": [says(200, {"name": "v"})],
        },
    )
    assert answer.status == 200
    assert seen.count(f"GET {STATUS}") == 4


# --- FHIR ------------------------------------------------------------------------------------------------

EXPORT = "/fhir/Group/1/$export?_type=Patient"


def fhir(call: bytes, routes: Routes) -> tuple[Message, list[str], Passage]:
    return exchange(call, routes, presets=["fhir"])


def test_fhir_an_export_ends_with_its_manifest() -> None:
    manifest = {"request": EXPORT, "output": [{"type": "Patient", "url": "https://store.example/1"}]}
    answer, seen, passage = fhir(
        request("GET", EXPORT, Accept="application/fhir+json"),
        {
            f"GET {EXPORT}": [says(202, Content_Location="{origin}/fhir/status/1")],
            "GET /fhir/status/1": [says(202, X_Progress="10 %"), says(200, manifest)],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, manifest)
    assert len(seen) == 4
    assert passage.origin.requests[0].get(b"Prefer") == b"respond-async"
    assert {one.get(b"Authorization") for one in passage.origin.requests} == {b"Bearer t"}


def test_fhir_an_interaction_ends_with_a_redirect_to_its_result() -> None:
    answer, seen, _ = fhir(
        request("POST", "/fhir/Patient", {}, Prefer="x=1"),
        {
            "POST /fhir/Patient": [says(202, Content_Location="{origin}/status/1")],
            "GET /status/1": [says(202), says(303, Location="{origin}/fhir/result/1")],
            "GET /fhir/result/1": [says(200, {"resourceType": "Patient"})],
        },
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"resourceType": "Patient"})
    assert seen[-1] == "GET /fhir/result/1"


def test_fhir_an_outcome_that_is_transient_is_none() -> None:
    def outcome(code: str) -> dict[str, Any]:
        return {"resourceType": "OperationOutcome", "issue": [{"code": code, "diagnostics": f"it is {code}"}]}

    answer, seen, _ = fhir(
        request("GET", EXPORT),
        {
            f"GET {EXPORT}": [says(202, Content_Location="{origin}/s")],
            "GET /s": [says(500, outcome("transient")), says(500, outcome("processing"))],
        },
    )
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["message"]) == (500, "processing", "it is processing")
    assert len(seen) == 3


# --- any API ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [says(200, {"id": 1}), says(303, Location="/results/1")])
def test_generic_a_202_with_a_location_is_followed(end: bytes) -> None:
    answer, _, _ = exchange(
        request("POST", "/jobs", {"a": 1}),
        {
            "POST /jobs": [says(202, {"accepted": True}, Location="jobs/1")],
            "GET /jobs/1": [says(202), end],
            "GET /results/1": [says(200, {"id": 1})],
        },
        presets=["generic"],
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"id": 1})


def test_the_presets_share_a_gateway() -> None:
    for call, routes in (
        (request("POST", "/a"), {"POST /a": [says(202, Location="/j")], "GET /j": [says(200, {"n": 1})]}),
        (
            request("POST", "/a"),
            {"POST /a": [says(202, Content_Location="/j")], "GET /j": [says(200, {"n": 1})]},
        ),
        (
            request("PUT", "/a", {}),
            {
                "PUT /a": [says(201, {"properties": {"provisioningState": "X"}})],
                "GET /a": [says(200, {"n": 1})],
            },
        ),
    ):
        answer, _, _ = exchange(call, routes, presets=["azure", "fhir", "generic"])
        assert (answer.status, json.loads(answer.body)) == (200, {"n": 1})


@pytest.mark.parametrize(
    "reply",
    [
        says(202, {"a": 1}),
        says(202, Location="https://not-listed.example/x"),
        says(202, Location="ftp://127.0.0.1/x"),
        says(202, Location="https://u:p@127.0.0.1/x"),
    ],
)
def test_a_reply_that_does_not_fit_is_passed_on_and_counted(reply: bytes) -> None:
    answer, seen, passage = exchange(request("POST", "/a"), {"POST /a": [reply]}, presets=["generic"])
    assert answer.status == 202
    assert answer.body == reply.partition(b"\r\n\r\n")[2]
    assert len(seen) == 1
    told = [facts for name, facts in passage.observer.told if name == "operation_untracked"]
    assert told == [{"dialect": "generic"}]


def test_an_ordinary_reply_is_passed_on_and_not_counted() -> None:
    answer, _, passage = exchange(
        request("POST", "/a"), {"POST /a": [says(200, {"a": 1})]}, presets=["generic"]
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"a": 1})
    assert "operation_untracked" not in [name for name, _ in passage.observer.told]


def custom(**changes: Any) -> dict[str, Any]:
    return {
        "name": "jobs",
        "match": {"path": "^/jobs$"},
        "status": {"field": "/state", "succeeded": ["done"], "failed": ["broken"]},
        **changes,
    }


def test_a_monitor_in_the_body() -> None:
    answer, _, passage = exchange(
        request("POST", "/jobs", Accept_Encoding="gzip"),
        {
            "POST /jobs": [says(201, {"state": "new", "links": [{"href": "/jobs/1"}]})],
            "GET /jobs/1": [
                says(200, {"state": "at work", "done": "7 "}),
                says(200, {"state": "done", "url": "/r"}),
            ],
            "GET /r": [says(200, {"r": 1})],
        },
        custom=[
            custom(
                start={"status": [201], "monitor": ["body:/links/0/href"]}, result={"from": ["field:/url"]}
            )
        ],
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"r": 1})
    assert passage.origin.requests[0].get(b"Accept-Encoding") == b"identity", "it has to be read"


@pytest.mark.parametrize("credential", [True, False])
def test_the_credential_goes_where_it_is_said_to_go(credential: bool) -> None:  # noqa: FBT001 - a parameter of the test
    repeated = {"repeat_headers": ["X-Tenant"]} if credential else {}
    answer, _, passage = exchange(
        request("POST", "/jobs", X_Tenant="7"),
        {"POST /jobs": [says(202, Location="/jobs/1")], "GET /jobs/1": [says(200, {"state": "done"})]},
        custom=[custom(monitor={"credential": credential, **repeated})],
    )
    poll = passage.origin.requests[1]
    assert answer.status == 200
    assert poll.get(b"Authorization") == (b"Bearer t" if credential else None)
    assert poll.get(b"X-Tenant") == (b"7" if credential else None)


def test_a_result_elsewhere_is_not_fetched_and_the_report_names_it() -> None:
    report = {"state": "done", "url": "https://store.example/r?sig=1"}
    answer, seen, _ = exchange(
        request("POST", "/jobs"),
        {"POST /jobs": [says(202, Location="/jobs/1")], "GET /jobs/1": [says(200, report)]},
        custom=[custom(result={"from": "field:/url"})],
    )
    assert (answer.status, json.loads(answer.body)) == (200, report)
    assert answer.get(b"Gateway-Result") == b"report"
    assert len(seen) == 2


def test_the_second_of_two_equal_calls_joins() -> None:
    async def story(passage: Passage) -> None:
        first = await passage.caller()
        await first.send(request("POST", "/jobs"))
        await passage.origin.until(lambda: len(passage.origin.requests) > 1)
        answer = await passage.ask(request("POST", "/jobs"))
        assert (await first.answer()).body == answer.body
        assert asked(passage).count("POST /jobs") == 1

    routes = {
        "POST /jobs": [says(202, Location="/jobs/1")],
        "GET /jobs/1": [*[says(202)] * 4, says(200, {"n": 1})],
    }
    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": [], "presets": ["generic"]})


def test_spellings_that_graph_would_take_for_one_are_two() -> None:
    answers = [says(202, Location="/jobs/1")]
    routes = {
        "POST /Copy": answers,
        "POST /copy": answers,
        "GET /jobs/1": [*[says(202)] * 6, says(200, {"n": 1})],
    }

    async def story(passage: Passage) -> None:
        first, second = await passage.caller(), await passage.caller()
        await first.send(request("POST", "/Copy"))
        await second.send(request("POST", "/copy"))
        assert {(await first.answer()).status, (await second.answer()).status} == {200}
        assert {"POST /Copy", "POST /copy"} <= set(asked(passage))

    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": [], "presets": ["generic"]})


@pytest.mark.parametrize(
    ("dialects", "again"),
    [({"presets": ["generic"]}, (200, 2)), ({"custom": [custom()]}, (409, 1))],
)
def test_what_comes_again_after_an_unclear_outcome(dialects: dict[str, Any], again: tuple[int, int]) -> None:
    async def story(passage: Passage) -> None:
        assert (await passage.ask(request("POST", "/jobs"))).status == 502
        answer = await passage.ask(request("POST", "/jobs"))
        assert (answer.status, asked(passage).count("POST /jobs")) == again

    routes = {"POST /jobs": [says(502), says(200, {"ordinary": True})]}
    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": [], **dialects})


@pytest.mark.parametrize("renewed", [1, 2])
def test_a_put_of_unclear_outcome_is_sent_again_though_there_is_nothing_yet(renewed: int) -> None:
    async def story(passage: Passage) -> None:
        assert (await passage.ask(request("PUT", VM, {}, bearer=token(1)))).status == 500
        assert (await passage.ask(request("PUT", VM, {}, bearer=token(renewed)))).status == 201
        assert asked(passage) == [f"PUT {VM}"] * 2

    passing(
        story, api({f"PUT {VM}": [says(500), says(201, {})]}), loops=SHIPPED, dialects={"presets": ["azure"]}
    )


def test_a_large_body_of_what_rarely_starts_something_is_passed_on() -> None:
    async def story(passage: Passage) -> None:
        answer = await passage.ask(request("POST", "/jobs", "x" * 2000))
        assert (answer.status, answer.get(b"Location")) == (202, b"/jobs/1")

    passing(
        story,
        api({"POST /jobs": [says(202, Location="/jobs/1")]}),
        loops=SHIPPED,
        dialects={"enabled": [], "presets": ["generic"]},
        limits={"body": 1000},
    )


def test_a_dialect_that_comes_with_a_reload_is_spoken_from_then_on() -> None:
    async def story(passage: Passage) -> None:
        assert (await passage.ask(request("POST", "/jobs"))).status == 202
        section = Dialects.model_validate({"enabled": [], "custom": [custom()]})
        changed = passage.gateway.config.model_copy(update={"dialects": section})
        assert take_over(passage.gateway, changed) == ()
        answer = await passage.ask(request("POST", "/jobs"))
        assert (answer.status, json.loads(answer.body)) == (200, {"state": "done"})

    routes = {"POST /jobs": [says(202, Location="/jobs/1")], "GET /jobs/1": [says(200, {"state": "done"})]}
    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": []})


def test_whoever_joins_with_another_token_has_to_be_let_see_what_the_call_was_sent_to() -> None:
    async def story(passage: Passage) -> None:
        first = await passage.caller()
        await first.send(request("POST", "/jobs", bearer=token(1)))
        await passage.origin.until(lambda: len(passage.origin.requests) > 1)
        answer = await passage.ask(request("POST", "/jobs", bearer=token(2)))
        assert (answer.status, answer.get(b"Gateway-Operation")) == (403, None)
        assert (await first.answer()).status == 200
        assert asked(passage).count("POST /jobs") == 1

    working = says(200, {"state": "at work"})
    routes = {
        "POST /jobs": [says(202, Location="/jobs/1")],
        "GET /jobs/1": [*[working] * 9, says(200, {"state": "done"})],
        "GET /jobs": [says(403, {"error": {"code": "no"}})],
    }
    passing(story, api(routes), loops=SHIPPED, dialects={"enabled": [], "custom": [custom()]})
