"""Sends a streamed request body while the answer is waited for.

Rules
- Written as the headers say: in chunks, or raw and then exactly as many bytes as were announced.
- With `Expect: 100-continue` nothing is pulled from the body before a 100, or a second of silence (RFC 9110
  section 10.1.1); an answer before that leaves the body alone.
- Back-pressure: a piece is pulled only once the last one has somewhere to go.
- What the body itself raises (the caller went away) ends the connection and is raised from `open`, unchanged.

It must not outlive `open`, which stops it when an answer comes early.
"""

import asyncio
from collections.abc import AsyncIterator

from gateway.clock import Clock
from gateway.errors import UpstreamBroken
from gateway.tasks import Tasks
from gateway.upstream.answer import Answer
from gateway.upstream.connection import Connection
from gateway.upstream.wire import Request, RequestUnsendable

EXPECT_PATIENCE = 1.0


async def upload(
    connection: Connection, answer: Answer, request: Request, clock: Clock, tasks: Tasks
) -> None:
    """Pull the body and write it; failures go to `answer`."""
    body = request.upload
    assert body is not None, "there is a body to upload"  # noqa: S101 - a bug of ours, never input
    try:
        if request.expects and not await _permitted(connection, answer, clock, tasks):
            return
        await _send(connection, answer, request, body)
    except asyncio.CancelledError:
        if not answer.headed:
            connection.fail(answer, UpstreamBroken("upload_cancelled"))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, `open` raises it
        connection.fail(answer, error)


async def stop(task: "asyncio.Task[None]") -> None:
    """Return when nobody pulls from the body any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))


async def _permitted(connection: Connection, answer: Answer, clock: Clock, tasks: Tasks) -> bool:
    """Whether the body is to be sent."""
    patience = tasks.start("upstream expect", clock.sleep(EXPECT_PATIENCE))
    patience.add_done_callback(lambda _: connection.open_gate())
    try:
        while connection.carries(answer) and not (answer.continued or answer.headed or patience.done()):
            await connection.gate()
    finally:
        patience.cancel()
    return connection.carries(answer) and not answer.headed


async def _send(connection: Connection, answer: Answer, request: Request, body: AsyncIterator[bytes]) -> None:
    left = request.length
    if left == 0:
        connection.sent(answer)
    async for piece in body:
        if not piece:
            continue
        if left is None:
            pieces: tuple[bytes, ...] = (b"%x\r\n" % len(piece), piece, b"\r\n")
        elif len(piece) > left:
            raise RequestUnsendable("the body is longer than its Content-Length")
        else:
            pieces = (piece,)
            left -= len(piece)
        if answer.headed or not connection.carries(answer):
            return
        connection.write(*pieces)
        if left == 0:
            connection.sent(answer)
        if connection.clogged:
            await connection.drained()
    if left:
        raise RequestUnsendable("the body is shorter than its Content-Length")
    if left is None and connection.carries(answer):
        connection.write(b"0\r\n\r\n")
        connection.sent(answer)
