"""An instance that failed on its one activity, written as the commit would."""

from __future__ import annotations

from durable.hub.taskhub import TaskHub
from durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskFailed,
    TaskScheduled,
)
from durable.model.history import Sentinel
from durable.model.status import InstanceRow, RuntimeStatus


async def insert_failed(hub: TaskHub, instance_id: str, execution_id: str = "e1") -> InstanceRow:
    """Write its history and its row."""
    await hub.ensure()
    now = hub.clock.now()
    instance = InstanceRef(instance_id=instance_id, execution_id=execution_id)
    events: list[HistoryEvent] = [
        OrchestratorStarted(timestamp=now),
        ExecutionStarted(timestamp=now, instance=instance, name="hello"),
        TaskScheduled(timestamp=now, event_id=0, name="fixable"),
        OrchestratorCompleted(timestamp=now),
        OrchestratorStarted(timestamp=now),
        TaskFailed(timestamp=now, task_id=0, reason="boom"),
        ExecutionCompleted(
            timestamp=now, event_id=1, status=RuntimeStatus.FAILED, result="it failed: boom"
        ),
        OrchestratorCompleted(timestamp=now),
    ]
    sentinel = Sentinel(
        execution_id=execution_id,
        is_checkpoint_complete=True,
        checkpoint_time=now,
        sequence=2,
        committed_count=len(events),
        committed_stamp=now,
        committed_execution_id=execution_id,
        first_execution_id=execution_id,
    )
    await hub.history.commit(instance_id, events, 0, sentinel)
    return await hub.instances.insert(
        InstanceRow(
            instance_id=instance_id,
            execution_id=execution_id,
            name="hello",
            output="it failed: boom",
            created_time=now,
            last_updated_time=now,
            completed_time=now,
            status=RuntimeStatus.FAILED,
            checkpoint_sequence=2,
        )
    )
