"""What two keys must agree on, told at the key to change, as far as both keys are known."""

import pytest

from gateway.config import ConfigError, parse

REJOIN = "error makes clients send the call again, which copies again while operations.reconnect is off"


def told(text: str) -> list[tuple[str, int, int, str]]:
    try:
        parse(text, file="gw.yaml", environ={})
    except ConfigError as error:
        return [(problem.path, problem.line, problem.column, problem.message) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "polling:\n  max_interval: 100ms\n",
            (
                "polling.max_interval",
                2,
                3,
                "polling.min_interval (200ms) is above polling.max_interval (100ms)",
            ),
        ),
        (
            "polling:\n  max_interval: 1s\n  min_interval: 2s\n",
            ("polling.min_interval", 3, 3, "polling.min_interval (2s) is above polling.max_interval (1s)"),
        ),
        ("operations: {reconnect: off}\nwait: {on_timeout: error}\n", ("wait.on_timeout", 2, 8, REJOIN)),
        ("admin: {port: 8080}\n", ("admin.port", 1, 9, "listen and admin both want port 8080")),
        ("listen: {port: 9901}\n", ("listen.port", 1, 10, "listen and admin both want port 9901")),
        (
            "listen: {port: 9901, host: 0.0.0.0}\n",
            ("listen.port", 1, 10, "listen and admin both want port 9901"),
        ),
    ],
)
def test_disagreement_is_told_at_the_key_to_change(text: str, problem: tuple[str, int, int, str]) -> None:
    assert told(text) == [problem]


@pytest.mark.parametrize(
    "text",
    [
        "polling: {min_interval: 10s}",
        "wait: {on_timeout: error}",
        "wait: {on_timeout: error}\noperations: {reconnect: key}",
        "operations: {reconnect: off}",
        "listen: {port: 0}\nadmin: {port: 0}",
        "listen: {port: 9901, host: 127.0.0.2}",
    ],
)
def test_agreement_is_no_problem(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "polling: {min_interval: 20s, max_interval: x}",
        "polling: {min_interval: 20s, max_interval: *x}",
        "polling: {min_interval: 20s, max_interval: 30s, max_interval: 40s}",
        "wait: {on_timeout: error}\noperations: {reconnect: of}",
        "wait: {on_timeout: error}\noperations: {reconnect: off, <<: {}}",
    ],
)
def test_keys_in_doubt_are_not_compared(text: str) -> None:
    assert len(told(text)) == 1


def test_problem_elsewhere_does_not_hide_a_disagreement() -> None:
    text = "polling: {min_interval: 20s, first_delay: x, extra: 1}\nlog: 5\nwait: {max: x}\n"
    assert [problem[0] for problem in told(text)] == [
        "polling.min_interval",
        "polling.first_delay",
        "polling.extra",
        "log",
        "wait.max",
    ]
