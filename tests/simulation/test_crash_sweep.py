"""A fault at every storage call of client and engine; drain; look for damage."""

from __future__ import annotations

import pytest

from tests.simulation import scenarios
from tests.simulation.world import Fault, Plan

IDS = [scenario.name for scenario in scenarios.ALL]


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_without_a_fault(scenario: scenarios.Scenario) -> None:
    assert scenarios.run(scenario).wrong == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER], ids=lambda f: f.name)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_a_crash_at_every_call_loses_nothing(scenario: scenarios.Scenario, fault: Fault) -> None:
    assert _sweep(scenario, fault) == []


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "fault", [Fault.ASKED_TWICE, Fault.ANSWER_LOST, Fault.UNAVAILABLE], ids=lambda f: f.name
)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_a_lost_answer_at_every_call_loses_nothing(
    scenario: scenarios.Scenario, fault: Fault
) -> None:
    assert _sweep(scenario, fault) == []


def _sweep(scenario: scenarios.Scenario, fault: Fault) -> list[str]:
    wrong: list[str] = []
    for at in scenarios.moments(scenario):
        result = scenarios.run(scenario, plan=Plan(at=at, fault=fault))
        assert result.world.struck
        call = result.world.calls[at]
        where = f"{fault.name} {at} ({call.who}: {call.operation} {call.resource})"
        wrong += [f"{where}: {what}" for what in result.wrong]
    return wrong
