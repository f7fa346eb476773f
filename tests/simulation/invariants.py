"""The invariants of `durable.testing`, asked about the world of a test."""

from __future__ import annotations

from durable.model.status import InstanceRow, RuntimeStatus
from durable.testing.simulator import invariants
from durable.testing.simulator.invariants import check_rows
from durable.testing.simulator.simulation import Simulation
from durable.testing.simulator.watcher import Watcher

__all__ = ["Watcher", "check_at_rest", "check_gone", "check_history", "check_rows", "is_ended"]


async def check_at_rest(world: Simulation) -> list[str]:
    """What is wrong with the hub now that its queues are empty."""
    return await invariants.check_at_rest(world.hub)


async def check_history(world: Simulation, row: InstanceRow) -> list[str]:
    """(2), (4) for one instance."""
    return await invariants.check_history(world.hub, row)


async def check_gone(world: Simulation, who: str) -> list[str]:
    """A purged instance left nothing but its tombstone."""
    return await invariants.check_gone(world.hub, who)


def is_ended(row: InstanceRow) -> bool:
    return row.status is not None and row.status in {
        RuntimeStatus.COMPLETED,
        RuntimeStatus.FAILED,
        RuntimeStatus.TERMINATED,
    }
