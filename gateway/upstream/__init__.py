r"""The only module that opens connections to Graph and to monitors.

    graph     Graph.open, reach          the upstream's origin, callers' credentials      monitors  Monitors.get, begin, vet
       \______________________________________   two worlds   ____________________________________/
                                                   |  each with its own
    pool      newest idle connection or a new one; what may be sent again, and what never
    dial      name -> judged address -> TCP -> TLS, each failure in RFC 9209's words        addresses  which may be used
    upload    a streamed body, beside the wait for the reply
    exchange  head now, body as it comes
    connection  asyncio protocol: one request at a time, silence, back-pressure
    answer    bytes in, head and body out, strict; no I/O                                   wire  a request as bytes
    outbox    what is written in one turn of the event loop leaves in a row

Rules: Graph and Monitors share no pool, no TLS context and no path from one to the other. Nothing is re-sent but a GET,
HEAD or OPTIONS without a body, once, on a stale connection. An answer that was cut off, grew silent or is not HTTP is
an error of `gateway.errors`, never a short success. Foreign errors (sockets, TLS, the parser) stop here.

It must not add, drop or rewrite a header, follow a redirect, or decode a body.
"""

from gateway.upstream.addresses import AddressPolicy
from gateway.upstream.connection import Timeouts
from gateway.upstream.dial import Resolver
from gateway.upstream.exchange import Begun, Enclosed, Exchange
from gateway.upstream.graph import Graph
from gateway.upstream.monitors import Asked, Monitors, Told, Trusted
from gateway.upstream.outbox import Outbox
from gateway.upstream.wire import Outgoing, Request, RequestUnsendable, UrlUnusable, compose

__all__ = [
    "AddressPolicy",
    "Asked",
    "Begun",
    "Enclosed",
    "Exchange",
    "Graph",
    "Monitors",
    "Outbox",
    "Outgoing",
    "Request",
    "RequestUnsendable",
    "Resolver",
    "Timeouts",
    "Told",
    "Trusted",
    "UrlUnusable",
    "compose",
]
