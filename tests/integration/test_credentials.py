"""The gateway's own credentials end to end: MSAL, a token endpoint over TLS, Graph, and what callers get of it."""

import base64
import json
import re
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fakes.authority import Authority, application
from fakes.records import Remembering
from stage import Answer, Stage, follow, in_thread, passed, play

from gateway.auth.entra import Entra
from gateway.auth.tokens import Wish
from gateway.clock import SystemClock
from gateway.config import Auth
from gateway.errors import CallerRefused, TokenUnavailable
from gateway.simulator import App, Asked, Refusal, Simulator, SimulatorSettings
from gateway.telemetry.logs import LogObserver, configure

GATEWAY = "11111111-aaaa-4bbb-8ccc-000000000001"
SECRET = "canary-of-a-secret"
MACHINE = "/metadata/identity/oauth2/token"
TOKEN_PATH = r"/oauth2/v2\.0/token$"

Story = Callable[[Stage], Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate() -> tuple[str, str]:
    return application()


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine the tests run on, it is no Azure resource."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET"):
        monkeypatch.delenv(name, raising=False)


class Cast:
    """Plays stories with a gateway that has a credential of its own."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    def settings(self, *apps: App, **more: Any) -> SimulatorSettings:
        given = apps or (App(GATEWAY, secret=SECRET),)
        return SimulatorSettings(
            tls=self.authority.server(), apps=given, base_duration=0.1, bytes_per_second=0, **more
        )

    def play(
        self,
        story: Story,
        mode: str = "client_credentials",
        *,
        settings: SimulatorSettings | None = None,
        wait: dict[str, Any] | None = None,
        before: Callable[[Simulator], None] | None = None,
        **auth: Any,
    ) -> Remembering:
        """`before` is called once the simulator is there and the gateway is not."""

        def section(simulator: Simulator) -> dict[str, Any]:
            if before is not None:
                before(simulator)
            return self.auth(simulator, mode, **auth)

        return play(
            story,
            settings=settings or self.settings(),
            upstream={"ca_file": self.authority.file},
            monitor={"ca_file": self.authority.file},
            wait=wait or {},
            auth=section,
        )

    def auth(
        self, simulator: Simulator, mode: str, *, authority_tenant: str = "contoso.com", **auth: Any
    ) -> dict[str, Any]:
        plain: dict[str, Any] = {"mode": mode, "ca_file": self.authority.file}
        if mode != "managed_identity":
            plain |= {"client_id": GATEWAY, "authority": f"{simulator.graph_url}/{authority_tenant}"}
            if not {"certificate", "federated_token_file"} & set(auth):
                plain["client_secret"] = SECRET
        return plain | auth


@pytest.fixture
def cast(authority: Authority) -> Cast:
    return Cast(authority)


def source(stage: Stage) -> str:
    """A copy that an application may start: applications have no /me."""
    return f"/v1.0/drives/{stage.simulator.drive('ana').id}/root:/hello.txt:/copy"


async def copied(stage: Stage, name: str = "b.txt", **more: Any) -> Answer:
    more.setdefault("token", None)
    return await stage.copy(source(stage), body={"name": name}, **more)


def to_graph(stage: Stage) -> list[Asked]:
    """What went to Graph itself, and not to a token endpoint or a monitor."""
    return [asked for asked in stage.simulator.requests() if asked.target.startswith("/v1.0/")]


def posts(stage: Stage) -> list[Asked]:
    return [asked for asked in to_graph(stage) if asked.method == "POST"]


def bearers(stage: Stage) -> list[str]:
    return [asked.header("Authorization") or "" for asked in to_graph(stage)]


def assertion(stage: Stage, user: str = "ana", expires_in: float = 3600.0, audience: str = GATEWAY) -> str:
    """A caller's token that is meant for the gateway."""
    return f"Bearer {stage.simulator.token(user, expires_in, audience=audience)}"


def claims_of(bearer: str) -> dict[str, Any]:
    payload = bearer.removeprefix("Bearer ").split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def error(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.json["error"]
    assert {"code", "message", "innerError"} <= found.keys()
    return found


class TestApplication:
    def test_a_copy_with_a_secret(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage, token="Bearer of-the-callers", headers={"Cookie": "a=b"})
            assert (answer.status, answer.json["name"]) == (200, "b.txt")
            assert (await stage.call("GET", f"/v1.0/drives/{stage.simulator.drive('ana').id}")).status == 200
            (asked,) = stage.simulator.token_requests()
            assert asked["scope"] == "https://graph.microsoft.com/.default"
            assert "CP1" in asked["claims"]
            assert {claims_of(bearer)["idtyp"] for bearer in bearers(stage)} == {"app"}
            assert len(to_graph(stage)) == 3
            assert stage.simulator.summary().violations == ()

        cast.play(story)

    def test_a_copy_with_a_certificate(
        self, cast: Cast, certificate: tuple[str, str], tmp_path: Path
    ) -> None:
        async def story(stage: Stage) -> None:
            assert (await copied(stage)).status == 200
            (asked,) = stage.simulator.token_requests()
            assert "client_secret" not in asked

        app = App(GATEWAY, certificate=certificate[0])
        cast.play(story, settings=cast.settings(app), certificate="".join(certificate))

    def test_another_applications_certificate_is_refused(
        self, cast: Cast, certificate: tuple[str, str]
    ) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert (answer.status, error(answer)["code"]) == (502, "credentialRefused")
            assert "AADSTS700027" in error(answer)["message"]
            assert posts(stage) == []

        app = App(GATEWAY, certificate=application()[0])
        cast.play(story, settings=cast.settings(app), certificate="".join(certificate))

    def test_a_federated_token_is_read_anew_each_time(self, cast: Cast, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(federated("pod", "first"))

        async def story(stage: Stage) -> None:
            assert (await copied(stage, "1.txt")).status == 200
            file.write_text(federated("pod", "second"))
            stage.simulator.expire_tokens("app")
            assert (await copied(stage, "2.txt")).status == 200
            sent = [claims_of(asked["client_assertion"])["jti"] for asked in stage.simulator.token_requests()]
            assert sent == ["first", "second"]

        app = App(GATEWAY, federated_subject="pod")
        cast.play(story, settings=cast.settings(app), federated_token_file=file)

    def test_a_federated_token_that_is_gone_or_not_ours(self, cast: Cast, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(federated("another pod", "1"))

        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert (answer.status, "AADSTS700213" in error(answer)["message"]) == (502, True)
            assert stage.simulator.summary().copies_started == 0

        app = App(GATEWAY, federated_subject="pod")
        cast.play(story, settings=cast.settings(app), federated_token_file=file)

    @pytest.mark.parametrize("who", [None, "22222222-aaaa-4bbb-8ccc-000000000002"])
    def test_a_managed_identity_on_a_virtual_machine(
        self, cast: Cast, who: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def machine(simulator: Simulator) -> None:
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.graph_url)

        async def story(stage: Stage) -> None:
            assert (await copied(stage)).status == 200
            (asked,) = stage.simulator.token_requests()
            assert asked["resource"] == "https://graph.microsoft.com"
            assert asked.get("client_id") == who
            stage.simulator.expire_tokens("app")
            assert (await copied(stage, "2.txt")).status == 200

        settings = cast.settings(App(who or GATEWAY, identity=True))
        cast.play(story, "managed_identity", settings=settings, before=machine, client_id=who)

    def test_a_managed_identity_in_app_service(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        def service(simulator: Simulator) -> None:
            monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.graph_url}/msi/token")
            monkeypatch.setenv("IDENTITY_HEADER", SECRET)

        async def story(stage: Stage) -> None:
            assert (await copied(stage)).status == 200
            assert len(stage.simulator.token_requests()) == 1

        cast.play(story, "managed_identity", before=service)

    def test_a_managed_identity_that_is_not_there(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        def machine(simulator: Simulator) -> None:
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.graph_url)

        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert (answer.status, error(answer)["code"]) == (502, "credentialRefused")
            assert posts(stage) == []

        observer = cast.play(story, "managed_identity", before=machine, client_id="of-nobody")
        assert "credential_trouble" in observer.events

    def test_callers_are_one_principal_on_loopback(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            slow = {"simulate": "duration=60s"}
            first = await copied(stage, token="Bearer a", **slow)
            again = await copied(stage, token="Bearer b", **slow)
            assert (first.status, again.status) == (303, 303)
            assert first.header("Gateway-Operation") == again.header("Gateway-Operation")
            await passed(lambda: bool(posts(stage)))  # it may still be waiting for a token
            assert len(posts(stage)) == 1
            own = f"/_gateway/operations/{first.header('Gateway-Operation')}"
            assert (await stage.call("GET", own, token=None)).status == 202

        cast.play(story, wait={"max": 0.2})


class TestOnBehalf:
    def test_each_caller_acts_as_itself(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            target = "/v1.0/me/drive/root:/hello.txt:/copy"
            for user in ("ana", "ben"):
                answer = await stage.copy(target, body={"name": "b.txt"}, token=assertion(stage, user))
                assert answer.status == 200
                item = stage.simulator.drive(user).find("b.txt")
                assert item is not None
                assert answer.json["id"] == item.id
            assert {claims_of(bearer)["aud"] for bearer in bearers(stage)} == {"https://graph.microsoft.com"}
            assert stage.simulator.summary().violations == ()

        cast.play(story, "on_behalf_of")

    def test_an_assertion_is_exchanged_once(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            token = assertion(stage)
            for _ in range(5):
                assert (await stage.call("GET", "/v1.0/me/drive", token=token)).status == 200
            (asked,) = stage.simulator.token_requests()
            assert asked["requested_token_use"] == "on_behalf_of"
            assert f"Bearer {asked['assertion']}" == token
            assert "offline_access" not in asked["scope"]
            assert (await stage.call("GET", "/v1.0/me/drive", token=assertion(stage))).status == 200
            assert len(stage.simulator.token_requests()) == 2

        cast.play(story, "on_behalf_of")

    def test_a_token_of_another_user_sees_nothing(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            target, slow = "/v1.0/me/drive/root:/hello.txt:/copy", "duration=60s"
            first = await stage.copy(target, body={"name": "b"}, simulate=slow, token=assertion(stage))
            own = f"/_gateway/operations/{first.header('Gateway-Operation')}"
            assert (await stage.call("GET", own, token=assertion(stage, "ben"))).status == 404
            assert (await stage.call("GET", own, token=assertion(stage, "ana"))).status == 202
            again = await stage.copy(target, body={"name": "b"}, simulate=slow, token=assertion(stage))
            assert again.header("Gateway-Operation") == first.header("Gateway-Operation")
            other = await stage.copy(target, body={"name": "b"}, simulate=slow, token=assertion(stage, "ben"))
            assert other.header("Gateway-Operation") != first.header("Gateway-Operation")

        cast.play(story, "on_behalf_of", wait={"max": 0.2})

    @pytest.mark.parametrize(
        ("token", "code", "asked"),
        [
            pytest.param(lambda stage: None, None, 0, id="none"),
            pytest.param(lambda stage: "Bearer opaque", None, 0, id="no assertion"),
            pytest.param(lambda stage: "Basic YTpi", None, 0, id="no bearer"),
            pytest.param(lambda stage: assertion(stage, expires_in=-3600), None, 0, id="long over"),
            pytest.param(lambda stage: assertion(stage, expires_in=-1), "AADSTS500133", 1, id="over"),
            pytest.param(lambda stage: stage.token(), "AADSTS500131", 1, id="another audience"),
        ],
    )
    def test_a_caller_without_a_good_token_is_told_so(
        self, cast: Cast, token: Callable[[Stage], str | None], code: str | None, asked: int
    ) -> None:
        async def story(stage: Stage) -> None:
            given = token(stage)
            for target in ("/v1.0/me/drive/root:/hello.txt:/copy", "/v1.0/me/messages"):
                answer = await stage.call("POST", target, body={}, token=given)
                assert (answer.status, error(answer)["code"]) == (401, "unauthenticated")
                challenge = answer.header("WWW-Authenticate") or ""
                assert challenge.startswith("Bearer")
                assert (code or "(") in error(answer)["message"] or code is None
            assert to_graph(stage) == []
            assert len(stage.simulator.token_requests()) == asked

        observer = cast.play(story, "on_behalf_of")
        assert {call.route for call in observer.calls} == {"forward"}, "turned away at the door"

    def test_a_redirect_may_be_followed_by_ticket_alone(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            target = "/v1.0/me/drive/root:/hello.txt:/copy"
            answer = await stage.copy(
                target, body={"name": "b.txt"}, simulate="duration=600ms", token=assertion(stage)
            )
            assert answer.status == 303
            last, hops = await follow(stage, answer, token=None)
            assert (last.status, last.json["name"], hops > 0) == (200, "b.txt", True)
            assert (await stage.call("GET", "/_gateway/operations/0", token=None)).status == 404

        cast.play(story, "on_behalf_of", wait={"max": 0.2})

    def test_what_the_user_has_to_do_is_told(self, cast: Cast) -> None:
        claims = '{"access_token":{"polids":{"essential":true,"values":["9ab03e19"]}}}'

        async def story(stage: Stage) -> None:
            stage.simulator.refuse_tokens(Refusal("interaction_required", 50079, claims))
            answer = await stage.call("GET", "/v1.0/me/drive", token=assertion(stage))
            assert (answer.status, "AADSTS50079" in error(answer)["message"]) == (401, True)
            challenge = answer.header("WWW-Authenticate") or ""
            found = re.search(r'error="insufficient_claims", claims="([^"]+)"', challenge)
            assert found is not None
            assert base64.b64decode(found[1]).decode() == claims
            assert f'authorization_uri="{stage.simulator.graph_url}/contoso.com/oauth2' in challenge
            assert to_graph(stage) == []

        cast.play(story, "on_behalf_of")

    def test_a_challenge_that_only_the_user_can_meet(self, cast: Cast) -> None:
        """Graph demands claims, and Entra wants the user for them: the POST was not carried out."""

        async def story(stage: Stage) -> None:
            token = assertion(stage)
            assert (await stage.call("GET", "/v1.0/me/drive", token=token)).status == 200
            stage.simulator.arm("fault=post:claims", times=1)
            stage.simulator.refuse_tokens(Refusal("interaction_required", 50076, '{"access_token":{}}'))
            target = "/v1.0/me/drive/root:/hello.txt:/copy"
            answer = await stage.copy(target, body={"name": "b.txt"}, token=token)
            assert (answer.status, "AADSTS50076" in error(answer)["message"]) == (401, True)
            assert "insufficient_claims" in (answer.header("WWW-Authenticate") or "")
            assert len(posts(stage)) == 1
            again = await stage.copy(target, body={"name": "b.txt"}, token=assertion(stage))
            assert again.status == 200
            assert stage.simulator.summary().copies_started == 1

        cast.play(story, "on_behalf_of")


class TestTurnedDown:
    """Graph answers 401 to the gateway's own token."""

    def test_a_post_is_sent_once_more_with_a_new_token(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            assert (await copied(stage, "1.txt")).status == 200
            stage.simulator.expire_tokens("app")
            assert (await copied(stage, "2.txt")).status == 200
            assert len(posts(stage)) == 3
            assert stage.simulator.summary().copies_started == 2
            assert len(stage.simulator.token_requests()) == 2

        cast.play(story)

    def test_and_not_a_third_time(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:401")
            answer = await copied(stage)
            assert (answer.status, error(answer)["code"]) == (401, "unauthenticated")
            assert len(posts(stage)) == 2
            assert (await copied(stage)).status == 401
            assert len(posts(stage)) == 3, "a token that was just replaced is not replaced at once again"
            assert len(stage.simulator.token_requests()) == 2

        cast.play(story)

    def test_a_claims_challenge_goes_to_entra(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            stage.simulator.arm("fault=post:claims", times=1)
            assert (await copied(stage)).status == 200
            first, second = stage.simulator.token_requests()
            assert "nbf" not in json.loads(first["claims"])["access_token"]
            demanded = json.loads(second["claims"])["access_token"]
            assert demanded["nbf"] == {"essential": True, "value": "1604106651"}
            assert demanded["xms_cc"] == {"values": ["CP1"]}
            assert (len(posts(stage)), stage.simulator.summary().copies_started) == (2, 1)

        cast.play(story)

    def test_the_final_get_too(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage, simulate="fault=final1:expired")
            assert (answer.status, answer.json["name"]) == (200, "b.txt")
            assert stage.simulator.summary().copies_started == 1

        cast.play(story)

    def test_a_body_that_was_streamed_is_not_sent_again(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            target = f"/v1.0/drives/{stage.simulator.drive('ana').id}/root:/new.bin:/content"
            assert (await stage.call("PUT", target, body=b"1" * 100_000, token=None)).status == 201
            stage.simulator.expire_tokens("app")
            answer = await stage.call("PUT", target, body=b"2" * 100_000, token=None)
            assert (answer.status, error(answer)["code"]) == (401, "InvalidAuthenticationToken")
            assert len(to_graph(stage)) == 2
            assert (await stage.call("PUT", target, body=b"3" * 100_000, token=None)).status == 200
            assert len(to_graph(stage)) == 3, "the token was replaced all the same"

        cast.play(story)

    def test_many_at_once_are_one_request_for_a_token(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            assert (await copied(stage, "0.txt")).status == 200
            stage.simulator.expire_tokens("app")
            target = f"/v1.0/drives/{stage.simulator.drive('ana').id}"
            answers = await gathered(stage, target, 12)
            assert {answer.status for answer in answers} == {200}
            assert len(stage.simulator.token_requests()) == 2

        cast.play(story)


class TestEntraIsNotThere:
    @pytest.mark.parametrize("fault", ["503(7)", "429(7)", "reset", "html(200)", "not-http"])
    def test_nothing_is_sent_and_the_caller_may_come_again(self, cast: Cast, fault: str) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert (answer.status, error(answer)["code"]) == (503, "serviceNotAvailable")
            assert 1 <= int(answer.header("Retry-After") or 0) <= 7
            assert posts(stage) == []
            assert not any(operation for operation in stage.simulator.operations())

        observer = cast.play(story, before=lambda simulator: arm(simulator, f"fault=post:{fault}"))
        assert "credential_trouble" in observer.events

    def test_an_authority_that_nobody_trusts(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert answer.status == 503
            assert stage.simulator.token_requests() == []

        observer = cast.play(story, ca_file=None)
        assert observer.calls[-1].outcome == "tls_certificate_error"

    def test_a_tenant_that_does_not_exist(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert (answer.status, "AADSTS90002" in error(answer)["message"]) == (502, True)

        cast.play(story, authority_tenant="no-such-tenant")

    def test_a_failure_is_not_asked_for_again_at_once(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            token = stage.token()  # for Graph, and so for somebody else
            answers = await gathered(stage, "/v1.0/me", 6, token=token)
            assert {answer.status for answer in answers} == {401}
            assert len(stage.simulator.token_requests()) == 1

        cast.play(story, "on_behalf_of")

    def test_who_holds_a_good_token_does_not_wait_for_one_that_hangs(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            target = "/v1.0/me/drive"
            token = assertion(stage)
            assert (await stage.call("GET", target, token=token)).status == 200
            arm(stage.simulator, "fault=post:hang")
            asked = len(stage.simulator.token_requests())
            slow = stage.gateway.errands.start(
                "hang", stage.call("GET", target, token=assertion(stage, "ben"))
            )
            await passed(lambda: len(stage.simulator.token_requests()) > asked)
            for _ in range(3):
                assert (await stage.call("GET", target, token=token)).status == 200
            assert not slow.done()
            await stage.simulator.stop()  # lets it go
            assert (await slow).status == 503

        cast.play(story, "on_behalf_of")

    def test_a_renewal_in_the_background_delays_nobody(self, cast: Cast) -> None:
        """A token is old enough to be renewed, and the token endpoint hangs."""

        async def story(stage: Stage) -> None:
            assert (await copied(stage, "1.txt")).status == 200
            await passed(lambda: len(stage.simulator.token_requests()) == 2)
            assert (await copied(stage, "2.txt")).status == 200
            assert (await copied(stage, "3.txt")).status == 200
            assert len(stage.simulator.token_requests()) == 2

        settings = cast.settings(token_refresh_in=1)
        hang = lambda simulator: arm(simulator, "fault=post:hang", skip=1)  # noqa: E731 - in one line with its use
        cast.play(story, settings=settings, before=hang)


class TestWhatMsalWouldDo:
    """MSAL, and requests below it, have habits of their own."""

    def test_it_does_not_repeat_an_error_from_memory(self, cast: Cast) -> None:
        """It would for a minute; `tokens` decides on that."""

        async def story(stage: Stage) -> None:
            entra = Entra(stage.gateway.config.auth, stage.gateway.clock)
            wish = Wish(stage.token().removeprefix("Bearer "))  # for Graph, and so for somebody else
            for asked in (1, 2):
                with pytest.raises(CallerRefused, match="AADSTS500131"):
                    await in_thread(partial(entra.ask, wish))
                assert len(stage.simulator.token_requests()) == asked
            entra.close()

        cast.play(story, "on_behalf_of")

    @pytest.mark.parametrize("mode", ["client_credentials", "on_behalf_of"])
    def test_it_does_not_repeat_a_token_from_memory(self, cast: Cast, mode: str) -> None:
        async def story(stage: Stage) -> None:
            entra = Entra(stage.gateway.config.auth, stage.gateway.clock)
            wish = Wish(assertion(stage).removeprefix("Bearer ") if mode == "on_behalf_of" else None)
            grants = [await in_thread(partial(entra.ask, wish)) for _ in range(2)]
            assert grants[0].token != grants[1].token
            entra.close()

        cast.play(story, mode)

    def test_proxies_of_the_environment_are_not_asked(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)

        async def story(stage: Stage) -> None:
            assert (await copied(stage)).status == 200

        cast.play(story)

    def test_redirects_are_not_followed_and_cookies_not_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Machine() as machine:
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url)
            entra = Entra(Auth(mode="managed_identity"), SystemClock())
            assert entra.ask(Wish()).token == "t1"
            assert entra.ask(Wish()).token == "t2"
            machine.moved = True
            with pytest.raises(TokenUnavailable, match="unreadable"):
                entra.ask(Wish())
            entra.close()
        assert machine.paths == [MACHINE] * 3
        assert machine.cookies == [None] * 3


class Machine(ThreadingHTTPServer):
    """A managed identity's endpoint that sets cookies, and may have moved."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MachineHandler)
        self.paths: list[str] = []
        self.cookies: list[str | None] = []
        self.moved = False
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *what: object) -> None:
        self.shutdown()
        self.server_close()


class MachineHandler(BaseHTTPRequestHandler):
    server: Machine

    def do_GET(self) -> None:
        self.server.paths.append(self.path.partition("?")[0])
        self.server.cookies.append(self.headers.get("Cookie"))
        body = json.dumps({"access_token": f"t{len(self.server.paths)}", "expires_in": "3600"}).encode()
        self.send_response(302 if self.server.moved else 200)
        self.send_header("Set-Cookie", "fpc=of-somebody")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0" if self.server.moved else str(len(body)))
        self.end_headers()
        if not self.server.moved:
            self.wfile.write(body)

    def log_message(self, *what: object) -> None:
        pass


class TestMisconfigured:
    def test_a_wrong_secret_is_named_by_its_code(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            answer = await copied(stage)
            assert (answer.status, error(answer)["code"]) == (502, "credentialRefused")
            assert error(answer)["message"].endswith("(AADSTS7000215)")
            assert answer.header("Proxy-Status") == "lro-gateway; error=proxy_configuration_error"
            assert answer.header("Retry-After") is None
            assert posts(stage) == []
            assert SECRET not in f"{answer.headers}{answer.body!r}"

        cast.play(story, settings=cast.settings(App(GATEWAY, secret="another")))

    def test_an_unknown_application(self, cast: Cast) -> None:
        async def story(stage: Stage) -> None:
            answer = await stage.call("GET", "/v1.0/me", token=assertion(stage))
            assert (answer.status, "AADSTS700016" in error(answer)["message"]) == (502, True)

        cast.play(story, "on_behalf_of", settings=cast.settings(App("somebody-else", secret=SECRET)))


def test_a_batch_goes_with_the_gateway_s_credential_and_its_parts_are_held(cast: Cast) -> None:
    async def story(stage: Stage) -> None:
        part = {
            "method": "POST",
            "url": source(stage).removeprefix("/v1.0"),
            "headers": {"Content-Type": "application/json"},
        }
        parts = [
            {**part, "id": "1", "body": {"name": "batch.txt"}},
            {**part, "id": "2", "body": {"name": "own.txt"}, "headers": {"Authorization": stage.token()}},
        ]
        answer = await stage.call("POST", "/v1.0/$batch", body={"requests": parts}, token=None)
        one, two = answer.json["responses"]
        assert (one["status"], one["body"]["name"]) == (200, "batch.txt")
        assert two["status"] == 202, "with a credential of its own it is none of ours"
        assert len(set(bearers(stage))) == 1

    cast.play(story)


def test_no_secret_gets_anywhere(
    cast: Cast, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not into a log, an answer, a crash or the configuration's own words, whether things go well or not."""
    out = StringIO()
    seen: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("stage.Remembering", lambda: Loud(out))
        cases: tuple[tuple[SimulatorSettings, dict[str, Any]], ...] = (
            (cast.settings(), {}),
            (cast.settings(App(GATEWAY, secret="another")), {}),
            (cast.settings(App(GATEWAY, certificate=certificate[0])), {"certificate": "".join(certificate)}),
            (
                cast.settings(App(GATEWAY, certificate=application()[0])),
                {"certificate": "".join(certificate)},
            ),
        )
        for settings, auth in cases:
            for mode in ("client_credentials", "on_behalf_of"):
                tokens: list[str] = []

                async def story(stage: Stage, kept: list[str] = tokens) -> None:
                    arm(stage.simulator, "fault=post:html(200)", skip=1, times=1)
                    kept.append(assertion(stage).removeprefix("Bearer "))
                    for name in ("1.txt", "2.txt"):
                        answer = await copied(stage, name, token=f"Bearer {kept[0]}")
                        seen.append(f"{answer.headers}{answer.body!r}")
                    kept.extend(bearer.removeprefix("Bearer ") for bearer in bearers(stage))
                    kept.extend(
                        asked["client_assertion"]
                        for asked in stage.simulator.token_requests()
                        if "client_assertion" in asked
                    )
                    seen.append(f"{stage.gateway.config!r} {stage.gateway.config}")

                cast.play(story, mode, settings=settings, **auth)
                text = out.getvalue() + "".join(seen)
                for token in tokens:
                    assert token.rpartition(".")[2] not in text
    key = certificate[1].splitlines()[3]
    assert SECRET not in text
    assert key not in text
    assert "credential_trouble" in text


class Loud(Remembering):
    """Remembers, and writes to a log of everything as well."""

    def __init__(self, out: StringIO) -> None:
        super().__init__()
        self._log = LogObserver(configure(level="debug", fmt="json", stream=out))

    def call_ended(self, record: Any, seconds: float) -> None:
        super().call_ended(record, seconds)
        self._log.call_ended(record, seconds)

    def event(self, name: str, **facts: str | float | bool) -> None:
        super().event(name, **facts)
        self._log.event(name, **facts)


def arm(simulator: Simulator, directives: str, *, skip: int = 0, times: int | None = None) -> None:
    simulator.arm(directives, path=TOKEN_PATH, skip=skip, times=times)


async def gathered(stage: Stage, target: str, count: int, *, token: str | None = None) -> list[Answer]:
    calls = [
        stage.gateway.errands.start(f"call {n}", stage.call("GET", target, token=token)) for n in range(count)
    ]
    return [await call for call in calls]


def federated(subject: str, number: str) -> str:
    """A token such as a cluster gives to its pods."""
    claims = {
        "iss": "https://cluster.example",
        "sub": subject,
        "aud": "api://AzureADTokenExchange",
        "exp": 4_000_000_000,
        "jti": number,
    }
    parts = ({"alg": "RS256"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}.c2ln"
