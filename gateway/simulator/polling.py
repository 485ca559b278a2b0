"""One poll of one operation: checks the manners of the one who polls, answers, and writes both down.

Rules: every poll counts, spoiled ones too. What a poller was told last decides what it may do next: a Retry-After
that cannot be read forbids nothing, and an end that was spoiled on its way out has not been told.
"""

import dataclasses

from gateway.simulator.errors import error_answer
from gateway.simulator.faults import lateness, spoil
from gateway.simulator.ledger import Wrong
from gateway.simulator.operations import Done, Failed, Operation, Poll
from gateway.simulator.plan import Ending, FailureShape, FaultKind, RetryAfter, Where
from gateway.simulator.wire import Answer, Asked, GraphError, Origin
from gateway.simulator.world import World

_LEEWAY = 0.002  # what clocks and their rounding may differ by, in seconds


def poll(world: World, operation: Operation, asked: Asked) -> Answer:
    """The answer to this poll, faults included."""
    now, plan = world.clock.monotonic(), operation.plan
    _check_manners(world, operation, asked, now)
    fault = plan.fault_at(Where.POLL, len(operation.polls) + 1)
    wait: RetryAfter | None = None
    tells_end = False
    try:
        spoiled = spoil(world, fault, asked, operation.authorization) if fault is not None else None
        if spoiled is None:
            wait = plan.retry_after if operation.outcome is None else None
            tells_end = _tells_end(operation)
            answer = _with_headers(operation, operation.report(operation, now), wait, world.clock.now())
        else:
            answer = spoiled
    except GraphError as error:
        answer = error_answer(world, asked, error)
    if fault is not None and fault.kind is FaultKind.STATUS:
        wait = fault.retry_after
    operation.polls.append(Poll(round(now - operation.began, 6), answer.status, answer.header("Retry-After")))
    operation.poll_allowed = now + (wait.wait(world.clock.now()) if wait is not None else 0.0)
    operation.last_poller = asked.header("Authorization")
    operation.polls_in_flight += 1

    def sent(whole: bool) -> None:  # noqa: FBT001 - the one thing that there is to tell
        operation.polls_in_flight -= 1
        operation.end_told |= whole and tells_end

    return dataclasses.replace(answer, delay=plan.latency + lateness(fault), sent=sent)


def _check_manners(world: World, operation: Operation, asked: Asked, now: float) -> None:
    """A monitor on the Graph origin may also be read by others who have a token, and as a result; not so elsewhere."""
    on_graph = asked.origin is Origin.GRAPH
    if on_graph and operation.last_poller not in {None, asked.header("Authorization")}:
        return

    def note(kind: Wrong, detail: str) -> None:
        world.ledger.violation(kind, detail, world.clock.now(), operation.id)

    early = operation.poll_allowed - now
    if early > _LEEWAY:
        note(Wrong.EARLY_POLL, f"{early:.3f} s before the last Retry-After allowed it")
    if operation.polls_in_flight:
        note(Wrong.OVERLAPPING_POLLS, f"{operation.polls_in_flight + 1} polls at a time")
    if operation.end_told and not on_graph:
        note(Wrong.POLL_AFTER_END, "the end had been told already")


def _tells_end(operation: Operation) -> bool:
    match operation.outcome:
        case None:
            return False
        case Done():
            return operation.plan.ending is not Ending.NOT_FOUND
        case Failed():
            return operation.plan.fail_as is not FailureShape.NOT_FOUND


def _with_headers(operation: Operation, answer: Answer, wait: RetryAfter | None, now: float) -> Answer:
    headers = answer.headers
    if wait is not None:
        headers += (("Retry-After", wait.header(now)),)
    if operation.plan.cookies:
        headers += (("Set-Cookie", monitor_cookie(operation) + "; Path=/"),)
    return dataclasses.replace(answer, headers=headers)


def monitor_cookie(operation: Operation) -> str:
    """The cookie that a monitor sets, and the only one that it wants to see."""
    return f"SimMonitor={operation.id}"
