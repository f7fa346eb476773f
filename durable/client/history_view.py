"""A history as the management API shows it (``historyEvents``): the Durable extension's projection.

A decision and its answer become one entry, at the answer's place; episodes are left out. Names and
order of the members are recorded (spec/recorded.md section 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from durable.client.json_text import embedded
from durable.model.events import (
    ContinueAsNew,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
    HistoryState,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    TraceContext,
    answered_task,
)
from durable.model.failure import FailureDetails
from durable.wire.envelopes import event_type_name
from durable.wire.nested import to_object
from durable.wire.times import format_time

Entry = dict[str, object]
Scheduled = TaskScheduled | SubOrchestrationCreated
Answered = TaskCompleted | TaskFailed | SubOrchestrationCompleted | SubOrchestrationFailed
Reasoned = ExecutionTerminated | ExecutionSuspended | ExecutionResumed | ExecutionRewound


def history_view(
    events: Iterable[HistoryEvent], *, show_input: bool, show_output: bool
) -> list[Entry]:
    """The entries for `events`, the events of one execution in their order.

    Inputs are shown as the JSON texts they are, results as JSON values; either only when asked.
    """
    listed = list(events)
    view = _View(show_input=show_input, show_output=show_output)
    for event in listed:
        if isinstance(event, TaskScheduled | SubOrchestrationCreated):
            view.scheduled[event.event_id] = event
        elif (task_id := answered_task(event)) is not None:
            view.answered.add(task_id)
    return [entry for entry in map(view.entry, listed) if entry is not None]


@dataclass(slots=True)
class _View:
    show_input: bool
    show_output: bool
    scheduled: dict[int, Scheduled] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)

    def entry(self, event: HistoryEvent) -> Entry | None:
        match event:
            case OrchestratorStarted() | OrchestratorCompleted():
                return None
            case TaskScheduled() | SubOrchestrationCreated():
                return None if event.event_id in self.answered else self._pending(event)
            case (
                TaskCompleted()
                | TaskFailed()
                | SubOrchestrationCompleted()
                | SubOrchestrationFailed()
            ):
                return self._answer(event)
            case TimerCreated() | TimerFired():
                return _named(event, {"FireAt": format_time(event.fire_at)})
            case EventSent() | EventRaised():
                return self._message(event)
            case ExecutionStarted():
                return self._start(event)
            case ExecutionCompleted() | ContinueAsNew():
                return self._completion(event)
            case (
                ExecutionTerminated()
                | ExecutionSuspended()
                | ExecutionResumed()
                | ExecutionRewound()
            ):
                return _reasoned(event)
            case GenericEvent() | HistoryState():
                return _bare(event)
            case _:
                assert_never(event)

    def _input(self, text: str | None) -> Entry:
        return {"Input": text} if self.show_input else {}

    def _result(self, text: str | None) -> Entry:
        return {"Result": embedded(text)} if self.show_output else {}

    def _start(self, event: ExecutionStarted) -> Entry:
        members = self._input(event.input) | {
            "Correlation": event.correlation,
            "ParentTraceContext": _nested(event.parent_trace_context),
            "ScheduledStartTime": _time(event.scheduled_start_time),
            "Generation": event.generation,
            "GenerateNewTrace": event.generate_new_trace,
        }
        return _named(event, members) | {"FunctionName": event.name}

    def _completion(self, event: ExecutionCompleted | ContinueAsNew) -> Entry:
        members: Entry = {"OrchestrationStatus": event.status.value}
        members |= self._result(event.result) | {"FailureDetails": _nested(event.failure)}
        return _named(event, members)

    def _pending(self, event: Scheduled) -> Entry:
        tags = None if event.tags is None else dict(event.tags)
        if isinstance(event, TaskScheduled):
            members: Entry = {"Name": event.name} | self._input(event.input)
            members["ParentTraceContext"] = _nested(event.parent_trace_context)
            return _named(event, members | {"Tags": tags})
        members = {"Name": event.name, "InstanceId": event.instance_id} | self._input(event.input)
        return _named(event, members | {"ClientSpanId": event.client_span_id, "Tags": tags})

    def _answer(self, event: Answered) -> Entry:
        if isinstance(event, TaskCompleted | SubOrchestrationCompleted):
            entry = _named(event, self._result(event.result))
        else:
            failed: Entry = {"Reason": event.reason, "Details": event.details}
            entry = _named(event, failed | {"FailureDetails": _nested(event.failure)})
        scheduled = self.scheduled.get(event.task_id)
        if scheduled is not None:
            entry["ScheduledTime"] = format_time(scheduled.timestamp)
            entry["FunctionName"] = scheduled.name
            entry |= self._input(scheduled.input)
        return entry

    def _message(self, event: EventSent | EventRaised) -> Entry:
        if isinstance(event, EventSent):
            members: Entry = {"InstanceId": event.instance_id, "Name": event.name}
            return _named(event, members | self._input(event.input))
        members = {"Name": event.name} | self._input(event.input)
        members["ParentTraceContext"] = _nested(event.parent_trace_context)
        return _named(event, members)


def _named(event: HistoryEvent, members: Entry) -> Entry:
    return {
        "EventType": event_type_name(event),
        **members,
        "Timestamp": format_time(event.timestamp),
    }


def _bare(event: GenericEvent | HistoryState) -> Entry:
    # The recorded order: Data before EventType, for it is a field and not a property there.
    data: Entry = {"Data": event.data} if isinstance(event, GenericEvent) else {}
    return data | _named(event, {})


def _reasoned(event: Reasoned) -> Entry:
    member = "Input" if isinstance(event, ExecutionTerminated) else "Reason"
    return _named(event, {member: event.reason})


def _nested(value: FailureDetails | TraceContext | None) -> Entry | None:
    return None if value is None else to_object(value, typed=False)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
