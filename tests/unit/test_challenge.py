"""What a 401 demands, and what ours tells."""

import base64
import json

import pytest

from gateway.auth import challenge

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
IN_BASE64 = base64.b64encode(CLAIMS.encode()).decode()
GRAPH = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    f'error="insufficient_claims", claims="{IN_BASE64}"'
)


@pytest.mark.parametrize(
    "value",
    [
        GRAPH,
        f'bearer error = "insufficient_claims",claims="{IN_BASE64}"',
        f"Bearer error=insufficient_claims, claims={IN_BASE64.rstrip('=')}",
        f'PoP nonce="x", Bearer error="insufficient_claims", claims="{IN_BASE64.rstrip("=")}"',
    ],
)
def test_claims_are_found(value: str) -> None:
    assert challenge.demanded(((b"WWW-Authenticate", value.encode()),)) == CLAIMS


def test_the_line_that_has_them_is_found() -> None:
    lines = ((b"www-authenticate", b"Negotiate"), (b"WWW-Authenticate", GRAPH.encode()))
    assert challenge.demanded(lines) == CLAIMS


@pytest.mark.parametrize(
    "value",
    [
        "",
        'Bearer realm="", error="invalid_token"',
        f'Bearer claims="{IN_BASE64}"',
        'Bearer error="insufficient_claims"',
        'Bearer error="insufficient_claims", claims="%%%"',
        'Bearer error="insufficient_claims", claims="W10="',
        'Bearer error="insufficient_claims", claims="/w=="',
        f'Basic error="insufficient_claims", claims="{IN_BASE64}"',
        f'Forbearer error="insufficient_claims", claims="{IN_BASE64}"',
    ],
)
def test_all_else_demands_nothing(value: str) -> None:
    assert challenge.demanded(((b"WWW-Authenticate", value.encode()),)) is None


@pytest.mark.parametrize(
    "junk", [b"a" * 100_000, b"a=" * 50_000, b'="' * 50_000, b"bearer " * 20_000, b" =" * 50_000]
)
def test_junk_costs_nothing(junk: bytes) -> None:
    assert challenge.demanded(((b"WWW-Authenticate", junk),)) is None


def test_ours_can_be_read_again() -> None:
    line = challenge.bearer("https://login.example/t/oauth2/v2.0/authorize", claims=CLAIMS)
    assert challenge.demanded(((b"WWW-Authenticate", line),)) == CLAIMS
    assert line.startswith(
        b'Bearer realm="", authorization_uri="https://login.example/t/oauth2/v2.0/authorize", '
    )
    assert challenge.bearer(None, error="invalid_token") == b'Bearer realm="", error="invalid_token"'
    assert challenge.bearer(None) == b'Bearer realm=""'
    assert json.loads(base64.b64decode(IN_BASE64)) == json.loads(CLAIMS)
