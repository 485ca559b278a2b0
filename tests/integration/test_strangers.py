"""Who may learn what of an operation: claims prove nothing, tickets and Graph's own word do."""

import asyncio
import base64
import json

import pytest
from stage import Answer, Stage, play

pytestmark = pytest.mark.usefixtures("every_store")

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
BODY: dict[str, object] = {"parentReference": {"path": "/drive/root:/Backup"}, "name": "s.txt"}
LONG = "duration=60s"
SHORT = {"max": 0.2}


def claims_of(token: str) -> dict[str, object]:
    payload = token.removeprefix("Bearer ").split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def forged(token: str) -> str:
    """A token with the same claims that Graph has never issued."""
    head = base64.urlsafe_b64encode(b'{"alg":"RS256"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims_of(token)).encode()).rstrip(b"=").decode()
    return f"Bearer {head}.{body}.forged"


def told(answer: Answer, stage: Stage) -> bool:
    """Whether an answer gives anything of an operation away."""
    text = f"{answer.headers} {answer.body!r}".lower()
    return any(
        word in text for word in ("gateway-operation", "ticket=", "percentagecomplete", "server-timing")
    )


async def started(stage: Stage, simulate: str = LONG) -> tuple[str, str]:
    """An operation of ana's that is running: its id, and the Location she was given."""
    answer = await stage.copy(SOURCE, simulate=simulate, body=BODY)
    assert answer.status == 303
    return str(answer.header("Gateway-Operation")), str(answer.header("Location"))


def normal(answer: Answer) -> tuple[int, list[str], str]:
    """An answer without what differs from one to the next anyway."""
    error = answer.json["error"]
    error["innerError"] = sorted(error["innerError"])
    names = [name for name, _ in answer.headers]
    return answer.status, names, json.dumps(error)


class TestOwnPaths:
    @pytest.mark.parametrize("tail", ["", "/result"])
    def test_others_get_the_same_404_as_for_an_unknown_id(self, tail: str) -> None:
        async def story(stage: Stage) -> None:
            operation, _ = await started(stage)
            unknown = await stage.call("GET", f"/_gateway/operations/{'0' * 32}{tail}")
            tries = {
                "another user": stage.token("ben"),
                "an opaque token": "Bearer opaque",
                "nobody": None,
                "a forged token of hers": forged(stage.default_token),
            }
            for who, token in tries.items():
                answer = await stage.call("GET", f"/_gateway/operations/{operation}{tail}", token=token)
                assert normal(answer) == normal(unknown), who
                assert answer.status == 404
                assert not told(answer, stage), who

        play(story, wait=SHORT)

    def test_the_owner_needs_no_ticket(self) -> None:
        async def story(stage: Stage) -> None:
            operation, _ = await started(stage)
            status = await stage.call("GET", f"/_gateway/operations/{operation}")
            assert (status.status, status.json["status"]) == (202, "inProgress")

        play(story, wait=SHORT)

    def test_a_renewed_token_of_the_owners_is_let_in_by_graph(self) -> None:
        async def story(stage: Stage) -> None:
            operation, _ = await started(stage)
            renewed = stage.token("ana")
            assert renewed != stage.default_token
            before = len(stage.simulator.requests())
            status = await stage.call("GET", f"/_gateway/operations/{operation}", token=renewed)
            assert status.status == 202
            asked = [one.target for one in stage.simulator.requests()[before:] if "hello.txt" in one.target]
            assert asked == ["/v1.0/me/drive/root:/hello.txt?$select=id"]
            again = await stage.call("GET", f"/_gateway/operations/{operation}", token=renewed)
            assert again.status == 202
            asked = [one.target for one in stage.simulator.requests()[before:] if "hello.txt" in one.target]
            assert len(asked) == 1, "acceptance is remembered"

        play(story, wait=SHORT)

    @pytest.mark.parametrize(
        "path",
        ["/_gateway", "/_gateway/", "/_gateway/x", "/_gateway/operations/", "/_gateway/operations/..%2f"],
    )
    def test_unknown_paths_of_ours_are_404_and_never_sent_upstream(self, path: str) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.call("GET", path)
            assert answer.status in (400, 404)
            assert stage.simulator.requests() == []

        play(story)

    def test_other_methods_are_405(self) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.call("DELETE", f"/_gateway/operations/{'0' * 32}")
            assert (answer.status, bool(answer.header("Allow"))) == (405, True)

        play(story)


class TestTickets:
    def test_a_ticket_is_enough_for_who_it_was_given_to(self) -> None:
        async def story(stage: Stage) -> None:
            _, location = await started(stage)
            assert (await stage.call("GET", location, token=None)).status == 303
            assert (await stage.call("GET", location)).status == 303

        play(story, wait=SHORT)

    def test_a_ticket_with_another_callers_authorization_is_the_404(self) -> None:
        async def story(stage: Stage) -> None:
            _, location = await started(stage)
            answer = await stage.call("GET", location, token=stage.token("ben"))
            assert answer.status == 404
            assert not told(answer, stage)

        play(story, wait=SHORT)

    def test_a_ticket_that_was_tampered_with_opens_nothing(self) -> None:
        async def story(stage: Stage) -> None:
            _, location = await started(stage)
            head, _, rest = location.partition("ticket=")
            ticket, _, tail = rest.partition("&")
            for position in range(0, len(ticket), 7):
                other = "A" if ticket[position] != "A" else "B"
                changed = ticket[:position] + other + ticket[position + 1 :]
                answer = await stage.call("GET", f"{head}ticket={changed}&{tail}", token=None)
                assert answer.status == 404, position

        play(story, wait=SHORT)

    def test_a_result_ticket_opens_no_status_and_no_other_operation(self) -> None:
        async def story(stage: Stage) -> None:
            operation, location = await started(stage)
            other = await stage.copy(SOURCE, simulate=LONG, body={"name": "other.txt"})
            ticket = location.partition("?")[2]
            assert (
                await stage.call("GET", f"/_gateway/operations/{operation}?{ticket}", token=None)
            ).status == 404
            path = f"/_gateway/operations/{other.header('Gateway-Operation')}/result?{ticket}"
            assert (await stage.call("GET", path, token=None)).status == 404

        play(story, wait=SHORT)

    def test_where_the_credential_is_gone_the_client_is_asked_for_it(self) -> None:
        async def story(stage: Stage) -> None:
            _, location = await started(stage, "duration=300ms")
            stage.gateway.vault.forget()
            async with asyncio.timeout(10):
                while (answer := await stage.call("GET", location, token=None)).status == 303:
                    location = str(answer.header("Location"))
            assert (answer.status, answer.json["error"]["code"]) == (401, "unauthenticated")
            assert answer.header("WWW-Authenticate")
            assert (await stage.call("GET", location)).json["name"] == "s.txt"

        play(story, wait=SHORT)


class TestJoins:
    def test_a_forged_token_of_the_same_claims_gets_graphs_refusal_and_nothing_else(self) -> None:
        async def story(stage: Stage) -> None:
            await started(stage)
            answer = await stage.copy(SOURCE, token=forged(stage.default_token), body=BODY)
            assert answer.status == 401
            assert not told(answer, stage)
            assert stage.copies_sent == 1, "it is no second copy either"

        play(story, wait=SHORT)

    def test_a_forged_token_gets_nothing_of_a_finished_operation_either(self) -> None:
        async def story(stage: Stage) -> None:
            key = {"Idempotency-Key": "k"}
            done = await stage.copy(SOURCE, headers=key, simulate="duration=20ms", body=BODY)
            assert done.status == 200
            answer = await stage.copy(SOURCE, headers=key, token=forged(stage.default_token), body=BODY)
            assert answer.status == 401
            assert done.json["id"] not in answer.body.decode()
            assert not told(answer, stage)

        play(story)

    def test_a_forged_token_does_not_see_why_an_operation_failed(self) -> None:
        async def story(stage: Stage) -> None:
            key = {"Idempotency-Key": "k"}
            failed = await stage.copy(
                SOURCE, headers=key, simulate="duration=20ms; fail=quotaLimitReached", body=BODY
            )
            assert failed.status == 507
            answer = await stage.copy(SOURCE, headers=key, token=forged(stage.default_token), body=BODY)
            assert answer.status == 401
            assert "quotaLimitReached" not in answer.body.decode()

        play(story)

    def test_another_users_identical_call_is_an_operation_of_its_own(self) -> None:
        async def story(stage: Stage) -> None:
            mine, theirs = await asyncio.gather(
                stage.copy(SOURCE, simulate="duration=300ms", body=BODY),
                stage.copy(SOURCE, token=stage.token("ben"), simulate="duration=300ms", body=BODY),
            )
            assert (mine.status, theirs.status) == (200, 200)
            assert mine.json["id"] != theirs.json["id"]
            assert stage.copies_sent == 2

        play(story)
