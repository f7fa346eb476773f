"""Deliveries of messages for instance i1, made with as few words as a test needs."""

from __future__ import annotations

import asyncio
from datetime import datetime

from durable.model.events import EventRaised, ExecutionStarted, HistoryEvent, InstanceRef
from durable.model.messages import Cause, Extras, TaskMessage
from durable.model.times import NO_TIME
from durable.runtime.delivery import Delivery, Lease
from durable.storage.values import QueueMessage

I1 = InstanceRef(instance_id="i1", execution_id="e1")


def delivery(
    key: str,
    event: HistoryEvent | None = None,
    *,
    since: datetime | None = None,
    cause: Cause = Cause.INSTANCE,
) -> Delivery:
    """An event for the instance, unless told otherwise."""
    return Delivery(
        queue="hub-control-00",
        raw=QueueMessage(
            id=key,
            pop_receipt="p",
            text="{}",
            dequeue_count=1,
            inserted=NO_TIME,
            next_visible=NO_TIME,
        ),
        message=TaskMessage(
            event=event or EventRaised(timestamp=NO_TIME, name="E"),
            target=I1,
            activity_id=f"a-{key}",
            extras=Extras(since=since, cause=cause if since is not None else None),
        ),
        lease=Lease(600.0),
    )


def start_event() -> ExecutionStarted:
    return ExecutionStarted(timestamp=NO_TIME, instance=I1, name="orchestrator")


async def settle() -> None:
    """Let everything run that can without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)
