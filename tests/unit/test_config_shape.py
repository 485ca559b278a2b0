"""The shape: frozen, strict, and every default acceptable to its own kind."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.config import Config, Limits, Listen, Monitor, Polling, Wait


def test_defaults_are_the_documented_ones() -> None:
    config = Config.default()
    assert (config.listen.host, config.listen.port, config.listen.public_url) == ("127.0.0.1", 8080, None)
    assert (config.admin.host, config.admin.port) == ("127.0.0.1", 9901)
    assert config.upstream.base_url == "https://graph.microsoft.com"
    assert (config.upstream.connect_timeout, config.upstream.reply_timeout) == (10.0, 100.0)
    assert (config.polling.first_delay, config.polling.min_interval, config.polling.max_interval) == (
        0.5,
        0.2,
        10.0,
    )
    assert (config.polling.lost_after, config.polling.stalled_after) == (60.0, 600.0)
    assert (config.wait.max, config.wait.on_timeout) == (55.0, "redirect")
    assert (config.wait.heartbeat, config.wait.heartbeat_interval) == ("off", 15.0)
    assert (config.operations.store, config.operations.reconnect) == ("memory", "identical")
    assert (config.operations.path, config.operations.encryption_key) == (Path("operations.db"), None)
    assert (config.operations.url, config.operations.wait_replicas) == ("redis://127.0.0.1:6379/0", 0)
    assert (config.operations.deadline, config.operations.keep_finished) == (86400.0, 900.0)
    assert (config.operations.keep_keyed, config.operations.replay_grace) == (86400.0, 0.0)
    assert (config.limits.body, config.limits.monitor_body, config.limits.header) == (
        4 << 20,
        256 << 10,
        16 << 10,
    )
    assert config.shutdown.grace == 20.0
    assert (config.log.level, config.log.format) == ("info", "json")


def test_every_cloud_is_allowed_by_default() -> None:
    assert set(Monitor().allowed_hosts) == {
        "graph.microsoft.com",
        "graph.microsoft.us",
        "dod-graph.microsoft.us",
        "microsoftgraph.chinacloudapi.cn",
        "*.sharepoint.com",
        "*.sharepoint.us",
        "*.sharepoint-mil.us",
        "*.dps.mil",
        "*.sharepoint.cn",
        "*.sovcloud-sharepoint.de",
        "*.sovcloud-sharepoint.fr",
        "api.onedrive.com",
        "my.microsoftpersonalcontent.com",
    }


def test_every_default_is_what_its_kind_would_read() -> None:
    config = Config.default()
    assert Config.model_validate(config.model_dump()) == config


def test_configuration_is_frozen_and_hashable() -> None:
    config = Config.default()
    for name in Wait.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(config.wait, name, None)
    assert hash(config) == hash(Config())


def test_sections_are_built_from_values() -> None:
    config = Config(wait=Wait(max=0.2), limits=Limits(calls_per_caller=2))
    assert (config.wait.max, config.wait.on_timeout, config.limits.calls_per_caller) == (0.2, "redirect", 2)
    with pytest.raises(ValidationError):
        Polling(min_interval=-1.0)


def test_error_of_the_shape_does_not_show_its_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Listen.model_validate({"host": "hunter2 hunter2"})
    assert "hunter2" not in str(caught.value)
