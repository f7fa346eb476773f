"""The sweeps over the fast path's own scenarios.

Each fault strikes a sixth of the calls, another sixth for each; SWEEP_EVERY=1 strikes all.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation import scenarios, sweeps
from tests.simulation.chain_scenarios import CHAINS
from tests.simulation.scenarios import Scenario

EVERY = int(os.environ.get("SWEEP_EVERY", "10"))
SEEDS = 48 // EVERY

each_chain = pytest.mark.parametrize("scenario", CHAINS, ids=lambda scenario: scenario.name)


@pytest.mark.slow
@each_chain
def test_without_a_fault(scenario: Scenario, fast: bool) -> None:
    assert scenarios.run(scenario, fast=fast).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_chain
def test_a_fault_at_a_call_loses_nothing(scenario: Scenario) -> None:
    assert sweeps.each_fault(scenario, every=EVERY, step=1) == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_chain
def test_several_faults_in_one_run_lose_nothing(scenario: Scenario) -> None:
    assert sweeps.several_faults(scenario, seeds=SEEDS) == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(600)
@each_chain
def test_two_processes_race_for_one_instance(scenario: Scenario) -> None:
    assert sweeps.races(scenario, seeds=SEEDS) == []
