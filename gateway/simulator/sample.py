"""What the drives hold at the start: a few files of sizes that make copies fast, slow and very slow.

Rules: `world` is only written to through its drives; names with blanks, `#`, quotes and percent signs are there on
purpose, and so is a file called `copy`, which a careless proxy takes for the action.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.simulator.world import World

KB, MB, GB = 10**3, 10**6, 10**9
_OWN_FILES = {
    "Documents/report.docx": 480 * KB,
    "Documents/budget.xlsx": 120 * KB,
    "Documents/copy": 2 * KB,
    "Documents/a b/ünï#1 100%'s (x).txt": 3 * KB,
    "LargeFolder1/part-1.bin": 40 * MB,
    "LargeFolder1/part-2.bin": 40 * MB,
    "LargeFolder1/below/part-3.bin": 20 * MB,
    "video.mp4": 250 * MB,
    "archive.tar": 40 * GB,
    "empty.txt": 0,
}
_TEAM_FILES = {
    "General/minutes.docx": 64 * KB,
    "Templates/contract.docx": 90 * KB,
    "Templates/logo.svg": 9 * KB,
}
TEAM_DRIVES = ("team", "marketing", "archive")


def fill(world: "World") -> None:
    """A drive for every user, and one each for a group and two sites, which all users may see."""
    users = world.settings.users
    for user in users:
        drive = world.new_drive(user, user, set(), personal=len(users) > 1 and user == users[-1])
        if world.settings.sample:
            for path, size in _OWN_FILES.items():
                drive.add_file(path, size)
            drive.add_file("hello.txt", data=b"Hello from the simulator.\n")
            drive.add_folder("Backup")
    for name in TEAM_DRIVES:
        drive = world.new_drive(name, None, set(users))
        if world.settings.sample:
            for path, size in _TEAM_FILES.items():
                drive.add_file(path, size)
