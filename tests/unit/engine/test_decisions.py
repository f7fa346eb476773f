"""Actions turned into the rows that record them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from durable.engine.decisions import completion_row, decision_row
from durable.engine.derive import FIRE_AND_FORGET
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
    HistoryEvent,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus
from tests.unit.engine.conftest import SECOND, T0
from tests.unit.engine.histories import started

LATER = T0 + SECOND


@pytest.mark.parametrize(
    ("action", "row"),
    [
        (
            ScheduleActivity(task_id=1, name="a", input="[1]", version="2", tags={"x": "y"}),
            TaskScheduled(
                timestamp=T0, event_id=1, name="a", input="[1]", version="2", tags={"x": "y"}
            ),
        ),
        (
            ScheduleActivity(task_id=1, name="a"),
            TaskScheduled(timestamp=T0, event_id=1, name="a", version=""),
        ),
        (
            CreateTimer(task_id=2, fire_at=LATER),
            TimerCreated(timestamp=T0, event_id=2, fire_at=LATER),
        ),
        (
            StartChild(task_id=3, name="c", instance_id="c1", input="[1]", version="2"),
            SubOrchestrationCreated(
                timestamp=T0, event_id=3, name="c", instance_id="c1", input="[1]", version="2"
            ),
        ),
        (
            SendEvent(task_id=4, instance_id="o", name="E", input="1", deliver_at=LATER),
            EventSent(
                timestamp=T0, event_id=4, instance_id="o", name="E", input="1", deliver_at=LATER
            ),
        ),
    ],
)
def test_r12_a_row_records_all_that_its_message_needs(
    action: Recordable, row: HistoryEvent
) -> None:
    assert decision_row(action, started(), T0) == row


@pytest.mark.parametrize(("asked", "recorded"), [(None, "7"), ("", ""), ("2", "2")])
def test_a_child_whose_call_names_no_version_gets_the_default(
    asked: str | None, recorded: str
) -> None:
    row = decision_row(StartChild(task_id=0, name="c", version=asked), started(), T0, "7")
    assert isinstance(row, SubOrchestrationCreated)
    assert row.version == recorded
    activity = decision_row(ScheduleActivity(task_id=0, name="a"), started(), T0, "7")
    assert isinstance(activity, TaskScheduled)
    assert activity.version == ""


def child(
    tags: Mapping[str, str] | None,
    parents: Mapping[str, str] | None = None,
    *,
    fire_and_forget: bool = False,
) -> SubOrchestrationCreated:
    action = StartChild(task_id=3, name="c", tags=tags, fire_and_forget=fire_and_forget)
    row = decision_row(action, started(tags=parents), T0)
    assert isinstance(row, SubOrchestrationCreated)
    return row


def test_r12_a_childs_default_id_is_in_its_row() -> None:
    assert child(None).instance_id == "e1:3"
    nameless = decision_row(StartChild(task_id=3, name="c"), started(None), T0)
    assert isinstance(nameless, SubOrchestrationCreated)
    assert nameless.instance_id == ":3"


def test_a_child_has_its_own_tags_and_those_of_its_parent_it_does_not_override() -> None:
    tags = child({"b": "own", "a": "own"}, {"a": "parent", "c": "parent"}).tags
    assert list((tags or {}).items()) == [("b", "own"), ("a", "own"), ("c", "parent")]
    assert child(None).tags is None


def test_fire_and_forget_is_a_tag_and_never_inherited() -> None:
    assert child(None, fire_and_forget=True).tags == {FIRE_AND_FORGET: ""}
    assert child(None, {FIRE_AND_FORGET: "", "a": "1"}).tags == {"a": "1"}
    assert child({"a": "1"}, fire_and_forget=True).tags == {"a": "1", FIRE_AND_FORGET: ""}


def test_an_outcome_becomes_the_completing_row() -> None:
    failure = FailureDetails(error_type="ValueError", message="x")
    outcome = Outcome(
        task_id=5, status=RuntimeStatus.FAILED, result="x", failure=failure, next_version="2"
    )
    assert completion_row(outcome, T0) == ExecutionCompleted(
        timestamp=T0,
        event_id=5,
        status=RuntimeStatus.FAILED,
        result="x",
        failure=failure,
        next_version="2",
    )
