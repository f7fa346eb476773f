"""The sweeps of test_crash_sweep, test_random_faults and test_two_processes over more features.

Each fault strikes a tenth of the calls here, another tenth for each; SWEEP_EVERY=1 strikes all
(twenty minutes).
"""

from __future__ import annotations

import os

import pytest

from tests.simulation import scenarios
from tests.simulation.feature_scenarios import FEATURES
from tests.simulation.scenarios import Scenario
from tests.simulation.world import Fault, Plan

EVERY = int(os.environ.get("SWEEP_EVERY", "10"))
SEEDS = 40 // EVERY

each_feature = pytest.mark.parametrize("scenario", FEATURES, ids=lambda scenario: scenario.name)


@pytest.mark.slow
@each_feature
def test_without_a_fault(scenario: Scenario) -> None:
    assert scenarios.run(scenario).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_feature
def test_a_fault_at_a_call_loses_nothing(scenario: Scenario) -> None:
    wrong: list[str] = []
    moments = scenarios.moments(scenario)
    for number, fault in enumerate(Fault):
        for at in moments[number * 2 % EVERY :: EVERY]:
            result = scenarios.run(scenario, plan=Plan(at=at, fault=fault))
            assert result.world.struck
            call = result.world.calls[at]
            where = f"{fault.name} {at} ({call.who}: {call.operation} {call.resource})"
            wrong += [f"{where}: {what}" for what in result.wrong]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_feature
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
@pytest.mark.timeout(600)
@each_feature
def test_two_processes_race_for_one_instance(scenario: Scenario) -> None:
    wrong: list[str] = []
    for seed in range(SEEDS):
        result = scenarios.run(scenario, processes=2, seed=seed, latency=0.2, batch_size=1)
        wrong += [f"seed {seed}: {what}" for what in result.wrong]
    assert wrong == []
