"""For the unit tests of an app: run orchestrators and entities without a task hub."""

from __future__ import annotations

from durable.testing.entities import EntityOutcome, execute_entity
from durable.testing.generators import orchestrator_generator_wrapper
from durable.testing.tasks import completed_task, failed_task

__all__ = [
    "EntityOutcome",
    "completed_task",
    "execute_entity",
    "failed_task",
    "orchestrator_generator_wrapper",
]
