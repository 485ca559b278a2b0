"""Looking for a result reads what the upstream shows, for clients that would take it in gzip, and whatever its Date."""

import gzip

import pytest
from fakes.origin import Line, Script
from passage import SHIPPED, Passage, passing

BODY = b'{"name":"c.txt","parentReference":{"path":"/drive/root:/Backup"}}'
POST = (
    b"POST /v1.0/me/drive/root:/a.txt:/copy HTTP/1.1\r\nHost: g\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
ITEM = b'{"id":"B","name":"c.txt","size":1,"createdDateTime":"2100-01-01T00:00:00Z","file":{}}'
SOURCE = b'{"id":"A","name":"a.txt","size":1,"lastModifiedDateTime":"2020-01-01T00:00:00Z","file":{}}'


def upstream(date: bytes) -> Script:
    """Makes the copy and never says so; shows items as they are asked for."""

    async def script(line: Line) -> None:
        while True:
            asked = await line.request()
            if asked.method == b"POST":
                line.reset()
                return
            body = SOURCE if b"a.txt" in asked.target else ITEM
            squeezed = b"gzip" in (asked.get(b"accept-encoding") or b"")
            sent = gzip.compress(body) if squeezed else body
            extra = b"Content-Encoding: gzip\r\n" if squeezed else b""
            await line.send(
                b"HTTP/1.1 200 OK\r\nDate: %b\r\n%bContent-Length: %d\r\n\r\n%b"
                % (date, extra, len(sent), sent)
            )

    return script


@pytest.mark.parametrize(
    "date",
    [b"Sat, 21 Nov 2026 07:00:00 GMT", b"Sat, 21 Nov 99999999999 07:00:00 GMT", b"1 2 3", b"\xff", b""],
)
def test_what_is_there_is_found(date: bytes) -> None:
    async def story(passage: Passage) -> None:
        assert (await passage.ask(POST)).status == 504
        answer = await passage.ask(POST)
        assert answer.status == 200
        assert answer.get(b"gateway-result") == b"reconciled"
        assert gzip.decompress(answer.body) == ITEM, "the caller gets it as it asked for it"
        assert sum(one.method == b"POST" for one in passage.origin.requests) == 1

    passing(story, upstream(date), loops=SHIPPED)
