"""The reverse proxy that one writes in an afternoon: an aiohttp application, one ClientSession, bodies streamed.

It is the yardstick for how much of the cost is Python's and aiohttp's. asyncio's own event loop, as `web.run_app` has
it by default; no limit on connections upstream; the hop-by-hop headers of RFC 9110 removed; redirects and encodings
left alone; no line for each call, as `web.run_app` has it unless logging is set up.
"""

import argparse
import ssl
from collections.abc import AsyncIterator

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

HOP_BY_HOP = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
UPSTREAM = web.AppKey("upstream", str)
CA = web.AppKey("ca", str)
SESSION = web.AppKey("session", ClientSession)


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


async def forward(request: web.Request) -> web.StreamResponse:
    url = URL(request.app[UPSTREAM] + request.raw_path, encoded=True)
    body = request.content.iter_any() if request.body_exists else None
    async with request.app[SESSION].request(
        request.method, url, headers=end_to_end(request.headers), data=body, allow_redirects=False
    ) as answer:
        response = web.StreamResponse(
            status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers)
        )
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=app[CA]) if app[CA] else True
    app[SESSION] = ClientSession(
        connector=TCPConnector(limit=0, ssl=tls),
        timeout=ClientTimeout(total=None, sock_read=100),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
    )
    yield
    await app[SESSION].close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--ca", default="")
    options = parser.parse_args()
    app = web.Application(client_max_size=0)
    app[UPSTREAM], app[CA] = options.upstream, options.ca
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{rest:.*}", forward)
    tls = None
    if options.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate, options.key)
    web.run_app(app, host="127.0.0.1", port=options.port, ssl_context=tls, print=None)


if __name__ == "__main__":
    main()
