"""Rows, sentinels, Instances rows and messages, made with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from durable.engine.judgement import Waiting
from durable.engine.ledger import Ledger
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    GenericEvent,
    HistoryEvent,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.failure import FailureDetails
from durable.model.history import Sentinel, StoredEvent
from durable.model.messages import Extras, TaskMessage
from durable.model.status import InstanceRow, RuntimeStatus
from tests.unit.engine.conftest import T0

PARENT = ParentInstance(
    name="parent", instance=InstanceRef(instance_id="p1", execution_id="pe"), task_id=7
)


def opened(at: datetime = T0) -> OrchestratorStarted:
    return OrchestratorStarted(timestamp=at)


def closed(custom_status: str | None = None) -> OrchestratorCompleted:
    return OrchestratorCompleted(timestamp=T0, custom_status=custom_status)


def started(
    execution_id: str | None = "e1",
    *,
    parent: ParentInstance | None = None,
    tags: Mapping[str, str] | None = None,
    version: str | None = None,
) -> ExecutionStarted:
    return ExecutionStarted(
        timestamp=T0,
        instance=InstanceRef(instance_id="i1", execution_id=execution_id),
        name="orchestrator",
        input='"in"',
        version=version,
        parent=parent,
        tags=tags,
    )


def scheduled(task_id: int, name: str = "work") -> TaskScheduled:
    return TaskScheduled(timestamp=T0, event_id=task_id, name=name, input=f"[{task_id}]")


def created(task_id: int, instance_id: str | None = "c1") -> SubOrchestrationCreated:
    return SubOrchestrationCreated(
        timestamp=T0, event_id=task_id, name="child", instance_id=instance_id
    )


def timer(task_id: int, fire_at: datetime = T0) -> TimerCreated:
    return TimerCreated(timestamp=T0, event_id=task_id, fire_at=fire_at)


def sent(task_id: int, deliver_at: datetime | None = None) -> EventSent:
    return EventSent(
        timestamp=T0, event_id=task_id, instance_id="o1", name="E", input="1", deliver_at=deliver_at
    )


def done(task_id: int) -> TaskCompleted:
    return TaskCompleted(timestamp=T0, task_id=task_id, result=f'"r{task_id}"')


def failed(task_id: int, failure: FailureDetails | None = None, reason: str = "") -> TaskFailed:
    return TaskFailed(timestamp=T0, task_id=task_id, reason=reason, failure=failure)


def child_failed(task_id: int, failure: FailureDetails | None = None) -> SubOrchestrationFailed:
    return SubOrchestrationFailed(timestamp=T0, task_id=task_id, failure=failure)


def reported(task_id: int) -> SubOrchestrationCompleted:
    return SubOrchestrationCompleted(timestamp=T0, task_id=task_id, result='"r"')


def undone(task_id: int = -1) -> GenericEvent:
    """What a rewind left of a row."""
    return GenericEvent(timestamp=T0, event_id=task_id, reason="Rewound: it", is_rewound=True)


def woken(reason: str | None = None) -> GenericEvent:
    return GenericEvent(timestamp=T0, data=reason)


def fired(task_id: int) -> TimerFired:
    return TimerFired(timestamp=T0, timer_id=task_id, fire_at=T0)


def raised(
    identity: str | None, name: str = "E", value: str = "1", at: datetime = T0
) -> EventRaised:
    return EventRaised(timestamp=at, name=name, input=value, identity=identity)


def ended(
    status: RuntimeStatus = RuntimeStatus.COMPLETED,
    *,
    task_id: int = 9,
    result: str | None = '"out"',
    carried: tuple[str, ...] = (),
    sent_on: tuple[str, ...] = (),
) -> ExecutionCompleted:
    return ExecutionCompleted(
        timestamp=T0,
        event_id=task_id,
        status=status,
        result=result,
        carried=carried,
        sent_on=sent_on,
    )


def continued(
    carried: tuple[str, ...] = (), sent_on: tuple[str, ...] = (), result: str = '"next"'
) -> ExecutionCompleted:
    return ended(RuntimeStatus.CONTINUED_AS_NEW, result=result, carried=carried, sent_on=sent_on)


def stretch(*events: HistoryEvent, at: datetime = T0) -> list[HistoryEvent]:
    return [opened(at), *events, closed()]


def ledger(*stretches: Iterable[HistoryEvent]) -> Ledger:
    return Ledger(StoredEvent(event=event) for events in stretches for event in events)


def sentinel(
    execution_id: str | None = "e1",
    *,
    sequence: int | None = 1,
    first: str | None = "e1",
    purged: bool = False,
) -> Sentinel:
    return Sentinel(
        execution_id=execution_id,
        checkpoint_time=T0,
        committed_stamp=T0,
        committed_execution_id=execution_id,
        sequence=sequence,
        first_execution_id=first,
        purged=purged,
    )


def row(
    execution_id: str | None = "e1",
    *,
    sequence: int | None = 1,
    status: RuntimeStatus = RuntimeStatus.RUNNING,
    due: datetime | None = None,
) -> InstanceRow:
    return InstanceRow(
        instance_id="i1",
        execution_id=execution_id,
        status=status,
        checkpoint_sequence=sequence,
        scheduled_start_time=due,
    )


def pending(execution_id: str | None = "e2", *, due: datetime | None = None) -> InstanceRow:
    return row(execution_id, sequence=None, status=RuntimeStatus.PENDING, due=due)


def waiting(
    key: str,
    event: HistoryEvent,
    execution_id: str | None = None,
    *,
    mark: bool = True,
    identity: str | None = None,
) -> Waiting:
    """A message for instance i1; a start names its own execution."""
    if isinstance(event, ExecutionStarted):
        execution_id = event.instance.execution_id
    if isinstance(event, EventRaised):
        identity, event = identity or event.identity, replace(event, identity=None)
    return Waiting(
        key=key,
        message=TaskMessage(
            event=event,
            target=InstanceRef(instance_id="i1", execution_id=execution_id),
            activity_id=f"a-{key}",
            extras=Extras(mark=mark, identity=identity),
        ),
    )
