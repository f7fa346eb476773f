"""Entities written as a turn of theirs leaves them, and what was sent to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from durable.hub.taskhub import TaskHub
from durable.model.entities import EntityMessage, EntityStatus, SchedulerState
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable.model.history import Sentinel
from durable.model.messages import TaskMessage
from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire.entity_json import (
    decode_message as decode_entity_message,
    encode_state,
    encode_status,
)
from durable.wire.envelopes import BlobPointer, decode_message


async def insert_entity(
    hub: TaskHub,
    instance_id: str,
    state: SchedulerState | str | None = None,
    *,
    at: datetime | None = None,
    **columns: Any,
) -> InstanceRow:
    """Write an entity's history and row; `state` may be the user's alone, as JSON text."""
    await hub.ensure()
    row = await commit_entity(hub, instance_id, state, at=at)
    return await hub.instances.insert(replace(row, **columns))


async def commit_entity(
    hub: TaskHub,
    instance_id: str,
    state: SchedulerState | str | None = None,
    *,
    at: datetime | None = None,
    execution_id: str = "e1",
) -> InstanceRow:
    """Write an entity's history, over the one there is; returns the row to be shown for it."""
    if not isinstance(state, SchedulerState):
        state = SchedulerState(state=state)
    now = at or hub.clock.now()
    text = encode_state(state)
    instance = InstanceRef(instance_id=instance_id, execution_id=execution_id)
    before = await hub.history.read_sentinel(instance_id)
    sentinel = Sentinel(
        execution_id=execution_id,
        is_checkpoint_complete=True,
        checkpoint_time=now,
        sequence=1,
        committed_count=3,
        committed_stamp=now,
        committed_execution_id=execution_id,
        first_execution_id="e1",
        etag=None if before is None else before.etag,
    )
    events: list[HistoryEvent] = [
        OrchestratorStarted(timestamp=now),
        ExecutionStarted(timestamp=now, instance=instance, name=instance_id, input=text),
        OrchestratorCompleted(timestamp=now),
    ]
    await hub.history.commit(instance_id, events, 0, sentinel)
    stored = (await hub.history.load(instance_id)).events[1]
    blob = stored.blobs.get("Input")
    status = EntityStatus(
        exists=state.state is not None, queue_size=len(state.queue), locked_by=state.locked_by
    )
    return InstanceRow(
        instance_id=instance_id,
        execution_id=execution_id,
        name=instance_id,
        version="",
        input=text if blob is None else hub.payloads.url(blob),
        custom_status=encode_status(status),
        created_time=now,
        last_updated_time=now,
        status=RuntimeStatus.RUNNING,
        checkpoint_sequence=1,
    )


async def told(hub: TaskHub) -> list[tuple[str, EntityMessage, TaskMessage]]:
    """What visible messages tell entities: to whom, what, and the message itself."""
    found = []
    for queue in hub.names.control_queues:
        for text in await hub.account.queues.peek(queue):
            message = decode_message(text.text)
            if isinstance(message, BlobPointer):
                message = await hub.payloads.read_message(message)
            event = message.event
            assert isinstance(event, EventRaised)
            content = decode_entity_message(event.name, event.input, "a test")
            found.append((message.target.instance_id, content, message))
    return found
