"""Tasks that are done, for a mocked context to hand out."""

from __future__ import annotations

from typing import Any

from durable.engine.task_base import FinishedTask, TaskBase


def completed_task(result: Any = None) -> TaskBase:
    """A task that has `result`; both ``yield`` and ``await`` take it."""
    return FinishedTask(value=result)


def failed_task(error: Exception) -> TaskBase:
    """A task that raises `error` where it is waited for."""
    return FinishedTask(is_error=True, value=error)
