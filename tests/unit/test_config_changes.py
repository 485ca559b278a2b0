"""What a new configuration changes, and what of it a running gateway takes over."""

from pathlib import Path

import pytest
from fakes.papers import Paper, Papers

from gateway.config import Config, parse
from gateway.config.changes import LIVE, LIVE_KEYS, changes


def config(text: str = "", file: str = "gateway.yaml", **environ: str) -> Config:
    return parse(text, file=file, environ=environ)


@pytest.mark.parametrize(
    ("text", "live", "restart"),
    [
        ("", (), ()),
        ("wait: {max: 5s}", ("wait.max",), ()),
        ("polling: {max_interval: 5s, first_delay: 1s}", ("polling.first_delay", "polling.max_interval"), ()),
        ("limits: {held_calls: 5}", ("limits.held_calls",), ()),
        ("log: {level: debug}", ("log.level",), ()),
        ("monitor: {allow_http: true}", ("monitor.allow_http",), ()),
        ("dialects: {enabled: [drive]}", ("dialects.enabled",), ()),
        ("auth: {caller_keys: [env:KEY]}", ("auth.caller_keys",), ()),
        ("auth: {allow: [GET /v1.0/me]}", ("auth.allow",), ()),
        ("operations: {deadline: 1h}", (), ("operations.deadline",)),
        ("upstream: {base_url: https://graph.example}", (), ("upstream.base_url",)),
        ("listen: {port: 1}\nadmin: {port: 2}", (), ("listen.port", "admin.port")),
        ("shutdown: {grace: 1s}\nwait: {max: 1s}", ("wait.max",), ("shutdown.grace",)),
    ],
)
def test_keys_are_taken_over_or_wait(text: str, live: tuple[str, ...], restart: tuple[str, ...]) -> None:
    old, new = config(), config(text, KEY="0123456789abcdef0123456789abcdef")
    found = changes(old, new)
    assert (found.live, found.restart, found.problems) == (live, restart, ())
    back = changes(found.config, old)
    assert back.config == old, "and all the way back"
    assert changes(found.config, new).live == ()


def test_what_waits_is_left_as_it_was() -> None:
    found = changes(config(), config("operations: {deadline: 1h}\nwait: {max: 1s}"))
    assert found.config.operations == config().operations
    assert found.config.wait.max == 1.0


def test_files_of_tls_are_taken_over_but_tls_is_not_turned_on(tmp_path: Path) -> None:
    papers = Papers(tmp_path, "any")
    one, other = papers.issue("one"), papers.issue("other")
    with_one = tls_config(one)
    found = changes(config(), with_one)
    assert found.live == ()
    assert found.restart == ("listen.tls.certificate_file", "listen.tls.private_key_file")
    assert found.config == config()
    found = changes(with_one, tls_config(other))
    assert found.live == ("listen.tls.certificate_file", "listen.tls.private_key_file")
    assert found.restart == ()


def tls_config(paper: Paper) -> Config:
    return config(
        f"listen: {{tls: {{certificate_file: {paper.certificate}, private_key_file: {paper.key}}}}}"
    )


def test_what_fits_only_after_a_restart_is_a_problem() -> None:
    old = config("operations: {reconnect: off}")
    new = config("wait: {on_timeout: error}")
    (problem,) = changes(old, new).problems
    assert "operations.reconnect" in problem
    assert problem.endswith("or restart")


def test_a_key_that_guards_an_open_port_is_not_taken_away() -> None:
    """The new file may drop its keys because it listens on loopback again; until a restart it does not."""
    managed = "auth: {mode: managed_identity, caller_keys: [env:KEY]}\nlisten: {host: 0.0.0.0}"
    old = config(managed, KEY="0123456789abcdef0123456789abcdef")
    new = config("auth: {mode: managed_identity}")
    assert changes(old, new).problems


def test_the_tables_name_what_exists() -> None:
    shape = Config.default()
    assert set(Config.model_fields) >= LIVE
    for section, keys in LIVE_KEYS.items():
        assert set(keys) <= set(type(getattr(shape, section)).model_fields)
