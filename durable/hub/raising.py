"""Messages that clients send to instances: events, terminations, suspensions, wake-ups, signals.

No state is checked here: who may send what to whom is the client's rule. What arrives for nobody
is retried, then quarantined (R7).
"""

from __future__ import annotations

import uuid
from datetime import datetime

from durable.engine.limits import check_payload
from durable.hub.taskhub import TaskHub
from durable.model.entities import MAX_DELAY, OperationRequest, Outgoing
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
    InstanceRef,
)
from durable.model.ids import derived_activity_id
from durable.model.messages import Extras, Outbound, TaskMessage
from durable.wire.entity_json import event_of


async def raise_event(
    hub: TaskHub, instance_id: str, name: str, input_text: str | None, *, line: str | None = None
) -> None:
    """Send an external event. R7: its identity is made here, before the first put.

    `line` as for `terminate`: the event is for no run before that execution, and for none after.

    Raises:
        PayloadTooLarge: the input is larger than maxPayloadBytes. So do the others here.
    """
    event = EventRaised(timestamp=hub.clock.now(), name=name, input=input_text)
    await _send(hub, instance_id, event, identity=f"c:{hub.clock.new_id()}", line=line)


async def signal(
    hub: TaskHub, entity: str, op: str, input_text: str | None, due: datetime | None = None
) -> None:
    """Ask an entity, by its instance id, for an operation; nobody waits for the answer.

    `due` is when it may run. Nothing need be there: the first message makes an entity.
    """
    now = hub.clock.now()
    if due is not None and due <= now:
        due = None
    request = OperationRequest(
        op=op, id=str(uuid.UUID(hub.clock.new_id())), is_signal=True, input=input_text, due=due
    )
    # What is due later than a message can wait for is sent on by the entity.
    deliver_at = None if due is None else min(due, now + MAX_DELAY)
    await tell_entity(hub, Outgoing(target=entity, message=request, deliver_at=deliver_at))


async def tell_entity(hub: TaskHub, outgoing: Outgoing) -> None:
    """Send an entity a message, whatever its execution. R7: its identity is made here."""
    name, text = event_of(outgoing)
    event = EventRaised(timestamp=hub.clock.now(), name=name, input=text)
    identity = f"c:{hub.clock.new_id()}"
    await _send(hub, outgoing.target, event, identity=identity, due=outgoing.deliver_at)


async def terminate(
    hub: TaskHub, instance_id: str, reason: str | None, *, line: str | None = None
) -> None:
    """Ask for the end of an instance. `reason` is plain text.

    `line` is the execution that began the instance which is meant; one that is started under the
    same id later is left alone (W25).
    """
    event = ExecutionTerminated(timestamp=hub.clock.now(), reason=reason)
    await _send(hub, instance_id, event, line=line)


async def suspend(
    hub: TaskHub, instance_id: str, reason: str | None, *, line: str | None = None
) -> None:
    """Ask an instance to stand still; what arrives for it is kept.

    `reason` is plain text, `line` as for `terminate`.
    """
    event = ExecutionSuspended(timestamp=hub.clock.now(), reason=reason)
    await _send(hub, instance_id, event, line=line)


async def resume(
    hub: TaskHub, instance_id: str, reason: str | None, *, line: str | None = None
) -> None:
    """Ask a suspended instance to go on. `reason` is plain text, `line` as for `terminate`."""
    event = ExecutionResumed(timestamp=hub.clock.now(), reason=reason)
    await _send(hub, instance_id, event, line=line)


async def wake(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Make a rewound instance go on. `reason` is plain text."""
    event = GenericEvent(timestamp=hub.clock.now(), data=reason)
    await _send(hub, instance_id, event)


async def _send(
    hub: TaskHub,
    instance_id: str,
    event: HistoryEvent,
    *,
    identity: str | None = None,
    due: datetime | None = None,
    line: str | None = None,
) -> None:
    _check_size(hub, instance_id, event)
    message = TaskMessage(
        event=event,
        target=InstanceRef(instance_id=instance_id),
        activity_id=derived_activity_id(hub.clock.new_id()),
        sender=InstanceRef(instance_id="", execution_id=""),
        extras=Extras(mark=True, identity=identity, line=line),
    )
    await hub.post(Outbound(message=message, due=due))


def _check_size(hub: TaskHub, instance_id: str, event: HistoryEvent) -> None:
    """What is refused here would be quarantined there, or fail its instance."""
    limit = hub.settings.payload_limit_bytes
    match event:
        case EventRaised():
            check_payload(event.input, limit, f"what is sent to instance {instance_id!r}")
        case ExecutionTerminated() | ExecutionSuspended() | ExecutionResumed():
            check_payload(event.reason, limit, f"the reason given to instance {instance_id!r}")
        case _:
            return
