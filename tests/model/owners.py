"""What replicas of the model do for an operation: submit it, follow it, take it over, and die meanwhile.

Rules: every write is a step of its own and so is every byte that leaves, because a crash, a lost lease or another
replica may come between any two. A task that loses a comparison ends: somebody else has the row now. A replica that
is paused is one that takes no step for a while; its lease may be taken at any moment.

What this module must not do: speak to clients, but for the outcome that a waiting call of the same replica is told.
"""

from collections.abc import Iterator

from gateway.model import ACTIVE, State
from model.callers import told
from model.store import apply, stored
from model.upstream import at, mishap, too_many_posts
from model.world import AGAIN, Post, Scene, Step, Task, World, name

NO_ARROW = "the code ran into a move that the table does not have"

POSTED = frozenset({"running", "made", "refused"})
"""Fates of a POST that is answered with 202."""
ENDS = {"made": "Completed", "refused": "Failed"}
EVIDENCE = frozenset({"Accepted", "AcceptedDone"})


def steps(scene: Scene, world: World) -> Iterator[Step]:
    for task in world.tasks:
        yield from _task(scene, world, task)
    yield from _takeovers(scene, world)
    yield from _crashes(scene, world)


def _task(scene: Scene, world: World, task: Task) -> Iterator[Step]:
    doing, _, event = task.doing.partition(" ")
    if doing == "reserved" and scene.rules.write_ahead:
        yield from _note(scene, world, task, "Sending")
    elif doing in {"reserved", "ready"}:
        yield _post(scene, world, task)
    elif doing == "posted":
        yield from _note(scene, world, task, "Sending")
    elif doing == "sent":
        yield from _hear(scene, world, task)
    elif doing == "heard":
        yield from _note(scene, world, task, event)
    elif doing == "vets":
        yield from _note(scene, world, task, "Untracked")
    elif doing == "drops":
        yield from _note(scene, world, task, "Unsent")
    elif doing == "follows":
        yield from _poll(scene, world, task)
    if doing == "ready" and world.left.mishaps:
        text = f"{_who(task)} cannot connect, and has written not a byte"
        yield Step(text, _as(mishap(world), task, "heard Unsent"), mishap=True)


# --- the POST --------------------------------------------------------------------------------------------


def _post(scene: Scene, world: World, task: Task) -> Step:
    resent = task.slot <= len(world.rows) and world.rows[task.slot - 1].replaced > 0
    posts = (*world.posts, Post(task.slot, "written", resent))
    then = "sent" if task.doing == "ready" else "posted"
    world = _as(world._replace(posts=tuple(sorted(posts))), task, then)
    return Step(f"{_who(task)} writes the POST", world, breach=too_many_posts(scene, world))


def _hear(scene: Scene, world: World, task: Task) -> Iterator[Step]:
    """The answer to the POST; or none, whatever the upstream did or will do."""
    post = next((post for post in reversed(world.posts) if post.slot == task.slot), None)
    fate = post.fate if post is not None else ""
    if fate in POSTED:
        yield Step(f"{_who(task)} hears 202", _as(world, task, "heard Accepted"))
    if fate == "made":
        text = f"{_who(task)} hears 202, with the finished item for a monitor"
        yield Step(text, _as(world, task, "heard AcceptedDone"))
    if fate == "exists" and _own_name(scene, world):
        rest = world._replace(posts=tuple(other for other in world.posts if other is not post))
        yield Step(
            f"{_who(task)} hears that its name is taken, maybe by its own copy",
            _as(rest, task, "heard Unclear"),
        )
    elif fate in {"busy", "exists"}:
        rest = world._replace(posts=tuple(other for other in world.posts if other is not post))
        text = f"{_who(task)} hears {'429' if fate == 'busy' else '409, the name is taken'}"
        yield Step(text, _as(rest, task, f"heard Declined {fate}"))
    if not world.left.mishaps:
        return
    less = mishap(world)
    yield Step(f"{_who(task)} hears nothing, or 504", _as(less, task, "heard Unclear"), mishap=True)
    if scene.rules.unfollowable and fate in POSTED:
        event = "Untracked passed"
        text = f"{_who(task)} hears 202 without a monitor"
        yield Step(text, _as(less, task, f"heard {event}"), mishap=True)
        text = f"{_who(task)} hears 202 with a monitor that will turn out to be off limits"
        yield Step(text, _as(less, task, "heard Accepted vets"), mishap=True)


# --- what is written -------------------------------------------------------------------------------------


def _note(scene: Scene, world: World, task: Task, words: str) -> Iterator[Step]:
    """Store the record after an event; `words` are the event, and what else the upstream's answer came with."""
    event, _, more = words.partition(" ")
    text = f"{_who(task)} notes {event}"
    write, number = apply(scene, world, event, slot=task.slot, previous=task.held, owner=task.replica)
    if number and not write.done and event in EVIDENCE and scene.rules.late_evidence:
        latest = stored(world, task.slot)
        if scene.book.states[latest] is State.UNKNOWN:
            text = f"{text}, after all"
            write, number = apply(scene, world, event, slot=task.slot, previous=latest, owner=task.replica)
    if number == 0:
        yield Step(text, world, breach=NO_ARROW)
    elif not write.done:
        yield Step(
            f"{text}, but the row has changed", told(_as(world, task, ""), task.replica, task.slot, "error")
        )
    else:
        yield Step(text, _noted(write.world, task, event, more, number), breach=write.breach)
    if number and write.done and scene.rules.store_fails and world.left.mishaps:
        yield from _note_badly(scene, world, mishap(write.world), task, number)


def _noted(world: World, task: Task, event: str, more: str, number: int) -> World:
    """How it goes on once an event is stored."""
    if event == "Sending":
        return _as(world, task, "sent" if task.doing == "posted" else "ready", number)
    if more == "vets":
        return _as(world, task, "vets", number)
    world = _as(world, task, "follows" if event == "Accepted" else "", number)
    if task.doing in {"drops", "follows"}:
        return world
    answer = {"Unclear": "unknown", "Unsent": "unsent"}.get(event, "wait")
    return told(world, task.replica, task.slot, "passed" if task.doing == "vets" else more or answer)


def _note_badly(scene: Scene, before: World, written: World, task: Task, number: int) -> Iterator[Step]:
    """The write fails; or it is done, and the store says that it failed."""
    if task.doing in {"reserved", "posted"}:
        for world, held in ((mishap(before), task.held), (written, number)):
            text = f"{_who(task)} is told that the store is down, {'although' if held == number else 'and'} Sending "
            text += "was written" if held == number else "was not written"
            then = "drops" if scene.rules.cleans_up else ""
            after = told(_as(world, task, then, held), task.replica, task.slot, "unsent")
            yield Step(text, after, mishap=True)
    elif not scene.rules.cleans_up and scene.book.states[number] is State.RUNNING:
        text = (
            f"{_who(task)} is told that the store is down although Accepted was written, and tries once more"
        )
        yield Step(text, told(_as(written, task, ""), task.replica, task.slot, "error"), mishap=True)


def _poll(scene: Scene, world: World, task: Task) -> Iterator[Step]:
    """One look at the monitor, with what it says written down."""
    if not scene.book.polls(task.held):
        yield Step(f"{_who(task)} has nothing to follow", _as(world, task, ""))
        return
    fates = [post.fate for post in world.posts if post.slot == task.slot]
    event = next((ENDS[fate] for fate in fates if fate in ENDS), None)
    if event == "Failed" and _own_name(scene, world):
        event = "Vanished"
    if event is not None:
        yield from _note(scene, world, task, event)
    if not world.left.mishaps:
        return
    less = mishap(world)
    for step in _note(scene, less, task, "Vanished"):
        yield step._replace(mishap=True)
    if scene.rules.store_fails:
        write, number = apply(scene, less, "Troubled", slot=task.slot, previous=task.held, owner=task.replica)
        if write.done:
            held = number if scene.rules.cleans_up else task.held
            text = f"{_who(task)} is told that the store is down although its poll was written"
            yield Step(text, _as(write.world, task, task.doing, held), mishap=True)


def _own_name(scene: Scene, world: World) -> bool:
    """Whether a name that is taken may be taken by a POST of the same operation, because there were two."""
    return scene.rules.owns_name and any(post.resent for post in world.posts)


# --- owners come and go ----------------------------------------------------------------------------------


def _takeovers(scene: Scene, world: World) -> Iterator[Step]:
    for slot, row in enumerate(world.rows, 1):
        state = scene.book.states[row.number]
        if state not in ACTIVE or (state is State.RESERVED and not scene.rules.takes_reserved):
            continue
        stolen = row.owner != 0
        if stolen and not world.left.thefts:
            continue
        for replica in scene.replicas(world):
            if replica != row.owner:
                yield _take(scene, world, slot, replica, stolen=stolen)


def _take(scene: Scene, world: World, slot: int, replica: int, *, stolen: bool) -> Step:
    previous = stored(world, slot)
    write, number = apply(scene, world, "TakenOver", slot=slot, previous=previous, owner=replica)
    then = {State.RESERVED: "drops", State.RUNNING: "follows"}.get(scene.book.states[number], "")
    world = write.world
    if then:
        world = world._replace(tasks=tuple(sorted((*world.tasks, Task(slot, replica, then, number)))))
    if stolen:
        world = world._replace(left=world.left._replace(thefts=world.left.thefts - 1))
    why = "the lease has run out although its owner lives" if stolen else "its owner is dead"
    text = f"{at(replica)} takes over record {slot} ({scene.book.states[previous]}), {why}"
    return Step(text, world, mishap=stolen, breach="" if number else NO_ARROW)


def _crashes(scene: Scene, world: World) -> Iterator[Step]:
    if not world.left.crashes:
        return
    left = world.left._replace(crashes=world.left.crashes - 1)
    for replica in range(1, scene.rules.replicas + 1):
        waiting = {call.client for call in world.calls if call.replica == replica and call.client >= 0}
        rows = tuple(row._replace(owner=0) if row.owner == replica else row for row in world.rows)
        dead = world._replace(
            rows=rows,
            tasks=tuple(task for task in world.tasks if task.replica != replica),
            calls=tuple(call for call in world.calls if call.replica != replica),
            clients=tuple(AGAIN if who in waiting else is_ for who, is_ in enumerate(world.clients)),
        )
        if dead != world:
            yield Step(f"{at(replica)} is killed", dead._replace(left=left), mishap=True)


def _as(world: World, task: Task, doing: str, held: int = 0) -> World:
    """The world with this task doing something else, or ended where `doing` is empty."""
    tasks = list(world.tasks)
    tasks.remove(task)
    if doing:
        tasks.append(task._replace(doing=doing, held=held or task.held))
        tasks.sort()
    return world._replace(tasks=tuple(tasks))


def _who(task: Task) -> str:
    return f"replica {name(task.replica)}, record {task.slot}:"
