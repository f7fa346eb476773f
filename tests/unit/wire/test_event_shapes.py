from __future__ import annotations

import typing

from hypothesis import given

from durable.model.events import HistoryEvent
from durable.wire.event_shapes import BY_NAME, BY_TYPE, event_type_name, shape_of
from tests.unit.wire.conftest import events

# storage-format.md 3.4. Number 2, ExecutionFailed, has no class.
NUMBERS = {
    "ExecutionStarted": 0,
    "ExecutionCompleted": 1,
    "ExecutionTerminated": 3,
    "TaskScheduled": 4,
    "TaskCompleted": 5,
    "TaskFailed": 6,
    "SubOrchestrationInstanceCreated": 7,
    "SubOrchestrationInstanceCompleted": 8,
    "SubOrchestrationInstanceFailed": 9,
    "TimerCreated": 10,
    "TimerFired": 11,
    "OrchestratorStarted": 12,
    "OrchestratorCompleted": 13,
    "EventSent": 14,
    "EventRaised": 15,
    "ContinueAsNew": 16,
    "GenericEvent": 17,
    "HistoryState": 18,
    "ExecutionSuspended": 19,
    "ExecutionResumed": 20,
    "ExecutionRewound": 21,
}


def test_every_event_has_a_shape() -> None:
    assert {name: shape.number for name, shape in BY_NAME.items()} == NUMBERS
    assert len(typing.get_args(HistoryEvent)) == len(NUMBERS) == len(BY_TYPE)


def test_classes_are_named_after_their_events() -> None:
    for name, shape in BY_NAME.items():
        suffix = "" if name == "GenericEvent" else "Event"
        assert shape.type_name == f"DurableTask.Core.History.{name}{suffix}"
        assert BY_TYPE[shape.type_name] is shape


@given(events(ours=True))
def test_the_name_of_an_event(event: HistoryEvent) -> None:
    framework = type(event).__name__.replace("SubOrchestration", "SubOrchestrationInstance")
    assert event_type_name(event) == framework
    assert BY_NAME[framework] is shape_of(event)
