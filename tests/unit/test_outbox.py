"""The outbox: in a row where there is a crowd, at once where there is none, and never late for who closes."""

import asyncio
from typing import cast

from gateway.upstream.outbox import CROWD, Outbox


class Wire:
    def __init__(self, *, closing: bool = False) -> None:
        self.written: list[bytes] = []
        self.closing = closing

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written.append(data)


def put(outbox: Outbox, wire: Wire, data: bytes) -> None:
    outbox.put(cast("asyncio.WriteTransport", wire), data)


def test_alone_it_is_written_at_once() -> None:
    wire = Wire()
    put(Outbox(lambda: CROWD - 1), wire, b"a")
    assert wire.written == [b"a"]


def test_in_a_crowd_it_is_written_at_the_end_of_the_turn_and_in_order() -> None:
    async def story() -> None:
        outbox, one, other = Outbox(lambda: CROWD), Wire(), Wire()
        put(outbox, one, b"a")
        put(outbox, other, b"b")
        put(outbox, one, b"c")
        assert one.written == other.written == []
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
        assert (one.written, other.written) == ([b"a", b"c"], [b"b"])
        await asyncio.sleep(0)  # noqa: TID251 - and one more: nothing is written twice
        assert one.written == [b"a", b"c"]

    asyncio.run(story())


def test_what_comes_behind_something_that_waits_waits_too() -> None:
    async def story() -> None:
        crowd = [CROWD]
        outbox, wire = Outbox(lambda: crowd[0]), Wire()
        put(outbox, wire, b"a")
        crowd[0] = 0
        put(outbox, wire, b"b")
        assert wire.written == []
        outbox.flush()
        assert wire.written == [b"a", b"b"]

    asyncio.run(story())


def test_what_was_meant_for_a_closed_one_is_dropped_and_holds_up_nobody() -> None:
    async def story() -> None:
        outbox, gone, here = Outbox(lambda: CROWD), Wire(), Wire()
        put(outbox, gone, b"a")
        put(outbox, here, b"b")
        gone.closing = True
        outbox.flush()
        assert (gone.written, here.written) == ([], [b"b"])

    asyncio.run(story())
