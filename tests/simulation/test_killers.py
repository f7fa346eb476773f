"""An activity that ends its process each time it runs, among instances that do no harm."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextvars import ContextVar
from typing import Any

import pytest

from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.errors import NotFound
from durable.runtime.suspects import MOST_DEATHS, UNSUSPECTED_DELIVERIES
from tests.simulation.apps import make_registry
from tests.simulation.invariants import is_ended
from tests.simulation.scenarios import start
from tests.simulation.simloop import run_simulation
from tests.simulation.world import Crash, Process, World

HEALTHY = 50
LATENCY = 0.02
#: In which process the code runs: tasks inherit it.
running_in: ContextVar[Process] = ContextVar("running_in")


def doomed(context: Any) -> Any:
    return (yield context.call_activity("kill", None))


def at_work(context: Any) -> Any:
    """Two quick activities, and one that takes a while between them."""
    first = yield context.call_activity("greet", "a")
    slept = yield context.call_activity("sleep", 3)
    return [first, slept, (yield context.call_activity("greet", "b"))]


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("processes", "workers"), [(1, 0), (2, 0), (0, 2)])
def test_a_killer_is_found_and_the_others_end(processes: int, workers: int) -> None:
    counts: Counter[str] = Counter()
    registry = make_registry(counts)

    async def kill(value: object) -> None:
        process = running_in.get()
        counts["kill"] += 1
        process.dead = True
        world.crashed.append(process.name)
        raise Crash(process.name)

    async def sleep(value: Any) -> Any:
        counts["sleep"] += 1
        await asyncio.sleep(value)
        return value

    for activity in (kill, sleep):
        registry.add_activity(
            ActivityDefinition(name=activity.__name__, function=activity, input_name="value")
        )
    for each in (doomed, at_work):
        registry.add_orchestrator(
            OrchestratorDefinition(
                name=each.__name__, function=each, context_name="context", input_type=None
            )
        )
    world = World(registry=registry, latency=LATENCY, own_lease_seconds=45, watch=running_in.set)
    ids = [f"i{n:02}" for n in range(HEALTHY)]
    ended: dict[str, float] = {}

    async def main() -> None:
        for each in (*ids[: HEALTHY // 2], "killer", *ids[HEALTHY // 2 :]):
            await start(world.hub, "doomed" if each == "killer" else "at_work", each)

        async def done() -> bool:
            for each in (*ids, "killer"):
                row = await world.hub.instances.read(each)
                if each not in ended and row is not None and is_ended(row):
                    ended[each] = world.clock.monotonic()
            return len(ended) == HEALTHY + 1 and await world.queues_empty()

        await world.serve_until(done, processes=processes, workers=workers)
        assert len(ended) == HEALTHY + 1
        for each in ids:
            row = await world.hub.instances.read(each)
            assert row is not None
            assert json.loads(row.output or "") == ["Hello a!", 3, "Hello b!"]
        row = await world.hub.instances.read("killer")
        assert row is not None
        assert row.status == "Failed"
        assert f"was begun {MOST_DEATHS} times" in (row.output or "")
        with pytest.raises(NotFound):  # nothing was ever put there
            await world.account.blobs.list_blobs(world.hub.names.quarantine, "")

    run_simulation(main())
    # Once in place, before it had a message of its own.
    assert counts["kill"] <= 1 + UNSUSPECTED_DELIVERIES + MOST_DEATHS
    assert len(world.crashed) == counts["kill"]
    print(
        f"{counts['kill']} deaths; healthy ones ended after {max(ended[i] for i in ids):.0f} s, "
        f"the killer after {ended['killer']:.0f} s; {counts['sleep']} runs of {HEALTHY} "
        f"slow activities, {counts['greet:a'] + counts['greet:b']} of {2 * HEALTHY} quick ones"
    )
