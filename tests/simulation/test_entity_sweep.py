"""The sweeps of test_feature_sweep over entities: signals, calls, locks, and what ends them.

Each fault strikes one in so many of the calls, another one for each; SWEEP_EVERY=1 strikes all.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation import scenarios
from tests.simulation.entity_scenarios import ENTITIES, FLOOD, MANY_CALLS, transfers
from tests.simulation.scenarios import Scenario
from tests.simulation.world import Fault, Plan

EVERY = int(os.environ.get("SWEEP_EVERY", "60"))
SEEDS = max(1, 40 // EVERY)
#: Hundreds of messages make hundreds of calls that are all alike.
RARER = {FLOOD.name: 10, MANY_CALLS.name: 3}

each_scenario = pytest.mark.parametrize("scenario", ENTITIES, ids=lambda scenario: scenario.name)


@pytest.mark.slow
@each_scenario
def test_without_a_fault(scenario: Scenario) -> None:
    assert scenarios.run(scenario).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@each_scenario
def test_a_fault_at_a_call_loses_nothing(scenario: Scenario) -> None:
    wrong: list[str] = []
    moments = scenarios.moments(scenario)
    every = EVERY * RARER.get(scenario.name, 1)
    for number, fault in enumerate(Fault):
        for at in moments[number * 7 % every :: every]:
            result = scenarios.run(scenario, plan=Plan(at=at, fault=fault))
            assert result.world.struck
            call = result.world.calls[at]
            where = f"{fault.name} {at} ({call.who}: {call.operation} {call.resource})"
            wrong += [f"{where}: {what}" for what in result.wrong]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@each_scenario
def test_several_faults_in_one_run_lose_nothing(scenario: Scenario) -> None:
    wrong: list[str] = []
    for seed in range(SEEDS):
        result = scenarios.run(
            scenario,
            processes=2,
            seed=seed,
            latency=0.2,
            batch_size=1 + seed % 4,
            fault_rate=0.04,
            faults=4,
        )
        wrong += [f"seed {seed}: {what}" for what in result.wrong]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@each_scenario
def test_two_processes_race_for_one_entity(scenario: Scenario) -> None:
    wrong: list[str] = []
    for seed in range(SEEDS):
        result = scenarios.run(scenario, processes=2, seed=seed, latency=0.2, batch_size=1)
        wrong += [f"seed {seed}: {what}" for what in result.wrong]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_fifty_transfers_under_crashes_keep_the_sum(seed: int) -> None:
    result = scenarios.run(
        transfers(seed), processes=2, seed=seed, latency=0.05, fault_rate=0.01, faults=10
    )
    assert result.wrong == []
    assert result.crashed
