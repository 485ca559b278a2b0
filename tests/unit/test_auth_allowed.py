"""What the list of calls lets through, in whichever spelling they come."""

import pytest

from gateway.auth.allowed import Allowed

COPY = "POST /v1.0/me/drive/items/*/copy"
BELOW = "GET /v1.0/drives/**"
EVERYTHING = "* /**"


def covers(entry: str, method: str, path: str) -> bool:
    return Allowed([entry]).covers(method, path, ())


@pytest.mark.parametrize(
    ("entry", "method", "path"),
    [
        (COPY, "POST", "/v1.0/me/drive/items/A/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/A/%63opy"),
        (COPY, "POST", "/v1.0/me/drive/items/A/COPY"),
        (COPY, "POST", "/V1.0/Me/dRive/Items/A/microsoft.graph.copy"),
        (COPY, "POST", "//v1.0//me/drive/items/A/copy/"),
        (COPY, "POST", "/v1.0/me/drive/items('A')/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/root:/a/b:/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/root%3A%2Fa%2Fb%3A/copy"),
        ("POST /v1.0/me//drive/items/*/%63opy/", "POST", "/v1.0/me/drive/items/A/copy"),
        (BELOW, "GET", "/v1.0/drives"),
        (BELOW, "GET", "/v1.0/drives/b!x/items/A/children"),
        (BELOW, "GET", "/v1.0/drives/b!x/root:/a/b"),
        (BELOW, "GET", "/v1.0/drives/a%2Fb"),
        ("* /v1.0/me", "DELETE", "/v1.0/me"),
        (EVERYTHING, "PATCH", "/anything/at/all"),
        ("GET /", "GET", "/"),
        ("POST /v1.0/$batch", "POST", "/v1.0/%24batch"),
    ],
)
def test_what_is_listed_is_let_through(entry: str, method: str, path: str) -> None:
    assert covers(entry, method, path)


@pytest.mark.parametrize(
    ("entry", "method", "path"),
    [
        (COPY, "GET", "/v1.0/me/drive/items/A/copy"),
        (COPY, "post", "/v1.0/me/drive/items/A/copy"),
        (COPY, "POST", "/beta/me/drive/items/A/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/A"),
        (COPY, "POST", "/v1.0/me/drive/items/A/copy/B"),
        (COPY, "POST", "/v1.0/me/drive/items/A/permissions/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/A/permanentDelete"),
        (COPY, "POST", "/v1.0/me/drive/items/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/A;x=1/copy;x=1"),
        (COPY, "POST", "/x/v1.0/me/drive/items/A/copy"),
        # One segment to us, two to whoever decodes first.
        (COPY, "POST", "/v1.0/me/drive/items/A%2Fpermissions/copy"),
        (COPY, "POST", "/v1.0/me/drive/items/A%2fpermissions/copy"),
        ("GET /v1.0/me/drive/items/*", "GET", "/v1.0/me/drive/items/A%2Fpermissions"),
        # A path without an end may go on to anything.
        ("GET /v1.0/me/drive/items/*", "GET", "/v1.0/me/drive/items/a:/b/permissions"),
        ("GET /v1.0/me/drive/*", "GET", "/v1.0/me/drive/root:/a:/permissions"),
        (BELOW, "GET", "/v1.0/drivesx"),
        (BELOW, "GET", "/v1.0"),
        # A batch holds calls of its own.
        ("* /v1.0/**", "POST", "/v1.0/$batch"),
        ("POST /v1.0/*", "POST", "/v1.0/$batch"),
        ("POST /v1.0/*", "POST", "/v1.0/%24BATCH"),
        (EVERYTHING, "POST", "/beta/$batch/"),
    ],
)
def test_what_is_not_listed_is_not(entry: str, method: str, path: str) -> None:
    assert not covers(entry, method, path)


@pytest.mark.parametrize("name", [b"X-HTTP-Method", b"x-http-method-override", b"X-METHOD-OVERRIDE"])
def test_a_header_that_changes_the_method_is_let_through_by_no_list(name: bytes) -> None:
    lines = ((b"Host", b"g"), (name, b"DELETE"))
    assert not Allowed([EVERYTHING]).covers("POST", "/v1.0/me", lines)
    assert Allowed(None).covers("POST", "/v1.0/me", lines), "without a list it is the upstream's business"


def test_no_list_lets_everything_through_and_an_empty_one_nothing() -> None:
    assert Allowed(None).covers("POST", "/v1.0/$batch", ())
    assert not Allowed([]).covers("GET", "/", ())


def test_any_entry_will_do_and_a_list_can_be_changed() -> None:
    allowed = Allowed([COPY, BELOW])
    assert allowed.covers("GET", "/v1.0/drives/x", ())
    allowed.reload([COPY])
    assert not allowed.covers("GET", "/v1.0/drives/x", ())
    assert allowed.covers("POST", "/v1.0/me/drive/items/A/copy", ())
