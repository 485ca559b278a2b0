"""The client of the demo: what a script does that knows nothing of long-running operations.

One request, then it blocks on its socket until the answer is there: `http.client`, and `urllib` where redirects are
to be followed. Its base URL is all that tells it of the gateway.

What this module must not do: import anything of the gateway but the clock, or send anything a second time.
"""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any

from gateway.clock import Clock

PATIENCE = 60.0
"""Seconds that a client waits for its answer, as many are set to."""


@dataclass(frozen=True)
class Answer:
    """What came back; `seconds` after the request."""

    status: int
    reason: str
    headers: Message
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Hop:
    """A redirect that was followed; `seconds` after the first request."""

    status: int
    location: str
    seconds: float


class GaveUp(Exception):
    """The client's own patience was over; its socket is closed."""


@dataclass
class Client:
    """A plain blocking client. `address` is the gateway's."""

    address: str
    token: str
    clock: Clock
    sent: int = field(default=0, init=False)
    """POSTs, so far."""

    def post(self, target: str, body: object, *, patience: float = PATIENCE) -> Answer:
        """POST and wait. Raises `GaveUp` after `patience` seconds, OSError and HTTPException."""
        seconds = self._watch()
        self.sent += 1
        connection = http.client.HTTPConnection(self.address, timeout=patience)
        try:
            connection.request("POST", target, json.dumps(body), self._headers())
            reply = connection.getresponse()
            content = reply.read()
        except TimeoutError:
            raise GaveUp(f"no answer within {patience} s") from None
        finally:
            connection.close()
        return Answer(reply.status, reply.reason, reply.headers, content, seconds())

    def post_and_follow(self, target: str, body: object, headers: dict[str, str]) -> tuple[Answer, list[Hop]]:
        """POST with a client that follows redirects by itself, and which ones it followed."""
        seconds = self._watch()
        self.sent += 1
        noting = _Noting(seconds)
        # Without the environment's proxies: the gateway is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), noting)
        request = urllib.request.Request(
            f"http://{self.address}{target}", json.dumps(body).encode(), self._headers() | headers
        )
        try:
            with opener.open(request, timeout=PATIENCE) as reply:
                answer = Answer(reply.status, reply.reason, reply.headers, reply.read(), seconds())
        except urllib.error.HTTPError as error:
            with error:
                answer = Answer(error.code, error.reason, error.headers, error.read(), seconds())
        return answer, noting.hops

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def _watch(self) -> Callable[[], float]:
        began = self.clock.monotonic()
        return lambda: self.clock.monotonic() - began


class _Noting(urllib.request.HTTPRedirectHandler):
    """Follows as urllib always does, and takes notes."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.hops: list[Hop] = []
        self._seconds = seconds

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.hops.append(Hop(code, headers.get("Location", ""), self._seconds()))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def look(address: str, path: str) -> Any:
    """The JSON that an endpoint of the simulator's or the gateway's own tells."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
