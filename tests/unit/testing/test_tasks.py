from __future__ import annotations

from durable.engine.tasks import TaskState
from durable.testing import completed_task, failed_task


def test_a_completed_task_has_its_result() -> None:
    task = completed_task({"a": 1})
    assert task.is_completed
    assert (task.state, task.result) == (TaskState.SUCCEEDED, {"a": 1})
    assert completed_task().result is None


def test_a_failed_task_has_its_error() -> None:
    error = ValueError("no")
    task = failed_task(error)
    assert task.is_completed
    assert (task.state, task.result) == (TaskState.FAILED, error)
