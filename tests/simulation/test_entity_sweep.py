"""The sweeps of test_feature_sweep over entities: signals, calls, locks, and what ends them.

Each fault strikes one in so many of the calls, another one for each; SWEEP_EVERY=1 strikes all.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation import scenarios, sweeps
from tests.simulation.entity_scenarios import ENTITIES, FLOOD, MANY_CALLS, transfers
from tests.simulation.scenarios import Scenario

EVERY = int(os.environ.get("SWEEP_EVERY", "80"))
SEEDS = max(1, 40 // EVERY)
#: Hundreds of messages make hundreds of calls that are all alike.
RARER = {FLOOD.name: 10, MANY_CALLS.name: 3}

each_scenario = pytest.mark.parametrize("scenario", ENTITIES, ids=lambda scenario: scenario.name)


@pytest.mark.slow
@each_scenario
def test_without_a_fault(scenario: Scenario, fast: bool) -> None:
    assert scenarios.run(scenario, fast=fast).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@each_scenario
def test_a_fault_at_a_call_loses_nothing(scenario: Scenario, fast: bool) -> None:
    every = sweeps.rarer(EVERY * RARER.get(scenario.name, 1), fast=fast)
    assert sweeps.each_fault(scenario, every=every, step=7, fast=fast) == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@each_scenario
def test_several_faults_in_one_run_lose_nothing(scenario: Scenario) -> None:
    assert sweeps.several_faults(scenario, seeds=SEEDS) == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(1200)
@each_scenario
def test_two_processes_race_for_one_entity(scenario: Scenario) -> None:
    assert sweeps.races(scenario, seeds=SEEDS) == []


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
