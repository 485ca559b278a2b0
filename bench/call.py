"""One call as Graph's clients make it and one answer as Graph gives it, and whether a proxy brings both across unharmed.

What it must not do: let a proxy be measured that answers something else than what was asked for.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.crowd import bearer
from bench.machine import HOST, Failed

TARGET = "/v1.0/me/drive/items/01DPGM5J3SZ5ZSZLZSBJDZ4KLIZE6XYZAB?$select=id,name,size"
TOKEN = bearer(1)
"""About 1.5 KB."""
SENT: Mapping[str, str] = {
    "Authorization": f"Bearer {TOKEN}",
    "User-Agent": "python-requests/2.32.3",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Prefer": "odata.maxpagesize=50",
    "client-request-id": "5f2d1c9e-6a0b-4d0e-9b1f-0f9b6a3f7c11",
}
ANSWERED: Mapping[str, str] = {
    "Cache-Control": "no-store, no-cache",
    "Vary": "Accept-Encoding",
    "Strict-Transport-Security": "max-age=31536000",
    "request-id": "0f9b6a3f-7c11-4d0e-9b1f-5f2d1c9e6a0b",
    "client-request-id": "5f2d1c9e-6a0b-4d0e-9b1f-0f9b6a3f7c11",
    "x-ms-ags-diagnostic": '{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"002","RoleInstance":"AM2PEPF0001B"}}',
    "x-ms-resource-unit": "1",
    "OData-Version": "4.0",
    "ETag": '"{7A1B2C3D-0000-4000-8000-000000000001},2"',
}
"""Content-Type, Content-Length, Date, Server and Connection come on top."""
CONTENT_TYPE = (
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
)


def item(size: int = 1024) -> str:
    """A driveItem of that many bytes of JSON."""
    known: dict[str, object] = {
        "id": "01DPGM5J3SZ5ZSZLZSBJDZ4KLIZE6XYZAB",
        "name": "Contoso Q3 report.docx",
        "size": 91_823,
        "lastModifiedDateTime": "2026-11-21T09:15:04Z",
        "parentReference": {"driveId": "b!aXk2", "path": "/drive/root:/Documents"},
        "description": "",
    }
    known["description"] = "x" * (size - len(json.dumps(known)))
    return json.dumps(known)


BODY = item()


@dataclass(frozen=True, slots=True)
class Place:
    """Where something listens, and by whose certificate it is known."""

    port: int
    authority: Path | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://{HOST}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.authority) if self.authority else None

    def connect(self, *, timeout: float = 30.0, context: ssl.SSLContext | None = None) -> socket.socket:
        """A new connection; a `context` that was made before spares making one."""
        connection = socket.create_connection((HOST, self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = context or self.context()
        return context.wrap_socket(connection, server_hostname=HOST) if context else connection

    def ask(
        self, method: str, target: str, *, body: bytes | None = None, timeout: float = 10.0
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One call with a Graph client's headers: status, headers by their names in lower case, body."""
        context = self.context()
        connection = (
            http.client.HTTPSConnection(HOST, self.port, timeout=timeout, context=context)
            if context
            else http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        )
        try:
            more = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, target, body=body, headers={**SENT, **more})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        except (OSError, http.client.HTTPException) as problem:
            raise Failed(f"{method} {self.url}: {problem!r}") from problem
        finally:
            connection.close()


def vet(place: Place) -> None:
    """Raise unless the item comes with all its headers, a POST is answered, and all of a call's headers arrive."""
    for method, body in (("GET", None), ("POST", b"x" * 1024)):
        status, headers, got = place.ask(method, TARGET, body=body)
        wanted = {name.lower(): value for name, value in ANSWERED.items()}
        lost = sorted(name for name, value in wanted.items() if headers.get(name) != value)
        if (status, got) != (200, BODY.encode()) or lost:
            raise Failed(
                f"{method} came back as {status} with {len(got)} bytes, without {lost}: {got[:200]!r}"
            )
    status, _, got = place.ask("GET", "/echo")
    if (status, got) != (200, "|".join(SENT.values()).encode()):
        raise Failed(f"other headers arrived upstream: {status} {got[:300]!r}")
