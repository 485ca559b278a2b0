"""What becomes of bytes that are no request: why they are refused, in our words, and the answer as bytes.

What the parser says quotes what it was sent, which may be a token: none of that is repeated.

What this module must not do: look at what is well-formed.
"""

import re

from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, HttpProcessingError, LineTooLong

from gateway.errors import (
    HeadersTooLarge,
    MalformedRequest,
    MethodUnknown,
    Refusal,
    TargetTooLong,
    VersionUnsupported,
)
from gateway.http.answers import Answer
from gateway.http.responder import CLOSE, head_of, phrase

_UNKNOWN_METHOD = re.compile(r"""b['"][!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/""")
"""In the parser's message, where it quotes a line that would be a request's but for its method."""


def objection(error: BaseException | None, *, max_target: int) -> Refusal:
    """What the parser objected to; `max_target` is the limit that it names where a target is too long."""
    if isinstance(error, LineTooLong):
        return TargetTooLong("parser") if error.args[1] == max_target else HeadersTooLarge("parser")
    said = error.message if isinstance(error, HttpProcessingError) else ""
    if said.startswith("Too many headers"):
        return HeadersTooLarge("parser")
    if isinstance(error, BadHttpMethod) and _UNKNOWN_METHOD.search(said):
        return MethodUnknown("parser")
    if isinstance(error, BadStatusLine) and "\n  Invalid HTTP version" in said:
        return VersionUnsupported("parser")
    return MalformedRequest("parser")


def wire(answer: Answer) -> bytes:
    """A complete answer as bytes, the connection to be closed after it."""
    length = (b"Content-Length", b"%d" % len(answer.body))
    return head_of(answer.status, phrase(answer.status), (*answer.headers, length, CLOSE)) + answer.body
