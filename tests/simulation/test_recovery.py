"""A process that dies: what it held moves on within a minute, on the fast path, too."""

from __future__ import annotations

import pytest

from tests.simulation import scenarios, sweeps
from tests.simulation.chain_scenarios import FAMILY, MIXED
from tests.simulation.entity_scenarios import SIGNAL_AND_CALL
from tests.simulation.scenarios import HELLO, Scenario
from tests.simulation.world import Fault, Plan

#: The lease of our own (`ownLeaseSeconds`), in place of the host's ten minutes.
LEASE_SECONDS = 45


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER], ids=lambda f: f.name)
@pytest.mark.parametrize("scenario", [HELLO, MIXED, FAMILY, SIGNAL_AND_CALL], ids=lambda s: s.name)
def test_what_a_dead_process_held_moves_on_within_a_minute(
    scenario: Scenario, fault: Fault
) -> None:
    whole = scenarios.run(scenario, lease_seconds=LEASE_SECONDS)
    late: list[str] = []
    for call in whole.world.calls[:: 1 if sweeps.WHOLE else 4]:
        if call.idle or call.who == "client":
            continue
        plan = Plan(at=call.number, fault=fault)
        result = scenarios.run(scenario, plan=plan, lease_seconds=LEASE_SECONDS)
        assert result.world.struck
        assert result.wrong == []
        # All of it again, at worst.
        taken = result.settled_at - call.at - whole.settled_at
        if taken > 60.0:
            late.append(f"{call.number} ({call.operation} {call.resource}): {taken:.0f} s")
    assert late == []
