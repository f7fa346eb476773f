"""The invariants of the design (section 3), looked for in a hub at rest.

(9) is that of entities: what they were told counts once, and nothing is left to do at rest.
"""

from __future__ import annotations

from collections import Counter

from durable.errors import NotFound
from durable.hub.rows import status_row
from durable.hub.taskhub import TaskHub
from durable.model.entities import EntityStatus
from durable.model.events import (
    EventRaised,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
    answered_task,
)
from durable.model.history import StoredEvent
from durable.model.ids import is_entity_id
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.values import Comparison, Where
from durable.wire.entity_json import decode_state, encode_status
from durable.wire.keys import escape_partition_key

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


async def check_at_rest(hub: TaskHub, *, all_end: bool = True) -> list[str]:
    """What is wrong with `hub` now that its queues are empty.

    `all_end`: every orchestration must have; else those may wait that nothing is owed to.
    """
    wrong: list[str] = []
    for row in await rows_of(hub):
        if is_entity_id(row.instance_id):
            wrong += await check_entity(hub, row)
        else:
            wrong += await check_instance(hub, row, all_end=all_end)
    return wrong + await check_nothing_given_up(hub)


async def rows_of(hub: TaskHub) -> list[InstanceRow]:
    """Every row of Instances."""
    rows: list[InstanceRow | None] = []
    continuation: str | None = None
    while True:
        try:
            page = await hub.account.tables.query(
                hub.names.instances_table, None, continuation=continuation
            )
        except NotFound:
            return []  # nobody came so far as to make the table
        rows += [await hub.instances.read(stored.partition_key) for stored in page.rows]
        continuation = page.continuation
        if continuation is None:
            return [row for row in rows if row is not None]


async def check_instance(hub: TaskHub, row: InstanceRow, *, all_end: bool = True) -> list[str]:
    """(2), (4), (5) for one instance."""
    who = row.instance_id
    if row.status is None or not row.status.is_terminal:
        if all_end or row.status is None or row.status is RuntimeStatus.PENDING:
            return [f"(5) {who} is left {row.status}"]
        return await check_history(hub, row) + await check_nothing_awaited(hub, who)
    return await check_history(hub, row)


async def check_nothing_awaited(hub: TaskHub, who: str) -> list[str]:
    """(5) an instance that goes on waits for nothing that a message should have brought."""
    ledger = (await hub.history.read(who)).ledger
    answered = {answered_task(row.event) for row in ledger.rows}
    return [
        f"(5) {who} waits for {type(row.event).__name__} {row.event.event_id}, and nothing comes"
        for row in ledger.rows
        if isinstance(row.event, TaskScheduled | TimerCreated)
        and row.event.event_id not in answered
    ]


async def check_entity(hub: TaskHub, row: InstanceRow) -> list[str]:
    """(5), (9) for one entity: it lives on, and has nothing to do and nothing to keep."""
    who = row.instance_id
    if row.status is not RuntimeStatus.RUNNING:
        return [f"(5) {who} is left {row.status}"]
    wrong = await check_history(hub, row)
    ledger = (await hub.history.read(who)).ledger
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


async def check_nothing_given_up(hub: TaskHub) -> list[str]:
    """Nothing is in quarantine."""
    name = hub.names.quarantine
    if name not in await hub.account.blobs.list_containers(""):
        return []
    blobs, _ = await hub.account.blobs.list_blobs(name, "")
    return [f"(9) {blob.name} is in quarantine" for blob in blobs]


async def check_history(hub: TaskHub, row: InstanceRow) -> list[str]:
    """(2), (4) for one instance."""
    who = row.instance_id
    loaded = await hub.history.read(who)
    ledger, sentinel = loaded.ledger, loaded.sentinel
    wrong = check_rows(who, ledger.rows)
    if sentinel is None or ledger.started is None:
        return [*wrong, f"(4) {who} is {row.status} without a history"]
    if sentinel.execution_id != row.execution_id:
        wrong.append(f"(4) {who}: row {row.execution_id}, history {sentinel.execution_id}")
    wanted = status_row(who, ledger, sentinel, row, hub.payloads.url)
    for name in _SHOWN:
        if getattr(row, name) != getattr(wanted, name):
            wrong.append(f"(4) {who}: {name} is not what its history says")
    return wrong


async def check_gone(hub: TaskHub, who: str) -> list[str]:
    """A purged instance left nothing but its tombstone."""
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
