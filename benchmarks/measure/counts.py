"""Storage requests by scenario, counted on the wire: in worker mode and in Functions mode."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.azurite import azurite, open_at
from benchmarks.measure.stage import Stage, staged, warm_up
from benchmarks.requests import SCENARIOS, WIDE, Scenario, running
from benchmarks.wire import Wire, wire_to

#: What is told, by the titles of `benchmarks.requests`.
TITLES = ("hello-3", "sequence 10", "sequence 100", "fan-out 100", "fan-out 1000")
_QUICK = ("hello-3", "sequence 10")
#: The sweeper and the like run beside the work now and then: the cheapest round is without them.
_ROUNDS = 3
_SETTLE_SECONDS = 15.0


def scenarios(titles: Sequence[str]) -> list[Scenario]:
    known = {each.title: each for each in (*SCENARIOS, WIDE)}
    return [known[title] for title in titles]


async def in_worker_mode(*, quick: bool = False) -> dict[str, Any]:
    """A worker, and its client in the same process."""
    async with (
        azurite() as port,
        wire_to(port) as wire,
        staged(open_at(wire.port), open_at(port), open_at(port)) as stage,
    ):
        await warm_up(stage)
        return {
            scenario.title: await _cheapest(stage, wire, scenario)
            for scenario in scenarios(_QUICK if quick else TITLES)
        }


async def _cheapest(stage: Stage, wire: Wire, scenario: Scenario) -> Mapping[str, Any]:
    found = []
    for _ in range(_ROUNDS):
        await stage.quiet()
        wire.clear()
        value = None if scenario.orchestrator == "hello" else scenario.activities
        _, heard = await stage.recorded(lambda: stage.run(scenario.orchestrator, value))  # noqa: B023
        requests = dict(wire.requests)
        found.append(
            {"total": sum(requests.values()), "requests": requests, "looks": heard.work().looks}
        )
    return min(found, key=lambda each: each["total"])


async def in_functions_mode(*, quick: bool = False) -> dict[str, Any]:
    """The app's generated functions below the local host's queue listeners."""
    async with running(None) as bench:
        await bench.measure(SCENARIOS[0])  # the first call opens connections and loads the key
        found = {}
        for scenario in scenarios(_QUICK if quick else TITLES):
            measured = [await bench.measure(scenario) for _ in range(2)]
            best = min(measured, key=lambda each: each.total)
            found[scenario.title] = {"total": best.total, "requests": dict(best.requests)}
        return found


async def idle(*, quick: bool = False) -> dict[str, Any]:
    """A worker that has nothing to do: all its requests, polls and upkeep too."""
    seconds = 5.0 if quick else 60.0
    async with (
        azurite() as port,
        wire_to(port) as wire,
        staged(open_at(wire.port), open_at(port), open_at(port)) as stage,
    ):
        await warm_up(stage)
        await asyncio.sleep(1.0 if quick else _SETTLE_SECONDS)  # polling backs off
        wire.clear()
        await asyncio.sleep(seconds)
        requests = {**wire.requests, "queue Get Messages": wire.idle_polls}
        requests |= {f"{name} (Partitions)": count for name, count in wire.upkeep.items()}
    return {
        "seconds": seconds,
        "settled_after": _SETTLE_SECONDS,
        "requests": requests,
        "a_second": sum(requests.values()) / seconds,
    }
