"""Which properties each history event has, under which names; the same for messages and rows.

`EventWriter` is how a format takes properties, `Fields` how it gives them; `event_json` and
`history_rows` are the two formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypedDict, TypeVar, cast

from durable.model import events as e
from durable.model.status import RuntimeStatus
from durable.wire.entity_json import decode_earlier, encode_earlier
from durable.wire.fields import Fields
from durable.wire.nested import (
    Nested,
    read_failure,
    read_instance,
    read_parent,
    read_status,
    read_tags,
    read_trace,
)
from durable.wire.text import to_json


class Common(TypedDict):
    """What every event has."""

    timestamp: datetime
    event_id: int
    is_played: bool


class EventWriter(Protocol):
    """Takes an event's properties, in order."""

    def text(self, name: str, value: str | None) -> None: ...
    def integer(self, name: str, value: int | None) -> None: ...
    def flag(self, name: str, value: bool) -> None: ...
    def moment(self, name: str, value: datetime | None) -> None: ...
    def status(self, name: str, value: RuntimeStatus) -> None: ...
    def nested(self, name: str, value: Nested | None) -> None: ...
    def json(self, name: str, value: str | None) -> None: ...
    def ours(self, name: str, value: str | datetime | tuple[str, ...] | None) -> None:
        """A column of ours, which messages don't have."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One event type: its name in rows, its number and class in messages, its properties.

    `leading` is the property that .NET writes before EventType, a field among properties.
    """

    name: str
    number: int
    type_name: str
    leading: str | None
    write: Callable[[e.Event, EventWriter], None]
    read: Callable[[Fields, Common], e.HistoryEvent]


#: How the Reason of a row begins that a rewind changed; the type it was follows.
REWOUND = "Rewound: "
#: *Ours*: what a child reported before it was rewound no longer counts.
REWOUND_CHILD = "RewoundChild"
#: *Ours*: the last requests to entities of the executions before this one.
SENT_BEFORE = "SentBefore"
#: *Ours*: the releases of what the execution before had locked, by entity.
FREES = "Frees"

_E = TypeVar("_E", bound=e.Event)
_BY_CLASS: dict[type[e.Event], Shape] = {}
BY_NAME: dict[str, Shape] = {}
BY_TYPE: dict[str, Shape] = {}


def shape_of(event: e.HistoryEvent) -> Shape:
    """The shape of an event's class."""
    return _BY_CLASS[type(event)]


def event_type_name(event: e.HistoryEvent) -> str:
    """The framework's name of an event's type, e.g. ``TaskScheduled``."""
    return shape_of(event).name


def _shape(
    number: int,
    name: str,
    kind: type[_E],
    write: Callable[[_E, EventWriter], None],
    read: Callable[[Fields, Common], e.HistoryEvent],
    *,
    leading: str | None = None,
) -> None:
    suffix = "" if name.endswith("Event") else "Event"
    shape = Shape(
        name=name,
        number=number,
        type_name=f"DurableTask.Core.History.{name}{suffix}",
        leading=leading,
        write=cast("Callable[[e.Event, EventWriter], None]", write),
        read=read,
    )
    _BY_CLASS[kind] = BY_NAME[name] = BY_TYPE[shape.type_name] = shape


def _write_nothing(_event: e.Event, _out: EventWriter) -> None:
    """Such an event has only what every event has."""


def _write_started(event: e.ExecutionStarted, out: EventWriter) -> None:
    out.nested("OrchestrationInstance", event.instance)
    out.nested("ParentInstance", event.parent)
    out.text("Name", event.name)
    out.text("Version", event.version)
    out.text("Input", event.input)
    out.nested("Tags", event.tags)
    out.text("Correlation", event.correlation)
    out.nested("ParentTraceContext", event.parent_trace_context)
    out.moment("ScheduledStartTime", event.scheduled_start_time)
    out.integer("Generation", event.generation)
    out.flag("GenerateNewTrace", event.generate_new_trace)
    if event.sent_before:
        out.ours(SENT_BEFORE, encode_earlier(event.sent_before))
    if event.frees:
        out.ours(FREES, to_json(dict(event.frees)))


def _read_started(fields: Fields, common: Common) -> e.ExecutionStarted:
    return e.ExecutionStarted(
        **common,
        instance=read_instance(fields.required("OrchestrationInstance")),
        parent=read_parent(fields.nested("ParentInstance")),
        name=fields.text("Name"),
        version=fields.text("Version"),
        input=fields.text("Input"),
        tags=read_tags(fields.nested("Tags")),
        correlation=fields.text("Correlation"),
        parent_trace_context=read_trace(fields.nested("ParentTraceContext")),
        scheduled_start_time=fields.optional_moment("ScheduledStartTime"),
        generation=fields.optional_integer("Generation"),
        generate_new_trace=fields.flag("GenerateNewTrace"),
        sent_before=decode_earlier(fields.text(SENT_BEFORE), fields.path(SENT_BEFORE)),
        frees=_read_frees(fields.nested(FREES)),
    )


def _read_frees(found: Fields | None) -> dict[str, str]:
    return {} if found is None else {name: found.required_text(name) for name in found.names()}


def _write_continued(event: e.ContinueAsNew | e.ExecutionCompleted, out: EventWriter) -> None:
    out.status("OrchestrationStatus", event.status)
    out.text("Result", event.result)
    out.nested("FailureDetails", event.failure)


def _read_continued(fields: Fields, common: Common) -> e.ContinueAsNew:
    return e.ContinueAsNew(
        **common,
        status=read_status(fields, "OrchestrationStatus"),
        result=fields.text("Result"),
        failure=read_failure(fields.nested("FailureDetails")),
    )


def _write_completed(event: e.ExecutionCompleted, out: EventWriter) -> None:
    _write_continued(event, out)
    out.ours("Carried", event.carried)
    out.ours("SentOn", event.sent_on)
    out.ours("NextVersion", event.next_version)


def _read_completed(fields: Fields, common: Common) -> e.ExecutionCompleted:
    return e.ExecutionCompleted(
        **common,
        status=read_status(fields, "OrchestrationStatus"),
        result=fields.text("Result"),
        failure=read_failure(fields.nested("FailureDetails")),
        carried=fields.texts("Carried"),
        sent_on=fields.texts("SentOn"),
        next_version=fields.text("NextVersion"),
    )


def _write_terminated(event: e.ExecutionTerminated, out: EventWriter) -> None:
    out.text("Input", event.reason)


def _read_terminated(fields: Fields, common: Common) -> e.ExecutionTerminated:
    return e.ExecutionTerminated(**common, reason=fields.text("Input"))


def _write_reason(event: e.ExecutionSuspended | e.ExecutionResumed, out: EventWriter) -> None:
    out.text("Reason", event.reason)


def _read_suspended(fields: Fields, common: Common) -> e.ExecutionSuspended:
    return e.ExecutionSuspended(**common, reason=fields.text("Reason"))


def _read_resumed(fields: Fields, common: Common) -> e.ExecutionResumed:
    return e.ExecutionResumed(**common, reason=fields.text("Reason"))


def _write_rewound(event: e.ExecutionRewound, out: EventWriter) -> None:
    out.text("Reason", event.reason)
    out.text("ParentExecutionId", event.parent_execution_id)
    out.text("InstanceId", event.instance_id)
    out.nested("ParentTraceContext", event.parent_trace_context)


def _read_rewound(fields: Fields, common: Common) -> e.ExecutionRewound:
    return e.ExecutionRewound(
        **common,
        reason=fields.text("Reason"),
        parent_execution_id=fields.text("ParentExecutionId"),
        instance_id=fields.text("InstanceId"),
        parent_trace_context=read_trace(fields.nested("ParentTraceContext")),
    )


def _write_scheduled(event: e.TaskScheduled, out: EventWriter) -> None:
    out.text("Name", event.name)
    out.text("Version", event.version)
    out.text("Input", event.input)
    out.nested("ParentTraceContext", event.parent_trace_context)
    out.nested("Tags", event.tags)


def _read_scheduled(fields: Fields, common: Common) -> e.TaskScheduled:
    return e.TaskScheduled(
        **common,
        name=fields.text("Name"),
        version=fields.text("Version"),
        input=fields.text("Input"),
        parent_trace_context=read_trace(fields.nested("ParentTraceContext")),
        tags=read_tags(fields.nested("Tags")),
    )


def _write_result(event: e.TaskCompleted | e.SubOrchestrationCompleted, out: EventWriter) -> None:
    out.integer("TaskScheduledId", event.task_id)
    out.text("Result", event.result)


def _read_result(fields: Fields, common: Common) -> e.TaskCompleted:
    return e.TaskCompleted(
        **common, task_id=fields.integer("TaskScheduledId"), result=fields.text("Result")
    )


def _read_child_result(fields: Fields, common: Common) -> e.SubOrchestrationCompleted:
    return e.SubOrchestrationCompleted(
        **common, task_id=fields.integer("TaskScheduledId"), result=fields.text("Result")
    )


def _write_failed(event: e.TaskFailed | e.SubOrchestrationFailed, out: EventWriter) -> None:
    out.integer("TaskScheduledId", event.task_id)
    out.text("Reason", event.reason)
    out.text("Details", event.details)
    out.nested("FailureDetails", event.failure)


def _read_failed(fields: Fields, common: Common) -> e.TaskFailed:
    return e.TaskFailed(
        **common,
        task_id=fields.integer("TaskScheduledId"),
        reason=fields.text("Reason"),
        details=fields.text("Details"),
        failure=read_failure(fields.nested("FailureDetails")),
    )


def _read_child_failed(fields: Fields, common: Common) -> e.SubOrchestrationFailed:
    return e.SubOrchestrationFailed(
        **common,
        task_id=fields.integer("TaskScheduledId"),
        reason=fields.text("Reason"),
        details=fields.text("Details"),
        failure=read_failure(fields.nested("FailureDetails")),
    )


def _write_child(event: e.SubOrchestrationCreated, out: EventWriter) -> None:
    out.text("Name", event.name)
    out.text("Version", event.version)
    out.text("InstanceId", event.instance_id)
    out.text("Input", event.input)
    out.text("ClientSpanId", event.client_span_id)
    out.nested("Tags", event.tags)
    out.ours(REWOUND_CHILD, child_mark(event.rewound_child))


def _read_child(fields: Fields, common: Common) -> e.SubOrchestrationCreated:
    return e.SubOrchestrationCreated(
        **common,
        name=fields.text("Name"),
        version=fields.text("Version"),
        instance_id=fields.text("InstanceId"),
        input=fields.text("Input"),
        client_span_id=fields.text("ClientSpanId"),
        tags=read_tags(fields.nested("Tags")),
        rewound_child=_read_child_mark(fields),
    )


def child_mark(mark: e.RewoundChild | None) -> str | None:
    """The text of the column `REWOUND_CHILD`."""
    return None if mark is None else f"{mark.sequence}:{mark.execution_id}"


def _read_child_mark(fields: Fields) -> e.RewoundChild | None:
    text = fields.text(REWOUND_CHILD)
    if not text:
        return None
    sequence, _, execution_id = text.partition(":")
    if not (sequence.isascii() and sequence.isdigit()):
        raise fields.corrupt(REWOUND_CHILD, "a number, a colon, an execution id")
    return e.RewoundChild(execution_id=execution_id, sequence=int(sequence))


def _write_timer(event: e.TimerCreated, out: EventWriter) -> None:
    out.moment("FireAt", event.fire_at)


def _read_timer(fields: Fields, common: Common) -> e.TimerCreated:
    return e.TimerCreated(**common, fire_at=fields.moment("FireAt"))


def _write_fired(event: e.TimerFired, out: EventWriter) -> None:
    out.integer("TimerId", event.timer_id)
    out.moment("FireAt", event.fire_at)


def _read_fired(fields: Fields, common: Common) -> e.TimerFired:
    return e.TimerFired(
        **common, timer_id=fields.integer("TimerId"), fire_at=fields.moment("FireAt")
    )


def _write_sent(event: e.EventSent, out: EventWriter) -> None:
    out.text("InstanceId", event.instance_id)
    out.text("Name", event.name)
    out.text("Input", event.input)
    out.ours("DeliverAt", event.deliver_at)
    out.ours("ForExecutionId", event.execution_id)


def _read_sent(fields: Fields, common: Common) -> e.EventSent:
    return e.EventSent(
        **common,
        instance_id=fields.text("InstanceId"),
        name=fields.text("Name"),
        input=fields.text("Input"),
        deliver_at=fields.optional_moment("DeliverAt"),
        execution_id=fields.text("ForExecutionId"),
    )


def _write_raised(event: e.EventRaised, out: EventWriter) -> None:
    out.text("Name", event.name)
    out.text("Input", event.input)
    out.nested("ParentTraceContext", event.parent_trace_context)
    out.ours("Identity", event.identity)


def _read_raised(fields: Fields, common: Common) -> e.EventRaised:
    return e.EventRaised(
        **common,
        name=fields.text("Name"),
        input=fields.text("Input"),
        parent_trace_context=read_trace(fields.nested("ParentTraceContext")),
        identity=fields.text("Identity"),
    )


def _write_generic(event: e.GenericEvent, out: EventWriter) -> None:
    out.text("Data", event.data)
    out.ours("Reason", event.reason)


def _read_generic(fields: Fields, common: Common) -> e.GenericEvent:
    reason = fields.text("Reason")
    return e.GenericEvent(
        **common,
        data=fields.text("Data"),
        reason=reason,
        is_rewound=reason is not None and reason.startswith(REWOUND),
    )


def _write_state(event: e.HistoryState, out: EventWriter) -> None:
    out.json("State", event.state)


def _read_state(fields: Fields, common: Common) -> e.HistoryState:
    return e.HistoryState(**common, state=fields.json_text("State"))


def _read_turn_start(_fields: Fields, common: Common) -> e.OrchestratorStarted:
    return e.OrchestratorStarted(**common)


def _write_turn_end(event: e.OrchestratorCompleted, out: EventWriter) -> None:
    out.ours("CustomStatus", event.custom_status)


def _read_turn_end(fields: Fields, common: Common) -> e.OrchestratorCompleted:
    return e.OrchestratorCompleted(**common, custom_status=fields.text("CustomStatus"))


_CHILD = "SubOrchestrationInstance"
# 2, ExecutionFailed, has no class in the framework: it is never written and can't be read.
_shape(
    0,
    "ExecutionStarted",
    e.ExecutionStarted,
    _write_started,
    _read_started,
    leading="OrchestrationInstance",
)
_shape(1, "ExecutionCompleted", e.ExecutionCompleted, _write_completed, _read_completed)
_shape(3, "ExecutionTerminated", e.ExecutionTerminated, _write_terminated, _read_terminated)
_shape(4, "TaskScheduled", e.TaskScheduled, _write_scheduled, _read_scheduled)
_shape(5, "TaskCompleted", e.TaskCompleted, _write_result, _read_result)
_shape(6, "TaskFailed", e.TaskFailed, _write_failed, _read_failed)
_shape(7, f"{_CHILD}Created", e.SubOrchestrationCreated, _write_child, _read_child)
_shape(8, f"{_CHILD}Completed", e.SubOrchestrationCompleted, _write_result, _read_child_result)
_shape(9, f"{_CHILD}Failed", e.SubOrchestrationFailed, _write_failed, _read_child_failed)
_shape(10, "TimerCreated", e.TimerCreated, _write_timer, _read_timer)
_shape(11, "TimerFired", e.TimerFired, _write_fired, _read_fired)
_shape(12, "OrchestratorStarted", e.OrchestratorStarted, _write_nothing, _read_turn_start)
_shape(13, "OrchestratorCompleted", e.OrchestratorCompleted, _write_turn_end, _read_turn_end)
_shape(14, "EventSent", e.EventSent, _write_sent, _read_sent)
_shape(15, "EventRaised", e.EventRaised, _write_raised, _read_raised)
_shape(16, "ContinueAsNew", e.ContinueAsNew, _write_continued, _read_continued)
_shape(17, "GenericEvent", e.GenericEvent, _write_generic, _read_generic, leading="Data")
_shape(18, "HistoryState", e.HistoryState, _write_state, _read_state)
_shape(19, "ExecutionSuspended", e.ExecutionSuspended, _write_reason, _read_suspended)
_shape(20, "ExecutionResumed", e.ExecutionResumed, _write_reason, _read_resumed)
_shape(21, "ExecutionRewound", e.ExecutionRewound, _write_rewound, _read_rewound)
