"""Virtual time, by the names these tests have for it."""

from __future__ import annotations

from durable.testing.simulator.virtual_time import (
    SimulationDeadlock,
    VirtualClock as SimClock,
    VirtualLoop as SimLoop,
    run_in_virtual_time as run_simulation,
)

__all__ = ["SimClock", "SimLoop", "SimulationDeadlock", "run_simulation"]
