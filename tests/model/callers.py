"""What clients of the model do, and what a replica does for a call that it holds.

Rules: finding and deciding is one step, claiming another, because another replica may come between them. A client
may leave at any moment; the replica goes on with the call as far as it had read it, until it would have to wait or
to answer. A client asks until it has a final answer.

What this module must not do: decide. `sameness.decide` does.
"""

from collections.abc import Iterator
from typing import Final

from gateway.model import ACTIVE, FINISHED, State
from gateway.sameness import Decision
from model.store import apply, claim, found, free_slot, stored, without_row
from model.upstream import at, made, mishap
from model.world import AGAIN, ASKING, DONE, GONE, NEW, UNDECLINED, Call, Scene, Step, Task, World, name

NO_ITEM = "an answer names an item that does not exist"
FALSE_NO = "a client is told that its name is taken, and it is by its own copy"
BROKEN_PROMISE = "a 503 or 429, although a copy may come of this very call"

ANSWERS: Final = {
    "item": "200 with the item",
    "failed": "409, the operation failed: the name is taken",
    "lost": "502, the monitor is gone",
    "unknown": "504, the outcome is not known",
    "409": "409, the outcome cannot be found out",
    "busy": "429, passed on",
    "exists": "409 the name is taken, passed on",
    "passed": "202, passed on",
    "unsent": "503, nothing was sent",
    "error": "500",
}
FINAL: Final = frozenset({"item", "failed", "409", "exists", "passed"})
"""With any other answer, a client that wants its copy asks again."""
ENDINGS: Final = frozenset({"item", "failed"})
"""Answers about a finished operation; that they arrived is written down."""
GOES_ON: Final = frozenset({"ask", "claim", "start", "probe", "note", "resend"})
"""What a replica may be in the middle of without noticing that its caller has left."""


def steps(scene: Scene, world: World) -> Iterator[Step]:
    for client, is_ in enumerate(world.clients):
        if is_ in (NEW, AGAIN):
            yield from _asks(scene, world, client, again=is_ == AGAIN)
    for call in world.calls:
        yield from _leaves(world, call)
        yield from _call(scene, world, call)
    yield from _forgets(scene, world)


def told(world: World, replica: int, slot: int, answer: str) -> World:
    """The world in which the call that started this operation knows what became of its POST."""
    for call in world.calls:
        if call.doing == "attend" and call.slot == slot and call.replica == replica:
            return _as(world, call, call._replace(doing="wait" if answer == "wait" else f"answer {answer}"))
    return world


# --- clients ---------------------------------------------------------------------------------------------


def _asks(scene: Scene, world: World, client: int, *, again: bool) -> Iterator[Step]:
    clients = _with(world.clients, client, ASKING)
    for replica in scene.replicas(world):
        call = Call(client, replica, "ask", retry=again and scene.rules.hints)
        after = world._replace(calls=tuple(sorted((*world.calls, call))), clients=clients)
        yield Step(
            f"client {client + 1}: sends its request{' again' if again else ''} to {name(replica)}", after
        )


def _leaves(world: World, call: Call) -> Iterator[Step]:
    """It has waited long enough, or its connection broke, or the answer was lost on its way."""
    if call.client == GONE or call.doing == "delivered" or not world.left.mishaps:
        return
    world = mishap(world)._replace(clients=_with(world.clients, call.client, AGAIN))
    text = f"client {call.client + 1}: has no answer from {name(call.replica)}, and gives up on it"
    yield Step(text, _as(world, call, call._replace(client=GONE)), mishap=True)


def _answered(scene: Scene, world: World, call: Call) -> Iterator[Step]:
    answer = call.doing.partition(" ")[2]
    is_ = DONE if answer in FINAL else AGAIN
    delivered = call._replace(client=GONE, doing="delivered") if answer in ENDINGS else None
    text = f"client {call.client + 1}: gets {ANSWERS[answer]}"
    after = _as(world._replace(clients=_with(world.clients, call.client, is_)), call, delivered)
    breach = NO_ITEM if answer == "item" and not made(world) else ""
    if answer in {"failed", "exists"} and scene.rules.meant == 1 and made(world):
        breach = FALSE_NO
    if answer in {"busy", "unsent"} and any(
        post.slot == call.slot and post.fate in UNDECLINED for post in world.posts
    ):
        breach = BROKEN_PROMISE
    yield Step(text, after, breach=breach)
    if delivered is not None and scene.rules.unseen and world.left.mishaps:
        unseen = mishap(world)._replace(clients=_with(world.clients, call.client, AGAIN))
        text = f"client {call.client + 1}: its machine takes the answer, and it never sees it"
        yield Step(text, _as(unseen, call, delivered), mishap=True)


# --- a call ----------------------------------------------------------------------------------------------


def _call(scene: Scene, world: World, call: Call) -> Iterator[Step]:
    doing = call.doing
    if doing == "ask":
        yield _admitted(scene, world, call)
    elif doing == "claim" and scene.rules.presence:
        gone = call.client == GONE
        text = f"{_who(call)} sees that its client {'has left' if gone else 'is there'}"
        yield Step(text, _as(world, call, None if gone else call._replace(doing="start")))
    elif doing in {"claim", "start", "resend"}:
        yield from _claims(scene, world, call)
    elif doing == "probe":
        yield from _probes(scene, world, call)
    elif doing == "note":
        write, number = apply(scene, world, "Reconciled", slot=call.slot, previous=call.held, owner=0)
        after = call._replace(doing="conclude" if write.done else "answer error", held=number)
        text = f"{_who(call)} notes Reconciled{'' if write.done else ', but the row has changed'}"
        yield Step(text, _as(write.world, call, after), breach=write.breach)
    elif doing == "wait":
        yield from _waits(scene, world, call)
    elif doing == "conclude":
        yield from _concludes(scene, world, call)
    elif doing == "delivered":
        yield _notes_delivery(scene, world, call)
    elif doing.startswith("answer"):
        yield from _answered(scene, world, call)


def _admitted(scene: Scene, world: World, call: Call) -> Step:
    held, slot = found(world), max(world.holder, 0)
    decision = scene.book.decide(held, retry=call.retry)
    then = {
        Decision.START: "claim",
        Decision.JOIN: "wait",
        Decision.REPLAY: "conclude",
        Decision.RECONCILE: "probe" if scene.named else "answer 409",
    }[decision]
    state = f"record {slot} ({scene.book.states[held]})" if held else "no record"
    waits = then == "wait"
    after = call._replace(doing=then, slot=slot, held=0 if waits else held)
    return Step(f"{_who(call)} finds {state}: {decision.value}", _as(world, call, after))


def _claims(scene: Scene, world: World, call: Call) -> Iterator[Step]:
    """Claim what was found, for a new operation or for one that is sent again."""
    rules, resending = scene.rules, call.doing == "resend"
    slot, current = free_slot(world), found(world)
    licence = (
        resending
        and scene.unique
        and scene.book.states[current] in (State.UNKNOWN, State.LOST)
        and scene.book.versions[current] == scene.book.versions[call.held]
    )
    compares = rules.claim_compares and (rules.resend_compares or not resending)
    write = claim(scene, world, slot, call.replica, replaces=call.held, licence=licence, compares=compares)
    if not write.done:
        text = f"{_who(call)} cannot claim: another call was faster"
        yield Step(text, _as(world, call, call._replace(doing="ask", slot=0, held=0)))
        return
    row = write.world.rows[slot - 1].number
    task = Task(slot, call.replica, "reserved", row)
    started = _with_task(write.world, task)
    after = _as(started, call, call._replace(doing="attend", slot=slot, held=0))
    text = f"{_who(call)} claims record {slot}{' in its place' if resending else ''}"
    yield Step(text, after, breach=write.breach)
    if rules.store_fails and world.left.mishaps:
        failed = mishap(
            _with_task(write.world, task._replace(doing="drops")) if rules.cleans_up else write.world
        )
        after = _as(failed, call, call._replace(doing="answer unsent", slot=slot, held=0))
        text = f"{_who(call)} is told that the store is down although record {slot} was claimed"
        yield Step(text, after, mishap=True)


def _probes(scene: Scene, world: World, call: Call) -> Iterator[Step]:
    """Look for the item. One that another POST made may or may not look as if it came of this one."""
    makers = [post.slot for post in world.posts if post.fate == "made"]
    if makers:
        yield Step(f"{_who(call)} looks, and finds the item", _as(world, call, call._replace(doing="note")))
    if makers and call.slot in makers:
        return
    if makers or not scene.unique:
        text = f"{_who(call)} looks, and finds {'an older item' if makers else 'nothing'}"
        yield Step(text, _as(world, call, call._replace(doing="answer 409", held=0)))
    else:
        text = f"{_who(call)} looks, and finds nothing: it may be sent again"
        yield Step(text, _as(world, call, call._replace(doing="resend")))


def _waits(scene: Scene, world: World, call: Call) -> Iterator[Step]:
    number = stored(world, call.slot)
    state = scene.book.states[number]
    if number == 0:
        text = f"{_who(call)} hears that record {call.slot} came to nothing"
        yield Step(text, _as(world, call, call._replace(doing="ask", slot=0)))
    elif state is State.UNKNOWN:
        text = f"{_who(call)} hears that the outcome of record {call.slot} is unknown"
        yield Step(text, _as(world, call, call._replace(doing="answer unknown")))
    elif state not in ACTIVE:
        text = f"{_who(call)} hears that record {call.slot} is {state}"
        yield Step(text, _as(world, call, call._replace(doing="conclude", held=number)))


def _concludes(scene: Scene, world: World, call: Call) -> Iterator[Step]:
    state = scene.book.states[call.held]
    answers = {State.FAILED: "answer failed", State.LOST: "answer lost"}.get(state, "answer item")
    after = call._replace(doing=answers, held=0)
    if answers != "answer item":
        yield Step(f"{_who(call)} answers", _as(world, call, after))
        return
    if state is State.RESULT and world.left.mishaps:
        text = f"{_who(call)} cannot get the item of record {call.slot} yet, and answers with its report"
        yield Step(text, _as(mishap(world), call, after), mishap=True)
    if state is State.RESULT:
        world = apply(scene, world, "Fetched", slot=call.slot, previous=call.held, owner=0)[0].world
    yield Step(f"{_who(call)} gets the item of record {call.slot}, and answers", _as(world, call, after))


def _notes_delivery(scene: Scene, world: World, call: Call) -> Step:
    number = stored(world, call.slot)
    if number and scene.book.states[number] in FINISHED:
        write, _ = apply(scene, world, "Delivered", slot=call.slot, previous=number, owner=0)
        world = write.world
    return Step(f"replica {name(call.replica)}: notes that the answer has arrived", _as(world, call, None))


def _forgets(scene: Scene, world: World) -> Iterator[Step]:
    for slot, row in enumerate(world.rows, 1):
        record = scene.book.records[row.number]
        delivered = scene.rules.forgets and record.delivered_at is not None and record.state in FINISHED
        aged = not scene.rules.keeps_active and record.state in ACTIVE
        evicted = not scene.rules.keeps_unclear and record.state in (State.UNKNOWN, State.LOST)
        if row.number and (delivered or aged or evicted):
            text = f"store: forgets record {slot} ({record.state})"
            breach = "a row that was under way was forgotten" if aged else ""
            yield Step(text, without_row(world, slot), mishap=True, breach=breach)


# --- details ---------------------------------------------------------------------------------------------


def _as(world: World, call: Call, after: Call | None) -> World:
    """The world with this call further on; ended where that is None, or where it waits and nobody waits for it."""
    calls = list(world.calls)
    calls.remove(call)
    if after is not None and (after.client != GONE or after.doing in GOES_ON or after.doing == "delivered"):
        calls.append(after)
        calls.sort()
    return world._replace(calls=tuple(calls))


def _with_task(world: World, task: Task) -> World:
    return world._replace(tasks=tuple(sorted((*world.tasks, task))))


def _with(clients: tuple[int, ...], client: int, is_: int) -> tuple[int, ...]:
    return (*clients[:client], is_, *clients[client + 1 :])


def _who(call: Call) -> str:
    of = f"the call of client {call.client + 1}" if call.client != GONE else "a call whose client has left"
    return f"{at(call.replica)} {of}"
