"""What a good engineer writes in an afternoon to hold copies: an aiohttp handler that waits.

    python bench/peers/holder.py PORT UPSTREAM            # web.Application, one ClientSession, everything as it comes
    python bench/peers/holder.py PORT UPSTREAM --tuned    # the same with every knob that aiohttp is known for
    python bench/peers/holder.py PORT UPSTREAM --ca FILE  # monitors behind TLS, by certificates of that authority

It knows copies and nothing else: no identity, no joining, no store, no bounds. It asks each monitor once a second.
"""

import asyncio
import json
import ssl
import sys

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

HOP_BY_HOP = {
    "connection",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
}
INTERVAL = 1.0


class Holder:
    """One session, and the handler."""

    def __init__(self, upstream: str, session: ClientSession) -> None:
        self._upstream = upstream
        self._session = session

    async def copy(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        body = await request.read()
        async with self._session.post(self._upstream + request.path_qs, data=body, headers=headers) as reply:
            if reply.status != 202:
                return web.Response(status=reply.status, body=await reply.read())
            monitor = reply.headers["Location"]
        while True:
            await asyncio.sleep(INTERVAL)
            async with self._session.get(monitor, allow_redirects=False) as poll:
                report = json.loads(await poll.read())
            if report["status"] == "completed":
                break
        item = f"{self._upstream}/v1.0/me/drive/items/{report['resourceId']}"
        token = {"Authorization": request.headers["Authorization"]}
        async with self._session.get(item, headers=token) as found:
            return web.Response(
                status=found.status,
                body=await found.read(),
                headers={"Content-Type": found.headers["Content-Type"]},
            )


async def plain(upstream: str, *, trust: ssl.SSLContext | bool) -> web.AppRunner:
    app = web.Application()
    holder = Holder(upstream, ClientSession(connector=TCPConnector(ssl=trust)))
    app.router.add_post("/{path:.*}", holder.copy)
    return web.AppRunner(app)


async def tuned(upstream: str, *, trust: ssl.SSLContext | bool) -> web.ServerRunner:
    session = ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=75, ssl=trust),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    )
    return web.ServerRunner(web.Server(Holder(upstream, session).copy, access_log=None))


async def main() -> None:
    port, upstream, *options = sys.argv[1:]
    trust = (
        ssl.create_default_context(cafile=options[options.index("--ca") + 1]) if "--ca" in options else True
    )
    runner = await (tuned if "--tuned" in options else plain)(upstream, trust=trust)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    if "--tuned" in sys.argv:
        uvloop.run(main())
    else:
        asyncio.run(main())
