"""History events, one class each, and the closed union `HistoryEvent`.

The classes and fields are DurableTask.Core's (spec/storage-format.md 3.4 and 5.3). Fields marked
*ours* are extra columns of our history rows, unknown to the original and ignored by it.
Payloads (`input`, `result`, ...) are JSON texts; this layer never parses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from durable.model.entities import Earlier
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceRef:
    """An instance and, when known, one execution (generation) of it."""

    instance_id: str
    execution_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ParentInstance:
    """Who started a child, and under which of the parent's task ids it waits for the result."""

    name: str | None
    instance: InstanceRef
    task_id: int
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceContext:
    """A W3C trace context as the framework stores it. `activity_start_time` keeps its text."""

    trace_parent: str | None = None
    trace_state: str | None = None
    id: str | None = None
    span_id: str | None = None
    activity_start_time: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What every history event has. `event_id` is the task id of a decision, else -1."""

    timestamp: datetime
    event_id: int = -1
    is_played: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class OrchestratorStarted(Event):
    """An episode begins; its time is the orchestrator's ``current_utc_datetime``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrchestratorCompleted(Event):
    """An episode ends. *Ours*: `custom_status`, the JSON text set in this episode, if any.

    The original keeps a custom status in the Instances row alone, and loses one when it crashes
    between history and row.
    """

    custom_status: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionStarted(Event):
    """An execution begins: what runs, with which input, for whom.

    *Ours*: `sent_before`, the last requests to entities of the executions before it, by target;
    `frees`, for entities that the execution it replaces had locked, what tells them so.
    """

    instance: InstanceRef
    name: str | None
    version: str | None = None
    input: str | None = None
    parent: ParentInstance | None = None
    tags: Mapping[str, str] | None = None
    correlation: str | None = None
    parent_trace_context: TraceContext | None = None
    scheduled_start_time: datetime | None = None
    generation: int | None = None
    generate_new_trace: bool = False
    sent_before: Mapping[str, Earlier] = field(default_factory=dict)
    frees: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionCompleted(Event):
    """An execution ends. With status ContinuedAsNew, `result` is the next input.

    *Ours*, for continue-as-new (R1): `carried` names the events (by identity) that the next
    execution's first checkpoint takes over, `sent_on` those sent to the instance itself;
    `next_version` is the next execution's version when it changes.
    """

    status: RuntimeStatus
    result: str | None = None
    failure: FailureDetails | None = None
    carried: tuple[str, ...] = ()
    sent_on: tuple[str, ...] = ()
    next_version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ContinueAsNew(Event):
    """The original's in-memory continue-as-new marker; never persisted in practice."""

    status: RuntimeStatus = RuntimeStatus.CONTINUED_AS_NEW
    result: str | None = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionTerminated(Event):
    """A client asked for the end; `reason` is plain text (column Input)."""

    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionSuspended(Event):
    """A client asked to hold."""

    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionResumed(Event):
    """A client asked to go on."""

    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionRewound(Event):
    """Known to the framework, never put in a queue by this provider (recorded.md section 1)."""

    reason: str | None = None
    parent_execution_id: str | None = None
    instance_id: str | None = None
    parent_trace_context: TraceContext | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskScheduled(Event):
    """The decision to call an activity. Our rows always keep `input` (R12)."""

    name: str | None
    version: str | None = None
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCompleted(Event):
    """An activity's result."""

    task_id: int
    result: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFailed(Event):
    """An activity's failure: `reason` is its message, `details` the original's text form."""

    task_id: int
    reason: str | None = None
    details: str | None = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RewoundChild:
    """Where a child stood when it was rewound: what it reported up to then no longer counts."""

    execution_id: str
    sequence: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SubOrchestrationCreated(Event):
    """The decision to start a child. Our rows always keep `input` (R12).

    *Ours*: `rewound_child`, when a rewind of the parent rewound the child.
    """

    name: str | None
    instance_id: str | None
    version: str | None = None
    input: str | None = None
    client_span_id: str | None = None
    tags: Mapping[str, str] | None = None
    rewound_child: RewoundChild | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SubOrchestrationCompleted(Event):
    """A child's result."""

    task_id: int
    result: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SubOrchestrationFailed(Event):
    """A child's failure."""

    task_id: int
    reason: str | None = None
    details: str | None = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerCreated(Event):
    """The decision to wait until `fire_at`."""

    fire_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerFired(Event):
    """A timer is due. Its `timestamp` is the time the timer was created (recorded.md)."""

    timer_id: int
    fire_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EventSent(Event):
    """The decision to send an event.

    *Ours* (R12): `deliver_at`, when it is a delayed one; `execution_id`, when it is for that
    execution alone.
    """

    instance_id: str | None
    name: str | None
    input: str | None = None
    deliver_at: datetime | None = None
    execution_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRaised(Event):
    """An event for this instance. *Ours*: `identity`, made by the raiser (R7)."""

    name: str | None
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    identity: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GenericEvent(Event):
    """A wake-up without meaning of its own; rewind uses it.

    `is_rewound`: the row recorded something else, and a rewind took it back; `reason` says what.
    Its `event_id` is what it was.
    """

    data: str | None = None
    reason: str | None = None
    is_rewound: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryState(Event):
    """A snapshot the framework knows and this provider never writes. `state` is JSON text."""

    state: str | None = None


HistoryEvent = (
    OrchestratorStarted
    | OrchestratorCompleted
    | ExecutionStarted
    | ExecutionCompleted
    | ContinueAsNew
    | ExecutionTerminated
    | ExecutionSuspended
    | ExecutionResumed
    | ExecutionRewound
    | TaskScheduled
    | TaskCompleted
    | TaskFailed
    | SubOrchestrationCreated
    | SubOrchestrationCompleted
    | SubOrchestrationFailed
    | TimerCreated
    | TimerFired
    | EventSent
    | EventRaised
    | GenericEvent
    | HistoryState
)

#: Decisions: rows that the orchestrator's code caused, numbered by `event_id`.
Decision = TaskScheduled | SubOrchestrationCreated | TimerCreated | EventSent | ExecutionCompleted
#: Answers: each resolves one decision, named by its task id.
Answer = (
    TaskCompleted | TaskFailed | SubOrchestrationCompleted | SubOrchestrationFailed | TimerFired
)


def identity_of(event: HistoryEvent) -> str | None:
    """What tells an event that clients send from others of its kind (R7); None for the rest.

    Suspending, resuming and terminating carry no identity of their own, nor do their rows: the
    time at which the client sent them serves.
    """
    match event:
        case EventRaised():
            return event.identity
        case ExecutionSuspended() | ExecutionResumed() | ExecutionTerminated():
            return f"{type(event).__name__}:{event.timestamp.isoformat()}"
        case _:
            return None


def answered_task(event: HistoryEvent) -> int | None:
    """The task id that `event` answers, None when it is no answer."""
    match event:
        case (
            TaskCompleted() | TaskFailed() | SubOrchestrationCompleted() | SubOrchestrationFailed()
        ):
            return event.task_id
        case TimerFired():
            return event.timer_id
        case _:
            return None
