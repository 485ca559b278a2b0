"""The file of the SQLite store: whose it is, who may read it, and what is done about one that is not as it should be."""

import asyncio
import os
import re
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from fakes.records import START, operation, running
from fakes.stores import KEEP_FINISHED, KEEP_KEYED, on_disk, opened, sql

from gateway.model import Operation, State
from gateway.store import StoreDown
from gateway.store.database import LAYOUT
from gateway.store.record import SCHEMA, RecordUnreadable
from gateway.store.sealed import key_name
from gateway.store.sqlite import SqliteStore
from gateway.store.writer import Weight

OLD, NEW = b"o" * 32, b"n" * 32
MONITOR = "https://contoso.sharepoint.com/_api/monitor?tempauth=hunter2"


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "operations.db"


def fill(path: Path, *records: Operation, keys: tuple[bytes, ...] = ()) -> None:
    async def story() -> None:
        async with opened(path, keys=keys) as store:
            for record in records:
                assert await store.claim(record, replaces=None)

    asyncio.run(story())


def refusal(path: Path, keys: tuple[bytes, ...] = ()) -> str:
    """What is said on opening, which is to fail and to leave everything as it was."""

    async def story() -> str:
        with pytest.raises(StoreDown) as caught:
            async with opened(path, keys=keys):
                pass
        return str(caught.value)

    before = path.read_bytes() if path.is_file() else None
    told = asyncio.run(story())
    assert (path.read_bytes() if path.is_file() else None) == before
    assert "\n" not in told
    return told


# --- whose it is -------------------------------------------------------------------------------------------


def test_one_gateway_has_it(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)

    async def story() -> None:
        async with opened(path) as first:
            record = running()
            assert await first.claim(record, replaces=None)
            for name in (path, link):
                with pytest.raises(StoreDown) as caught:
                    async with opened(name):
                        pass
                assert str(caught.value) == (
                    f"{path} is in use by another gateway (process {os.getpid()}); stop that one, or give each its own "
                    "operations.path"
                )
            assert await first.get(record.id) == record
            await first.save(replace(record, percent=1.0, revision=1), previous=record)
        async with opened(link) as second:
            assert await second.get(record.id) is not None

    asyncio.run(story())


def test_another_process_is_kept_out_too(path: Path) -> None:
    script = (
        f"import asyncio, sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from pathlib import Path\nfrom fakes.stores import opened\n"
        "async def main():\n    async with opened(Path(sys.argv[1])):\n        pass\n"
        "asyncio.run(main())\n"
    )

    async def story() -> None:
        async with opened(path):
            await asyncio.to_thread(attempt, f"is in use by another gateway (process {os.getpid()})")
        await asyncio.to_thread(attempt, "")

    def attempt(error: str) -> None:
        words = [sys.executable, "-c", script, str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (not error)
        assert error in done.stderr

    asyncio.run(story())


def test_a_backup_can_be_taken_meanwhile(path: Path) -> None:
    async def story() -> None:
        async with opened(path) as store:
            assert await store.claim(running(), replaces=None)
            assert sql(
                path, "SELECT json_extract(CAST(record AS TEXT), '$.operation.state') FROM operations"
            ) == [("running",)]
            assert await store.claim(running(2), replaces=None)

    asyncio.run(story())


@pytest.mark.parametrize("before", [None, 0o644])
def test_nobody_else_may_read_it(path: Path, before: int | None) -> None:
    modes: dict[str, int] = {}

    def look() -> None:
        modes.update({file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()})

    async def story() -> None:
        async with opened(path) as store:
            assert await store.claim(running(), replaces=None)
            look()

    if before is not None:
        fill(path)
        path.chmod(before)
    umask = os.umask(0)
    try:
        asyncio.run(story())
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(
        ("operations.db", "operations.db-wal", "operations.db-shm", "operations.db-lock"), 0o600
    )


# --- where it cannot be ------------------------------------------------------------------------------------


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no" / "operations.db") == (
        f"the directory {tmp_path}/no does not exist; create it, or change operations.path"
    )


def test_a_directory_that_is_not_ours_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, who may do everything
    assert (
        refusal(path)
        == f"the directory {path.parent} cannot be written to; change its mode, or operations.path"
    )


def test_what_is_no_file_is_told(path: Path) -> None:
    path.mkdir()
    assert refusal(path) == f"{path}: Is a directory; check operations.path"


def test_a_pipe_is_no_file(path: Path) -> None:
    os.mkfifo(path)
    assert refusal(path) == f"{path} is not a regular file; change operations.path"


# --- what is not ours, or not whole ------------------------------------------------------------------------


def test_a_newer_layout_is_left_alone(path: Path) -> None:
    fill(path, running())
    sql(path, f"PRAGMA user_version = {LAYOUT + 1}")
    assert refusal(path) == (
        f"{path} was written by a newer version of the gateway (layout {LAYOUT + 1}; this one knows {LAYOUT}); "
        "run that version, or change operations.path"
    )


def test_a_newer_layout_that_is_still_in_the_log_is_left_alone(path: Path, tmp_path: Path) -> None:
    """As after kill -9: the database itself does not say so yet."""
    fill(path, running())
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    connection.commit()
    crashed = tmp_path / "crashed" / path.name
    crashed.parent.mkdir()
    for suffix in ("", "-wal"):
        crashed.with_name(path.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    connection.close()
    log = crashed.with_name(path.name + "-wal")
    before = log.read_bytes()
    assert "newer version" in refusal(crashed)
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE other (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"]
)
def test_the_database_of_another_program_is_left_alone(path: Path, statement: str) -> None:
    sql(path, statement)
    assert refusal(path) == f"{path} is the database of another program; change operations.path"


def test_an_empty_file_is_taken(path: Path) -> None:
    path.touch()
    fill(path, running())
    assert sql(path, "SELECT count(*) FROM operations") == [(1,)]


def test_a_file_whose_making_was_interrupted_is_taken(path: Path) -> None:
    sql(path, "PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    fill(path, running())
    assert sql(path, "SELECT count(*) FROM operations") == [(1,)]


@pytest.mark.parametrize("content", [b"no database at all\n" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: it is no database, or damaged; restore it, or move it away")


def test_damage_inside_is_found_on_opening(path: Path) -> None:
    fill(path, *(running(number) for number in range(1, 200)))
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 20_000] = bytes(20_000)
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: it is damaged; restore it, or move it away")


def test_a_flipped_bit_of_a_row_is_noticed_or_changes_nothing(path: Path) -> None:
    """In its columns, of which some stand in an index as well, and here and there in the record."""
    record = replace(running(1), state=State.UNKNOWN, ended_at=START, key="the key of this one")
    fill(path, record)
    content = path.read_bytes()
    at = content.index(record.id.encode() + record.key.encode())
    end = content.index(b'"reconciled":false', at)
    places = [*range(at - 30, at + 100), *range(at + 100, end, 29)]

    async def story() -> None:
        async with opened(path) as store:
            assert await store.find(record.key) == await store.get(record.id) == record
            assert not await store.claim(replace(operation(2), key=record.key), replaces=None)

    for number, place in enumerate(places):
        flipped = bytearray(content)
        flipped[place] ^= 1 << number % 8
        path.write_bytes(flipped)
        try:
            asyncio.run(story())
        except StoreDown:
            continue


def test_a_lost_secret_is_no_reason_for_another(path: Path) -> None:
    fill(path, running())
    sql(path, "DELETE FROM facts")
    assert "has lost its secret" in refusal(path)


@pytest.mark.parametrize("value", ["clear:xyz", "", "clear", "a256gcm:00000000:AAAA"])
def test_a_damaged_secret_is_told(path: Path, value: str) -> None:
    fill(path, running())
    sql(path, "UPDATE facts SET value = ?", value)
    assert refusal(path).startswith("the store cannot be opened: ")


# --- records that cannot be read ---------------------------------------------------------------------------

NEWER = b'{"schema":%d,"form":"unheard of"}' % (SCHEMA + 1)


def test_a_newer_record_answers_for_its_key_and_is_kept_for_ever(path: Path) -> None:
    old = replace(running(1), state=State.SUCCEEDED, ended_at=START)
    fill(path, old, running(2))
    sql(path, "UPDATE operations SET record = ?, schema = ? WHERE id = ?", NEWER, SCHEMA + 1, old.id)
    reports: list[RecordUnreadable] = []

    async def story() -> None:
        clock = FakeClock(START)
        async with opened(path, now=clock.now, report=reports.append) as store:
            await clock.advance(KEEP_FINISHED + KEEP_KEYED)
            for work in (
                store.find(old.key),
                store.get(old.id),
                store.claim(replace(operation(3), key=old.key), replaces=None),
                store.claim(replace(operation(3), key=old.key), replaces=old),
            ):
                with pytest.raises(
                    RecordUnreadable, match=rf"newer version of the gateway \(schema {SCHEMA + 1}"
                ):
                    await work
            for _ in range(2):
                assert await store.all() == await store.left_behind() == [running(2)]
            await store._writer.do(Weight.DURABLE, store._table.purge)
            assert await store.get(running(2).id) == running(2), "the others are as they were"

    asyncio.run(story())
    assert [error.operation_id for error in reports] == [old.id], "told once"
    assert sql(path, "SELECT record FROM operations WHERE id = ?", old.id) == [(NEWER,)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("record", b"{}"),
        ("record", "text"),
        ("epoch", 7),
        ("revision", 7),
        ("keep", 2),
        ("keep", 77),
        ("ended_at", START + 5.0),
        ("ended_at", "soon"),
        ("key", "another"),
        ("id", "another"),
    ],
)
def test_a_damaged_row_is_told_and_not_taken_for_none(path: Path, column: str, value: object) -> None:
    record = replace(running(1), state=State.UNKNOWN, ended_at=START)
    fill(path, record, running(2))
    statement = re.sub("COLUMN", column, "UPDATE operations SET COLUMN = ? WHERE id = ?")
    sql(path, statement, value, record.id)
    reports: list[RecordUnreadable] = []

    async def story() -> None:
        async with opened(path, report=reports.append) as store:
            assert await store.all() == [running(2)]
            key, name = (value if column == each else getattr(record, each) for each in ("key", "id"))
            for work in (store.find(str(key)), store.get(str(name))):
                with pytest.raises(RecordUnreadable):
                    await work

    asyncio.run(story())
    assert len(reports) == 1
    assert sql(path, "SELECT count(*) FROM operations") == [(2,)]


# --- keys --------------------------------------------------------------------------------------------------


async def monitor_of(store: SqliteStore, record: Operation) -> str | None:
    found = await store.get(record.id)
    assert found is not None
    return found.monitor


def test_with_a_key_no_monitor_can_be_read_from_the_disk(path: Path) -> None:
    async def story() -> None:
        async with opened(path, keys=(NEW,)) as store:
            record = operation(1)
            assert await store.claim(record, replaces=None)
            moved = replace(record, state=State.RUNNING, monitor=MONITOR, revision=1)
            await store.save(moved, previous=record)
            assert b"hunter2" not in on_disk(path)
            assert (await store.secret()).hex().encode() not in on_disk(path)
            assert await store.get(record.id) == moved
        assert b"hunter2" not in on_disk(path)

    asyncio.run(story())


def test_keys_can_be_changed_one_start_at_a_time(path: Path) -> None:
    record = running(1, monitor=MONITOR)
    secrets: list[bytes] = []

    async def story(*keys: bytes) -> None:
        async with opened(path, keys=keys) as store:
            assert await monitor_of(store, record) == MONITOR
            secrets.append(await store.secret())

    fill(path, record, running(2, monitor=None))
    for keys in ((), (OLD,), (OLD,), (NEW, OLD), (NEW,)):
        asyncio.run(story(*keys))
        assert (b"hunter2" in on_disk(path)) == (keys == ())
        name = key_name(keys[0]) if keys else "clear"
        assert sql(path, "SELECT seal FROM operations ORDER BY id") == [(name,), (None,)]
    assert len(set(secrets)) == 1


def test_the_clear_text_is_gone_as_soon_as_there_is_a_key(path: Path) -> None:
    fill(path, *(running(number, monitor=MONITOR) for number in range(1, 50)))

    async def story() -> None:
        async with opened(path, keys=(NEW,)) as store:
            await store.find("key")
            assert b"hunter2" not in on_disk(path), "not even in the log"

    asyncio.run(story())


@pytest.mark.parametrize("keys", [(), (OLD,)])
def test_a_key_that_is_missing_is_named(path: Path, keys: tuple[bytes, ...]) -> None:
    fill(path, running(monitor=MONITOR), keys=(NEW,))
    assert refusal(path, keys) == (
        f"the store cannot be opened: it is sealed with the key {key_name(NEW)}, which is not in "
        "operations.encryption_key; put that key back, behind the new one"
    )


def test_a_monitor_that_was_moved_to_another_row_is_told(path: Path) -> None:
    mine, theirs = running(1, monitor=MONITOR), running(2, monitor=MONITOR)
    fill(path, mine, theirs, keys=(NEW,))
    sql(
        path,
        "UPDATE operations SET record = (SELECT record FROM operations WHERE id = ?) WHERE id = ?",
        theirs.id,
        mine.id,
    )

    async def story() -> None:
        async with opened(path, keys=(NEW,)) as store:
            with pytest.raises(RecordUnreadable, match="belongs elsewhere"):
                await store.get(mine.id)
            assert await store.left_behind() == [theirs]

    asyncio.run(story())
