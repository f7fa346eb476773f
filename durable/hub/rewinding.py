"""Rewinding a failed instance (commit.md, "Rewind"): its failures are made good from where it was.

0. row       says Pending, so that the sweeper looks at it; a crash here and it sets it back
1. journal   the sentinel, under its ETag, says that the execution is being rewound. *The rewind
             is accepted.* From here on whoever loads the instance goes on with it
2. children  those that failed are rewound first, by the same steps under the same token
3. rows      changed in place, in batches that each move the sentinel's ETag; the row of the
             execution's end comes last, and with it the journal is done
4. message   wakes the instance, unless only its children have work to do

The original changes row after row, without a record of what it is at, so a crash leaves half a
rewind (W17). Its rows and its message are the same.
"""

from __future__ import annotations

from dataclasses import replace

from durable.engine.derive import owed_messages
from durable.engine.owing import is_superseded, pending_rewind
from durable.engine.rewinding import AwaitedChild, first_to_make_good, plan_rewind
from durable.errors import (
    Conflict,
    InstanceError,
    InstanceFinished,
    InstanceNotFound,
    NotFound,
    PreconditionFailed,
)
from durable.hub import raising
from durable.hub.commit import Committer, InstanceState
from durable.hub.rewound_rows import Changes, ChildFate, Fate, child_changes, undone_columns
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, RewoundChild, SubOrchestrationCompleted
from durable.model.history import Rewind
from durable.model.status import InstanceRow, RuntimeStatus
from durable.together import run_together
from durable.wire import spill

#: The message becomes a history row, whose columns hold no more.
MAX_REASON_CHARACTERS = 16_000

_TRIES = 20
_PAUSE_SECONDS = (0.02, 0.2)
#: Children that are rewound at the same time.
_AT_ONCE = 8
_LOST = (Conflict, PreconditionFailed, NotFound)
_ONLY_FAILED = "The rewind operation is only supported on failed orchestration instances."


class Rewinder:
    """Rewinds instances of a hub, and finishes rewinds that others began."""

    def __init__(self, hub: TaskHub, committer: Committer | None = None) -> None:
        self._hub = hub
        self._committer = committer or Committer(hub, hub.clock)

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        """Rewind a failed instance.

        Returns when every row is changed and the instance is woken. A crash before that, or a
        StorageError, leaves it failed, or being rewound: then the engine finishes it.

        Raises:
            InstanceNotFound: no such instance.
            InstanceFinished: it has ended otherwise than by a failure.
            InstanceError: it has not ended; or others change it all the time.
        """
        reason = None if reason is None else reason[:MAX_REASON_CHARACTERS]
        token = self._hub.clock.new_id()
        last: str | None = None
        for attempt in range(_TRIES):
            state = await self._load(instance_id)
            known = state.sentinel.rewind if state.sentinel is not None else None
            if attempt and known is not None and known.token != last:
                break  # an answer of ours was lost, or somebody else rewound it meanwhile
            last = known.token if known is not None else None
            self._check(instance_id, state)
            if self._pending(state) is not None:
                break  # somebody's rewind was left half-way, or is under way
            if await self._accepted(state, token, reason):
                break
            await self._pause()
        else:
            raise InstanceError(
                f"Instance {instance_id!r} was changed by others all the time; it was not rewound.",
                instance_id=instance_id,
            )
        await self._finish(state)

    async def finish(self, instance_id: str) -> None:
        """Apply the rewind that the instance's sentinel records, if it is still to be applied.

        Raises:
            PreconditionFailed: others change the instance all the time.
        """
        await self._finish(await self._load(instance_id))

    async def _finish(self, state: InstanceState) -> None:
        for _ in range(_TRIES):
            rewind = self._pending(state)
            if rewind is None:
                return
            try:
                has_work = await self._apply(state, rewind)
            except _LOST:
                await self._pause()
                state = await self._load(state.instance_id)
                continue
            if has_work:
                await raising.wake(self._hub, state.instance_id, rewind.reason)
            return
        raise PreconditionFailed(
            f"Instance {state.instance_id!r} was changed by others all the time.",
            operation="rewind",
        )

    async def _pause(self) -> None:
        await self._hub.clock.sleep(self._hub.clock.jitter(*_PAUSE_SECONDS))

    async def _load(self, instance_id: str) -> InstanceState:
        row = await self._hub.instances.read(instance_id)
        loaded = await self._hub.history.read(instance_id)
        return InstanceState(
            instance_id=instance_id,
            ledger=loaded.ledger,
            sentinel=loaded.sentinel,
            row=row,
            served_at=loaded.served_at,
        )

    @staticmethod
    def _pending(state: InstanceState) -> Rewind | None:
        return pending_rewind(state.ledger, state.sentinel, state.row)

    @staticmethod
    def _check(instance_id: str, state: InstanceState) -> None:
        row = state.row
        if row is None or (state.sentinel is not None and state.sentinel.purged):
            raise InstanceNotFound(
                f"No instance with ID '{instance_id}' found.", instance_id=instance_id
            )
        if row.status is RuntimeStatus.FAILED and state.ledger.started is None:
            raise InstanceError(
                f"Instance {instance_id!r} has no history that could be rewound.",
                instance_id=instance_id,
            )
        if row.status is RuntimeStatus.FAILED or _is_about_to_be_rewound(state):
            return
        if row.status is not None and row.status.is_terminal:
            raise InstanceFinished(_ONLY_FAILED, instance_id=instance_id)
        raise InstanceError(_ONLY_FAILED, instance_id=instance_id)

    async def _accepted(self, state: InstanceState, token: str, reason: str | None) -> bool:
        """Steps 0 and 1; False when row and history don't agree, or somebody else was quicker."""
        sentinel, row = state.sentinel, state.row
        if (
            sentinel is None
            or state.ledger.status is not RuntimeStatus.FAILED
            or (row is not None and row.execution_id != sentinel.execution_id)
        ):
            return False
        try:
            await self._make_quiet(state)
            await self._show_pending(state)
            rewind = Rewind(
                token=token,
                execution_id=sentinel.execution_id or "",
                sequence=state.ledger.stretches,
                cut=first_to_make_good(state.ledger),
                reason=reason,
                rows=state.ledger.rewound,
            )
            state.sentinel = await self._hub.history.rewrite(
                state.instance_id, state.sentinel or sentinel, rewind, {}
            )
        except _LOST:
            return False
        return True

    async def _make_quiet(self, state: InstanceState) -> None:
        """R3. A failed child's process may have died after it reported, before it was shown."""
        owed_from = state.owed_from
        if owed_from is None:
            return
        await self._committer.touch(state)
        await self._committer.send(state, owed_from)
        await self._committer.show(state)

    async def _show_pending(self, state: InstanceState) -> None:
        """The row without an end, but with the sequence it has: it is no start that waits (R5)."""
        row = state.row
        if row is None:
            return
        sent = row.checkpoint_sequence
        pending = replace(
            row,
            status=RuntimeStatus.PENDING,
            output=None,
            completed_time=None,
            last_updated_time=self._hub.clock.now(),
            checkpoint_sequence=state.ledger.stretches if sent is None else sent,
        )
        state.row = await self._hub.instances.replace_row(pending)

    async def _apply(self, state: InstanceState, rewind: Rewind) -> bool:
        """Steps 2 and 3; whether the instance has work to do before its children have done theirs.

        Raises:
            Conflict, PreconditionFailed, NotFound: somebody else was quicker with a step.
        """
        if state.row is not None and state.row.status is not RuntimeStatus.PENDING:
            await self._show_pending(state)  # a .NET worker has set it back
        plan = plan_rewind(state.ledger, rewind.cut)
        children = await run_together(
            [self._child(state, child, rewind) for child in plan.children], at_once=_AT_ONCE
        )
        changes: Changes = {index: undone_columns(state.ledger, index) for index in plan.undone}
        for child, found in zip(plan.children, children, strict=True):
            changes |= child_changes(state.ledger, child, found)
        await self._change(state, rewind, changes, plan.end)
        waits = bool(children) and all(each.fate is Fate.AWAITED for each in children)
        return bool(plan.undone) or not waits

    async def _change(
        self, state: InstanceState, rewind: Rewind, changes: Changes, end: int
    ) -> None:
        """Step 3. Each change is the same however often it is made."""
        if state.sentinel is None:
            raise AssertionError("a rewind stands in a sentinel")
        left = [*sorted(changes), end]
        changes[end] = undone_columns(state.ledger, end)
        sentinel = state.sentinel
        while left:
            part, left = left[: spill.MAX_BATCH_ROWS], left[spill.MAX_BATCH_ROWS :]
            taken_back = sum("EventType" in changes[index] for index in part)
            rewind = replace(rewind, rows=rewind.rows + taken_back, is_done=not left)
            sentinel = await self._hub.history.rewrite(
                state.instance_id, sentinel, rewind, {index: changes[index] for index in part}
            )

    async def _child(self, parent: InstanceState, child: AwaitedChild, rewind: Rewind) -> ChildFate:
        """Step 2 for one child: what becomes of it.

        Raises:
            PreconditionFailed: others change it all the time.
        """
        for _ in range(_TRIES):
            state = await self._load(child.event.instance_id or "")
            started = state.ledger.started
            if started is None:
                # Purged; or its start is still on its way.
                is_coming = child.failed is None and state.sentinel is None
                return ChildFate(fate=Fate.AWAITED if is_coming else Fate.ANEW)
            if is_superseded(state.sentinel, state.row) or not _is_child(
                started, parent, child.event.event_id
            ):
                ended = state.ledger.is_finished and not is_superseded(state.sentinel, state.row)
                return ChildFate(fate=Fate.ANEW if ended else Fate.LEFT)
            last = state.sentinel.rewind if state.sentinel is not None else None
            is_new = last is None or last.token != rewind.token
            pending = self._pending(state) is not None
            if state.ledger.status is RuntimeStatus.FAILED and is_new and not pending:
                pending = await self._accepted(state, rewind.token, rewind.reason)
                if not pending:
                    await self._pause()
                    continue
            if pending:
                await self._finish(state)
            return await self._rewound_child(state)
        raise PreconditionFailed(
            f"Instance {child.event.instance_id!r} was changed by others all the time.",
            operation="rewind",
        )

    async def _rewound_child(self, state: InstanceState) -> ChildFate:
        """A child that needs no rewind (any more)."""
        status, last = state.ledger.status, state.sentinel.rewind if state.sentinel else None
        if status is RuntimeStatus.COMPLETED:
            # Its parent had ended when it reported. This comes after the parent's journal.
            reports = owed_messages(state.ledger, state.ledger.stretches - 1)
            await self._hub.outbox.send_all(
                [r for r in reports if isinstance(r.message.event, SubOrchestrationCompleted)]
            )
        elif status is not RuntimeStatus.FAILED and state.ledger.is_finished:
            return ChildFate(fate=Fate.ANEW)  # it was terminated: there is nothing to make good
        mark = None
        if last is not None:
            mark = RewoundChild(execution_id=last.execution_id, sequence=last.sequence)
        return ChildFate(fate=Fate.AWAITED, mark=mark)


def _is_about_to_be_rewound(state: InstanceState) -> bool:
    """A client has shown the rewind in the row, and has died, or not come further yet."""
    row: InstanceRow | None = state.row
    return (
        row is not None
        and row.status is RuntimeStatus.PENDING
        and not row.is_unstarted
        and state.ledger.status is RuntimeStatus.FAILED
    )


def _is_child(started: ExecutionStarted, parent: InstanceState, task_id: int) -> bool:
    own = parent.ledger.started
    return (
        started.parent is not None
        and own is not None
        and started.parent.task_id == task_id
        and started.parent.instance == own.instance
    )
