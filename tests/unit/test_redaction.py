"""Redaction: shapes of secrets go, everything else stays as it was."""

import pytest
from fakes.canary import jwt
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry import redaction
from gateway.telemetry.redaction import HIDDEN, NAMES, redact, redacted

TOKEN = jwt(oid="C4N4RY")
TEXTS = {
    f"Bearer {TOKEN}": f"Bearer {HIDDEN}",
    f"got {TOKEN}, and no more": f"got {HIDDEN}, and no more",
    "authorization: Basic Q0FOQVJZOnB3": f"authorization: {HIDDEN}",
    "basic Q0FOQVJZOnB3 was sent": f"basic {HIDDEN} was sent",
    "Cookie: a=C4N4RY; b=c": f"Cookie: {HIDDEN}",
    "'Set-Cookie': 'a=C4N4RY; Path=/'": f"'Set-Cookie': {HIDDEN}",
    "Gateway-Key: C4N4RY": f"Gateway-Key: {HIDDEN}",
    "https://c.sharepoint.com/_api/v2.0/monitor/C4N4RY": f"https://c.sharepoint.com/{HIDDEN}",
    "https://c.sharepoint.com/x?tempauth=C4N4RY failed": f"https://c.sharepoint.com/x?{HIDDEN} failed",
    "https://graph.microsoft.com/v1.0/me?$select=C4N4RY": f"https://graph.microsoft.com/v1.0/me?{HIDDEN}",
    "(https://h/x#C4N4RY)": f"(https://h/x?{HIDDEN}",
    "https://user:C4N4RY@h/x": "https://h/x",
    "redis://:C4N4RY@h:6379/0": "redis://h:6379/0",
    "https://h/http://C4N4RY": f"https://h/{HIDDEN}",
    "/_gateway/operations/0/result?ticket=C4N4RY&hop=2": f"/_gateway/operations/0/result?ticket={HIDDEN}&hop=2",
    "client_secret=C4N4RY&grant_type=x": f"client_secret={HIDDEN}&grant_type=x",
    '"@microsoft.graph.downloadUrl": "https://h/C4N4RY"': f'"@microsoft.graph.downloadUrl": {HIDDEN}',
    "/v1.0/shares/u!C4N4RYC4N4RY/driveItem": f"/v1.0/shares/u!{HIDDEN}/driveItem",
}
PLAIN = [
    "/v1.0/me/drive/items/01ABCDEF!123/copy",
    "/v1.0/drives/b!-RIj2DuyvEyV1T4NlOaMHk8XkS_I8MdFlUCq1BlcjgmhRfAj3-Z8RY2VpuvV_tpd/root:/a b.txt:/copy",
    "https://graph.microsoft.com",
    "http://127.0.0.1:8901/v1.0",
    "check host and port in upstream.base_url (or upstream.connect_to), and that it is running",
    "0123456789abcdef0123456789abcdef",
    "AADSTS7000215",
    "[::1]:8080",
    "/data/operations.db is in use by another gateway (process 12); stop that one",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_go(text: str) -> None:
    assert redacted(text) == TEXTS[text]
    assert "C4N4RY" not in redacted(text)


@pytest.mark.parametrize("text", PLAIN)
def test_the_rest_stays(text: str) -> None:
    assert redacted(text) == text


def test_wherever_in_an_event_it_stands() -> None:
    event = {
        "event": f"got {TOKEN}",
        "list": [TOKEN, {"inner": (f"x {TOKEN}", 1)}],
        "Authorization": "whatever",
        "seconds": 0.5,
        "none": None,
        "yes": True,
        "thing": RuntimeError(TOKEN),
        "raw": TOKEN.encode(),
        TOKEN: 1,
    }
    assert redact(None, "info", event) == {
        "event": f"got {HIDDEN}",
        "list": [HIDDEN, {"inner": [f"x {HIDDEN}", 1]}],
        "Authorization": HIDDEN,
        "seconds": 0.5,
        "none": None,
        "yes": True,
        "thing": "<RuntimeError>",
        "raw": "<bytes>",
        HIDDEN: 1,
    }


@pytest.mark.parametrize("name", sorted(NAMES))
def test_by_its_name(name: str) -> None:
    assert redact(None, "info", {name: "x", "in": {name.upper(): "x"}}) == {
        name: HIDDEN,
        "in": {name.upper(): HIDDEN},
    }


def test_what_holds_itself_ends_somewhere() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert "<list>" in repr(redact(None, "info", {"ring": ring}))


@given(st.text() | st.text(alphabet="http:/?#@.eyJ_ =!", max_size=300))
def test_it_never_fails_and_once_is_enough(text: str) -> None:
    assert isinstance(redacted(redacted(text)), str)


@given(st.text(st.sampled_from("eyJwSIG:=!/ .?&abt\t\nu")) | st.text())
def test_the_quick_look_misses_nothing(text: str) -> None:
    """Most texts are seen to be plain without a search for shapes."""
    assert redacted(text) == redaction._SHAPES.sub(redaction._hidden, text)
