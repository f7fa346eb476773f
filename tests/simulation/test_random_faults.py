"""Several faults in one run, two processes, latency: what single faults do not reach.

A failing run names its seed; `scenarios.run` with it gives the same run again.
"""

from __future__ import annotations

import pytest

from tests.simulation import scenarios, sweeps


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda scenario: scenario.name)
def test_several_faults_in_one_run_lose_nothing(scenario: scenarios.Scenario, fast: bool) -> None:
    assert (
        sweeps.several_faults(scenario, seeds=40 if sweeps.WHOLE else 6 if fast else 3, fast=fast)
        == []
    )
