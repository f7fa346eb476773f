"""Driving an orchestrator step by step, as replay does, with the results its tasks hold."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine, Generator
from typing import Any

from durable.engine.foreign import refusal
from durable.engine.task_base import TaskState
from durable.errors import NotATask

Steps = Generator[Any, Any, Any] | Coroutine[Any, Any, Any]


def orchestrator_generator_wrapper(generator: Steps) -> Generator[Any, None, None]:
    """What an orchestrator waits for, one task after the other, and then its output.

    Each task's `result` is what the orchestrator goes on with. It is thrown in when the task has
    failed, or when getting it raises (``PropertyMock(side_effect=...)``). What has no result, and
    so is no task, is answered with a NotATask, as on replay.

    Args:
        generator: what calling the orchestrator gave, an ``async def`` one included.

    Raises:
        Exception: whatever the orchestrator itself raises.
    """
    try:
        task = generator.send(None)
        while True:
            yield task
            task = _resume(generator, task)
    except StopIteration as stop:
        yield stop.value


def _resume(generator: Steps, task: Any) -> Any:
    """Run on to the next task, with the outcome of `task`."""
    try:
        result = _outcome(task)
    except Exception as error:  # noqa: BLE001 - whatever it is, the orchestrator is to meet it
        return generator.throw(error)
    return generator.send(result)


def _outcome(task: Any) -> Any:
    try:
        result = task.result
    except AttributeError as error:
        if inspect.getattr_static(task, "result", error) is error:
            raise NotATask(refusal(task)) from None
        raise  # a mocked property raised it
    # By the attribute alone: a Mock(spec=TaskBase) is a TaskBase, and has no state.
    is_failed = getattr(task, "state", None) is TaskState.FAILED
    if is_failed and isinstance(result, BaseException):
        raise result
    return result
