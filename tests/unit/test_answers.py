"""The answers that are the gateway's own: every error, its shape, and what it may promise."""

import json
from dataclasses import replace

import pytest
from fakes.records import START, running

from gateway import errors
from gateway.errors import GatewayError, UpstreamError
from gateway.http import answers
from gateway.http.answers import Answer, Origin
from gateway.model import Problem, State

ORIGIN = Origin("0123", b"5f0c3a2e-0000-4000-8000-00000000000a", START)


def all_errors() -> list[type[GatewayError]]:
    found: list[type[GatewayError]] = []
    left: list[type[GatewayError]] = [GatewayError]
    while left:
        kind = left.pop()
        found.append(kind)
        left.extend(kind.__subclasses__())
    return sorted(set(found), key=lambda kind: kind.__name__)


def header(answer: Answer, name: bytes) -> bytes | None:
    return next((value for key, value in answer.headers if key.lower() == name), None)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
class TestEveryError:
    def test_is_shaped_like_graphs(self, kind: type[GatewayError]) -> None:
        answer = answers.error(kind(), ORIGIN)
        said = json.loads(answer.body)
        assert list(said) == ["error"]
        assert said["error"]["code"] == kind.code
        assert len(said["error"]["message"]) > 20
        assert said["error"]["innerError"] == {
            "date": "2027-01-15T08:00:00",
            "request-id": "0123",
            "client-request-id": "5f0c3a2e-0000-4000-8000-00000000000a",
        }
        assert header(answer, b"content-type") == b"application/json"
        assert header(answer, b"request-id") == b"0123"
        assert 400 <= answer.status < 600

    def test_says_where_it_comes_from(self, kind: type[GatewayError]) -> None:
        status = header(answers.error(kind(), ORIGIN), b"proxy-status")
        if kind.proxy_error is None:
            assert status is None
        else:
            assert status == b"lro-gateway; error=" + kind.proxy_error.encode()

    def test_promises_a_retry_only_where_nothing_was_started(self, kind: type[GatewayError]) -> None:
        """503 and 429 say so; a Retry-After on a 504 is for joining again."""
        answer = answers.error(kind(), ORIGIN)
        assert answer.status != 429
        if answer.status == 503:
            assert header(answer, b"retry-after") is not None
        if issubclass(
            kind, UpstreamError | errors.OutcomeUnknown | errors.OperationLost | errors.StillRunning
        ):
            assert answer.status in (502, 504)

    def test_is_in_the_tree_on_top_of_the_module(self, kind: type[GatewayError]) -> None:
        assert kind.__name__ in str(errors.__doc__)

    def test_its_message_is_fixed_text(self, kind: type[GatewayError]) -> None:
        assert "SECRET" not in answers.error(kind("SECRET"), ORIGIN).body.decode()


@pytest.mark.parametrize(
    "junk", [b"<script>", b"x" * 65, b"a b", b"\xff", b'"', b"", b"Bearer eyJhbGciOi", b"a\r\nb"]
)
def test_a_client_request_id_that_does_not_look_like_one_is_not_echoed(junk: bytes) -> None:
    answer = answers.error(GatewayError(), Origin("0123", junk, START))
    assert header(answer, b"client-request-id") is None
    assert "client-request-id" not in json.loads(answer.body)["error"]["innerError"]


def test_401_and_405_say_what_http_wants_said() -> None:
    assert header(answers.error(errors.CredentialNeeded(), ORIGIN), b"www-authenticate") == b'Bearer realm=""'
    allow = header(answers.error(errors.MethodNotAllowed(), ORIGIN), b"allow")
    assert allow is not None
    assert {b"GET", b"POST"} <= set(allow.split(b", "))


class TestFailed:
    PROBLEM = Problem(
        409,
        "nameAlreadyExists",
        json.dumps(
            {
                "code": "nameAlreadyExists",
                "message": "Name already exists",
                "details": [{"code": "nameAlreadyExists", "target": "01E4"}],
                "innerError": {"code": "deeper", "request-id": "graphs own"},
            }
        ),
    )

    def test_keeps_graphs_words_and_adds_the_ids_that_are_missing(self) -> None:
        record = running(state=State.FAILED, problem=self.PROBLEM, request_ids=((b"request-id", b"r1"),))
        answer = answers.failed(record, ORIGIN, ())
        said = json.loads(answer.body)["error"]
        assert answer.status == 409
        assert (said["code"], said["message"]) == ("nameAlreadyExists", "Name already exists")
        assert said["details"] == [{"code": "nameAlreadyExists", "target": "01E4"}]
        assert said["innerError"]["code"] == "deeper"
        assert said["innerError"]["request-id"] == "graphs own"
        assert said["innerError"]["date"]
        assert header(answer, b"request-id") == b"r1"

    def test_the_other_spelling_of_inner_error_is_understood(self) -> None:
        error = json.dumps({"code": "x", "message": "y", "innererror": {"code": "z"}})
        record = running(state=State.FAILED, problem=Problem(500, "x", error))
        assert json.loads(answers.failed(record, ORIGIN, ()).body)["error"]["innerError"]["code"] == "z"

    def test_without_a_problem_it_is_a_bug_that_shows(self) -> None:
        with pytest.raises(ValueError, match="has not failed"):
            answers.failed(running(), ORIGIN, ())


class TestStatus:
    def test_running_is_202_with_retry_after_and_ended_is_200_without(self) -> None:
        busy = answers.status(running(percent=27.8), (), retry_after=3)
        assert (busy.status, header(busy, b"retry-after")) == (202, b"3")
        assert json.loads(busy.body) == {
            "operation": "itemCopy",
            "status": "inProgress",
            "percentageComplete": 27.8,
        }
        done = answers.status(
            running(state=State.SUCCEEDED, percent=100.0, resource_id="B"), (), retry_after=3
        )
        assert (done.status, header(done, b"retry-after")) == (200, None)
        assert json.loads(done.body)["resourceId"] == "B"

    @pytest.mark.parametrize("state", State)
    def test_every_state_has_a_word_of_async_job_status(self, state: State) -> None:
        said = json.loads(answers.status_body(replace(running(), state=state)))
        assert said["status"] in {"notStarted", "inProgress", "completed", "failed"}

    def test_an_unknown_outcome_says_so(self) -> None:
        said = json.loads(answers.status_body(running(state=State.UNKNOWN)))
        assert (said["status"], said["error"]["code"]) == ("failed", "copyOutcomeUnknown")

    def test_no_status_names_the_monitor(self) -> None:
        for state in State:
            answer = answers.status(running(state=state), (), retry_after=1)
            assert b"sharepoint" not in answer.body


def test_the_report_is_the_monitors_or_what_it_came_to() -> None:
    assert answers.report_body(running(report='{"status":"completed"}')) == b'{"status":"completed"}'
    made = json.loads(answers.report_body(running(state=State.RESULT, percent=100.0, resource_id="B")))
    assert made == {
        "operation": "itemCopy",
        "status": "completed",
        "percentageComplete": 100.0,
        "resourceId": "B",
    }
