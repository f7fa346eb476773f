"""Queue messages, understood: what they are when nothing else is said."""

from __future__ import annotations

from durable.model.actions import Outcome, ScheduleActivity
from durable.model.events import ExecutionTerminated, InstanceRef
from durable.model.messages import Extras, Outbound, TaskMessage
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME


def test_a_plain_message_is_unmarked_and_goes_to_the_targets_queue_at_once() -> None:
    message = TaskMessage(
        event=ExecutionTerminated(timestamp=NO_TIME),
        target=InstanceRef(instance_id="i"),
        activity_id="a",
    )
    outbound = Outbound(message=message)
    assert message.extras == Extras(mark=False, identity=None, failures=0, since=None)
    assert message.target.execution_id is None
    assert (outbound.to_workers, outbound.due) == (False, None)


def test_actions_and_outcomes_compare_by_value() -> None:
    assert ScheduleActivity(task_id=0, name="a") == ScheduleActivity(task_id=0, name="a")
    assert Outcome(task_id=1, status=RuntimeStatus.COMPLETED) != Outcome(
        task_id=1, status=RuntimeStatus.FAILED
    )
