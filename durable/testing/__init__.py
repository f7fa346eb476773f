"""For the tests of an app: single functions, and whole workflows in a hub where things fail."""

from __future__ import annotations

from durable.client.core import Client as SimulatedClient
from durable.testing.entities import EntityOutcome, execute_entity
from durable.testing.generators import orchestrator_generator_wrapper
from durable.testing.simulator.faults import NO_FAULTS, Fault, Faults
from durable.testing.simulator.running import Simulated, SimulationFailed, simulate
from durable.testing.tasks import completed_task, failed_task

__all__ = [
    "NO_FAULTS",
    "EntityOutcome",
    "Fault",
    "Faults",
    "Simulated",
    "SimulatedClient",
    "SimulationFailed",
    "completed_task",
    "execute_entity",
    "failed_task",
    "orchestrator_generator_wrapper",
    "simulate",
]
