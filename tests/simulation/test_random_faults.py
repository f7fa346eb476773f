"""Several faults in one run, two processes, latency: what single faults do not reach.

A failing run names its seed; `scenarios.run` with it gives the same run again.
"""

from __future__ import annotations

import pytest

from tests.simulation import scenarios

SEEDS = range(40)


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.name)
def test_several_faults_in_one_run_lose_nothing(scenario: scenarios.Scenario) -> None:
    wrong: list[str] = []
    for seed in SEEDS:
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
