"""A fault at every storage call of client and engine; drain; look for damage."""

from __future__ import annotations

import pytest

from tests.simulation import scenarios, sweeps
from tests.simulation.world import Fault

IDS = [scenario.name for scenario in scenarios.ALL]


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_without_a_fault(scenario: scenarios.Scenario, fast: bool) -> None:
    assert scenarios.run(scenario, fast=fast).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER], ids=lambda f: f.name)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_a_crash_at_every_call_loses_nothing(
    scenario: scenarios.Scenario, fault: Fault, fast: bool
) -> None:
    assert (
        sweeps.one_fault(scenario, fault, every=1 if sweeps.WHOLE else 5 if fast else 20, fast=fast)
        == []
    )


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "fault", [Fault.ASKED_TWICE, Fault.ANSWER_LOST, Fault.UNAVAILABLE], ids=lambda f: f.name
)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_a_lost_answer_at_every_call_loses_nothing(
    scenario: scenarios.Scenario, fault: Fault, fast: bool
) -> None:
    assert (
        sweeps.one_fault(scenario, fault, every=1 if sweeps.WHOLE else 5 if fast else 20, fast=fast)
        == []
    )
