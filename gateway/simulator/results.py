"""The GET of a finished item: where replication lag and the faults of `final:` are felt.

Rules: only reads of something that an operation has brought about are counted here.
"""

from gateway.simulator.call import Call
from gateway.simulator.faults import lateness, spoil
from gateway.simulator.plan import Where
from gateway.simulator.wire import Answer
from gateway.simulator.world import not_found


def spoiled_result(call: Call, key: str) -> tuple[Answer | None, float]:
    """An answer in place of the truth, if there is one, and what the answer is to be late by. Raises GraphError."""
    operation = call.world.operations.by_result.get(key)
    if operation is None:
        return None, 0.0
    operation.result_gets += 1
    plan, age = operation.plan, call.world.clock.monotonic() - operation.ends
    fault = plan.fault_at(Where.FINAL, operation.result_gets)
    if (
        fault is not None
        and (spoiled := spoil(call.world, fault, call.asked, operation.authorization)) is not None
    ):
        return spoiled, 0.0
    if operation.result_gets <= plan.lag_tries or age < plan.lag_seconds:
        raise not_found()
    return None, lateness(fault)
