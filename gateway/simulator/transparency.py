"""Paths that show what a proxy did to a request: `/v1.0/_echo/…`, `/v1.0/_bytes/{n}`, `/v1.0/_sink`.

Rules: no token, no script, no normalising. The bodies sent to `_echo` and `_sink` are hashed as they come in and
not kept, and `_bytes` is sent from one small block, so that 100 MB and more need no memory.
"""

import random
import re

from gateway.simulator.wire import Answer, Asked, GraphError, JsonObject, Stream, json_answer

_PATH = re.compile(r"/(?:v1\.0|beta)/_(echo|bytes|sink)(?:/([^?]*))?(?:\?.*)?", re.DOTALL)
_BLOCK = random.Random(0).randbytes(64 * 1024)


def is_transparency(asked: Asked) -> bool:
    return _PATH.fullmatch(asked.target) is not None


def keeps_body(target: str) -> bool:
    """False where a body is only counted and hashed."""
    match = _PATH.fullmatch(target)
    return match is None or match[1] == "bytes"


def respond(asked: Asked) -> Answer:
    match = _PATH.fullmatch(asked.target)
    word, rest = (match[1], match[2] or "") if match is not None else ("", "")
    if word == "bytes":
        if not (rest.isascii() and rest.isdigit()):
            raise GraphError(400, "BadRequest", "How many bytes? As in /v1.0/_bytes/1000000")
        return Answer(200, (("Content-Type", "application/octet-stream"),), Stream(int(rest), _BLOCK))
    body: JsonObject = {"length": asked.length, "sha256": asked.sha256}
    if word == "echo":
        body = {"method": asked.method, "target": asked.target, "headers": asked.headers, "body": body}
    return json_answer(200, body)


def expected_bytes(size: int) -> Stream:
    """What `/v1.0/_bytes/{size}` sends, for tests to compare with."""
    return Stream(size, _BLOCK)
