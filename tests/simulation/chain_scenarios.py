"""Scenarios of the fast path: chains that are flushed, raced, overwritten, and outlived."""

from __future__ import annotations

import json

from durable.hub.raising import raise_event, terminate
from durable.hub.taskhub import TaskHub
from durable.runtime.settings import EngineSettings
from tests.simulation.scenarios import Scenario, greeting, start, starting
from tests.simulation.world import World

MIXED = Scenario(
    name="quick-and-slow",
    client=starting("mixed"),
    outputs={"i1": [*greeting(*map(str, range(6))), 0, 1, 2, "Hello 9!"]},
    activities={"greet:0": 1, "linger:0": 1, "linger:2": 1, "greet:9": 1},
)
FIRST_OF = Scenario(
    name="continue-as-new-beside-a-slow-activity",
    client=starting("first_of", 3),
    outputs={"i1": 1},
    activities={"linger:3": 1, "linger:2": 1, "linger:1": 1},
)


async def _attending(hub: TaskHub, world: World) -> None:
    await start(hub, "attentive", "i1")
    for n in range(2):
        await world.clock.sleep(0.9)
        await raise_event(hub, "i1", "E", json.dumps(n))


ATTENTIVE = Scenario(
    name="events-beside-a-slow-activity",
    client=_attending,
    outputs={"i1": [0, 1, 0]},
    activities={"linger:0": 1},
    needs_client=True,
)
IMPATIENT = Scenario(
    name="activity-against-timer",
    client=starting("impatient"),
    outputs={"i1": "Hello in time!"},
    activities={"greet:quick": 1},
    # With its process dead, the activity comes back after the timer.
    if_late=("Completed", "Hello late!"),
)
FAMILY = Scenario(
    name="children-beside-a-slow-activity",
    client=starting("family"),
    outputs={"i1": [3, 3, 3, 7]},
    activities={"linger:7": 1, "greet:Tokyo": 3},
)
WORKLOAD = Scenario(
    name="more-than-runs-at-once",
    client=starting("workload"),
    outputs={"i1": 36},
    activities={f"linger:{n}": 1 for n in range(9)},
    settings=EngineSettings(max_concurrent_activities=2),
)


async def _cutting_short(hub: TaskHub, world: World) -> None:
    await start(hub, "mixed", "i1")
    await world.clock.sleep(1.5)
    await terminate(hub, "i1", "enough")


CUT_SHORT = Scenario(
    name="terminate-beside-slow-activities",
    client=_cutting_short,
    outputs={"i1": "enough"},
    statuses={"i1": "Terminated"},
    if_late=("Completed", [*greeting(*map(str, range(6))), 0, 1, 2, "Hello 9!"]),
)

CHAINS = (MIXED, FIRST_OF, ATTENTIVE, IMPATIENT, FAMILY, WORKLOAD, CUT_SHORT)
