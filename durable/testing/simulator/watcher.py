"""Notes what every process decides and sends, while it happens, and what may never be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from durable.errors import Conflict, PreconditionFailed
from durable.hub.rows import RowEncoder
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    answered_task,
)
from durable.model.history import Sentinel, StoredEvent
from durable.model.messages import TaskMessage
from durable.model.status import InstanceRow
from durable.storage.values import PutReceipt
from durable.testing.simulator.processes import Process
from durable.testing.simulator.simulation import Simulation

#: Whose decision: instance, execution, the decision's number.
Cause = tuple[str, str, int]


class Watcher:
    """Looks on at every process of one simulation, and puts what they do into its trace.

    Attributes:
        violations: what was wrong, by the number of the invariant (design.md, section 3).
        sends: how often the same message was sent, by kind and cause.
    """

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.violations: list[str] = []
        self.committed: set[Cause] = set()
        self.asked: Counter[Cause] = Counter()
        self.begun: Counter[str] = Counter()
        self.sends: Counter[tuple[str, str]] = Counter()
        self.terminal: dict[tuple[str, str | None, str | None], InstanceRow] = {}

    def attach(self, process: Process) -> Process:
        """Watch what goes through this process's repositories; gives `process` back."""
        history, outbox, instances = (
            process.hub.history,
            process.hub.outbox,
            process.hub.instances,
        )
        commit, put, show = history.commit, outbox.put, instances.show
        note = self.world.note

        async def watched_commit(
            instance_id: str,
            events: Sequence[HistoryEvent],
            first_index: int,
            sentinel: Sentinel,
            encoder: RowEncoder | None = None,
        ) -> tuple[list[StoredEvent], Sentinel]:
            execution_id = sentinel.execution_id or ""
            causes = _causes_in(instance_id, execution_id, events)
            self.asked.update(causes)  # its answer may come late, when others have gone on from it
            try:
                result = await commit(instance_id, events, first_index, sentinel, encoder)
            except (Conflict, PreconditionFailed):
                self.asked.subtract(causes)
                raise
            kinds = ", ".join(_shown(each) for each in events)
            note(process.name, f"{instance_id}: rows {first_index}..: {kinds}")
            self.on_commit(instance_id, execution_id, events)
            return result

        async def watched_put(
            queue: str, message: TaskMessage, *, delay_seconds: int
        ) -> PutReceipt:
            await self.on_put(message)
            receipt = await put(queue, message, delay_seconds=delay_seconds)
            later = f" in {delay_seconds} s" if delay_seconds else ""
            target = message.target.instance_id
            note(process.name, f"{target}: sent {_shown(message.event)} to {queue}{later}")
            return receipt

        async def watched_show(row: InstanceRow, known: InstanceRow | None) -> InstanceRow:
            result = await show(row, known)
            note(process.name, f"{row.instance_id}: shown {row.status} {row.checkpoint_sequence}")
            await self.on_show(result)
            return result

        history.commit = watched_commit  # type: ignore[method-assign]
        outbox.put = watched_put  # type: ignore[method-assign]
        instances.show = watched_show  # type: ignore[method-assign]
        return process

    def on_commit(
        self, instance_id: str, execution_id: str, events: Sequence[HistoryEvent]
    ) -> None:
        for event in events:
            if isinstance(event, ExecutionStarted):
                self.begun[execution_id] += 1
                if self.begun[execution_id] > 1:
                    self.violations.append(f"(3) {instance_id} {execution_id} begun again")
        self.committed |= _causes_in(instance_id, execution_id, events)

    async def on_put(self, message: TaskMessage) -> None:
        """(1) no message of an uncommitted turn ever leaves."""
        cause = self._cause(message)
        if cause is None:
            return
        self.sends[type(message.event).__name__, str(cause)] += 1
        if cause not in self.committed and not await self._is_stored(cause):
            self.violations.append(f"(1) {type(message.event).__name__} of undecided {cause} left")

    async def _is_stored(self, cause: Cause) -> bool:
        """A crash right after the batch hides the commit from us, not from storage."""
        instance_id, execution_id, task_id = cause
        loaded = await self.world.hub.history.read(instance_id)
        started = loaded.ledger.started
        if started is None or started.instance.execution_id != execution_id:
            return self.asked[cause] > 0
        if task_id < 0:
            return loaded.ledger.completed is not None
        return any(
            row.event.event_id == task_id and answered_task(row.event) is None
            for row in loaded.ledger.rows
        )

    def _cause(self, message: TaskMessage) -> Cause | None:
        sender = message.sender
        if sender is None or not sender.instance_id:
            return None  # a client's
        who = (sender.instance_id, sender.execution_id or "")
        event = message.event
        if isinstance(event, TaskScheduled):
            return (*who, event.event_id)
        if isinstance(event, TimerFired):
            return (*who, event.timer_id)
        if isinstance(event, ExecutionStarted) and event.parent is not None:
            return (*who, event.parent.task_id)
        if isinstance(event, SubOrchestrationCompleted | SubOrchestrationFailed):
            return (*who, -1)
        if isinstance(event, EventRaised):
            identity = message.extras.identity or ""
            if identity.startswith("s:"):
                return (*who, int(identity.rpartition(":")[2]))
            return (*who, -1) if identity.startswith("o:") else None
        return None  # an activity's answer: sent by whoever ran it

    async def on_show(self, row: InstanceRow) -> None:
        """(6) a terminal instance never changes again, but by a rewind."""
        stored = await self.world.hub.instances.read(row.instance_id)
        if stored is None or stored.etag != row.etag:
            return  # the answer was late: this is not what the row shows any more
        sentinel = await self.world.hub.history.read_sentinel(row.instance_id)
        if sentinel is not None and sentinel.purged:
            return  # a second purge moves the row's ETag; the rewind's token is gone
        rewind = sentinel.rewind if sentinel is not None else None
        key = (row.instance_id, row.execution_id, rewind.token if rewind is not None else None)
        before = self.terminal.get(key)
        if before is not None and (before.status, before.output) != (row.status, row.output):
            self.violations.append(f"(6) {key} was {before.status}, is {row.status}")
        if row.status is not None and row.status.is_terminal:
            self.terminal[key] = row


def _causes_in(instance_id: str, execution_id: str, events: Sequence[HistoryEvent]) -> set[Cause]:
    """What messages may leave for, once these events are committed."""
    found: set[Cause] = set()
    for event in events:
        if isinstance(event, TaskScheduled | TimerCreated | SubOrchestrationCreated | EventSent):
            found.add((instance_id, execution_id, event.event_id))
        elif isinstance(event, ExecutionCompleted):
            found.add((instance_id, execution_id, -1))
        elif isinstance(event, ExecutionStarted):
            # What it frees of the execution it replaced, it sends under numbers below -1.
            found |= {(instance_id, execution_id, -2 - n) for n in range(len(event.frees))}
    return found


def _shown(event: HistoryEvent) -> str:
    """An event for the trace: its kind, and what it is about; never a payload."""
    kind = type(event).__name__
    name = getattr(event, "name", None)
    answered = answered_task(event)
    number = event.event_id if answered is None else answered
    about = f"({name})" if isinstance(name, str) else ""
    return f"{kind}{about}#{number}" if number >= 0 else f"{kind}{about}"
