"""History events: which answer which task."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import get_args

import pytest

from durable.model import events as e
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME


def test_answers_name_the_task_they_answer() -> None:
    answers: list[e.Answer] = [
        e.TaskCompleted(timestamp=NO_TIME, task_id=3),
        e.TaskFailed(timestamp=NO_TIME, task_id=3),
        e.SubOrchestrationCompleted(timestamp=NO_TIME, task_id=3),
        e.SubOrchestrationFailed(timestamp=NO_TIME, task_id=3),
        e.TimerFired(timestamp=NO_TIME, timer_id=3, fire_at=NO_TIME),
    ]
    assert [e.answered_task(answer) for answer in answers] == [3] * 5
    assert {type(answer) for answer in answers} == set(get_args(e.Answer))


@pytest.mark.parametrize(
    "event",
    [
        e.TaskScheduled(timestamp=NO_TIME, event_id=3, name="a"),
        e.TimerCreated(timestamp=NO_TIME, event_id=3, fire_at=NO_TIME),
        e.EventRaised(timestamp=NO_TIME, event_id=3, name="a"),
        e.ExecutionCompleted(timestamp=NO_TIME, event_id=3, status=RuntimeStatus.COMPLETED),
    ],
)
def test_other_events_answer_nothing(event: e.HistoryEvent) -> None:
    assert e.answered_task(event) is None


def test_what_clients_send_has_an_identity() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
    sent: list[e.HistoryEvent] = [
        e.EventRaised(timestamp=at, name="a", identity="c:1"),
        e.EventRaised(timestamp=at, name="a"),
        e.ExecutionSuspended(timestamp=at, reason="hold"),
        e.ExecutionResumed(timestamp=at, reason="hold"),
        e.ExecutionTerminated(timestamp=at, reason="hold"),
        e.OrchestratorStarted(timestamp=at),
    ]
    assert [e.identity_of(event) for event in sent] == [
        "c:1",
        None,
        "ExecutionSuspended:2026-11-24T12:00:00.000005+00:00",
        "ExecutionResumed:2026-11-24T12:00:00.000005+00:00",
        "ExecutionTerminated:2026-11-24T12:00:00.000005+00:00",
        None,
    ]


def test_every_event_class_is_in_the_union() -> None:
    defined = {
        value
        for value in vars(e).values()
        if isinstance(value, type) and issubclass(value, e.Event) and value is not e.Event
    }
    assert set(get_args(e.HistoryEvent)) == defined


def test_events_are_frozen_and_have_no_task_id_unless_given() -> None:
    event = e.OrchestratorStarted(timestamp=NO_TIME)
    assert event.event_id == -1
    with pytest.raises(FrozenInstanceError):
        event.event_id = 2  # type: ignore[misc]
