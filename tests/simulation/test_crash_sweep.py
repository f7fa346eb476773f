"""Crash before and after every storage call of client and engine; drain; look for damage."""

from __future__ import annotations

import pytest

from tests.simulation import scenarios
from tests.simulation.world import CrashPlan

IDS = [scenario.name for scenario in scenarios.ALL]


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_without_a_crash(scenario: scenarios.Scenario) -> None:
    assert scenarios.run(scenario).wrong == []


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=IDS)
def test_a_crash_at_every_call_loses_nothing(scenario: scenarios.Scenario, before: bool) -> None:
    calls = scenarios.run(scenario).calls
    wrong: list[str] = []
    for at in range(calls):
        result = scenarios.run(scenario, crash=CrashPlan(at=at, before=before))
        assert result.crashed
        call = result.world.calls[at]
        where = f"{'before' if before else 'after'} call {at} ({call.operation} {call.resource})"
        wrong += [f"{where}: {what}" for what in result.wrong]
    assert wrong == []
