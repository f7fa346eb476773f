"""A worker that dies: all that it held moves on within a minute, its control queues included."""

from __future__ import annotations

from collections import Counter

import pytest

from durable.runtime.settings import EngineSettings
from durable.runtime.worker_settings import WorkerSettings
from tests.simulation import sweeps
from tests.simulation.apps import make_registry
from tests.simulation.invariants import is_ended
from tests.simulation.scenarios import start
from tests.simulation.simloop import run_simulation
from tests.simulation.world import Fault, Plan, World

#: By then both workers have their share of the control queues.
BEGIN = 40.0
KINDS = {"hello": None, "fan_out": 12, "countdown": 2, "parent": None}
IDS = {f"{kind}-{n}": (kind, value) for kind, value in KINDS.items() for n in range(3)}
#: As a worker has it (durable.functions.working).
LEASES = EngineSettings(own_lease_seconds=WorkerSettings().control_lease_seconds)


def run(plan: Plan | None = None) -> tuple[World, float]:
    """Two workers of one hub, each begun anew when it dies; when all instances had ended."""
    counts: Counter[str] = Counter()
    world = World(
        registry=make_registry(counts),
        plan=plan,
        latency=0.02,
        partition_count=4,
        engine_settings=LEASES,
    )
    world.activities = counts

    async def main() -> float:
        await world.hub.ensure()

        async def done() -> bool:
            now = world.clock.monotonic()
            if BEGIN <= now < BEGIN + 1:
                for each, (kind, value) in IDS.items():
                    await start(world.hub, kind, each, value)
            if now < BEGIN + 1:
                return False
            rows = [await world.hub.instances.read(each) for each in IDS]
            return all(row is not None and is_ended(row) for row in rows)

        await world.serve_until(done, processes=0, workers=2)
        return world.clock.monotonic()

    return world, run_simulation(main())


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER], ids=lambda f: f.name)
def test_what_a_dead_worker_held_moves_on_within_a_minute(fault: Fault) -> None:
    whole, ended_at = run()
    busy = [
        call.number
        for call in whole.calls
        if BEGIN <= call.at < ended_at and not call.idle and call.operation != "List Queues"
    ]
    assert len(busy) > 100
    late: list[str] = []
    worst = 0.0
    for number in busy[:: 1 if sweeps.WHOLE else len(busy) // 10]:
        world, settled_at = run(Plan(at=number, fault=fault))
        assert len(world.crashed) == 1
        call = world.calls[number]
        # All of it again, at worst, and what it takes until an idle worker looks.
        taken = settled_at - call.at
        worst = max(worst, taken)
        if taken > 60.0:
            late.append(f"{number} ({call.operation} {call.resource}): {taken:.0f} s")
    print(f"worst of {fault.name}: {worst:.0f} s")
    assert late == []
