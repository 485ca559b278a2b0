"""The memory watermark: where the mark is, and when there is room."""

from pathlib import Path

import pytest
from fakes.records import Remembering

from gateway.http import memory
from gateway.http.memory import LOOK, TRIM, Memory, container_limit, resident_bytes, watermark

MARK = 1000


class Machine:
    """The time, what the process takes, and what giving back would make of it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.taken = 0
        self.after_trim: int | None = None
        self.looks = self.trims = 0

    def resident(self) -> int:
        self.looks += 1
        return self.taken

    def trim(self) -> None:
        self.trims += 1
        self.taken = self.taken if self.after_trim is None else self.after_trim


def room(mark: int | None = MARK) -> tuple[Memory, Machine, Remembering]:
    machine, observer = Machine(), Remembering()
    watched = Memory(
        mark, monotonic=lambda: machine.time, observer=observer, resident=machine.resident, trim=machine.trim
    )
    return watched, machine, observer


def test_full_above_the_mark_and_until_well_below() -> None:
    watched, machine, observer = room()
    seen = []
    for taken in (0, 1000, 1001, 1000, 951, 950, 951, 1000, 1001):
        machine.taken = taken
        machine.time += LOOK
        seen.append(watched.full())
    assert seen == [False, False, True, True, True, False, False, False, True]
    assert observer.events == ["memory_full", "memory_freed", "memory_full"]


def test_a_look_is_good_for_a_moment() -> None:
    watched, machine, _ = room()
    assert [watched.full() for _ in range(100)] == [False] * 100
    assert machine.looks == 1
    machine.taken = 2 * MARK
    assert not watched.full()
    machine.time += LOOK
    assert watched.full()


def test_what_the_allocator_holds_back_is_given_back_first() -> None:
    watched, machine, observer = room()
    machine.taken, machine.after_trim = 2 * MARK, MARK // 2
    assert not watched.full()
    assert (machine.trims, observer.events) == (1, [])
    machine.taken = machine.after_trim = 2 * MARK
    machine.time += LOOK
    assert watched.full(), "tried a moment ago"
    assert machine.trims == 1
    machine.after_trim = MARK // 2
    machine.time += TRIM
    assert not watched.full()
    assert machine.trims == 2


def test_without_a_mark_nobody_looks() -> None:
    watched, machine, _ = room(None)
    machine.taken = 1 << 50
    assert not watched.full()
    assert machine.looks == 0


# --- the mark ----------------------------------------------------------------------------------------------------


def machine_with(root: Path, cgroup: str, limits: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in limits.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("cgroup", "limits", "limit"),
    [
        ("0::/\n", {"memory.max": "1000000\n"}, 1_000_000),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {}, None),
        # The one of a pod, above that of its container.
        ("0::/pod/box\n", {"pod/box/memory.max": "max", "pod/memory.max": "500"}, 500),
        ("0::/pod/box\n", {"pod/box/memory.max": "300", "pod/memory.max": "500"}, 300),
        # A container that sees its own cgroup as the root, under the path it has outside.
        ("0::/docker/4f2\n", {"memory.max": "700"}, 700),
        (
            "12:cpu,cpuacct:/docker/4f2\n5:memory:/docker/4f2\n0::/\n",
            {"memory/memory.limit_in_bytes": "800"},
            800,
        ),
        ("5:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("5:cpu:/\n", {"memory/memory.limit_in_bytes": "800"}, None),
    ],
)
def test_the_container_says_how_much_there_is(
    tmp_path: Path, cgroup: str, limits: dict[str, str], limit: int | None
) -> None:
    root = machine_with(tmp_path, cgroup, limits)
    assert container_limit(root) == limit
    assert watermark(None, root) == (None if limit is None else int(limit * 0.9))
    assert watermark(123, root) == 123


def test_where_there_are_no_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert container_limit(tmp_path) is None


def test_this_process_takes_memory_and_can_give_some_back() -> None:
    """As the kernel tells it: more after taking 64 MiB."""
    before = resident_bytes()
    taken = bytearray(b"x") * (64 << 20)
    assert resident_bytes() > before + (60 << 20)
    del taken
    memory.give_back()
    assert resident_bytes() < before + (32 << 20)
