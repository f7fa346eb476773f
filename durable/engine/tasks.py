"""The task classes users know, under their names in azure-functions-durable 1.7."""

from __future__ import annotations

from durable.engine.atomic_tasks import AtomicTask, TimerTask
from durable.engine.compound_tasks import (
    CompoundTask,
    LongTimerTask,
    RetryAbleTask,
    WhenAllTask,
    WhenAnyTask,
)
from durable.engine.task_base import TaskBase, TaskState

__all__ = [
    "AtomicTask",
    "CompoundTask",
    "LongTimerTask",
    "RetryAbleTask",
    "TaskBase",
    "TaskState",
    "TimerTask",
    "WhenAllTask",
    "WhenAnyTask",
]
