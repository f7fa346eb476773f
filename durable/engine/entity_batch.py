"""One turn of an entity: what arrived in, operations to run, what they caused out.

`plan` says which operations are to run now, in order; whoever runs them hands each the state that
the one before left, and calls `conclude` with the results. A failed operation leaves neither state
nor effects; its neighbours keep theirs. Both are values in, values out: a turn whose commit fails
is simply dropped, and nothing of it was sent.

Where this is not DurableTask.Core's TaskEntityDispatcher:

* What comes before it is due is put back once, for the time that is left.
* An entity is never suspended between two batches: each turn is committed anyhow. Where .NET
  suspended one, we go on, so that a ``continue`` which was lost does no harm (W19).
* A lock is known by its request's id beside its holder. A repeated request is granted once, and a
  late release of a lock the holder has since left doesn't free the next one.
* A release that comes before its lock request, or while that one waits, withdraws it: an
  orchestration that ends while it waits leaves no lock behind (W19).
* A release that overtook a call of its section waits for it, so that the call isn't done in the
  next one's section: its holder was terminated, or didn't wait for the answer.
* A lock request is sent on as it came. Core gives it a label of the entity's own, and the entity's
  next signal then waits for a request that receivers never count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from durable.engine.entity_sorter import DEFAULT_WINDOW, Labeller, Sorter, is_idle
from durable.errors import EngineBug
from durable.model import ids
from durable.model.entities import (
    LOCK_GRANTED,
    MAX_DELAY,
    ORPHAN_REPAIR,
    Continue,
    EntityMessage,
    EntityStatus,
    Leaving,
    OperationRequest,
    OperationResult,
    OrchestrationStart,
    Outgoing,
    Release,
    Response,
    SchedulerState,
    Send,
    Signal,
)

#: Withdrawn lock requests are remembered at least so long, and no more than so many.
_REMEMBER_GIVEN_UP = timedelta(minutes=30)
_MOST_GIVEN_UP = 100
#: So much later than a process thinks it is time, every process does.
_CLOCKS_DIFFER = timedelta(minutes=1)
#: A text over it is kept in a blob (storage-format.md 4.1); the members around it take so much.
_LONGEST_TEXT, _FRAME = 30_720, 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchLimits:
    """What one turn may hold.

    Attributes:
        operations: host.json's maxEntityOperationBatchSize.
        window: host.json's entityMessageReorderWindowInMinutes.
        sends: messages and starts that one checkpoint has room for; what is over waits in the
            state's outbox.
        characters: of their texts together.
    """

    operations: int = 5000
    window: timedelta = DEFAULT_WINDOW
    sends: int = 80
    characters: int = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What an entity is to do now.

    Attributes:
        state: what it remembers, less what is to be done.
        operations: to run, in this order.
        lock: to be granted after them.
        early: not due yet; to be sent to the entity itself again.
        goes_on: there is more to do than one batch may hold.
        wake_at: when something that waits for what is missing must wait no longer.
    """

    state: SchedulerState
    operations: tuple[OperationRequest, ...] = ()
    lock: OperationRequest | None = None
    early: tuple[OperationRequest, ...] = ()
    goes_on: bool = False
    wake_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """What an entity's turn decided.

    Attributes:
        sends: messages and starts, in order.
        state: the input of its next execution.
        status: its custom status.
    """

    sends: tuple[Send, ...]
    state: SchedulerState
    status: EntityStatus


def plan(
    state: SchedulerState,
    arrived: Iterable[EntityMessage],
    *,
    now: datetime,
    limits: BatchLimits | None = None,
) -> Plan:
    """What to do about `arrived`, and what was queued before."""
    limits = limits or BatchLimits()
    intake = _Intake(state, now, limits)
    for message in arrived:
        intake.take(message)
    return intake.plan()


def conclude(
    planned: Plan,
    results: Sequence[OperationResult],
    *,
    entity: ids.EntityId,
    execution_id: str,
    now: datetime,
    limits: BatchLimits | None = None,
) -> Conclusion:
    """What comes of `planned`, whose operations ended with `results`.

    With fewer results than operations the rest is done in the next turn, as is the lock.

    Args:
        planned: what was to be done.
        results: one for each operation that was run, from the first.
        entity: who ran them.
        execution_id: of the execution that ran them; ids of what it sends are made from it.
        now: the time of the turn.
        limits: the limits the plan was made with.
    """
    if len(results) > len(planned.operations):
        raise EngineBug(
            f"{entity} has {len(results)} results for {len(planned.operations)} operations."
        )
    limits = limits or BatchLimits()
    return _Ending(planned, entity, execution_id, now, limits).conclude(results)


def state_after(before: str | None, result: OperationResult) -> str | None:
    """The state that the next operation finds."""
    return before if result.failure is not None else result.state


def is_forgettable(
    state: SchedulerState, *, now: datetime, window: timedelta = DEFAULT_WINDOW
) -> bool:
    """Whether an entity can be removed without a trace: it would do the same without its past."""
    return (
        state.state is None
        and not state.queue
        and not state.outbox
        and state.locked_by is None
        and all(given_up + _memory(window) < now for given_up in state.given_up.values())
        and is_idle(state.sorter, now, window)
    )


def _memory(window: timedelta) -> timedelta:
    return max(window, _REMEMBER_GIVEN_UP)


class _Intake:
    """Takes in what arrived, message by message."""

    def __init__(self, state: SchedulerState, now: datetime, limits: BatchLimits) -> None:
        self._state = state
        self._now = now
        self._limits = limits
        self._sorter = Sorter(state.sorter, window=limits.window)
        self._queue = deque(state.queue)
        self._of_holder: list[OperationRequest] = []
        self._locked_by = state.locked_by
        self._lock_id = state.lock_id
        self._leaving = state.leaving
        self._early: list[OperationRequest] = []
        self._given_up = {
            lock: since
            for lock, since in state.given_up.items()
            if since + _memory(limits.window) >= now
        }
        self._enqueue(self._sorter.release_held(now))

    def take(self, message: EntityMessage) -> None:
        match message:
            case OperationRequest(due=None):
                self._enqueue(self._sorter.receive(message))
            case OperationRequest() if message.due is not None and message.due > self._now:
                self._early.append(message)
            case OperationRequest():
                # Scheduled signals have no place in the sender's order.
                self._enqueue([message])
            case Release():
                self._release(message)
            case Continue():
                pass
            case _:
                assert_never(message)

    def _enqueue(self, requests: Iterable[OperationRequest]) -> None:
        for request in requests:
            if request.is_lock and self._is_pointless(request.id):
                continue
            if self._locked_by is not None and request.parent == self._locked_by:
                self._of_holder.append(request)
            else:
                self._queue.append(request)

    def _is_pointless(self, lock: str) -> bool:
        """Whether a lock request was withdrawn, waits already, or is the one that holds."""
        if self._given_up.pop(lock, None) is not None or lock == self._lock_id:
            return True
        return any(_asks_for(each, lock) for each in (*self._queue, *self._of_holder))

    def _release(self, release: Release) -> None:
        if self._locked_by == release.parent and (
            self._lock_id is None or release.id in {self._lock_id, ORPHAN_REPAIR}
        ):
            if release.after is None:
                self._unlock()
            elif self._leaving is None:
                self._leaving = Leaving(release=release, since=self._now)
        elif release.id != ORPHAN_REPAIR:
            self._withdraw(release)

    def _unlock(self) -> None:
        self._locked_by = self._lock_id = self._leaving = None

    def _let_go(self) -> datetime | None:
        """Let a holder go that waits for its own calls; when to look again, if they are missing."""
        leaving = self._leaving
        if leaving is None or leaving.release.after is None:
            return None
        until = leaving.since + self._limits.window
        passed = self._sorter.has_passed(leaving.release.parent, leaving.release.after)
        if passed or until <= self._now:
            self._unlock()
            return None
        return until + _CLOCKS_DIFFER

    def _withdraw(self, release: Release) -> None:
        """Forget a lock request that waits; remember one that may still come."""
        waiting = len(self._queue) + len(self._of_holder)
        self._queue = deque(each for each in self._queue if not _is_given_up(each, release))
        self._of_holder = [each for each in self._of_holder if not _is_given_up(each, release)]
        if waiting == len(self._queue) + len(self._of_holder):
            self._given_up[release.id] = self._now
            while len(self._given_up) > _MOST_GIVEN_UP:
                del self._given_up[next(iter(self._given_up))]

    def plan(self) -> Plan:
        waits = [each for each in (self._let_go(), self._sorter.held_until) if each is not None]
        # The holder goes first, in its own order (SchedulerState.PutBack).
        self._queue.extendleft(reversed(self._of_holder))
        operations: list[OperationRequest] = []
        lock: OperationRequest | None = None
        goes_on = False
        while lock is None and self._may_take():
            if len(operations) >= max(self._limits.operations, 1):
                goes_on = True
                break
            request = self._queue.popleft()
            if request.is_lock:
                lock = request
            else:
                operations.append(request)
        return Plan(
            state=replace(
                self._state,
                queue=tuple(self._queue),
                locked_by=self._locked_by,
                lock_id=self._lock_id,
                suspended=False,
                sorter=self._sorter.into(self._state.sorter),
                given_up=self._given_up,
                leaving=self._leaving,
            ),
            operations=tuple(operations),
            lock=lock,
            early=tuple(self._early),
            goes_on=goes_on,
            wake_at=min(waits, default=None),
        )

    def _may_take(self) -> bool:
        return bool(self._queue) and self._locked_by in {None, self._queue[0].parent}


def _asks_for(request: OperationRequest, lock: str) -> bool:
    return request.is_lock and request.id == lock


def _is_given_up(request: OperationRequest, release: Release) -> bool:
    return _asks_for(request, release.id) and request.parent == release.parent


class _Ending:
    """Collects what a turn causes."""

    def __init__(
        self,
        planned: Plan,
        entity: ids.EntityId,
        execution_id: str,
        now: datetime,
        limits: BatchLimits,
    ) -> None:
        self._planned = planned
        self._self = str(entity)
        self._execution_id = execution_id
        self._now = now
        self._limits = limits
        self._labeller = Labeller(planned.state.sorter, window=limits.window)
        self._sends: list[Send] = [*planned.state.outbox]

    def conclude(self, results: Sequence[OperationResult]) -> Conclusion:
        planned = self._planned
        state, left = planned.state, planned.operations[len(results) :]
        for request in planned.early:
            self._schedule(self._self, request)
        for request, result in zip(planned.operations, results, strict=False):
            state = replace(state, state=state_after(state.state, result))
            self._ended(request, result)
        if left:
            put_back = left if planned.lock is None else (*left, planned.lock)
            state = replace(state, queue=put_back + state.queue)
        elif planned.lock is not None:
            state = replace(state, locked_by=planned.lock.parent, lock_id=planned.lock.id)
            self._grant(planned.lock)
        goes_on = bool(left) or planned.goes_on
        wakes_at = self._wake(planned.wake_at)
        room = _that_fit(self._sends, self._limits)
        sent, later = self._sends[:room], self._sends[room:]
        if goes_on or later:
            sent.append(Outgoing(target=self._self, message=Continue()))
        return Conclusion(
            sends=tuple(sent),
            state=replace(
                state,
                sorter=self._labeller.into(state.sorter),
                outbox=tuple(later),
                wakes_at=wakes_at,
            ),
            status=EntityStatus(
                exists=state.state is not None,
                queue_size=len(state.queue),
                locked_by=state.locked_by,
            ),
        )

    def _wake(self, at: datetime | None) -> datetime | None:
        """Ask to be woken at `at`, unless that is asked for already; when it is then."""
        known = self._planned.state.wakes_at
        if known is not None and known <= self._now:
            known = None
        if at is None or (known is not None and known <= at):
            return known
        self._send(Continue(), deliver_at=at)
        return at

    def _ended(self, request: OperationRequest, result: OperationResult) -> None:
        if result.failure is None:
            for effect in result.effects:
                self._cause(effect)
        if request.is_signal or request.parent is None:
            return
        answer = Response(
            id=request.id,
            result=None if result.failure is not None else result.result,
            failure=result.failure,
        )
        self._answer(request, answer)

    def _cause(self, effect: Signal | OrchestrationStart) -> None:
        if isinstance(effect, OrchestrationStart):
            self._sends.append(effect)
            return
        request = OperationRequest(
            op=effect.op,
            id=ids.request_id(self._execution_id, len(self._sends)),
            is_signal=True,
            input=effect.input,
            parent=self._self,  # and no execution: an entity's order outlives its executions
            due=effect.due,
        )
        target = str(effect.target)
        if effect.due is not None:
            self._schedule(target, request)
        else:
            self._send(self._labeller.label(request, target, self._now), target)

    def _schedule(self, target: str, request: OperationRequest) -> None:
        latest = self._now + MAX_DELAY
        self._send(request, target, deliver_at=min(request.due or latest, latest))

    def _grant(self, lock: OperationRequest) -> None:
        position = lock.position + 1
        if position < len(lock.lock_set):
            self._send(replace(lock, position=position), str(lock.lock_set[position]))
        else:
            self._answer(lock, Response(id=lock.id, result=LOCK_GRANTED))

    def _answer(self, request: OperationRequest, answer: Response) -> None:
        self._sends.append(
            Outgoing(
                target=request.parent or "",
                message=answer,
                execution_id=request.parent_execution,
            )
        )

    def _send(
        self,
        message: EntityMessage,
        target: str | None = None,
        *,
        deliver_at: datetime | None = None,
    ) -> None:
        self._sends.append(
            Outgoing(target=target or self._self, message=message, deliver_at=deliver_at)
        )


def sends_of(request: OperationRequest, result: OperationResult) -> int:
    """How many messages and starts come of an operation."""
    answers = not request.is_signal and request.parent is not None
    return len(result.effects if result.failure is None else ()) + answers


def _that_fit(sends: Sequence[Send], limits: BatchLimits) -> int:
    """How many of `sends` one checkpoint has room for, one at least; all, if it can be."""
    used = 0
    for index, send in enumerate(sends):
        used += _characters(send)
        if index >= limits.sends or (index > 0 and used > limits.characters):
            return index
    return len(sends)


def _characters(send: Send) -> int:
    message = send.message if isinstance(send, Outgoing) else send
    match message:
        case OperationRequest() | OrchestrationStart():
            text = message.input
        case Response():
            text = message.result if message.failure is None else str(message.failure)
        case _:
            text = None
    # Longer texts are no part of the batch: they go to blobs.
    return min(len(text or ""), _LONGEST_TEXT) + _FRAME
