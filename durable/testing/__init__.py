"""For the unit tests of an app: run an orchestrator without a task hub, on tasks you make."""

from __future__ import annotations

from durable.testing.generators import orchestrator_generator_wrapper
from durable.testing.tasks import completed_task, failed_task

__all__ = ["completed_task", "failed_task", "orchestrator_generator_wrapper"]
