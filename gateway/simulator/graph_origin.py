"""The Graph origin: one request in, one answer out.

Order of things: the control API, the transparency paths and the token endpoint, which need no token; then the
directives that apply (script, armed rules, the request's `Simulate` header), a fault that spoils the request, the
token, the handler, and last a fault that spoils the answer although the request was carried out.

Rules: no await and no socket; `respond` sees the raw target and never a parsed URL.
"""

import dataclasses

from gateway.simulator import batch, control, entra, items, lookalikes, transparency, workloads
from gateway.simulator.addressing import read_address
from gateway.simulator.call import Call, unknown_segment
from gateway.simulator.directives import DirectiveError, read_header
from gateway.simulator.errors import error_answer
from gateway.simulator.faults import itself, lateness, spoil
from gateway.simulator.ledger import Wrong
from gateway.simulator.plan import Apply, Plan
from gateway.simulator.polling import poll
from gateway.simulator.wire import Answer, Asked, GraphError, Origin
from gateway.simulator.world import World


def respond(world: World, asked: Asked) -> Answer:
    """The answer of the Graph origin."""
    try:
        if control.is_control(asked):
            return control.respond(world, asked)
        if transparency.is_transparency(asked):
            return transparency.respond(asked)
        if entra.is_entra(asked):
            return _entra(world, asked)
        return _respond(world, asked)
    except GraphError as error:
        return error_answer(world, asked, error)


def _entra(world: World, asked: Asked) -> Answer:
    """Rules that name its path can spoil a token endpoint too."""
    plan = _plan(world, asked, None)
    fault = plan.fault_at(itself(asked))
    spoiled = spoil(world, fault, asked) if fault is not None else None
    answer = spoiled or entra.respond(world, asked)
    return dataclasses.replace(answer, delay=answer.delay + lateness(fault))


def _respond(world: World, asked: Asked) -> Answer:
    token = asked.header("Authorization")
    plan = _plan(world, asked, _name(world, token))
    fault = plan.fault_at(itself(asked))
    if fault is not None and fault.apply is Apply.NOTHING:
        spoiled = spoil(world, fault, asked)
        if spoiled is not None:
            return spoiled
    person = world.tokens.authenticate(token)
    address = read_address(asked.path)
    if address is None:
        raise GraphError(400, "BadRequest", "Invalid version.")
    answer = _route(Call(world, asked, address, person, plan))
    if fault is not None and fault.apply is not Apply.NOTHING and answer.status < 400:
        answer = spoil(world, fault, asked) or answer
    return dataclasses.replace(answer, delay=answer.delay + plan.latency + lateness(fault))


def _plan(world: World, asked: Asked, user: str | None) -> Plan:
    plan = world.default_plan()
    for directives in world.rules.take(asked.method, asked.path, user):
        plan = directives.applied_to(plan)
    text = asked.header("Simulate")
    if text is None:
        return plan
    try:
        return read_header(text).applied_to(plan)
    except DirectiveError as error:
        raise GraphError(400, "simulateHeader", f"Simulate header: {error}") from None


def _name(world: World, authorization: str | None) -> str | None:
    """Who it is, as far as rules care; a token that is refused later is nobody's now."""
    try:
        return world.tokens.authenticate(authorization).name
    except GraphError:
        return None


def _route(call: Call) -> Answer:
    world, asked = call.world, call.asked
    operation = world.operations.by_target.get((Origin.GRAPH, asked.target))
    if operation is not None:
        if not call.person.is_app and operation.user != call.person.name:
            raise GraphError(404, "itemNotFound", "The operation could not be found.")
        return poll(world, operation, asked)
    for handler in (lookalikes.respond, workloads.respond):
        answer = handler(call)
        if answer is not None:
            return answer
    if call.address.words[-1:] == ("$batch",):
        return batch.respond(call, lambda part: respond(world, part))
    if call.address.drive is None:
        raise unknown_segment(call.address.words)
    _check_empty_id(call)
    return items.respond(call)


def _check_empty_id(call: Call) -> None:
    """`items('')` is where an ending with an empty id points; nobody should ask for it (issue 545)."""
    if "items('')" in call.asked.path:
        call.world.ledger.violation(Wrong.REDIRECT_FOLLOWED, f"to {call.asked.path}", call.now)
        raise GraphError(400, "invalidRequest", "API not found")
