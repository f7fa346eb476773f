"""The sweeps of test_crash_sweep, test_random_faults and test_two_processes over more features.

Each fault strikes one in sixteen of the calls here, others for each; SWEEP_EVERY=1 strikes all
(twenty minutes).
"""

from __future__ import annotations

import os

import pytest

from tests.simulation import scenarios, sweeps
from tests.simulation.feature_scenarios import FEATURES
from tests.simulation.scenarios import Scenario

EVERY = int(os.environ.get("SWEEP_EVERY", "16"))
SEEDS = 40 // EVERY

each_feature = pytest.mark.parametrize("scenario", FEATURES, ids=lambda scenario: scenario.name)


@pytest.mark.slow
@each_feature
def test_without_a_fault(scenario: Scenario, fast: bool) -> None:
    assert scenarios.run(scenario, fast=fast).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_feature
def test_a_fault_at_a_call_loses_nothing(scenario: Scenario, fast: bool) -> None:
    assert (
        sweeps.each_fault(scenario, every=sweeps.rarer(EVERY, fast=fast), step=2, fast=fast) == []
    )


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_feature
def test_several_faults_in_one_run_lose_nothing(scenario: Scenario) -> None:
    assert sweeps.several_faults(scenario, seeds=SEEDS) == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_feature
def test_two_processes_race_for_one_instance(scenario: Scenario) -> None:
    assert sweeps.races(scenario, seeds=SEEDS) == []
