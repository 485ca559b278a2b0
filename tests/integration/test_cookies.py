"""Cookies on the wire: an operation's own go back to where they came from; nobody else's go anywhere."""

import asyncio

from stage import Answer, Stage, passed, play

from gateway.simulator.wire import Asked, Origin

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
BODY: dict[str, object] = {"parentReference": {"path": "/drive/root:/Backup"}, "name": "s.txt"}
CALLERS = {"Cookie": "session=of-the-caller"}


def cookies(asked: list[Asked]) -> set[str | None]:
    return {one.header("Cookie") for one in asked}


def polls(stage: Stage) -> list[Asked]:
    return [one for one in stage.simulator.requests() if one.origin is Origin.MONITOR]


def gets(stage: Stage) -> list[Asked]:
    return [one for one in stage.simulator.requests() if one.origin is Origin.GRAPH and one.method == "GET"]


def test_cookies_go_back_to_the_origin_that_set_them() -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.copy(SOURCE, body=BODY, headers=CALLERS, simulate="duration=200ms; cookies=on")
        assert answer.status == 200
        assert answer.header("Set-Cookie") is None, "they are between the gateway and the upstream"
        first, *further = polls(stage)
        assert first.header("Cookie") is None
        assert further
        assert {str(one).partition("=")[0] for one in cookies(further)} == {"SimMonitor"}
        assert {str(one).partition("=")[0] for one in cookies(gets(stage))} == {"SimGraph"}
        assert stage.simulator.summary().violations == ()

    play(story)


def test_a_second_operation_has_none_of_the_first() -> None:
    async def story(stage: Stage) -> None:
        await stage.copy(SOURCE, body=BODY, simulate="duration=100ms; cookies=on")
        before = len(stage.simulator.requests())
        await stage.copy(SOURCE, body={**BODY, "name": "t.txt"}, simulate="duration=100ms")
        await stage.call("GET", "/v1.0/me/drive/root:/hello.txt")
        later = stage.simulator.requests()[before:]
        assert len(later) > 3
        assert cookies(list(later)) == {None}

    play(story)


def test_somebody_else_does_not_ask_with_the_starters_cookies() -> None:
    """A renewed token of the same user: it may be anybody's until the upstream has said so."""

    async def story(stage: Stage) -> None:
        async def join() -> Answer:
            await passed(lambda: bool(polls(stage)))
            return await stage.copy(SOURCE, body=BODY, token=renewed)

        renewed = stage.token("ana")
        simulate = "duration=400ms; cookies=on"
        answers = await asyncio.gather(stage.copy(SOURCE, body=BODY, simulate=simulate), join())
        assert [answer.status for answer in answers] == [200, 200]
        assert stage.copies_sent == 1
        assert cookies([one for one in gets(stage) if one.header("Authorization") == renewed]) == {None}
        (own,) = [one for one in gets(stage) if one.header("Authorization") == stage.default_token]
        assert str(own.header("Cookie")).startswith("SimGraph=")

    play(story)


def test_a_callers_own_cookies_go_with_its_own_request() -> None:
    async def story(stage: Stage) -> None:
        answer = await stage.copy("/v1.0/me/drive/root:/missing.txt:/copy", body=BODY, headers=CALLERS)
        assert answer.status == 404
        await stage.call("GET", "/v1.0/me/drive/root:/hello.txt", headers=CALLERS)
        assert cookies(list(stage.simulator.requests())) == {CALLERS["Cookie"]}

    play(story)
