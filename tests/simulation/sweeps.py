"""What the sweeps do with a scenario, whatever it is about. Each gives what was wrong."""

from __future__ import annotations

import os

from tests.simulation import scenarios
from tests.simulation.scenarios import Scenario
from tests.simulation.world import SUDDEN, Fault, Plan

#: SWEEP_EVERY=1 walks all of what the suite takes samples of.
WHOLE = os.environ.get("SWEEP_EVERY") == "1"


def rarer(every: int, *, fast: bool) -> int:
    """Without the fast path a run has three times the calls: fewer of them are struck, or all."""
    return every if fast or every == 1 else 4 * every


def each_fault(scenario: Scenario, *, every: int, step: int, fast: bool = True) -> list[str]:
    """A run for each fault at every so many calls, the calls moved on by `step` with the fault."""
    wrong: list[str] = []
    for number, fault in enumerate(SUDDEN):
        wrong += one_fault(scenario, fault, every=every, offset=number * step % every, fast=fast)
    return wrong


def one_fault(
    scenario: Scenario, fault: Fault, *, every: int = 1, offset: int = 0, fast: bool = True
) -> list[str]:
    """A run for `fault` at every so many calls."""
    wrong: list[str] = []
    for at in scenarios.moments(scenario, fast=fast)[offset::every]:
        result = scenarios.run(scenario, plan=Plan(at=at, fault=fault), fast=fast)
        assert result.world.struck
        call = result.world.calls[at]
        where = f"{fault.name} {at} ({call.who}: {call.operation} {call.resource})"
        wrong += [f"{where}: {what}" for what in result.wrong]
    return wrong


def several_faults(scenario: Scenario, *, seeds: int, fast: bool = True) -> list[str]:
    """Runs of two processes in which up to four faults strike at random."""
    wrong: list[str] = []
    for seed in range(seeds):
        result = scenarios.run(
            scenario,
            processes=2,
            seed=seed,
            latency=0.2,
            batch_size=1 + seed % 4,
            fault_rate=0.04,
            faults=4,
            fast=fast,
        )
        wrong += [f"seed {seed}: {what}" for what in result.wrong]
    return wrong


def races(scenario: Scenario, *, seeds: int, fast: bool = True) -> list[str]:
    """Runs of two processes that get every message one by one."""
    wrong: list[str] = []
    for seed in range(seeds):
        result = scenarios.run(
            scenario, processes=2, seed=seed, latency=0.2, batch_size=1, fast=fast
        )
        wrong += [f"seed {seed}: {what}" for what in result.wrong]
    return wrong
