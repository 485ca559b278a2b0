"""The upstream of the large bodies: `GET /SIZE` sends that many bytes, a PUT is read to its end and counted.

    python origin.py PORT [CERTIFICATE KEY]

One thread for each connection and blocking calls: nothing in Python moves bytes faster. It wants a Content-Length.
"""

import re
import socket
import ssl
import sys
import threading

CHUNK = bytes(range(256)) * 4096
HEAD = 65_536


def serve(connection: socket.socket) -> None:
    room = memoryview(bytearray(len(CHUNK)))
    with connection:
        head = b""
        while got := connection.recv(HEAD):
            head += got
            if b"\r\n\r\n" not in head:
                continue
            lines, _, rest = head.partition(b"\r\n\r\n")
            head = answer(connection, lines, rest, room)


def answer(connection: socket.socket, head: bytes, rest: bytes, room: memoryview) -> bytes:
    """Answer one call; returns what came after it."""
    method, target, _ = head.partition(b"\r\n")[0].split(b" ")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if method == b"GET":
        size = int(target.rpartition(b"/")[2])
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
        )
        while size > 0:
            connection.sendall(CHUNK[:size] if size < len(CHUNK) else CHUNK)
            size -= len(CHUNK)
        return rest
    if length is None:
        connection.sendall(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()
        return b""
    if b"100-continue" in head:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    left = int(length[1]) - len(rest)
    while left > 0:
        got = connection.recv_into(room[: min(left, len(room))])
        if not got:
            return b""
        left -= got
    said = b"%d" % int(length[1])
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
    )
    return b""


def quietly(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    """A proxy may leave at any time."""
    try:
        serve(context.wrap_socket(connection, server_side=True) if context else connection)
    except OSError:
        connection.close()


def main() -> None:
    port, *papers = sys.argv[1:]
    context = None
    if papers:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(*papers)
    with socket.create_server(("127.0.0.1", int(port)), backlog=512) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=quietly, args=(connection, context), daemon=True).start()


if __name__ == "__main__":
    main()
