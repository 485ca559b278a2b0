"""What an error of the gateway's own has to look like."""

import json
import re
from datetime import UTC, datetime

from fakes.wire import Message

WORDS = {
    "connection_limit_reached", "connection_refused", "connection_terminated", "connection_timeout",
    "destination_ip_prohibited", "destination_unavailable", "dns_error", "dns_timeout", "http_protocol_error",
    "http_request_denied", "http_request_error", "http_response_header_section_size", "http_response_incomplete", "http_response_timeout",
    "proxy_internal_error", "proxy_loop_detected", "tls_certificate_error", "tls_protocol_error",
}  # fmt: skip
"""Those error types of RFC 9209 section 2.3 that a gateway of our kind may have met."""

KEY = r"[a-z*][a-z0-9_.*-]*"
TOKEN = r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*"
PROXY_STATUS = re.compile(rf"({TOKEN})((?:; *{KEY}={TOKEN})*)")
"""A list of one item, as structured fields spell it (RFC 8941 sections 3.1 and 3.3.4)."""


def assert_own_error(
    answer: Message, status: int, code: str, word: str, *, client_request_id: str | None = None
) -> None:
    """`answer` is Graph-shaped, says `code` and `word`, and nothing in it contradicts the rest."""
    assert answer.status == status, answer.raw
    assert answer.get_all(b"content-type") == [b"application/json"]
    assert answer.get_all(b"via") == [b"1.1 lro-gateway"]
    assert answer.get_all(b"content-length") == [b"%d" % len(answer.body)]
    said = json.loads(answer.body)
    assert set(said) == {"error"}
    assert said["error"]["code"] == code
    assert said["error"]["message"].endswith(".")
    inner = said["error"]["innerError"]
    at = datetime.strptime(inner["date"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert re.fullmatch("[0-9a-f]{32}", inner["request-id"])
    assert answer.get_all(b"request-id") == [inner["request-id"].encode()]
    ids = [] if client_request_id is None else [client_request_id]
    assert [value.decode() for value in answer.get_all(b"client-request-id")] == ids
    assert ([inner["client-request-id"]] if "client-request-id" in inner else []) == ids
    assert proxy_status(answer) == ("lro-gateway", {"error": word})
    assert word in WORDS


def proxy_status(answer: Message) -> tuple[str, dict[str, str]]:
    """The name and parameters of the one Proxy-Status member."""
    values = answer.get_all(b"proxy-status")
    assert len(values) == 1
    match = PROXY_STATUS.fullmatch(values[0].decode("ascii"))
    assert match is not None, values
    pairs = [pair.strip().split("=") for pair in match[2].split(";") if pair.strip()]
    return match[1], {pair[0]: pair[1] for pair in pairs}
