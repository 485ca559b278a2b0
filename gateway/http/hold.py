"""Turns a recognised call into its synchronous answer.

What happens to a call, in this order:
 1. its body is captured, and its dialect says what it would start (or that it is an ordinary call after all);
 2. it is admitted: starts an operation, joins one, is answered from a record, or is reconciled;
 3. a new operation is submitted, by a task that outlives the caller;
 4. it waits, within `wait.max` and what it prefers;
 5. it gets how the operation ended, or what `wait.on_timeout` says.

Thousands wait at once: while it waits, a call keeps what the GET of the item needs of it and nothing else. Its body is
let go of once its operation is under way, and whatever led there has returned by then.

A caller whose credential is not the starter's gets nothing of the operation before the upstream has accepted that
credential; see `waiting`.

What this module must not do: poll; store; know what Graph's words mean.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from gateway import crashpoints, events, guard, headers, prefer, sameness
from gateway.dialects import Capture, Dialect, canonical_target
from gateway.errors import (
    KeyReused,
    MalformedRequest,
    NothingSent,
    OutcomeUnknown,
    Overloaded,
    UpstreamUnreachable,
)
from gateway.http.conclusion import at_the_bound, conclude, refused
from gateway.http.forward import forward
from gateway.http.heartbeat import heartbeat
from gateway.http.held import Came, Held, Places, Room
from gateway.http.ids import new_id
from gateway.http.reconcile import MayResend, reconcile
from gateway.http.responder import Written
from gateway.http.results import OutOfTime, Results
from gateway.http.visit import Parts, Visit, operation_header
from gateway.lanes import Closed
from gateway.model import ACTIVE, FINISHED, Call, Operation, Plan, State
from gateway.sameness import Ask, Decision
from gateway.store import Conflict, StoreDown, StoreFull
from gateway.submission import Submitted
from gateway.upstream import Exchange

SMALL = 65_536
"""Bytes up to which the body of a call that only may start an operation is read to find out; those of a move or an
upload from a URL have a few hundred."""


class Hold:
    """Holds calls, and counts those it holds."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        """Of calls to come; those that are held have theirs in their visit."""
        self._places = Places()

    @property
    def held(self) -> int:
        return self._places.taken

    async def serve(self, visit: Visit, dialect: Dialect) -> Written:
        """Answer a call that `dialect` may have a part in."""
        capture = dialect.needs_body(visit.call)
        if capture is not Capture.REQUIRED:
            fits = visit.parts.config.limits.body if capture is Capture.IF_FITS else SMALL
            found = await self._perhaps(visit, dialect, fits)
            if isinstance(found, Written):
                return found
            with self.room(visit):
                held = self._held(visit, *found)
                del found  # or the body would stay for as long as the call is held
                return await self._hold(held)
        with self.room(visit):
            captured = await self._captured(visit, dialect)
            return captured if isinstance(captured, Written) else await self._hold(captured)

    async def _captured(self, visit: Visit, dialect: Dialect) -> Held | Written:
        """A call that usually starts something, with its body."""
        try:
            await self.promise(visit)
        except UpstreamUnreachable as error:
            raise NothingSent(error.reason, proxy_error=error.proxy_word) from error
        body = await visit.captured(visit.parts.config.limits.body)
        call = replace(visit.call, body=body)
        plan = dialect.plan(call)
        return self._held(visit, call, dialect, plan) if plan else await forward(visit, body)

    async def _perhaps(
        self, visit: Visit, dialect: Dialect, fits: int
    ) -> tuple[Call, Dialect, Plan] | Written:
        """A call that usually starts nothing: it takes no room until it is known to, and a long body is streamed."""
        if (visit.announced_length or 0) > fits:
            return await forward(visit)
        await self.promise(visit)
        body, rest = await visit.beginning(fits)
        call = replace(visit.call, body=body)
        plan = dialect.plan(call) if rest is None else None
        return await forward(visit, body, rest) if plan is None else (call, dialect, plan)

    async def promise(self, visit: Visit) -> None:
        """Before a 100 is sent: somebody is there to take the request. Raises `UpstreamError`."""
        if visit.expects_continue:
            await visit.parts.graph.reach()

    async def planned(self, visit: Visit, call: Call, dialect: Dialect, plan: Plan) -> Written:
        """Answer a call of which the body and the plan are here already, and which has its room."""
        return await self._hold(self._held(visit, call, dialect, plan))

    def room(self, visit: Visit) -> Room:
        """Counts the call in, if there is room for one more; else raises `Overloaded`."""
        return self._places.room(visit.caller.principal, self.parts.config.limits)

    def _held(self, visit: Visit, call: Call, dialect: Dialect, plan: Plan) -> Held:
        early = guard.too_early(call.headers)
        if early is not None:
            raise early
        preferences = prefer.preferences(call.headers)
        budget = visit.parts.config.wait.max
        if preferences.wait is not None:
            budget = min(budget, preferences.wait)
        elif preferences.respond_async:
            budget = 0.0
        visit.record.route = "hold"
        caller, repeated = visit.caller, headers.only(call.headers, dialect.repeats)
        if repeated:
            caller = replace(caller, repeated=repeated)
        return Held(visit, call, caller, dialect, plan, preferences, visit.record.started + budget)

    # --- from the call to its operation ------------------------------------------------------------------

    async def _hold(self, held: Held) -> Written:
        crashpoints.reach("after_accept")
        with heartbeat(held.visit):
            while True:
                came = await self._admit(held)
                if isinstance(came, Operation):
                    if came.state is State.RUNNING:
                        held.let_go()
                    came = await self._ended(held, await held.visit.wait(came, held.until))
                if came is not None:
                    return came

    async def _admit(self, held: Held) -> Came:
        ask, key = self._identify(held)
        drafts: list[Operation] = []

        def draft() -> Operation:
            drafts.append(self._draft(held, ask, key))
            return drafts[-1]

        try:
            admission = await held.visit.parts.waiting.admit(key, ask, draft)
        except StoreFull:
            raise Overloaded("active operations") from None
        except StoreDown:
            if drafts:  # a claim that seemed to fail may have been made
                held.visit.parts.submission.withdraw(drafts[-1])
            raise
        return await self._by_decision(held, admission.decision, admission.operation, ask, key)

    async def _by_decision(
        self, held: Held, decision: Decision, operation: Operation, ask: Ask, key: str
    ) -> Came:
        held.visit.came_to(operation, decision.value)
        match decision:
            case Decision.START:
                return await self._start(held, operation)
            case Decision.JOIN:
                refusal = await Results(held.visit, held.caller).may_see(operation)
                if refusal is not None:
                    return await refused(held.visit, refusal)
                await held.visit.parts.follower.lend(operation, held.caller)
                return operation
            case Decision.REPLAY:
                return await self._conclude(held, operation, replay=True)
            case Decision.MISMATCH:
                raise KeyReused
            case Decision.RECONCILE:
                return await self._reconcile(held, operation, ask, key)
        assert_never(decision)

    def _identify(self, held: Held) -> tuple[Ask, str]:
        """What the call is the same as, as far as `operations.reconnect` wants to know."""
        call, mode = held.call, held.visit.parts.config.operations.reconnect
        given = headers.get(call.headers, b"idempotency-key")
        if given is not None and not sameness.valid_idempotency_key(given):
            raise MalformedRequest("idempotency key")
        fingerprint = sameness.fingerprint(
            call.method,
            held.visit.parts.config.upstream.base_url,
            canonical_target(call.target) if held.plan.version else call.target,  # the spellings are Graph's
            headers.get(call.headers, b"content-type"),
            call.body,
        )
        named = given if mode != "off" else None
        key = sameness.dedupe_key(
            held.visit.parts.secret,
            held.visit.parts.config.auth.mode,
            held.caller.principal,
            idempotency_key=named,
            fingerprint=fingerprint,
        )
        if named is None and mode != "identical":
            key = new_id()  # nothing is the same as this call
        return Ask(
            fingerprint=fingerprint,
            keyed=named is not None,
            retry_attempt=sameness.retry_attempt(headers.get(call.headers, b"retry-attempt")),
            client_request_id=headers.get(call.headers, b"client-request-id"),
        ), key

    def _draft(self, held: Held, ask: Ask, key: str) -> Operation:
        return Operation(
            id=new_id(),
            key=key,
            fingerprint=ask.fingerprint,
            principal=held.caller.principal,
            starter=held.caller.credential,
            keyed=ask.keyed,
            plan=held.plan,
            created_at=held.visit.parts.clock.now(),
            client_request_id=ask.client_request_id,
        )

    # --- starting ----------------------------------------------------------------------------------------

    async def _start(self, held: Held, operation: Operation) -> Written | Operation:
        """Submit the operation."""
        crashpoints.reach("after_claim")
        task = held.visit.parts.tasks.start(f"submit {operation.id}", self._submit(held, operation))
        wait = held.visit.parts.config.wait.max
        patience = held.visit.record.started + wait if held.preferences.respond_async else held.until
        try:
            await held.visit.parts.waiting.attend(task, patience)
        finally:
            if not task.done():
                held.visit.parts.tasks.start(f"abandon {operation.id}", _close_unread(task))
        if not task.done():
            return await at_the_bound(held.visit, held.caller, operation, held.preferences)
        submitted = task.result()
        if isinstance(submitted.failure, OutcomeUnknown):
            return await held.visit.fail(submitted.failure, operation)
        if submitted.failure is not None:
            raise submitted.failure
        exchange = submitted.exchange
        if exchange is None:
            return submitted.operation
        if submitted.operation.state is State.UNKNOWN:
            return await self._unclear(held, submitted.operation, exchange)
        if exchange.status == 409 and operation.supersedes is not None:
            return await self._taken(held, operation, exchange)
        held.visit.record.operation = None
        return await held.visit.relay(exchange)

    async def _unclear(self, held: Held, operation: Operation, exchange: Exchange) -> Written:
        """Pass on what the upstream said. A 202 that cannot be followed is its caller's to follow, once it has it."""
        if exchange.status != 202:
            return await held.visit.relay(exchange, operation_header(operation))
        held.visit.record.operation = None
        # whoever comes again meanwhile waits for the verdict
        async with held.visit.parts.waiting.delivering(operation, events.HandedOver()) as delivery:
            written = await held.visit.relay(exchange)
            delivery.arrived = await held.visit.responder.taken()
        return written

    async def _taken(self, held: Held, operation: Operation, exchange: Exchange) -> Written:
        """The name of a call that was sent again is taken: perhaps by what it was sent again for."""
        body, _ = await exchange.read(held.visit.parts.config.limits.monitor_body)
        await exchange.close()
        first = await held.visit.parts.records.store.get(operation.supersedes or "")
        if first is not None:
            with suppress(MayResend, OutcomeUnknown, Conflict):
                found = await reconcile(held.visit, held.caller, first)
                if isinstance(found, Operation):
                    return await self._conclude(held, found)
                await found.close()
        held.visit.record.operation = None
        return await held.visit.repeat(exchange, body)

    async def _submit(self, held: Held, operation: Operation) -> Submitted:
        """Send the POST; a monitor that the upstream hosts itself is asked with the credential that it came with."""
        record, monotonic = held.visit.record, held.visit.parts.clock.monotonic
        visit, submission = held.visit, held.visit.parts.submission
        with visit.trace.part("submit", starts=operation.id) as part:
            began = monotonic()
            try:
                await visit.parts.lanes.enter(operation, visit.stays_behind)
            except Closed:
                visit.stays_behind()
                submission.withdraw(operation)
                return Submitted(operation, failure=NothingSent("stopping"))
            if visit.parts.config.limits.running_per_drive is not None:
                record.took("queued_ms", monotonic() - began)
            began = monotonic()
            outgoing = held.outgoing()
            outgoing = replace(outgoing, headers=part.signed(outgoing.headers))
            try:
                submitted = await submission.send(
                    operation, held.call, held.dialect, outgoing, via=visit.carrier
                )
            finally:
                visit.stays_behind()
            record.took("submit_ms", monotonic() - began)
        await held.visit.parts.follower.lend(submitted.operation, held.caller)
        return submitted

    # --- waiting and ending ------------------------------------------------------------------------------

    async def _ended(self, held: Held, operation: Operation) -> Written | None:
        """The answer after the wait; None where the operation came to nothing, and the call has to be admitted anew."""
        if operation.state is State.REJECTED and held.sendable:
            return None
        if operation.state in (
            State.UNKNOWN,
            State.REJECTED,
        ):  # one that was under way has not come to nothing
            return await held.visit.fail(OutcomeUnknown("while waiting"), operation)
        if operation.state in ACTIVE:
            return await at_the_bound(held.visit, held.caller, operation, held.preferences)
        return await self._conclude(held, operation)

    async def _conclude(self, held: Held, operation: Operation, *, replay: bool = False) -> Written:
        try:
            return await conclude(
                held.visit, held.caller, operation, held.until, held.preferences, replay=replay
            )
        except OutOfTime:
            return await at_the_bound(held.visit, held.caller, operation, held.preferences)

    async def _reconcile(self, held: Held, operation: Operation, ask: Ask, key: str) -> Came:
        """Look for what an operation of unknown outcome would have made."""
        try:
            found = await reconcile(held.visit, held.caller, operation)
        except MayResend:
            claimed = await held.visit.parts.waiting.resend(operation, lambda: self._draft(held, ask, key))
            return await self._start(held, claimed) if claimed is not None else None
        except OutcomeUnknown as error:
            return await held.visit.fail(error, operation)
        except Conflict:  # another call was faster to find it, and found it for both
            current = await held.visit.parts.records.store.get(operation.id)
            if current is None or current.state not in FINISHED:
                return None
            return await self._conclude(held, current, replay=True)
        if isinstance(found, Operation):
            return await self._conclude(held, found)
        return await refused(held.visit, found)


async def _close_unread(task: "asyncio.Task[Submitted]") -> None:
    """Whoever started this submission has left: if it comes to a reply, nobody will read it."""
    submitted = await task
    if submitted.exchange is not None:
        await submitted.exchange.close()
