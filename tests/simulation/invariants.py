"""The design's eight invariants (section 3), looked for at each call and at the end.

(9) is that of entities: what they were told counts once, and nothing is left to do at rest.
"""

from __future__ import annotations

from collections import Counter

from durable.engine.ledger import Ledger
from durable.hub.rows import status_row
from durable.model.entities import EntityStatus
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    answered_task,
)
from durable.model.history import StoredEvent
from durable.model.ids import is_entity_id
from durable.model.messages import TaskMessage
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.values import Comparison, Where
from durable.wire.entity_json import decode_state, encode_status
from durable.wire.keys import escape_partition_key
from tests.simulation.world import Process, World

#: What a row says of its history.
_SHOWN = (
    "status",
    "output",
    "input",
    "name",
    "custom_status",
    "checkpoint_sequence",
    "completed_time",
)


class Watcher:
    """Notes what every process decides and sends, while it happens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[str] = []
        self.committed: set[tuple[str, str, int]] = set()
        self.begun: Counter[str] = Counter()
        self.sends: Counter[tuple[str, str]] = Counter()
        self.terminal: dict[tuple[str, str | None, str | None], InstanceRow] = {}

    def attach(self, process: Process) -> None:
        """Watch what goes through this process's repositories."""
        history, outbox, instances = (
            process.hub.history,
            process.hub.outbox,
            process.hub.instances,
        )
        commit, put, show = history.commit, outbox.put, instances.show

        async def watched_commit(instance_id, events, first_index, sentinel, *more):  # type: ignore[no-untyped-def]
            result = await commit(instance_id, events, first_index, sentinel, *more)
            self.on_commit(instance_id, sentinel.execution_id or "", events)
            return result

        async def watched_put(queue, message, *, delay_seconds):  # type: ignore[no-untyped-def]
            await self.on_put(message)
            return await put(queue, message, delay_seconds=delay_seconds)

        async def watched_show(row, known):  # type: ignore[no-untyped-def]
            result = await show(row, known)
            await self.on_show(row)
            return result

        history.commit = watched_commit  # type: ignore[method-assign]
        outbox.put = watched_put  # type: ignore[method-assign]
        instances.show = watched_show  # type: ignore[method-assign]

    def on_commit(self, instance_id: str, execution_id: str, events: list[object]) -> None:
        for event in events:
            if isinstance(event, ExecutionStarted):
                self.begun[execution_id] += 1
                if self.begun[execution_id] > 1:
                    self.violations.append(f"(3) {instance_id} {execution_id} begun again")
            elif isinstance(
                event, TaskScheduled | TimerCreated | SubOrchestrationCreated | EventSent
            ):
                self.committed.add((instance_id, execution_id, event.event_id))
            elif isinstance(event, ExecutionCompleted):
                self.committed.add((instance_id, execution_id, -1))

    async def on_put(self, message: TaskMessage) -> None:
        """(1) no message of an uncommitted turn ever leaves."""
        cause = self._cause(message)
        if cause is None:
            return
        self.sends[type(message.event).__name__, str(cause)] += 1
        if cause not in self.committed and not await self._is_stored(cause):
            self.violations.append(f"(1) {type(message.event).__name__} of undecided {cause} left")

    async def _is_stored(self, cause: tuple[str, str, int]) -> bool:
        """A crash right after the batch hides the commit from us, not from storage."""
        instance_id, execution_id, task_id = cause
        loaded = await self.world.hub.history.read(instance_id)
        started = loaded.ledger.started
        if started is None or started.instance.execution_id != execution_id:
            return False
        if task_id < 0:
            return loaded.ledger.completed is not None
        return any(
            row.event.event_id == task_id and answered_task(row.event) is None
            for row in loaded.ledger.rows
        )

    def _cause(self, message: TaskMessage) -> tuple[str, str, int] | None:
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
        assert isinstance(event, TaskCompleted | TaskFailed), event
        return None

    async def on_show(self, row: InstanceRow) -> None:
        """(6) a terminal instance never changes again, but by a rewind."""
        sentinel = await self.world.hub.history.read_sentinel(row.instance_id)
        rewind = sentinel.rewind if sentinel is not None else None
        key = (row.instance_id, row.execution_id, rewind.token if rewind is not None else None)
        before = self.terminal.get(key)
        if before is not None and (before.status, before.output) != (row.status, row.output):
            self.violations.append(f"(6) {key} was {before.status}, is {row.status}")
        if row.status is not None and row.status.is_terminal:
            self.terminal[key] = row


async def check_at_rest(world: World) -> list[str]:
    """What is wrong with the hub now that its queues are empty."""
    wrong: list[str] = []
    if world.hub.names.instances_table not in await world.account.tables.list_tables(""):
        return wrong  # nobody came so far as to make it
    page = await world.account.tables.query(world.hub.names.instances_table, None)
    for stored in page.rows:
        row = await world.hub.instances.read(stored.partition_key)
        assert row is not None
        check = check_entity if is_entity_id(row.instance_id) else check_instance
        wrong += await check(world, row)
    return wrong + await check_nothing_given_up(world)


async def check_instance(world: World, row: InstanceRow) -> list[str]:
    """(2), (4), (5) for one instance."""
    who = row.instance_id
    if row.status is None or not row.status.is_terminal:
        return [f"(5) {who} is left {row.status}"]
    return await check_history(world, row)


async def check_entity(world: World, row: InstanceRow) -> list[str]:
    """(5), (9) for one entity: it lives on, and has nothing to do and nothing to keep."""
    who = row.instance_id
    if row.status is not RuntimeStatus.RUNNING:
        return [f"(5) {who} is left {row.status}"]
    wrong = await check_history(world, row)
    ledger = (await world.hub.history.read(who)).ledger
    if ledger.started is None:
        return wrong
    state = decode_state(ledger.started.input, who)
    wrong += [f"(9) {who} waits with {each}" for each in state.queue]
    wrong += [
        f"(9) {who} holds {each} back"
        for sender in state.sorter.received.values()
        for each in sender.buffered
    ]
    if state.outbox:
        wrong.append(f"(9) {who} has not sent {len(state.outbox)} messages")
    if state.locked_by is not None or state.lock_id is not None:
        wrong.append(f"(9) {who} is locked by {state.locked_by}")
    if any(isinstance(each.event, EventRaised) for each in ledger.rows):
        wrong.append(f"(9) {who} was told something it did not deal with")
    if row.custom_status != encode_status(EntityStatus(exists=state.state is not None)):
        wrong.append(f"(9) {who} shows {row.custom_status}")
    return wrong


async def check_nothing_given_up(world: World) -> list[str]:
    """Nothing is in quarantine."""
    name = world.hub.names.quarantine
    if name not in await world.account.blobs.list_containers(""):
        return []
    blobs, _ = await world.account.blobs.list_blobs(name, "")
    return [f"(9) {blob.name} is in quarantine" for blob in blobs]


async def check_history(world: World, row: InstanceRow) -> list[str]:
    """(2), (4) for one instance."""
    who = row.instance_id
    loaded = await world.hub.history.read(who)
    ledger, sentinel = loaded.ledger, loaded.sentinel
    wrong = check_rows(who, ledger.rows)
    if sentinel is None or ledger.started is None:
        return [*wrong, f"(4) {who} is {row.status} without a history"]
    if sentinel.execution_id != row.execution_id:
        wrong.append(f"(4) {who}: row {row.execution_id}, history {sentinel.execution_id}")
    wanted = status_row(who, ledger, sentinel, row, world.hub.payloads.url)
    for name in _SHOWN:
        if getattr(row, name) != getattr(wanted, name):
            wrong.append(f"(4) {who}: {name} is not what its history says")
    return wrong


async def check_gone(world: World, who: str) -> list[str]:
    """A purged instance left nothing but its tombstone."""
    hub = world.hub
    wrong: list[str] = []
    if await hub.instances.read(who) is not None:
        wrong.append(f"(8) {who} still has a row in Instances")
    names, sentinel = await hub.history.read_names(who)
    rows = await hub.account.tables.query(
        hub.names.history_table, Where("PartitionKey", Comparison.EQ, escape_partition_key(who))
    )
    if len(rows.rows) > 1 or names or (sentinel is not None and not sentinel.purged):
        wrong.append(f"(8) {who} still has {len(rows.rows)} rows in History")
    return wrong


def check_rows(who: str, rows: list[StoredEvent]) -> list[str]:
    """(2) a scheduled task has at most one result in a generation; and each event is there once."""
    answers = Counter(task for row in rows if (task := answered_task(row.event)) is not None)
    events = Counter(row.event.identity for row in rows if isinstance(row.event, EventRaised))
    wrong = [f"(2) {who}: task {task} has {n} results" for task, n in answers.items() if n > 1]
    wrong += [f"(3) {who}: event {i} is there {n} times" for i, n in events.items() if n > 1]
    decisions = Counter(
        row.event.event_id
        for row in rows
        if isinstance(row.event, TaskScheduled | TimerCreated | SubOrchestrationCreated)
    )
    wrong += [f"(1) {who}: task {task} decided {n} times" for task, n in decisions.items() if n > 1]
    return wrong


def is_ended(row: InstanceRow) -> bool:
    return row.status is not None and row.status in {
        RuntimeStatus.COMPLETED,
        RuntimeStatus.FAILED,
        RuntimeStatus.TERMINATED,
    }


def ledger_of(rows: list[StoredEvent]) -> Ledger:
    return Ledger(rows)
