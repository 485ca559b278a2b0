"""Addresses that replies name: what they are relative to, and where they may lead."""

import pytest

from gateway.dialects.address import absolute, moved, target_on

BASE = "https://api.example:8443/jobs/start?x=1"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://other.example/a?b=%2F", "https://other.example/a?b=%2F"),
        ("HTTPS://other.example/a", "HTTPS://other.example/a"),
        ("/jobs/1?sig=a%3D", "https://api.example:8443/jobs/1?sig=a%3D"),
        ("1", "https://api.example:8443/jobs/1"),
        ("./1", "https://api.example:8443/jobs/1"),
        ("../1/x", "https://api.example:8443/1/x"),
        ("../../1", "https://api.example:8443/1"),
        ("?id=1", "https://api.example:8443/jobs/start?id=1"),
        ("//other.example/a", "https://other.example/a"),
        ("javascript:x", "javascript:x"),
    ],
)
def test_relative_to_what_it_was_read_in(text: str, url: str) -> None:
    assert absolute(text, BASE) == url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://api.example:8443/a?b", "/a?b"),
        ("https://API.example:8443", "/"),
        ("https://api.example/a", None),
        ("http://api.example:8443/a", None),
        ("https://evil.example/a", None),
        ("https://u@api.example:8443/a", None),
        ("https://api.example:8443/a/../b", None),
        ("https://api.example:8443/%2e%2E/b", None),
        ("https://api.example:8443/a b", None),
        ("https://api.example:8443/a#b", None),
        ("nonsense", None),
    ],
)
def test_a_target_of_the_upstream(url: str, target: str | None) -> None:
    assert target_on(url, "https://api.example:8443") == target


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/jobs/2", "https://h.example/jobs/2"),
        ("2?s=1", "https://h.example/jobs/2?s=1"),
        ("https://h.example/x", "https://h.example/x"),
        ("https://evil.example/x", "https://h.example/jobs/1"),
        ("//evil.example/x", "https://h.example/jobs/1"),
        ("http://h.example/x", "https://h.example/jobs/1"),
    ],
)
def test_a_monitor_moves_on_its_own_origin_only(text: str, url: str) -> None:
    assert moved("https://h.example/jobs/1", text) == url
