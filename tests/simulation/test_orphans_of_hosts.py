"""A process that lives on after its host was killed: it does no harm (recorded.md section 4).

It gets no messages any more, and nobody renews or deletes those it has; but what it has begun it
finishes, with all its side effects, beside whoever took over.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.runtime.settings import EngineSettings
from tests.simulation.apps import make_registry
from tests.simulation.invariants import Watcher, check_at_rest, is_ended
from tests.simulation.scenarios import start
from tests.simulation.simloop import run_simulation
from tests.simulation.world import Process, World

INSTANCES = 12
STEPS = 6


def steps(context: Any) -> Any:
    """A chain of quick and slow activities, and some at once."""
    found = []
    for n in range(STEPS):
        answer = yield context.call_activity("work", n)
        found.append(answer)
    found += yield context.task_all([context.call_activity("work", 10 + n) for n in range(4)])
    return found


class Orphan(Process):
    """Its host can be killed, which leaves the process itself alone."""

    def __init__(self, world: World, name: str, *, settings: EngineSettings) -> None:
        super().__init__(world, name, settings=settings)
        self.is_orphan = False

    async def _pump(self, group: asyncio.TaskGroup, queue: str) -> None:
        pumping = group.create_task(super()._pump(group, queue))
        while not self.is_orphan:
            await asyncio.sleep(0.01)
        pumping.cancel()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("stalls", [False, True], ids=["goes on", "stalls"])
@pytest.mark.parametrize("seed", range(2))
def test_an_orphan_does_no_harm(seed: int, fast: bool, stalls: bool) -> None:
    """It is the orphan that renews its leases: it goes on as if nothing had been.

    One that stands still until they have ended wakes up beside another that took over.
    """
    counts: Counter[str] = Counter()
    registry = make_registry(counts)
    pause = 25.0 if stalls else 9.0

    async def work(value: int) -> int:
        counts[f"work:{value}"] += 1
        await asyncio.sleep(pause if value % 2 else 0)
        counts["worked"] += 1
        return value

    registry.add_activity(ActivityDefinition(name="work", function=work, input_name="value"))
    registry.add_orchestrator(
        OrchestratorDefinition(
            name="steps", function=steps, context_name="context", input_type=None
        )
    )
    world = World(
        registry=registry,
        seed=seed,
        latency=0.02,
        own_lease_seconds=10,
        engine_settings=EngineSettings(fast_path=fast, own_lease_seconds=10),
    )
    watcher = Watcher(world)
    ids = [f"i{n:02}" for n in range(INSTANCES)]
    orphan_did = Counter[str]()

    async def main() -> None:
        await world.hub.ensure()
        first = Orphan(world, "orphan", settings=world.engine_settings)
        second = world.process("heir")
        client = world.client("client")
        for process in (first, second, client):
            watcher.attach(process)

        async def done() -> bool:
            rows = [await world.hub.instances.read(each) for each in ids]
            ended = all(row is not None and is_ended(row) for row in rows)
            return ended and await world.queues_empty()

        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(first.run())]
            for each in ids:
                await start(client.hub, "steps", each)
            await world.clock.sleep(5 + seed)  # at work, here and there
            first.is_orphan = True
            if stalls:
                first.paused_until = world.clock.monotonic() + 30
            orphaned_at = len(world.calls)
            serving.append(group.create_task(second.run()))
            async with asyncio.timeout(3600):
                while not await done():
                    await world.clock.sleep(1)
            for call in world.calls[orphaned_at:]:
                if call.who == "orphan" and not call.idle:
                    orphan_did[call.operation] += 1
            for task in serving:
                task.cancel()
        wanted = [*range(STEPS), *range(10, 14)]
        for each in ids:
            row = await world.hub.instances.read(each)
            assert row is not None
            assert (row.status, json.loads(row.output or "null")) == ("Completed", wanted)
        assert await check_at_rest(world) == []

    run_simulation(main())
    assert watcher.violations == []
    # It did go on: turns followed their activities, or their answers were sent.
    assert orphan_did["Entity Group Transaction" if fast else "Put Message"] > 0
    runs = sum(n for name, n in counts.items() if name.startswith("work:"))
    once = INSTANCES * (STEPS + 4)
    # Only what it had under way when it stalled is done twice, at most all that runs at once.
    assert once < runs <= once + 4 * INSTANCES if stalls else runs == once
    print(f"{runs} runs of {once} activities; the orphan: {dict(orphan_did)}")
