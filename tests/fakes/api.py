"""An API in a few lines: what it says to each request, in turn.

    script = api({
        "POST /jobs": [says(202, Location="/jobs/1")],
        "GET /jobs/1": [says(202), says(200, {"state": "done"})],
    })

`{origin}` in an answer is the API's own origin.

What is asked oftener than there are answers gets the last one; what nobody wrote an answer for is the script's crash.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from fakes.origin import Line, Script


def says(status: int, body: object = None, /, **headers: str) -> bytes:
    """An answer; underscores in names of headers are hyphens."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None and "Content_Type" not in headers:
        lines.append("Content-Type: application/json")
    if status != 204:
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode() + data


def api(routes: Mapping[str, Sequence[bytes]]) -> Script:
    """`routes`: answers by method and target."""
    asked: Counter[str] = Counter()

    async def script(line: Line) -> None:
        while True:
            request = await line.request()
            route = f"{request.method.decode()} {request.target.decode()}"
            answers = routes[route]
            answer = answers[min(asked[route], len(answers) - 1)]
            asked[route] += 1
            await line.send(_located(answer, line.origin.url.encode()))

    return script


def _located(answer: bytes, origin: bytes) -> bytes:
    """With the origin's name put in, which changes the length of a body that holds it."""
    head, end, body = answer.replace(b"{origin}", origin).partition(b"\r\n\r\n")
    return re.sub(rb"Content-Length: [0-9]+", b"Content-Length: %d" % len(body), head) + end + body
