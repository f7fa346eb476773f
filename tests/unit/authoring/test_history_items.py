"""context.histories, row by row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from durable.authoring.history_items import HistoryEvent, HistoryEventType, history_items
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    HistoryEvent as Row,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
)
from durable.wire.event_shapes import BY_NAME

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def rows() -> list[Row]:
    return [
        OrchestratorStarted(timestamp=T0),
        ExecutionStarted(timestamp=T0, instance=InstanceRef(instance_id="i"), name="Main"),
        TaskScheduled(timestamp=T0, event_id=0, name="hello", input='["x"]'),
        OrchestratorCompleted(timestamp=T0),
        OrchestratorStarted(timestamp=T0),
        TaskCompleted(timestamp=T0, task_id=0, result='"Hello x"'),
    ]


def test_rows_have_1_7s_attributes() -> None:
    items = history_items(rows())
    assert [item.event_type for item in items] == [12, 0, 4, 13, 12, 5]
    assert [item.event_id for item in items] == [-1, -1, 0, -1, -1, -1]
    assert {item.timestamp for item in items} == {T0}
    done = items[-1]
    assert done.event_type is HistoryEventType.TASK_COMPLETED
    assert (done.Result, done.TaskScheduledId) == ('"Hello x"', 0)
    assert (items[2].Name, items[2].Input) == ("hello", '["x"]')
    assert done.event == rows()[-1]


def test_what_came_before_the_last_turn_is_played() -> None:
    items = history_items(rows())
    assert [item.is_played for item in items] == [True, True, True, True, False, False]
    assert [item.IsPlayed for item in items] == [item.is_played for item in items]
    assert not history_items(rows()[1:2])[0].is_played
    assert history_items([]) == []


def test_a_property_a_row_has_not_is_told() -> None:
    item = history_items(rows())[0]
    for name in ("Result", "result", "_other"):
        with pytest.raises(AttributeError, match=f"OrchestratorStarted has no '{name}'"):
            getattr(item, name)


def test_a_row_shows_itself_without_its_payload() -> None:
    event = EventRaised(timestamp=T0, name="go", input='"secret"')
    assert repr(HistoryEvent(event, is_played=False)) == "<HistoryEvent EVENT_RAISED -1>"


def test_every_kind_of_row_has_a_type() -> None:
    assert {shape.number for shape in BY_NAME.values()} <= {each.value for each in HistoryEventType}
