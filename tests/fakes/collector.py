"""A collector of traces: takes OTLP over HTTP on loopback, and keeps the spans; or never answers."""

import gzip
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """A context manager; `url` is what `tracing.otlp_endpoint` is set to."""

    def __init__(self, *, silent: bool = False) -> None:
        """`silent`: takes requests and answers none until it is closed."""
        self.asked: queue.Queue[tuple[str, str]] = queue.Queue()
        """Path and content type of each request."""
        self.names: list[str] = []
        """Of the spans that came."""
        self.resource: dict[str, str] = {}
        self._closing = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector._take(body)
                collector.asked.put((self.path, self.headers["Content-Type"]))
                if silent:
                    collector._closing.wait()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                self.names += [span.name for span in scope.spans]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
