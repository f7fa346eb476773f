"""Actions an orchestrator asked for, turned into the history rows that record them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from durable.engine.derive import FIRE_AND_FORGET
from durable.model import ids
from durable.model.actions import (
    CreateTimer,
    Outcome,
    Recordable,
    ScheduleActivity,
    SendEvent,
    StartChild,
)
from durable.model.events import (
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)


def decision_row(
    action: Recordable, started: ExecutionStarted, now: datetime, default_version: str = ""
) -> HistoryEvent:
    """The row that records `action` of the execution that `started` began.

    A child whose action names no version gets `default_version`.
    """
    match action:
        case ScheduleActivity():
            return TaskScheduled(
                timestamp=now,
                event_id=action.task_id,
                name=action.name,
                version=action.version or "",
                input=action.input,
                tags=action.tags,
            )
        case CreateTimer():
            return TimerCreated(timestamp=now, event_id=action.task_id, fire_at=action.fire_at)
        case StartChild():
            return SubOrchestrationCreated(
                timestamp=now,
                event_id=action.task_id,
                name=action.name,
                version=default_version if action.version is None else action.version,
                input=action.input,
                instance_id=action.instance_id
                or ids.child_instance_id(started.instance.execution_id or "", action.task_id),
                tags=_child_tags(action, started),
            )
        case SendEvent():
            return EventSent(
                timestamp=now,
                event_id=action.task_id,
                instance_id=action.instance_id,
                name=action.name,
                input=action.input,
                deliver_at=action.deliver_at,
                execution_id=action.execution_id,
            )
        case _:
            assert_never(action)


def completion_row(outcome: Outcome, now: datetime) -> ExecutionCompleted:
    """The row that records how an execution ends."""
    return ExecutionCompleted(
        timestamp=now,
        event_id=outcome.task_id,
        status=outcome.status,
        result=outcome.result,
        failure=outcome.failure,
        next_version=outcome.next_version,
    )


def _child_tags(action: StartChild, started: ExecutionStarted) -> Mapping[str, str] | None:
    """A child's own tags first, then its parent's that it doesn't override (recorded.md)."""
    tags = dict(action.tags or {})
    if action.fire_and_forget:
        tags[FIRE_AND_FORGET] = ""
    for name, value in (started.tags or {}).items():
        if name != FIRE_AND_FORGET:  # never inherited
            tags.setdefault(name, value)
    return tags or None
