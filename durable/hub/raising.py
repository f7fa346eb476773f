"""Messages that clients send to instances: events, terminations, suspensions.

No state is checked here: who may send what to whom is the client's rule. What arrives for nobody
is retried, then quarantined (R7).
"""

from __future__ import annotations

from durable.hub.taskhub import TaskHub
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    InstanceRef,
)
from durable.model.ids import derived_activity_id
from durable.model.messages import Extras, Outbound, TaskMessage


async def raise_event(hub: TaskHub, instance_id: str, name: str, input_text: str | None) -> None:
    """Send an external event. R7: its identity is made here, before the first put."""
    event = EventRaised(timestamp=hub.clock.now(), name=name, input=input_text)
    await _send(hub, instance_id, event, identity=f"c:{hub.clock.new_id()}")


async def terminate(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Ask for the end of an instance. `reason` is plain text."""
    event = ExecutionTerminated(timestamp=hub.clock.now(), reason=reason)
    await _send(hub, instance_id, event)


async def suspend(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Ask an instance to stand still; what arrives for it is kept. `reason` is plain text."""
    event = ExecutionSuspended(timestamp=hub.clock.now(), reason=reason)
    await _send(hub, instance_id, event)


async def resume(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Ask a suspended instance to go on. `reason` is plain text."""
    event = ExecutionResumed(timestamp=hub.clock.now(), reason=reason)
    await _send(hub, instance_id, event)


async def _send(
    hub: TaskHub, instance_id: str, event: HistoryEvent, *, identity: str | None = None
) -> None:
    message = TaskMessage(
        event=event,
        target=InstanceRef(instance_id=instance_id),
        activity_id=derived_activity_id(hub.clock.new_id()),
        sender=InstanceRef(instance_id="", execution_id=""),
        extras=Extras(mark=True, identity=identity),
    )
    await hub.outbox.send(Outbound(message=message))
