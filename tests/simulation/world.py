"""The simulated hub of these tests: `durable.testing`'s, with a planned fault or some at random."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from durable.testing.simulator.faults import SUDDEN, Crash, Fault, Faults
from durable.testing.simulator.processes import Process
from durable.testing.simulator.simulation import (
    HUB,
    LEASE_SECONDS,
    PATIENCE_SECONDS,
    Simulation,
)
from durable.testing.simulator.trace import Call

__all__ = [
    "HUB",
    "LEASE_SECONDS",
    "PATIENCE_SECONDS",
    "SUDDEN",
    "Call",
    "Crash",
    "Fault",
    "Plan",
    "Process",
    "World",
]


@dataclass(kw_only=True)
class Plan:
    """`fault` befalls storage call number `at`, whoever makes it."""

    at: int
    fault: Fault


@dataclass(kw_only=True)
class World(Simulation):
    """A simulation, and what the activities and the client noted."""

    plan: Plan | None = None
    fault_rate: float = 0.0
    faults_left: int = 0
    latency: float = 0.0
    activities: Counter[str] = field(default_factory=Counter)
    told: list[object] = field(default_factory=list)  # what a client knows it has signalled
    maybe_told: list[object] = field(default_factory=list)  # and what it has begun to

    def __post_init__(self) -> None:
        if self.plan is not None or self.faults_left or self.latency:
            self.faults = Faults(
                rate=self.fault_rate,
                limit=self.faults_left,
                kinds=SUDDEN,
                at={} if self.plan is None else {self.plan.at: self.plan.fault},
                latency=self.latency,
                clients=True,
            )
        super().__post_init__()
