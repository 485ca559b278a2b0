"""SIGHUP: what is in force after it, what keeps the bound that it began with, and what is refused."""

import asyncio
from typing import Any

import pytest
from stage import Stage, in_thread, passed, play

from gateway.config import Config, ConfigError, ConfigProblem, Log
from gateway.config.callers import CallerKey
from gateway.reloading import Reloading
from gateway.simulator import SimulatorSettings

COPY = "/v1.0/me/drive/root:/hello.txt:/copy"
SLOW = SimulatorSettings(base_duration=1.0, bytes_per_second=0)


def changed(config: Config, **sections: dict[str, Any]) -> Config:
    updates = {name: getattr(config, name).model_copy(update=keys) for name, keys in sections.items()}
    return config.model_copy(update=updates)


async def reloaded(stage: Stage, **sections: dict[str, Any]) -> dict[str, str | float | bool]:
    """Send the signal with a file that says this; what was told of it."""
    new = changed(stage.gateway.config, **sections)
    return await asked(stage, Reloading(stage.gateway, read=lambda: new, log=lambda _: None))


async def asked(stage: Stage, reloading: Reloading) -> dict[str, str | float | bool]:
    before = len(stage.observer.said)
    reloading.ask()

    def told() -> list[dict[str, str | float | bool]]:
        return [facts for name, facts in stage.observer.said[before:] if name.startswith("reload")]

    await passed(lambda: bool(told()))
    return told()[0]


def test_a_held_call_keeps_its_bound_and_the_next_one_has_the_new() -> None:
    async def story(stage: Stage) -> None:
        first = asyncio.gather(stage.copy(COPY, body={"name": "one"}))
        await passed(lambda: stage.gateway.callers.held == 1)
        told = await reloaded(stage, wait={"max": 0.05})
        assert told == {"changed": "wait.max"}
        assert (await stage.copy(COPY, body={"name": "two"})).status == 303
        assert (await first)[0].status == 200

    play(story, settings=SLOW, wait={"max": 60.0})


def test_limits_count_for_the_next_call() -> None:
    async def story(stage: Stage) -> None:
        first = asyncio.gather(stage.copy(COPY, body={"name": "one"}))
        await passed(lambda: stage.gateway.callers.held == 1)
        await reloaded(stage, limits={"held_calls": 1, "header": 1024})
        assert (await stage.copy(COPY, body={"name": "two"})).status == 503
        large = await stage.call("GET", "/v1.0/me", headers={"X-Large": "x" * 2000})
        assert large.status == 431
        assert (await first)[0].status == 200

    play(story, settings=SLOW)


def test_a_dialect_that_is_no_longer_enabled_passes_through() -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body={"name": "one"})).status == 200
        assert await reloaded(stage, dialects={"enabled": ()}) == {"changed": "dialects.enabled"}
        assert (await stage.copy(COPY, body={"name": "two"})).status == 202

    play(story)


def test_a_monitor_that_is_no_longer_allowed_is_not_followed() -> None:
    async def story(stage: Stage) -> None:
        await reloaded(stage, monitor={"allowed_hosts": ("monitor.example",)})
        answer = await stage.copy(COPY, body={"name": "one"})
        assert answer.status == 202
        assert answer.header("Gateway-Operation") is None

    play(story)


def test_an_address_that_is_no_longer_allowed_is_connected_to_no_more() -> None:
    """Also where a connection to it is still open."""

    async def story(stage: Stage) -> None:
        assert (await stage.copy(COPY, body={"name": "one"})).status == 200
        await passed(lambda: stage.gateway.monitors.connections == (1, 1))
        await reloaded(stage, monitor={"allow_private": False, "allowed_hosts": ("localhost",)})
        await passed(lambda: stage.gateway.monitors.connections == (0, 0))

    play(story)


def test_a_key_that_is_asked_for_from_now_on() -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.call("GET", "/v1.0/me")).status == 200
        told = await reloaded(stage, auth={"caller_keys": (CallerKey.of(b"k" * 32),)})
        assert told == {"changed": "auth.caller_keys"}
        assert (await stage.call("GET", "/v1.0/me")).status == 401
        assert (await stage.call("GET", "/v1.0/me", headers={"Gateway-Key": "k" * 32})).status == 200

    play(story)


def test_whoever_queues_gets_the_places_that_are_new() -> None:
    async def story(stage: Stage) -> None:
        calls = [asyncio.gather(stage.copy(COPY, body={"name": name})) for name in ("one", "two")]
        await passed(lambda: stage.gateway.lanes.queued == 1)
        await reloaded(stage, limits={"running_per_drive": None})
        await passed(lambda: stage.gateway.lanes.queued == 0)
        assert [(await call)[0].status for call in calls] == [200, 200]

    play(story, settings=SLOW, limits={"running_per_drive": 1})


def test_every_part_goes_by_the_new_configuration() -> None:
    async def story(stage: Stage) -> None:
        gateway = stage.gateway
        await reloaded(
            stage,
            polling={"min_interval": 0.5, "max_interval": 7.0, "lost_after": 8.0, "stalled_after": 9.0},
            limits={"monitor_body": 1000, "connections": 11, "idle": 3.0, "header_read": 4.0},
        )
        assert (gateway.records.polling.min_interval, gateway.records.polling.lost_after) == (0.5, 8.0)
        assert gateway.follower.rules.stalled_after == 9.0
        assert gateway.asking.max_body == 1000
        server = gateway.callers._server
        assert (server.max_connections, server.keepalive_timeout, server.header_read) == (11, 3.0, 4.0)
        assert gateway.graph._dialler.timeouts.idle == gateway.monitors._dialler.timeouts.idle == 3.0
        page = (await stage.admin("/metrics")).body.decode()
        assert 'lro_gateway_limit{limit="connections"} 11.0' in page

    play(story)


def test_what_wants_a_restart_is_named_and_left() -> None:
    async def story(stage: Stage) -> None:
        told = await reloaded(stage, shutdown={"grace": 1.0}, wait={"max": 9.0})
        assert told == {"changed": "wait.max", "restart": "shutdown.grace"}
        assert stage.gateway.config.shutdown.grace == 5.0

    play(story)


def test_a_file_with_problems_changes_nothing() -> None:
    async def story(stage: Stage) -> None:
        before = stage.gateway.config

        def read() -> Config:
            raise ConfigError(
                (ConfigProblem("wait.max", "gateway.yaml", 3, 8, "must be a duration", "write 5s"),)
            )

        told = await asked(stage, Reloading(stage.gateway, read=read, log=lambda _: None))
        assert "gateway.yaml:3:8: wait.max: must be a duration" in str(told["problems"])
        assert stage.observer.events[-1] == "reload_refused"
        assert stage.gateway.config is before

    play(story)


def test_what_fits_only_after_a_restart_is_refused_whole() -> None:
    async def story(stage: Stage) -> None:
        before = stage.gateway.config
        told = await reloaded(
            stage, wait={"on_timeout": "error", "max": 1.0}, operations={"reconnect": "identical"}
        )
        assert "operations.reconnect" in str(told["problems"])
        assert stage.gateway.config is before

    play(story, operations={"reconnect": "off"})


def test_without_a_file_there_is_nothing_to_reload() -> None:
    async def story(stage: Stage) -> None:
        told = await asked(stage, Reloading(stage.gateway, read=None, log=lambda _: None))
        assert "--config" in str(told["problems"])

    play(story)


def test_the_log_is_set_up_anew() -> None:
    async def story(stage: Stage) -> None:
        seen: list[Log] = []
        new = changed(stage.gateway.config, log={"level": "debug"})
        await asked(stage, Reloading(stage.gateway, read=lambda: new, log=seen.append))
        assert [log.level for log in seen] == ["debug"]

    play(story)


def test_signals_that_come_meanwhile_lead_to_one_more() -> None:
    async def story(stage: Stage) -> None:
        loop = asyncio.get_running_loop()
        begun, go_on = asyncio.Event(), asyncio.Event()
        reads: list[None] = []

        def read() -> Config:
            reads.append(None)
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            return stage.gateway.config

        reloading = Reloading(stage.gateway, read=read, log=lambda _: None)
        reloading.ask()
        await begun.wait()
        for _ in range(5):
            reloading.ask()
        go_on.set()
        await passed(lambda: stage.observer.events.count("reloaded") == 2)
        await in_thread(lambda: None)
        assert len(reads) == 2

    play(story)


@pytest.mark.parametrize("section", ["wait", "polling", "limits", "monitor", "dialects", "log"])
def test_nothing_changed_is_nothing_told(section: str) -> None:
    async def story(stage: Stage) -> None:
        assert await reloaded(stage, **{section: {}}) == {}

    play(story)
