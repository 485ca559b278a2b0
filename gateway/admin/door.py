"""The door of the admin listener: which requests are let in, and the header lines that every answer has.

Rules: GET and HEAD only. On loopback the Host must be a name for this machine: a page of any web site can have its
own name resolve to 127.0.0.1 and would then be of one origin with this listener (DNS rebinding). Scripts, styles and
pictures come from here or not at all, nobody may put a page of ours into a frame, and no answer is kept by a cache.

What this module must not do: know what is asked for.
"""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

METHODS = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


def door(host: str) -> Middleware:
    """For a listener at `host`, as it is configured."""
    names = LOCAL | {host.lower()} if is_loopback(host) else None

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        if names is not None and host_name(request.headers.get("Host", "")) not in names:
            return refusal(
                421,
                "ask for localhost, 127.0.0.1, [::1] or admin.host: no other name is answered on loopback",
            )
        if request.method not in METHODS:
            return refusal(405, "this listener changes nothing: GET and HEAD only", Allow="GET, HEAD")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return refusal(404, "there is no such page")

    return let_in


async def sign(_: web.Request, response: web.StreamResponse) -> None:
    """Give an answer its header lines, a stream's before it begins."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)


def refusal(status: int, why: str, **headers: str) -> web.Response:
    return web.json_response({"error": why}, status=status, headers=headers)


def host_name(authority: str) -> str:
    """The host of a Host line, without port and brackets."""
    name = authority.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if ":" in name else name


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
